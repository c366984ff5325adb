//! Walks of the history: ranges, paths, common ancestors.

mod ancestor;
mod reached;
mod track;
mod walk;

use contract::ToolError;
use gix_hash::ObjectId;

use crate::commits::Number;
use crate::view::View;
pub(crate) use reached::Reached;
pub(crate) use track::Track;
pub(crate) use walk::{Step, Walk};

/// Which commits a walk is about: those that `include` reaches and `exclude` does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    /// Where the walk begins.
    pub(crate) include: Vec<ObjectId>,
    /// What ends it.
    pub(crate) exclude: Vec<ObjectId>,
    /// As the caller named it.
    pub(crate) name: String,
}

/// Two ends of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dots {
    /// `a..b`.
    Two,
    /// `a...b`.
    Three,
}

/// The ends of a range by name, if it is one; an empty end is the default revision.
pub(crate) fn ends(name: &str) -> Option<(&str, Dots, &str)> {
    let (from, to) = name.split_once("..")?;
    match to.strip_prefix('.') {
        Some(to) => Some((from, Dots::Three, to)),
        None => Some((from, Dots::Two, to)),
    }
}

/// An end by name: none is the default revision.
pub(crate) fn end(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

impl View {
    /// The commits of a revision or of a range `a..b` or `a...b` (gitrevisions(7)).
    pub(crate) fn range(&mut self, name: Option<&str>) -> Result<Range, ToolError> {
        let Some((from, dots, to)) = name.and_then(ends) else {
            let revision = self.resolve(name)?;
            let (include, exclude) = (vec![revision.id], Vec::new());
            return Ok(Range { include, exclude, name: revision.name });
        };
        let (from, to) = (self.resolve(end(from))?, self.resolve(end(to))?);
        let name = name.unwrap_or_default().to_owned();
        Ok(match dots {
            Dots::Two => Range { include: vec![to.id], exclude: vec![from.id], name },
            Dots::Three => {
                let exclude = self.merge_bases(from.id, to.id)?;
                Range { include: vec![from.id, to.id], exclude, name }
            }
        })
    }
}

/// A mark for each commit, none at first.
#[derive(Default)]
pub(crate) struct Marks(Vec<u8>);

impl Marks {
    fn of(&self, number: Number) -> u8 {
        self.0.get(number as usize).copied().unwrap_or(0)
    }

    fn has(&self, number: Number, mark: u8) -> bool {
        self.of(number) & mark != 0
    }

    fn add(&mut self, number: Number, mark: u8) {
        let at = number as usize;
        if at >= self.0.len() {
            self.0.resize((at + 1).next_power_of_two(), 0);
        }
        self.0[at] |= mark;
    }
}

/// Commits that wait, the latest first, and of the same second the first that came.
#[derive(Default)]
pub(crate) struct Queue {
    heap: std::collections::BinaryHeap<(u32, i64, std::cmp::Reverse<u32>, Number)>,
    count: u32,
}

impl Queue {
    /// Waits by date.
    pub(crate) fn push(&mut self, time: i64, number: Number) {
        self.push_by(0, time, number);
    }

    /// Waits by generation, then by date.
    pub(crate) fn push_by(&mut self, generation: u32, time: i64, number: Number) {
        self.heap.push((generation, time, std::cmp::Reverse(self.count), number));
        self.count += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<Number> {
        self.heap.pop().map(|(_, _, _, number)| number)
    }

    /// The date of the next.
    pub(crate) fn time(&self) -> Option<i64> {
        self.heap.peek().map(|(_, time, _, _)| *time)
    }
}
