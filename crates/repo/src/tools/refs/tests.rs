//! Refs as `repo_refs` lists them, beside those git names.

use std::fs;

use contract::Size;
use serde_json::json;

use super::*;
use crate::testing::{Caller, World, call};

/// Two branches, two tags, a remote and a note.
fn world() -> World {
    let world = World::new();
    world.write("a", "1\n");
    world.commit("first");
    world.git("tag v1");
    world.git("checkout -q -b topic/one");
    world.write("a", "2\n");
    world.commit("second");
    world.git("checkout -q main");
    world.write("b", "3\n");
    world.commit("third");
    world.git("tag -a -m release v2");
    world.git("update-ref refs/remotes/origin/main main~1");
    world.git("symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main");
    world.git("notes add -m note");
    world
}

#[tokio::test]
async fn refs_come_by_family_and_date() {
    let world = world();
    let short = |name: &str| world.git(&format!("rev-parse --short=7 {name}"));
    let (first, second, third) = (short("main~1"), short("topic/one"), short("main"));
    let notes = short("refs/notes/commits");
    let text = world.call::<List>(json!({})).await;
    let expected = format!(
        "<repo://r/>\nbranches:\n* main {third} 2023-11-16 third\n\
         topic/one {second} 2023-11-15 second\ntags:\nv2 {third} 2023-11-16 third\n\
         v1 {first} 2023-11-14 first\nremotes:\norigin/HEAD -> remotes/origin/main {first} \
         2023-11-14 first\norigin/main {first} 2023-11-14 first\nothers:\nnotes/commits {notes}"
    );
    assert!(text.starts_with(&expected), "{text}\n{expected}");
    assert!(text.ends_with("\nrefs 1-7 of 7"), "{text}");
}

#[tokio::test]
async fn refs_are_compared_with_a_revision() {
    let world = world();
    let (first, main) = (world.git("rev-parse main~1"), world.git("rev-parse main"));
    let repo = world.open().await.expect("a server");
    let text = call::<List>(&repo, json!({"rev": "main", "glob": "topic/*"})).await;
    assert!(text.contains(&format!(" second [+1 -1] merge base {}\n", &first[..7])), "{text}");
    assert!(text.ends_with(&format!("refs 1-1 of 1; +ahead -behind of {}", &main[..7])), "{text}");
    let text = call::<List>(&repo, json!({"rev": "main", "glob": "v*"})).await;
    assert!(text.contains("third [+0 -0]\n") && text.contains("first [+0 -1]\n"), "{text}");
    assert!(!text.contains("merge base"), "{text}");
    world.git("checkout -q --orphan lone");
    world.commit("lone");
    let text = call::<List>(&repo, json!({"rev": "main", "glob": "lone"})).await;
    assert!(text.contains("[+1 -2] no merge base\n"), "{text}");
}

#[tokio::test]
async fn a_glob_is_of_short_or_full_names() {
    let world = world();
    let repo = world.open().await.expect("a server");
    for (glob, count) in [
        ("main", 1),
        ("*", 3),
        ("**", 7),
        ("topic/*", 1),
        ("refs/tags/*", 2),
        ("tags/v1", 1),
        ("heads/*", 1),
        ("origin/*", 2),
        ("v[12]", 2),
        ("", 7),
    ] {
        let text = call::<List>(&repo, json!({"glob": glob})).await;
        assert!(text.ends_with(&format!("refs 1-{count} of {count}")), "{glob}: {text}");
    }
    let text = call::<List>(&repo, json!({"glob": "x*"})).await;
    assert!(text.starts_with("no refs; "), "{text}");
    let text = call::<List>(&repo, json!({"glob": "{"})).await;
    assert!(text.starts_with("invalid: glob: "), "{text}");
}

#[tokio::test]
async fn hidden_refs_are_counted_alike_whatever_is_asked() {
    let mut world = world();
    world.settings["refs"] = json!(["refs/heads/main", "refs/remotes/origin/HEAD"]);
    let repo = world.open().await.expect("a server");
    let text = call::<List>(&repo, json!({})).await;
    assert!(text.ends_with("refs 1-1 of 1; 6 hidden"), "{text}");
    for name in ["topic", "v1", "origin", "notes"] {
        assert!(!text.contains(name), "{text}");
    }
    for glob in ["topic/*", "nothing", "v1"] {
        let text = call::<List>(&repo, json!({"glob": glob})).await;
        assert_eq!(
            text,
            "no refs; a glob is matched like `release/*` or `refs/tags/v1.*`; 6 hidden"
        );
    }
    let text = call::<List>(&repo, json!({"rev": "topic/one"})).await;
    assert!(text.starts_with("not_found: no revision topic/one"), "{text}");
}

