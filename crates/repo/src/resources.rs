//! Files as resources: `repo://{id}/{rev}/{path}`.
//!
//! Reading one is calling `repo_read`. A revision may hold slashes, so it is escaped as a whole;
//! a path keeps them.

use std::fmt::Write as _;

use bstr::{BStr, BString, ByteSlice as _};
use contract::{Resource, ResourceCall, Template};
use gix_hash::ObjectId;
use gix_object::Kind;
use serde_json::{Map, Value};

use crate::reader::Reader;
use crate::repository::Repository;
use crate::{named, path, tools};

/// The address of every file.
const TEMPLATE: &str = "repo://{id}/{rev}/{path}";
/// Contents are shown as text.
const MIME: &str = "text/plain";
/// As many files are listed at most.
const MOST: usize = 50;
/// As many lines as fit.
const ALL_LINES: &str = "1-999999999";

/// The template of all files.
pub(crate) fn template() -> Template {
    Template {
        uri: TEMPLATE,
        name: "file",
        description: "A file of a repository at a revision, as text.",
        mime: MIME,
        tool: tools::read::CONTRACT.name,
    }
}

/// The call that reads a file.
pub(crate) fn call(uri: &str) -> Option<ResourceCall> {
    let (id, revision, path) = parse(uri)?;
    let mut args = Map::new();
    args.insert("repo".to_owned(), Value::from(id));
    args.insert("rev".to_owned(), Value::from(revision));
    args.insert("path".to_owned(), Value::from(path::shown(path.as_bstr())));
    args.insert("lines".to_owned(), Value::from(ALL_LINES));
    Some(ResourceCall { tool: tools::read::CONTRACT.name, args, mime: MIME })
}

/// What a newcomer reads first: the files at the top of a repository that are named so.
pub(crate) fn listed<'a>(repositories: impl Iterator<Item = &'a Repository>) -> Vec<Resource> {
    repositories.flat_map(|one| of(one).unwrap_or_default()).take(MOST).collect()
}

fn of(repository: &Repository) -> Option<Vec<Resource>> {
    let mut reader = repository.reader().ok()?;
    let found = readmes(repository, &mut reader);
    repository.rest(reader);
    found
}

fn readmes(repository: &Repository, reader: &mut Reader) -> Option<Vec<Resource>> {
    let revision = repository.default_revision();
    let commit = commit(repository, reader, revision)?;
    let number = reader.number(commit);
    let tree = reader.facts(number).ok()?.tree;
    let mut found = Vec::new();
    for (name, entry) in reader.entries(&tree).ok()? {
        if !entry.mode.is_file() || !is_readme(&name) || !repository.visible.shows(name.as_bstr()) {
            continue;
        }
        found.push(Resource {
            uri: address(&repository.id, revision, name.as_bstr()),
            name: format!("{}: {}", repository.id, path::shown(name.as_bstr())),
            mime: MIME,
            size: reader.header(&entry.id).ok().flatten().map(|header| header.size),
            target: named(&repository.id),
            tool: tools::read::CONTRACT.name,
        });
    }
    Some(found)
}

/// Whether a file introduces to the repository.
fn is_readme(name: &[u8]) -> bool {
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or(name).to_ascii_uppercase();
    [&b"README"[..], b"CONTRIBUTING", b"ARCHITECTURE", b"CHANGELOG", b"AGENTS", b"SECURITY"]
        .contains(&stem.as_slice())
}

/// The commit of a ref that may be seen. Only refs: what else names a revision is not needed to
/// introduce a repository.
fn commit(repository: &Repository, reader: &mut Reader, name: &str) -> Option<ObjectId> {
    let starts = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];
    let names = starts.map(|start| BString::from(format!("{start}{name}")));
    let mut names =
        names.into_iter().filter(|full| full.starts_with(b"refs/") || full.as_slice() == b"HEAD");
    let mut id = names.find_map(|full| reference(repository, reader, full))?;
    for _ in 0..10 {
        match reader.header(&id).ok()??.kind {
            Kind::Commit => return Some(id),
            Kind::Tag => {
                let tag = reader.structure(&id, Kind::Tag).ok()?;
                let line = tag.lines().next()?.strip_prefix(b"object ")?;
                id = ObjectId::from_hex(line).ok()?;
            }
            _ => return None,
        }
    }
    None
}

fn reference(repository: &Repository, reader: &Reader, name: BString) -> Option<ObjectId> {
    let mut name = name;
    for _ in 0..10 {
        let full = gix_ref::FullName::try_from(name.clone()).ok()?;
        let found = reader.refs.try_find(full.as_ref()).ok()??;
        match found.target {
            gix_ref::Target::Object(id) => {
                return repository.visible.shows_ref(name.as_bstr()).then_some(id);
            }
            gix_ref::Target::Symbolic(next) => name = next.into_inner(),
        }
    }
    None
}

/// The address of a file.
fn address(id: &str, revision: &str, path: &BStr) -> String {
    let mut address = format!("repo://{id}/");
    escape(&mut address, revision.as_bytes(), false);
    address.push('/');
    escape(&mut address, path, true);
    address
}

