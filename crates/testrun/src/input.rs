//! What a caller may choose: checked values that land in one argument each, and nowhere else.

use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input as Haystack};
use serde_json::Value;

use crate::settings::InputSettings;

/// Most characters of a text, unless the settings say otherwise.
const LENGTH: u32 = 200;

/// A declared input.
#[derive(Debug)]
pub(crate) struct Input {
    settings: InputSettings,
    pattern: Option<Regex>,
}

impl Input {
    /// Checks a declaration.
    pub(crate) fn new(settings: InputSettings) -> Result<Self, String> {
        let has_range = settings.min.is_some() || settings.max.is_some();
        let kinds = [!settings.values.is_empty(), settings.pattern.is_some(), has_range];
        if kinds.iter().filter(|is| **is).count() != 1 {
            return Err("give it one of `values`, `pattern`, or `min` with `max`".to_owned());
        }
        if has_range
            && !matches!((settings.min, settings.max), (Some(min), Some(max)) if min <= max)
        {
            return Err("a number needs `min` and `max`, and `min` is not the larger".to_owned());
        }
        let pattern = match &settings.pattern {
            // Anchored on both ends whatever stands in it, also where it has alternatives.
            Some(text) => Some(
                Regex::new(&format!(r"\A(?:{text})\z"))
                    .map_err(|error| format!("`pattern` is no regular expression: {error}"))?,
            ),
            None => None,
        };
        if settings.required && settings.default.is_some() {
            return Err("`required` and `default` exclude each other".to_owned());
        }
        let input = Self { settings, pattern };
        let fixed = input.settings.values.iter().chain(&input.settings.default);
        for value in fixed {
            input.check(value).map_err(|why| format!("`{}` {why}", shown(value)))?;
        }
        Ok(input)
    }

    /// Whether the caller must say it.
    pub(crate) fn is_required(&self) -> bool {
        self.settings.required
    }

    /// What it is if the caller says nothing.
    pub(crate) fn default(&self) -> Option<&str> {
        self.settings.default.as_deref()
    }

    /// Most characters.
    pub(crate) fn length(&self) -> usize {
        self.settings.length.unwrap_or(LENGTH) as usize
    }

    /// The text of a value as a caller gives it: a string, or a number.
    pub(crate) fn text(&self, value: &Value) -> Result<String, String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            _ => return Err("is neither a text nor a whole number".to_owned()),
        };
        self.check(&text)?;
        Ok(text)
    }

    /// Why a text may not be its value.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        let length = self.length();
        if text.is_empty() {
            return Err("is empty; leave it out instead".to_owned());
        }
        if text.chars().count() > length {
            return Err(format!("has more than {length} characters"));
        }
        if text.chars().any(char::is_control) {
            return Err("holds a control character".to_owned());
        }
        let is_number = self.settings.min.is_some();
        if text.starts_with('-') && !self.settings.dash && !is_number {
            return Err("begins with `-`, which programs take for an option".to_owned());
        }
        let values = &self.settings.values;
        if !values.is_empty() && !values.iter().any(|value| value == text) {
            return Err(format!("is none of {}", values.join(", ")));
        }
        let fits = |pattern: &Regex| pattern.is_match(Haystack::new(text).anchored(Anchored::Yes));
        if let Some(pattern) = &self.pattern
            && !fits(pattern)
        {
            let pattern = self.settings.pattern.as_deref().unwrap_or_default();
            return Err(format!("does not fit `{pattern}`"));
        }
        if let (Some(min), Some(max)) = (self.settings.min, self.settings.max) {
            let number: Option<i64> =
                text.parse().ok().filter(|number: &i64| number.to_string() == text);
            if !number.is_some_and(|number| (min..=max).contains(&number)) {
                return Err(format!("is no whole number from {min} to {max}"));
            }
            if text.starts_with('-') && !self.settings.dash {
                return Err("is negative, which programs take for an option".to_owned());
            }
        }
        Ok(())
    }

    /// What it may be, in few words.
    pub(crate) fn told(&self) -> String {
        let kind = match (&self.settings.pattern, self.settings.min, self.settings.max) {
            (Some(pattern), ..) => format!("/{pattern}/"),
            (None, Some(min), Some(max)) => format!("{min}..{max}"),
            _ => self.settings.values.join("|"),
        };
        let default = self.default().map(|value| format!(", default {value}")).unwrap_or_default();
        let required = if self.settings.required { ", required" } else { "" };
        let about = self.settings.description.as_deref().map(|text| format!(": {text}"));
        format!("{kind}{default}{required}{}", about.unwrap_or_default())
    }
}

/// The beginning of a value, for a message.
pub(crate) fn shown(value: &str) -> String {
    contract::text::visible(&value.chars().take(40).collect::<String>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(settings: Value) -> Result<Input, String> {
        Input::new(serde_json::from_value(settings).expect("settings"))
    }

    fn check(settings: Value, value: impl Into<Value>, is_good: bool) {
        let value = value.into();
        let checked = input(settings.clone()).expect("a declaration").text(&value);
        assert_eq!(checked.is_ok(), is_good, "{settings} {value}: {checked:?}");
    }

    #[test]
    fn a_value_is_of_its_kind_and_no_option() {
        use serde_json::json;
        let pattern = json!({"pattern": "[a-z:]+|-x"});
        check(pattern.clone(), "a::b", true);
        for bad in ["", "A", "a b", "a\n", "\na", "a;b", "-x", "a\0", "xa1", "a|-x"] {
            check(pattern.clone(), bad, false);
        }
        check(json!({"pattern": ".*"}), "--config=evil", false);
        check(json!({"pattern": ".*", "dash": true}), "--config=good", true);
        check(json!({"pattern": "(?s).*", "dash": true}), "a\nb", false);
        check(json!({"pattern": "a*", "length": 3}), "aaaa", false);
        check(json!({"values": ["fast", "slow"]}), "fast", true);
        check(json!({"values": ["fast", "slow"]}), "fastest", false);
        check(json!({"min": 1, "max": 9}), 9, true);
        check(json!({"min": -5, "max": 9}), -5, false);
        check(json!({"min": -5, "max": 9, "dash": true}), -5, true);
        for bad in [json!(10), json!("01"), json!("+1"), json!(1.5), json!(true), json!([1])] {
            check(json!({"min": 1, "max": 9}), bad, false);
        }
    }

    #[test]
    fn a_wrong_declaration_is_told() {
        use serde_json::json;
        for bad in [
            json!({}),
            json!({"values": ["a"], "pattern": "a"}),
            json!({"min": 1}),
            json!({"min": 2, "max": 1}),
            json!({"pattern": "("}),
            json!({"pattern": "a", "default": "b"}),
            json!({"values": ["-x"]}),
            json!({"values": ["x"], "default": "x", "required": true}),
        ] {
            assert!(input(bad.clone()).is_err(), "{bad}");
        }
    }
}
