//! `repo_verify`: what can be proved of a commit. Whatever cannot be checked is `unknown`, with
//! the reason, and never `yes`.

use std::fmt::{self, Write as _};
use std::time::Duration;

use bstr::{BStr, BString, ByteSlice as _};
use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Part, Size, Target, Text, Tool, ToolError,
};
use gix_hash::ObjectId;
use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::commit::{Commit, Person, clip, person};
use crate::plain::plain;
use crate::revision::short;
use crate::signature::{Signature, Signers};
use crate::tree::{Entry, Mode};
use crate::view::{Content, LARGEST, View};
use crate::{Repo, answer, date, path};

/// Proves things of a commit.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_verify",
    title: "Verify",
    purpose: "Proves signer, ancestry, paths, hash.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(300),
    timeout: Duration::from_secs(20),
    size: Size::tokens(2_000),
    verified_by: None,
};

/// How many paths that do not fit are shown.
const OUTSIDE: usize = 20;
/// How much of a subject is shown, in characters.
const SUBJECT: usize = 100;

pub(crate) struct Verify;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 250))]
    rev: String,
    #[schemars(length(max = 250))]
    ancestor_of: Option<String>,
    #[schemars(length(max = 999))]
    only: Option<String>,
    #[schemars(length(max = 999))]
    file: Option<String>,
    #[schemars(length(max = 64))]
    sha256: Option<String>,
}

impl Tool for Verify {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        server.view(ctx, repo.as_deref(), move |view| verify(view, &args)).await
    }
}

/// What was found out of one question.
enum Verdict {
    Yes(String),
    No(String),
    Unknown(String),
    /// Nothing was asked; what there is.
    Told(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Yes(evidence) => write!(f, "yes; {evidence}"),
            Verdict::No(evidence) => write!(f, "no; {evidence}"),
            Verdict::Unknown(why) => write!(f, "unknown: {why}"),
            Verdict::Told(what) => f.write_str(what),
        }
    }
}

fn verify(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let given = |arg: &Option<String>| arg.clone().filter(|text| !text.is_empty());
    if args.rev.is_empty() {
        return Err(ToolError::invalid("rev: name the commit or tag to verify."));
    }
    let wanted = given(&args.sha256).map(|digits| digest(&digits)).transpose()?;
    if wanted.is_some() && given(&args.file).is_none() {
        return Err(ToolError::invalid("sha256: name the `file` it is the hash of."));
    }
    let revision = view.resolve(Some(&args.rev))?;
    let commit = view.commit(&revision.id)?;
    let signers = Signers::read(&view.repository.signers);
    let mut report = Report { said: said(&commit), ..Report::default() };
    let signature = view.signature_of(&commit.id, &signers)?;
    report.line(format!("signature: {}", state(view, &signature)));
    if let Some(tag) = view.tag_named(&args.rev)? {
        report.tag(view, &args.rev, &tag, &signers)?;
    }
    if let Some(of) = given(&args.ancestor_of) {
        let tip = view.resolve(Some(&of))?.id;
        let verdict = settled(ancestry(view, &commit, tip))?;
        report.line(format!("ancestor of {} ({}): {verdict}", word(&of), short(&tip)));
    }
    if let Some(only) = given(&args.only) {
        let scope = Scope::parse(&only)?;
        let verdict = settled(within(view, &commit, &scope, &mut report.outside))?;
        report.line(format!("only {}: {verdict}", word(&only)));
    }
    if let Some(file) = given(&args.file) {
        let path = path::parse(&file)?;
        let verdict = settled(hashed(view, &commit, path.as_bstr(), wanted.as_deref()))?;
        report.line(format!("file {}: {verdict}", word(&file)));
    }
    Ok(report.answer(view, &revision.id))
}

/// A question that cannot be answered is unknown; a call that is over has failed.
fn settled(verdict: Result<Verdict, ToolError>) -> Result<Verdict, ToolError> {
    match verdict {
        Err(error) if !matches!(error.kind, Kind::Timeout | Kind::Internal) => {
            Ok(Verdict::Unknown(error.message))
        }
        verdict => verdict,
    }
}

/// A word of the caller's, as it is repeated.
fn word(text: &str) -> String {
    clip(&path::shown(text.into()), 100)
}

fn digest(digits: &str) -> Result<String, ToolError> {
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let wrong = || ToolError::invalid("sha256: 64 hexadecimal digits are expected.");
    is_digest.then(|| digits.to_lowercase()).ok_or_else(wrong)
}

