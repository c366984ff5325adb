//! Which deleted files are which new ones (gitdiffcore(7), diffcore-rename): equal contents first,
//! then equal file names that are similar enough, then the most similar pairs.
//!
//! The steps, their order and their numbers are git's own, so that a stat names the same renames.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use bstr::{BStr, ByteSlice as _};
use contract::ToolError;
use gix_hash::ObjectId;

use super::Change;
use crate::reader::Blob;
use crate::view::{LARGEST, View, is_binary};

/// All of a file is the same.
const WHOLE: u64 = 60_000;
/// Half of it: `-M50%`.
const LEAST: u64 = 30_000;
/// What a file of the same name needs.
const LEAST_BY_NAME: u64 = 45_000;
/// More files are not compared with each other: `diff.renameLimit`.
const LIMIT: usize = 1_000;
/// How many candidates each new file keeps.
const CANDIDATES: usize = 4;

/// The bytes of each piece of a text, by the hash of the piece, sorted by it.
type Pieces = Vec<(u32, u64)>;

/// What is known of the contents that were compared.
#[derive(Default)]
struct Known {
    sizes: HashMap<ObjectId, u64>,
    pieces: HashMap<ObjectId, Pieces>,
}

/// A possible rename.
#[derive(Clone, Copy)]
struct Candidate {
    source: usize,
    target: usize,
    score: u64,
    same_name: bool,
}

impl Candidate {
    /// The better one first.
    fn rank(&self) -> (std::cmp::Reverse<u64>, std::cmp::Reverse<bool>) {
        (std::cmp::Reverse(self.score), std::cmp::Reverse(self.same_name))
    }
}

/// Deletions and additions, by their places in the list of changes.
struct Match<'a> {
    changes: &'a [Change],
    sources: Vec<usize>,
    targets: Vec<usize>,
    /// What was found: source, target and score.
    found: Vec<(usize, usize, u64)>,
}

impl Match<'_> {
    fn record(&mut self, source: usize, target: usize, score: u64) {
        self.found.push((source, target, score));
        self.sources.retain(|one| *one != source);
        self.targets.retain(|one| *one != target);
    }
}

impl View {
    /// Joins deletions and additions to renames.
    pub(crate) fn detect_renames(&mut self, changes: &mut Vec<Change>) -> Result<(), ToolError> {
        let place = |wanted: fn(&Change) -> bool| -> Vec<usize> {
            (0..changes.len()).filter(|at| wanted(&changes[*at])).collect()
        };
        let sources = place(|change| change.new.is_none());
        let targets = place(|change| change.old.is_none());
        if sources.is_empty() || targets.is_empty() {
            return Ok(());
        }
        let mut pairs = Match { changes, sources, targets, found: Vec::new() };
        exact(&mut pairs);
        let mut known = Known::default();
        self.by_name(&mut pairs, &mut known)?;
        let few = pairs.sources.len().saturating_mul(pairs.targets.len()) <= LIMIT * LIMIT;
        if few {
            self.by_content(&mut pairs, &mut known)?;
        }
        let found = pairs.found;
        join(changes, found);
        Ok(())
    }

    /// Files whose names are unique on both sides.
    fn by_name(&mut self, pairs: &mut Match<'_>, known: &mut Known) -> Result<(), ToolError> {
        let unique = |places: &[usize]| {
            let mut names: HashMap<&[u8], Option<usize>> = HashMap::new();
            for at in places {
                let name = file_name(pairs.changes[*at].path.as_bstr());
                names.entry(name).and_modify(|one| *one = None).or_insert(Some(*at));
            }
            names
        };
        let (sources, targets) = (unique(&pairs.sources), unique(&pairs.targets));
        let mut matches = Vec::new();
        for source in &pairs.sources {
            let name = file_name(pairs.changes[*source].path.as_bstr());
            if let (Some(Some(_)), Some(Some(target))) = (sources.get(name), targets.get(name)) {
                let score = self.similarity(pairs.changes, *source, *target, known)?;
                if score >= LEAST_BY_NAME {
                    matches.push((*source, *target, score));
                }
            }
        }
        for (source, target, score) in matches {
            pairs.record(source, target, score);
        }
        Ok(())
    }

