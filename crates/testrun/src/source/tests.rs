//! Repositories made by git itself, and trees that it would not make.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::*;
use crate::runner::links;

/// A repository in a temporary folder.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder") };
        world.git(&["init", "-q", "-b", "main"], b"");
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// Runs git, without anybody's configuration; what it prints.
    fn git(&self, args: &[&str], input: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(args)
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git");
        child.stdin.take().expect("a pipe").write_all(input).expect("written");
        let done = child.wait_with_output().expect("git");
        assert!(done.status.success(), "{args:?}");
        String::from_utf8(done.stdout).expect("text").trim().to_owned()
    }

    fn commit(&self) -> String {
        self.git(&["add", "-A"], b"");
        self.git(&["commit", "-q", "-m", "x"], b"");
        self.git(&["rev-parse", "HEAD"], b"")
    }

    fn repository(&self) -> Repository {
        Repository::open(&self.path(".git")).expect("a repository")
    }

    /// Exports a tree; the folder.
    fn export(&self, tree: &ObjectId, most: u64) -> Result<PathBuf, ToolError> {
        let exports = self.path("exports");
        export(&self.repository(), tree, &exports, most, None)?;
        let folder = exports.join(tree.to_string());
        links::make(&folder).map_err(ToolError::internal)?;
        Ok(folder.join(links::TREE))
    }

    /// A tree object as it is given: mode, name, id.
    fn tree(&self, entries: &[(&str, &str, &str)]) -> ObjectId {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend(format!("{mode} {name}\0").into_bytes());
            bytes.extend(ObjectId::from_hex(id.as_bytes()).expect("an id").as_bytes());
        }
        let args = ["hash-object", "-w", "-t", "tree", "--literally", "--stdin"];
        ObjectId::from_hex(self.git(&args, &bytes).as_bytes()).expect("an id")
    }

    fn blob(&self, text: &str) -> String {
        self.git(&["hash-object", "-w", "--stdin"], text.as_bytes())
    }
}

#[test]
fn a_revision_has_many_names() {
    let world = World::new();
    world.write("a", "1");
    let first = world.commit();
    world.git(&["tag", "-a", "v1", "-m", "x"], b"");
    world.write("a", "2");
    let second = world.commit();
    world.git(&["branch", "topic/x"], b"");
    world.git(&["pack-refs", "--all"], b"");
    let repository = world.repository();
    for (name, expected) in [
        ("HEAD", &second),
        ("main", &second),
        ("refs/heads/main", &second),
        ("topic/x", &second),
        ("v1", &first),
        (&first, &first),
        (&first[..10], &first),
        ("HEAD~1", &first),
        ("main^", &first),
        ("v1~0", &first),
    ] {
        let found = repository.resolve(name).expect(name);
        assert_eq!(found.commit.to_string(), *expected, "{name}");
        let tree = world.git(&["rev-parse", &format!("{expected}^{{tree}}")], b"");
        assert_eq!(found.tree.to_string(), tree, "{name}");
    }
    let blob = world.blob("1");
    let zeros = "0".repeat(40);
    for bad in [
        "",
        "nope",
        &first[..6],
        "HEAD~2",
        "HEAD^2",
        "~1",
        "../HEAD",
        "-x",
        "a b",
        &blob,
        &zeros,
        "refs/../HEAD",
        "config",
    ] {
        assert!(repository.resolve(bad).is_err(), "{bad}");
    }
    let short = repository.resolve(&first[..6]).expect_err("a refusal");
    assert!(short.message.contains("at least seven digits"), "{short}");
}

