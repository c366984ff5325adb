//! One ref by its full name: the loose file, or the line in `packed-refs`.
//!
//! A link among the files of refs is not followed, since it may lead anywhere. One that names
//! another ref, as git once wrote them, stands for it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use bstr::{BStr, ByteSlice as _};
use gix_hash::ObjectId;
use gix_ref::{FullName, Target};

use crate::view::View;

/// The longest file of a loose ref, in bytes.
const LONGEST: u64 = 4096;
/// The refs that each linked working tree has for itself (gitglossary(7), "per-worktree ref").
const OF_ONE_TREE: [&str; 3] = ["refs/bisect/", "refs/rewritten/", "refs/worktree/"];

impl View {
    /// What the ref of a full name points to, whether it may be seen or not.
    pub(crate) fn ref_at(&self, name: &BStr) -> Option<Target> {
        let name = FullName::try_from(name).ok()?;
        let layout = &self.repository.layout;
        let text = name.as_bstr().to_str().ok();
        let is_own = text.is_some_and(|text| {
            !text.starts_with("refs/") || OF_ONE_TREE.iter().any(|start| text.starts_with(start))
        });
        let folder = if is_own { &layout.git_dir } else { &layout.common_dir };
        match loose(folder, &name) {
            Loose::Is(target) => Some(target),
            Loose::Broken => None,
            Loose::Missing => self.packed(&name),
        }
    }

    fn packed(&self, name: &FullName) -> Option<Target> {
        let packed = self.reader.refs.cached_packed_buffer().ok()??;
        let found = packed.try_find(name.as_ref()).ok()??;
        (found.name == name.as_ref()).then(|| Target::Object(found.target()))
    }
}

/// What there is of a loose ref.
enum Loose {
    /// It points there.
    Is(Target),
    /// It cannot be understood, or would lead out.
    Broken,
    /// There is no file.
    Missing,
}

fn loose(folder: &Path, name: &FullName) -> Loose {
    let mut at = folder.to_owned();
    let mut parts = name.as_bstr().split_str("/").peekable();
    while let Some(part) = parts.next() {
        let Ok(part) = part.to_path() else { return Loose::Missing };
        at.push(part);
        let Ok(found) = fs::symlink_metadata(&at) else { return Loose::Missing };
        let is_last = parts.peek().is_none();
        if found.is_symlink() {
            let to = fs::read_link(&at).ok().filter(|_| is_last);
            let to = to.and_then(|to| FullName::try_from(to.to_str()?).ok());
            let to = to.filter(|to| to.as_bstr().starts_with(b"refs/"));
            return to.map_or(Loose::Broken, |to| Loose::Is(Target::Symbolic(to)));
        }
        if is_last && !found.is_file() || !is_last && !found.is_dir() {
            return Loose::Missing;
        }
    }
    let mut text = Vec::new();
    match File::open(&at).and_then(|file| file.take(LONGEST).read_to_end(&mut text)) {
        Ok(_) => target(&text).map_or(Loose::Broken, Loose::Is),
        Err(_) => Loose::Broken,
    }
}

/// `ref: NAME`, or an id.
fn target(text: &[u8]) -> Option<Target> {
    let line = text.lines().next()?;
    if let Some(name) = line.strip_prefix(b"ref:") {
        return FullName::try_from(name.trim().as_bstr()).ok().map(Target::Symbolic);
    }
    let end = line.find_byteset(b" \t").unwrap_or(line.len());
    ObjectId::from_hex(&line[..end]).ok().map(Target::Object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, call};
    use crate::tools::refs::List;
    use serde_json::json;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_names_an_id_or_a_ref() {
        let id = "1".repeat(40);
        let object = ObjectId::from_hex(id.as_bytes()).ok().map(Target::Object);
        let name = FullName::try_from("refs/heads/a").ok().map(Target::Symbolic);
        assert_eq!(target(format!("{id}\n").as_bytes()), object);
        assert_eq!(target(format!("{id}\t\tbranch 'x'\n").as_bytes()), object, "FETCH_HEAD");
        assert_eq!(target(b"ref: refs/heads/a\n"), name);
        for wrong in ["", "\n", "1111", "ref: ../x\n", "ref: \n"] {
            assert_eq!(target(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn no_link_leads_out_and_one_to_a_ref_stands_for_it() {
        let world = World::new();
        world.write("a", "1\n");
        let id = world.commit("first");
        fs::create_dir(world.path("outside")).expect("a folder");
        for name in ["id", "outside/id"] {
            fs::write(world.path(name), format!("{id}\n")).expect("a file");
        }
        let heads = world.repository().join(".git/refs/heads");
        symlink(world.path("id"), heads.join("leak")).expect("a link");
        symlink(world.path("outside"), heads.join("folder")).expect("a link");
        symlink("refs/heads/main", heads.join("old")).expect("a link");
        let repo = world.open().await.expect("a server");
        for (rev, found) in [
            ("leak", false),
            ("refs/heads/leak", false),
            ("folder/id", false),
            ("old", true),
            ("main", true),
        ] {
            let text = call::<List>(&repo, json!({"rev": rev})).await;
            assert_eq!(text.contains("+ahead -behind of"), found, "{rev}: {text}");
            assert!(!found || !text.contains("leak"), "{text}");
        }
        // As git once wrote it.
        let head = world.repository().join(".git/HEAD");
        fs::remove_file(&head).expect("removed");
        symlink("refs/heads/main", &head).expect("a link");
        let text = call::<List>(&repo, json!({})).await;
        assert!(text.contains("* main "), "{text}");
    }
}
