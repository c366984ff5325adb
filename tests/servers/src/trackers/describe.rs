//! What a published API description says of a request and of an answer: whether the operation
//! exists, its parameters are known and of their type, and the body satisfies its schema.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// A description with its schemas, read once for each program.
pub(crate) struct Description {
    operations: Vec<Operation>,
    pub(super) components: Value,
    /// Whether answers keep to the formats that the description names: Jira's do not, its times
    /// have no colon in their offset.
    exact_formats: bool,
}

/// One method at one path.
pub(crate) struct Operation {
    /// `POST /repos/{owner}/{repo}/issues`.
    pub(crate) name: String,
    method: String,
    segments: Vec<String>,
    parameters: Vec<Parameter>,
    body: Option<Value>,
    body_check: OnceLock<Validator>,
    pub(super) answers: BTreeMap<u16, (Value, OnceLock<Validator>)>,
}

struct Parameter {
    name: String,
    place: String,
    required: bool,
    schema: Value,
    check: Validator,
}

/// What is checked of a request besides its path.
pub(crate) struct Request<'a> {
    pub(crate) query: &'a [(String, String)],
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// The values of a path's `{placeholders}`.
pub(crate) type PathValues = BTreeMap<String, String>;

impl Description {
    /// Reads a description that `cut.py` made or that was written in its form.
    pub(crate) fn read(text: &str, exact_formats: bool) -> Self {
        let document: Value = serde_json::from_str(text).expect("a description is JSON");
        let components = document["components"].clone();
        let paths = document["paths"].as_object().expect("a description has paths");
        let operations = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods of a path");
            methods.iter().map(|(method, node)| Operation::read(method, path, node, &components))
        });
        Self { operations: operations.collect(), components, exact_formats }
    }

    /// The operation at this path, or why there is none.
    pub(crate) fn find(
        &self,
        method: &str,
        path: &str,
    ) -> Result<(&Operation, PathValues), String> {
        let mut elsewhere = false;
        let mut found = None;
        for operation in &self.operations {
            let Some(values) = operation.matches(path) else { continue };
            if operation.method != method {
                elsewhere = true;
            } else if found
                .as_ref()
                .is_none_or(|(_, earlier): &(_, PathValues)| values.len() < earlier.len())
            {
                found = Some((operation, values));
            }
        }
        let what = if elsewhere { "unknown method" } else { "unknown operation" };
        found.ok_or_else(|| format!("{method} {path}: {what}"))
    }

    /// Everything that is not as described in a request for this operation.
    pub(crate) fn complaints(
        &self,
        operation: &Operation,
        values: &PathValues,
        request: &Request<'_>,
    ) -> Vec<String> {
        let mut complaints = operation.parameter_complaints(values, request.query);
        match (&operation.body, request.body.is_empty()) {
            (None, false) => complaints.push("a body where none is described".to_owned()),
            (Some(body), true) if body["required"] == true => {
                complaints.push("no body where one is required".to_owned());
            }
            (Some(body), false) => {
                complaints.extend(self.body_complaints(operation, body, request));
            }
            _ => {}
        }
        complaints
    }

    fn body_complaints(
        &self,
        operation: &Operation,
        body: &Value,
        request: &Request<'_>,
    ) -> Vec<String> {
        let kind = request.content_type.unwrap_or("none").split(';').next().unwrap_or_default();
        if kind.trim() != "application/json" {
            return vec![format!("content type {kind}, not application/json")];
        }
        let Ok(given) = serde_json::from_slice::<Value>(request.body) else {
            return vec!["a body that is not JSON".to_owned()];
        };
        let schema = &body["content"]["application/json"]["schema"];
        let check = operation
            .body_check
            .get_or_init(|| compile(closed(schema), closed(&self.components), true));
        errors(check, &given, "body")
    }

    /// What in an answer of ours is not as described; an answer that is no success may be anything.
    pub(crate) fn own_faults(
        &self,
        operation: &Operation,
        status: u16,
        answer: &Value,
    ) -> Vec<String> {
        let Some((schema, check)) = operation.answers.get(&status) else {
            return if (200..300).contains(&status) {
                vec![format!("status {status} is not described")]
            } else {
                Vec::new()
            };
        };
        let check = check
            .get_or_init(|| compile(schema.clone(), self.components.clone(), self.exact_formats));
        errors(check, answer, "answer")
    }
}

