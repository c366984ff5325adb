//! One layer of the configuration: its values, and the place of each key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use contract::Location;
use figment::value::{Dict, Map as ProfileMap};
use figment::{Metadata, Profile, Provider};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{Fault, Faults, escape};

/// One source of values.
#[derive(Debug)]
pub struct Layer {
    name: String,
    value: Value,
    places: BTreeMap<String, (usize, usize)>,
}

impl Layer {
    /// A file that was read; `None` where that could not be done, and says why.
    pub(crate) fn file(
        path: &Path,
        text: &Result<String, String>,
        faults: &mut Faults,
    ) -> Option<Self> {
        match text {
            Ok(text) => Some(Self::parse(&path.display().to_string(), text, faults)),
            Err(error) => {
                faults.push(Fault::file(path, &format!("cannot be read: {error}")));
                None
            }
        }
    }

    /// Parses TOML, reporting every mistake with its place.
    pub(crate) fn parse(name: &str, text: &str, faults: &mut Faults) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            let at = Location { file: name.to_owned(), line, column };
            faults.push(Fault {
                at,
                key: String::new(),
                message: format!("not TOML: {}", error.message()),
            });
        }
        let mut layer = Self { name: name.to_owned(), value: Value::Null, places: BTreeMap::new() };
        layer.value = layer.table(text, table.get_ref(), "");
        layer
    }

    /// `SUITE_SERVERS__DOCS__OWNER=x` is `servers.docs.owner`, `SUITE_STATE=x` is `suite.state`.
    /// The value is TOML where it parses as such, and text otherwise. Other variables with the
    /// prefix belong to other programs and are left alone.
    pub(crate) fn variable(name: &str, value: &str) -> Option<Self> {
        let path = name.strip_prefix("SUITE_")?.to_lowercase();
        let steps: Vec<String> = match path.as_str() {
            "state" => vec!["suite".to_owned(), path],
            path => path.split("__").map(str::to_owned).collect(),
        };
        let known =
            ["suite", "people", "roles", "approvals", "identity", "audit", "telemetry", "servers"];
        if steps.len() < 2 || !known.contains(&steps[0].as_str()) {
            return None;
        }
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        Some(Self::single(name, &steps, scalar(value)))
    }

    /// A value given on the command line.
    pub(crate) fn flag(pointer: &str, value: &Value) -> Self {
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        Self::single("the command line", &steps, value.clone())
    }

    fn single(name: &str, steps: &[&str], value: Value) -> Self {
        let pointer = steps.iter().fold(String::new(), |at, step| format!("{at}/{}", escape(step)));
        let value = steps.iter().rev().fold(value, |value, step| {
            Value::Object(Map::from_iter([((*step).to_owned(), value)]))
        });
        Self { name: name.to_owned(), value, places: BTreeMap::from([(pointer, (0, 0))]) }
    }

    /// Where this layer sets the value at a JSON Pointer.
    pub(crate) fn locate(&self, pointer: &str) -> Option<Location> {
        let (line, column) = *self.places.get(pointer)?;
        Some(Location { file: self.name.clone(), line, column })
    }

    fn table(&mut self, text: &str, table: &DeTable<'_>, under: &str) -> Value {
        let mut object = Map::new();
        for (key, value) in table {
            let pointer = format!("{under}/{}", escape(key.get_ref()));
            let value = self.value(text, value, &pointer, key.span());
            object.insert(key.get_ref().to_string(), value);
        }
        Value::Object(object)
    }

    fn value(
        &mut self,
        text: &str,
        value: &Spanned<DeValue<'_>>,
        at: &str,
        span: Range<usize>,
    ) -> Value {
        self.places.insert(at.to_owned(), position(text, span.start));
        match value.get_ref() {
            DeValue::Table(table) => self.table(text, table, at),
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| {
                        self.value(text, item, &format!("{at}/{index}"), item.span())
                    })
                    .collect()
            }
            plain => json(plain),
        }
    }
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::from),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map_or_else(|| Value::String(number.to_string()), Value::Number),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())))
                .collect(),
        ),
    }
}

fn scalar(text: &str) -> Value {
    match DeValue::parse(text) {
        Ok(value) => json(value.get_ref()),
        Err(_) => Value::String(text.to_owned()),
    }
}

/// Line and column, from 1, of a byte offset; columns count characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<ProfileMap<Profile, Dict>, figment::Error> {
        let value = figment::value::Value::serialize(&self.value)?;
        Ok(Profile::Default.collect(value.into_dict().unwrap_or_default()))
    }
}
