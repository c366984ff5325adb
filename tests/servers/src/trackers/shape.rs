//! Values that a description's schemas allow: the least one, and one without what is optional.

use serde_json::{Map, Value, json};

use super::describe::{Description, Operation, kind};

impl Description {
    /// The least value that a component's schema allows: its required properties.
    pub(crate) fn sample(&self, component: &str) -> Value {
        self.least(&self.components["schemas"][component])
    }

    fn least(&self, schema: &Value) -> Value {
        if let Some(target) = self.referred(schema) {
            return self.least(target);
        }
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        if let Some(all) = schema["allOf"].as_array() {
            return all.iter().map(|part| self.least(part)).reduce(merged).unwrap_or_default();
        }
        if let Some(branches) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            let nothing = branches.iter().any(|branch| branch["type"] == "null");
            return if nothing { Value::Null } else { self.least(&branches[0]) };
        }
        match kind(schema) {
            Some("string") => json!(match schema["format"].as_str() {
                Some("uri") => "https://example.com/",
                Some("date-time") => "2024-01-01T00:00:00Z",
                Some("email") => "nobody@example.com",
                _ => "",
            }),
            Some("integer" | "number") => json!(0),
            Some("boolean") => json!(false),
            Some("array") => json!([]),
            Some("object") => self.least_object(schema),
            _ => Value::Null,
        }
    }

    fn least_object(&self, schema: &Value) -> Value {
        let required =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let fields =
            required.map(|name| (name.to_owned(), self.least(&schema["properties"][name])));
        Value::Object(fields.collect())
    }

    /// An answer without everything that its schema does not require. Where a schema requires
    /// nothing at all, what identifies a thing and what a list is in stays.
    pub(crate) fn thin(&self, operation: &Operation, status: u16, answer: &Value) -> Value {
        operation
            .answers
            .get(&status)
            .map_or_else(|| answer.clone(), |(schema, _)| self.thinned(schema, answer))
    }

    fn thinned(&self, schema: &Value, value: &Value) -> Value {
        if let Some(target) = self.referred(schema) {
            return self.thinned(target, value);
        }
        let branches = ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array());
        if let Some(branch) = branches.flatten().find(|branch| branch["type"] != "null") {
            return self.thinned(branch, value);
        }
        match value {
            Value::Array(items) => {
                items.iter().map(|item| self.thinned(&schema["items"], item)).collect()
            }
            Value::Object(fields) => self.thinned_object(schema, fields),
            other => other.clone(),
        }
    }

    fn thinned_object(&self, schema: &Value, fields: &Map<String, Value>) -> Value {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let identity = ["id", "iid", "key", "issues", "comments", "permissions", "havePermission"];
        let keep = |name: &str| {
            if required.is_empty() { identity.contains(&name) } else { required.contains(&name) }
        };
        if !schema["properties"].is_object() {
            return Value::Object(fields.clone());
        }
        let kept = fields.iter().filter(|(name, _)| keep(name));
        let kept = kept
            .map(|(name, value)| (name.clone(), self.thinned(&schema["properties"][name], value)));
        Value::Object(kept.collect())
    }

    fn referred(&self, schema: &Value) -> Option<&Value> {
        let name = schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")?;
        self.components["schemas"].get(name)
    }
}

fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            Value::Object(one)
        }
        (one, _) => one,
    }
}
