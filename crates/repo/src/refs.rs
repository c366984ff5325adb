//! The refs of a repository: which may be seen, in which order, and which tag a name means.
//!
//! A ref that is hidden, or that leads to a hidden one, is counted and never named. The count is
//! of the whole repository, so that no glob of a caller can find out the name of a hidden ref.

mod create;
mod exact;

use bstr::{BStr, BString, ByteSlice as _};
use contract::ToolError;
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_ref::Target;
use globset::{GlobBuilder, GlobMatcher};

use crate::view::View;
pub(crate) use create::{NewBranch, writable};

/// What a ref is, by where its name begins, in the order refs are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// `refs/heads/`.
    Branch,
    /// `refs/tags/`.
    Tag,
    /// `refs/remotes/`.
    Remote,
    /// Everything else, such as `refs/notes/`.
    Other,
}

impl Family {
    const ALL: [(Family, &'static str); 4] = [
        (Family::Branch, "refs/heads/"),
        (Family::Tag, "refs/tags/"),
        (Family::Remote, "refs/remotes/"),
        (Family::Other, "refs/"),
    ];

    /// The family of a full name, and the rest of the name.
    fn of(name: &BStr) -> (Family, &BStr) {
        let within = |(family, start): &(Family, &str)| {
            Some((*family, name.strip_prefix(start.as_bytes())?.as_bstr()))
        };
        Family::ALL.iter().find_map(within).unwrap_or((Family::Other, name))
    }

    /// The heading of its refs.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Family::Branch => "branches",
            Family::Tag => "tags",
            Family::Remote => "remotes",
            Family::Other => "others",
        }
    }
}

/// A ref that may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ref {
    /// Its full name.
    pub(crate) name: BString,
    /// The full name of the ref it stands for, if it is symbolic.
    pub(crate) leads_to: Option<BString>,
    /// What it points to: a commit, an annotated tag, rarely something else.
    pub(crate) id: ObjectId,
    /// The object behind all tags, where `packed-refs` tells.
    peeled: Option<ObjectId>,
}

impl Ref {
    /// What kind of ref it is.
    pub(crate) fn family(&self) -> Family {
        Family::of(self.name.as_bstr()).0
    }

    /// The name without what its family has in common.
    pub(crate) fn short(&self) -> &BStr {
        Family::of(self.name.as_bstr()).1
    }
}

/// The refs that may be seen.
#[derive(Debug, Default)]
pub(crate) struct Refs {
    /// Those that fit, by name.
    pub(crate) fitting: Vec<Ref>,
    /// How many of the repository may not be seen.
    pub(crate) hidden: usize,
    /// How many cannot be read, or lead to a ref that is not there.
    pub(crate) broken: usize,
}

/// Where `HEAD` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// On a branch, which may have no commit yet; its full name.
    On(BString),
    /// On a commit.
    Detached(ObjectId),
    /// It cannot be read, or may not be seen.
    Unknown,
}

/// A glob over the names of refs, full or short: `release/*`, `refs/tags/v1.*`.
pub(crate) struct Names(Option<GlobMatcher>);

impl Names {
    /// Understands a glob; every name fits where there is none.
    pub(crate) fn new(glob: Option<&str>) -> Result<Self, ToolError> {
        let Some(glob) = glob.filter(|glob| !glob.is_empty()) else { return Ok(Self(None)) };
        let built = GlobBuilder::new(glob).literal_separator(true).build().map_err(|error| {
            ToolError::invalid(format!("glob: {}; write it like `release/*`.", error.kind()))
        })?;
        Ok(Self(Some(built.compile_matcher())))
    }

    /// Whether every name fits.
    pub(crate) fn fit_all(&self) -> bool {
        self.0.is_none()
    }

    fn fits(&self, name: &BStr) -> bool {
        let Some(glob) = &self.0 else { return true };
        let without = name.strip_prefix(b"refs/").unwrap_or(name);
        let forms = [name, without.as_bstr(), Family::of(name).1];
        forms.into_iter().any(|form| glob.is_match(form.to_path_lossy()))
    }
}

