//! Held secrets: where they stand in a text, as they are or as encoders write them.

use std::fmt::Write as _;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::decode::{self, Reading};

/// Shorter values would mark half of every text.
const SHORTEST: usize = 4;

/// Lines of a secret of several lines that are at least as long are secrets of their own, since
/// what shows such a secret may indent it.
const SHORTEST_LINE: usize = 16;

/// What is certain of a secret inside longer base64 text counts from this length on.
const SHORTEST_CORE: usize = 6;

/// How many encodings are undone one after the other, such as JSON in JSON in an address.
const DEPTH: usize = 3;

/// Finds held secrets.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Every form of every secret.
    forms: AhoCorasick,
    /// The forms that may be wrapped: base64.
    wrapped: AhoCorasick,
    /// Whether a secret has letters whose case the forms do not cover.
    is_beyond_ascii: bool,
}

impl Held {
    /// Knows these values; `None` where all are too short.
    pub(super) fn new<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let values: Vec<&str> = values.flat_map(parts).collect();
        let forms = values.iter().flat_map(|value| plain(value).into_iter().chain(base64(value)));
        let wrapped = values.iter().flat_map(|value| base64(value));
        Some(Self {
            forms: automaton(forms)?,
            wrapped: automaton(wrapped)?,
            is_beyond_ascii: values.iter().any(|value| !value.is_ascii()),
        })
    }

    /// Where secrets stand, in order and without overlaps.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut readings: Vec<Reading> = Vec::new();
        self.seek(text.as_bytes(), &readings, &mut found);
        while readings.len() < DEPTH {
            let last = readings.last().map_or(text.as_bytes(), |reading| &reading.bytes);
            let Some(next) = decode::unescaped(last) else { break };
            readings.push(next);
            if let Some(reading) = readings.last() {
                self.seek(&reading.bytes, &readings, &mut found);
            }
        }
        found.sort_by_key(|range| range.start);
        super::join(&mut found, |range| range);
        found
    }

    /// Looks at one reading of a text, which came about by `readings`.
    fn seek(&self, bytes: &[u8], readings: &[Reading], found: &mut Vec<Range<usize>>) {
        let mut take = |range: Range<usize>| {
            let back = readings.iter().rev();
            found.push(back.fold(range, |range, reading| reading.origin(&range)));
        };
        for place in self.forms.find_iter(bytes) {
            take(place.range());
        }
        if let Some(flat) = decode::on_one_line(bytes) {
            for place in self.wrapped.find_iter(&flat.bytes) {
                take(flat.origin(&place.range()));
            }
        }
        if self.is_beyond_ascii
            && let Some(lower) = decode::in_lower_case(bytes)
        {
            for place in self.forms.find_iter(&lower.bytes) {
                take(lower.origin(&place.range()));
            }
        }
    }
}

/// Without regard to ASCII case, which covers the two cases of hexadecimal digits.
fn automaton(forms: impl Iterator<Item = String>) -> Option<AhoCorasick> {
    let mut forms: Vec<String> = forms.filter(|form| form.len() >= SHORTEST).collect();
    forms.sort();
    forms.dedup();
    if forms.is_empty() {
        return None;
    }
    let mut builder = AhoCorasick::builder();
    builder.match_kind(MatchKind::LeftmostLongest).ascii_case_insensitive(true);
    builder.build(forms).ok()
}

/// What of a value is a secret: all of it, without the space around it, and its long lines; nothing
/// of one that is too short.
fn parts(value: &str) -> Vec<&str> {
    let lines = value.lines().map(str::trim).filter(|line| {
        line.len() >= SHORTEST_LINE && !line.starts_with("-----") && line.len() < value.len()
    });
    let values = [value, value.trim()].into_iter().filter(|value| value.len() >= SHORTEST);
    let mut parts: Vec<&str> = values.chain(lines).collect();
    parts.dedup();
    parts
}

/// A value as it is, and the forms that no escape leads back to.
fn plain(value: &str) -> Vec<String> {
    let every = |between: &str| {
        let mut out = value.bytes().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{between}{byte:02x}");
            out
        });
        out.split_off(between.len())
    };
    let mut values = vec![value.to_owned(), value.to_uppercase()];
    values.push(value.chars().flat_map(char::to_lowercase).collect());
    // What looks like an escape in the secret itself is undone together with those around it.
    let mut last = value.as_bytes().to_vec();
    for _ in 0..DEPTH {
        let Some(next) = decode::unescaped(&last) else { break };
        last = next.bytes;
        values.extend(String::from_utf8(last.clone()));
    }
    // Forms write a space as `+`.
    let spaced: Vec<String> = values.iter().map(|value| value.replace(' ', "+")).collect();
    values.extend(spaced);
    values.extend([every(""), every(":"), every(" ")]);
    values
}

fn base64(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let mut forms = vec![
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
    ];
    for shift in 0..3 {
        let core = aligned(bytes, shift);
        forms.push(core.replace('+', "-").replace('/', "_"));
        forms.push(core);
    }
    forms
}

