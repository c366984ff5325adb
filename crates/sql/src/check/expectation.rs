//! What a result is expected to be, as callers write it: `empty`, `rows 1..10`, `value >= 9.99`.

use std::cmp::Ordering;
use std::fmt;

use contract::ToolError;

use super::decimal::Decimal;
use crate::engine::Kind;

/// The forms, for whoever wrote another.
const FORMS: &str = "write `empty`, `not_empty`, `true`, `rows 1..10`, `rows >= 3`, `value = 42` \
                     or `value <= 9.99`";
/// The most rows that are counted one by one.
const MOST_ROWS: u64 = 10_000;

/// What a result is expected to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// No row.
    Empty,
    /// One row or more.
    NotEmpty,
    /// The first column of every row is true, and there is a row.
    True,
    /// At least and at most so many rows.
    Rows { min: u64, max: Option<u64> },
    /// One row, whose first column compares like this.
    Value { operator: Operator, operand: Operand },
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Null,
    /// A text in quotes is a text, even where it looks like a number.
    Text {
        text: String,
        is_quoted: bool,
    },
}

/// The longer ones first.
const OPERATORS: [(&str, Operator); 10] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("!=", Operator::NotEqual),
    ("<>", Operator::NotEqual),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("is not ", Operator::NotEqual),
    ("is ", Operator::Equal),
];

impl Expectation {
    /// Reads an expectation; the error says what may be written.
    pub(crate) fn parse(text: &str) -> Result<Self, ToolError> {
        let text = text.trim();
        let wrong = || ToolError::invalid(format!("`expect`: {FORMS}."));
        match text {
            "empty" => return Ok(Self::Empty),
            "not_empty" => return Ok(Self::NotEmpty),
            "true" => return Ok(Self::True),
            _ => {}
        }
        if let Some(rest) = word(text, "rows") {
            let (min, max) = range(rest).ok_or_else(wrong)?;
            if max.is_some_and(|max| max < min) {
                return Err(ToolError::invalid("`expect`: no number of rows is in that range."));
            }
            if max.unwrap_or(min) > MOST_ROWS {
                return Err(ToolError::invalid(format!(
                    "`expect`: at most {MOST_ROWS} rows are counted one by one; SELECT count(*) \
                     and expect a `value`."
                )));
            }
            return Ok(Self::Rows { min, max });
        }
        let rest = word(text, "value").ok_or_else(wrong)?;
        let (operator, rest) = operator(rest).ok_or_else(wrong)?;
        let operand = Operand::parse(rest);
        if operand == Operand::Null && !matches!(operator, Operator::Equal | Operator::NotEqual) {
            return Err(ToolError::invalid("`expect`: NULL is compared with = or != only."));
        }
        Ok(Self::Value { operator, operand })
    }
}

/// What follows the first word, where it is this one.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    rest.starts_with(|c: char| !c.is_alphanumeric() && c != '_').then(|| rest.trim_start())
}

fn operator(text: &str) -> Option<(Operator, &str)> {
    OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?.trim())))
}

/// `5`, `1..10`, `..10`, `1..`, `>= 3`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    if let Some((from, to)) = text.split_once("..") {
        let end =
            |text: &str| if text.trim().is_empty() { Some(None) } else { number(text).map(Some) };
        let (from, to) = (end(from)?, end(to)?);
        return (from.is_some() || to.is_some()).then(|| (from.unwrap_or(0), to));
    }
    let Some((operator, rest)) = operator(text) else {
        let count = number(text)?;
        return Some((count, Some(count)));
    };
    let count = number(rest)?;
    match operator {
        Operator::Equal => Some((count, Some(count))),
        Operator::AtLeast => Some((count, None)),
        Operator::Greater => Some((count.checked_add(1)?, None)),
        Operator::AtMost => Some((0, Some(count))),
        Operator::Less => Some((0, Some(count.checked_sub(1)?))),
        Operator::NotEqual => None,
    }
}

impl Operand {
    fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("null") {
            return Self::Null;
        }
        for quote in ['\'', '"'] {
            let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
            if let Some(inner) = inner {
                let doubled = format!("{quote}{quote}");
                let text = inner.replace(&doubled, &quote.to_string());
                return Self::Text { text, is_quoted: true };
            }
        }
        Self::Text { text: text.to_owned(), is_quoted: false }
    }
}

impl Operator {
    /// Whether the order of value and operand is what the operator asks for.
    fn allows(self, order: Ordering) -> bool {
        match self {
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::AtMost => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::AtLeast => order != Ordering::Less,
        }
    }

    /// Whether a value compares as it should with what is expected.
    ///
    /// Numbers compare exactly; truth values by their meaning; everything else as text. NULL
    /// equals nothing but NULL.
    pub(crate) fn holds(
        self,
        found: Option<&str>,
        kind: Kind,
        operand: &Operand,
    ) -> Result<bool, ToolError> {
        let (found, text, is_quoted) = match (found, operand) {
            (None, Operand::Null) => return Ok(self == Operator::Equal),
            (None, _) | (_, Operand::Null) => return Ok(self == Operator::NotEqual),
            (Some(found), Operand::Text { text, is_quoted }) => (found, text, *is_quoted),
        };
        if kind == Kind::Bool
            && let (Some(found), Some(expected)) = (truth(found), truth(text))
        {
            return Ok(self.allows(found.cmp(&expected)));
        }
        let is_number = matches!(kind, Kind::Integer | Kind::Float | Kind::Decimal);
        if is_number || !is_quoted {
            match (Decimal::parse(found), Decimal::parse(text)) {
                (Some(found), Some(expected)) => return Ok(self.allows(found.cmp(&expected))),
                (Some(_), None) if is_number => {
                    return Err(ToolError::invalid(format!(
                        "`expect`: the value is a number, and `{text}` is none."
                    )));
                }
                _ => {}
            }
        }
        Ok(self.allows(found.cmp(text.as_str())))
    }
}

