//! Jira Cloud's REST interface, version 3.

mod document;
mod jql;
mod show;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::describe::Description;
use super::interface::{Answer, Call, Interface};
use super::reaction;
use super::store::{New, Project, Store, Ticket};
use jql::Jql;

static DESCRIPTION: OnceLock<Description> = OnceLock::new();
/// The account of the token.
pub(crate) const USER: &str = "suite-bot@example.com";
/// The kinds of issue that both projects have.
const KINDS: [(&str, &str); 3] = [("10001", "Task"), ("10002", "Bug"), ("10003", "Story")];
/// The longest summary and the longest text of a document, in characters.
const LONGEST: (usize, usize) = (255, 32_767);
/// Fields that the create screen has besides those that are checked one by one.
const OTHER_FIELDS: [&str; 5] = ["priority", "reporter", "assignee", "duedate", "components"];

pub(crate) struct Api;

impl Interface for Api {
    fn prefix(&self) -> &'static str {
        ""
    }

    fn description(&self) -> &'static Description {
        let text = include_str!("../../descriptions/jira.json");
        DESCRIPTION.get_or_init(|| Description::read(text, false))
    }

    fn store(&self, origin: &str) -> Store {
        let projects = vec![
            Project { id: 10_000, path: "WEB", name: "Web" },
            Project { id: 10_001, path: "SEC", name: "Secret" },
        ];
        Store::new(origin.to_owned(), "ATATTfake0123456789", projects)
    }

    fn admits(&self, store: &Store, call: &Call) -> Result<(), Answer> {
        let given = call.header("authorization").unwrap_or_default();
        let basic = STANDARD.encode(format!("{USER}:{}", store.token));
        let good = given == format!("Basic {basic}") || given == format!("Bearer {}", store.token);
        if good { Ok(()) } else { Err(self.failure(401, "planned")) }
    }

    fn answer(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        match call.operation.as_str() {
            "POST /rest/api/3/issue" => self.create(store, call),
            "GET /rest/api/3/issue/{issueIdOrKey}" => self.read(store, call),
            "GET /rest/api/3/issue/{issueIdOrKey}/comment" => self.comments(store, call),
            "GET /rest/api/3/issue/{issueIdOrKey}/comment/{id}" => {
                Ok(self.one_comment(store, call))
            }
            "POST /rest/api/3/issue/{issueIdOrKey}/comment" => self.add_comment(store, call),
            "GET /rest/api/3/search/jql" | "POST /rest/api/3/search/jql" => {
                self.search(store, call)
            }
            "GET /rest/api/3/myself" => Ok(Answer::new(200, show::user(store))),
            "GET /rest/api/3/mypermissions" => self.permissions(store, call),
            "GET /rest/api/3/project/{projectIdOrKey}" => Ok(self.read_project(store, call)),
            other => Err(self.failure(404, &format!("the fake does not know {other}"))),
        }
    }

    fn failure(&self, status: u16, reason: &str) -> Answer {
        let said = match (status, reason) {
            (401, _) => {
                let message = "Client must be authenticated to access this resource.";
                return Answer::new(401, json!({ "message": message, "status-code": 401 }));
            }
            (502, _) => return Answer::new(502, json!("<html><body>Bad Gateway</body></html>")),
            (403, "planned") => "You do not have permission to create issues in this project.",
            (404, "planned") => "Issue does not exist or you do not have permission to see it.",
            (500, "planned") => "Internal server error",
            (_, reason) => reason,
        };
        // What is not as described is 400 here; a planned 422 stays one.
        let status = if status == 422 && reason != "planned" { 400 } else { status };
        Answer::new(status, json!({ "errorMessages": [said], "errors": {} }))
    }

    fn limit(&self, status: u16, after: u64) -> Answer {
        let answer = self.failure(status, "Rate limit exceeded.");
        answer.with("retry-after", after).with("x-ratelimit-remaining", 0)
    }

    fn body(&self, text: &str) -> Value {
        document::of(text)
    }

    fn name(&self, store: &Store, ticket: usize) -> String {
        key(store, &store.tickets[ticket])
    }

    fn reactions(&self, body: &Value) -> Vec<String> {
        reaction::of_jira(body)
    }

    fn ticket(&self, store: &Store, ticket: usize) -> Value {
        show::issue(store, &store.tickets[ticket], &["*all"])
    }

    fn comment(&self, store: &Store, ticket: usize, comment: usize) -> Value {
        show::comment(store, &store.tickets[ticket], &store.tickets[ticket].comments[comment])
    }
}

impl Api {
    fn found(&self, store: &Store, call: &Call) -> Result<usize, Answer> {
        let named = &call.values["issueIdOrKey"];
        let is_named =
            |ticket: &Ticket| key(store, ticket) == *named || ticket.id.to_string() == *named;
        let found = store.tickets.iter().position(is_named);
        found.ok_or_else(|| self.failure(404, "planned"))
    }