/// The characters of base64 that depend on the value alone when it begins `shift` bytes into a
/// group of three; empty where they are too few to mean anything.
fn aligned(bytes: &[u8], shift: usize) -> String {
    let text = STANDARD_NO_PAD.encode([&[0; 2][..shift], bytes].concat());
    let first = [0, 2, 3][shift];
    let is_shared = !(shift + bytes.len()).is_multiple_of(3);
    let core = text.get(first..text.len() - usize::from(is_shared)).unwrap_or_default();
    if core.len() < SHORTEST_CORE { String::new() } else { core.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(secret: &str) -> Held {
        Held::new([secret].into_iter()).expect("long enough")
    }

    /// The whole of each form is found, and nothing around it.
    fn check(secret: &str, forms: &[&str]) {
        let held = held(secret);
        for form in forms {
            for text in [format!("a {form} b"), format!("é{form}é")] {
                let start = text.find(form).expect("in it");
                let place = start..start + form.len();
                assert_eq!(held.find(&text), [place], "{text}");
            }
        }
    }

    #[test]
    fn a_value_is_known_at_every_alignment_of_base64() {
        let held = held("c4n4ry-Zm9v+/secret");
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "x", "xy"] {
                for engine in [&STANDARD, &URL_SAFE] {
                    let text = engine.encode(format!("{before}c4n4ry-Zm9v+/secret{after}"));
                    assert!(!held.find(&text).is_empty(), "{before} {after}");
                }
            }
        }
    }

    #[test]
    fn base64_is_known_where_lines_are_wrapped() {
        let held = held("wJalrXUtnFEMI/K7MDENG+bPxRfiCY/Zq1==");
        for before in 0..80 {
            let text = "x".repeat(before) + "wJalrXUtnFEMI/K7MDENG+bPxRfiCY/Zq1== and more";
            let text = STANDARD.encode(text);
            for (width, between) in [(64, "\n"), (76, "\r\n"), (76, "\n    "), (64, "\\n")] {
                let lines: Vec<&str> =
                    text.as_bytes().chunks(width).flat_map(str::from_utf8).collect();
                assert_eq!(held.find(&lines.join(between)).len(), 1, "{before} {width}");
            }
        }
    }

    #[test]
    fn the_lines_of_a_long_secret_are_secrets_and_short_values_are_none() {
        let pem = "-----BEGIN X-----\n  MIIEvQIBADANBgkqhkiG9w0\nAQ==\n-----END X-----\n";
        let held = held(pem);
        assert_eq!(held.find("MIIEvQIBADANBgkqhkiG9w0").len(), 1);
        assert!(held.find("AQ==").is_empty() && held.find("-----END X-----").is_empty());
        assert!(Held::new(["abc"].into_iter()).is_none());
    }

    #[test]
    fn encoders_are_known() {
        let forms = [
            "ü\\\"<s>/ k'",
            "\\u00fc\\\"\\u003cs\\u003e/ k'",
            "\\\\u00fc\\\\\\\"<s>\\\\/ k'",
            "ü&quot;&lt;s&gt;/ k&#39;",
            "ü&quot;&lt;s&gt;&#x2F; k&apos;",
            "%C3%BC%22%3Cs%3E%2F%20k%27",
            "%C3%BC%22%3Cs%3E/%20k'",
            "%25C3%25BC%2522%253Cs%253E%252F%2520k%2527",
            "%C3%BC%22%3Cs%3E%2F+k%27",
            "c3bc223c733e2f206b27",
            "C3:BC:22:3C:73:3E:2F:20:6B:27",
            "\\xc3\\xbc\\x22\\x3c\\x73\\x3e\\x2f\\x20\\x6b\\x27",
        ];
        check("ü\"<s>/ k'", &forms);
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY/Zq1==";
        let every = |write: &dyn Fn(char) -> String| secret.chars().map(write).collect::<String>();
        let forms = [
            secret.replace('+', "%2B"),
            secret.replace('/', "&#x2F;").replace('=', "&#x3D;"),
            secret.replace('/', "&#47;").replace('+', "&#43;"),
            secret.replace('=', "\\u003d"),
            every(&|c| format!("\\u{:04x}", u32::from(c))),
            every(&|c| format!("&#{};", u32::from(c))),
        ];
        check(secret, &forms.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn letters_are_known_in_either_case() {
        check(
            "Straße-ÜñÏ-pass",
            &["STRAßE-üÑï-PASS", "STRASSE-ÜÑÏ-PASS", "straße-%C3%9C\\u00f1ï-pass"],
        );
    }

    #[test]
    fn a_secret_that_looks_escaped_is_found_escaped() {
        check(
            "a%2Fb&amp;\"c\\n",
            &["a%2Fb&amp;\"c\\n", "a%2Fb&amp;\\\"c\\\\n", "a%252Fb%26amp;%22c%5Cn"],
        );
    }
}
