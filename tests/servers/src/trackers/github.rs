//! GitHub's REST interface.

mod access;
mod search;
mod show;

use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::describe::Description;
use super::interface::{Answer, Call, Interface};
use super::reaction;
use super::store::{Comment, New, Project, Store, Ticket};
use access::{bearer, is_app_token, visible};
use search::Query;

static DESCRIPTION: OnceLock<Description> = OnceLock::new();
/// The longest title and body, in characters.
const LONGEST: (usize, usize) = (256, 65_536);
const ISSUE_LIST: [&str; 7] = ["state", "since", "sort", "direction", "per_page", "page", "labels"];

pub(crate) struct Api;

impl Interface for Api {
    fn prefix(&self) -> &'static str {
        ""
    }

    fn description(&self) -> &'static Description {
        let text = include_str!("../../descriptions/github.json");
        DESCRIPTION.get_or_init(|| Description::read(text, true))
    }

    fn store(&self, origin: &str) -> Store {
        let projects = vec![
            Project { id: 1_296_269, path: "acme/web", name: "web" },
            Project { id: 1_296_270, path: "acme/secret", name: "secret" },
        ];
        Store::new(origin.to_owned(), "ghp_fake0123456789", projects)
    }

    fn admits(&self, store: &Store, call: &Call) -> Result<(), Answer> {
        if call.header("user-agent").is_none() {
            return Err(self.failure(403, "Request forbidden by administrative rules."));
        }
        let token = bearer(call).unwrap_or_default();
        let application = call.operation.contains("/app/");
        let good = if application { is_app_token(token) } else { visible(store, token).is_some() };
        if good { Ok(()) } else { Err(self.failure(401, "Bad credentials")) }
    }

    fn answer(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        match call.operation.as_str() {
            "GET /repos/{owner}/{repo}" => Ok(self.repository_answer(store, call)),
            "GET /repos/{owner}/{repo}/issues" => self.list(store, call),
            "POST /repos/{owner}/{repo}/issues" => self.create(store, call),
            "GET /repos/{owner}/{repo}/issues/comments/{comment_id}" => {
                Ok(self.one_comment(store, call))
            }
            "GET /repos/{owner}/{repo}/issues/{issue_number}" => Ok(self.read(store, call)),
            "GET /repos/{owner}/{repo}/issues/{issue_number}/comments" => {
                self.comments(store, call)
            }
            "POST /repos/{owner}/{repo}/issues/{issue_number}/comments" => {
                self.add_comment(store, call)
            }
            "GET /repos/{owner}/{repo}/labels" => Ok(self.labels(store, call)),
            "GET /search/issues" => self.search(store, call),
            "GET /rate_limit" => {
                Ok(Answer::new(200, self.description().sample("rate-limit-overview")))
            }
            "GET /user" => Ok(Answer::new(200, self.user("public-user", store))),
            "GET /installation/repositories" => Ok(self.repositories(store, call)),
            "GET /app/installations/{installation_id}" => Ok(self.installation(call)),
            "POST /app/installations/{installation_id}/access_tokens" => self.grant(store, call),
            other => Err(self.failure(404, &format!("the fake does not know {other}"))),
        }
    }

    fn failure(&self, status: u16, reason: &str) -> Answer {
        if status == 502 {
            return Answer::new(
                502,
                json!("<html><body>Unicorn! Something went wrong.</body></html>"),
            );
        }
        let message = match (status, reason) {
            (422, _) => "Validation Failed",
            (403, "planned") => "Resource not accessible by integration",
            (404, _) => "Not Found",
            (401, "planned") => "Bad credentials",
            (500, _) => "Server Error",
            (_, other) => other,
        };
        let mut body = json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        });
        if status == 422 {
            body["errors"] = json!([{ "resource": "Issue", "code": "custom", "message": reason }]);
        }
        Answer::new(status, body)
    }

    fn limit(&self, status: u16, after: u64) -> Answer {
        let message = if status == 429 {
            "API rate limit exceeded for user ID 1."
        } else {
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        };
        self.failure(status, message).with("retry-after", after).with("x-ratelimit-remaining", 0)
    }

    fn reactions(&self, body: &Value) -> Vec<String> {
        reaction::of_github(body.as_str().unwrap_or_default())
    }

    fn ticket(&self, store: &Store, ticket: usize) -> Value {
        self.issue(store, &store.tickets[ticket], "issue")
    }

    fn comment(&self, store: &Store, ticket: usize, comment: usize) -> Value {
        let ticket = &store.tickets[ticket];
        self.show_comment(store, ticket, &ticket.comments[comment])
    }
}

impl Api {
    /// The repository that the path names, if the token may see it.
    fn project(&self, store: &Store, call: &Call) -> Result<usize, Answer> {
        let path = format!("{}/{}", call.values["owner"], call.values["repo"]);
        let seen = visible(store, bearer(call).unwrap_or_default()).unwrap_or_default();
        let found =
            store.projects.iter().position(|project| project.path.eq_ignore_ascii_case(&path));
        found.filter(|found| seen.contains(found)).ok_or_else(|| self.failure(404, "Not Found"))
    }

