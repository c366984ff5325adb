//! GitHub's forms of things.

use serde_json::{Value, json};

use super::super::interface::Interface as _;
use super::super::store::{Comment, Store, Ticket};
use super::{Api, time};

impl Api {
    pub(super) fn issue(&self, store: &Store, ticket: &Ticket, component: &str) -> Value {
        let mut issue = self.description().sample(component);
        let repository = format!("{}/repos/{}", store.url, store.projects[ticket.project].path);
        let url = format!("{repository}/issues/{}", ticket.number);
        let page = format!(
            "{}/{}/issues/{}",
            store.url, store.projects[ticket.project].path, ticket.number
        );
        let labels: Vec<Value> =
            ticket.labels.iter().map(|label| self.label(store, label)).collect();
        for (name, value) in [
            ("id", json!(ticket.id)),
            ("node_id", json!(format!("I_{}", ticket.id))),
            ("number", json!(ticket.number)),
            ("title", json!(ticket.title)),
            ("body", ticket.body.clone()),
            ("state", json!(if ticket.open { "open" } else { "closed" })),
            ("labels", json!(labels)),
            ("user", self.user("simple-user", store)),
            ("comments", json!(ticket.comments.len())),
            ("created_at", json!(time(ticket.created))),
            ("updated_at", json!(time(ticket.updated))),
            ("assignees", json!([])),
            ("author_association", json!("MEMBER")),
            ("url", json!(url)),
            ("html_url", json!(page)),
            ("repository_url", json!(repository)),
        ] {
            issue[name] = value;
        }
        for (name, part) in [
            ("labels_url", "labels{/name}"),
            ("comments_url", "comments"),
            ("events_url", "events"),
        ] {
            issue[name] = json!(format!("{url}/{part}"));
        }
        issue
    }

    pub(super) fn show_comment(&self, store: &Store, ticket: &Ticket, comment: &Comment) -> Value {
        let repository = format!("{}/repos/{}", store.url, store.projects[ticket.project].path);
        let mut shown = self.description().sample("issue-comment");
        shown["id"] = json!(comment.id);
        shown["node_id"] = json!(format!("IC_{}", comment.id));
        shown["body"] = comment.body.clone();
        shown["user"] = self.user("simple-user", store);
        shown["created_at"] = json!(time(comment.created));
        shown["updated_at"] = json!(time(comment.created));
        shown["author_association"] = json!("MEMBER");
        shown["url"] = json!(format!("{repository}/issues/comments/{}", comment.id));
        shown["html_url"] = json!(format!(
            "{}/{}/issues/{}#issuecomment-{}",
            store.url, store.projects[ticket.project].path, ticket.number, comment.id
        ));
        shown["issue_url"] = json!(format!("{repository}/issues/{}", ticket.number));
        shown
    }

    pub(super) fn label(&self, store: &Store, name: &str) -> Value {
        let place = store.labels.iter().position(|known| known == name).unwrap_or_default();
        let mut label = self.description().sample("label");
        label["id"] = json!(place + 1);
        label["node_id"] = json!(format!("LA_{place}"));
        label["name"] = json!(name);
        label["color"] = json!("ededed");
        label["url"] = json!(format!("{}/labels/{place}", store.url));
        label
    }

    pub(super) fn user(&self, component: &str, store: &Store) -> Value {
        let mut user = self.description().sample(component);
        user["login"] = json!("suite-bot");
        user["id"] = json!(1);
        user["type"] = json!("User");
        user["url"] = json!(format!("{}/users/suite-bot", store.url));
        user["html_url"] = json!(format!("{}/suite-bot", store.url));
        user
    }

    pub(super) fn repository(&self, store: &Store, place: usize, component: &str) -> Value {
        let project = &store.projects[place];
        let mut repository = self.description().sample(component);
        repository["id"] = json!(project.id);
        repository["name"] = json!(project.name);
        repository["full_name"] = json!(project.path);
        repository["private"] = json!(true);
        repository["has_issues"] = json!(true);
        repository["default_branch"] = json!("main");
        repository["owner"] = self.user("simple-user", store);
        repository["owner"]["login"] = json!("acme");
        repository["url"] = json!(format!("{}/repos/{}", store.url, project.path));
        repository["html_url"] = json!(format!("{}/{}", store.url, project.path));
        repository["permissions"] = json!({ "admin": false, "maintain": false, "push": store.may_label, "triage": true, "pull": true });
        repository
    }
}
