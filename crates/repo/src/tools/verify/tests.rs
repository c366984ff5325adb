//! Questions to `repo_verify`, answered about repositories made by git.

use serde_json::json;

use super::*;
use crate::testing::{World, call};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The line that answers a question.
fn answered(text: &str, start: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no `{start}` in {text}")).to_owned()
}

#[tokio::test]
async fn the_commit_is_told_with_its_full_id() {
    let world = World::new();
    world.write("a", "1\n");
    let id = world.commit("Subject <b>\n\nbody");
    let text = world.call::<Verify>(json!({"rev": "main"})).await;
    let expected = format!(
        "<repo://r/{id}>\ncommit {id}\nauthor Ada Example <ada@example.org> 2023-11-14 22:13 +0000\n\
         committer Ada Example <ada@example.org> 2023-11-14 22:13 +0000\nSubject"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.ends_with("\nsignature: none"), "{text}");
}

#[tokio::test]
async fn ancestry_is_proved_by_parents() {
    let world = World::new();
    world.write("a", "1\n");
    world.commit("first");
    world.git("branch side");
    world.write("a", "2\n");
    world.commit("second");
    world.git("checkout -q side");
    world.write("b", "3\n");
    world.commit("third");
    let repo = world.open().await.expect("a server");
    for (rev, of, expected) in [
        ("main~1", "main", "yes; parents lead"),
        ("main", "main", "yes; it is the same commit"),
        ("main", "main~1", "no; no parents lead"),
        ("side", "main", "no; no parents lead"),
        ("side~1", "main", "yes; "),
    ] {
        let text = call::<Verify>(&repo, json!({"rev": rev, "ancestor_of": of})).await;
        let line = answered(&text, &format!("ancestor of {of} ("));
        assert!(line.contains(&format!("): {expected}")), "{rev} of {of}: {line}");
    }
    let text = call::<Verify>(&repo, json!({"rev": "main", "ancestor_of": "nowhere"})).await;
    assert!(text.starts_with("not_found: no revision nowhere"), "{text}");
}

#[tokio::test]
async fn in_a_shallow_clone_what_is_not_seen_is_unknown() {
    let world = World::new();
    for number in 0..3 {
        world.write("a", format!("{number}\n"));
        world.commit("more");
    }
    world.git("branch early main~2");
    let from = format!("file://{}", world.repository().display());
    let into = world.path("shallow").display().to_string();
    world.git_of(&["clone", "-q", "--no-single-branch", "--depth", "1", &from, &into]);
    let shallow = World::around(&world.path("shallow"));
    let repo = shallow.open().await.expect("a server");
    let args = json!({"rev": "origin/early", "ancestor_of": "main", "only": "a"});
    let text = call::<Verify>(&repo, args).await;
    assert!(answered(&text, "ancestor of").contains("unknown: the clone is shallow"), "{text}");
    let text = call::<Verify>(&repo, json!({"rev": "main", "only": "a"})).await;
    assert!(answered(&text, "only a").starts_with("only a: unknown: its parent "), "{text}");
}

#[tokio::test]
async fn only_some_paths_are_touched_or_not() {
    let mut world = World::new();
    world.write("docs/a.md", "1\n");
    world.write("src/[id]/b.rs", "1\n");
    world.commit("first");
    world.write("docs/a.md", "2\n");
    world.write("docs/deep/c.md", "2\n");
    world.commit("docs");
    world.git("mv docs/a.md src/a.md");
    world.commit("moved");
    world.write("docs/key.pem", "x\n");
    world.commit("key");
    world.settings["hidden"] = json!(["**/*.pem"]);
    let repo = world.open().await.expect("a server");
    for (rev, only, expected) in [
        ("main~2", "docs", "yes; 2 paths, compared with its parent "),
        ("main~2", "docs/", "yes; 2 paths"),
        ("main~2", "docs/**", "yes; 2 paths"),
        ("main~2", "doc", "no; of 2 paths, 2 outside"),
        ("main~2", "docs/*", "no; of 2 paths, 1 outside"),
        ("main~2", ".", "yes; 2 paths"),
        ("main~1", "src", "no; of 2 paths, 1 outside"),
        ("main~1", "docs", "no; of 2 paths, 1 outside"),
        ("main~3", "docs", "no; of 2 paths, 1 outside, as a first commit"),
        ("main~3", "{docs,src}/**", "yes; 2 paths, as a first commit"),
        ("main~3", "\"src/[id]\"", "no; of 2 paths, 1 outside"),
        ("main", "docs", "no; of 1 path, 1 hidden"),
        ("main", ".", "no; of 1 path, 1 hidden"),
    ] {
        let text = call::<Verify>(&repo, json!({"rev": rev, "only": only})).await;
        let line = answered(&text, "only ");
        assert!(line.contains(&format!(": {expected}")), "{rev} {only}: {line}");
        assert!(!text.contains("pem"), "{text}");
    }
    let text = call::<Verify>(&repo, json!({"rev": "main~1", "only": "src"})).await;
    assert!(text.contains("\ndocs/a.md\npaths outside 1-1 of 1; "), "{text}");
    let text = call::<Verify>(&repo, json!({"rev": "main", "only": "{"})).await;
    assert!(text.starts_with("invalid: only: "), "{text}");
}

