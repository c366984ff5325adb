//! Numbers as databases write them, compared digit by digit: no binary floating point comes
//! between, and no exponent is ever expanded.

use std::cmp::Ordering;

/// A number: its sign, where its first digit stands, and its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    is_negative: bool,
    size: Size,
}

/// How large a number is without its sign.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Size {
    Zero,
    /// The power of ten of the first digit, and the digits without zeros at either end.
    Finite(i64, String),
    Infinite,
}

impl Decimal {
    /// Reads a number; `None` where the text is none, or is not a number (`NaN`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if ["infinity", "inf"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Some(Self { is_negative, size: Size::Infinite });
        }
        let (digits, power) = match text.split_once(['e', 'E']) {
            Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let kept = all.trim_start_matches('0');
        let zeros = i64::try_from(all.len() - kept.len()).ok()?;
        let first = i64::try_from(whole.len()).ok()? - zeros + i64::from(power);
        let kept = kept.trim_end_matches('0');
        if kept.is_empty() {
            return Some(Self { is_negative: false, size: Size::Zero });
        }
        Some(Self { is_negative, size: Size::Finite(first, kept.to_owned()) })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            // Digits without trailing zeros compare as text does: `12` comes before `123`.
            (false, false) => self.size.cmp(&other.size),
            (true, true) => other.size.cmp(&self.size),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, expected: Ordering) {
        let number = |text: &str| Decimal::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(number(a).cmp(&number(b)), expected, "{a} {b}");
        assert_eq!(number(b).cmp(&number(a)), expected.reverse(), "{b} {a}");
    }

    #[test]
    fn numbers_compare_to_the_last_digit() {
        use Ordering::{Equal, Less};
        check("1", "1.000", Equal);
        check("0.1", "0.10000000000000000000000000000000001", Less);
        check("9007199254740992", "9007199254740993", Less);
        check("-2", "-1", Less);
        check("-1", "1", Less);
        check("-0", "0.00", Equal);
        check("0", "1e-300", Less);
        check("-1e-300", "0", Less);
        check("1e3", "1000", Equal);
        check("12.5E-1", "1.25", Equal);
        check("99", "100", Less);
        check("12", "123", Less);
        check("0.012", "0.12", Less);
        check("007", "7", Equal);
        check(".5", "0.5", Equal);
        check("5.", "5", Equal);
        check("1e2000000000", "2e2000000000", Less);
        check("1e2000000000", "Infinity", Less);
        check("-inf", "-1e9", Less);
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "e5", "1e", "1e99999999999", "0x10", "1,000", "NaN", "1 2", "١"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
