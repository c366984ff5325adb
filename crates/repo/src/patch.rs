//! A change of one file, as counts and as hunks in the unified format of git-diff(1).

mod words;

use std::ops::Range;
use std::sync::Arc;

use bstr::{BStr, ByteSlice as _};
use contract::ToolError;

use crate::diff::Change;
use crate::path;
use crate::plain::{self, is_prose};
use crate::reader::Blob;
use crate::tree::{Entry, Mode};
use crate::view::{LARGEST, View, is_binary};
use crate::xdiff::{self, Hunk};

/// The lines around a change.
const CONTEXT: usize = 3;
/// The longest line that is shown whole, in bytes.
const LONGEST_LINE: usize = 2_000;
/// The most of a function's line behind `@@`, in bytes: git's own number.
const FUNCTION: usize = 80;

/// How much a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stat {
    /// Lines of text.
    Lines {
        /// New lines.
        added: usize,
        /// Lines that are gone.
        deleted: usize,
    },
    /// Not text; the sizes before and after, in bytes.
    Binary(u64, u64),
}

/// One side of a change.
enum Side {
    Text(Arc<Vec<u8>>),
    Binary(u64),
}

impl Side {
    fn size(&self) -> u64 {
        match self {
            Side::Text(text) => text.len() as u64,
            Side::Binary(size) => *size,
        }
    }
}

impl View {
    /// How much a change is.
    pub(crate) fn stat(&mut self, change: &Change) -> Result<Stat, ToolError> {
        if same_content(change) {
            return Ok(Stat::Lines { added: 0, deleted: 0 });
        }
        if let (Some(old), Some(new)) = (change.old, change.new)
            && let Some((added, deleted)) = self.reader.counts.get(&(old.id, new.id))
        {
            return Ok(Stat::Lines { added: *added, deleted: *deleted });
        }
        let (old, new) = self.sides(change)?;
        let counts = match (&old, &new) {
            (Side::Text(old), Side::Text(new)) => self.counted(change, old, new),
            _ => None,
        };
        Ok(match counts {
            Some((added, deleted)) => Stat::Lines { added, deleted },
            None => Stat::Binary(old.size(), new.size()),
        })
    }

    /// How many lines are new, and how many are gone.
    fn counted(&mut self, change: &Change, old: &[u8], new: &[u8]) -> Option<(usize, usize)> {
        if old.is_empty() || new.is_empty() {
            return Some((lines(new), lines(old)));
        }
        let hunks = xdiff::lines(old, new)?;
        let (added, deleted) = hunks.iter().fold((0, 0), |(added, deleted), hunk| {
            (added + hunk.new.len(), deleted + hunk.old.len())
        });
        if let (Some(old), Some(new)) = (change.old, change.new)
            && !new.id.is_null()
        {
            self.reader.counts.insert((old.id, new.id), (added, deleted));
        }
        Some((added, deleted))
    }

    /// The hunks of a change, line by line; empty where only the name or the mode changed.
    pub(crate) fn hunks(&mut self, change: &Change, words: bool) -> Result<Vec<String>, ToolError> {
        if same_content(change) {
            return Ok(Vec::new());
        }
        let (old, new) = self.sides(change)?;
        let (Side::Text(old), Side::Text(new)) = (&old, &new) else {
            return Ok(vec![format!("binary: {} -> {} bytes", old.size(), new.size())]);
        };
        let Some(hunks) = xdiff::lines(old, new) else {
            return Ok(vec!["too long to be compared".to_owned()]);
        };
        let sides = Sides { old: Lines::of(old), new: Lines::of(new), words };
        let mut out = Vec::new();
        for group in groups(&hunks) {
            sides.unified(group, &mut out);
        }
        if is_prose(change.path.as_bstr()) {
            out = out.into_iter().map(prose).collect();
        }
        Ok(out)
    }

    fn sides(&mut self, change: &Change) -> Result<(Side, Side), ToolError> {
        let old = self.side(change.old, change.old_path())?;
        let new = self.side(change.new, change.path.as_bstr())?;
        Ok((old, new))
    }