/// A truth value as databases write it; `None` where the text is none.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        other => Decimal::parse(other).map(|number| Some(number) != Decimal::parse("0")),
    }
}

/// Whether a value is true: truth values and numbers that are not 0. NULL is not.
pub(crate) fn is_true(found: Option<&str>) -> bool {
    found.and_then(truth).unwrap_or(false)
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = OPERATORS.iter().find(|(_, operator)| operator == self);
        f.write_str(match self {
            Operator::Equal => "=",
            _ => sign.map_or("", |(sign, _)| sign),
        })
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Null => f.write_str("NULL"),
            Operand::Text { text, .. } => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Expectation) {
        assert_eq!(Expectation::parse(text).expect(text), expected, "{text}");
    }

    fn rows(min: u64, max: Option<u64>) -> Expectation {
        Expectation::Rows { min, max }
    }

    fn value(operator: Operator, text: &str, is_quoted: bool) -> Expectation {
        let operand = Operand::Text { text: text.to_owned(), is_quoted };
        Expectation::Value { operator, operand }
    }

    #[test]
    fn every_form_is_read() {
        check("empty", Expectation::Empty);
        check(" not_empty ", Expectation::NotEmpty);
        check("true", Expectation::True);
        check("rows 5", rows(5, Some(5)));
        check("rows = 5", rows(5, Some(5)));
        check("rows=5", rows(5, Some(5)));
        check("rows 1..10", rows(1, Some(10)));
        check("rows ..10", rows(0, Some(10)));
        check("rows 3 ..", rows(3, None));
        check("rows >= 3", rows(3, None));
        check("rows > 3", rows(4, None));
        check("rows < 3", rows(0, Some(2)));
        check("value = 42", value(Operator::Equal, "42", false));
        check("value<=9.99", value(Operator::AtMost, "9.99", false));
        check("value <> 'it''s'", value(Operator::NotEqual, "it's", true));
        check("value = ", value(Operator::Equal, "", false));
        let null = |operator| Expectation::Value { operator, operand: Operand::Null };
        check("value is null", null(Operator::Equal));
        check("value is not NULL", null(Operator::NotEqual));
    }

    fn check_refused(text: &str, expected: &str) {
        let error = Expectation::parse(text).expect_err(text).text();
        assert!(error.starts_with("invalid: `expect`: ") && error.contains(expected), "{error}");
    }

    #[test]
    fn other_forms_are_refused_with_those_there_are() {
        for text in [
            "",
            "full",
            "rows",
            "rows x",
            "rows ..",
            "rows != 3",
            "rows < 0",
            "value 3",
            "valued = 3",
        ] {
            check_refused(text, FORMS);
        }
        check_refused("rows 5..3", "in that range");
        check_refused("rows >= 10001", "SELECT count(*)");
        check_refused("value < null", "NULL is compared");
    }

    fn holds(found: Option<&str>, kind: Kind, expected: &str) -> bool {
        let expectation = Expectation::parse(&format!("value {expected}")).expect(expected);
        let Expectation::Value { operator, operand } = expectation else { panic!("{expected}") };
        operator.holds(found, kind, &operand).expect(expected)
    }

    #[test]
    fn numbers_compare_exactly_and_texts_as_texts() {
        assert!(holds(Some("0.30"), Kind::Decimal, "= 0.3"));
        assert!(!holds(Some("9007199254740993"), Kind::Integer, "= 9007199254740992"));
        assert!(holds(Some("10"), Kind::Text, "> 9"));
        assert!(!holds(Some("10"), Kind::Text, "> '9'"));
        assert!(holds(Some("10"), Kind::Integer, "> '9'"));
        assert!(!holds(Some("007"), Kind::Text, "= '7'"));
        assert!(holds(Some("2026-11-22"), Kind::Text, ">= 2026-01-01"));
        assert!(holds(Some("paid"), Kind::Text, "= paid"));
        assert!(holds(Some("NaN"), Kind::Float, "!= 3"));
    }

    #[test]
    fn null_equals_null_only_and_truth_is_by_meaning() {
        assert!(holds(None, Kind::Text, "= null"));
        assert!(!holds(None, Kind::Text, "= ''"));
        assert!(holds(None, Kind::Text, "!= x"));
        assert!(!holds(None, Kind::Integer, "< 5"));
        assert!(holds(Some(""), Kind::Text, "!= null"));
        assert!(holds(Some("t"), Kind::Bool, "= true"));
        assert!(holds(Some("0"), Kind::Bool, "= false"));
        assert!(["t", "true", "TRUE", "1", "-2.5"].iter().all(|text| is_true(Some(text))));
        assert!(["f", "0", "0.0", "no", ""].iter().all(|text| !is_true(Some(text))));
        assert!(!is_true(None));
    }

    #[test]
    fn a_number_is_not_compared_with_words() {
        let operand = Operand::parse("paid");
        let error = Operator::Equal.holds(Some("5"), Kind::Integer, &operand).expect_err("no");
        assert_eq!(error.text(), "invalid: `expect`: the value is a number, and `paid` is none.");
    }
}
