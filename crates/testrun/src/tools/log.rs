//! `test_log`: what a run printed, and its report as JUnit and CTRF.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::position;
use crate::Testrun;
use crate::following::blocking;

/// Shows what a run printed.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_log",
    title: "Log",
    purpose: "The end of a run's output, or lines that contain `search`.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(120),
    timeout: Duration::from_secs(30),
    size: Size::tokens(4_000),
    verified_by: None,
};

/// How many lines are shown, unless the call says otherwise.
const LINES: u32 = 60;
/// The longest line that is shown whole, in bytes.
const LINE: usize = 2_000;
/// How many lines are shown beside a verdict.
const LAST: usize = 10;
/// How many bytes these have together, and each of them.
const LAST_BYTES: (usize, usize) = (900, 200);

pub(crate) struct Log;

// What is shown. No doc comment: it would be sent with the schema.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Of {
    #[default]
    Log,
    Stderr,
    Junit,
    Ctrf,
}

impl Of {
    pub(crate) const ALL: [Of; 4] = [Of::Log, Of::Stderr, Of::Junit, Of::Ctrf];

    /// The word for it in addresses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Of::Log => "log",
            Of::Stderr => "stderr",
            Of::Junit => "junit",
            Of::Ctrf => "ctrf",
        }
    }

    /// Its file in the run's folder.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Of::Log => "stdout",
            Of::Stderr => "stderr",
            Of::Junit => "junit.xml",
            Of::Ctrf => "ctrf.json",
        }
    }

    pub(crate) fn mime(self) -> &'static str {
        match self {
            Of::Log | Of::Stderr => "text/plain",
            Of::Junit => "application/xml",
            Of::Ctrf => "application/json",
        }
    }

    fn is_output(self) -> bool {
        matches!(self, Of::Log | Of::Stderr)
    }
}

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    run: String,
    #[serde(default)]
    of: Of,
    #[schemars(length(max = 200))]
    search: Option<String>,
    #[schemars(range(min = 1, max = 5000))]
    lines: Option<u32>,
    #[schemars(length(max = 2000))]
    cursor: Option<String>,
}

/// Some lines, and where those before or after them are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    text: String,
    trailer: String,
    next: Option<u64>,
}

impl Tool for Log {
    type Server = Testrun;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Testrun, args: &Args) -> Target {
        Testrun::target_of(&args.run)
    }

    async fn call(server: &Testrun, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let at = position(ctx, args.cursor.as_deref())?;
        let run = server.run(ctx, &args.run).await?;
        let path = server.runs.folder(&run.id).join(args.of.file());
        let lines = args.lines.unwrap_or(LINES) as usize;
        let most = ctx.size().bytes().saturating_sub(500);
        let search = args.search.filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
        let of = args.of;
        let folder = server.runs.folder(&run.id);
        let over = ctx.clone();
        let shown = blocking(move || {
            if !path.exists() {
                return Ok(None);
            }
            if of.is_output() && size(&path) == 0 {
                return Ok(Some(Shown { trailer: empty(&folder, of), ..Shown::default() }));
            }
            let shown = match &search {
                Some(search) => found(&path, search, at, lines, most, &|| over.is_over()),
                None if of.is_output() => tail(&path, at, lines, most),
                None => head(&path, at, most),
            };
            shown.map(Some).map_err(ToolError::internal)
        });
        let Some(shown) = shown.await? else {
            let name = of.name();
            return Err(ToolError::not_found(format!("of: the run left no {name}.")));
        };
        let mut trailer = shown.trailer;
        if let Some(next) = shown.next {
            trailer.push_str(&format!("; next: cursor={}", ctx.seal_cursor(&json!(next))));
        }
        let source = format!("testrun://{}/{}", run.id, of.name());
        let mut parts = Vec::new();
        if !shown.text.is_empty() {
            parts.push(Part::Untrusted { source, text: shown.text });
        }
        parts.push(Part::Text(trailer));
        Ok(Text { parts, more: None })
    }
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |data| data.len())
}

/// What there is instead of an empty stream.
fn empty(folder: &Path, of: Of) -> String {
    let other = if of == Of::Log { Of::Stderr } else { Of::Log };
    match size(&folder.join(other.file())) {
        0 => "stdout and stderr are empty".to_owned(),
        bytes => {
            let (this, that, name) = (of.file(), other.file(), other.name());
            format!("{this} is empty; {that} has {bytes} bytes: of={name}")
        }
    }
}

/// The last lines of standard error, or else of standard output: what a run said at its end.
pub(crate) fn last_words(folder: &Path) -> Option<(Of, String)> {
    let (all, each) = LAST_BYTES;
    [Of::Stderr, Of::Log].into_iter().find_map(|of| {
        let shown = tail(&folder.join(of.file()), 0, LAST * 4, 1 << 14).ok()?;
        let mut lines: Vec<String> = Vec::new();
        let mut room = all;
        let telling = shown.text.lines().rev().map(str::trim_end).filter(|line| !line.is_empty());
        for line in telling.take(LAST) {
            let end = line.floor_char_boundary(each.min(line.len()));
            let cut = if end < line.len() { "…" } else { "" };
            let line = format!("{}{cut}\n", &line[..end]);
            let Some(left) = room.checked_sub(line.len()) else { break };
            room = left;
            lines.push(line);
        }
        lines.reverse();
        (!lines.is_empty()).then(|| (of, lines.concat()))
    })
}

