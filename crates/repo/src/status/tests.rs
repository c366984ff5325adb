//! What `repo_status` tells, against `git status` and by itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;

use crate::testing::{World, call};
use crate::tools::status::Of;

/// The lines of the answer, and its trailer.
async fn told(world: &World) -> (Vec<String>, String) {
    let text = world.call::<Of>(json!({})).await;
    let (lines, trailer) = text.rsplit_once('\n').unwrap_or(("", &text));
    (lines.lines().skip(1).map(str::to_owned).collect(), trailer.to_owned())
}

/// That the answer is what git says.
async fn same(world: &World) -> String {
    let index = fs::read(world.repository().join(".git/index")).ok();
    let (lines, trailer) = told(world).await;
    assert_eq!(fs::read(world.repository().join(".git/index")).ok(), index, "nothing is written");
    let expected = world.git("status --porcelain=v1 --branch");
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(lines, expected);
    trailer
}

/// A repository with some files.
fn small() -> World {
    let world = World::new();
    for path in ["a", "b", "c", "src/d", "src/deep/e", "tools/run"] {
        world.write(path, format!("{path}\n").repeat(20));
    }
    world.commit("one");
    world
}

#[tokio::test]
async fn every_kind_of_change_is_told_as_git_tells_it() {
    let world = small();
    assert_eq!(same(&world).await, "clean");
    let top = world.repository();
    // Not staged.
    world.write("a", "changed\n");
    fs::remove_file(top.join("b")).expect("removed");
    fs::set_permissions(top.join("tools/run"), fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::remove_file(top.join("c")).expect("removed");
    symlink("a", top.join("c")).expect("a link");
    // Not tracked.
    world.write("new", "x");
    world.write("src/new", "x");
    world.write("folder/x/y", "x");
    world.write("folder/z", "x");
    fs::create_dir_all(top.join("empty/folder")).expect("a folder");
    symlink("/etc", top.join("outside")).expect("a link");
    assert_eq!(same(&world).await, "4 unstaged; 4 untracked");
    // Staged: a new file, a change, a rename with a change, a deletion, a name only.
    world.write("added", "x\n");
    world.git("add added a new");
    world.write("a", "changed again\n");
    world.git("mv src/d src/moved");
    world.write("src/moved", format!("{}more\n", "src/d\n".repeat(20)));
    world.git("rm -q --cached src/deep/e");
    world.git("add -N folder/z");
    same(&world).await;
    world.git("add src/moved");
    let trailer = same(&world).await;
    assert_eq!(trailer, "5 staged; 5 unstaged; 4 untracked");
}

#[tokio::test]
async fn folders_and_files_may_take_each_others_place() {
    let world = small();
    let top = world.repository();
    fs::remove_file(top.join("a")).expect("removed");
    world.write("a/inside", "x");
    fs::remove_dir_all(top.join("src")).expect("removed");
    world.write("src", "a file");
    fs::remove_dir_all(top.join("tools")).expect("removed");
    symlink("/usr", top.join("tools")).expect("a link");
    same(&world).await;
    world.git("add -A");
    same(&world).await;
}

#[tokio::test]
async fn what_is_ignored_is_not_told() {
    let world = small();
    world.write(".gitignore", "*.o\n/build/\n!keep.o\ntarget\n# no\n\\#odd\n**/cache/*.tmp\n");
    world.write("src/.gitignore", "!x.o\nlocal\n");
    world.write(".git/info/exclude", "excluded\n");
    for path in [
        "x.o",
        "keep.o",
        "src/x.o",
        "src/deep/y.o",
        "build/z",
        "src/build/z",
        "target/a",
        "#odd",
        "src/local/a",
        "local",
        "excluded",
        "all/a.o",
        "all/b.o",
        "some/a.o",
        "some/b.c",
        "src/cache/a.tmp",
        "src/cache/b",
        "cache/deep/a.tmp",
    ] {
        world.write(path, "x");
    }
    same(&world).await;
    // A tracked file in an ignored folder is still compared; its neighbours are not told of.
    world.git("add -f build/z target/a");
    world.git("commit -q -m two");
    world.write("build/z", "changed");
    world.write("build/other", "x");
    same(&world).await;
}

#[tokio::test]
async fn conflicts_and_operations_are_told() {
    let world = small();
    world.git("checkout -q -b side");
    world.write("a", "side\n");
    world.write("both", "side\n");
    world.git("rm -q b");
    world.write("c", "side\n");
    world.commit("side");
    world.git("checkout -q main");
    world.write("a", "main\n");
    world.write("both", "main\n");
    world.write("b", "main\n");
    world.git("rm -q c");
    world.commit("main");
    let merged = std::process::Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@x", "merge", "-q", "side"])
        .current_dir(world.repository())
        .output()
        .expect("git");
    assert!(!merged.status.success());
    assert_eq!(same(&world).await, "4 conflicted; merge in progress");
    for (file, operation) in [
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("BISECT_LOG", "bisect"),
        ("rebase-merge", "rebase"),
    ] {
        let _ = fs::remove_file(world.repository().join(".git/MERGE_HEAD"));
        let file = world.repository().join(".git").join(file);
        fs::write(&file, "x").expect("a file");
        assert_eq!(told(&world).await.1, format!("4 conflicted; {operation} in progress"));
        fs::remove_file(&file).expect("removed");
    }
}

#[tokio::test]
async fn what_is_checked_out_is_told() {
    let world = World::new();
    assert_eq!(same(&world).await, "clean");
    world.write("a", "x");
    world.git("add a");
    assert_eq!(same(&world).await, "1 staged");
    let id = world.commit("one");
    world.git("checkout -q -b topic/x");
    same(&world).await;
    world.write("a", "y");
    world.git("stash -q");
    assert_eq!(told(&world).await.1, "clean; 1 stash");
    world.git(&format!("checkout -q {id}"));
    let (lines, _) = told(&world).await;
    assert_eq!(lines, [format!("## HEAD (no branch) at {}", &id[..7])]);
}

#[tokio::test]
async fn sparse_split_and_sha256_repositories_are_understood() {
    let world = small();
    world.git("sparse-checkout set --cone --sparse-index src");
    world.write("src/new", "x");
    assert_eq!(same(&world).await, "1 untracked; 1 not checked out (sparse)");
    world.git("sparse-checkout disable");
    world.git("update-index --split-index");
    world.write("a", "changed");
    world.git("add a");
    world.write("b", "changed");
    same(&world).await;
    let mut world = World::new();
    fs::create_dir(world.path("s")).expect("a folder");
    world.settings["path"] = "s".into();
    world.git("init -q -b main --object-format=sha256");
    world.write("a", "x");
    world.commit("one");
    world.write("a", "y");
    world.write("b", "y");
    same(&world).await;
}

#[tokio::test]
async fn a_file_that_was_only_touched_has_not_changed() {
    let world = small();
    world.write("a", "a\n".repeat(20));
    world.write("crlf", "one\ntwo\n");
    world.commit("two");
    world.git("config core.autocrlf true");
    world.write("crlf", "one\r\ntwo\r\n");
    world.git("add crlf");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for path in ["a", "crlf", "src/d"] {
        let file = fs::File::options().write(true).open(world.repository().join(path));
        file.expect("a file").set_modified(old).expect("a time");
    }
    assert_eq!(told(&world).await.1, "clean");
    // The same size, and a change that only the content shows.
    world.write("a", "b\n".repeat(20));
    assert_eq!(told(&world).await.0[1..], [" M a"]);
}

#[tokio::test]
async fn a_file_of_git_lfs_is_as_its_pointer_says() {
    let world = World::new();
    let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 1\n");
    world.write("big", pointer);
    world.commit("one");
    // As after a checkout by git-lfs, which leaves the size of the file in the index.
    world.git("update-index --force-remove big");
    let blob = world.git("rev-parse HEAD:big");
    world.git(&format!("update-index --add --cacheinfo 100644,{blob},big"));
    world.write("big", "x");
    assert_eq!(told(&world).await.1, "clean");
    world.write("big", "y");
    assert_eq!(told(&world).await.0[1..], [" M big"]);
}

#[tokio::test]
async fn hidden_paths_are_counted_only() {
    let mut world = small();
    world.write("x.pem", "x");
    world.commit("two");
    world.settings["hidden"] = json!(["**/*.pem", "secret/**"]);
    world.write("x.pem", "changed");
    world.write("y.pem", "x");
    world.write("secret/z", "x");
    world.write("keys/a.pem", "x");
    world.write("mixed/a.pem", "x");
    world.write("mixed/b", "x");
    world.write("b", "changed");
    world.git("mv a secret-a");
    let (lines, trailer) = told(&world).await;
    assert_eq!(lines, ["## main", " M b", "R  a -> secret-a", "?? mixed/"]);
    assert_eq!(trailer, "1 staged; 1 unstaged; 1 untracked; 4 hidden");
    world.git("mv secret-a z.pem");
    let (lines, trailer) = told(&world).await;
    assert_eq!(lines, ["## main", " M b", "?? mixed/"]);
    assert!(trailer.ends_with("; 5 hidden"), "{trailer}");
}

#[tokio::test]
async fn nothing_outside_is_read_and_nothing_run() {
    let world = small();
    let outside = world.path("outside");
    fs::create_dir(&outside).expect("a folder");
    fs::write(outside.join("rules"), "seen*\n").expect("a file");
    fs::write(outside.join("config"), "[core]\n\tfileMode = false\n").expect("a file");
    fs::write(outside.join("other"), "x").expect("a file");
    let proof = world.path("ran");
    let program = format!("touch {}", proof.display());
    let at = |name: &str| outside.join(name).display().to_string();
    for (key, value) in [
        ("core.excludesFile", at("rules")),
        ("core.attributesFile", at("rules")),
        ("include.path", at("config")),
        ("core.fsmonitor", program.clone()),
        ("core.hooksPath", at("")),
        ("filter.f.clean", program.clone()),
        ("filter.f.smudge", program.clone()),
        ("filter.f.process", program.clone()),
        ("core.worktree", outside.display().to_string()),
    ] {
        world.git_of(&["config", key, &value]);
    }
    fs::write(world.repository().join(".gitattributes"), "* filter=f diff=f\n").expect("a file");
    symlink(outside.join("rules"), world.repository().join(".gitignore")).expect("a link");
    symlink(outside.join("config"), world.repository().join(".gitmodules")).expect("a link");
    symlink(&outside, world.repository().join("way")).expect("a link");
    fs::write(world.repository().join("seen"), "x").expect("a file");
    fs::write(world.repository().join("a"), "a\n".repeat(19) + "b\n").expect("a file");
    let run = world.repository().join("tools/run");
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).expect("a mode");
    let (lines, _) = told(&world).await;
    let expected = [
        "## main",
        " M a",
        " M tools/run",
        "?? .gitattributes",
        "?? .gitignore",
        "?? .gitmodules",
        "?? seen",
        "?? way",
    ];
    assert_eq!(lines, expected);
    assert!(!proof.exists());
}