    /// The most similar pairs of the rest.
    fn by_content(&mut self, pairs: &mut Match<'_>, known: &mut Known) -> Result<(), ToolError> {
        let mut all: Vec<Candidate> = Vec::new();
        for target in &pairs.targets {
            self.go_on()?;
            let mut best: Vec<Candidate> = Vec::new();
            for source in &pairs.sources {
                let score = self.similarity(pairs.changes, *source, *target, known)?;
                let names = [source, target].map(|at| pairs.changes[*at].path.as_bstr());
                let same_name = file_name(names[0]) == file_name(names[1]);
                keep(&mut best, Candidate { source: *source, target: *target, score, same_name });
            }
            all.extend(best);
        }
        all.sort_by_key(Candidate::rank);
        for candidate in all {
            if candidate.score < LEAST {
                break;
            }
            let Candidate { source, target, score, .. } = candidate;
            if pairs.sources.contains(&source) && pairs.targets.contains(&target) {
                pairs.record(source, target, score);
            }
        }
        Ok(())
    }

    /// How similar a deleted and a new file are, of [`WHOLE`].
    fn similarity(
        &mut self,
        changes: &[Change],
        source: usize,
        target: usize,
        known: &mut Known,
    ) -> Result<u64, ToolError> {
        let (Some(old), Some(new)) = (changes[source].old, changes[target].new) else {
            return Ok(0);
        };
        // What is only in the working tree is in no object, and has no name to be read by.
        if !old.mode.is_file() || !new.mode.is_file() || new.id.is_null() {
            return Ok(0);
        }
        let (old_size, new_size) = (self.size(old.id, known)?, self.size(new.id, known)?);
        let (most, least) = (old_size.max(new_size), old_size.min(new_size));
        if most > LARGEST || most * (WHOLE - LEAST) < (most - least) * WHOLE || new_size == 0 {
            return Ok(0);
        }
        self.learn(old.id, known)?;
        self.learn(new.id, known)?;
        Ok(common(&known.pieces[&old.id], &known.pieces[&new.id]) * WHOLE / most)
    }

    fn size(&mut self, id: ObjectId, known: &mut Known) -> Result<u64, ToolError> {
        if let Some(size) = known.sizes.get(&id) {
            return Ok(*size);
        }
        let header = self.reader.header(&id)?.ok_or_else(|| crate::reader::missing(&id))?;
        known.sizes.insert(id, header.size);
        Ok(header.size)
    }

    fn learn(&mut self, id: ObjectId, known: &mut Known) -> Result<(), ToolError> {
        if let Entry::Vacant(unknown) = known.pieces.entry(id) {
            unknown.insert(match self.reader.blob(&id, LARGEST)? {
                Blob::Content(content) => pieces(&content),
                Blob::Large(_) => Pieces::new(),
            });
        }
        Ok(())
    }
}

/// Files with the same content; of several sources, one with the same name.
fn exact(pairs: &mut Match<'_>) {
    let mut by_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
    for source in &pairs.sources {
        let id = pairs.changes[*source].old.map(|entry| entry.id);
        by_id.entry(id.unwrap_or(ObjectId::null(gix_hash::Kind::Sha1))).or_default().push(*source);
    }
    let mut found = Vec::new();
    for target in &pairs.targets {
        let Some(new) = pairs.changes[*target].new else { continue };
        let Some(same) = by_id.get_mut(&new.id) else { continue };
        let fits = |source: &usize| {
            let old = pairs.changes[*source].old;
            old.is_some_and(|old| old.mode == new.mode || old.mode.is_file() && new.mode.is_file())
        };
        let name = |at: usize| file_name(pairs.changes[at].path.as_bstr());
        let looked: Vec<usize> = (0..same.len()).filter(|at| fits(&same[*at])).take(100).collect();
        let named = looked.iter().find(|at| name(same[**at]) == name(*target));
        if let Some(at) = named.or(looked.first()).copied() {
            found.push((same.remove(at), *target, WHOLE));
        }
    }
    let taken: HashSet<usize> =
        found.iter().flat_map(|(source, target, _)| [*source, *target]).collect();
    let taken = |at: &usize| taken.contains(at);
    pairs.sources.retain(|at| !taken(at));
    pairs.targets.retain(|at| !taken(at));
    pairs.found = found;
}

