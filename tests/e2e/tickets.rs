//! `suite tickets` as its users have it: the real binary, confined; what arrived is observed at
//! the far server, not in the answers.

mod hostile;
mod once;
mod refused;
mod story;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use servers::rt::RequestTracker;
use servers::trackers::{GitHub, GitLab, Jira, Tracker};
use tests::harness::acting::{call, drafted, submission};
use tests::harness::{Decided, Folder, Session, approval, sqlite, suite};

/// The far server.
enum Far {
    Local,
    GitHub(GitHub),
    GitLab(GitLab),
    Jira(Jira),
    Rt(&'static RequestTracker),
}

/// A ticket as the far server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Arrived {
    title: String,
    body: String,
    labels: Vec<String>,
    comments: Vec<String>,
}

/// A server of tickets, its far server, and bob, who says yes.
struct World {
    folder: Folder,
    far: Far,
    bob: String,
}

/// The labels that a project of these tests takes.
const LABELS: &str = "labels = [\"bug\", \"docs\"]\n";

impl World {
    /// `extra` are further keys of the project `web`, and tables.
    fn new(far: Far, extra: &str) -> Self {
        let (tracker, at) = match &far {
            Far::Local => (String::new(), "web"),
            Far::GitHub(far) => (tracker("github", far.url(), ""), "acme/web"),
            Far::GitLab(far) => {
                (tracker("gitlab", far.url().trim_end_matches("/api/v4"), ""), "acme/web")
            }
            Far::Jira(far) => {
                let user = format!("user = \"{}\"\n", Jira::USER);
                (tracker("jira", far.url(), &user), "WEB")
            }
            Far::Rt(far) => (tracker("rt", &far.url(), ""), "Web"),
        };
        // Request Tracker has none.
        let labels = if matches!(far, Far::Rt(_)) { "" } else { LABELS };
        let named = if tracker.is_empty() { "" } else { "tracker = \"far\"\n" };
        let folder = Folder::tickets(&format!(
            "[servers.tickets.tools.ticket_submit]\napproval = \"one\"\n\
             [servers.tickets.tools.ticket_comment_submit]\napproval = \"one\"\n{tracker}\
             [servers.tickets.projects.secret]\n{named}at = \"acme/secret\"\n\
             [servers.tickets.projects.web]\n{named}at = \"{at}\"\n{labels}{extra}"
        ));
        let token = match &far {
            Far::Local => String::new(),
            Far::GitHub(far) => far.token(),
            Far::GitLab(far) => far.token(),
            Far::Jira(far) => far.token(),
            Far::Rt(far) => far.token(),
        };
        folder.write("token", &token);
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.path("token"), private).expect("a mode");
        let bob = folder.key("bob", Some("bob"));
        Self { folder, far, bob }
    }

    fn local() -> Self {
        Self::new(Far::Local, "")
    }

    fn github() -> Self {
        Self::new(Far::GitHub(GitHub::start()), "")
    }

    fn start(&self) -> Session {
        Session::start(&suite(), "tickets", &self.folder.config())
    }

    /// The fake behind it.
    fn fake(&self) -> &Tracker {
        match &self.far {
            Far::GitHub(far) => far,
            Far::GitLab(far) => far,
            Far::Jira(far) => far,
            Far::Local | Far::Rt(_) => panic!("not a fake"),
        }
    }

    /// Bob says yes to what an answer asks for.
    fn approve(&self, asked: &str) -> Decided {
        let decided = self.folder.approve(&approval(asked), &self.bob);
        assert!(decided.ok, "{decided:?}");
        decided
    }

    /// Submits a draft: asks, bob says yes, and again; what came of it.
    fn submit(&self, session: &mut Session, draft: &str) -> String {
        let args = submission(draft);
        let asked = call(session, "ticket_submit", &args);
        assert!(asked.starts_with("approval_needed: "), "{asked}");
        self.approve(&asked);
        call(session, "ticket_submit", &args)
    }

    /// The tickets of the project `web` that hold this word, as the far server has them.
    fn arrived(&self, word: &str) -> Vec<Arrived> {
        let all = match &self.far {
            Far::Local => self.local_tickets(),
            Far::Rt(far) => far.tickets().iter().map(of_rt).collect(),
            Far::GitHub(far) => far.issues().iter().map(of_github).collect(),
            Far::GitLab(far) => far.issues().iter().map(of_gitlab).collect(),
            Far::Jira(far) => far.issues().iter().map(of_jira).collect(),
        };
        let has = |one: &Arrived| one.title.contains(word) || one.body.contains(word);
        all.into_iter().filter(has).collect()
    }

    /// The database of the tickets on this machine, by SQLite's own program.
    fn local_tickets(&self) -> Vec<Arrived> {
        let file = self.folder.path("state/tickets/tickets.db");
        if !file.exists() {
            return Vec::new();
        }
        let comments = sqlite(&file, "SELECT number, body FROM comments ORDER BY id");
        let tickets = sqlite(&file, "SELECT * FROM tickets ORDER BY id");
        let with = |ticket: &Value| Arrived {
            title: said(&ticket["title"]),
            body: said(&ticket["body"]),
            labels: serde_json::from_str(ticket["labels"].as_str().unwrap_or("[]"))
                .expect("labels"),
            comments: comments
                .iter()
                .filter(|comment| comment["number"] == ticket["number"])
                .map(|comment| said(&comment["body"]))
                .collect(),
        };
        tickets.iter().map(with).collect()
    }
}