#[tokio::test]
async fn odd_files_are_no_obstacle() {
    let world = small();
    let top = world.repository();
    let fifo = std::process::Command::new("mkfifo").arg(top.join("pipe")).status();
    assert!(fifo.expect("mkfifo").success());
    world.write("new\nline", "x");
    world.write("-rf", "x");
    fs::create_dir(top.join("inner")).expect("a folder");
    crate::testing::git(&top.join("inner"), &["init", "-q"]);
    fs::write(top.join("inner/x"), "x").expect("a file");
    let (lines, _) = told(&world).await;
    assert_eq!(lines, ["## main", "?? -rf", "?? inner/", "?? \"new\\nline\""]);
    // An index that is a link, or nonsense.
    fs::rename(top.join(".git/index"), world.path("index")).expect("moved");
    symlink(world.path("index"), top.join(".git/index")).expect("a link");
    let text = world.call::<Of>(json!({})).await;
    assert!(text.starts_with("unavailable: the index cannot be read"), "{text}");
    fs::remove_file(top.join(".git/index")).expect("removed");
    fs::write(top.join(".git/index"), b"DIRC\0\0\0\x02\xff\xff\xff\xff").expect("a file");
    let text = world.call::<Of>(json!({})).await;
    assert!(text.starts_with("unavailable: the index cannot be read"), "{text}");
}

#[tokio::test]
async fn a_bare_repository_has_no_working_tree() {
    let mut world = small();
    world.git("clone -q --bare . ../bare");
    world.settings["path"] = "bare".into();
    let text = world.call::<Of>(json!({})).await;
    assert!(text.starts_with("invalid: the repository is bare"), "{text}");
}

#[tokio::test]
async fn of_very_many_changes_the_first_are_shown() {
    let world = small();
    for number in 0..1_000 {
        world.write(&format!("new {number:04}"), "x");
    }
    let repo = world.open().await.expect("a server");
    let text = call::<Of>(&repo, json!({})).await;
    assert!(text.len() < 5_000 && text.contains("1000 untracked; shown 1-"), "{text}");
}
