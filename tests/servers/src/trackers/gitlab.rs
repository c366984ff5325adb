//! GitLab's REST interface, version 4.

use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::describe::Description;
use super::interface::{Answer, Call, Interface};
use super::reaction;
use super::store::{New, Project, Store, Ticket, contains};

static DESCRIPTION: OnceLock<Description> = OnceLock::new();
/// The longest title and the longest description or note, in characters.
const LONGEST: (usize, usize) = (255, 1_048_576);
const LIST: [&str; 13] = [
    "state",
    "labels",
    "search",
    "in",
    "scope",
    "iids[]",
    "created_after",
    "created_before",
    "updated_after",
    "order_by",
    "sort",
    "page",
    "per_page",
];

pub(crate) struct Api;

impl Interface for Api {
    fn prefix(&self) -> &'static str {
        "/api/v4"
    }

    fn description(&self) -> &'static Description {
        let text = include_str!("../../descriptions/gitlab.json");
        DESCRIPTION.get_or_init(|| Description::read(text, true))
    }

    fn store(&self, origin: &str) -> Store {
        let projects = vec![
            Project { id: 1, path: "acme/web", name: "web" },
            Project { id: 2, path: "acme/secret", name: "secret" },
        ];
        Store::new(origin.to_owned(), "glpat-fake0123456789", projects)
    }

    fn admits(&self, store: &Store, call: &Call) -> Result<(), Answer> {
        let bearer = call.header("authorization").and_then(|given| given.strip_prefix("Bearer "));
        let given = call.header("private-token").or(bearer);
        if given == Some(&store.token) { Ok(()) } else { Err(self.failure(401, "planned")) }
    }

    fn answer(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        match call.operation.as_str() {
            "GET /user" => Ok(Answer::new(200, me(store))),
            "GET /personal_access_tokens/self" => Ok(Answer::new(200, own_token())),
            "GET /projects/{id}" => Ok(self.read_project(store, call)),
            "GET /projects/{id}/issues" => self.list(store, call),
            "POST /projects/{id}/issues" => self.create(store, call),
            "GET /projects/{id}/issues/{issue_iid}" => Ok(self.read(store, call)),
            "GET /projects/{id}/issues/{noteable_id}/notes" => Ok(self.notes(store, call)),
            "GET /projects/{id}/issues/{noteable_id}/notes/{note_id}" => {
                Ok(self.one_note(store, call))
            }
            "POST /projects/{id}/issues/{noteable_id}/notes" => self.add_note(store, call),
            other => Err(self.failure(404, &format!("the fake does not know {other}"))),
        }
    }

    fn failure(&self, status: u16, reason: &str) -> Answer {
        let body = match (status, reason) {
            (401, _) => json!({ "message": "401 Unauthorized" }),
            (403, _) => json!({ "message": "403 Forbidden" }),
            (404, "planned" | "Not Found") => json!({ "message": "404 Project Not Found" }),
            (404, what) => json!({ "message": what }),
            (500, _) => json!({ "message": "500 Internal Server Error" }),
            (502, _) => json!("<html><body>GitLab is not responding</body></html>"),
            (422, "planned") => json!({ "message": { "title": ["can't be blank"] } }),
            // What is not as described is 400 here.
            (_, reason) => return Answer::new(400, json!({ "error": reason })),
        };
        Answer::new(status, body)
    }

    fn limit(&self, status: u16, after: u64) -> Answer {
        let body = json!({ "message": "This endpoint has been requested too many times. Try again later." });
        Answer::new(status, body).with("retry-after", after).with("ratelimit-remaining", 0)
    }

    fn reactions(&self, body: &Value) -> Vec<String> {
        reaction::of_gitlab(body.as_str().unwrap_or_default())
    }

    fn ticket(&self, store: &Store, ticket: usize) -> Value {
        issue(store, &store.tickets[ticket])
    }

    fn comment(&self, store: &Store, ticket: usize, comment: usize) -> Value {
        let ticket = &store.tickets[ticket];
        let comment = &ticket.comments[comment];
        json!({
            "id": comment.id,
            "type": null,
            "body": comment.body,
            "author": user(store),
            "created_at": time(comment.created),
            "updated_at": time(comment.created),
            "system": false,
            "noteable_id": ticket.id,
            "noteable_type": "Issue",
            "project_id": store.projects[ticket.project].id,
            "noteable_iid": ticket.number,
            "resolvable": false,
            "confidential": false,
            "internal": false,
        })
    }
}