fn tracker(kind: &str, url: &str, more: &str) -> String {
    format!(
        "[servers.tickets.trackers.far]\nkind = \"{kind}\"\nurl = \"{url}\"\n\
         token = {{ file = \"token\" }}\n{more}"
    )
}

fn said(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn all(value: &Value, read: impl Fn(&Value) -> String) -> Vec<String> {
    value.as_array().into_iter().flatten().map(read).collect()
}

fn of_github(issue: &Value) -> Arrived {
    Arrived {
        title: said(&issue["title"]),
        body: said(&issue["body"]),
        labels: all(&issue["labels"], |label| said(&label["name"])),
        comments: all(&issue["_comments"], |comment| said(&comment["body"])),
    }
}

fn of_gitlab(issue: &Value) -> Arrived {
    Arrived {
        title: said(&issue["title"]),
        body: said(&issue["description"]),
        labels: all(&issue["labels"], said),
        comments: all(&issue["_comments"], |comment| said(&comment["body"])),
    }
}

fn of_jira(issue: &Value) -> Arrived {
    let fields = &issue["fields"];
    Arrived {
        title: said(&fields["summary"]),
        body: of_document(&fields["description"]),
        labels: all(&fields["labels"], said),
        comments: all(&issue["_comments"], |comment| of_document(&comment["body"])),
    }
}

/// The texts of a document, block by block.
fn of_document(node: &Value) -> String {
    if let Some(text) = node["text"].as_str() {
        return text.to_owned();
    }
    let parts = all(&node["content"], of_document);
    let block = ["doc", "blockquote", "bulletList", "orderedList", "listItem"];
    let is_outer = node["type"].as_str().is_some_and(|kind| block.contains(&kind));
    parts.join(if is_outer { "\n" } else { "" })
}

fn of_rt(ticket: &Value) -> Arrived {
    Arrived {
        title: said(&ticket["subject"]),
        body: said(&ticket["content"]),
        labels: Vec::new(),
        comments: all(&ticket["messages"], |message| said(&message["content"])),
    }
}

/// Drafts a ticket, and returns the draft's name.
fn draft(session: &mut Session, title: &str, body: &str) -> String {
    let args = json!({"title": title, "body": body, "reason": "because the test says so"});
    drafted(&call(session, "ticket_draft", &args))
}