    fn create(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&["updateHistory"]) {
            return Err(self.failure(400, &beyond));
        }
        if call.body.as_object().is_some_and(|body| body.keys().any(|name| name != "fields")) {
            return Err(self.failure(400, "the fake knows fields only"));
        }
        let fields = &call.body["fields"];
        let wrong = Self::wrong_fields(store, fields);
        if !wrong.is_empty() {
            return Err(Answer::new(400, json!({ "errorMessages": [], "errors": wrong })));
        }
        let project = project(store, project_of(fields)).unwrap_or_default();
        let labels = fields["labels"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let kept = fields.as_object().into_iter().flatten();
        let kept =
            kept.filter(|(name, _)| OTHER_FIELDS.contains(&name.as_str()) || *name == "issuetype");
        let new = New {
            title: fields["summary"].as_str().unwrap_or_default().to_owned(),
            body: fields["description"].clone(),
            labels: labels.map(str::to_owned).collect(),
            fields: kept.map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let id = store.add(project, new).id;
        let key = self.name(store, store.tickets.len() - 1);
        let link = format!("{}/rest/api/3/issue/{id}", store.url);
        Ok(Answer::new(201, json!({ "id": id.to_string(), "key": key, "self": link })))
    }

    /// What Jira would say of each field that it does not take.
    fn wrong_fields(store: &Store, fields: &Value) -> BTreeMap<String, String> {
        let mut wrong = BTreeMap::new();
        let mut say = |name: &str, said: &str| wrong.insert(name.to_owned(), said.to_owned());
        let summary = fields["summary"].as_str().unwrap_or_default();
        if summary.trim().is_empty() {
            say("summary", "You must specify a summary of the issue.");
        } else if summary.chars().count() > LONGEST.0 || summary.contains(['\n', '\r']) {
            say("summary", "The summary has a line break or is longer than 255 characters.");
        }
        if project(store, project_of(fields)).is_none() {
            say("project", "Specify a valid project ID or key");
        }
        let kind =
            fields["issuetype"]["name"].as_str().or_else(|| fields["issuetype"]["id"].as_str());
        if !kind.is_some_and(|kind| KINDS.iter().any(|(id, name)| kind == *id || kind == *name)) {
            say("issuetype", "Specify a valid issue type");
        }
        if let Err(said) = document::check_or_null(&fields["description"], LONGEST.1) {
            say("description", &said);
        }
        let labels = fields["labels"].as_array();
        if labels.is_none() && !fields["labels"].is_null() {
            say("labels", "data was not an array");
        }
        for label in labels.into_iter().flatten() {
            if !label
                .as_str()
                .is_some_and(|label| !label.is_empty() && !label.contains(char::is_whitespace))
            {
                say("labels", "The label contains spaces which is invalid.");
            }
        }
        let known = ["summary", "project", "issuetype", "description", "labels"];
        for name in fields.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if !known.contains(&name.as_str()) && !OTHER_FIELDS.contains(&name.as_str()) {
                say(name, "Field cannot be set. It is not on the appropriate screen, or unknown.");
            }
        }
        wrong
    }

