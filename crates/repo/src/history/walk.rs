//! Commits from the latest to the oldest, as `git log` has them: by committer date, without what
//! is excluded, and for a path without what does not touch it (git-log(1), History
//! Simplification, default mode).
//!
//! A file is followed through renames: from the commit that adds it under its name, the walk goes
//! on with the name that the commit renames it from.

use bstr::{BStr, BString, ByteSlice as _};
use contract::ToolError;
use smallvec::SmallVec;

use super::{Marks, Queue, Range, Track};
use crate::commits::Number;
use crate::view::View;

/// In the queue, or was.
const SEEN: u8 = 1;
/// Excluded.
const UNINTERESTING: u8 = 2;
/// Its parents are in the queue.
const ADDED: u8 = 4;
/// Same as its relevant parents at the path.
const SAME: u8 = 8;
/// Named by the caller as the end of a range: relevant though excluded.
const BOTTOM: u8 = 16;
/// Its parents are known to the walk.
const OPENED: u8 = 32;
/// Excluded at the end, and what is behind it, too.
const SWEPT: u8 = 64;

/// How long a limited walk goes on when all that waits is excluded, since clocks go wrong: git's
/// own number.
const SLOP: usize = 5;
/// How much older than what is asked for a commit must be for the walk to end, in seconds: sixty
/// days, since clocks go wrong.
const SKEW: i64 = 60 * 86_400;

/// So many such commits, one after the other, must have been seen as well.
const PAST: usize = 1_000;

/// A walk.
pub(crate) struct Walk {
    queue: Queue,
    marks: Marks,
    /// The paths of the walk: the first is the caller's.
    tracks: Vec<Track>,
    /// The path of a commit, where it is not the first.
    track_of: std::collections::HashMap<Number, usize>,
    /// The one parent that the walk went on to, where it did not go on to all.
    simplified: std::collections::HashMap<Number, Number>,
    follows: bool,
    since: Option<i64>,
    /// What a limited walk found, the last first.
    found: Option<Vec<Number>>,
    limited: bool,
    interesting: usize,
    steps: usize,
    /// How many commits in turn were older than anything that is asked for.
    past: usize,
}

/// A commit of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The commit.
    pub(crate) number: Number,
    /// The path in it, where it is not the caller's: it is renamed later.
    pub(crate) path: Option<BString>,
}

impl Walk {
    /// A walk of a range; of the commits that touch `path`, if there is one. Those before `since`, in
    /// seconds since 1970, are left out, as by `git log --since-as-filter`.
    pub(crate) fn new(
        view: &mut View,
        range: &Range,
        path: Option<&BStr>,
        follows: bool,
        since: Option<i64>,
    ) -> Result<Self, ToolError> {
        let mut walk = Self {
            queue: Queue::default(),
            marks: Marks::default(),
            tracks: path.map(|path| Track::take(&mut view.reader, path)).into_iter().collect(),
            track_of: std::collections::HashMap::new(),
            simplified: std::collections::HashMap::new(),
            follows,
            since,
            found: None,
            limited: !range.exclude.is_empty(),
            interesting: 0,
            past: 0,
            steps: 0,
        };
        for id in &range.exclude {
            let number = view.reader.number(*id);
            walk.marks.add(number, UNINTERESTING | BOTTOM);
        }
        for id in range.exclude.iter().chain(&range.include) {
            let number = view.reader.number(*id);
            walk.enter(view, number)?;
            if walk.marks.has(number, UNINTERESTING) {
                walk.exclude_parents(view, number)?;
            }
        }
        Ok(walk)
    }

    /// The next commit.
    pub(crate) fn next(&mut self, view: &mut View) -> Result<Option<Step>, ToolError> {
        if self.limited && self.found.is_none() {
            let mut found = self.limit(view)?;
            found.reverse();
            self.found = Some(found);
        }
        loop {
            let is_past = self.is_past();
            let number = match &mut self.found {
                Some(found) => found.pop(),
                None if is_past => None,
                None => self.queue.pop(),
            };
            let Some(number) = number else { return Ok(None) };
            if self.found.is_none() {
                self.add_parents(view, number)?;
            }
            let time = view.reader.facts(number)?.time;
            let is_late = self.since.is_none_or(|since| time >= since);
            if is_late && !self.marks.has(number, UNINTERESTING | SAME) {
                let track = self.track_of.get(&number);
                let path = track.map(|track| self.tracks[*track].path.clone());
                return Ok(Some(Step { number, path }));
            }
        }
    }

