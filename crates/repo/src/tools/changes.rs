//! What `repo_show` and `repo_diff` have in common: a stat, or the hunks of some paths.

use bstr::{BStr, BString, ByteSlice as _};
use contract::{StartError, ToolError};
use globset::{GlobBuilder, GlobMatcher};

use crate::answer;
use crate::diff::{Change, Changes};
use crate::patch::{self, Stat};
use crate::path;
use crate::view::View;

/// Which changes are asked for.
pub(super) enum Chosen {
    /// All of them, at a glance.
    Stat,
    /// Hunks: those of a file or of the files of a folder.
    Under(BString),
    /// Hunks: those of the files of a glob.
    Glob(GlobMatcher),
}

impl Chosen {
    /// Understands the argument `path`: a file, a folder, a glob, or `.` for everything.
    pub(super) fn of(text: Option<&str>) -> Result<Self, ToolError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Chosen::Stat) };
        if text.contains(['*', '?', '[', '{']) && !text.starts_with('"') {
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            let glob = glob.map_err(|error| StartError::new(error.to_string()));
            return glob.map(|glob| Chosen::Glob(glob.compile_matcher())).map_err(|error| {
                ToolError::invalid(format!("path: {error}; write a glob like src/**/*.rs."))
            });
        }
        path::parse(text).map(Chosen::Under)
    }

    fn takes(&self, path: &BStr) -> bool {
        match self {
            Chosen::Stat => true,
            Chosen::Under(top) => {
                let rest = path.strip_prefix(top.as_slice());
                top.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
            }
            Chosen::Glob(glob) => glob.is_match(path.to_path_lossy()),
        }
    }

    /// Whether a file is asked for by its whole name, so that it is shown though programs write it.
    fn names(&self, path: &BStr) -> bool {
        matches!(self, Chosen::Under(one) if one == path)
    }
}

/// A page of changes: lines, and the trailer.
pub(super) struct Shown {
    /// The lines.
    pub(super) text: String,
    /// Counts, and how to go on.
    pub(super) trailer: String,
}

/// Shows changes from a line on, as far as there is room; `next` makes the end of the trailer
/// that leads to a line.
pub(super) fn show(
    view: &mut View,
    changes: &Changes,
    chosen: &Chosen,
    words: bool,
    page: (usize, usize),
    next: impl Fn(&View, usize) -> String,
) -> Result<Shown, ToolError> {
    let (from, room) = page;
    let mut lines = Lines { from, room, seen: 0, text: String::new(), is_full: false };
    let wants_hunks = !matches!(chosen, Chosen::Stat);
    let taken: Vec<&Change> = changes
        .all
        .iter()
        .filter(|change| chosen.takes(change.path.as_bstr()) || chosen.takes(change.old_path()))
        .collect();
    let mut sum = Sum::default();
    for change in &taken {
        view.go_on()?;
        if wants_hunks && lines.is_full {
            break;
        }
        let stat = view.stat(change)?;
        sum.add(stat);
        let is_folded = wants_hunks
            && view.repository.visible.is_generated(change.path.as_bstr())
            && !chosen.names(change.path.as_bstr());
        let fold = if is_folded { " (generated; folded: give its path)" } else { "" };
        lines.add(&format!("{}{fold}", patch::line(change, stat)));
        if wants_hunks && !is_folded {
            for line in view.hunks(change, words)? {
                if !lines.add(&line) {
                    break;
                }
            }
        }
    }
    let mut trailer = match (wants_hunks && lines.is_full, taken.len()) {
        (_, 0) if changes.all.is_empty() => "no changes".to_owned(),
        (_, 0) => format!("no changes there; {} elsewhere", files(changes.all.len())),
        (true, count) => files(count),
        (false, count) => format!("{}, +{} -{}", files(count), sum.added, sum.deleted),
    };
    if changes.hidden > 0 {
        trailer.push_str(&format!("; {} hidden", changes.hidden));
    }
    if lines.is_full {
        trailer.push_str(&next(view, lines.seen));
    } else if !wants_hunks && !taken.is_empty() {
        trailer.push_str("; hunks: path=FILE, FOLDER, GLOB or .");
    }
    Ok(Shown { text: lines.text, trailer })
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

#[derive(Default)]
struct Sum {
    added: usize,
    deleted: usize,
}

impl Sum {
    fn add(&mut self, stat: Stat) {
        if let Stat::Lines { added, deleted } = stat {
            self.added += added;
            self.deleted += deleted;
        }
    }
}

/// The lines of a page: those before it are counted only.
struct Lines {
    from: usize,
    room: usize,
    seen: usize,
    text: String,
    is_full: bool,
}

impl Lines {
    fn add(&mut self, line: &str) -> bool {
        if self.is_full {
            return false;
        }
        if self.seen < self.from {
            self.seen += 1;
            return true;
        }
        if !self.text.is_empty() && self.text.len() + line.len() > self.room {
            self.is_full = true;
            return false;
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.seen += 1;
        true
    }
}

/// The lines that come before the page of a cursor.
pub(super) fn position(view: &View, cursor: Option<&str>) -> Result<usize, ToolError> {
    answer::position(&view.ctx, cursor.filter(|cursor| !cursor.is_empty()))
}
