//! What a walk must know of commits: tree, parents and date, each read once a process.
//!
//! A commit is a number here, so that walks mark commits in plain vectors. Facts come from the
//! repository's commit-graph file (gitformat-commit-graph(5)) where there is one, as git takes
//! them, and from the commit otherwise.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use gix_hash::{ObjectId, oid};
use gix_hashtable::HashMap;
use gix_object::Kind;
use smallvec::SmallVec;

use contract::ToolError;

use crate::bloom::Filters;
use crate::reader::{Reader, damaged};
use crate::repository::Layout;

/// The number of a commit in [`Commits`].
pub(crate) type Number = u32;

/// The generation of a commit that is in no commit-graph: later than all that are.
pub(crate) const NO_GENERATION: u32 = u32::MAX;

/// What a walk must know of a commit.
pub(crate) struct Facts {
    /// Its name.
    pub(crate) id: ObjectId,
    /// Its tree.
    pub(crate) tree: ObjectId,
    /// When it was committed, in seconds since 1970.
    pub(crate) time: i64,
    /// One more than the largest of its parents' (gitformat-commit-graph(5)), or
    /// [`NO_GENERATION`].
    pub(crate) generation: u32,
    /// Its parents. None where the clone ends, if it is shallow.
    pub(crate) parents: SmallVec<[Number; 2]>,
    loaded: bool,
}

/// The commits of a repository, as far as they were looked at.
pub(crate) struct Commits {
    numbers: HashMap<ObjectId, Number>,
    facts: Vec<Facts>,
    graph: Option<gix_commitgraph::Graph>,
    /// Which paths commits change, where the commit-graph says so.
    pub(crate) filters: Option<Filters>,
    shallow: HashSet<ObjectId>,
}

impl Commits {
    /// Opens the commit-graph, if there is one. A damaged one is left alone, and a shallow clone's
    /// is of no use, since its parents are not there.
    pub(crate) fn open(layout: &Layout, shallow: HashSet<ObjectId>) -> Self {
        let info = layout.objects().join("info");
        let graph = gix_commitgraph::at(&info, layout.hash, Some(1 << 30)).ok();
        let graph = graph.filter(|_| shallow.is_empty());
        let filters = graph.as_ref().and_then(|_| Filters::open(&files(&info)));
        Self { numbers: HashMap::default(), facts: Vec::new(), graph, filters, shallow }
    }

    /// Whether the clone is shallow.
    pub(crate) fn is_shallow(&self) -> bool {
        !self.shallow.is_empty()
    }

    /// The name of a commit.
    pub(crate) fn id(&self, number: Number) -> ObjectId {
        self.facts[number as usize].id
    }

    /// The position of a commit in the commit-graph.
    pub(crate) fn position(&self, number: Number) -> Option<u32> {
        let graph = self.graph.as_ref()?;
        graph.lookup(self.facts[number as usize].id).map(|position| position.0)
    }

    fn number(&mut self, id: ObjectId) -> Number {
        let next = Number::try_from(self.facts.len()).unwrap_or(Number::MAX);
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            let tree = ObjectId::null(id.kind());
            let (parents, generation) = (SmallVec::new(), NO_GENERATION);
            self.facts.push(Facts { id, tree, time: 0, generation, parents, loaded: false });
        }
        number
    }

    fn set(&mut self, number: Number, read: Read) {
        let parents = read.parents.into_iter().map(|id| self.number(id)).collect();
        let facts = &mut self.facts[number as usize];
        facts.tree = read.tree;
        facts.time = read.time;
        facts.generation = read.generation;
        facts.parents = parents;
        facts.loaded = true;
    }

    fn graphed(&self, id: &oid) -> Option<Read> {
        let graph = self.graph.as_ref()?;
        let commit = graph.commit_by_id(id)?;
        let parents = commit
            .iter_parents()
            .map(|parent| parent.ok().map(|position| graph.id_at(position).to_owned()));
        Some(Read {
            tree: commit.root_tree_id().to_owned(),
            time: i64::try_from(commit.committer_timestamp()).unwrap_or(i64::MAX),
            generation: commit.generation(),
            parents: parents.collect::<Option<_>>()?,
        })
    }
}

/// The files of a commit-graph, in the order of positions: one file, or else a chain.
fn files(info: &Path) -> Vec<PathBuf> {
    let (one, folder) = (info.join("commit-graph"), info.join("commit-graphs"));
    if one.exists() {
        return vec![one];
    }
    let chain = std::fs::read_to_string(folder.join("commit-graph-chain")).unwrap_or_default();
    chain.lines().map(|id| folder.join(format!("graph-{id}.graph"))).collect()
}

struct Read {
    tree: ObjectId,
    time: i64,
    generation: u32,
    parents: SmallVec<[ObjectId; 2]>,
}

impl Reader {
    /// The number of a commit.
    pub(crate) fn number(&mut self, id: ObjectId) -> Number {
        self.commits.number(id)
    }

    /// What is to be known of a commit; an error where it is not in this clone.
    pub(crate) fn facts(&mut self, number: Number) -> Result<&Facts, ToolError> {
        let known = &self.commits.facts[number as usize];
        if !known.loaded {
            let id = known.id;
            let read = match self.commits.graphed(&id) {
                Some(read) => read,
                None => self.read_commit(&id)?,
            };
            self.commits.set(number, read);
        }
        Ok(&self.commits.facts[number as usize])
    }

    fn read_commit(&mut self, id: &oid) -> Result<Read, ToolError> {
        let is_end = self.commits.shallow.contains(id);
        let data = self.structure(id, Kind::Commit)?;
        let mut read = parse(data).ok_or_else(|| damaged(id, &"not a commit's header"))?;
        if is_end {
            read.parents.clear();
        }
        Ok(read)
    }
}

/// The header of a commit. A date that cannot be read is 0, as git has it.
fn parse(data: &[u8]) -> Option<Read> {
    let (line, mut rest) = split_line(data);
    let tree = ObjectId::from_hex(line.strip_prefix(b"tree ")?).ok()?;
    let mut parents = SmallVec::new();
    let mut time = 0;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if line.is_empty() {
            break;
        }
        if let Some(hex) = line.strip_prefix(b"parent ") {
            parents.push(ObjectId::from_hex(hex).ok()?);
        } else if let Some(committer) = line.strip_prefix(b"committer ") {
            time = date(committer);
            break;
        }
        rest = after;
    }
    Some(Read { tree, time, generation: NO_GENERATION, parents })
}

fn split_line(data: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', data) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// The seconds since 1970 behind the address of an author or committer line.
fn date(line: &[u8]) -> i64 {
    let Some(end) = memchr::memrchr(b'>', line) else { return 0 };
    let text = line[end + 1..].trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_git_reads_it() {
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let text = |committer: &str| {
            format!(
                "tree {tree}\nparent {tree}\nauthor A <a> 1 +0000\ncommitter {committer}\n\nparent x\n"
            )
        };
        for (committer, time) in [
            ("B <b@x> 1700000000 +0100", 1_700_000_000),
            ("B > C <b> 12 +0000", 12),
            ("B <b>", 0),
            ("B <b> soon +0000", 0),
        ] {
            let read = parse(text(committer).as_bytes()).expect("a header");
            assert_eq!((read.time, read.parents.len()), (time, 1), "{committer}");
        }
        assert!(parse(b"parent x\n").is_none());
    }
}
