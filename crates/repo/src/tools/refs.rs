//! `repo_refs`: branches and tags, compared with a revision.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bstr::{BStr, ByteSlice as _};
use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::commit::{Commit, clip};
use crate::refs::{Head, Names, Ref};
use crate::revision::{Revision, short};
use crate::view::View;
use crate::{Repo, answer, date, path};

/// Lists refs.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_refs",
    title: "Refs",
    purpose: "Branches and tags.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(20),
    size: Size::tokens(2_000),
    verified_by: None,
};

/// The most refs whose commits are all opened to sort them by date.
const BY_DATE: usize = 2_000;
/// How long a page is compared with the revision: a page is then shorter.
const PATIENCE: Duration = Duration::from_secs(3);
/// How much of a subject is shown, in characters.
const SUBJECT: usize = 72;
/// How much of a name is shown, in characters.
const NAME: usize = 250;

pub(crate) struct List;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 250))]
    glob: Option<String>,
    #[schemars(length(max = 250))]
    rev: Option<String>,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for List {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        server.view(ctx, repo.as_deref(), move |view| list(view, &args)).await
    }
}

fn list(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let cursor = args.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let from = answer::position(&view.ctx, cursor)?;
    let names = Names::new(args.glob.as_deref())?;
    let against = match args.rev.as_deref().filter(|rev| !rev.is_empty()) {
        Some(rev) => Some(view.resolve(Some(rev))?),
        None => None,
    };
    let found = view.refs(&names)?;
    let notes = Notes {
        total: found.fitting.len(),
        hidden: found.hidden,
        broken: found.broken,
        is_by_name: found.fitting.len() > BY_DATE,
    };
    let head = view.head()?;
    let mut page = Page { head, against, is_only: notes.total == 1, text: String::new() };
    if from == 0 && names.fit_all() {
        page.head_line(view)?;
    }
    let refs = sorted(view, found.fitting)?;
    let shown = page.fill(view, refs, from)?;
    Ok(page.answer(view, from, shown, &notes))
}

/// A ref and its commit, once it was looked up: none where the ref tags something else, or where
/// its object is not in this clone.
struct Opened {
    of: Ref,
    is_open: bool,
    commit: Option<Commit>,
}

impl Opened {
    /// Looks the commit up.
    fn open(&mut self, view: &mut View) -> Result<Option<&Commit>, ToolError> {
        if !self.is_open {
            view.go_on()?;
            let id = view.commit_of(&self.of).unwrap_or(None);
            self.commit = id.and_then(|id| view.commit(&id).ok());
            self.is_open = true;
        }
        Ok(self.commit.as_ref())
    }
}

/// Sorts refs by family and date, the newest first; by family and name where there are too many.
fn sorted(view: &mut View, fitting: Vec<Ref>) -> Result<Vec<Opened>, ToolError> {
    let is_by_name = fitting.len() > BY_DATE;
    let mut refs = Vec::with_capacity(fitting.len());
    for of in fitting {
        let mut one = Opened { of, is_open: false, commit: None };
        let mut time = 0;
        if !is_by_name {
            time = one.open(view)?.map_or(i64::MIN, |commit| commit.committer.time);
        }
        refs.push((std::cmp::Reverse(time), one));
    }
    // The sort is stable, and refs come by name.
    refs.sort_by_key(|(time, one)| (one.of.family(), *time));
    Ok(refs.into_iter().map(|(_, one)| one).collect())
}

/// What is to be said of all refs.
struct Notes {
    total: usize,
    hidden: usize,
    broken: usize,
    is_by_name: bool,
}

/// A page of refs.
struct Page {
    head: Head,
    against: Option<Revision>,
    /// Whether the glob leaves one ref.
    is_only: bool,
    text: String,
}