fn state(view: &View, signature: &Signature) -> String {
    let without =
        matches!(signature, Signature::UnknownKey(_)) && view.repository.signers.is_empty();
    let note = if without { " (no `signers` are declared for this repository)" } else { "" };
    format!("{signature}{note}")
}

/// What the commit says of itself.
fn said(commit: &Commit) -> String {
    let (author, committer) = (whole(&commit.author), whole(&commit.committer));
    let (id, subject) = (commit.id, commit.shown_subject(SUBJECT));
    format!("commit {id}\nauthor {author}\ncommitter {committer}\n{subject}\n")
}

/// Who it was, and when.
fn whole(who: &Person) -> String {
    let (email, when) = (clip(&plain(&who.email), 80), date::minute(who.time, who.zone));
    format!("{} <{}> {when}", who.shown(), email.replace('\n', " "))
}

/// The answer while it is made.
#[derive(Default)]
struct Report {
    said: String,
    verdicts: String,
    outside: Vec<BString>,
}

impl Report {
    fn line(&mut self, line: String) {
        let _ = writeln!(self.verdicts, "{line}");
    }

    fn tag(
        &mut self,
        view: &mut View,
        rev: &str,
        tag: &ObjectId,
        signers: &Signers,
    ) -> Result<(), ToolError> {
        let (signature, of_itself) = view.tag(tag, signers)?;
        let name = clip(&plain(&path::shown(of_itself.name.as_bstr())), 100);
        let tagger = match of_itself.tagger.as_slice() {
            [] => "nobody".to_owned(),
            line => whole(&person(line.as_bstr(), |text| text.to_str_lossy().into_owned())),
        };
        let _ = writeln!(self.said, "tag {name}\ntagger {tagger}");
        self.line(format!("signature of the tag {}: {}", short(tag), state(view, &signature)));
        let asked = rev.strip_prefix("refs/").unwrap_or(rev);
        let asked = asked.strip_prefix("tags/").unwrap_or(asked);
        if asked.as_bytes() != of_itself.name.as_slice()
            && ObjectId::from_hex(rev.as_bytes()).is_err()
        {
            self.line("the tag gives itself another name than the one it is found by".to_owned());
        }
        Ok(())
    }

    fn answer(self, view: &View, commit: &ObjectId) -> Text {
        let source = view.repository.address(&commit.to_string(), None);
        let mut parts = vec![
            Part::Untrusted { source: source.clone(), text: self.said },
            Part::Text(self.verdicts.trim_end().to_owned()),
        ];
        let room = answer::room(&view.ctx, false) / 2;
        let mut text = String::new();
        for path in self.outside.iter().take(OUTSIDE) {
            let line = path::shown(path.as_bstr());
            if !text.is_empty() && text.len() + line.len() > room {
                break;
            }
            let _ = writeln!(text, "{}", clip(&line, 500));
        }
        if !text.is_empty() {
            let (shown, count) = (text.lines().count(), self.outside.len());
            parts.push(Part::Untrusted { source, text });
            parts
                .push(Part::Text(format!("paths outside 1-{shown} of {count}; repo_show has all")));
        }
        Text { parts, more: Some("ask for one thing at a time") }
    }
}

fn ancestry(view: &mut View, commit: &Commit, tip: ObjectId) -> Result<Verdict, ToolError> {
    if commit.id == tip {
        return Ok(Verdict::Yes("it is the same commit".to_owned()));
    }
    if view.is_ancestor(commit.id, tip)? {
        return Ok(Verdict::Yes("parents lead from there to it".to_owned()));
    }
    if view.reader.commits.is_shallow() {
        return Ok(Verdict::Unknown(
            "the clone is shallow, and it is not among what is there".to_owned(),
        ));
    }
    Ok(Verdict::No("no parents lead from there to it".to_owned()))
}

/// Paths a commit may touch: a glob, or a folder or file by its path. In double quotes it is a
/// path, whatever it holds.
enum Scope {
    Glob(GlobMatcher),
    Below(BString),
}

impl Scope {
    fn parse(text: &str) -> Result<Self, ToolError> {
        if text.starts_with('"') || !text.contains(['*', '?', '[', '{']) {
            return Ok(Scope::Below(path::parse(text)?));
        }
        let built = GlobBuilder::new(text).literal_separator(true).build().map_err(|error| {
            ToolError::invalid(format!("only: {}; write it like `docs/**`.", error.kind()))
        })?;
        Ok(Scope::Glob(built.compile_matcher()))
    }

