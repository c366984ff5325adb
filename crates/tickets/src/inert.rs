//! Makes what an agent wrote inert for a tracker: nobody is notified, nothing is closed, no command
//! runs, no HTML or image is shown. Every change can be seen; nothing is hidden in invisible
//! characters. What was changed is counted in [`Notes`], for the preview a person reads.
//!
//! The text is Markdown as the trackers read it (`CommonMark` with their extensions). Since their
//! parsers differ in the odd cases, only what every one of them takes for a fenced code block is
//! taken for code (see [`fence`]); all the rest is text, code spans too.
//!
//! A text that is inert is returned as it is: `body(body(x)) == body(x)`.

use contract::text::visible;

mod closing;
mod fence;
mod notes;
mod scan;
mod target;

use notes::Kind;
pub(crate) use notes::Notes;

#[cfg(test)]
pub(crate) mod attacks;
#[cfg(test)]
mod recognise;
#[cfg(test)]
mod tests;

/// Whose rules a text has to be inert under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// GitHub issues.
    GitHub,
    /// GitLab issues.
    GitLab,
    /// Jira, by way of the Atlassian Document Format.
    Jira,
    /// Trackers that show plain text: Request Tracker and the local one.
    Plain,
}

/// How often a text is gone through until nothing changes any more. Two rounds do for all that we
/// have seen: the second finds what the first has put together.
const ROUNDS: usize = 6;

/// The body of a ticket or a comment, made inert.
pub(crate) fn body(text: &str, dialect: Dialect) -> (String, Notes) {
    let mut notes = Notes::default();
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let next = body_once(&shown(&text, &mut notes), dialect, &mut notes);
        if next == text {
            break;
        }
        text = next;
    }
    (text, notes)
}

/// A title or another text of one line, made inert. The caller has refused line feeds; any that is
/// left becomes a space.
pub(crate) fn line(text: &str, dialect: Dialect) -> (String, Notes) {
    let mut notes = Notes::default();
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let shown = shown(&text, &mut notes).replace(['\n', '\t'], " ");
        let command = quick_action(shown.trim(), &mut notes);
        let scanned = scan::text(&command, dialect, scan::has_definitions(&command), &mut notes);
        let next = formula(scanned.trim(), false, &mut notes);
        if next == text {
            break;
        }
        text = next;
    }
    (text, notes)
}

fn body_once(text: &str, dialect: Dialect, notes: &mut Notes) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let definitions = scan::has_definitions(text);
    let parts = fence::parts(text);
    for part in &parts.parts {
        let commands: String =
            part.text.split_inclusive('\n').map(|line| quick_action(line, notes)).collect();
        if part.code {
            out.push_str(&commands);
        } else {
            out.push_str(&scan::text(&commands, dialect, definitions, notes));
        }
    }
    if let Some(close) = parts.unclosed {
        notes.count(Kind::OpenFence, 1);
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&close);
    }
    formula(&out, true, notes)
}

/// Shows hidden characters, and counts those that are shown.
fn shown(text: &str, notes: &mut Notes) -> String {
    let shown = visible(text).into_owned();
    notes.count(Kind::Hidden, marks(&shown).saturating_sub(marks(text)));
    shown
}

/// How many hidden characters the marks in a text stand for: one each, but for those of a long run
/// that are counted.
fn marks(text: &str) -> u64 {
    let counted = |rest: &str| rest.split_once(" hidden characters]")?.0.parse::<u32>().ok();
    let single = text.matches("[U+").count() as u64;
    single + text.split("[+").skip(1).filter_map(counted).map(u64::from).sum::<u64>()
}

/// Puts a backslash before a command at the start of a line, in code too: older versions of GitLab
/// take commands out of the raw text (`^\/close`), and so do the bots of other trackers. A path
/// such as `/usr/bin` is none: a command ends at a space or with the line.
fn quick_action(line: &str, notes: &mut Notes) -> String {
    let command = line.trim_start();
    let Some(name) = command.strip_prefix('/') else { return line.to_owned() };
    let rest = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let ends = rest.chars().next().is_none_or(char::is_whitespace);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !ends {
        return line.to_owned();
    }
    notes.count(Kind::QuickAction, 1);
    format!("{}\\{command}", &line[..line.len() - command.len()])
}

/// Puts an apostrophe before what a spreadsheet would take for a formula, once the tracker exports
/// its tickets as CSV (OWASP, "CSV Injection").
fn formula(text: &str, is_body: bool, notes: &mut Notes) -> String {
    let start = text.trim_start();
    let begins = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    if !start.starts_with(begins) || is_body && is_markdown(start) {
        return text.to_owned();
    }
    notes.count(Kind::Formula, 1);
    format!("{}'{start}", &text[..text.len() - start.len()])
}

/// Whether the text begins with a thematic break or a list of ordinary words: no call of a function
/// and no link to another program (`cmd|'/c calc'!A0`).
fn is_markdown(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.len() >= 3 && line.bytes().all(|byte| byte == b'-') {
        return true;
    }
    let Some(item) = line.strip_prefix("- ").map(str::trim_start) else { return false };
    let word = item.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    !item.starts_with(['=', '+', '-', '@']) && !word.starts_with('(') && !item.contains('|')
}
