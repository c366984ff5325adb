//! A declared project: where its tickets go, and what a ticket in it may say.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{StartError, ToolError, form};
use serde_json::{Map, Value, json};

use crate::settings::{FieldSettings, ProjectSettings, Shape, TemplateSettings};
use crate::tracker::Tracker;

/// Most tickets and comments a day, unless the settings say otherwise.
const PER_DAY: u32 = 50;

/// Fields that title, body, labels and the rest of a ticket decide.
const TAKEN: &[&str] = &[
    "assignees",
    "body",
    "comment",
    "creator",
    "description",
    "iid",
    "labels",
    "project",
    "reporter",
    "state",
    "status",
    "summary",
    "title",
];

/// Texts by name.
type Texts = BTreeMap<String, String>;

/// One project.
pub(crate) struct Project {
    pub(crate) id: String,
    /// What the tracker calls it.
    pub(crate) at: String,
    pub(crate) settings: ProjectSettings,
    pub(crate) tracker: Arc<dyn Tracker>,
}

impl Project {
    pub(crate) fn new(
        id: &str,
        settings: ProjectSettings,
        tracker: Arc<dyn Tracker>,
    ) -> Result<Self, StartError> {
        let fault = |why: String| StartError::new(format!("servers.tickets.projects.{id}: {why}"));
        let is_id = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
        };
        if id.is_empty() || id.len() > 40 || !id.bytes().all(is_id) {
            return Err(fault("an id has 1 to 40 small letters, digits, `-` and `_`".to_owned()));
        }
        for (name, template) in &settings.templates {
            check_template(&settings, template)
                .map_err(|why| fault(format!("templates.{name}: {why}")))?;
        }
        for (name, field) in &settings.fields {
            let known = field.name.as_deref().unwrap_or(name).to_lowercase();
            if TAKEN.contains(&known.as_str()) {
                return Err(fault(format!(
                    "fields.{name}: `{known}` is decided elsewhere; name another field"
                )));
            }
            let default = field.default.as_ref().map(|value| field.checked(name, value));
            default
                .transpose()
                .map_err(|error| fault(format!("fields.{name}: {}", error.message)))?;
        }
        let at = settings.at.clone().unwrap_or_else(|| id.to_owned());
        Ok(Self { id: id.to_owned(), at, settings, tracker })
    }

    /// The most that leaves for it in a day.
    pub(crate) fn per_day(&self) -> u32 {
        self.settings.per_day.unwrap_or(PER_DAY)
    }

    /// For people: `web (GitHub, api.github.com: acme/web)`.
    pub(crate) fn place(&self) -> String {
        format!("{} ({}: {})", self.id, self.tracker.place(), self.at)
    }

    /// The template of a name.
    pub(crate) fn template(&self, name: &str) -> Result<&TemplateSettings, ToolError> {
        self.settings.templates.get(name).ok_or_else(|| self.no_template())
    }

    /// The names of the templates, as an error.
    pub(crate) fn no_template(&self) -> ToolError {
        let there: Vec<&str> = self.settings.templates.keys().map(String::as_str).collect();
        let there = if there.is_empty() { "no templates".to_owned() } else { there.join(", ") };
        ToolError::invalid(format!("template: {} has {there}.", self.id))
    }

    /// Labels that are all declared, each once, in the declared spelling.
    pub(crate) fn labels<'a>(
        &self,
        asked: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<String>, ToolError> {
        let mut labels: Vec<String> = Vec::new();
        for label in asked {
            let found = self.settings.labels.iter().find(|one| one.eq_ignore_ascii_case(label));
            let Some(found) = found else {
                let there = self.settings.labels.join(", ");
                let there = if there.is_empty() { "no labels" } else { &there };
                return Err(ToolError::invalid(format!("labels: {} takes {there}.", self.id)));
            };
            if !labels.contains(found) {
                labels.push(found.clone());
            }
        }
        Ok(labels)
    }

    /// What of it are values of the template, and what are fields of the ticket.
    pub(crate) fn split(
        &self,
        template: Option<&TemplateSettings>,
        asked: Texts,
    ) -> Result<(Texts, Texts), ToolError> {
        let (mut values, mut fields) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in asked {
            if let Some(field) = template.and_then(|template| template.values.get(&name)) {
                let value = field.checked(&name, &value)?;
                values.insert(name, value);
            } else if self.settings.fields.contains_key(&name) {
                fields.insert(name, value);
            } else {
                let of_template = template.into_iter().flat_map(|template| template.values.keys());
                let there: Vec<&str> =
                    of_template.chain(self.settings.fields.keys()).map(String::as_str).collect();
                let there =
                    if there.is_empty() { "no fields".to_owned() } else { there.join(", ") };
                return Err(ToolError::invalid(format!("fields: {} takes {there}.", self.id)));
            }
        }
        Ok((values, fields))
    }

    /// Fields that are all declared, with what they may be, and those that have a default.
    pub(crate) fn fields(
        &self,
        asked: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ToolError> {
        let mut fields = BTreeMap::new();
        for (name, field) in &self.settings.fields {
            if let Some(default) = &field.default {
                fields.insert(name.clone(), default.clone());
            }
        }
        for (name, value) in asked {
            if let Some(field) = self.settings.fields.get(name) {
                fields.insert(name.clone(), field.checked(name, value)?);
            }
        }
        Ok(fields)
    }

    /// Fields by the tracker's names for them, in its shapes.
    pub(crate) fn shaped(&self, fields: &BTreeMap<String, String>) -> Map<String, Value> {
        let mut shaped = Map::new();
        for (name, value) in fields {
            let field = self.settings.fields.get(name);
            let known = field.and_then(|field| field.name.as_deref()).unwrap_or(name);
            let shape = field.map(|field| field.shape).unwrap_or_default();
            shaped.insert(known.to_owned(), shape.of(value));
        }
        shaped
    }
}