impl Operation {
    fn read(method: &str, path: &str, node: &Value, components: &Value) -> Self {
        let method = method.to_uppercase();
        let parameters = node["parameters"].as_array().into_iter().flatten();
        let answers =
            node["responses"].as_object().into_iter().flatten().filter_map(|(status, answer)| {
                let schema = answer["content"]["application/json"]["schema"].clone();
                Some((status.parse().ok()?, (schema, OnceLock::new())))
            });
        Self {
            name: format!("{method} {path}"),
            segments: path.trim_start_matches('/').split('/').map(str::to_owned).collect(),
            parameters: parameters.map(|node| Parameter::read(node, components)).collect(),
            body: node.get("requestBody").cloned(),
            body_check: OnceLock::new(),
            answers: answers.collect(),
            method,
        }
    }

    fn matches(&self, path: &str) -> Option<PathValues> {
        let given: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        if given.len() != self.segments.len() {
            return None;
        }
        let mut values = PathValues::new();
        for (given, expected) in given.iter().zip(&self.segments) {
            match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => {
                    values.insert(name.to_owned(), decoded(given)?);
                }
                None if *given != expected => return None,
                None => {}
            }
        }
        Some(values)
    }

    fn parameter_complaints(&self, values: &PathValues, query: &[(String, String)]) -> Vec<String> {
        let mut complaints: Vec<String> = query
            .iter()
            .map(|(name, _)| name.trim_end_matches("[]"))
            .filter(|name| {
                !self.parameters.iter().any(|known| known.place == "query" && known.name == *name)
            })
            .map(|name| format!("unknown query parameter {name}"))
            .collect();
        for parameter in &self.parameters {
            let given: Vec<&str> = match parameter.place.as_str() {
                "path" => values.get(&parameter.name).map(String::as_str).into_iter().collect(),
                "query" => query
                    .iter()
                    .filter(|(name, _)| name.trim_end_matches("[]") == parameter.name)
                    .map(|(_, value)| value.as_str())
                    .collect(),
                _ => continue,
            };
            complaints.extend(parameter.complaints(&given));
        }
        complaints
    }
}

impl Parameter {
    fn read(node: &Value, components: &Value) -> Self {
        Self {
            name: node["name"].as_str().expect("a parameter has a name").to_owned(),
            place: node["in"].as_str().expect("a parameter has a place").to_owned(),
            required: node["required"] == true,
            schema: node["schema"].clone(),
            check: compile(node["schema"].clone(), components.clone(), true),
        }
    }

    fn complaints(&self, given: &[&str]) -> Vec<String> {
        let name = &self.name;
        let list = kind(&self.schema) == Some("array");
        if given.is_empty() {
            let missing = self.required.then(|| format!("no {name} where one is required"));
            return missing.into_iter().collect();
        }
        if given.len() > 1 && !list {
            return vec![format!("{name} more than once")];
        }
        let value = if list {
            let items = given.iter().flat_map(|item| item.split(','));
            items.map(|item| typed(item, &self.schema["items"])).collect()
        } else {
            typed(given[0], &self.schema)
        };
        errors(&self.check, &value, &format!("{} parameter {name}", self.place))
    }
}

/// The text of a parameter as the type that its schema names, where it can be read as such.
fn typed(text: &str, schema: &Value) -> Value {
    let branches = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    if let Some(branches) = branches {
        let read = branches.iter().map(|branch| typed(text, branch));
        return read
            .reduce(|first, next| if first.is_string() { next } else { first })
            .unwrap_or_default();
    }
    let read = match kind(schema) {
        Some("integer" | "number" | "boolean") => serde_json::from_str(text).ok(),
        _ => None,
    };
    read.unwrap_or_else(|| json!(text))
}

/// The type that a schema names beside null.
pub(super) fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => schema.get("properties").map(|_| "object"),
    }
}

/// The schema of a request's body, in which objects have only the properties that it names.
fn closed(schema: &Value) -> Value {
    let mut schema = schema.clone();
    close(&mut schema);
    schema
}

fn close(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            let described = fields.get("properties").is_some_and(Value::is_object);
            let open = fields.get("additionalProperties").is_none_or(|more| *more == true);
            if described && open {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        _ => {}
    }
}

fn compile(schema: Value, components: Value, formats: bool) -> Validator {
    let components = if schema.to_string().contains("\"$ref\"") { components } else { Value::Null };
    let whole = json!({ "allOf": [schema], "components": components });
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(formats)
        .build(&whole)
        .expect("a description's schemas are sound")
}

fn errors(check: &Validator, value: &Value, what: &str) -> Vec<String> {
    let errors = check.iter_errors(value);
    errors.map(|error| format!("{what}{}: {error}", error.instance_path())).collect()
}

/// Percent-decoded text, if it is UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok()
}

/// The names and values of a query, in order.
pub(crate) fn query_of(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
        })
        .collect()
}