    /// The content of one side. A submodule is the line that git has for it.
    fn side(&mut self, entry: Option<Entry>, path: &BStr) -> Result<Side, ToolError> {
        let Some(entry) = entry else { return Ok(Side::Text(Arc::default())) };
        if entry.mode == Mode::Submodule {
            let line = format!("Subproject commit {}\n", entry.id);
            return Ok(Side::Text(Arc::new(line.into_bytes())));
        }
        let content: Arc<Vec<u8>> = if entry.id.is_null() {
            Arc::new(self.work_file(path)?)
        } else {
            match self.reader.blob(&entry.id, LARGEST)? {
                Blob::Content(content) => content,
                Blob::Large(size) => return Ok(Side::Binary(size)),
            }
        };
        let size = content.len() as u64;
        Ok(if is_binary(&content) { Side::Binary(size) } else { Side::Text(content) })
    }
}

/// How many lines a text has.
fn lines(text: &[u8]) -> usize {
    let ends = memchr::memchr_iter(b'\n', text).count();
    ends + usize::from(!text.is_empty() && !text.ends_with(b"\n"))
}

/// Whether only the name or the mode changed. What is in the working tree has no name to compare.
fn same_content(change: &Change) -> bool {
    match (change.old, change.new) {
        (Some(old), Some(new)) => old.id == new.id && !new.id.is_null(),
        _ => false,
    }
}

/// A line that tells of a change: letter, path and how much.
pub(crate) fn line(change: &Change, stat: Stat) -> String {
    let path = path::shown(change.path.as_bstr());
    let name = match &change.renamed {
        Some((old, percent)) => format!("{} -> {path} ({percent}%)", path::shown(old.as_bstr())),
        None => path,
    };
    let mode = match (change.old, change.new) {
        (Some(old), Some(new)) if old.mode != new.mode => {
            format!(" mode {} -> {}", old.mode.digits(), new.mode.digits())
        }
        _ => String::new(),
    };
    format!("{} {name}{}{mode}", change.letter(), count(stat))
}

/// ` +3 -1`, without what is nothing.
fn count(stat: Stat) -> String {
    match stat {
        Stat::Lines { added, deleted } => {
            let part =
                |sign, count| if count == 0 { String::new() } else { format!(" {sign}{count}") };
            format!("{}{}", part('+', added), part('-', deleted))
        }
        Stat::Binary(old, new) => format!(" binary {old} -> {new} bytes"),
    }
}

/// Changes that share their context.
fn groups(hunks: &[Hunk]) -> Vec<&[Hunk]> {
    let apart = |left: &Hunk, right: &Hunk| right.old.start - left.old.end <= 2 * CONTEXT;
    hunks.chunk_by(apart).collect()
}

/// A text, and where its lines begin.
struct Lines<'a> {
    text: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Self {
        let mut starts = vec![0];
        starts.extend(memchr::memchr_iter(b'\n', text).map(|end| end + 1));
        if starts.last() != Some(&text.len()) {
            starts.push(text.len());
        }
        Self { text, starts }
    }

    fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// A line with its end.
    fn line(&self, at: usize) -> &'a [u8] {
        &self.text[self.starts[at]..self.starts[at + 1]]
    }

    /// Some lines with their ends.
    fn lines(&self, range: &Range<usize>) -> &'a [u8] {
        &self.text[self.starts[range.start]..self.starts[range.end]]
    }
}

struct Sides<'a> {
    old: Lines<'a>,
    new: Lines<'a>,
    words: bool,
}

