//! The account of one call or approval, for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use contract::text::visible;
use serde_json::Value;

use super::super::entry::{Claimed, Entry};
use super::super::line::{flat, happened};
use super::super::scan::Found;
use super::super::segments::Segment;
use super::super::time;
use crate::terminal::{DIM, NAME, TITLE};

/// What a record does not say.
const NOT_SUPPLIED: &str = "not supplied";

/// Tells everything that the records say.
pub(super) fn of(segments: &[Segment], found: &[Found], approvals: &BTreeSet<String>) -> String {
    let records: Vec<(&Found, Entry<'_>)> =
        found.iter().filter_map(|found| Some((found, Entry::parse(&found.line)?))).collect();
    let mut out = String::new();
    let calls = calls(&records);
    for call in &calls {
        let of_call: Vec<&(&Found, Entry<'_>)> =
            records.iter().filter(|(_, entry)| entry.call == *call).collect();
        one_call(&mut out, call, &of_call);
    }
    for id in approvals {
        one_approval(&mut out, id, &records);
    }
    heading(&mut out, "What happened");
    for (found, entry) in &records {
        event(&mut out, segments, found, entry, calls.len() > 1);
    }
    out
}

/// The calls in the order of their first records.
fn calls<'a>(records: &'a [(&Found, Entry<'_>)]) -> Vec<&'a str> {
    let mut calls: Vec<&str> = Vec::new();
    for (_, entry) in records {
        if !entry.call.is_empty() && !calls.contains(&entry.call.as_ref()) {
            calls.push(&entry.call);
        }
    }
    calls
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "{TITLE}{}{TITLE:#}", flat(text));
}

fn row(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {NAME}{name:<12}{NAME:#} {value}");
}

/// A row for what may be absent.
fn said(out: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        row(out, name, &flat(value));
    }
}

fn one_call(out: &mut String, call: &str, records: &[&(&Found, Entry<'_>)]) {
    // The outcome says most; before there is one, the latest record does.
    let ended = records.iter().rev().find(|(_, entry)| entry.is_call());
    let Some((found, entry)) = ended.or(records.last()).copied() else { return };
    let whole: Value = serde_json::from_slice(&found.line).unwrap_or_default();
    heading(out, &format!("Call {call}"));
    let _ = writeln!(out, "  {}\n", sentence(entry, ended.is_some()));
    row(out, "who", &who(entry, &whole["principal"]));
    said(out, "roles", &entry.principal.roles.join(", "));
    row(out, "what", &format!("{} on server {}", flat(&entry.tool), flat(&entry.server)));
    said(out, "system", &entry.target);
    claims(out, &entry.claimed, entry.reason());
    let client = &entry.client;
    if !client.name.is_empty() || !client.transport.is_empty() {
        let name = format!("{} {} over {}", client.name, client.version, client.transport);
        row(out, "client", &format!("{} {DIM}(claimed){DIM:#}", flat(&name)));
    }
    if let Some(decision) = &entry.decision {
        let word = if decision.allowed { "allowed" } else { "denied" };
        row(out, "decision", &format!("{word} by {}", flat(&decision.rule)));
    }
    said(out, "policy", &entry.policy);
    said(out, "tool digest", &entry.tool_digest);
    outcome(out, entry, ended.is_some());
    arguments(out, entry, &whole["arguments"]);
    out.push('\n');
}

/// Who ran what, against which system, and why.
fn sentence(entry: &Entry<'_>, has_ended: bool) -> String {
    let who = match entry.who() {
        "" => "Nobody known".to_owned(),
        name => flat(name),
    };
    let behalf = match entry.principal.actor.as_ref() {
        "" => String::new(),
        actor => format!(", through {},", flat(actor)),
    };
    let (verb, ending) = match (has_ended, entry.outcome.as_ref()) {
        (false, _) => ("began", "; how it ended is not recorded"),
        (true, "done") => ("ran", ""),
        (true, "denied") => ("asked for", "; policy or an approver said no"),
        (true, "invalid") => ("asked for", "; the arguments broke a rule, nothing ran"),
        (true, "limited") => ("asked for", "; a limit was reached, nothing ran"),
        (true, "pending") => ("asked for", "; it waits for a person, nothing ran"),
        (true, "failed") => ("ran", "; it failed"),
        (true, "abandoned") => ("ran", "; the caller cancelled it or went away"),
        (true, _) => ("called", ""),
    };
    let system = match entry.target.as_ref() {
        "" => String::new(),
        target => format!(" against {}", flat(target)),
    };
    let why = match entry.reason() {
        "" => "without a stated reason".to_owned(),
        reason => format!("because, as the model claims, “{}”", flat(reason)),
    };
    let tool = flat(&entry.tool);
    format!("{who}{behalf} {verb} {tool}{system} at {}, {why}{ending}.", flat(&entry.time))
}

fn who(entry: &Entry<'_>, principal: &Value) -> String {
    let mut text = flat(entry.who());
    if entry.principal.identity != entry.principal.subject && !entry.principal.identity.is_empty() {
        let _ = write!(text, " as {}", flat(&entry.principal.identity));
    }
    if !principal["proof"].is_null() {
        let _ = write!(text, ", proven by {}", flat(&proof(&principal["proof"])));
    }
    if !entry.principal.actor.is_empty() {
        let _ = write!(text, ", acted for by {}", flat(&entry.principal.actor));
    }
    text
}

/// The proof of an identity in words.
fn proof(proof: &Value) -> String {
    let held = |kind: &str, field: &str| match &proof[kind][field] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    if let Some(uid) = held("os_user", "uid") {
        format!("the operating system (uid {uid})")
    } else if let Some(key) = held("api_key", "key") {
        format!("the API key {key}")
    } else if let Some(issuer) = held("access_token", "issuer") {
        format!("an access token of {issuer}")
    } else if proof == "loopback" {
        "nothing but a connection from this machine".to_owned()
    } else {
        proof.to_string()
    }
}

/// What the client said: always told as a claim, also where it said nothing.
fn claims(out: &mut String, claimed: &Claimed<'_>, reason: &str) {
    for (name, text) in
        [("why", reason), ("user asked", &claimed.user_request), ("trace", &claimed.trace)]
    {
        let value = match text {
            "" | NOT_SUPPLIED => format!("{DIM}{NOT_SUPPLIED}{DIM:#}"),
            text => format!("“{}” {DIM}(claimed){DIM:#}", flat(text)),
        };
        row(out, name, &value);
    }
}

fn outcome(out: &mut String, entry: &Entry<'_>, has_ended: bool) {
    if !has_ended {
        row(out, "outcome", "none: the process died, or the call still runs");
        return;
    }
    let mut text = flat(&entry.outcome);
    if !entry.error.is_empty() && entry.error != entry.outcome {
        let _ = write!(text, " ({})", flat(&entry.error));
    }
    if let Some(micros) = entry.duration_us {
        let _ = write!(text, " after {}", time::length(micros));
    }
    row(out, "outcome", &text);
    said(out, "detail", &entry.detail);
    if let Some(bytes) = entry.result_bytes {
        let tokens = super::super::report::tokens(bytes);
        row(out, "result", &format!("{bytes} bytes, about {tokens} tokens"));
    }
    said(out, "its SHA-256", &entry.result_digest);
}

fn arguments(out: &mut String, entry: &Entry<'_>, arguments: &Value) {
    if !entry.arguments_digest.is_empty() {
        let text = format!("kept out of the log; SHA-256 {}", flat(&entry.arguments_digest));
        row(out, "arguments", &text);
    }
    if arguments.is_null() {
        return;
    }
    row(out, "arguments", "");
    for line in format!("{arguments:#}").lines() {
        let _ = writeln!(out, "    {}", visible(line));
    }
}

fn one_approval(out: &mut String, id: &str, records: &[(&Found, Entry<'_>)]) {
    let of_it = || records.iter().filter(|(_, entry)| entry.approval_id() == id);
    heading(out, &format!("Approval {id}"));
    let level = of_it().find_map(|(_, entry)| entry.approval.as_ref()).map(|it| it.level.as_ref());
    said(out, "level", level.unwrap_or_default());
    let mut decided = BTreeSet::new();
    for (_, entry) in of_it() {
        for by in entry.approval.iter().flat_map(|approval| &approval.by) {
            let text = format!("{} ({}): “{}”", by.subject, by.identity, by.reason);
            if decided.insert(text.clone()) {
                row(out, "decided by", &flat(&text));
            }
        }
    }
    let last = of_it().rev().find(|(_, entry)| entry.event.starts_with("approval_"));
    if let Some((_, entry)) = last {
        row(out, "state", &format!("{} at {}", flat(&happened(entry)), flat(&entry.time)));
    }
    out.push('\n');
}

/// One line of the order of events, with its place in the log.
fn event(
    out: &mut String,
    segments: &[Segment],
    found: &Found,
    entry: &Entry<'_>,
    names_call: bool,
) {
    let segment = &segments[found.segment];
    let place = format!(
        "{}/{}:{}",
        segment.server,
        segment.path.file_stem().unwrap_or_default().to_string_lossy(),
        entry.sequence
    );
    let mut text = flat(&happened(entry));
    if !entry.who().is_empty() {
        let _ = write!(text, " by {}", flat(entry.who()));
    }
    if names_call && !entry.call.is_empty() {
        let _ = write!(text, " [{}]", flat(&entry.call));
    }
    if !entry.detail.is_empty() {
        let _ = write!(text, ": {}", flat(&entry.detail));
    }
    let _ = writeln!(out, "  {} {text}  {DIM}{}{DIM:#}", flat(&entry.time), flat(&place));
}