impl Page {
    /// Where `HEAD` is, if no branch can be marked with it.
    fn head_line(&mut self, view: &mut View) -> Result<(), ToolError> {
        match &self.head {
            Head::Detached(id) => {
                let commit = view.commit(id)?;
                let _ = writeln!(self.text, "HEAD (detached) {}", line(&commit));
            }
            Head::On(name) if view.reference(name.as_bstr())?.is_none() => {
                let _ = writeln!(self.text, "HEAD -> {} (no commit yet)", shown(name.as_bstr()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds refs from a position on; how many fit.
    fn fill(
        &mut self,
        view: &mut View,
        refs: Vec<Opened>,
        from: usize,
    ) -> Result<usize, ToolError> {
        let (budget, began) = (answer::room(&view.ctx, false), Instant::now());
        let (mut shown, mut family) = (0, None);
        for mut one in refs.into_iter().skip(from) {
            let mut entry = String::new();
            if family.replace(one.of.family()) != Some(one.of.family()) {
                let _ = writeln!(entry, "{}:", one.of.family().title());
            }
            self.entry(view, &mut one, &mut entry)?;
            let is_late = self.against.is_some() && began.elapsed() > PATIENCE;
            if shown > 0 && (is_late || self.text.len() + entry.len() > budget) {
                break;
            }
            self.text.push_str(&entry);
            shown += 1;
        }
        Ok(shown)
    }

    /// `* name -> other sha7 date subject [+ahead -behind]`.
    fn entry(
        &self,
        view: &mut View,
        one: &mut Opened,
        entry: &mut String,
    ) -> Result<(), ToolError> {
        let is_head = self.head == Head::On(one.of.name.clone());
        let _ = write!(entry, "{}{}", if is_head { "* " } else { "" }, shown(one.of.short()));
        if let Some(to) = &one.of.leads_to {
            let to = to.strip_prefix(b"refs/").unwrap_or(to).as_bstr();
            let _ = write!(entry, " -> {}", shown(to));
        }
        let unopened = short(&one.of.id);
        let Some(commit) = one.open(view)? else {
            let _ = writeln!(entry, " {unopened} (no commit)");
            return Ok(());
        };
        let _ = write!(entry, " {}", line(commit));
        if let Some(against) = &self.against {
            let (ahead, behind) = view.ahead_behind(commit.id, against.id)?;
            let _ = write!(entry, " [+{ahead} -{behind}]");
            if self.is_only {
                let bases = view.merge_bases(commit.id, against.id)?;
                let bases: Vec<String> = bases.iter().take(9).map(short).collect();
                let _ = match bases.as_slice() {
                    [] => write!(entry, " no merge base"),
                    _ => write!(entry, " merge base {}", bases.join(" ")),
                };
            }
        }
        entry.push('\n');
        Ok(())
    }

    fn answer(self, view: &View, from: usize, shown: usize, notes: &Notes) -> Text {
        let Notes { total, hidden, broken, is_by_name } = *notes;
        let mut trailer = match (total, shown) {
            (0, _) => "no refs; a glob is matched like `release/*` or `refs/tags/v1.*`".to_owned(),
            (_, 0) => format!("no refs after {from} of {total}"),
            _ => format!("refs {}-{} of {total}", from + 1, from + shown),
        };
        if is_by_name && shown > 0 {
            trailer.push_str(", by name: too many to open all");
        }
        if let Some(against) = &self.against {
            let _ = write!(trailer, "; +ahead -behind of {}", against.short());
        }
        for (count, what) in [(hidden, "hidden"), (broken, "broken")] {
            if count > 0 {
                let _ = write!(trailer, "; {count} {what}");
            }
        }
        if shown > 0 && from + shown < total {
            trailer.push_str(&answer::next(&view.ctx, from + shown));
        }
        let mut parts = Vec::new();
        if !self.text.is_empty() {
            let source = view.repository.address("", None);
            parts.push(Part::Untrusted { source, text: self.text });
        }
        parts.push(Part::Text(trailer));
        Text { parts, more: Some("ask for fewer refs with `glob`") }
    }
}

/// `sha7 date subject`, with the date of the committer, by which refs are sorted.
fn line(commit: &Commit) -> String {
    let (id, by) = (short(&commit.id), &commit.committer);
    format!("{id} {} {}", date::day(by.time, by.zone), commit.shown_subject(SUBJECT))
}

/// A name, short enough for a line.
fn shown(name: &BStr) -> String {
    clip(&path::shown(name), NAME)
}

#[cfg(test)]
mod tests;
