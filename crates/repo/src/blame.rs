//! Which commit each line is from (git-blame(1)): lines that a commit did not change are passed on
//! to its parents, until all are settled. Files are followed through renames.

mod ignored;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bstr::{BString, ByteSlice as _};
use contract::ToolError;
use gix_hash::ObjectId;

use crate::commits::Number;
use crate::history::{Queue, Track};
use crate::reader::Blob;
use crate::tree::Mode;
use crate::view::{LARGEST, View};
use crate::xdiff;

/// Lines, from 0, and where they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The lines of the file that was asked about.
    pub(crate) lines: Range<usize>,
    /// The commit that they are from.
    pub(crate) commit: Number,
    /// The file they were in there.
    pub(crate) path: BString,
    /// The first of them there.
    pub(crate) first: usize,
}

/// Lines whose origin is looked for: `count` lines from `first` of the suspect are those from
/// `wanted` of the file that was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    first: usize,
    wanted: usize,
    count: usize,
}

impl Piece {
    fn end(&self) -> usize {
        self.first + self.count
    }

    /// The part of the piece in a range of the suspect's lines.
    fn within(&self, range: &Range<usize>) -> Option<Piece> {
        let (first, end) = (self.first.max(range.start), self.end().min(range.end));
        let piece =
            || Piece { first, wanted: self.wanted + first - self.first, count: end - first };
        (first < end).then(piece)
    }
}

/// A file in a commit that may be where lines are from.
struct Suspect {
    track: usize,
    blob: ObjectId,
    pieces: Vec<Piece>,
}

/// What is being found out.
struct Blame<'a> {
    view: &'a mut View,
    tracks: Vec<Track>,
    queue: Queue,
    suspects: HashMap<Number, Vec<Suspect>>,
    settled: Vec<Origin>,
    ignored: &'a HashSet<ObjectId>,
    /// The content that was compared last: a commit's becomes its parent's child's.
    contents: HashMap<ObjectId, Arc<Vec<u8>>>,
}

impl View {
    /// Where lines of a file are from, in their order. Commits of `ignored` are looked behind.
    pub(crate) fn blame(
        &mut self,
        commit: Number,
        path: &bstr::BStr,
        lines: Range<usize>,
        ignored: &HashSet<ObjectId>,
    ) -> Result<Vec<Origin>, ToolError> {
        let mut track = Track::take(&mut self.reader, path);
        let entry = track.at(&mut self.reader, commit)?;
        let blob = entry.map_or_else(|| ObjectId::null(self.reader.hash()), |entry| entry.id);
        let mut blame = Blame {
            view: self,
            tracks: vec![track],
            queue: Queue::default(),
            suspects: HashMap::new(),
            settled: Vec::new(),
            ignored,
            contents: HashMap::new(),
        };
        let piece = Piece { first: lines.start, wanted: lines.start, count: lines.len() };
        blame.suspect(commit, Suspect { track: 0, blob, pieces: vec![piece] })?;
        let done = blame.run();
        let Blame { tracks, mut settled, .. } = blame;
        tracks.into_iter().rev().for_each(|track| track.give(&mut self.reader));
        done?;
        settled.sort_by_key(|origin| origin.lines.start);
        settled.dedup_by(|next, last| {
            let goes_on = next.commit == last.commit
                && next.path == last.path
                && next.lines.start == last.lines.end
                && next.first == last.first + last.lines.len();
            if goes_on {
                last.lines.end = next.lines.end;
            }
            goes_on
        });
        Ok(settled)
    }
}

