//! One argument of a named query: its JSON Schema, and its value for the statement.

use contract::ToolError;
use contract::schema::Validator;
use serde_json::{Map, Number, Value, json};

use crate::param::{Param, scalar};
use crate::settings::{ParamKind, ParamSettings};

/// The name that pages are asked for by.
const RESERVED: &str = "cursor";
/// The greatest whole number that every reader of JSON keeps.
const MOST: f64 = 9_007_199_254_740_991.0;
/// The bounds of a number without bounds of its own.
const MOST_NUMBER: f64 = 1e15;
/// The most characters of a text without a bound of its own.
const LENGTH: u32 = 200;

const DATE: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const TIME: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
    T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// An argument of a tool that is a named query.
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) schema: Value,
    /// The value of a call that gives none.
    pub(super) default: Option<Value>,
    /// Whether every call must give it.
    pub(super) is_required: bool,
    kind: ParamKind,
}

/// The arguments of the settings, in the order of the placeholders.
pub(super) fn arguments(settings: &[ParamSettings]) -> Result<Vec<Argument>, String> {
    let mut arguments: Vec<Argument> = Vec::new();
    for one in settings {
        let wrong = |text: String| format!("params: `{}`: {text}", one.name);
        if one.name == RESERVED {
            return Err(wrong("pages are asked for by that name; rename it".to_owned()));
        }
        if arguments.iter().any(|argument| argument.name == one.name) {
            return Err(wrong("occurs twice; rename one".to_owned()));
        }
        arguments.push(Argument::new(one).map_err(wrong)?);
    }
    Ok(arguments)
}

impl Argument {
    fn new(settings: &ParamSettings) -> Result<Self, String> {
        let schema = schema(settings)?;
        let argument = Self {
            name: settings.name.clone(),
            default: settings.default.clone(),
            is_required: settings.default.is_none() && !settings.optional,
            kind: settings.kind,
            schema,
        };
        if settings.optional && settings.default.is_some() {
            return Err("`optional` is NULL where nothing is given, and `default` is not; \
                        remove one"
                .to_owned());
        }
        if let Some(default) = &argument.default {
            let faults = Validator::plain(&argument.schema)
                .map(|validator| validator.faults(default))
                .map_err(|error| error.to_string())?;
            if let Some(fault) = faults.first() {
                return Err(format!("`default`: {}", fault.message));
            }
            argument.check(default).map_err(|text| format!("`default`: {text}"))?;
        }
        Ok(argument)
    }

    /// The value of a call, or the default, or NULL.
    pub(super) fn value(&self, args: &Map<String, Value>) -> Result<Param, ToolError> {
        let value = args.get(&self.name).or(self.default.as_ref()).unwrap_or(&Value::Null);
        self.check(value)
            .map_err(|text| ToolError::invalid(format!("`{}`: {text}.", self.name)))?;
        scalar(value).map(|value| self.typed(value)).ok_or_else(|| {
            ToolError::invalid(format!("`{}`: expected a text, a number or a bool.", self.name))
        })
    }

    /// JSON knows no difference between 5 and 5.0, nor between a text and a date; databases do.
    fn typed(&self, value: Param) -> Param {
        match (self.kind, value) {
            (ParamKind::Number, Param::Integer(value)) => Param::Number(value.to_string()),
            (ParamKind::Integer, Param::Number(digits)) => digits
                .strip_suffix(".0")
                .and_then(|digits| digits.parse().ok())
                .map_or(Param::Number(digits.clone()), Param::Integer),
            (ParamKind::Date, Param::Text(text)) => Param::Date(text),
            (ParamKind::Time, Param::Text(text)) => Param::Time(text),
            (_, value) => value,
        }
    }

    /// What a pattern cannot state: that the month has that day.
    fn check(&self, value: &Value) -> Result<(), String> {
        match (self.kind, value.as_str()) {
            (ParamKind::Date | ParamKind::Time, Some(text)) if !is_day(text) => {
                Err(format!("there is no day {}", text.get(..10).unwrap_or(text)))
            }
            _ => Ok(()),
        }
    }

