//! How runs are told: our own words about them, and what tests said, apart and marked as theirs.

use contract::text::visible;
use contract::{Ctx, Part, Task, TaskState, ToolError};
use reports::Case;
use serde_json::json;

use crate::finish;
use crate::store::{Run, Runs, Source};
use crate::tools::log::last_words;

/// Most characters of a test's name in a list.
const NAME: usize = 120;
/// Most characters of a message in a list.
const MESSAGE: usize = 160;
/// How many lines that follow a message of one line are listed.
const BENEATH: usize = 2;
/// How many frames of a failure are listed.
const FRAMES: usize = 3;
/// How many bytes of failures are listed at once: a summary has about a thousand tokens.
const PAGE: usize = 1_700;
/// How many digits of a digest or id are shown.
const SHORT: usize = 12;

/// What stands behind a verdict that could not be kept.
const UNKEPT: &str =
    " (not kept: only this server knows it, until it ends; the operator's log says why)";

/// A run in a few lines of our own words.
pub(crate) fn summary(run: &Run) -> String {
    let Some(result) = &run.result else {
        let seconds = (crate::store::now() - run.created) / 1000;
        let stage = run.stage.as_ref().map(|stage| format!(": {stage}")).unwrap_or_default();
        return format!(
            "{}: not over yet, for {seconds} s{stage}; {}. test_result with `wait` follows it.",
            run.id,
            tested(run)
        );
    };
    let mut text = format!("{}: {}", run.id, result.verdict);
    if result.is_unkept {
        text.push_str(UNKEPT);
    }
    // A reason may quote a report that does not fit together: then it is told apart.
    if !result.why.is_empty() && result.faults.is_empty() {
        text.push_str(&format!(": {}", result.why));
    }
    if result.total() > 0 {
        let mut counts = format!("\n{}: {} passed", count(result.total(), "test"), result.passed);
        for (count, what) in [
            (result.failed, "failed"),
            (result.errored, "errored"),
            (result.skipped, "skipped"),
            (result.flaky, "passed after retries"),
        ] {
            if count > 0 {
                counts.push_str(&format!(", {count} {what}"));
            }
        }
        text.push_str(&counts);
    }
    if let Some((covered, all)) = result.coverage {
        text.push_str(&format!("\nlines covered: {covered} of {all}"));
    }
    if let Some(why) = &result.uncovered {
        text.push_str(&format!("\nlines covered: not known: {why}"));
    }
    text.push_str(&format!("\n{}; {}", tested(run), result.exit));
    // Of a run that did not begin, or whose end nobody saw, neither is known.
    if !result.tier.is_empty() {
        text.push_str(&format!("; {}; sandbox: {}", seconds(result.wall), result.tier));
    }
    text.push_str(&format!("; declaration {}", short(&run.digest)));
    text
}

/// What was tested, with what.
fn tested(run: &Run) -> String {
    if let Some(again) = &run.again {
        // The names are a report's: somebody else's words.
        return format!("{} with failed tests of {again}", source(&run.source));
    }
    let values: Vec<String> =
        run.values.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    let with =
        if values.is_empty() { String::new() } else { format!(" with {}", values.join(" ")) };
    format!("{}{with}", source(&run.source))
}

/// A value that a caller chose, so that it cannot be taken for words of ours.
fn quoted(value: &str) -> String {
    let text = one_line(value, 60);
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:/,|+@=*".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("{text:?}").replace('<', "\\u{3c}")
}

/// What was tested.
pub(crate) fn source(source: &Source) -> String {
    let commit = source.commit.as_deref().map(short);
    match (&source.changes, commit) {
        _ if source.is_export => format!("commit {}", commit.unwrap_or("?")),
        (Some(changes), Some(commit)) if changes.is_empty() => {
            format!("working tree, tracked files as in {commit}")
        }
        (Some(_), Some(commit)) => {
            let (files, verb) = match source.changed {
                1 => ("1 tracked file".to_owned(), "differs"),
                many => (format!("{many} tracked files"), "differ"),
            };
            format!("working tree, {files} {verb} from {commit}")
        }
        _ => "working tree".to_owned(),
    }
}

/// A number of things, `what` in the singular.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The beginning of a digest or id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// Milliseconds as seconds.
pub(crate) fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// A run as the work behind a call.
pub(crate) fn task(run: &Run) -> Task {
    let verdict = run.result.as_ref().map(|result| result.verdict.as_str());
    let state = match verdict {
        None => TaskState::Working,
        Some("cancelled") => TaskState::Cancelled,
        Some(_) => TaskState::Done,
    };
    let changed = run.ended.unwrap_or_else(crate::store::now);
    let note = match (verdict, &run.stage) {
        (Some(verdict), _) => verdict.to_owned(),
        (None, Some(far)) => format!("not over yet: {far}"),
        (None, None) => "not over yet".to_owned(),
    };
    Task { id: run.id.clone(), state, note, created: run.created, changed }
}

