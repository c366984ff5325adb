//! Jira's forms of things.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::super::store::{Comment, Store, Ticket};
use super::{KINDS, USER, key};

/// An issue with the fields that are asked for: names, `*all` or `*navigable`, and names with a
/// minus.
pub(super) fn issue(store: &Store, ticket: &Ticket, wanted: &[&str]) -> Value {
    let mut shown = json!({
        "id": ticket.id.to_string(),
        "key": key(store, ticket),
        "self": format!("{}/rest/api/3/issue/{}", store.url, ticket.id),
    });
    let named = |name: &str| wanted.contains(&name);
    let left_out = |name: &str| wanted.iter().any(|wanted| wanted.strip_prefix('-') == Some(name));
    // Only identifiers are asked for.
    if wanted == ["id"] {
        return json!({ "id": shown["id"] });
    }
    if wanted == ["key"] {
        return shown;
    }
    let every =
        named("*all") || (named("*navigable") || wanted.iter().all(|name| name.starts_with('-')));
    let mut fields = fields(store, ticket);
    fields.retain(|name, _| {
        (every && !left_out(name) && (named("*all") || name != "comment")) || named(name)
    });
    shown["fields"] = Value::Object(fields);
    shown
}

fn fields(store: &Store, ticket: &Ticket) -> Map<String, Value> {
    let comments: Vec<Value> =
        ticket.comments.iter().map(|one| comment(store, ticket, one)).collect();
    let status = if ticket.open { ("To Do", "new") } else { ("Done", "done") };
    let mut fields = Map::new();
    for (name, value) in [
        ("summary", json!(ticket.title)),
        ("description", ticket.body.clone()),
        ("labels", json!(ticket.labels)),
        ("issuetype", kind(ticket)),
        ("project", project(store, ticket.project)),
        ("status", json!({ "name": status.0, "statusCategory": { "key": status.1 } })),
        ("created", json!(time(ticket.created))),
        ("updated", json!(time(ticket.updated))),
        ("creator", user(store)),
        ("reporter", user(store)),
        ("assignee", Value::Null),
        ("comment", json!({ "comments": comments, "total": comments.len() })),
    ] {
        fields.insert(name.to_owned(), value);
    }
    let given = ticket.fields.iter().filter(|(name, _)| *name != "issuetype");
    fields.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    fields
}

fn kind(ticket: &Ticket) -> Value {
    let given = ticket.fields.get("issuetype");
    let is_given = |(id, name): &&(&str, &str)| {
        given.is_some_and(|given| given["id"] == *id || given["name"] == *name)
    };
    let (id, name) = KINDS.iter().find(is_given).unwrap_or(&KINDS[0]);
    json!({ "id": id, "name": name, "subtask": false })
}

pub(super) fn comment(store: &Store, ticket: &Ticket, comment: &Comment) -> Value {
    json!({
        "self": format!("{}/rest/api/3/issue/{}/comment/{}", store.url, ticket.id, comment.id),
        "id": comment.id.to_string(),
        "author": author(store),
        "updateAuthor": author(store),
        "body": comment.body,
        "created": time(comment.created),
        "updated": time(comment.created),
        "jsdPublic": true,
    })
}

fn author(store: &Store) -> Value {
    let mut author = user(store);
    if let Some(fields) = author.as_object_mut() {
        fields.remove("locale");
    }
    author
}

pub(super) fn user(store: &Store) -> Value {
    let account = "5b10a2844c20165700ede21g";
    json!({
        "self": format!("{}/rest/api/3/user?accountId={account}", store.url),
        "accountId": account,
        "accountType": "atlassian",
        "emailAddress": USER,
        "displayName": "Suite",
        "active": true,
        "timeZone": "Etc/UTC",
        "locale": "en_US",
    })
}

pub(super) fn project(store: &Store, place: usize) -> Value {
    let project = &store.projects[place];
    let kinds: Vec<Value> = KINDS
        .iter()
        .map(|(id, name)| json!({ "id": id, "name": name, "subtask": false }))
        .collect();
    json!({
        "self": format!("{}/rest/api/3/project/{}", store.url, project.id),
        "id": project.id.to_string(),
        "key": project.path,
        "name": project.name,
        "projectTypeKey": "software",
        "simplified": false,
        "isPrivate": false,
        "issueTypes": kinds,
    })
}

/// Jira's times have milliseconds and an offset without a colon.
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string().replace('Z', "+0000")
}