impl Sides<'_> {
    /// Writes the changes of one group with their context.
    fn unified(&self, group: &[Hunk], out: &mut Vec<String>) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
        let before = first.old.start.min(first.new.start).min(CONTEXT);
        let left = (self.old.count() - last.old.end).min(self.new.count() - last.new.end);
        let after = left.min(CONTEXT);
        let old = first.old.start - before..last.old.end + after;
        let new = first.new.start - before..last.new.end + after;
        out.push(self.heading(&old, &new));
        let mut at = old.start;
        for hunk in group {
            Self::emit(' ', &self.old, at..hunk.old.start, out);
            if self.words {
                out.extend(words::inline(self.old.lines(&hunk.old), self.new.lines(&hunk.new)));
            } else {
                Self::emit('-', &self.old, hunk.old.clone(), out);
                Self::emit('+', &self.new, hunk.new.clone(), out);
            }
            at = hunk.old.end;
        }
        Self::emit(' ', &self.old, at..old.end, out);
    }

    fn heading(&self, old: &Range<usize>, new: &Range<usize>) -> String {
        let part = |range: &Range<usize>| match range.len() {
            0 => format!("{},0", range.start),
            1 => (range.start + 1).to_string(),
            count => format!("{},{count}", range.start + 1),
        };
        let function = self.function(old.start).map(|line| format!(" {line}")).unwrap_or_default();
        format!("@@ -{} +{} @@{function}", part(old), part(new))
    }

    /// The nearest line above that looks like the head of a function: it begins with a letter, an
    /// underscore or a dollar sign.
    fn function(&self, above: usize) -> Option<String> {
        let starts = |line: &[u8]| {
            line.first()
                .is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$'))
        };
        let found = (0..above).rev().map(|at| self.old.line(at)).find(|line| starts(line))?;
        let found = &found[..found.len().min(FUNCTION)];
        Some(found.trim_ascii_end().to_str_lossy().into_owned())
    }

    fn emit(mark: char, lines: &Lines<'_>, range: Range<usize>, out: &mut Vec<String>) {
        for at in range {
            let line = lines.line(at);
            let (content, ends) = match line.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (line, false),
            };
            out.push(format!("{mark}{}", shown(content)));
            if !ends {
                out.push("\\ No newline at end of file".to_owned());
            }
        }
    }
}

/// A line of a change of prose, behind its mark.
fn prose(line: String) -> String {
    match line.split_at_checked(1) {
        Some((mark @ (" " | "+" | "-"), text)) => {
            format!("{mark}{}", plain::line(text.to_owned()))
        }
        _ => plain::line(line),
    }
}

/// A line as text, cut where it is very long.
pub(crate) fn shown(line: &[u8]) -> String {
    if line.len() <= LONGEST_LINE {
        return line.to_str_lossy().into_owned();
    }
    let head = line[..LONGEST_LINE].to_str_lossy();
    format!("{head}…[+{} bytes]", line.len() - LONGEST_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, words: bool, expected: &str) {
        let hunks = xdiff::lines(old.as_bytes(), new.as_bytes()).expect("hunks");
        let sides = Sides { old: Lines::of(old.as_bytes()), new: Lines::of(new.as_bytes()), words };
        let mut out = Vec::new();
        for group in groups(&hunks) {
            sides.unified(group, &mut out);
        }
        assert_eq!(out.join("\n"), expected);
    }

    #[test]
    fn hunks_are_unified() {
        let old = (1..=20).map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
        let new = old.replace("\n3\n", "\nthree\n").replace("\n18\n", "\n");
        check(
            &old,
            &new,
            false,
            "@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n@@ -15,6 +15,5 @@\n 15\n 16\n 17\n-18\n 19\n 20",
        );
        check("", "a\n", false, "@@ -0,0 +1 @@\n+a");
        check("a", "a\n", false, "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a");
    }

    #[test]
    fn a_heading_names_the_function() {
        let old = format!("fn one() {{\n{}}}\n", "    x\n".repeat(9));
        let new = old.replacen("    x\n}", "    y\n}", 1);
        check(
            &old,
            &new,
            false,
            "@@ -7,5 +7,5 @@ fn one() {\n     x\n     x\n     x\n-    x\n+    y\n }",
        );
    }

    #[test]
    fn words_are_marked_in_their_line() {
        check("the quick fox\n", "the slow fox\n", true, "@@ -1 +1 @@\nthe [-quick-]{+slow+} fox");
    }
}