    fn holds(&self, path: &BStr) -> bool {
        match self {
            Scope::Glob(glob) => glob.is_match(path.to_path_lossy()),
            Scope::Below(top) if top.is_empty() => true,
            Scope::Below(top) => path
                .strip_prefix(top.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/'),
        }
    }
}

/// Whether a commit touches nothing outside: compared with its first parent, which is what it did
/// to the branch it was made on. A merge is compared with the others, too, as evidence. Renames
/// are not looked for: both paths are touched.
fn within(
    view: &mut View,
    commit: &Commit,
    scope: &Scope,
    outside: &mut Vec<BString>,
) -> Result<Verdict, ToolError> {
    let Some(first) = commit.parents.first().copied() else {
        let changes = view.plain_changes(None, Some(&commit.tree))?;
        return Ok(touched(changes, scope, "as a first commit", outside));
    };
    if !view.reader.exists(&first) {
        let why = format!("its parent {} is not in this clone", short(&first));
        return Ok(Verdict::Unknown(why));
    }
    let tree = view.commit(&first)?.tree;
    let changes = view.plain_changes(Some(&tree), Some(&commit.tree))?;
    let mut compared = format!("compared with its parent {}", short(&first));
    for other in commit.parents.iter().skip(1).take(9) {
        let tree = view.commit(other)?.tree;
        let changes = view.plain_changes(Some(&tree), Some(&commit.tree))?;
        let beside =
            changes.all.iter().filter(|change| !scope.holds(change.path.as_bstr())).count();
        let count = beside + changes.hidden;
        let _ = write!(compared, "; it is a merge: with {}, {count} outside", short(other));
    }
    Ok(touched(changes, scope, &compared, outside))
}

fn touched(
    changes: crate::diff::Changes,
    scope: &Scope,
    compared: &str,
    outside: &mut Vec<BString>,
) -> Verdict {
    let (total, hidden) = (changes.all.len() + changes.hidden, changes.hidden);
    let beside = changes.all.into_iter().filter(|change| !scope.holds(change.path.as_bstr()));
    outside.extend(beside.map(|change| change.path));
    let paths = if total == 1 { "1 path".to_owned() } else { format!("{total} paths") };
    match (outside.len(), hidden) {
        (0, 0) => Verdict::Yes(format!("{paths}, {compared}")),
        (0, hidden) => Verdict::No(format!("of {paths}, {hidden} hidden, {compared}")),
        (count, 0) => Verdict::No(format!("of {paths}, {count} outside, {compared}")),
        (count, hidden) => {
            Verdict::No(format!("of {paths}, {count} outside, {hidden} hidden, {compared}"))
        }
    }
}

/// The hash of a file's bytes, and whether it is the one that is asked about.
fn hashed(
    view: &mut View,
    commit: &Commit,
    path: &BStr,
    wanted: Option<&str>,
) -> Result<Verdict, ToolError> {
    let Entry { mode, id } = match view.find(&commit.tree, path) {
        Ok(entry) => entry,
        Err(error) if error.kind == Kind::NotFound && wanted.is_some() => {
            return Ok(Verdict::No(error.message));
        }
        Err(error) => return Err(error),
    };
    if !mode.is_blob() {
        let what = if mode == Mode::Tree { "a folder" } else { "a submodule" };
        return Ok(Verdict::No(format!("it is {what}")));
    }
    let mut bytes = Vec::new();
    view.reader.read(&id, gix_object::Kind::Blob, LARGEST, &mut bytes)?;
    let found = contract::text::hex(&Sha256::digest(&bytes));
    let mut evidence = format!("sha256 {found}, blob {id}, {} bytes", bytes.len());
    if mode == Mode::Link {
        evidence.push_str(", a symbolic link: the hash is of where it leads");
    }
    let mut is_named = false;
    if let Content::Lfs(digest, size) = view.content(&id)? {
        is_named = wanted.is_some_and(|wanted| digest.eq_ignore_ascii_case(wanted));
        let _ = write!(
            evidence,
            "; a git-lfs pointer to sha256 {digest}, {size} bytes, whose content is not here"
        );
    }
    Ok(match wanted {
        None => Verdict::Told(evidence),
        Some(wanted) if wanted == found => Verdict::Yes(evidence),
        Some(_) if is_named => Verdict::Yes(format!("by the pointer: {evidence}")),
        Some(_) => Verdict::No(evidence),
    })
}

#[cfg(test)]
mod tests;