/// The summary of a run and a page of its failures, from that number on.
pub(crate) async fn page(
    ctx: &Ctx,
    runs: &Runs,
    run: &Run,
    from: usize,
) -> Result<Vec<Part>, ToolError> {
    let mut parts = Vec::new();
    if from == 0 {
        parts.push(Part::Text(summary(run)));
    }
    let Some(result) = &run.result else { return Ok(parts) };
    let address = format!("testrun://{}", run.id);
    if from == 0 && !result.faults.is_empty() {
        let faults: Vec<String> = result.faults.iter().map(|fault| one_line(fault, 200)).collect();
        let text = format!("{}\nof the report: {}", one_line(&result.why, 500), faults.join("; "));
        parts.push(Part::Untrusted { source: address.clone(), text });
    }
    let folder = runs.folder(&run.id);
    if from == 0 && result.why.contains("see the log") {
        let folder = folder.clone();
        let said = crate::following::blocking(move || Ok(last_words(&folder))).await?;
        if let Some((of, text)) = said {
            let source = format!("{address}/{}", of.name());
            parts.push(Part::Text(format!("the end of {}:", of.file())));
            parts.push(Part::Untrusted { source, text });
        }
    }
    let most = PAGE.min(ctx.size().bytes().saturating_sub(800)).max(400);
    let (text, next) = crate::following::blocking(move || {
        Ok(listed(&finish::failures(&folder, from)?, from, most))
    })
    .await?;
    if next > from {
        parts.push(Part::Untrusted { source: address, text });
    }
    parts.push(Part::Text(match (result.kept, next) {
        (0, _) => "no failures".to_owned(),
        (all, next) if next >= all => {
            format!("failures {}-{next} of {all}; test_failure shows one in full", from + 1)
        }
        (all, next) => {
            let cursor = ctx.seal_cursor(&json!(next));
            format!("failures {}-{next} of {all}; next: cursor={cursor}", from + 1)
        }
    }));
    Ok(parts)
}

/// As many failures as fit, and the number of the next.
fn listed(failures: &[Case], from: usize, most: usize) -> (String, usize) {
    let (mut text, mut next) = (String::new(), from);
    for case in failures {
        let one = line(next + 1, case);
        if !text.is_empty() && text.len() + one.len() > most {
            break;
        }
        text.push_str(&one);
        next += 1;
    }
    (text, next)
}

/// A failure in a few lines: its number, name and message, and the frames that are ours.
fn line(number: usize, case: &Case) -> String {
    let mut text = format!("{number}. {}", one_line(&full_name(case), NAME));
    if let Some(at) = place(case) {
        text.push_str(&format!(" ({at})"));
    }
    text.push('\n');
    let Some(failure) = &case.failure else { return text };
    let message = if failure.message.is_empty() { &failure.text } else { &failure.message };
    if !message.trim().is_empty() {
        text.push_str(&format!("   {}\n", one_line(message.trim(), MESSAGE)));
    }
    for beneath in failure.beneath(BENEATH) {
        text.push_str(&format!("   {}\n", one_line(beneath, NAME)));
    }
    for frame in finish::frames(case).iter().take(FRAMES) {
        text.push_str(&format!("   at {}\n", one_line(frame, NAME)));
    }
    text
}

/// A failure in full.
pub(crate) fn in_full(number: usize, case: &Case) -> String {
    let mut text = format!("{number}. {}\nstatus: {:?}", full_name(case), case.status);
    text.push_str(&format!(", attempts: {}", case.attempts));
    if let Some(time) = case.duration {
        text.push_str(&format!(", {:.3} s", time.as_secs_f64()));
    }
    if let Some(at) = place(case) {
        text.push_str(&format!("\nfile: {at}"));
    }
    let frames = finish::frames(case);
    if !frames.is_empty() {
        text.push_str(&format!("\nours: {}", frames.join("\n      ")));
    }
    if let Some(failure) = &case.failure {
        let about = [
            ("kind", &failure.kind),
            ("message", &failure.message),
            ("text", &failure.text),
            ("output", &failure.output),
        ];
        for (label, value) in about.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
            text.push_str(&format!("\n{label}: {}", value.trim_end()));
        }
    }
    text.push('\n');
    text
}

/// The class and the name of a test.
pub(crate) fn full_name(case: &Case) -> String {
    if case.suite.is_empty() {
        case.name.to_string()
    } else {
        format!("{} {}", case.suite, case.name)
    }
}

fn place(case: &Case) -> Option<String> {
    let file = one_line(case.file.as_deref()?, NAME);
    Some(case.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
}

/// A text on one line, of at most so many characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let text: String = text.chars().take(most * 2 + 8).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = visible(&text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::case;

    #[test]
    fn a_listed_failure_says_what_was_there_and_what_was_wanted() {
        let text = "thread 'a' panicked at src/lib.rs:1:2:\nassertion `left == right` failed\n  \
                    left: 500\n right: 400\nnote: x";
        let message = "assertion `left == right` failed".to_owned();
        let failure = reports::Failure { message, text: text.to_owned(), ..Default::default() };
        let mut failed = case("s", "sum", "failed");
        failed.failure = Some(Box::new(failure));
        let expected = "1. s sum\n   assertion `left == right` failed\n   left: 500\n   \
                        right: 400\n   at src/lib.rs:1\n";
        assert_eq!(line(1, &failed), expected);
    }
}