#[tokio::test]
async fn a_merge_is_compared_with_its_first_parent_and_the_others_are_told() {
    let world = World::new();
    world.write("src/a", "1\n");
    world.commit("first");
    world.git("checkout -q -b side");
    world.write("docs/b", "1\n");
    world.commit("side");
    world.git("checkout -q main");
    world.write("src/a", "2\n");
    world.commit("main");
    world.git("merge -q --no-edit side");
    let text = world.call::<Verify>(json!({"rev": "main", "only": "docs"})).await;
    let (first, second) = (world.git("rev-parse main^1"), world.git("rev-parse main^2"));
    let expected = format!(
        "only docs: yes; 1 path, compared with its parent {}; it is a merge: with {}, 1 outside",
        &first[..7],
        &second[..7]
    );
    assert_eq!(answered(&text, "only"), expected);
}

#[tokio::test]
async fn the_hash_of_a_file_is_of_its_bytes() {
    let mut world = World::new();
    let oid = "a".repeat(64);
    world.write("empty", "");
    world.write("binary", b"\0\xff\n");
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 99\n");
    world.write("large.bin", &pointer);
    world.write("secret.pem", "");
    std::os::unix::fs::symlink("empty", world.repository().join("link")).expect("a link");
    world.commit("files");
    world.settings["hidden"] = json!(["*.pem"]);
    let repo = world.open().await.expect("a server");
    let blob = world.git("rev-parse main:empty");
    let evidence = format!("sha256 {EMPTY}, blob {blob}, 0 bytes");
    let ask = async |file: &str, sha256: &str| {
        let args = json!({"rev": "main", "file": file, "sha256": sha256});
        let line = answered(&call::<Verify>(&repo, args).await, "file ");
        line.split_once(": ").expect("an answer").1.to_owned()
    };
    assert_eq!(ask("empty", EMPTY).await, format!("yes; {evidence}"));
    assert_eq!(ask("empty", &EMPTY.to_uppercase()).await, format!("yes; {evidence}"));
    assert_eq!(ask("empty", &oid).await, format!("no; {evidence}"));
    assert_eq!(ask("empty", "").await, evidence);
    assert!(ask("binary", EMPTY).await.starts_with("no; sha256 "));
    assert!(ask("link", EMPTY).await.contains("a symbolic link: the hash is of where it leads"));
    let of_pointer = contract::text::hex(&Sha256::digest(pointer.as_bytes()));
    assert!(ask("large.bin", &of_pointer).await.starts_with(&format!("yes; sha256 {of_pointer}")));
    let named = ask("large.bin", &oid).await;
    assert!(named.starts_with("yes; by the pointer: ") && named.contains("not here"), "{named}");
    let (gone, hidden) = (ask("gone.pem", EMPTY).await, ask("secret.pem", EMPTY).await);
    assert_eq!(gone.replace("gone", "secret"), hidden);
    assert!(hidden.starts_with("no; no path "), "{hidden}");
    for (args, expected) in [
        (json!({"rev": "main", "sha256": EMPTY}), "invalid: sha256: name the `file`"),
        (json!({"rev": "main", "file": "a", "sha256": "abc"}), "invalid: sha256: 64 hex"),
        (json!({"rev": ""}), "invalid: rev: name the commit"),
        (json!({"rev": "main", "file": "../x"}), "invalid: path: "),
    ] {
        let text = call::<Verify>(&repo, args).await;
        assert!(text.starts_with(expected), "{text}");
    }
}
