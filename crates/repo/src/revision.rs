//! From the name of a revision to a commit (gitrevisions(7)).
//!
//! Understood are ids and their beginnings, refs by git's own order of search, `git describe`
//! names, `~N`, `^N` and `^{commit}`. What depends on a reflog, an index or a search through
//! messages is not, and neither is a name that begins with `-`.

use bstr::{BStr, BString, ByteSlice as _};
use contract::ToolError;
use gix_hash::{ObjectId, Prefix};
use gix_object::Kind;

use crate::reader::{damaged, missing};
use crate::view::View;

/// A commit by the name a caller gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The commit.
    pub(crate) id: ObjectId,
    /// The name.
    pub(crate) name: String,
}

impl Revision {
    /// The first digits of the commit's name, as they are shown.
    pub(crate) fn short(&self) -> String {
        short(&self.id)
    }
}

/// The first seven digits of a commit's name, as they are shown.
pub(crate) fn short(id: &ObjectId) -> String {
    id.to_hex_with_len(7).to_string()
}

/// Where git looks for a ref, in its order.
const PLACES: &[(&str, &str)] = &[
    ("", ""),
    ("refs/", ""),
    ("refs/tags/", ""),
    ("refs/heads/", ""),
    ("refs/remotes/", ""),
    ("refs/remotes/", "/HEAD"),
];
/// The most steps of `~` and `^` together.
const MOST_STEPS: usize = 1_000_000;
/// A chain of tags and symbolic refs is no longer.
const MOST_HOPS: usize = 10;

impl View {
    /// The commit of a revision; of the default one, where none is named.
    pub(crate) fn resolve(&mut self, name: Option<&str>) -> Result<Revision, ToolError> {
        let given =
            name.map_or_else(|| self.repository.default_revision().to_owned(), str::to_owned);
        let (base, steps) = split(&given)?;
        let mut id = self.base(base, &given)?;
        for step in steps {
            id = self.step(id, step)?.ok_or_else(|| {
                let (at, shown) = (short(&id), clip(&given));
                ToolError::not_found(format!("no revision {shown}: {at} has no such parent."))
            })?;
        }
        Ok(Revision { id, name: given })
    }

    fn step(&mut self, id: ObjectId, step: Step) -> Result<Option<ObjectId>, ToolError> {
        let (mut at, count) = match step {
            Step::Parent(0) => return Ok(Some(id)),
            Step::Parent(which) => {
                let number = self.reader.number(id);
                let parents = &self.reader.facts(number)?.parents;
                let parent = parents.get(which - 1).copied();
                return Ok(parent.map(|parent| self.reader.commits.id(parent)));
            }
            Step::Ancestor(count) => (self.reader.number(id), count),
        };
        for done in 0..count {
            if done % 1024 == 0 {
                self.go_on()?;
            }
            let Some(&first) = self.reader.facts(at)?.parents.first() else { return Ok(None) };
            at = first;
        }
        Ok(Some(self.reader.commits.id(at)))
    }

    /// The commit that a name without steps stands for.
    fn base(&mut self, base: &str, given: &str) -> Result<ObjectId, ToolError> {
        let kind = self.reader.hash();
        if base.len() == kind.len_in_hex()
            && let Ok(id) = ObjectId::from_hex(base.as_bytes())
        {
            let there = self.reader.exists(&id);
            return if there { self.seen(id, given) } else { Err(Self::unknown(given)) };
        }
        let name = if base == "@" { "HEAD" } else { base };
        for (before, after) in PLACES {
            let full = format!("{before}{name}{after}");
            // Only names of git's own are at the top: `HEAD`, `FETCH_HEAD`.
            let is_pseudo = full.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            if !full.starts_with("refs/") && !is_pseudo {
                continue;
            }
            if let Some(id) = self.reference(BStr::new(&full))? {
                return self.peel(id);
            }
        }
        // `git describe` puts the id behind the name: v1.0-3-g1234567.
        let described = base.rsplit_once("-g").map(|(_, hex)| hex);
        for hex in [Some(base), described].into_iter().flatten() {
            if let Some(id) = self.abbreviated(hex)? {
                return self.seen(id, given);
            }
        }
        Err(Self::unknown(given))
    }

    /// What a ref that may be seen points to.
    pub(crate) fn reference(&mut self, name: &BStr) -> Result<Option<ObjectId>, ToolError> {
        let mut name = BString::from(name);
        for _ in 0..MOST_HOPS {
            let is_shown = self.repository.visible.shows_ref(name.as_bstr());
            let Some(target) = self.ref_at(name.as_bstr()) else { return Ok(None) };
            match target {
                gix_ref::Target::Object(id) if is_shown => return Ok(Some(id)),
                gix_ref::Target::Object(id) if name == "HEAD" => {
                    // A detached HEAD is no ref of its own: what it names must be reached.
                    return Ok(self.is_reached(id)?.then_some(id));
                }
                gix_ref::Target::Object(_) => return Ok(None),
                gix_ref::Target::Symbolic(next) => name = next.into_inner(),
            }
        }
        Ok(None)
    }

