//! The forms in which a held secret may appear: as it is, and as encoders write it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

/// Shorter values would mark half of every text.
pub(super) const SHORTEST: usize = 4;

/// Lines of a secret of several lines that are at least as long are secrets of their own, since
/// what shows such a secret may indent it.
const SHORTEST_LINE: usize = 16;

/// What is certain of a secret inside longer base64 text counts from this length on.
const SHORTEST_CORE: usize = 6;

/// Every form of a value; none of one that is too short. To be found without regard to ASCII
/// case, which covers the two cases of hexadecimal digits.
pub(super) fn forms(value: &str) -> Vec<String> {
    let lines = value.lines().map(str::trim).filter(|line| {
        line.len() >= SHORTEST_LINE && !line.starts_with("-----") && line.len() < value.len()
    });
    let values = [value, value.trim()].into_iter().filter(|value| value.len() >= SHORTEST);
    let mut forms: Vec<String> = values.chain(lines).flat_map(encoded).collect();
    forms.sort();
    forms.dedup();
    forms
}

fn encoded(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let json = in_json(value);
    let ascii = ascii_json(&json);
    let html = |apostrophe: &str| {
        let most = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        most.replace('"', "&quot;").replace('\'', apostrophe)
    };
    let every = |before: &str| {
        bytes.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{before}{byte:02x}");
            out
        })
    };
    let strict = percent(bytes, b"-._~");
    let mut forms = vec![
        value.to_owned(),
        in_json(&json),
        ascii.replace('/', "\\/"),
        json.replace('/', "\\/"),
        escaped(&ascii, "<>&"),
        escaped(&ascii, "<>&'+="),
        format!("{value:?}").trim_matches('"').to_owned(),
        html("&#39;"),
        html("&#x27;"),
        html("&apos;"),
        html("'"),
        html("&#39;").replace("&quot;", "&#34;"),
        html("&#39;").replace('/', "&#x2F;"),
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        every(""),
        every("\\x"),
        every("%"),
        every(":").trim_start_matches(':').to_owned(),
        every(" ").trim_start().to_owned(),
        percent(strict.as_bytes(), b"-._~"),
        strict.replace("%20", "+"),
        percent(bytes, b"-._~!*'()"),
        percent(bytes, b"-._~!*'();/?:@&=+$,#"),
        strict,
        ascii,
        json,
    ];
    for shift in 0..3 {
        let core = aligned(bytes, shift);
        forms.push(core.replace('+', "-").replace('/', "_"));
        forms.push(core);
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// A JSON string (RFC 8259) without its quotes.
fn in_json(value: &str) -> String {
    let json = Value::String(value.to_owned()).to_string();
    json[1..json.len() - 1].to_owned()
}

/// The same with every character beyond ASCII as `\u….`
fn ascii_json(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(out, "\\u{unit:04x}");
            });
        }
    }
    out
}

/// The same with these characters as `\u….`, which encoders do that write for web pages.
fn escaped(json: &str, which: &str) -> String {
    which
        .chars()
        .fold(json.to_owned(), |out, c| out.replace(c, &format!("\\u{:04x}", u32::from(c))))
}

/// Percent-encoding (RFC 3986) of all but letters, digits and `kept`.
fn percent(bytes: &[u8], kept: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || kept.contains(byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
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

    #[test]
    fn a_value_is_known_at_every_alignment_of_base64() {
        let known = forms("c4n4ry-Zm9v+/secret");
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "x", "xy"] {
                for engine in [&STANDARD, &URL_SAFE] {
                    let text = engine.encode(format!("{before}c4n4ry-Zm9v+/secret{after}"));
                    assert!(known.iter().any(|form| text.contains(form)), "{before} {after}");
                }
            }
        }
    }

    #[test]
    fn the_lines_of_a_long_secret_are_secrets_and_short_values_are_none() {
        let pem = "-----BEGIN X-----\n  MIIEvQIBADANBgkqhkiG9w0\nAQ==\n-----END X-----\n";
        let known = forms(pem);
        assert!(known.contains(&"MIIEvQIBADANBgkqhkiG9w0".to_owned()));
        assert!(
            !known.contains(&"AQ==".to_owned()) && !known.contains(&"-----END X-----".to_owned())
        );
        assert!(forms("abc").is_empty());
    }

    #[test]
    fn encoders_are_known() {
        let check = |form: &str| assert!(forms("ü\"<s>/ k'").contains(&form.to_owned()), "{form}");
        check("ü\\\"<s>/ k'");
        check("\\u00fc\\\"\\u003cs\\u003e/ k'");
        check("\\u00fc\\\"<s>\\/ k'");
        check("ü&quot;&lt;s&gt;/ k&#39;");
        check("%C3%BC%22%3Cs%3E%2F%20k%27");
        check("%C3%BC%22%3Cs%3E%2F+k%27");
        check("c3bc223c733e2f206b27");
        check("\\xc3\\xbc\\x22\\x3c\\x73\\x3e\\x2f\\x20\\x6b\\x27");
    }
}
