//! The values of a statement's placeholders, as callers give them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Number, Value};

pub(crate) use crate::engine::Param;

/// The most characters of one value.
pub(crate) const LONGEST: u32 = 10_000;

/// One value of a placeholder: a scalar of JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
}

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "null"], "maxLength": LONGEST })
    }
}

impl From<Scalar> for Param {
    fn from(value: Scalar) -> Self {
        match value {
            Scalar::Null => Param::Null,
            Scalar::Bool(value) => Param::Bool(value),
            Scalar::Number(value) => number(&value),
            Scalar::Text(value) => Param::Text(value),
        }
    }
}

/// The values of placeholders from what a call gives.
pub(crate) fn params(values: Option<Vec<Scalar>>) -> Vec<Param> {
    values.unwrap_or_default().into_iter().map(Param::from).collect()
}

/// A value of an argument that a schema has let pass; `None` where it is no scalar.
pub(crate) fn scalar(value: &Value) -> Option<Param> {
    match value {
        Value::Null => Some(Param::Null),
        Value::Bool(value) => Some(Param::Bool(*value)),
        Value::Number(value) => Some(number(value)),
        Value::String(value) => Some(Param::Text(value.clone())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// What is no whole number of 64 bits goes as its digits.
fn number(value: &Number) -> Param {
    value.as_i64().map_or_else(|| Param::Number(value.to_string()), Param::Integer)
}

#[cfg(test)]
mod tests {
    use contract::schema::Validator;
    use serde_json::json;

    use super::*;

    fn check(value: Value, expected: Param) {
        let given: Scalar = serde_json::from_value(value.clone()).expect("a scalar");
        assert_eq!(Param::from(given), expected, "{value}");
        assert_eq!(scalar(&value), Some(expected));
    }

    #[test]
    fn scalars_keep_their_type_and_digits() {
        check(json!(null), Param::Null);
        check(json!(true), Param::Bool(true));
        check(json!(-5), Param::Integer(-5));
        check(json!(i64::MAX), Param::Integer(i64::MAX));
        check(json!(u64::MAX), Param::Number("18446744073709551615".to_owned()));
        check(json!(0.1), Param::Number("0.1".to_owned()));
        check(json!("0.10"), Param::Text("0.10".to_owned()));
        check(json!(""), Param::Text(String::new()));
    }

    #[test]
    fn a_list_of_them_takes_null_and_no_lists() {
        let schema = contract::schema::of::<Vec<Scalar>>();
        let validator = Validator::new(&schema).expect("a schema");
        assert!(validator.is_valid(&json!([null, true, 0.5, 7, "x"])), "{schema}");
        assert!(!validator.is_valid(&json!([[1]])) && !validator.is_valid(&json!([{}])));
    }

    #[test]
    fn what_is_no_scalar_is_refused() {
        for value in [json!([1]), json!({"a": 1})] {
            assert!(serde_json::from_value::<Scalar>(value.clone()).is_err(), "{value}");
            assert_eq!(scalar(&value), None);
        }
    }
}
