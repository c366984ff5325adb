//! What git says of the changes between two commits: letters, counts, hunks.

use bstr::{BString, ByteSlice as _};

use super::Case;
use crate::path::shown;

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) old_mode: String,
    pub(super) new_mode: String,
    pub(super) letter: char,
    /// How much of a renamed file is the same, in percent.
    pub(super) score: String,
    pub(super) old: BString,
    pub(super) new: BString,
    /// Added and deleted lines; none where git takes a side for binary.
    pub(super) counts: Option<(usize, usize)>,
    /// The names of the contents.
    pub(super) ids: (String, String),
}

/// The options of every diff.
const OPTIONS: &[&str] = &["-r", "-M", "--full-index", "--no-ext-diff", "--no-textconv"];

/// The changes from one commit to another, or, with none, from nothing, in git's order.
pub(super) fn changes(case: &Case, old: Option<&str>, new: &str) -> Vec<Change> {
    let mut all = raw(&diff(case, &["--raw", "-z"], old, new));
    let counted = diff(case, &["--numstat", "-z"], old, new);
    for (change, counts) in all.iter_mut().zip(numbers(&counted)) {
        // git has no counts for what is binary, not even where only its name changed.
        change.counts = if change.ids.0 == change.ids.1 { Some((0, 0)) } else { counts };
    }
    all
}

fn diff(case: &Case, how: &[&str], old: Option<&str>, new: &str) -> Vec<u8> {
    let mut words = vec!["diff-tree"];
    words.extend(OPTIONS);
    words.extend(how);
    match old {
        Some(old) => words.extend([old, new]),
        None => words.extend(["--root", "--no-commit-id", new]),
    }
    case.git.without_attributes().bytes(&words)
}

fn raw(raw: &[u8]) -> Vec<Change> {
    let mut fields = raw.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let mut all = Vec::new();
    while let Some(head) = fields.next() {
        let head = String::from_utf8_lossy(head).into_owned();
        let words: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let old = BString::from(fields.next().expect("a path"));
        let (letter, score) = words[4].split_at(1);
        let new = if letter == "R" { fields.next().expect("a path").into() } else { old.clone() };
        all.push(Change {
            old_mode: words[0].to_owned(),
            new_mode: words[1].to_owned(),
            ids: (words[2].to_owned(), words[3].to_owned()),
            letter: letter.chars().next().expect("a letter"),
            score: score.trim_start_matches('0').to_owned(),
            old,
            new,
            counts: None,
        });
    }
    all
}

fn numbers(counted: &[u8]) -> Vec<Option<(usize, usize)>> {
    let mut fields = counted.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let mut all = Vec::new();
    while let Some(head) = fields.next() {
        let words: Vec<&[u8]> = head.splitn(3, |byte| *byte == b'\t').collect();
        if words[2].is_empty() {
            // A rename: both paths follow.
            fields.by_ref().take(2).for_each(drop);
        }
        let number = |word: &[u8]| word.to_str().ok().and_then(|word| word.parse().ok());
        all.push(number(words[0]).zip(number(words[1])));
    }
    all
}

impl Change {
    /// The line that our answers have for it.
    pub(super) fn line(&self, case: &Case) -> String {
        let path = shown(self.new.as_bstr());
        let name = match self.letter {
            'R' => format!("{} -> {path} ({}%)", shown(self.old.as_bstr()), self.score),
            _ => path,
        };
        let part = |sign: char, count| match count {
            0 => String::new(),
            _ => format!(" {sign}{count}"),
        };
        let counts = match self.counts {
            Some((added, deleted)) => part('+', added) + &part('-', deleted),
            // git has no counts, and no sizes either.
            None => {
                format!(" binary {} -> {} bytes", case.size(&self.ids.0), case.size(&self.ids.1))
            }
        };
        let is_change = !matches!(self.letter, 'A' | 'D') && self.old_mode != self.new_mode;
        let mode = if is_change {
            format!(" mode {} -> {}", self.old_mode, self.new_mode)
        } else {
            String::new()
        };
        format!("{} {name}{counts}{mode}", self.letter)
    }
}

/// The hunks of every change of [`changes`], in its order; none for a change of type.
pub(super) fn hunks(case: &Case, old: &str, new: &str, all: &[Change]) -> Vec<Vec<BString>> {
    let patch = diff(case, &["-p"], Some(old), new);
    let mut sections: Vec<Vec<BString>> = Vec::new();
    let mut is_head = false;
    for line in patch.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.starts_with(b"diff --git ") {
            sections.push(Vec::new());
            is_head = true;
        }
        is_head = is_head && !line.starts_with(b"@@ ");
        if !is_head && let Some(section) = sections.last_mut() {
            section.push(BString::from(line));
        }
    }
    let mut sections = sections.into_iter();
    all.iter()
        .map(|change| {
            let section = sections.next().expect("a section for each change");
            if change.letter == 'T' {
                // git-diff(1) shows it as a deletion and a creation.
                sections.next();
                return Vec::new();
            }
            section
        })
        .collect()
}
