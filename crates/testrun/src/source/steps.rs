//! The steps from a commit to one before it: `~2`, `^`, `^2` (gitrevisions(7)).

use gix_hash::ObjectId;
use gix_object::bstr::ByteSlice as _;

use contract::ToolError;

use super::{Kind, Repository};

/// The most steps that are taken.
const MOST: usize = 10_000;

/// A name without its steps, and for each step the number of the parent; `None` where they are none.
pub(super) fn steps(name: &str) -> Option<(&str, Vec<usize>)> {
    let start = name.find(['~', '^']).unwrap_or(name.len());
    let (name, mut rest) = name.split_at(start);
    let mut steps = Vec::new();
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = match &rest[..digits] {
            "" => 1,
            digits => digits.parse::<usize>().ok().filter(|number| *number <= MOST)?,
        };
        rest = &rest[digits..];
        match sign {
            '~' => steps.extend(std::iter::repeat_n(1, number)),
            // `^0` is the commit itself.
            '^' => steps.extend((number > 0).then_some(number)),
            _ => return None,
        }
        if steps.len() > MOST {
            return None;
        }
    }
    Some((name, steps))
}

impl Repository {
    /// A parent of a commit, the first one being 1.
    pub(super) fn parent(
        &self,
        commit: &ObjectId,
        number: usize,
    ) -> Result<Option<ObjectId>, ToolError> {
        let Some(object) = self.object(commit)?.filter(|object| object.kind == Kind::Commit) else {
            return Ok(None);
        };
        let head = object.data.lines().take_while(|line| !line.is_empty());
        let mut parents = head.filter_map(|line| line.strip_prefix(b"parent "));
        let parent = number.checked_sub(1).and_then(|before| parents.nth(before));
        Ok(parent.and_then(|id| ObjectId::from_hex(id).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_git() {
        let check = |name: &str, expected: Option<(&str, &[usize])>| {
            let found = steps(name);
            let found = found.as_ref().map(|(name, steps)| (*name, steps.as_slice()));
            assert_eq!(found, expected, "{name}");
        };
        check("main", Some(("main", &[])));
        check("HEAD~", Some(("HEAD", &[1])));
        check("HEAD~3", Some(("HEAD", &[1, 1, 1])));
        check("v1^", Some(("v1", &[1])));
        check("v1^2~1", Some(("v1", &[2, 1])));
        check("v1^^0~0", Some(("v1", &[1])));
        for bad in [
            "HEAD~1ä",
            "HEAD~x",
            "HEAD^{tree}",
            "HEAD~10001",
            "a~9999~9999",
            "a~18446744073709551616",
        ] {
            check(bad, None);
        }
    }
}
