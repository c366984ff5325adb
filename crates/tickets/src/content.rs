//! What a draft says: made of the caller's arguments within what the project declares, inert, and
//! with every byte decided before a person is asked.

use std::collections::BTreeMap;

use contract::form::filled;
use contract::{Kind, Preview, ToolError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use state::Draft;

use crate::inert::{self, Dialect, Notes};
use crate::project::Project;
use crate::settings::TemplateSettings;
use crate::tracker::Outgoing;

/// The longest title, in characters.
pub(crate) const TITLE: usize = 200;
/// The longest body, in characters.
pub(crate) const BODY: usize = 20_000;

/// What is kept of a draft.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The title, inert; empty in a comment.
    pub(crate) title: String,
    /// The body, inert, without the last line.
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) labels: Vec<String>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, String>,
    /// The template it follows, and the values in it.
    #[serde(default)]
    pub(crate) template: Option<String>,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
    /// The ticket it is a comment on.
    #[serde(default)]
    pub(crate) on: Option<String>,
    /// In whose name.
    pub(crate) reporter: String,
    /// What was made inert in title and body, in words; empty if nothing.
    #[serde(default)]
    notes: (String, String),
}

/// What a caller says of a ticket; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) template: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) labels: Option<Vec<String>>,
    /// Fields of the ticket and values of the template alike.
    pub(crate) fields: BTreeMap<String, String>,
}

impl Content {
    /// A draft as it is stored.
    pub(crate) fn of(draft: &Draft) -> Result<Self, ToolError> {
        serde_json::from_value(draft.content.clone()).map_err(ToolError::internal)
    }

    /// As it is stored.
    pub(crate) fn stored(&self) -> Result<Value, ToolError> {
        serde_json::to_value(self).map_err(ToolError::internal)
    }

    /// A ticket, or what becomes of one that was drafted before.
    pub(crate) fn ticket(
        project: &Project,
        before: Option<Self>,
        said: Said,
        requester: &str,
    ) -> Result<Self, ToolError> {
        let mut content = before.unwrap_or_default();
        if let Some(name) = &said.template {
            project.template(name)?;
            content.template = Some(name.clone());
        }
        let template =
            content.template.as_deref().map(|name| project.template(name)).transpose()?;
        if template.is_none() && project.settings.templates_only {
            return Err(project.no_template());
        }
        if project.settings.templates_only && (said.title.is_some() || said.body.is_some()) {
            let message = "title, body: this project takes its templates only; give `fields`.";
            return Err(ToolError::invalid(message));
        }
        let (values, fields) = project.split(template, said.fields)?;
        let is_filled = said.template.is_some() || !values.is_empty();
        content.values.extend(values);
        content.fields.extend(fields);
        content.fields = project.fields(&content.fields)?;
        let mut raw = (said.title, said.body);
        if let Some(template) = template.filter(|_| is_filled) {
            let (title, body) = content.filled(template)?;
            raw = (raw.0.or(Some(title)), raw.1.or(Some(body)));
        }
        content.write(project, raw)?;
        let labels = said.labels.as_ref().unwrap_or(&content.labels);
        let of_template = template.map(|template| template.labels.as_slice()).unwrap_or_default();
        content.labels = project.labels(of_template.iter().chain(labels))?;
        for (name, value) in &mut content.fields {
            let (line, notes) = inert::line(value, project.tracker.dialect());
            if !notes.is_empty() {
                let message =
                    format!("fields: {name} holds what could act: {notes}; write plain text.");
                return Err(ToolError::invalid(message));
            }
            *value = line;
        }
        content.reporter = reporter(project, requester);
        Ok(content)
    }

    /// A comment on a ticket.
    pub(crate) fn comment(
        project: &Project,
        on: &str,
        body: &str,
        requester: &str,
    ) -> Result<Self, ToolError> {
        let mut content = Self { on: Some(on.to_owned()), ..Self::default() };
        let (body, notes) = inert_body(project, body)?;
        (content.body, content.notes.1) = (body, words(&notes));
        content.reporter = reporter(project, requester);
        Ok(content)
    }

