//! What a fake remembers: projects, tickets and their comments, in no system's own form.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

/// A project that tickets belong to.
pub(crate) struct Project {
    pub(crate) id: u64,
    /// `acme/web`, or Jira's `WEB`.
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
}

/// A ticket, its body in the form in which the system takes one.
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) project: usize,
    pub(crate) title: String,
    pub(crate) body: Value,
    pub(crate) labels: Vec<String>,
    pub(crate) open: bool,
    /// Further fields of the request, by name, as they were given.
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) created: SystemTime,
    pub(crate) updated: SystemTime,
    pub(crate) comments: Vec<Comment>,
    /// Whether a search finds it yet.
    pub(crate) indexed: bool,
}

/// A comment on a ticket.
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) body: Value,
    pub(crate) created: SystemTime,
}

/// What a new ticket begins with.
#[derive(Default)]
pub(crate) struct New {
    pub(crate) title: String,
    pub(crate) body: Value,
    pub(crate) labels: Vec<String>,
    pub(crate) fields: BTreeMap<String, Value>,
}

/// Everything that a fake remembers.
pub(crate) struct Store {
    /// The address that links in answers begin with.
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) projects: Vec<Project>,
    pub(crate) tickets: Vec<Ticket>,
    /// Names of labels that a project knows before any ticket has them.
    pub(crate) labels: Vec<String>,
    /// Tokens that the fake gave out, with the projects that each may see.
    pub(crate) granted: BTreeMap<String, Vec<usize>>,
    /// Whether what is made now stays out of searches.
    pub(crate) index_lags: bool,
    /// Whether the credential may set labels.
    pub(crate) may_label: bool,
    last_id: u64,
}

impl Store {
    pub(crate) fn new(url: String, token: &str, projects: Vec<Project>) -> Self {
        Self {
            url,
            token: token.to_owned(),
            projects,
            tickets: Vec::new(),
            labels: vec!["bug".to_owned(), "enhancement".to_owned()],
            granted: BTreeMap::new(),
            index_lags: false,
            may_label: true,
            last_id: 1000,
        }
    }

    /// An identifier that was never given out.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn add(&mut self, project: usize, new: New) -> &Ticket {
        let number = self.tickets.iter().filter(|ticket| ticket.project == project).count() + 1;
        let now = SystemTime::now();
        for label in &new.labels {
            if !self.labels.contains(label) {
                self.labels.push(label.clone());
            }
        }
        let ticket = Ticket {
            id: self.next_id(),
            number: number as u64,
            project,
            title: new.title,
            body: new.body,
            labels: new.labels,
            open: true,
            fields: new.fields,
            created: now,
            updated: now,
            comments: Vec::new(),
            indexed: !self.index_lags,
        };
        self.tickets.push(ticket);
        self.tickets.last().expect("it was just added")
    }

    pub(crate) fn comment(&mut self, ticket: usize, body: Value) -> &Comment {
        let (id, created) = (self.next_id(), SystemTime::now());
        let ticket = &mut self.tickets[ticket];
        ticket.updated = created;
        ticket.comments.push(Comment { id, body, created });
        ticket.comments.last().expect("it was just added")
    }

    /// Where the ticket with this number in the project is.
    pub(crate) fn find(&self, project: usize, number: u64) -> Option<usize> {
        self.tickets.iter().position(|ticket| ticket.project == project && ticket.number == number)
    }
}

/// Whether a text contains another, whatever their case.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// The words of a text as a search index has them: letters and digits, in lower case.
pub(crate) fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Whether a text has these words one after another.
pub(crate) fn has_phrase(text: &str, phrase: &str) -> bool {
    let (text, phrase) = (words(text), words(phrase));
    phrase.is_empty() || text.windows(phrase.len()).any(|window| window == phrase)
}