    /// Ends the walk: what it learnt of paths is kept for the next.
    pub(crate) fn end(self, view: &mut View) {
        self.tracks.into_iter().rev().for_each(|track| track.give(&mut view.reader));
    }

    /// All commits of a range that has an end.
    fn limit(&mut self, view: &mut View) -> Result<Vec<Number>, ToolError> {
        let mut found = Vec::new();
        let (mut last, mut slop) = (i64::MAX, SLOP);
        while let Some(number) = self.queue.pop() {
            self.interesting -= usize::from(!self.marks.has(number, UNINTERESTING));
            let time = view.reader.facts(number)?.time;
            self.add_parents(view, number)?;
            if self.marks.has(number, UNINTERESTING) {
                slop = match self.queue.time() {
                    None => 0,
                    Some(next) if last <= next || self.interesting > 0 => SLOP,
                    Some(_) => slop - 1,
                };
                if slop == 0 {
                    break;
                }
                continue;
            }
            last = time;
            found.push(number);
            if self.is_past() {
                break;
            }
        }
        self.exclude_behind(view, &found)?;
        Ok(found)
    }

    /// Whether all that waits is older than anything that is asked for.
    fn is_past(&mut self) -> bool {
        let past = |since: i64| self.queue.time().is_some_and(|time| time < since - SKEW);
        self.past = if self.since.is_some_and(past) { self.past + 1 } else { 0 };
        self.past > PAST
    }

    /// Excludes what is behind the excluded commits that still wait: clocks that are wrong by more
    /// than the walk allows for then show nothing that is excluded. It ends as a walk from a date
    /// does, long before the oldest commit that was found.
    fn exclude_behind(&mut self, view: &mut View, found: &[Number]) -> Result<(), ToolError> {
        let mut oldest = i64::MAX;
        for number in found {
            oldest = oldest.min(view.reader.facts(*number)?.time);
        }
        let mut past = 0;
        while let Some(number) = self.queue.pop() {
            if !self.marks.has(number, UNINTERESTING) {
                continue;
            }
            let facts = view.reader.facts(number)?;
            past = if facts.time < oldest.saturating_sub(SKEW) { past + 1 } else { 0 };
            if past > PAST {
                break;
            }
            for parent in facts.parents.clone() {
                if !self.marks.has(parent, SWEPT) {
                    self.marks.add(parent, UNINTERESTING | SWEPT);
                    let time = view.reader.facts(parent)?.time;
                    self.queue.push(time, parent);
                }
            }
            self.count(view)?;
        }
        Ok(())
    }

    /// Counts a commit that was looked at.
    fn count(&mut self, view: &mut View) -> Result<(), ToolError> {
        self.steps += 1;
        if self.steps.is_multiple_of(256) {
            view.go_on()?;
            view.progress(self.steps, None, "commits looked at");
        }
        Ok(())
    }

    fn add_parents(&mut self, view: &mut View, number: Number) -> Result<(), ToolError> {
        if self.marks.has(number, ADDED) {
            return Ok(());
        }
        self.marks.add(number, ADDED);
        self.count(view)?;
        if self.marks.has(number, UNINTERESTING) {
            for parent in view.reader.facts(number)?.parents.clone() {
                self.exclude(parent);
                self.marks.add(parent, OPENED);
                self.exclude_parents(view, parent)?;
                self.enter(view, parent)?;
            }
            return Ok(());
        }
        let parents = self.simplify(view, number)?;
        for parent in parents {
            self.pass_on(view, number, parent)?;
            self.enter(view, parent)?;
        }
        Ok(())
    }

    /// Puts a commit into the queue.
    fn enter(&mut self, view: &mut View, number: Number) -> Result<(), ToolError> {
        if !self.marks.has(number, SEEN) {
            self.marks.add(number, SEEN | OPENED);
            let time = view.reader.facts(number)?.time;
            self.queue.push(time, number);
            self.interesting += usize::from(!self.marks.has(number, UNINTERESTING));
        }
        Ok(())
    }

    /// Excludes a commit; false if it was before.
    fn exclude(&mut self, number: Number) -> bool {
        if self.marks.has(number, UNINTERESTING) {
            return false;
        }
        self.marks.add(number, UNINTERESTING);
        let waits = self.marks.has(number, SEEN) && !self.marks.has(number, ADDED);
        self.interesting -= usize::from(waits);
        true
    }

