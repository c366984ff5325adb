//! What waits, and what one approval is about.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use contract::Approval;
use contract::text::visible;
use serde_json::json;
use state::approvals::{State, Stored};

use super::{find, folders};
use crate::Launcher;
use crate::assemble::Checked;
use crate::terminal::{BAD, DIM, GOOD, NAME, TITLE, columns};

/// How many approvals of one server are listed.
const MOST: u32 = 10_000;

pub(super) async fn list(
    checked: &Checked,
    launchers: &[Launcher],
    all: bool,
    only: Option<&str>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    if let Some(only) = only {
        known(only, launchers)?;
    }
    let mut found = Vec::new();
    for folder in folders(checked, launchers)? {
        if only.is_none_or(|only| only == folder.server) {
            found.extend(folder.store.approvals(!all, MOST).await?);
        }
    }
    found.retain(|stored| all || waits(stored));
    found.sort_by_key(|stored| std::cmp::Reverse(stored.call.created));
    if as_json {
        anstream::println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        let what = if all { "No approval was ever asked for." } else { "Nothing waits." };
        anstream::println!("{what}");
        return Ok(ExitCode::SUCCESS);
    }
    let header =
        ["approval", "state", "level", "tool", "target", "asked by", "asked", "ends", "what"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(row));
    anstream::print!("{}", columns(&rows));
    Ok(ExitCode::SUCCESS)
}

/// A server that this program has.
fn known(server: &str, launchers: &[Launcher]) -> anyhow::Result<()> {
    let names: Vec<String> = launchers.iter().map(|launcher| launcher.name.to_owned()).collect();
    if names.iter().any(|name| name == server) {
        return Ok(());
    }
    anyhow::bail!("server {}", contract::schema::unknown(server, &names))
}

/// Whether somebody still has to do something: decide, or make the call.
fn waits(stored: &Stored) -> bool {
    matches!(stored.standing(), State::Pending | State::Approved)
}

fn row(stored: &Stored) -> Vec<String> {
    let call = &stored.call;
    let yes = stored.decisions.iter().filter(|decision| decision.yes).count();
    let state = match (stored.standing(), call.level) {
        (State::Pending, Approval::Two) => format!("pending ({yes} of 2)"),
        (state, _) => state.name().to_owned(),
    };
    vec![
        stored.short().to_owned(),
        state,
        call.level.to_string(),
        call.tool.clone(),
        line(&call.target().to_string()),
        line(&call.requester),
        ago(call.created),
        ago(call.expires),
        line(&call.preview.title),
    ]
}

pub(super) async fn show(
    checked: &Checked,
    launchers: &[Launcher],
    id: &str,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let (_, stored) = find(checked, launchers, id).await?;
    if as_json {
        let whole = json!({"approval": stored, "standing": stored.standing()});
        anstream::println!("{}", serde_json::to_string_pretty(&whole)?);
    } else {
        print(&stored);
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows it.
pub(super) fn print(stored: &Stored) {
    anstream::print!("{}", whole(stored));
}

/// Everything a person must see before a decision. Nothing in it is the model's own prose but the
/// values of the fields, each on lines of its own.
pub(crate) fn whole(stored: &Stored) -> String {
    let call = &stored.call;
    let mut out = format!("{TITLE}approval {}{TITLE:#}\n", stored.id);
    let asks = match call.level {
        Approval::Two => "two other people with a role that approves it",
        Approval::One => "another person with a role that approves it",
        _ => "the requester in person, or somebody with a role that approves it",
    };
    let rows = [
        ("state", stored.standing().name().to_owned()),
        ("server", call.server.clone()),
        (
            "tool",
            format!(
                "{} (digest {})",
                call.tool,
                &call.tool_digest[..12.min(call.tool_digest.len())]
            ),
        ),
        ("target", line(&call.target().to_string())),
        ("asked by", format!("{} ({})", line(&call.requester), line(&call.identity))),
        ("asked", format!("{} ({})", time(call.created), ago(call.created))),
        ("ends", format!("{} ({})", time(call.expires), ago(call.expires))),
        ("needs", format!("{}: {asks}", call.level)),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "  {NAME}{name:<9}{NAME:#} {value}");
    }
    let _ = writeln!(out, "\n{TITLE}What would be done{TITLE:#}");
    for text in visible(&call.preview.to_string()).lines() {
        let _ = writeln!(out, "  {text}");
    }
    let _ = writeln!(out, "\n{TITLE}The arguments, whole{TITLE:#}");
    let arguments = serde_json::to_string_pretty(&call.arguments).unwrap_or_default();
    for text in visible(&arguments).lines() {
        let _ = writeln!(out, "  {text}");
    }
    for decision in &stored.decisions {
        let (style, word) = if decision.yes { (GOOD, "yes") } else { (BAD, "no") };
        let _ = writeln!(
            out,
            "\n{style}{word}{style:#} by {} ({}) at {}: {}",
            line(&decision.subject),
            line(&decision.identity.name),
            time(decision.time),
            line(&decision.reason)
        );
    }
    if let Some(why) = &stored.why {
        let _ = writeln!(out, "\n{DIM}void: {}{DIM:#}", line(why));
    }
    if let Some(outcome) = &stored.outcome {
        let _ = writeln!(out, "\n{DIM}outcome: {}{DIM:#}", line(outcome));
    }
    out
}

/// A text on one line, its hidden characters visible.
fn line(text: &str) -> String {
    visible(&text.replace(['\n', '\r'], " ")).into_owned()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn time(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default());
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

/// How long ago, or in how long.
fn ago(milliseconds: i64) -> String {
    let distance = milliseconds - now();
    let seconds = Duration::from_secs(distance.unsigned_abs() / 1000);
    let coarse = match seconds.as_secs() {
        0..=59 => seconds,
        60..=3599 => Duration::from_secs(seconds.as_secs() / 60 * 60),
        3600..=86_399 => Duration::from_secs(seconds.as_secs() / 3600 * 3600),
        longer => Duration::from_secs(longer / 86_400 * 86_400),
    };
    let text = humantime::format_duration(coarse);
    if distance < 0 { format!("{text} ago") } else { format!("in {text}") }
}

#[cfg(test)]
mod tests {
    use contract::Preview;
    use state::approvals::StoredCall;

    use super::*;

    fn stored(state: State, expires: i64) -> Stored {
        let call = StoredCall {
            arguments: json!({}),
            created: 0,
            expires,
            identity: "user:ann".to_owned(),
            level: Approval::One,
            nonce: String::new(),
            policy: String::new(),
            preview: Preview::default(),
            requester: "ann".to_owned(),
            server: "test".to_owned(),
            target: ("file".to_owned(), None),
            tool: "test_commit".to_owned(),
            tool_digest: String::new(),
        };
        let (decisions, id) = (Vec::new(), call.id());
        Stored { id, call, state, decisions, redeemed_by: None, why: None, outcome: None }
    }

    #[test]
    fn what_is_over_does_not_wait() {
        assert!(waits(&stored(State::Pending, i64::MAX)));
        assert!(waits(&stored(State::Approved, i64::MAX)));
        assert!(!waits(&stored(State::Pending, 1)), "nobody noticed yet that its time is over");
        assert!(!waits(&stored(State::Approved, 1)));
        assert!(!waits(&stored(State::Denied, i64::MAX)));
    }

    #[test]
    fn a_server_that_is_not_there_is_named_with_the_nearest() {
        let launchers = crate::SERVERS;
        known("docs", launchers).expect("a server");
        let error = known("dosc", launchers).expect_err("no server");
        assert_eq!(error.to_string(), "server `dosc` is unknown; did you mean `docs`?");
    }
}