    /// A value the argument could have, to plan the statement with.
    pub(super) fn example(&self) -> Param {
        let first = self.schema["enum"].get(0).cloned();
        let made = match self.kind {
            ParamKind::Text => json!("a"),
            ParamKind::Integer | ParamKind::Number => {
                self.schema.get("minimum").cloned().unwrap_or(json!(1))
            }
            ParamKind::Bool => json!(true),
            ParamKind::Date => json!("2000-01-01"),
            ParamKind::Time => json!("2000-01-01T00:00:00Z"),
        };
        let value = self.default.clone().or(first).unwrap_or(made);
        scalar(&value).map_or(Param::Null, |value| self.typed(value))
    }
}

fn schema(settings: &ParamSettings) -> Result<Value, String> {
    let ParamSettings { kind, min, max, length, values, .. } = settings;
    let is_number = matches!(kind, ParamKind::Integer | ParamKind::Number);
    if !is_number && (min.is_some() || max.is_some()) {
        return Err("`min` and `max` are for numbers; remove them".to_owned());
    }
    if *kind != ParamKind::Text && length.is_some() {
        return Err("`length` is for text; remove it".to_owned());
    }
    if *kind == ParamKind::Bool && !values.is_empty() {
        return Err("`values` are not for a bool; remove them".to_owned());
    }
    let mut schema = match kind {
        ParamKind::Text => json!({"type": "string", "maxLength": length.unwrap_or(LENGTH)}),
        ParamKind::Integer => {
            let (min, max) = bounds(*min, *max, MOST)?;
            json!({"type": "integer", "minimum": whole(min)?, "maximum": whole(max)?})
        }
        ParamKind::Number => {
            let (min, max) = bounds(*min, *max, MOST_NUMBER)?;
            json!({"type": "number", "minimum": min, "maximum": max})
        }
        ParamKind::Bool => json!({"type": "boolean"}),
        ParamKind::Date => json!({"type": "string", "pattern": DATE, "maxLength": 10}),
        ParamKind::Time => json!({"type": "string", "pattern": TIME, "maxLength": 35}),
    };
    if !values.is_empty() {
        let values: Result<Vec<Value>, String> =
            values.iter().map(|text| value(text, *kind)).collect();
        schema["enum"] = values?.into();
    }
    let described = settings.purpose.clone().or_else(|| match kind {
        ParamKind::Date => Some("Such as 2026-11-22.".to_owned()),
        ParamKind::Time => Some("Such as 2026-11-22T09:30:00Z.".to_owned()),
        _ => None,
    });
    if let Some(text) = described {
        schema["description"] = text.into();
    }
    if let Some(default) = &settings.default {
        schema["default"] = default.clone();
    }
    Ok(schema)
}

fn bounds(min: Option<f64>, max: Option<f64>, most: f64) -> Result<(f64, f64), String> {
    let (min, max) = (min.unwrap_or(-most), max.unwrap_or(most));
    if !(min.is_finite() && max.is_finite() && min <= max) {
        return Err("`min` is greater than `max`; swap them".to_owned());
    }
    if min < -most || max > most {
        return Err(format!("`min` and `max` are within {most} of 0; take a text beyond"));
    }
    Ok((min, max))
}

fn whole(bound: f64) -> Result<i64, String> {
    // Within 2^53 a float that is whole has exactly its digits.
    format!("{bound:.0}")
        .parse()
        .ok()
        .filter(|_| bound.fract() == 0.0)
        .ok_or_else(|| format!("{bound} is no whole number"))
}

/// One of the only values, which settings write as text.
fn value(text: &str, kind: ParamKind) -> Result<Value, String> {
    let value = match kind {
        ParamKind::Integer => text.parse::<i64>().ok().map(Value::from),
        ParamKind::Number => text.parse::<Number>().ok().map(Value::from),
        ParamKind::Text | ParamKind::Date | ParamKind::Time | ParamKind::Bool => {
            Some(Value::from(text))
        }
    };
    value.ok_or_else(|| format!("`values`: `{text}` is no number"))
}

/// Whether a date that fits the pattern is in the calendar.
fn is_day(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| {
        text.get(range).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or_default()
    };
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=days).contains(&day)
}
