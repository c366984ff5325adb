//! What is claimed of each segment, and by whom.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Finding, Kind, Report, Request};
use crate::log::{First, checkpoint_path, origin};
use crate::merkle::Hash;
use crate::note::{Checkpoint, NoteError, VerifyingKey, decode_hash};
use crate::read::{self, Lines};
use crate::{StateError, key, note};

/// The log of one server, as far as it is known before its lines are read.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) records: PathBuf,
    pub(super) keys: Vec<VerifyingKey>,
    /// Whether there is or was a key: its segments are signed.
    pub(super) has_keys: bool,
    /// By time.
    pub(super) segments: Vec<Claimed>,
}

/// A segment and what is claimed of it.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) path: PathBuf,
    /// In bytes, when it was listed.
    pub(super) length: u64,
    /// What its first line says; `None` for none, or one that is no beginning.
    pub(super) first: Option<First>,
    /// Whether a checkpoint stands beside it.
    pub(super) has_checkpoint: bool,
    /// By the number of lines they cover.
    pub(super) claims: Vec<Claim>,
}

/// That the first `size` lines have this root.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) size: u64,
    /// The root over them.
    pub(super) root: Hash,
    /// Who says so, as it is told to people.
    pub(super) by: String,
    /// Whether it is the checkpoint beside the segment.
    pub(super) is_own: bool,
}

const KEYS: &str = "compare checkpoint.pub with the key you kept elsewhere (--key); if it is the \
                    wrong one, whoever put it there can have rewritten the log";
const RESTORE: &str = "restore the segment from a copy; if it was archived, verify it together \
                       with the others; else treat it as destroyed evidence";

impl Server {
    /// Lists the segments and reads first lines, checkpoints and keys.
    pub(super) fn read(
        name: &str,
        folder: &Path,
        trusted: &[VerifyingKey],
        report: &mut Report,
    ) -> Result<Self, StateError> {
        let own_name = key::key_name(name);
        let mut keys: Vec<_> =
            trusted.iter().filter(|key| key.name() == own_name).cloned().collect();
        let public = folder.join("checkpoint.pub");
        let has_keys =
            !keys.is_empty() || public.exists() || folder.join("checkpoint.key").exists();
        if keys.is_empty()
            && let Ok(text) = std::fs::read_to_string(&public)
        {
            match text.parse() {
                Ok(key) => keys.push(key),
                Err(error) => report.findings.push(Finding {
                    server: name.to_owned(),
                    file: public,
                    line: None,
                    kind: Kind::ForeignKey,
                    what: error.to_string(),
                    remedy: KEYS,
                }),
            }
        }
        let records = folder.join("records");
        let mut server =
            Self { name: name.to_owned(), records, keys, has_keys, segments: Vec::new() };
        for path in read::segments(&server.records)? {
            let segment = server.segment(path, report);
            server.segments.push(segment);
        }
        for path in left_over(&server.records)? {
            let by = format!("{}, which is still there", path.display());
            report.findings.extend(server.deleted(read::name(&path), &by));
        }
        Ok(server)
    }

    fn segment(&self, path: PathBuf, report: &mut Report) -> Claimed {
        let mut claims = Vec::new();
        // Before the lines, which may grow meanwhile.
        let beside = checkpoint_path(&path);
        let note = std::fs::read_to_string(&beside).ok();
        let has_checkpoint = note.is_some();
        if let Some(note) = note {
            let opened = Checkpoint::open(&note, &self.keys);
            match opened.map_err(|error| self.bad_note(&beside, error)).and_then(|checkpoint| {
                if checkpoint.origin == origin(&key::key_name(&self.name), &path) {
                    return Ok(checkpoint);
                }
                let what = format!("the checkpoint of another segment, {}", checkpoint.origin);
                Err(self.finding(&beside, None, Kind::BadSignature, what, KEYS))
            }) {
                Ok(Checkpoint { size, root, .. }) => {
                    let by = "its checkpoint".to_owned();
                    claims.push(Claim { size, root, by, is_own: true });
                }
                Err(finding) => report.findings.push(finding),
            }
        }
        let length = std::fs::metadata(&path).map_or(0, |file| file.len());
        let first = Lines::open(&path)
            .and_then(|mut lines| Ok(lines.next_line()?.and_then(|line| First::parse(line.bytes))));
        let first = first.ok().flatten();
        if let Some(first) = &first
            && !self.keys.iter().any(|key| key.to_string() == first.key)
        {
            let what = format!("the segment was begun under another key: {}", first.key);
            report.findings.push(self.finding(&path, Some(1), Kind::KeyReplaced, what, KEYS));
        }
        Claimed { path, length, first, has_checkpoint, claims }
    }

    fn bad_note(&self, file: &Path, error: NoteError) -> Finding {
        let kind = match error {
            NoteError::OtherKey => Kind::ForeignKey,
            _ => Kind::BadSignature,
        };
        let what = match (kind, self.keys.is_empty()) {
            (_, true) => "no key to verify it with: checkpoint.pub is missing".to_owned(),
            (Kind::ForeignKey, _) => {
                "the checkpoint is signed by another key than that of this server".to_owned()
            }
            _ => format!("the checkpoint is not what was signed: {error}"),
        };
        self.finding(file, None, kind, what, KEYS)
    }