    /// The commit that an object stands for: an annotated tag stands for what it tags.
    pub(crate) fn peel(&mut self, mut id: ObjectId) -> Result<ObjectId, ToolError> {
        for _ in 0..MOST_HOPS {
            let header = self.reader.header(&id)?.ok_or_else(|| missing(&id))?;
            match header.kind {
                Kind::Commit => return Ok(id),
                Kind::Tag => {
                    let tag = self.reader.structure(&id, Kind::Tag)?;
                    let target = tag.strip_prefix(b"object ").and_then(|rest| rest.lines().next());
                    let target = target.and_then(|hex| ObjectId::from_hex(hex).ok());
                    id = target.ok_or_else(|| damaged(&id, &"not a tag's content"))?;
                }
                kind => {
                    let message = format!("object {} is a {kind}, not a commit.", short(&id));
                    return Err(ToolError::invalid(message));
                }
            }
        }
        Err(ToolError::invalid("tags of tags are followed ten times at most."))
    }

    fn abbreviated(&mut self, hex: &str) -> Result<Option<ObjectId>, ToolError> {
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex.len() < Prefix::MIN_HEX_LEN || !is_hex || hex.len() > self.reader.hash().len_in_hex()
        {
            return Ok(None);
        }
        let Ok(prefix) = Prefix::from_hex(hex) else { return Ok(None) };
        let mut found = Vec::new();
        for id in self.reader.with_prefix(prefix)? {
            let kind = self.reader.header(&id)?.map(|header| header.kind);
            if matches!(kind, Some(Kind::Commit | Kind::Tag)) {
                found.push(id);
            }
        }
        if found.len() > 1 {
            found.sort();
            let longer: Vec<String> =
                found.iter().take(5).map(|id| id.to_hex_with_len(12).to_string()).collect();
            let message =
                format!("{hex} begins several commits: {}; give more digits.", longer.join(", "));
            return Err(ToolError::invalid(message));
        }
        Ok(found.pop())
    }

    /// The commit of an id, if the refs that may be seen reach it.
    fn seen(&mut self, id: ObjectId, given: &str) -> Result<ObjectId, ToolError> {
        let commit = self.peel(id)?;
        if self.is_reached(commit)? { Ok(commit) } else { Err(Self::unknown(given)) }
    }

    /// The same answer for what is not there and what may not be seen.
    fn unknown(given: &str) -> ToolError {
        let shown = clip(given);
        ToolError::not_found(format!("no revision {shown}; repo_refs lists branches and tags."))
    }
}

/// A name, short enough for a message.
fn clip(name: &str) -> String {
    name.chars().take(80).collect()
}

/// One step from a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `^N`.
    Parent(usize),
    /// `~N`.
    Ancestor(usize),
}

/// A name and the steps behind it.
fn split(given: &str) -> Result<(&str, Vec<Step>), ToolError> {
    let wrong = |what: &str| {
        let advice = "a branch, a tag, a commit id, with ~N or ^N behind it, is understood.";
        ToolError::invalid(format!("revision {}: {what}; {advice}", clip(given)))
    };
    let end = given.find(['~', '^']).unwrap_or(given.len());
    let (base, mut rest) = given.split_at(end);
    if base.is_empty() || base.starts_with('-') {
        return Err(wrong("a name is expected first"));
    }
    if base.contains("..") {
        return Err(wrong("one revision is expected, not a range"));
    }
    if base.contains("@{") || base.contains(':') {
        return Err(wrong("reflogs, paths and searches have no place in it"));
    }
    let (mut steps, mut total) = (Vec::new(), 0_usize);
    while let Some(first) = rest.chars().next() {
        rest = &rest[1..];
        if first == '^' && rest.starts_with('{') {
            let close = rest.find('}').ok_or_else(|| wrong("`{` is not closed"))?;
            if !matches!(&rest[..=close], "{}" | "{commit}" | "{0}") {
                return Err(wrong("of `^{…}`, only `^{commit}` is known"));
            }
            rest = &rest[close + 1..];
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count = if digits == 0 { Some(1) } else { rest[..digits].parse().ok() };
        let count =
            count.filter(|count| *count <= MOST_STEPS).ok_or_else(|| wrong("too far back"))?;
        rest = &rest[digits..];
        total += count;
        match first {
            '~' => steps.push(Step::Ancestor(count)),
            '^' => steps.push(Step::Parent(count)),
            _ => return Err(wrong("only ~N and ^N follow a name")),
        }
    }
    if total > MOST_STEPS || steps.len() > 1_000 {
        return Err(wrong("too far back"));
    }
    Ok((base, steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_git_reads_them() {
        let steps = |given| split(given).expect("steps");
        assert_eq!(steps("main"), ("main", vec![]));
        assert_eq!(
            steps("v1^{commit}~3^^2"),
            ("v1", vec![Step::Ancestor(3), Step::Parent(1), Step::Parent(2)])
        );
        assert_eq!(steps("@~"), ("@", vec![Step::Ancestor(1)]));
        for wrong in [
            "",
            "-x",
            "^main",
            "a..b",
            "HEAD@{1}",
            ":/fix",
            "main:src",
            "x~9999999999",
            "x^{tree}",
            "x~a",
        ] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