/// Escapes what RFC 3986 does not allow in a part of a path.
fn escape(out: &mut String, bytes: &[u8], keeps_slashes: bool) {
    for &byte in bytes {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
        if is_plain || keeps_slashes && byte == b'/' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The id, revision and path of an address; `None` where it is none of ours.
fn parse(uri: &str) -> Option<(String, String, BString)> {
    let rest = uri.strip_prefix("repo://")?;
    let rest = rest.split(['#', '?']).next().unwrap_or(rest);
    let (id, rest) = rest.split_once('/')?;
    let (revision, path) = rest.split_once('/')?;
    let id = String::from_utf8(unescape(id)?).ok()?;
    let revision = String::from_utf8(unescape(revision)?).ok()?;
    let path = BString::from(unescape(path)?);
    let is_whole = !id.is_empty() && !revision.is_empty() && !path.is_empty();
    is_whole.then_some((id, revision, path))
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, after) = tail.split_at_checked(2)?;
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use contract::{Server as _, Size, Target};
    use serde_json::json;

    use super::*;
    use crate::testing::{Caller, World, call as read};
    use crate::tools::read::Read;

    #[test]
    fn addresses_go_both_ways() {
        for (revision, path, expected) in [
            ("HEAD", "src/main.rs", "repo://r/HEAD/src/main.rs"),
            ("feature/a b", "a b#?%", "repo://r/feature%2Fa%20b/a%20b%23%3F%25"),
            ("v1^2~3", "ä", "repo://r/v1%5E2~3/%C3%A4"),
        ] {
            let uri = address("r", revision, path.into());
            assert_eq!(uri, expected);
            assert_eq!(parse(&uri), Some(("r".to_owned(), revision.to_owned(), path.into())));
        }
        let odd = BStr::new(b"\xff\n");
        let call = call(&address("r", "HEAD", odd)).expect("a call");
        assert_eq!(call.args["path"], "\"\\377\\n\"");
        for uri in [
            "",
            "repo://",
            "repo://r",
            "repo://r/HEAD",
            "repo://r/HEAD/",
            "repo:///HEAD/a",
            "repo://r//a",
            "http://r/HEAD/a",
            "repo://r/HEAD/%",
            "repo://r/HEAD/%zz",
            "repo://r/%ff/a",
        ] {
            assert_eq!(parse(uri), None, "{uri}");
        }
    }

    async fn uris(world: &World) -> Vec<String> {
        let repo = world.open().await.expect("a server");
        let ctx = Caller::default().ctx(Size::CAP);
        repo.resources(ctx.principal()).await.into_iter().map(|one| one.uri).collect()
    }

    #[tokio::test]
    async fn a_resource_is_read_by_the_tool() {
        let world = World::new();
        for path in ["README.md", "readme", "CHANGELOG.md", "src/README.md", "main.c", "Readmes"] {
            world.write(path, format!("this is {path}\n"));
        }
        world.git("checkout -q -b feature/x");
        world.commit("one");
        let repo = world.open().await.expect("a server");
        let ctx = Caller::default().ctx(Size::CAP);
        let listed = repo.resources(ctx.principal()).await;
        let names: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["r: CHANGELOG.md", "r: README.md", "r: readme"]);
        assert_eq!(listed[1].uri, "repo://r/HEAD/README.md");
        assert_eq!(listed[1].target, Target::one("repository", "r"));
        assert_eq!((listed[1].size, listed[1].tool), (Some(18), "repo_read"));
        for uri in ["repo://r/HEAD/README.md", "repo://r/feature%2Fx/src/README.md"] {
            let call = repo.resource(uri).expect("a call");
            assert_eq!(call.tool, "repo_read");
            let text = read::<Read>(&repo, Value::Object(call.args)).await;
            assert!(
                text.contains("\nthis is ") && text.ends_with("lines 1-1 of 1; 18 B")
                    || text.ends_with("lines 1-1 of 1; 22 B"),
                "{text}"
            );
        }
        assert!(repo.resource("docs://a/b").is_none());
        assert_eq!(repo.templates()[0].uri, TEMPLATE);
    }

    #[tokio::test]
    async fn only_what_may_be_seen_is_listed() {
        let mut world = World::new();
        world.write("README.md", "x");
        world.write("SECURITY.md", "x");
        world.commit("one");
        world.git("tag -a -m annotated v1");
        world.settings["hidden"] = json!(["SECURITY.*"]);
        assert_eq!(uris(&world).await, ["repo://r/HEAD/README.md"]);
        world.settings["refs"] = json!(["refs/tags/*"]);
        assert!(uris(&world).await.is_empty());
        world.settings["default_branch"] = json!("v1");
        assert_eq!(uris(&world).await, ["repo://r/v1/README.md"]);
        world.settings["default_branch"] = json!("nowhere");
        assert!(uris(&world).await.is_empty());
    }
}
