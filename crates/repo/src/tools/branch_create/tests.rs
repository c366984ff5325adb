//! Branches that `repo_branch_create` creates, and those it does not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use contract::{Place, Server as _, StartError};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Caller, World, call};

fn world() -> World {
    let mut world = World::new();
    world.write("a", "1\n");
    world.commit("first");
    world.write("a", "2\n");
    world.commit("second <img src=x>\u{202e}");
    world.settings["branches"] = json!(["agent/*", "agent/deep/**", "single"]);
    world
}

fn args(name: &str) -> Value {
    json!({"name": name, "rev": "main~1", "reason": "a branch for a test"})
}

/// Everything in a folder but the content of the new branch, with its bytes.
fn state(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.push((path.display().to_string(), Vec::new()));
            all.extend(state(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_branch_is_one_new_file_and_nothing_else() {
    let world = world();
    let git = world.repository().join(".git");
    fs::write(git.join("hooks/reference-transaction"), "#!/bin/sh\ntouch ../ran\n")
        .expect("a hook");
    let (id, before) = (world.git("rev-parse main~1"), state(&git));
    let text = world.call::<BranchCreate>(args("agent/fix")).await;
    assert_eq!(text, format!("created refs/heads/agent/fix on {id}"));
    assert_eq!(world.git("rev-parse refs/heads/agent/fix"), id);
    let after = state(&git);
    let new: Vec<_> = after.iter().filter(|one| !before.contains(one)).collect();
    let names: Vec<&str> = new.iter().map(|(name, _)| name.as_str()).collect();
    let folder = git.join("refs/heads/agent").display().to_string();
    assert_eq!(names, [folder.as_str(), &format!("{folder}/fix")]);
    assert_eq!(after.len(), before.len() + 2);
    assert_eq!(world.git("symbolic-ref HEAD"), "refs/heads/main");
}

#[tokio::test]
async fn only_declared_names_are_created() {
    let mut world = world();
    let repo = world.open().await.expect("a server");
    for name in ["main2", "agent", "agent/a/b", "other/x", "Agent/x"] {
        let text = call::<BranchCreate>(&repo, args(name)).await;
        let expected =
            "is not among those the operator allows; allowed is agent/*, agent/deep/**, single.";
        assert!(text.starts_with("denied: ") && text.ends_with(expected), "{name}: {text}");
    }
    for name in ["agent/-x/..", "-agent/x", "agent/x.lock", "agent/a\nb", "refs/heads/agent/x", ""]
    {
        let text = call::<BranchCreate>(&repo, args(name)).await;
        assert!(text.starts_with("invalid: name: "), "{name:?}: {text}");
    }
    assert_eq!(world.git("for-each-ref --format=%(refname)"), "refs/heads/main");
    let text = call::<BranchCreate>(&repo, args("agent/deep/a/b")).await;
    assert!(text.starts_with("created "), "{text}");
    world.settings["refs"] = json!(["refs/heads/main"]);
    let text = world.call::<BranchCreate>(args("agent/unseen")).await;
    assert!(text.starts_with("denied: "), "{text}");
    world.settings["branches"] = json!([]);
    let text = world.call::<BranchCreate>(args("agent/none")).await;
    assert!(text.ends_with("no branch may be created in this repository."), "{text}");
}

#[tokio::test]
async fn no_existing_ref_is_moved_or_led_through() {
    let world = world();
    for name in ["single", "agent/packed", "agent/deep/a"] {
        world.git(&format!("branch {name}"));
    }
    world.git("pack-refs --all");
    world.git("branch agent/loose");
    world.git("branch agent/deep/x/y");
    world.git("branch agent/Upper");
    world.git("tag agent/tag");
    fs::write(world.repository().join(".git/refs/heads/agent/broken"), "").expect("a file");
    let before = world.git("rev-parse single agent/packed agent/loose agent/Upper");
    let repo = world.open().await.expect("a server");
    for name in [
        "single",
        "agent/packed",
        "agent/loose",
        "agent/upper",
        "agent/deep",
        "agent/deep/a/b",
        "agent/deep/x",
        "agent/deep/x/y/z",
        "agent/tag",
        "agent/broken",
        "agent/deep/A/b",
    ] {
        let text = call::<BranchCreate>(&repo, args(name)).await;
        assert!(text.starts_with("invalid: the branch ") || name == "agent/deep", "{name}: {text}");
        assert!(!text.starts_with("created"), "{name}: {text}");
    }
    assert_eq!(world.git("rev-parse single agent/packed agent/loose agent/Upper"), before);
    // What git leaves behind when it deletes a branch is in nobody's way.
    world.git("branch agent/deep/gone/x");
    world.git("branch -q -D agent/deep/gone/x");
    let _ = fs::create_dir_all(world.repository().join(".git/refs/heads/agent/deep/gone"));
    let text = call::<BranchCreate>(&repo, args("agent/deep/gone")).await;
    assert!(text.starts_with("created "), "{text}");
}

#[tokio::test]
async fn what_is_hidden_is_no_target() {
    let mut world = world();
    world.git("checkout -q -b hidden");
    world.write("a", "3\n");
    let id = world.commit("third");
    world.settings["refs"] = json!(["refs/heads/main", "refs/heads/agent/*"]);
    let repo = world.open().await.expect("a server");
    for rev in ["hidden", "refs/heads/hidden", &id, "HEAD"] {
        let mut args = args("agent/x");
        args["rev"] = rev.into();
        let text = call::<BranchCreate>(&repo, args).await;
        assert!(text.starts_with("not_found: "), "{rev}: {text}");
    }
    let text =
        call::<BranchCreate>(&repo, json!({"name": "agent/x", "rev": "", "reason": "for a test"}));
    assert!(text.await.starts_with("invalid: rev: "));
}

#[tokio::test]
async fn a_lock_of_another_program_is_left_alone() {
    let world = world();
    let folder = world.repository().join(".git/refs/heads/agent");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("x.lock"), "").expect("a file");
    let text = world.call::<BranchCreate>(args("agent/x")).await;
    assert!(text.starts_with("unavailable: the branch `agent/x` is locked"), "{text}");
    assert!(folder.join("x.lock").exists() && !folder.join("x").exists());
}

#[tokio::test]
async fn no_link_is_followed_out() {
    let world = world();
    fs::create_dir(world.path("outside")).expect("a folder");
    let link = world.repository().join(".git/refs/heads/agent");
    std::os::unix::fs::symlink(world.path("outside"), &link).expect("a link");
    let text = world.call::<BranchCreate>(args("agent/x")).await;
    assert!(text.contains("something that is no folder is in its way"), "{text}");
    assert_eq!(fs::read_dir(world.path("outside")).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_at_once_create_it_once() {
    let world = world();
    world.git("pack-refs --all");
    let repo = Arc::new(world.open().await.expect("a server"));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let repo = Arc::clone(&repo);
            tokio::spawn(async move { call::<BranchCreate>(&repo, args("agent/once")).await })
        })
        .collect();
    let mut created = 0;
    for call in calls {
        let text = call.await.expect("no panic");
        created += usize::from(text.starts_with("created "));
        assert!(text.starts_with("created ") || text.contains("it exists"), "{text}");
    }
    assert_eq!(created, 1);
    assert_eq!(
        fs::read_dir(world.repository().join(".git/refs/heads/agent")).expect("one").count(),
        1
    );
}

#[tokio::test]
async fn a_person_is_shown_what_would_be_created() {
    let world = world();
    let repo = world.open().await.expect("a server");
    let ctx = Caller::default().ctx(CONTRACT.size);
    let preview = async |name: &str| {
        let mut args = args(name);
        (args["rev"], args["repo"]) = ("main".into(), "r".into());
        let args = serde_json::from_value(args).expect("arguments");
        BranchCreate::preview(&repo, &ctx, &args).await
    };
    let shown = preview("agent/x").await.expect("a preview").expect("one").to_string();
    let expected = format!(
        "Create a branch in r\nrepository: r\nbranch: refs/heads/agent/x\ncommit: {}\n\
         its subject, as its author wrote it: second",
        world.git("rev-parse main")
    );
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(shown.contains("[U+202E]") && !shown.contains("<img"), "{shown}");
    assert_eq!(preview("main").await.expect_err("no preview").kind, contract::Kind::Denied);
}

#[tokio::test]
async fn only_repositories_with_branches_are_written_to() {
    let world = world();
    let reader = Box::new(|_: &_| Err(StartError::new("no secrets here")));
    let place = Place::new(world.path(""), world.path("state"), reader);
    let settings = |branches: Value| {
        serde_json::from_value(json!({"repositories": {"r": {"path": "r", "branches": branches}}}))
            .expect("settings")
    };
    assert!(Repo::needs(&settings(json!([])), &place).write.is_empty());
    let needs = Repo::needs(&settings(json!(["agent/*"])), &place);
    let heads = world.repository().canonicalize().expect("a path").join(".git/refs/heads");
    assert_eq!(needs.write, [heads]);
}