    fn read(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&["fields"]) {
            return Err(self.failure(400, &beyond));
        }
        let fields: Vec<&str> = call.query("fields").unwrap_or("*all").split(',').collect();
        let found = self.found(store, call);
        Ok(found.map_or_else(
            |missing| missing,
            |ticket| Answer::new(200, show::issue(store, &store.tickets[ticket], &fields)),
        ))
    }

    fn comments(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&["startAt", "maxResults", "orderBy"]) {
            return Err(self.failure(400, &beyond));
        }
        let ticket = match self.found(store, call) {
            Ok(ticket) => &store.tickets[ticket],
            Err(missing) => return Ok(missing),
        };
        let number =
            |name, usual| call.query(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
        let (start, most) = (number("startAt", 0), number("maxResults", 50).min(100));
        let mut comments: Vec<_> = ticket.comments.iter().collect();
        if call.query("orderBy") == Some("-created") {
            comments.reverse();
        }
        let shown = comments
            .iter()
            .skip(start)
            .take(most)
            .map(|comment| show::comment(store, ticket, comment));
        let shown: Vec<Value> = shown.collect();
        let total = ticket.comments.len();
        Ok(Answer::new(
            200,
            json!({ "startAt": start, "maxResults": most, "total": total, "comments": shown }),
        ))
    }

    fn one_comment(&self, store: &Store, call: &Call) -> Answer {
        let ticket = match self.found(store, call) {
            Ok(ticket) => ticket,
            Err(missing) => return missing,
        };
        let is_asked = |id: u64| id.to_string() == call.values["id"];
        match store.tickets[ticket].comments.iter().position(|comment| is_asked(comment.id)) {
            Some(comment) => Answer::new(200, self.comment(store, ticket, comment)),
            None => self.failure(404, "planned"),
        }
    }

    fn add_comment(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer> {
        let ticket = match self.found(store, call) {
            Ok(ticket) => ticket,
            Err(missing) => return Ok(missing),
        };
        document::check(&call.body["body"], LONGEST.1).map_err(|said| {
            Answer::new(400, json!({ "errorMessages": [], "errors": { "comment": said } }))
        })?;
        store.comment(ticket, call.body["body"].clone());
        let comment = store.tickets[ticket].comments.len() - 1;
        Ok(Answer::new(201, self.comment(store, ticket, comment)))
    }

    /// Finds by JQL, from the index: what is not in it yet is found only by `reconcileIssues`.
    fn search(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        let asked = |name: &str| match call.query(name) {
            Some(text) => text.to_owned(),
            None => match &call.body[name] {
                Value::String(text) => text.clone(),
                Value::Array(items) => {
                    let items = items
                        .iter()
                        .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                    items.collect::<Vec<_>>().join(",")
                }
                Value::Null => String::new(),
                other => other.to_string(),
            },
        };
        let known = ["jql", "maxResults", "nextPageToken", "fields", "reconcileIssues"];
        let body = call.body.as_object().into_iter().flat_map(|body| body.keys());
        let beyond = body.map(String::as_str).find(|name| !known.contains(name)).map(str::to_owned);
        if let Some(beyond) = call.beyond(&known).or(beyond) {
            return Err(self.failure(400, &format!("the fake does not know {beyond}")));
        }
        let query = Jql::read(&asked("jql")).map_err(|said| self.failure(400, &said))?;
        let certain = asked("reconcileIssues");
        let certain: Vec<&str> = certain.split(',').collect();
        let mut tickets: Vec<&Ticket> = store.tickets.iter().collect();
        tickets.retain(|ticket| {
            (ticket.indexed || certain.contains(&ticket.id.to_string().as_str()))
                && query.finds(store, ticket)
        });
        query.sort(&mut tickets);
        let start: usize = asked("nextPageToken")
            .strip_prefix("from-")
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        let most: usize = asked("maxResults").parse().unwrap_or(50).clamp(1, 5000);
        let fields = asked("fields");
        let fields: Vec<&str> = fields.split(',').filter(|name| !name.is_empty()).collect();
        let fields = if fields.is_empty() { vec!["id"] } else { fields };
        let shown = tickets.iter().skip(start).take(most);
        let issues: Vec<Value> = shown.map(|ticket| show::issue(store, ticket, &fields)).collect();
        let end = start + issues.len();
        let mut body = json!({ "issues": issues, "isLast": end >= tickets.len() });
        if end < tickets.len() {
            body["nextPageToken"] = json!(format!("from-{end}"));
        }
        Ok(Answer::new(200, body))
    }

    fn permissions(&self, store: &Store, call: &Call) -> Result<Answer, Answer> {
        if let Some(beyond) = call.beyond(&["permissions", "projectKey", "projectId"]) {
            return Err(self.failure(400, &beyond));
        }
        let Some(names) = call.query("permissions").filter(|names| !names.is_empty()) else {
            return Err(self.failure(400, "The permissions parameter is required."));
        };
        let place = call.query("projectKey").or_else(|| call.query("projectId"));
        if place.is_some_and(|place| project(store, place).is_none()) {
            return Ok(self.failure(404, "No project could be found with this key or id."));
        }
        let have = ["BROWSE_PROJECTS", "CREATE_ISSUES", "ADD_COMMENTS"];
        let permissions = names.split(',').map(|name| {
            let shown = json!({ "key": name, "name": name, "type": "PROJECT", "havePermission": have.contains(&name) });
            (name.to_owned(), shown)
        });
        let permissions: serde_json::Map<String, Value> = permissions.collect();
        Ok(Answer::new(200, json!({ "permissions": permissions })))
    }

    fn read_project(&self, store: &Store, call: &Call) -> Answer {
        let found = project(store, &call.values["projectIdOrKey"]);
        found.map_or_else(
            || self.failure(404, "No project could be found with this key or id."),
            |place| Answer::new(200, show::project(store, place)),
        )
    }
}

/// `WEB-1`.
fn key(store: &Store, ticket: &Ticket) -> String {
    format!("{}-{}", store.projects[ticket.project].path, ticket.number)
}

/// The project that is named by key or number.
fn project(store: &Store, named: &str) -> Option<usize> {
    let is_named = |project: &Project| project.path == named || project.id.to_string() == named;
    store.projects.iter().position(is_named)
}

fn project_of(fields: &Value) -> &str {
    let project = &fields["project"];
    project["key"].as_str().or_else(|| project["id"].as_str()).unwrap_or_default()
}
