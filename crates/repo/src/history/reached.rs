//! Which commits the refs that may be seen reach: asked of an id where some refs are hidden.

use contract::ToolError;
use gix_hash::ObjectId;

use super::{Marks, Queue};
use crate::view::View;

/// A walk from the refs that may be seen, as far as it was needed; kept with the reader.
#[derive(Default)]
pub(crate) struct Reached {
    tips: Vec<ObjectId>,
    queue: Queue,
    seen: Marks,
}

/// The commit is reached.
const SEEN: u8 = 1;

impl View {
    /// Whether the refs that may be seen reach a commit.
    pub(crate) fn is_reached(&mut self, id: ObjectId) -> Result<bool, ToolError> {
        if !self.repository.visible.hides_refs() {
            return Ok(true);
        }
        let tips = self.tips()?;
        let mut reached = self.reader.reached.take().unwrap_or_default();
        if reached.tips != tips {
            reached = Reached { tips, ..Reached::default() };
            for tip in reached.tips.clone() {
                self.reach(&mut reached, tip)?;
            }
        }
        let found = self.walk_to(&mut reached, id);
        self.reader.reached = Some(reached);
        found
    }

    fn walk_to(&mut self, reached: &mut Reached, id: ObjectId) -> Result<bool, ToolError> {
        let wanted = self.reader.number(id);
        let mut done = 0_usize;
        while !reached.seen.has(wanted, SEEN) {
            let Some(number) = reached.queue.pop() else { return Ok(false) };
            done += 1;
            if done.is_multiple_of(1024) {
                self.go_on()?;
            }
            for parent in self.reader.facts(number)?.parents.clone() {
                let parent = self.reader.commits.id(parent);
                self.reach(reached, parent)?;
            }
        }
        Ok(true)
    }

    fn reach(&mut self, reached: &mut Reached, id: ObjectId) -> Result<(), ToolError> {
        let number = self.reader.number(id);
        if reached.seen.has(number, SEEN) {
            return Ok(());
        }
        reached.seen.add(number, SEEN);
        let time = self.reader.facts(number)?.time;
        reached.queue.push(time, number);
        Ok(())
    }

    /// The commits that the refs that may be seen name.
    fn tips(&mut self) -> Result<Vec<ObjectId>, ToolError> {
        let mut named = Vec::new();
        {
            let platform = self.reader.refs.iter().map_err(ToolError::internal)?;
            for found in platform.all().map_err(ToolError::internal)?.flatten() {
                if self.repository.visible.shows_ref(found.name.as_bstr())
                    && let gix_ref::Target::Object(id) = found.target
                {
                    named.push(found.peeled.unwrap_or(id));
                }
            }
        }
        named.sort();
        named.dedup();
        // A ref to something else than a commit reaches none.
        Ok(named.into_iter().filter_map(|id| self.peel(id).ok()).collect())
    }
}