#[test]
fn an_export_is_what_was_committed() {
    let world = World::new();
    world.write("a.txt", "one\n");
    world.write("sub/run.sh", "#!/bin/sh\n");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.path("sub/run.sh"), mode).expect("a mode");
    std::os::unix::fs::symlink("../../etc/passwd", world.path("sub/link")).expect("a link");
    // Neither is followed: attributes that name filters, and a hook.
    world.write(".gitattributes", "*.txt filter=evil text eol=crlf ident\n");
    let evil = format!("touch {}", world.path("evil").display());
    world.write(".git/hooks/post-checkout", &format!("#!/bin/sh\n{evil}\n"));
    let commit = world.commit();
    world.git(&["config", "filter.evil.smudge", &evil], b"");
    world.write("a.txt", "changed");
    world.write("untracked", "x");
    let revision = world.repository().resolve(&commit).expect("a revision");
    let tree = world.export(&revision.tree, 1 << 20).expect("an export");
    assert_eq!(std::fs::read_to_string(tree.join("a.txt")).expect("a file"), "one\n");
    assert_eq!(
        std::fs::read_link(tree.join("sub/link")).expect("a link"),
        Path::new("../../etc/passwd")
    );
    let mode = |path: &str| tree.join(path).metadata().expect("a file").permissions().mode();
    assert_eq!((mode("sub/run.sh") & 0o111, mode("a.txt") & 0o111), (0o111, 0));
    for absent in ["untracked", ".git"] {
        assert!(!tree.join(absent).exists(), "{absent}");
    }
    assert!(!world.path("evil").exists());
    // It is made once.
    let again = world.export(&revision.tree, 1 << 20).expect("an export");
    assert_eq!(again, tree);
    assert_eq!(std::fs::read_dir(world.path("exports")).expect("a folder").count(), 1);
}

#[test]
fn a_tree_that_leads_elsewhere_is_not_exported() {
    let world = World::new();
    let blob = world.blob("evil");
    let to_tmp = world.blob("/tmp");
    let inner = world.tree(&[("100644", "x", &blob)]).to_string();
    let missing = "1".repeat(40);
    let attacks: &[&[(&str, &str, &str)]] = &[
        &[("100644", "..", &blob)],
        &[("100644", "a/b", &blob)],
        &[("100644", "/etc/x", &blob)],
        &[("40000", "..", &inner)],
        &[("40000", ".", &inner)],
        &[("40000", ".git", &inner)],
        &[("40000", ".GIT", &inner)],
        &[("100644", "a", &blob), ("100644", "a", &blob)],
        &[("120000", "a", &to_tmp), ("40000", "a", &inner)],
        &[("40000", "a", &inner), ("120000", "a", &to_tmp)],
        &[("120000", "a", &to_tmp), ("100644", "a", &blob)],
        &[("020000", "a", &blob)],
        &[("100644", "a", &missing)],
        &[("40000", "a", &blob)],
        &[("120000", "a", &inner)],
    ];
    for attack in attacks {
        let tree = world.tree(attack);
        assert!(world.export(&tree, 1 << 20).is_err(), "{attack:?}");
        assert!(!world.path("exports/x").exists() && !Path::new("/tmp/x").exists());
    }
    // A folder in itself without end would need a hash of itself; many in each other do not.
    let mut deep = inner;
    for _ in 0..200 {
        deep = world.tree(&[("40000", "d", &deep)]).to_string();
    }
    let deep = ObjectId::from_hex(deep.as_bytes()).expect("an id");
    assert!(world.export(&deep, 1 << 20).is_err());
    // What grows by being named again and again meets the bound.
    let big = world.blob(&"x".repeat(10_000));
    let mut bomb = world.tree(&[("100644", "f", &big)]).to_string();
    for _ in 0..8 {
        let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
        let entries: Vec<(&str, &str, &str)> =
            names.iter().map(|name| ("40000", name.as_str(), bomb.as_str())).collect();
        bomb = world.tree(&entries).to_string();
    }
    let bomb = ObjectId::from_hex(bomb.as_bytes()).expect("an id");
    let error = world.export(&bomb, 1 << 20).expect_err("a bound");
    assert_eq!(error.kind, contract::Kind::TooLarge);
    let left = std::fs::read_dir(world.path("exports")).expect("a folder").flatten();
    let left: Vec<_> =
        left.map(|entry| entry.path()).filter(|path| !path.join(links::LIST).exists()).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "nothing half-done is left");
}