/// The last lines before a place; 0 is the end.
fn tail(path: &Path, before: u64, lines: usize, most: usize) -> std::io::Result<Shown> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let end = if before == 0 { length } else { before.min(length) };
    let start = end.saturating_sub(most as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    // From the first whole line on, and of those the last.
    let whole = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) if start > 0 && at + 1 < bytes.len() => at + 1,
        _ => 0,
    };
    let body = bytes[whole..].strip_suffix(b"\n").unwrap_or(&bytes[whole..]);
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let first = ends.map(|(at, _)| at + 1).nth(lines.saturating_sub(1)).unwrap_or(0);
    let from = start + (whole + first) as u64;
    Ok(Shown {
        text: clean(&bytes[whole + first..]),
        trailer: format!("bytes {from}-{end} of {length}"),
        next: (from > 0).then_some(from),
    })
}

/// What stands from a place on.
fn head(path: &Path, from: u64, most: usize) -> std::io::Result<Shown> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = from.min(length);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most as u64).read_to_end(&mut bytes)?;
    if from + (bytes.len() as u64) < length {
        let last = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(bytes.len() - 1);
        bytes.truncate(last + 1);
    }
    let end = from + bytes.len() as u64;
    Ok(Shown {
        text: clean(&bytes),
        trailer: format!("bytes {from}-{end} of {length}"),
        next: (end < length).then_some(end),
    })
}

/// Lines that contain a text, from a place on.
fn found(
    path: &Path,
    search: &str,
    from: u64,
    lines: usize,
    most: usize,
    is_over: &dyn Fn() -> bool,
) -> std::io::Result<Shown> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let (mut shown, mut at, mut count) = (Shown::default(), from, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end is no reason to hold it all.
        let read = (&mut reader).take(1 << 20).read_until(b'\n', &mut line)?;
        if read == 0 || is_over() {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        if text.to_lowercase().contains(search) {
            let text = clip(text.trim_end());
            if count == lines || (count > 0 && shown.text.len() + text.len() + 24 > most) {
                shown.next = Some(at);
                break;
            }
            shown.text.push_str(&format!("{at}: {text}\n"));
            count += 1;
        }
        at += read as u64;
    }
    let plural = if count == 1 { "" } else { "s" };
    shown.trailer = format!("{count} line{plural} by their first byte, of {length} bytes");
    Ok(shown)
}

fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| clip(line) + "\n").collect()
}

/// A line, its middle left out where it is very long.
fn clip(line: &str) -> String {
    if line.len() <= LINE {
        return line.to_owned();
    }
    let head = &line[..line.floor_char_boundary(LINE / 2)];
    let tail = &line[line.ceil_char_boundary(line.len() - LINE / 2)..];
    format!("{head}[{} bytes left out]{tail}", line.len() - head.len() - tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    }

    fn numbered(word: &str, count: usize) -> String {
        let lines: Vec<String> = (0..count).map(|number| format!("{word} {number}")).collect();
        lines.join("\n") + "\n"
    }

    #[test]
    fn pages_of_the_tail_are_the_whole_text() {
        let text = numbered("line", 500);
        let file = file(&text);
        for (lines, most) in [(7, 10_000), (1_000, 200), (1, 100), (3, 25)] {
            let (mut whole, mut before) = (String::new(), 0);
            loop {
                let shown = tail(file.path(), before, lines, most).expect("read");
                whole = shown.text + &whole;
                let Some(next) = shown.next else { break };
                before = next;
            }
            assert_eq!(whole, text, "{lines} {most}");
        }
    }

    #[test]
    fn pages_of_the_head_are_the_whole_text() {
        let text = numbered("<line number=", 300);
        let file = file(&text);
        let (mut whole, mut from) = (String::new(), 0);
        loop {
            let shown = head(file.path(), from, 100).expect("read");
            whole += &shown.text;
            let Some(next) = shown.next else { break };
            from = next;
        }
        assert_eq!(whole, text);
    }

    #[test]
    fn every_line_is_found_once() {
        let text = numbered("Line", 100);
        let file = file(&text);
        let (mut lines, mut from) = (Vec::new(), 0);
        loop {
            let shown = found(file.path(), "line 1", from, 3, 1_000, &|| false).expect("read");
            lines.extend(
                shown.text.lines().map(|line| line.split_once(": ").expect(line).1.to_owned()),
            );
            let Some(next) = shown.next else { break };
            from = next;
        }
        let expected: Vec<String> = (0..100)
            .map(|number| format!("Line {number}"))
            .filter(|line| line.contains("Line 1"))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_without_end_is_shown_in_part() {
        let file = file(&"x".repeat(3 << 20));
        let shown = tail(file.path(), 0, 60, 9_000).expect("read");
        assert!(
            shown.text.len() < 2_200 && shown.text.contains("left out"),
            "{}",
            shown.text.len()
        );
        let shown = found(file.path(), "xx", 0, 60, 9_000, &|| false).expect("read");
        assert!(shown.text.len() < 9_200, "{}", shown.text.len());
    }
}