impl View {
    /// The refs that may be seen and fit.
    pub(crate) fn refs(&mut self, names: &Names) -> Result<Refs, ToolError> {
        let mut refs = Refs::default();
        let mut symbolic = Vec::new();
        let platform = self.reader.refs.iter().map_err(ToolError::internal)?;
        for (count, found) in platform.all().map_err(ToolError::internal)?.enumerate() {
            if count % 1024 == 0 {
                self.go_on()?;
            }
            let Ok(found) = found else {
                refs.broken += 1;
                continue;
            };
            let name = found.name.into_inner();
            if !self.repository.visible.shows_ref(name.as_bstr()) {
                refs.hidden += 1;
                continue;
            }
            match found.target {
                Target::Symbolic(to) => symbolic.push((name, to.into_inner())),
                Target::Object(id) if names.fits(name.as_bstr()) => {
                    refs.fitting.push(Ref { name, leads_to: None, id, peeled: found.peeled });
                }
                Target::Object(_) => {}
            }
        }
        drop(platform);
        self.follow(symbolic, names, &mut refs)?;
        Ok(refs)
    }

    /// Adds the refs that stand for others. One that stands for a hidden ref is hidden, too.
    fn follow(
        &mut self,
        symbolic: Vec<(BString, BString)>,
        names: &Names,
        refs: &mut Refs,
    ) -> Result<(), ToolError> {
        for (name, to) in symbolic {
            match self.reference(name.as_bstr())? {
                Some(id) if names.fits(name.as_bstr()) => {
                    refs.fitting.push(Ref { name, leads_to: Some(to), id, peeled: None });
                }
                Some(_) => {}
                None if self.repository.visible.shows_ref(to.as_bstr()) => refs.broken += 1,
                None => refs.hidden += 1,
            }
        }
        // By name already, but for the symbolic ones at the end.
        refs.fitting.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(())
    }

    /// The commit of a ref; `None` where it tags something else.
    pub(crate) fn commit_of(&mut self, of: &Ref) -> Result<Option<ObjectId>, ToolError> {
        let id = of.peeled.unwrap_or(of.id);
        match self.peel(id) {
            Ok(id) => Ok(Some(id)),
            Err(error) if error.kind == contract::Kind::Invalid => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where `HEAD` is.
    pub(crate) fn head(&mut self) -> Result<Head, ToolError> {
        let Some(head) = self.ref_at(BStr::new("HEAD")) else { return Ok(Head::Unknown) };
        Ok(match head {
            Target::Symbolic(name) if self.repository.visible.shows_ref(name.as_bstr()) => {
                Head::On(name.into_inner())
            }
            Target::Object(id) if self.is_reached(id)? => Head::Detached(id),
            _ => Head::Unknown,
        })
    }

    /// The annotated tag that a revision names, if it names one and no step leads on from it:
    /// by a ref that may be seen, in git's order of search, or by its id.
    pub(crate) fn tag_named(&mut self, revision: &str) -> Result<Option<ObjectId>, ToolError> {
        if revision.contains(['~', '^', ':']) {
            return Ok(None);
        }
        let id = match ObjectId::from_hex(revision.as_bytes()) {
            Ok(id) if self.reader.exists(&id) => Some(id),
            _ => self.ref_named(revision)?,
        };
        let Some(id) = id else { return Ok(None) };
        let header = self.reader.header(&id)?;
        Ok(header.filter(|header| header.kind == Kind::Tag).map(|_| id))
    }

    fn ref_named(&mut self, name: &str) -> Result<Option<ObjectId>, ToolError> {
        for start in ["", "refs/", "refs/tags/"] {
            let full = format!("{start}{name}");
            if full.starts_with("refs/")
                && let Some(id) = self.reference(BStr::new(&full))?
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}
