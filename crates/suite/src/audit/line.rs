//! One record as one line for people. Records hold hostile text: every part is made visible, and
//! no part can begin a line of its own.

use anstyle::{AnsiColor, Color, Style};
use contract::text::visible;

use super::entry::Entry;
use super::time;
use crate::terminal::{BAD, DIM, GOOD, NAME};

const WAITS: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Yellow)));
const PLAIN: Style = Style::new();

/// The most characters of a part.
const LONGEST: usize = 160;

/// Text on one line: hidden characters are shown, line breaks too.
pub(super) fn flat(text: &str) -> String {
    visible(text).replace('\n', "[U+000A]").replace('\t', "[U+0009]")
}

/// The same, cut.
pub(super) fn short(text: &str, longest: usize) -> String {
    let flat = flat(text);
    match flat.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", &flat[..at]),
        None => flat,
    }
}

/// Time, server, who, tool, target, outcome, duration, why, and the call.
pub(super) fn of(entry: &Entry<'_>) -> String {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { short(text, 60) };
    let when = match time::millis(&entry.time) {
        Some(millis) => time::rfc3339(millis).replacen('T', " ", 1),
        None => format!("{:<24}", or_dash(&entry.time)),
    };
    let what = happened(entry);
    let style = style(&what);
    let duration = entry.duration_us.map(time::length).unwrap_or_default();
    let mut line = format!(
        "{DIM}{when}{DIM:#}  {:<8}  {:<12}  {NAME}{:<20}{NAME:#}  {:<22}  {style}{:<9}{style:#}  {duration:>7}",
        or_dash(&entry.server),
        or_dash(entry.who()),
        or_dash(&entry.tool),
        or_dash(&entry.target),
        short(&what, 40),
    );
    let why = why(entry);
    if !why.is_empty() {
        line.push_str("  ");
        line.push_str(&why);
    }
    if !entry.call.is_empty() {
        line.push_str(&format!("  {DIM}[{}]{DIM:#}", short(&entry.call, 40)));
    }
    line.truncate(line.trim_end().len());
    line
}

/// The outcome of a call, or the event in words.
pub(super) fn happened(entry: &Entry<'_>) -> String {
    if entry.is_call() && !entry.outcome.is_empty() {
        entry.outcome.clone().into_owned()
    } else {
        entry.event.replace('_', " ")
    }
}

/// What a reader should see at a glance: good, waiting or bad.
fn style(what: &str) -> Style {
    match what {
        "done" | "approval given" => GOOD,
        "pending" | "limited" | "approval asked" | "abandoned" | "intent" => WAITS,
        "denied" | "invalid" | "failed" | "approval denied" | "approval expired"
        | "policy refused" | "unidentified" => BAD,
        _ => PLAIN,
    }
}

/// The claimed reason in quotes, then the error and what the operator should know.
fn why(entry: &Entry<'_>) -> String {
    let mut parts = Vec::new();
    if !entry.reason().is_empty() {
        parts.push(format!("“{}”", short(entry.reason(), LONGEST)));
    }
    if !entry.error.is_empty() && entry.error != entry.outcome {
        parts.push(short(&entry.error, 40));
    }
    if let Some(decision) = entry.decision.as_ref().filter(|decision| !decision.allowed) {
        parts.push(short(&decision.rule, LONGEST));
    } else if !entry.detail.is_empty() {
        parts.push(short(&entry.detail, LONGEST));
    }
    if let Some(approval) = &entry.approval {
        parts.push(format!("approval {}", short(&approval.id, 12)));
        let by = approval.by.iter().map(|by| format!("{}: “{}”", by.subject, by.reason));
        parts.extend(by.map(|by| short(&by, LONGEST)));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let entry = Entry::parse(json.as_bytes()).expect("a record");
        let shown = anstream::adapter::strip_str(&of(&entry)).to_string();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_call_reads_from_left_to_right() {
        check(
            r#"{"call":"c-1","claimed":{"reason":"Ann asked for it","trace":"not supplied"},"duration_us":12400,"event":"call","outcome":"done","principal":{"subject":"ann"},"server":"mail","target":"mailbox:out","time":"2026-11-22T10:00:00.001Z","tool":"mail_send"}"#,
            "2026-11-22 10:00:00.001Z  mail      ann           mail_send             mailbox:out             done       12.4 ms  “Ann asked for it”  [c-1]",
        );
        check(
            r#"{"event":"started","server":"docs","time":"2026-11-22T10:00:00Z"}"#,
            "2026-11-22 10:00:00.000Z  docs      -             -                     -                       started",
        );
    }

    #[test]
    fn a_refusal_says_why() {
        check(
            r#"{"decision":{"allowed":false,"rule":"no rule allows x: reader"},"error":"denied","event":"call","outcome":"denied","time":"?"}"#,
            "?                         -         -             -                     -                       denied              no rule allows x: reader",
        );
    }

    #[test]
    fn hostile_text_stays_on_its_line_and_is_seen() {
        let json = serde_json::json!({
            "event": "call", "outcome": "done\u{1b}[2J", "tool": "a\nb\u{202e}",
            "claimed": {"reason": format!("\r\n{}", "x".repeat(500))}, "call": "\u{200b}",
        });
        let entry = json.to_string();
        let entry = Entry::parse(entry.as_bytes()).expect("a record");
        let line = of(&entry);
        let plain = anstream::adapter::strip_str(&line).to_string();
        assert!(!plain.contains(['\n', '\r', '\u{1b}', '\u{202e}', '\u{200b}']), "{plain:?}");
        assert!(plain.contains("a[U+000A]b[U+202E]") && plain.contains("xxx…"), "{plain}");
        assert!(plain.chars().count() < 400, "{plain}");
    }
}