    /// Excludes the parents of a commit, and behind them what is behind commits that were opened.
    /// How far git looks decides, where clocks went wrong, which side of a merge it goes on to; so
    /// this looks as far.
    fn exclude_parents(&mut self, view: &mut View, number: Number) -> Result<(), ToolError> {
        let mut pending = vec![number];
        while let Some(number) = pending.pop() {
            let parents = match self.simplified.get(&number) {
                Some(parent) => SmallVec::from_slice(&[*parent]),
                None => view.reader.facts(number)?.parents.clone(),
            };
            for parent in parents {
                if self.exclude(parent) && self.marks.has(parent, OPENED) {
                    pending.push(parent);
                }
            }
        }
        Ok(())
    }

    /// Whether a parent counts: it is not excluded, or it is the named end of the range.
    fn is_relevant(&self, number: Number) -> bool {
        self.marks.of(number) & (UNINTERESTING | BOTTOM) != UNINTERESTING
    }

    /// The parents that the walk goes on to. Marks the commit where it is the same as its parents
    /// at the path.
    fn simplify(
        &mut self,
        view: &mut View,
        number: Number,
    ) -> Result<SmallVec<[Number; 2]>, ToolError> {
        let parents = view.reader.facts(number)?.parents.clone();
        if self.tracks.is_empty() {
            return Ok(parents);
        }
        let track = self.track_of.get(&number).copied().unwrap_or(0);
        if parents.is_empty() {
            if self.tracks[track].at(&mut view.reader, number)?.is_none() {
                self.marks.add(number, SAME);
            }
            return Ok(parents);
        }
        let (mut any_relevant, mut relevant_change, mut other_change) = (false, false, false);
        for (nth, parent) in parents.iter().enumerate() {
            self.marks.add(*parent, OPENED);
            let is_relevant = self.is_relevant(*parent);
            any_relevant |= is_relevant;
            if self.is_same(view, track, number, (nth, *parent))? {
                if is_relevant {
                    self.marks.add(number, SAME);
                    if parents.len() > 1 {
                        self.simplified.insert(number, *parent);
                    }
                    return Ok(SmallVec::from_slice(&[*parent]));
                }
            } else if is_relevant {
                relevant_change = true;
            } else {
                other_change = true;
            }
        }
        if !(if any_relevant { relevant_change } else { other_change }) {
            self.marks.add(number, SAME);
        }
        Ok(parents)
    }

    /// Whether a commit and its nth parent are the same at the path.
    fn is_same(
        &mut self,
        view: &mut View,
        track: usize,
        number: Number,
        (nth, parent): (usize, Number),
    ) -> Result<bool, ToolError> {
        let track = &mut self.tracks[track];
        if nth == 0 && track.is_surely_unchanged(&view.reader, number) {
            return Ok(true);
        }
        let tree = view.reader.facts(number)?.tree;
        if view.reader.facts(parent)?.tree == tree {
            return Ok(true);
        }
        Ok(track.at(&mut view.reader, number)? == track.at(&mut view.reader, parent)?)
    }

    /// Gives a parent the path of its child, or the one it had before the child renamed it.
    fn pass_on(
        &mut self,
        view: &mut View,
        number: Number,
        parent: Number,
    ) -> Result<(), ToolError> {
        if self.tracks.is_empty() || self.marks.has(parent, SEEN) {
            return Ok(());
        }
        let mut track = self.track_of.get(&number).copied().unwrap_or(0);
        if self.follows && !self.marks.has(number, SAME) {
            track = self.renamed_from(view, number, track)?.unwrap_or(track);
        }
        if track != 0 {
            self.track_of.insert(parent, track);
        }
        Ok(())
    }

    /// The path that a commit with one parent renames a file from.
    fn renamed_from(
        &mut self,
        view: &mut View,
        number: Number,
        track: usize,
    ) -> Result<Option<usize>, ToolError> {
        let facts = view.reader.facts(number)?;
        let (tree, [parent]) = (facts.tree, facts.parents.as_slice()) else { return Ok(None) };
        let parent = *parent;
        let before = view.reader.facts(parent)?.tree;
        let here = &mut self.tracks[track];
        let is_new = here.at(&mut view.reader, parent)?.is_none();
        if !is_new || !here.at(&mut view.reader, number)?.is_some_and(|new| new.mode.is_blob()) {
            return Ok(None);
        }
        let path = here.path.clone();
        let Some(old) = view.renamed_from(&before, &tree, path.as_bstr())? else { return Ok(None) };
        if !view.shows(old.as_bstr()) {
            return Ok(None);
        }
        let known = self.tracks.iter().position(|track| track.path == old);
        Ok(Some(known.unwrap_or_else(|| {
            self.tracks.push(Track::take(&mut view.reader, old.as_bstr()));
            self.tracks.len() - 1
        })))
    }
}