#[tokio::test]
async fn a_head_that_no_branch_is_marked_with_is_told() {
    let world = World::new();
    let repo = world.open().await.expect("a server");
    let text = call::<List>(&repo, json!({})).await;
    assert!(text.contains("HEAD -> refs/heads/main (no commit yet)"), "{text}");
    world.write("a", "1\n");
    let id = world.commit("first");
    world.git("checkout -q --detach");
    let text = call::<List>(&repo, json!({})).await;
    assert!(text.contains(&format!("HEAD (detached) {} 2023-11-14 first\n", &id[..7])), "{text}");
    assert!(!text.contains("* "), "{text}");
}

#[tokio::test]
async fn broken_refs_are_counted_and_odd_ones_shown() {
    let world = world();
    let git = world.repository().join(".git");
    fs::write(git.join("refs/heads/empty"), "").expect("a file");
    fs::write(git.join("refs/heads/garbage"), "no id\n").expect("a file");
    fs::write(git.join("refs/heads/loop"), "ref: refs/heads/loop\n").expect("a file");
    fs::write(git.join("refs/heads/dangling"), "ref: refs/heads/gone\n").expect("a file");
    let gone = "1".repeat(40);
    fs::write(git.join("refs/heads/missing"), format!("{gone}\n")).expect("a file");
    let blob = world.git("rev-parse main:a");
    world.git_of(&["update-ref", "refs/tags/blob", &blob]);
    let text = world.call::<List>(json!({})).await;
    assert!(text.contains("\nmissing 1111111 (no commit)\n"), "{text}");
    assert!(text.contains(&format!("\nblob {} (no commit)\n", &blob[..7])), "{text}");
    assert!(text.ends_with("refs 1-9 of 9; 4 broken"), "{text}");
}

#[tokio::test]
async fn a_hundred_thousand_refs_are_paged_by_name() {
    let world = world();
    let (id, packed) = (world.git("rev-parse main"), world.repository().join(".git/packed-refs"));
    let names = (0..100_000).map(|n| format!("{id} refs/heads/bulk/{n:06}\n"));
    let text =
        "# pack-refs with: peeled fully-peeled sorted \n".to_owned() + &names.collect::<String>();
    fs::write(packed, text).expect("a file");
    let repo = world.open().await.expect("a server");
    let text = call::<List>(&repo, json!({"rev": "main"})).await;
    assert!(text.len() < Size::tokens(2_000).bytes(), "{}", text.len());
    assert!(text.contains("branches:\nbulk/000000 "), "{text}");
    assert!(text.contains("of 100007, by name: too many to open all; +ahead"), "{text}");
    let mut seen = 0;
    let mut cursor = json!({"from": 99_990}).to_string();
    while !cursor.is_empty() {
        let text = call::<List>(&repo, json!({"cursor": cursor})).await;
        seen += text.lines().filter(|line| line.contains(" 2023-")).count();
        cursor = text.split_once("cursor=").map_or("", |(_, cursor)| cursor).to_owned();
    }
    assert_eq!(seen + usize::from(world.git("rev-parse refs/notes/commits").is_empty()), 16);
}

#[tokio::test]
async fn pages_follow_each_other_within_the_room() {
    let world = World::new();
    world.write("a", "1\n");
    world.commit(&"a long subject ".repeat(20));
    for number in 0..60 {
        world.git(&format!("branch branch-with-a-rather-long-name-{number:02}"));
    }
    let repo = world.open().await.expect("a server");
    let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let caller = Caller { size: Some(Size::tokens(900)), ..Caller::default() };
        let text = caller.call::<List>(&repo, json!({"cursor": cursor})).await.expect("refs");
        assert!(text.len() < Size::tokens(900).bytes(), "{}", text.len());
        assert!(text.starts_with("<repo://r/>\nbranches:\n"), "{text}");
        let names = text.lines().filter(|line| line.contains(" 2023-"));
        for name in names {
            assert!(seen.insert(name.to_owned()), "{name} twice");
        }
        match text.split_once("cursor=") {
            Some((_, next)) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 61);
}