#[test]
fn a_submodule_is_an_empty_folder() {
    let world = World::new();
    let commit = "2".repeat(40);
    let tree = world.tree(&[("160000", "module", &commit)]);
    let folder = world.export(&tree, 1 << 20).expect("an export");
    assert_eq!(std::fs::read_dir(folder.join("module")).expect("a folder").count(), 0);
}

#[test]
fn the_working_tree_is_told_by_what_differs() {
    let world = World::new();
    let of =
        |world: &World| working_tree(&world.repository(), world.folder.path()).expect("a source");
    assert_eq!(of(&world), Source::default(), "nothing is committed yet");
    world.write("a", "1");
    world.write("sub/b", "2");
    world.write("c", "3");
    let commit = world.commit();
    let clean = of(&world);
    assert_eq!((clean.commit.as_deref(), clean.changes.as_deref()), (Some(&*commit), Some("")));
    world.write("untracked", "x");
    assert_eq!(of(&world), clean);
    // The same size, and as new as git's own look.
    world.write("a", "9");
    let changed = of(&world);
    assert_eq!(changed.changed, 1);
    assert!(changed.changes.as_ref().is_some_and(|changes| changes.len() == 64), "{changed:?}");
    world.write("a", "1");
    assert_eq!(of(&world), clean, "it is as it was");
    world.write("a", "9");
    assert_eq!(of(&world), changed, "the same change is the same source");
    world.git(&["add", "a"], b"");
    assert_eq!(of(&world), changed, "staged or not");
    std::fs::remove_file(world.path("sub/b")).expect("removed");
    assert_eq!(of(&world).changed, 2);
    world.git(&["rm", "-q", "--cached", "sub/b", "c"], b"");
    assert_eq!(of(&world).changed, 3);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.path("a"), mode).expect("a mode");
    assert_ne!(of(&world).changes, changed.changes);
}

#[test]
fn a_linked_working_tree_is_one_of_its_own() {
    let world = World::new();
    world.write("a", "1");
    let first = world.commit();
    world.git(&["tag", "v1"], b"");
    world.write("a", "2");
    let second = world.commit();
    let beside = tempfile::tempdir().expect("a folder");
    let side = beside.path().join("side");
    world.git(&["worktree", "add", "-q", side.to_str().expect("text"), "v1"], b"");
    for git in [side.join(".git"), world.path(".git/worktrees/side")] {
        let repository = Repository::open(&git).expect("a repository");
        for (name, expected) in [("HEAD", &first), ("main", &second), ("v1", &first)] {
            let found = repository.resolve(name).expect(name);
            assert_eq!(found.commit.to_string(), *expected, "{name} by {}", git.display());
        }
        let source = working_tree(&repository, &side).expect("a source");
        assert_eq!((source.commit.as_ref(), source.changed), (Some(&first), 0), "{source:?}");
    }
    assert_eq!(of_tree(&world.path(".git"), &side), side.join(".git"));
    assert_eq!(of_tree(&world.path(".git"), world.folder.path()), world.path(".git"));
    assert_eq!(of_tree(&beside.path().join("other"), &side), beside.path().join("other"));
    std::fs::write(side.join("a"), "3").expect("written");
    let repository = Repository::open(&side.join(".git")).expect("a repository");
    assert_eq!(working_tree(&repository, &side).expect("a source").changed, 1);
    // A file that says nothing is no repository.
    for text in ["", "gitdir: ", "gitdir: /no/such/folder", "x"] {
        std::fs::write(side.join(".git"), text).expect("written");
        assert!(Repository::open(&side.join(".git")).is_err(), "{text}");
    }
}
