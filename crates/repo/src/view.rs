//! What one call sees of one repository: visibility, time and progress around a reader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bstr::{BStr, BString, ByteSlice as _};
use contract::{Ctx, Kind, ToolError};
use gix_hash::{ObjectId, oid};

use crate::path;
use crate::reader::{Blob, Reader};
use crate::repository::Repository;
use crate::tree::Entry;

/// The largest file whose content is looked at, in bytes.
pub(crate) const LARGEST: u64 = 32 << 20;
/// The most entries of trees that one call visits: a tree bomb names billions.
pub(crate) const MOST_ENTRIES: usize = if cfg!(test) { 200_000 } else { 2_000_000 };
/// How much of a file tells that it is binary, in bytes: git looks for a NUL there.
const BINARY: usize = 8_000;
/// How often a caller hears of progress.
const PROGRESS: Duration = Duration::from_millis(500);

/// One call's view of one repository. It lives on a thread of its own, which may block.
pub(crate) struct View {
    /// The repository.
    pub(crate) repository: Arc<Repository>,
    /// Reads its objects, whether they may be seen or not.
    pub(crate) reader: Reader,
    /// The call.
    pub(crate) ctx: Ctx,
    reported: Instant,
    visited: usize,
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Text, or at least nothing that git takes for binary.
    Text(Arc<Vec<u8>>),
    /// Binary; its size in bytes.
    Binary(u64),
    /// Too large to be looked at; its size in bytes.
    Huge(u64),
    /// A pointer of git-lfs: the SHA-256 and the size in bytes of the file it stands for.
    Lfs(String, u64),
}

impl View {
    /// A view for one call.
    pub(crate) fn new(repository: Arc<Repository>, ctx: Ctx) -> Result<Self, ToolError> {
        let reader = repository.reader()?;
        Ok(Self { repository, reader, ctx, reported: Instant::now(), visited: 0 })
    }

    /// Fails where the call is over. Loops ask it.
    pub(crate) fn go_on(&self) -> Result<(), ToolError> {
        if !self.ctx.is_over() {
            return Ok(());
        }
        let message = "the time of the call is over; ask for less: a range, a path, fewer commits.";
        Err(ToolError::new(Kind::Timeout, message))
    }

    /// Counts an entry of a tree that is visited, and fails at too many or where the call is over.
    pub(crate) fn visit(&mut self) -> Result<(), ToolError> {
        self.visited += 1;
        if self.visited > MOST_ENTRIES {
            let message = format!(
                "the tree names more than {MOST_ENTRIES} entries; ask for a folder or a file of it."
            );
            return Err(ToolError::new(Kind::TooLarge, message));
        }
        if self.visited.is_multiple_of(256) { self.go_on() } else { Ok(()) }
    }

    /// Tells the caller how far the work is, twice a second at most.
    pub(crate) fn progress(&mut self, done: usize, total: Option<usize>, what: &str) {
        if self.reported.elapsed() < PROGRESS {
            return;
        }
        self.reported = Instant::now();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        #[expect(clippy::cast_precision_loss, reason = "progress is rough")]
        let (done, total) = (done as f64, total.map(|total| total as f64));
        runtime.block_on(self.ctx.progress(done, total, what.to_owned()));
    }

    /// Whether a file may be seen.
    pub(crate) fn shows(&self, path: &BStr) -> bool {
        self.repository.visible.shows(path)
    }

    /// What a path that the caller gave leads to at a commit's tree. A hidden file is one that is
    /// not there, and so is a folder of nothing else.
    pub(crate) fn find(&mut self, tree: &oid, path: &BStr) -> Result<Entry, ToolError> {
        let found = self.reader.entry(tree, path)?;
        match found {
            Some(entry) if self.shows_entry(path, &entry)? => Ok(entry),
            _ => Err(self.no_such_path(tree, path)),
        }
    }

    /// The error for a path that is not there, with the nearest names that are.
    fn no_such_path(&mut self, tree: &oid, path: &BStr) -> ToolError {
        let near = self.nearest(tree, path).unwrap_or_default();
        let advice = if near.is_empty() {
            "repo_list shows what is there".to_owned()
        } else {
            format!("nearest: {}", near.join(", "))
        };
        ToolError::not_found(format!("no path {} at this revision; {advice}.", path::shown(path)))
    }

    fn nearest(&mut self, tree: &oid, path: &BStr) -> Result<Vec<String>, ToolError> {
        let (folder, name) = match path.rfind_byte(b'/') {
            Some(at) => (path[..at].as_bstr(), path[at + 1..].as_bstr()),
            None => (BStr::new(""), path),
        };
        let Some(at) = self.reader.entry(tree, folder)? else { return Ok(Vec::new()) };
        if at.mode != crate::tree::Mode::Tree {
            return Ok(Vec::new());
        }
        let wanted = name.to_str_lossy().to_lowercase();
        let mut near: Vec<(f64, BString)> = Vec::new();
        for (name, entry) in self.reader.entries(&at.id)?.into_iter().take(10_000) {
            let full = path::join(folder, name.as_bstr());
            let score = strsim::jaro_winkler(&wanted, &name.to_str_lossy().to_lowercase());
            if score > 0.75 && self.shows_entry(full.as_bstr(), &entry)? {
                near.push((score, full));
            }
        }
        near.sort_by(|left, right| right.0.total_cmp(&left.0));
        Ok(near.iter().take(3).map(|(_, path)| path::shown(path.as_bstr())).collect())
    }

    /// The content of a file or link.
    pub(crate) fn content(&mut self, id: &ObjectId) -> Result<Content, ToolError> {
        let content = match self.reader.blob(id, LARGEST)? {
            Blob::Content(content) => content,
            Blob::Large(size) => return Ok(Content::Huge(size)),
        };
        if let Some((digest, size)) = lfs(&content) {
            return Ok(Content::Lfs(digest, size));
        }
        if is_binary(&content) {
            return Ok(Content::Binary(content.len() as u64));
        }
        Ok(Content::Text(content))
    }
}

/// Whether git takes a content for binary: a NUL among the first 8,000 bytes.
pub(crate) fn is_binary(content: &[u8]) -> bool {
    memchr::memchr(0, &content[..content.len().min(BINARY)]).is_some()
}

/// The pointer of git-lfs that a content is (git-lfs, `docs/spec.md`).
fn lfs(content: &[u8]) -> Option<(String, u64)> {
    if content.len() >= 1024 || !content.starts_with(b"version https://git-lfs.github.com/spec/") {
        return None;
    }
    let text = std::str::from_utf8(content).ok()?;
    let value = |key| text.lines().find_map(|line: &str| line.strip_prefix(key));
    let digest = value("oid sha256:")?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((is_digest.then(|| digest.to_owned())?, value("size ")?.parse().ok()?))
}