    fn found(&self, store: &Store, call: &Call) -> Result<usize, Answer> {
        let project = self.project(store, call)?;
        let number = call.values["issue_number"].parse().unwrap_or_default();
        store.find(project, number).ok_or_else(|| self.failure(404, "Not Found"))
    }

    fn create(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        let project = match self.project(store, call) {
            Ok(project) => project,
            Err(missing) => return Ok(missing),
        };
        let title = call.body["title"]
            .as_str()
            .map_or_else(|| call.body["title"].to_string(), str::to_owned);
        let body = call.body["body"].as_str().unwrap_or_default();
        if title.trim().is_empty() || title.chars().count() > LONGEST.0 {
            return Err(self.failure(422, "title is missing or too long"));
        }
        if body.chars().count() > LONGEST.1 {
            return Err(self.failure(422, "body is too long (maximum is 65536 characters)"));
        }
        let named = call.body["labels"].as_array().into_iter().flatten();
        let labels = named.filter_map(|label| label.as_str().or_else(|| label["name"].as_str()));
        // Without the right to push, labels are dropped and nothing says so.
        let labels = labels.filter(|_| store.may_label).map(str::to_owned).collect();
        let new = New { title, body: call.body["body"].clone(), labels, ..New::default() };
        store.add(project, new);
        let issue = self.ticket(store, store.tickets.len() - 1);
        let location = issue["url"].as_str().unwrap_or_default().to_owned();
        Ok(Answer::new(201, issue).with("location", location))
    }

    fn read(&self, store: &Store, call: &Call) -> Answer {
        let found = self.found(store, call);
        found.map_or_else(|missing| missing, |ticket| Answer::new(200, self.ticket(store, ticket)))
    }