impl Api {
    /// The project that the path names by number or by path.
    fn project(&self, store: &Store, call: &Call) -> Result<usize, Answer> {
        let named = &call.values["id"];
        let is_named =
            |project: &Project| project.path == named || project.id.to_string() == *named;
        let found = store.projects.iter().position(is_named);
        found.ok_or_else(|| self.failure(404, "404 Project Not Found"))
    }

    fn found(&self, store: &Store, call: &Call) -> Result<usize, Answer> {
        let project = self.project(store, call)?;
        let number = call.values.get("issue_iid").or_else(|| call.values.get("noteable_id"));
        let number = number.and_then(|number| number.parse().ok()).unwrap_or_default();
        store.find(project, number).ok_or_else(|| self.failure(404, "404 Issue Not Found"))
    }

    fn create(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        let project = match self.project(store, call) {
            Ok(project) => project,
            Err(missing) => return Ok(missing),
        };
        let title = call.body["title"].as_str().unwrap_or_default();
        if title.trim().is_empty() || title.chars().count() > LONGEST.0 {
            return Err(self.failure(400, "title can't be blank and is at most 255 characters"));
        }
        if call.body["description"].as_str().is_some_and(|text| text.chars().count() > LONGEST.1) {
            return Err(
                self.failure(400, "description is too long (maximum is 1048576 characters)")
            );
        }
        let labels = match &call.body["labels"] {
            Value::Array(labels) => {
                labels.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            labels => listed(labels.as_str().unwrap_or_default()),
        };
        let body = call.body["description"].clone();
        let labels = if store.may_label { labels } else { Vec::new() };
        store.add(project, New { title: title.to_owned(), body, labels, ..New::default() });
        Ok(Answer::new(201, self.ticket(store, store.tickets.len() - 1)))
    }

    fn read(&self, store: &Store, call: &Call) -> Answer {
        let found = self.found(store, call);
        found.map_or_else(|missing| missing, |ticket| Answer::new(200, self.ticket(store, ticket)))
    }

    fn read_project(&self, store: &Store, call: &Call) -> Answer {
        let found = self.project(store, call);
        found.map_or_else(|missing| missing, |place| Answer::new(200, show_project(store, place)))
    }

    fn list(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&LIST) {
            return Err(self.failure(400, &beyond));
        }
        let project = match self.project(store, call) {
            Ok(project) => project,
            Err(missing) => return Ok(missing),
        };
        let mut tickets: Vec<&Ticket> = store.tickets.iter().collect();
        tickets.retain(|ticket| ticket.project == project && wanted(call, ticket));
        match call.query("order_by").unwrap_or("created_at") {
            "created_at" => tickets.sort_by_key(|ticket| (ticket.created, ticket.id)),
            "updated_at" => tickets.sort_by_key(|ticket| (ticket.updated, ticket.id)),
            other => return Err(self.failure(400, &format!("the fake does not sort by {other}"))),
        }
        if call.query("sort") != Some("asc") {
            tickets.reverse();
        }
        Ok(paged(call, tickets.into_iter().map(|ticket| issue(store, ticket)).collect()))
    }

    /// The latest first unless the query says otherwise, as GitLab has it.
    fn notes(&self, store: &Store, call: &Call) -> Answer {
        let ticket = match self.found(store, call) {
            Ok(ticket) => ticket,
            Err(missing) => return missing,
        };
        let notes = 0..store.tickets[ticket].comments.len();
        let mut notes: Vec<Value> = notes.map(|note| self.comment(store, ticket, note)).collect();
        if call.query("sort") != Some("asc") {
            notes.reverse();
        }
        paged(call, notes)
    }

    fn one_note(&self, store: &Store, call: &Call) -> Answer {
        let ticket = match self.found(store, call) {
            Ok(ticket) => ticket,
            Err(missing) => return missing,
        };
        let is_asked = |id: u64| id.to_string() == call.values["note_id"];
        match store.tickets[ticket].comments.iter().position(|note| is_asked(note.id)) {
            Some(note) => Answer::new(200, self.comment(store, ticket, note)),
            None => self.failure(404, "404 Note Not Found"),
        }
    }

    fn add_note(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        let ticket = match self.found(store, call) {
            Ok(ticket) => ticket,
            Err(missing) => return Ok(missing),
        };
        let length = call.body["body"].as_str().map_or(0, |body| body.chars().count());
        if length == 0 || length > LONGEST.1 {
            return Err(self.failure(400, "note can't be blank and is at most 1048576 characters"));
        }
        store.comment(ticket, call.body["body"].clone());
        let note = store.tickets[ticket].comments.len() - 1;
        Ok(Answer::new(201, self.comment(store, ticket, note)))
    }
}