/// Keeps a candidate among the best of its target, as git keeps them: one that is better than the
/// worst takes its place.
fn keep(best: &mut Vec<Candidate>, candidate: Candidate) {
    if best.len() < CANDIDATES {
        best.push(candidate);
        return;
    }
    let mut worst = 0;
    for at in 1..best.len() {
        if best[at].rank() > best[worst].rank() {
            worst = at;
        }
    }
    if best[worst].rank() > candidate.rank() {
        best[worst] = candidate;
    }
}

/// Makes renames of pairs: the addition tells what it was, the deletion goes.
fn join(changes: &mut Vec<Change>, found: Vec<(usize, usize, u64)>) {
    let mut gone = vec![false; changes.len()];
    for (source, target, score) in found {
        let percent = u8::try_from(score * 100 / WHOLE).unwrap_or(100);
        changes[target].renamed = Some((changes[source].path.clone(), percent));
        changes[target].old = changes[source].old;
        gone[source] = true;
    }
    let mut gone = gone.into_iter();
    changes.retain(|_| !gone.next().unwrap_or(false));
}

fn file_name(path: &BStr) -> &[u8] {
    path.rfind_byte(b'/').map_or(path, |at| path[at + 1..].as_bstr())
}

/// Cuts a text into lines, and lines into pieces of at most 64 bytes; how many bytes the pieces of
/// each hash have together.
fn pieces(content: &[u8]) -> Pieces {
    const HASHES: u32 = 107_927;
    let is_text = !is_binary(content);
    let (mut low, mut high, mut length) = (0_u32, 0_u32, 0_u64);
    let mut all: Pieces = Vec::with_capacity(content.len() / 32);
    let hash = |low: u32, high: u32| low.wrapping_add(high.wrapping_mul(0x61)) % HASHES;
    for (at, &byte) in content.iter().enumerate() {
        if is_text && byte == b'\r' && content.get(at + 1) == Some(&b'\n') {
            continue;
        }
        let before = low;
        low = ((low << 7) ^ (high >> 25)).wrapping_add(u32::from(byte));
        high = (high << 7) ^ (before >> 25);
        length += 1;
        if length == 64 || byte == b'\n' {
            all.push((hash(low, high), length));
            (low, high, length) = (0, 0, 0);
        }
    }
    if length > 0 {
        all.push((hash(low, high), length));
    }
    all.sort_unstable_by_key(|(hash, _)| *hash);
    all.dedup_by(|next, sum| {
        let is_same = next.0 == sum.0;
        sum.1 += if is_same { next.1 } else { 0 };
        is_same
    });
    all
}

/// How many bytes two texts have in common.
fn common(old: &Pieces, new: &Pieces) -> u64 {
    let (mut sum, mut new) = (0, new.iter().peekable());
    for (hash, bytes) in old {
        while new.next_if(|(other, _)| other < hash).is_some() {}
        if let Some((_, others)) = new.next_if(|(other, _)| other == hash) {
            sum += bytes.min(others);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_similar_as_its_lines() {
        let text: Vec<String> = (0..100).map(|line| format!("line {line}\n")).collect();
        let (text, half) = (text.concat(), text[..50].concat());
        let (whole, half) = (pieces(text.as_bytes()), pieces(half.as_bytes()));
        assert_eq!(common(&whole, &whole), text.len() as u64);
        assert_eq!(common(&whole, &half), half.iter().map(|(_, bytes)| bytes).sum::<u64>());
        assert_eq!(common(&whole, &pieces(b"else\n")), 0);
        assert_eq!(pieces(b"a\r\nb\r\n"), pieces(b"a\nb\n"));
    }
}