    fn list(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&ISSUE_LIST) {
            return Err(self.failure(422, &beyond));
        }
        let project = match self.project(store, call) {
            Ok(project) => project,
            Err(missing) => return Ok(missing),
        };
        let state = call.query("state").unwrap_or("open");
        let since = call.query("since").and_then(|time| humantime::parse_rfc3339_weak(time).ok());
        let labels: Vec<&str> = call.query("labels").unwrap_or_default().split(',').collect();
        let mut tickets: Vec<&Ticket> = store
            .tickets
            .iter()
            .filter(|ticket| {
                ticket.project == project
                    && (state == "all" || ticket.open == (state == "open"))
                    && since.is_none_or(|since| whole_second(ticket.updated) >= since)
                    && labels.iter().all(|label| label.is_empty() || has_label(ticket, label))
            })
            .collect();
        match call.query("sort").unwrap_or("created") {
            "updated" => tickets.sort_by_key(|ticket| (ticket.updated, ticket.id)),
            "comments" => tickets.sort_by_key(|ticket| (ticket.comments.len(), ticket.id)),
            _ => tickets.sort_by_key(|ticket| (ticket.created, ticket.id)),
        }
        if call.query("direction") != Some("asc") {
            tickets.reverse();
        }
        let items = tickets.iter().map(|ticket| self.issue(store, ticket, "issue")).collect();
        Ok(paged(store, call, items))
    }

    fn comments(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&["since", "per_page", "page"]) {
            return Err(self.failure(422, &beyond));
        }
        let ticket = match self.found(store, call) {
            Ok(ticket) => &store.tickets[ticket],
            Err(missing) => return Ok(missing),
        };
        let since = call.query("since").and_then(|at| humantime::parse_rfc3339_weak(at).ok());
        let late = |comment: &&Comment| since.is_none_or(|since| comment.created >= since);
        let items = ticket.comments.iter().filter(late);
        let items = items.map(|comment| self.show_comment(store, ticket, comment));
        Ok(paged(store, call, items.collect()))
    }

    fn one_comment(&self, store: &Store, call: &Call) -> Answer {
        let project = match self.project(store, call) {
            Ok(project) => project,
            Err(missing) => return missing,
        };
        let ours = store.tickets.iter().filter(|ticket| ticket.project == project);
        let mut all = ours.flat_map(|ticket| ticket.comments.iter().map(move |one| (ticket, one)));
        match all.find(|(_, one)| one.id.to_string() == call.values["comment_id"]) {
            Some((ticket, one)) => Answer::new(200, self.show_comment(store, ticket, one)),
            None => self.failure(404, "Not Found"),
        }
    }

    fn add_comment(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        let ticket = match self.found(store, call) {
            Ok(ticket) => ticket,
            Err(missing) => return Ok(missing),
        };
        let length = call.body["body"].as_str().map_or(0, |body| body.chars().count());
        if length == 0 || length > LONGEST.1 {
            return Err(self.failure(422, "body is missing or too long"));
        }
        store.comment(ticket, call.body["body"].clone());
        let comment = store.tickets[ticket].comments.len() - 1;
        Ok(Answer::new(201, self.comment(store, ticket, comment)))
    }

    fn labels(&self, store: &Store, call: &Call) -> Answer {
        if let Err(missing) = self.project(store, call) {
            return missing;
        }
        let items = store.labels.iter().map(|label| self.label(store, label)).collect();
        paged(store, call, items)
    }

    /// Finds what has every word and quoted phrase of the query, among what the token may see.
    fn search(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&["q", "sort", "order", "per_page", "page"]) {
            return Err(self.failure(422, &beyond));
        }
        let query = Query::read(call.query("q").unwrap_or_default())
            .map_err(|complaint| self.failure(422, &complaint))?;
        let seen = visible(store, bearer(call).unwrap_or_default()).unwrap_or_default();
        let mut tickets: Vec<&Ticket> = store.tickets.iter().collect();
        tickets.retain(|ticket| {
            ticket.indexed && seen.contains(&ticket.project) && query.finds(store, ticket)
        });
        tickets.sort_by_key(|ticket| (ticket.created, ticket.id));
        if call.query("order") != Some("asc") {
            tickets.reverse();
        }
        let items: Vec<Value> = tickets
            .iter()
            .map(|ticket| self.issue(store, ticket, "issue-search-result-item"))
            .collect();
        let total = items.len();
        let mut answer = paged(store, call, items);
        answer.body = json!({
            "total_count": total,
            "incomplete_results": false,
            "items": answer.body,
            "search_type": "lexical",
        });
        Ok(answer)
    }

    fn repository_answer(&self, store: &Store, call: &Call) -> Answer {
        let project = match self.project(store, call) {
            Ok(project) => project,
            Err(missing) => return missing,
        };
        Answer::new(200, self.repository(store, project, "full-repository"))
    }

    fn repositories(&self, store: &Store, call: &Call) -> Answer {
        let seen = visible(store, bearer(call).unwrap_or_default()).unwrap_or_default();
        let items = seen.iter().map(|project| self.repository(store, *project, "repository"));
        let mut answer = paged(store, call, items.collect());
        answer.body = json!({ "total_count": seen.len(), "repositories": answer.body });
        answer
    }

    fn installation(&self, call: &Call) -> Answer {
        let mut installation = self.description().sample("installation");
        installation["id"] =
            json!(call.values["installation_id"].parse::<u64>().unwrap_or_default());
        Answer::new(200, installation)
    }

    /// Gives out a token of an installation, for the repositories that the request names.
    fn grant(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        let names = call.body["repositories"].as_array();
        let ids = call.body["repository_ids"].as_array();
        let chosen = |project: &Project| {
            names.is_none_or(|names| names.iter().any(|name| name == project.name))
                && ids.is_none_or(|ids| ids.iter().any(|id| *id == project.id))
        };
        let granted: Vec<usize> =
            (0..store.projects.len()).filter(|place| chosen(&store.projects[*place])).collect();
        if granted.is_empty() {
            return Err(self.failure(422, "There is at least one repository that does not exist"));
        }
        let token = format!("ghs_fake{}", store.next_id());
        store.granted.insert(token.clone(), granted);
        let expires = SystemTime::now() + std::time::Duration::from_hours(1);
        let mut body = self.description().sample("installation-token");
        body["token"] = json!(token);
        body["expires_at"] = json!(time(expires));
        body["permissions"] = json!({ "issues": "write", "metadata": "read" });
        Ok(Answer::new(201, body))
    }
}

fn has_label(ticket: &Ticket, label: &str) -> bool {
    ticket.labels.iter().any(|known| known.eq_ignore_ascii_case(label))
}

/// GitHub's times have whole seconds.
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn whole_second(of: SystemTime) -> SystemTime {
    humantime::parse_rfc3339(&time(of)).unwrap_or(of)
}

/// One page of a list, with the links to the others.
fn paged(store: &Store, call: &Call, items: Vec<Value>) -> Answer {
    let (page, size) = call.page(30);
    let last = items.len().div_ceil(size).max(1);
    let shown: Vec<Value> = items.into_iter().skip((page - 1) * size).take(size).collect();
    let mut kept = String::new();
    for (name, value) in call.query.iter().filter(|(name, _)| name != "page") {
        kept += &format!("{name}={}&", encoded(value));
    }
    let link = |number: usize, relation: &str| {
        format!("<{}{}?{kept}page={number}>; rel=\"{relation}\"", store.url, call.path)
    };
    let answer = Answer::new(200, Value::Array(shown));
    if page < last {
        return answer.with("link", format!("{}, {}", link(page + 1, "next"), link(last, "last")));
    }
    answer
}

/// Percent-encoded text.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded += &format!("%{other:02X}"),
        }
    }
    encoded
}