impl Blame<'_> {
    fn run(&mut self) -> Result<(), ToolError> {
        let mut done = 0;
        while let Some(commit) = self.queue.pop() {
            done += 1;
            self.view.go_on()?;
            self.view.progress(done, None, "commits looked at");
            for suspect in self.suspects.remove(&commit).unwrap_or_default() {
                self.examine(commit, suspect)?;
            }
        }
        Ok(())
    }

    /// Adds lines to what a commit is asked about.
    fn suspect(&mut self, commit: Number, suspect: Suspect) -> Result<(), ToolError> {
        if suspect.pieces.is_empty() {
            return Ok(());
        }
        let time = self.view.reader.facts(commit)?.time;
        let all = self.suspects.entry(commit).or_insert_with(|| {
            self.queue.push(time, commit);
            Vec::new()
        });
        match all.iter_mut().find(|one| one.track == suspect.track) {
            Some(one) => {
                one.pieces.extend(suspect.pieces);
                one.pieces.sort_unstable();
            }
            None => all.push(suspect),
        }
        Ok(())
    }

    /// Passes on what a commit did not change; the rest is from it.
    fn examine(&mut self, commit: Number, mut suspect: Suspect) -> Result<(), ToolError> {
        let parents = self.view.reader.facts(commit)?.parents.clone();
        let mut before: Vec<Option<(usize, ObjectId)>> = vec![None; parents.len()];
        for renames in [false, true] {
            for (nth, parent) in parents.iter().enumerate() {
                if before[nth].is_some() {
                    continue;
                }
                let found = if renames {
                    self.renamed(commit, *parent, suspect.track)?
                } else {
                    self.file(*parent, suspect.track)?.map(|blob| (suspect.track, blob))
                };
                let Some((track, blob)) = found else { continue };
                if blob == suspect.blob {
                    return self.suspect(*parent, Suspect { track, ..suspect });
                }
                let is_known = before[..nth].iter().flatten().any(|(_, other)| *other == blob);
                before[nth] = (!is_known).then_some((track, blob));
            }
        }
        let is_ignored = self.ignored.contains(&self.view.reader.commits.id(commit));
        for looks_behind in [false, true] {
            if looks_behind && !is_ignored {
                break;
            }
            for (parent, file) in parents.iter().zip(&before) {
                let Some((track, blob)) = *file else { continue };
                let passed = self.pass(&mut suspect, blob, looks_behind)?;
                self.suspect(*parent, Suspect { track, blob, pieces: passed })?;
            }
        }
        let path = self.tracks[suspect.track].path.clone();
        self.settled.extend(suspect.pieces.iter().map(|piece| Origin {
            lines: piece.wanted..piece.wanted + piece.count,
            commit,
            path: path.clone(),
            first: piece.first,
        }));
        Ok(())
    }

    /// The content of a path in a commit, if it is a file there.
    fn file(&mut self, commit: Number, track: usize) -> Result<Option<ObjectId>, ToolError> {
        let entry = self.tracks[track].at(&mut self.view.reader, commit)?;
        Ok(entry.filter(|entry| matches!(entry.mode, Mode::File | Mode::Program)).map(|one| one.id))
    }

    /// Where a path of a commit was in a parent that does not have it.
    fn renamed(
        &mut self,
        commit: Number,
        parent: Number,
        track: usize,
    ) -> Result<Option<(usize, ObjectId)>, ToolError> {
        if self.tracks[track].at(&mut self.view.reader, parent)?.is_some() {
            return Ok(None);
        }
        let new = self.view.reader.facts(commit)?.tree;
        let old = self.view.reader.facts(parent)?.tree;
        let path = self.tracks[track].path.clone();
        let Some(old) = self.view.alone_renamed_from(&old, &new, path.as_bstr())? else {
            return Ok(None);
        };
        let known = self.tracks.iter().position(|track| track.path == old);
        let track = known.unwrap_or_else(|| {
            self.tracks.push(Track::take(&mut self.view.reader, old.as_bstr()));
            self.tracks.len() - 1
        });
        Ok(self.file(parent, track)?.map(|blob| (track, blob)))
    }

    /// Takes from a suspect the lines that a parent's file has as well; in an ignored commit, also
    /// those that come from changed lines of it. They are returned as the parent's.
    fn pass(
        &mut self,
        suspect: &mut Suspect,
        blob: ObjectId,
        looks_behind: bool,
    ) -> Result<Vec<Piece>, ToolError> {
        let (old, new) = (self.content(blob)?, self.content(suspect.blob)?);
        let Some(hunks) = xdiff::lines_without_tail(&old, &new) else { return Ok(Vec::new()) };
        let (mut passed, mut kept) = (Vec::new(), Vec::new());
        // The unchanged lines before each hunk, as ranges of the new file, with where they are in
        // the old one.
        let mut same: Vec<(Range<usize>, usize)> = Vec::with_capacity(hunks.len() + 1);
        let (mut old_at, mut new_at) = (0, 0);
        for hunk in &hunks {
            same.push((new_at..hunk.new.start, old_at));
            (old_at, new_at) = (hunk.old.end, hunk.new.end);
        }
        same.push((new_at..usize::MAX, old_at));
        if looks_behind {
            let pieces = &suspect.pieces;
            let is_wanted =
                |at: usize| pieces.iter().any(|piece| piece.within(&(at..at + 1)).is_some());
            let view = &mut *self.view;
            same = ignored::behind(&old, &new, &hunks, is_wanted, || view.go_on())?;
        }
        for piece in &suspect.pieces {
            let mut at = piece.first;
            let from = same.partition_point(|(range, _)| range.end <= piece.first);
            for (range, old) in &same[from..] {
                if range.start >= piece.end() {
                    break;
                }
                let Some(part) = piece.within(range) else { continue };
                kept.extend(piece.within(&(at..part.first)));
                at = part.end();
                passed.push(Piece { first: old + part.first - range.start, ..part });
            }
            kept.extend(piece.within(&(at..piece.end())));
        }
        suspect.pieces = kept;
        Ok(passed)
    }

    fn content(&mut self, blob: ObjectId) -> Result<Arc<Vec<u8>>, ToolError> {
        if let Some(content) = self.contents.get(&blob) {
            return Ok(Arc::clone(content));
        }
        let content = match self.view.reader.blob(&blob, LARGEST)? {
            Blob::Content(content) => content,
            Blob::Large(_) => Arc::default(),
        };
        if self.contents.len() >= 8 {
            self.contents.clear();
        }
        self.contents.insert(blob, Arc::clone(&content));
        Ok(content)
    }
}
