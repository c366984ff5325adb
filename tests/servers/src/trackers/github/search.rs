//! GitHub's search for issues, as far as the fake knows it.

use std::time::SystemTime;

use super::super::store::{Store, Ticket, has_phrase};
use super::{has_label, whole_second};

/// A search, read from its text.
#[derive(Default)]
pub(super) struct Query {
    phrases: Vec<String>,
    projects: Vec<String>,
    labels: Vec<String>,
    open: Option<bool>,
    created: Option<SystemTime>,
    places: Vec<String>,
}

impl Query {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        let mut issues_only = false;
        for part in parts(text) {
            let Some((qualifier, value)) = part.split_once(':').filter(|_| !part.starts_with('"'))
            else {
                query.phrases.push(part);
                continue;
            };
            let value = value.trim_matches('"');
            match qualifier {
                "repo" => query.projects.push(value.to_lowercase()),
                "label" => query.labels.push(value.to_owned()),
                "is" | "type" | "state" => match value {
                    "issue" => issues_only = true,
                    "open" | "closed" => query.open = Some(value == "open"),
                    other => return Err(format!("the fake does not know {qualifier}:{other}")),
                },
                "in" => query.places = value.split(',').map(str::to_owned).collect(),
                "created" => query.created = Some(since(value)?),
                other => return Err(format!("the fake does not know the qualifier {other}")),
            }
        }
        if text.chars().count() > 256 {
            return Err("The search is longer than 256 characters.".to_owned());
        }
        if !issues_only {
            return Err("Query must include 'is:issue' or 'is:pull-request'".to_owned());
        }
        Ok(query)
    }

    pub(super) fn finds(&self, store: &Store, ticket: &Ticket) -> bool {
        let path = store.projects[ticket.project].path;
        let looks =
            |place: &str| self.places.is_empty() || self.places.iter().any(|named| named == place);
        let body = ticket.body.as_str().unwrap_or_default();
        let finds = |phrase: &String| {
            (looks("title") && has_phrase(&ticket.title, phrase))
                || (looks("body") && has_phrase(body, phrase))
        };
        (self.projects.is_empty() || self.projects.iter().any(|project| project == path))
            && self.open.is_none_or(|open| open == ticket.open)
            && self.created.is_none_or(|since| whole_second(ticket.created) >= since)
            && self.labels.iter().all(|label| has_label(ticket, label))
            && self.phrases.iter().all(finds)
    }
}

/// The words of a search; quotes keep words together.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        quoted ^= letter == '"';
        match parts.last_mut() {
            Some(last) if quoted || !letter.is_whitespace() => last.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The time after `>=` of a `created:` qualifier: a date or a date and time.
fn since(value: &str) -> Result<SystemTime, String> {
    let time = value.strip_prefix(">=").ok_or("the fake knows created:>= only")?;
    let time = if time.contains('T') { time.to_owned() } else { format!("{time}T00:00:00Z") };
    humantime::parse_rfc3339_weak(&time).map_err(|_| format!("created:{value} is no time"))
}
