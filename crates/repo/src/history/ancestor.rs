//! Common ancestors: two colours are painted down from two commits until they meet everywhere.

use std::collections::HashMap;

use contract::ToolError;
use gix_hash::ObjectId;

use super::{Marks, Queue, Range, Walk};
use crate::commits::Number;
use crate::view::View;

/// Reached from the first commit.
const FIRST: u8 = 1;
/// Reached from the second commit.
const SECOND: u8 = 2;
/// An ancestor of a common ancestor: nothing new lies behind it.
const STALE: u8 = 4;
/// Found to be common before anything it descends from was.
const MEETING: u8 = 8;

/// What was painted.
#[derive(Default)]
struct Painted {
    marks: Marks,
    meetings: Vec<Number>,
}

impl View {
    /// The best common ancestors of two commits: none of them is an ancestor of another.
    pub(crate) fn merge_bases(
        &mut self,
        first: ObjectId,
        second: ObjectId,
    ) -> Result<Vec<ObjectId>, ToolError> {
        if first == second {
            return Ok(vec![first]);
        }
        let painted = self.paint(first, second)?;
        let fresh = painted.meetings.iter().filter(|number| !painted.marks.has(**number, STALE));
        let mut bases: Vec<ObjectId> =
            fresh.map(|number| self.reader.commits.id(*number)).collect();
        if bases.len() > 1 {
            bases = self.independent(bases)?;
        }
        Ok(bases)
    }

    /// Those that are ancestors of no other.
    fn independent(&mut self, all: Vec<ObjectId>) -> Result<Vec<ObjectId>, ToolError> {
        let mut kept = Vec::new();
        for (at, one) in all.iter().enumerate() {
            let mut is_behind = false;
            for (other, two) in all.iter().enumerate() {
                is_behind = is_behind || (at != other && self.is_ancestor(*one, *two)?);
            }
            if !is_behind {
                kept.push(*one);
            }
        }
        Ok(kept)
    }

    /// Whether a commit is another or one of its ancestors.
    pub(crate) fn is_ancestor(
        &mut self,
        ancestor: ObjectId,
        of: ObjectId,
    ) -> Result<bool, ToolError> {
        let number = self.reader.number(ancestor);
        Ok(self.paint(ancestor, of)?.marks.has(number, SECOND))
    }

    /// How many commits only the first reaches, and how many only the second.
    pub(crate) fn ahead_behind(
        &mut self,
        first: ObjectId,
        second: ObjectId,
    ) -> Result<(usize, usize), ToolError> {
        let bases = self.merge_bases(first, second)?;
        Ok((self.count(first, &bases)?, self.count(second, &bases)?))
    }

    /// How many commits one reaches and the others do not.
    fn count(&mut self, one: ObjectId, others: &[ObjectId]) -> Result<usize, ToolError> {
        let (include, exclude) = (vec![one], others.to_vec());
        let range = Range { include, exclude, ..Range::default() };
        let mut walk = Walk::new(self, &range, None, false, None)?;
        let mut count = 0;
        while walk.next(self)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Paints until the two colours meet everywhere.
    fn paint(&mut self, first: ObjectId, second: ObjectId) -> Result<Painted, ToolError> {
        let mut painted = Painted::default();
        let mut waiting = Waiting::default();
        for (id, colour) in [(first, FIRST), (second, SECOND)] {
            let number = self.reader.number(id);
            self.colour(&mut painted, &mut waiting, number, colour)?;
        }
        let mut done = 0_usize;
        while waiting.fresh > 0 {
            let Some(number) = waiting.pop(&painted.marks) else { break };
            done += 1;
            if done.is_multiple_of(1024) {
                self.go_on()?;
            }
            let mut colours = painted.marks.of(number) & (FIRST | SECOND | STALE);
            if colours == FIRST | SECOND {
                if !painted.marks.has(number, MEETING) {
                    painted.marks.add(number, MEETING);
                    painted.meetings.push(number);
                }
                colours |= STALE;
            }
            for parent in self.reader.facts(number)?.parents.clone() {
                self.colour(&mut painted, &mut waiting, parent, colours)?;
            }
        }
        Ok(painted)
    }

    fn colour(
        &mut self,
        painted: &mut Painted,
        waiting: &mut Waiting,
        number: Number,
        colours: u8,
    ) -> Result<(), ToolError> {
        let before = painted.marks.of(number);
        if before & colours == colours {
            return Ok(());
        }
        if before & STALE == 0 && colours & STALE != 0 {
            waiting.fresh -= waiting.times.get(&number).copied().unwrap_or(0);
        }
        painted.marks.add(number, colours);
        let facts = self.reader.facts(number)?;
        waiting.queue.push_by(facts.generation, facts.time, number);
        *waiting.times.entry(number).or_default() += 1;
        if painted.marks.of(number) & STALE == 0 {
            waiting.fresh += 1;
        }
        Ok(())
    }
}

/// The queue, and how much of it is not stale.
#[derive(Default)]
struct Waiting {
    queue: Queue,
    times: HashMap<Number, usize>,
    fresh: usize,
}

impl Waiting {
    fn pop(&mut self, marks: &Marks) -> Option<Number> {
        let number = self.queue.pop()?;
        if let Some(times) = self.times.get_mut(&number) {
            *times -= 1;
        }
        if !marks.has(number, STALE) {
            self.fresh -= 1;
        }
        Some(number)
    }
}