    /// Whether a segment was there, unsigned, when the first signed one was begun: whether a line
    /// that is signed says so.
    pub(super) fn is_older_than_keys(&self, segment: &Path) -> bool {
        let name = read::name(segment);
        let is_signed =
            |one: &&Claimed| one.claims.iter().any(|claim| claim.is_own && claim.size > 0);
        let firsts = self.segments.iter().filter(is_signed).filter_map(|one| one.first.as_ref());
        let mut named = firsts.flat_map(|first| &first.segments);
        named.any(|named| named.name == name && named.root.is_none() && named.records.is_none())
    }

    pub(super) fn finding(
        &self,
        file: &Path,
        line: Option<u64>,
        kind: Kind,
        what: String,
        remedy: &'static str,
    ) -> Finding {
        Finding { server: self.name.clone(), file: file.to_owned(), line, kind, what, remedy }
    }

    fn deleted(&self, name: &str, by: &str) -> Option<Finding> {
        let path = self.records.join(format!("{name}.jsonl"));
        // One that was begun after the others were listed is not missing.
        let is_missing = !path.exists();
        let what = format!("the segment is gone; it is known from {by}");
        is_missing.then(|| self.finding(&path, None, Kind::SegmentDeleted, what, RESTORE))
    }
}

/// What stood beside segments that are gone.
fn left_over(records: &Path) -> Result<Vec<PathBuf>, StateError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(records).map_err(StateError::at(records))? {
        let path = entry.map_err(StateError::at(records))?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("checkpoint" | "hashes")) {
            paths.push(path);
        }
    }
    // One segment is told of once: by its checkpoint, if that is there.
    paths.sort();
    paths.dedup_by(|next, before| read::name(next) == read::name(before));
    Ok(paths)
}

/// Adds what checkpoints from elsewhere claim.
pub(super) fn add_outside(request: &Request, servers: &mut [Server], report: &mut Report) {
    let mut gone = BTreeSet::new();
    for (from, note) in &request.outside {
        let place = PathBuf::from(from);
        if note::is_torn(note) {
            report.notices.push(torn(place));
            continue;
        }
        let Ok(unverified) = Checkpoint::unverified(note) else {
            report.findings.push(outside(&place, "", "it is no signed checkpoint".to_owned()));
            continue;
        };
        let mut parts = unverified.origin.rsplitn(2, '/');
        let (segment, key_name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let at = servers.iter().position(|server| key::key_name(&server.name) == key_name);
        let Some(at) = at else {
            if request.is_whole {
                let what = format!("it is of {}, whose folder is gone", unverified.origin);
                report.findings.push(outside(&place, key_name, what));
            }
            continue;
        };
        report.outside += 1;
        let server = &mut servers[at];
        if let Err(error) = Checkpoint::open(note, &server.keys) {
            report.findings.push(server.bad_note(&place, error));
            continue;
        }
        let Checkpoint { size, root, .. } = unverified;
        let by = format!("the checkpoint of {size} lines in {from}");
        match server.segments.iter_mut().find(|one| read::name(&one.path) == segment) {
            Some(found) => found.claims.push(Claim { size, root, by, is_own: false }),
            None if gone.insert((at, segment.to_owned())) => {
                report.findings.extend(server.deleted(segment, &by));
            }
            None => {}
        }
    }
}

fn torn(file: PathBuf) -> Finding {
    Finding {
        server: String::new(),
        file,
        line: None,
        kind: Kind::Torn,
        what: "half a checkpoint: whoever copied it there died meanwhile, or the disk was full"
            .to_owned(),
        remedy: "nothing; the checkpoints behind it cover what it did",
    }
}

fn outside(file: &Path, server: &str, what: String) -> Finding {
    Finding {
        server: server.to_owned(),
        file: file.to_owned(),
        line: None,
        kind: if server.is_empty() { Kind::Unreadable } else { Kind::SegmentDeleted },
        what,
        remedy: RESTORE,
    }
}

/// Adds what first lines claim of other segments.
pub(super) fn add_named(servers: &mut [Server], report: &mut Report) {
    for server in servers {
        let mut claims = Vec::new();
        for one in &server.segments {
            for named in one.first.iter().flat_map(|first| &first.segments) {
                let by = format!("the first line of {}", read::name(&one.path));
                if !server.segments.iter().any(|other| read::name(&other.path) == named.name) {
                    report.findings.extend(server.deleted(&named.name, &by));
                }
                let root = named.root.as_deref().and_then(decode_hash);
                if let Some((size, root)) = named.records.zip(root) {
                    let claim = Claim { size, root, by, is_own: false };
                    claims.push((named.name.clone(), claim));
                }
            }
        }
        for (name, claim) in claims {
            if let Some(one) = server.segments.iter_mut().find(|one| read::name(&one.path) == name)
            {
                one.claims.push(claim);
            }
        }
        for one in &mut server.segments {
            one.claims.sort_by_key(|claim| claim.size);
        }
    }
}