/// Whether a ticket is among those that the query asks for.
fn wanted(call: &Call, ticket: &Ticket) -> bool {
    let at = |name| call.query(name).and_then(|text| humantime::parse_rfc3339_weak(text).ok());
    let state = call.query("state").unwrap_or("all");
    let search = call.query("search").unwrap_or_default();
    let places = call.query("in").unwrap_or("title,description");
    let body = ticket.body.as_str().unwrap_or_default();
    let mut numbers = call.query.iter().filter(|(name, _)| name == "iids[]").peekable();
    let labels = listed(call.query("labels").unwrap_or_default());
    (state == "all" || (state == "opened") == ticket.open)
        && at("created_after").is_none_or(|time| ticket.created >= time)
        && at("created_before").is_none_or(|time| ticket.created <= time)
        && at("updated_after").is_none_or(|time| ticket.updated >= time)
        && (numbers.peek().is_none()
            || numbers.any(|(_, number)| *number == ticket.number.to_string()))
        && labels.iter().all(|label| ticket.labels.contains(label))
        && search.split_whitespace().all(|word| {
            (places.contains("title") && contains(&ticket.title, word))
                || (places.contains("description") && contains(body, word))
        })
}

/// The names in a comma-separated list.
fn listed(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// GitLab's times have milliseconds.
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

fn issue(store: &Store, ticket: &Ticket) -> Value {
    let project = &store.projects[ticket.project];
    let number = ticket.number;
    let url = format!("{}/api/v4/projects/{}/issues/{number}", store.url, project.id);
    json!({
        "id": ticket.id,
        "iid": number,
        "project_id": project.id,
        "title": ticket.title,
        "description": ticket.body,
        "state": if ticket.open { "opened" } else { "closed" },
        "created_at": time(ticket.created),
        "updated_at": time(ticket.updated),
        "closed_at": null,
        "closed_by": null,
        "labels": ticket.labels,
        "milestone": null,
        "assignees": [],
        "assignee": null,
        "author": user(store),
        "type": "ISSUE",
        "issue_type": "issue",
        "user_notes_count": ticket.comments.len(),
        "upvotes": 0,
        "downvotes": 0,
        "due_date": null,
        "confidential": false,
        "discussion_locked": null,
        "web_url": format!("{}/{}/-/issues/{number}", store.url, project.path),
        "references": {
            "short": format!("#{number}"),
            "relative": format!("#{number}"),
            "full": format!("{}#{number}", project.path),
        },
        "_links": { "self": url, "notes": format!("{url}/notes") },
    })
}

fn user(store: &Store) -> Value {
    json!({
        "id": 7,
        "username": "suite-bot",
        "name": "Suite",
        "state": "active",
        "locked": false,
        "avatar_url": null,
        "web_url": format!("{}/suite-bot", store.url),
    })
}

fn me(store: &Store) -> Value {
    let mut user = user(store);
    user["email"] = json!("suite-bot@example.com");
    user["bot"] = json!(false);
    user
}

fn own_token() -> Value {
    json!({
        "id": 42,
        "name": "suite",
        "revoked": false,
        "created_at": "2024-01-01T00:00:00.000Z",
        "scopes": ["api"],
        "user_id": 7,
        "active": true,
        "expires_at": "2999-12-31",
    })
}

fn show_project(store: &Store, place: usize) -> Value {
    let project = &store.projects[place];
    json!({
        "id": project.id,
        "name": project.name,
        "path": project.name,
        "description": null,
        "name_with_namespace": format!("acme / {}", project.name),
        "path_with_namespace": project.path,
        "created_at": "2024-01-01T00:00:00.000Z",
        "default_branch": "main",
        "web_url": format!("{}/{}", store.url, project.path),
        "visibility": "private",
        "archived": false,
        "issues_enabled": true,
        "issues_access_level": "enabled",
        "permissions": { "project_access": { "access_level": 30 }, "group_access": null },
    })
}

/// One page of a list, with where it is among the others.
fn paged(call: &Call, items: Vec<Value>) -> Answer {
    let (page, size) = call.page(20);
    let (total, pages) = (items.len(), items.len().div_ceil(size));
    let next = if page < pages { (page + 1).to_string() } else { String::new() };
    let shown: Vec<Value> = items.into_iter().skip((page - 1) * size).take(size).collect();
    Answer::new(200, Value::Array(shown))
        .with("x-total", total)
        .with("x-total-pages", pages)
        .with("x-page", page)
        .with("x-per-page", size)
        .with("x-next-page", next)
}