impl FieldSettings {
    /// A value that the field may have.
    pub(crate) fn checked(&self, name: &str, value: &str) -> Result<String, ToolError> {
        let most = usize::from(self.max.unwrap_or(200));
        if !self.values.is_empty() {
            let found = self.values.iter().find(|one| *one == value);
            return found.cloned().ok_or_else(|| {
                ToolError::invalid(format!("{name}: one of {}.", self.values.join(", ")))
            });
        }
        if value.chars().count() > most {
            return Err(ToolError::invalid(format!("{name}: at most {most} characters.")));
        }
        if !self.shape.fits(value) {
            return Err(ToolError::invalid(format!("{name}: it must be {}.", self.shape.word())));
        }
        Ok(value.to_owned())
    }
}

impl Shape {
    fn fits(self, value: &str) -> bool {
        match self {
            Shape::Number => value.parse::<i64>().is_ok(),
            Shape::Flag => value == "true" || value == "false",
            _ => true,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Shape::Number => "a whole number",
            Shape::Flag => "true or false",
            _ => "a text",
        }
    }

    fn of(self, value: &str) -> Value {
        match self {
            Shape::Text => json!(value),
            Shape::Number => {
                value.parse::<i64>().map_or_else(|_| json!(value), |value| json!(value))
            }
            Shape::Flag => json!(value == "true"),
            Shape::Name => json!({"name": value}),
            Shape::Value => json!({"value": value}),
            Shape::Id => json!({"id": value}),
            Shape::List => json!([value]),
        }
    }
}

/// Every place has a value, and every label may be had.
fn check_template(settings: &ProjectSettings, template: &TemplateSettings) -> Result<(), String> {
    form::check(&[&template.title, &template.body], template.values.keys())?;
    if let Some(name) = template.values.keys().find(|name| settings.fields.contains_key(*name)) {
        return Err(format!("the value `{name}` has the name of a field"));
    }
    match template.labels.iter().find(|label| !settings.labels.contains(label)) {
        Some(label) => Err(format!("the label `{label}` is not among the project's `labels`")),
        None => Ok(()),
    }
}