    /// Title and body of the template, with every value in its place.
    fn filled(&self, template: &TemplateSettings) -> Result<(String, String), ToolError> {
        let (mut values, mut missing) = (BTreeMap::new(), Vec::new());
        for (name, field) in &template.values {
            match self.values.get(name).or(field.default.as_ref()) {
                Some(value) => {
                    values.insert(name.clone(), value.clone());
                }
                None => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            let message = format!("fields: the template needs {}, too.", missing.join(", "));
            return Err(ToolError::invalid(message));
        }
        let title = filled(&template.title, &values).replace(['\n', '\r'], " ");
        Ok((title, filled(&template.body, &values)))
    }

    /// Takes a new title and a new body, as far as there are any.
    fn write(
        &mut self,
        project: &Project,
        raw: (Option<String>, Option<String>),
    ) -> Result<(), ToolError> {
        if let Some(title) = raw.0 {
            if title.contains(['\n', '\r']) {
                return Err(ToolError::invalid("title: it is one line."));
            }
            if has_encoded_word(&title) {
                let message = "title: `=?…?=` means other characters in a mail; write plain text.";
                return Err(ToolError::invalid(message));
            }
            let (title, changed) = inert::line(&title, project.tracker.dialect());
            (self.title, self.notes.0) = (title, words(&changed));
        }
        if let Some(body) = raw.1 {
            let (body, changed) = inert_body(project, &body)?;
            (self.body, self.notes.1) = (body, words(&changed));
        }
        for (name, text, most) in [("title", &self.title, TITLE), ("body", &self.body, BODY)] {
            let count = text.chars().count();
            if text.trim().is_empty() {
                return Err(ToolError::invalid(format!("{name}: a ticket has one.")));
            }
            if count > most {
                let message =
                    format!("{name}: {count} characters once made harmless; at most {most}.");
                return Err(ToolError::invalid(message));
            }
        }
        // Request Tracker cuts longer subjects without a word.
        if project.tracker.dialect() == Dialect::Plain && self.title.len() > TITLE {
            return Err(ToolError::invalid(format!("title: at most {TITLE} bytes.")));
        }
        Ok(())
    }

    /// What was made harmless, in words; empty if nothing.
    pub(crate) fn notes(&self) -> String {
        let parts = [("title", &self.notes.0), ("body", &self.notes.1)];
        let parts = parts.iter().filter(|(_, notes)| !notes.is_empty());
        parts.map(|(what, notes)| format!("{what}: {notes}")).collect::<Vec<_>>().join("; ")
    }

    /// Whether the project still takes what was drafted: its operator may have changed it since.
    pub(crate) fn check(&self, project: &Project) -> Result<(), ToolError> {
        project.labels(self.labels.iter())?;
        let fields = project.fields(&self.fields)?;
        let is_taken = self.fields.keys().all(|name| fields.contains_key(name));
        let template = self.template.as_deref().map(|name| project.template(name)).transpose()?;
        let is_formed = template.is_some() || !project.settings.templates_only || self.on.is_some();
        if is_taken && is_formed {
            return Ok(());
        }
        let message =
            "the project does not take this any more; change the draft with ticket_draft.";
        Err(ToolError::new(Kind::Denied, message))
    }

    /// Exactly what would leave.
    pub(crate) fn outgoing(&self, project: &Project, draft: &Draft) -> Outgoing {
        let last = format!("Filed for {} by suite, {}", self.reporter, draft.marker);
        Outgoing {
            title: self.title.clone(),
            body: format!("{}\n\n---\n{last}", self.body),
            labels: self.labels.clone(),
            fields: project.shaped(&self.fields),
            author: self.reporter.clone(),
            reporter: project.settings.reporter.clone(),
            on: self.on.clone(),
            marker: draft.marker.clone(),
        }
    }
}

/// What was changed, without the word that says so.
fn words(notes: &Notes) -> String {
    notes.to_string().trim_start_matches("neutralised: ").to_owned()
}

/// In whose name a ticket is filed, as its last line says it.
fn reporter(project: &Project, requester: &str) -> String {
    let name = project.settings.reporter.as_deref().unwrap_or(requester);
    inert::line(name, project.tracker.dialect()).0.replace(['`', '*', '_', '[', ']'], " ")
}

/// Whether a title holds an encoded word of RFC 2047 (`=?utf-8?q?=E2=80=AE?=`): trackers send titles
/// by mail, where a person would read something else than what was approved.
fn has_encoded_word(title: &str) -> bool {
    title.match_indices("=?").any(|(at, mark)| {
        let parts: Vec<&str> = title[at + mark.len()..].splitn(4, '?').collect();
        matches!(parts[..], [_, "q" | "Q" | "b" | "B", _, end] if end.starts_with('='))
    })
}

fn inert_body(project: &Project, body: &str) -> Result<(String, Notes), ToolError> {
    let (body, notes) = inert::body(body, project.tracker.dialect());
    if body.trim().is_empty() {
        return Err(ToolError::invalid("body: write one."));
    }
    if body.chars().count() > BODY {
        return Err(ToolError::invalid(format!("body: at most {BODY} characters.")));
    }
    Ok((body, notes))
}

impl Outgoing {
    /// SHA-256 of all of it and where it goes, in hexadecimal.
    pub(crate) fn digest(&self, project: &Project) -> String {
        let whole = serde_json::json!([project.id, project.tracker.place(), project.at, self]);
        contract::text::hex(&Sha256::digest(whole.to_string()))
    }

    /// What a person is shown: all of it.
    pub(crate) fn preview(&self, project: &Project, notes: &str) -> Preview {
        let mut fields = vec![("project".to_owned(), project.place())];
        let title = if let Some(ticket) = &self.on {
            fields.push(("ticket".to_owned(), ticket.clone()));
            format!("Comment on a ticket in {}", project.id)
        } else {
            fields.push(("title".to_owned(), self.title.clone()));
            format!("File a ticket in {}", project.id)
        };
        if !self.labels.is_empty() {
            fields.push(("labels".to_owned(), self.labels.join(", ")));
        }
        for (name, value) in &self.fields {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            fields.push((format!("field {name}"), text));
        }
        if let Some(reporter) = &self.reporter {
            fields.push(("reporter".to_owned(), reporter.clone()));
        }
        fields.push(("body".to_owned(), self.body.clone()));
        if !notes.is_empty() {
            fields.push(("made harmless".to_owned(), notes.to_owned()));
        }
        let bound = vec![("SHA-256".to_owned(), self.digest(project))];
        Preview { title, fields, bound }
    }
}
