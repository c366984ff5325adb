//! What `repo_list` shows, against `git ls-tree` and by itself.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{List, human};
use crate::testing::{World, call};
use crate::view::MOST_ENTRIES;

async fn check(world: &World, path: &str, expected: &str) {
    let text = world.call::<List>(json!({ "path": path })).await;
    assert_eq!(text, expected, "{path}");
}

#[tokio::test]
async fn every_kind_of_entry_is_told_apart() {
    let world = World::new();
    world.write("README.md", "x".repeat(3_300));
    world.write("src/main.rs", "fn main() {}\n");
    world.write("run.sh", "#!/bin/sh\n");
    world.git("update-index --add --chmod=+x run.sh");
    std::os::unix::fs::symlink("../outside", world.repository().join("link")).expect("a link");
    let inner = "1111111111111111111111111111111111111111";
    world.git(&format!("update-index --add --cacheinfo 160000,{inner},sub"));
    world.git("add README.md src link");
    world.git("commit -q -m one");
    let expected = "<repo://r/HEAD>\nREADME.md  3.2 KB\nlink -> ../outside\n\
        run.sh  10 B, executable\nsrc/\nsub @1111111 (submodule)\n5 entries";
    check(&world, "", expected).await;
    check(&world, ".", expected).await;
    check(&world, "src/", "<repo://r/HEAD/src>\nmain.rs  13 B\n1 entry").await;
    check(&world, "**/*.rs", "<repo://r/HEAD>\nsrc/main.rs  13 B\n1 file").await;
    check(&world, "run.sh", "<repo://r/HEAD>\nrun.sh  10 B, executable\n1 file").await;
    let none = "no files match; `*` ends at a slash, `**/*.c` does not";
    check(&world, "*.rs", none).await;
    let near = "not_found: no path src/mian.rs at this revision; nearest: src/main.rs.";
    check(&world, "src/mian.rs", near).await;
    check(
        &world,
        "link/x",
        "not_found: no path link/x at this revision; repo_list shows what is there.",
    )
    .await;
}

/// Every path of a glob, page by page.
async fn all(world: &World, path: &str) -> Vec<String> {
    let repo = world.open().await.expect("a server");
    let (mut args, mut found) = (json!({ "path": path }), Vec::new());
    loop {
        let text = call::<List>(&repo, args.clone()).await;
        assert!(text.len() <= 5_000, "{}", text.len());
        let (shown, trailer) = text.rsplit_once('\n').expect("a trailer");
        found.extend(shown.lines().skip(1).map(str::to_owned));
        match trailer.split_once("; next: cursor=") {
            Some((_, cursor)) => args["cursor"] = cursor.into(),
            None => return found,
        }
    }
}

#[tokio::test]
async fn pages_together_are_what_git_ls_tree_lists() {
    let world = World::new();
    for number in 0..700 {
        world.write(
            &format!("d{}/e{}/file {number}.txt", number % 7, number % 3),
            "x".repeat(number),
        );
    }
    for odd in ["a-b/x", "a/x", "a.b/x", "ä/ö", "-rf", "new\nline", "q\"uote", "tab\t"] {
        world.write(odd, "1");
    }
    world.commit("many");
    let expected = world.git("ls-tree -r -l HEAD");
    let expected: Vec<String> = expected
        .lines()
        .map(|line| {
            let (data, path) = line.split_once('\t').expect("a tab");
            let size = data.split_whitespace().last().expect("a size").parse().expect("a number");
            // git escapes what is not ASCII unless it is told not to; we show it.
            let path = path.replace("\"\\303\\244/\\303\\266\"", "ä/ö");
            format!("{path}  {}", human(size))
        })
        .collect();
    assert_eq!(all(&world, "**").await, expected);
}

#[tokio::test]
async fn a_folder_of_100_000_files_is_paged() {
    let world = World::new();
    let blob = world.git_of(&["hash-object", "-w", "--stdin"]);
    let line = |n| format!("100644 blob {blob}\tf{n:06}\n");
    let lines = (0..100_000).map(line).collect::<Vec<_>>().concat();
    let tree = mktree(&world, &lines);
    let commit = world.git(&format!("commit-tree -m many {tree}"));
    world.git(&format!("update-ref refs/heads/main {commit}"));
    let text = world.call::<List>(json!({})).await;
    assert!(text.starts_with("<repo://r/HEAD>\nf000000  0 B\nf000001"), "{text}");
    assert!(text.contains(" of 100000; next: cursor="), "{text}");
    assert!(text.len() < 5_000);
}

fn mktree(world: &World, lines: &str) -> String {
    let mut child = Command::new("git")
        .args(["mktree", "--missing"])
        .current_dir(world.repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("git");
    String::from_utf8(output.stdout).expect("an id").trim().to_owned()
}

#[tokio::test]
async fn a_tree_bomb_ends_with_advice() {
    let mut world = World::new();
    let blob = world.git_of(&["hash-object", "-w", "--stdin"]);
    let mut tree = mktree(&world, &format!("100644 blob {blob}\tbang\n"));
    for _ in 0..10 {
        let line = |n| format!("040000 tree {tree}\td{n}\n");
        let lines = (0..10).map(line).collect::<Vec<_>>().concat();
        tree = mktree(&world, &lines);
    }
    let commit = world.git(&format!("commit-tree -m bomb {tree}"));
    world.git(&format!("update-ref refs/heads/main {commit}"));
    let error = format!(
        "too_large: the tree names more than {MOST_ENTRIES} entries; ask for a folder or a file of it."
    );
    check(&world, "**/bang", &error).await;
    let text = world.call::<List>(json!({})).await;
    assert!(text.ends_with("\n10 entries"), "{text}");
    // Looking for something that may be seen in it ends, too.
    world.settings["hidden"] = json!(["**/bang"]);
    check(&world, "", &error).await;
}

#[tokio::test]
async fn hidden_files_and_folders_of_nothing_else_are_counted_only() {
    let mut world = World::new();
    for path in ["a.pem", "a.txt", "keys/b.pem", "keys/deep/c.pem", "src/d.rs", "src/e.pem"] {
        world.write(path, "x");
    }
    world.commit("one");
    world.settings["hidden"] = json!(["**/*.pem"]);
    check(&world, "", "<repo://r/HEAD>\na.txt  1 B\nsrc/\n2 entries; 2 hidden").await;
    check(&world, "src", "<repo://r/HEAD/src>\nd.rs  1 B\n1 entry; 1 hidden").await;
    let none = "no files match; `*` ends at a slash, `**/*.c` does not";
    check(&world, "**/*.pem", none).await;
    for path in ["keys", "keys/deep", "a.pem", "nowhere"] {
        let none = format!("not_found: no path {path} at this revision; ");
        let text = world.call::<List>(json!({ "path": path })).await;
        assert!(text.starts_with(&none) && !text.contains(".pem;"), "{text}");
    }
    world.settings["paths"] = json!(["src/**"]);
    check(&world, "", "<repo://r/HEAD>\nsrc/\n1 entry; 3 hidden").await;
}

#[tokio::test]
async fn what_a_partial_clone_lacks_has_no_size() {
    let world = World::new();
    let tree = mktree(&world, "100644 blob 2222222222222222222222222222222222222222\tgone\n");
    let commit = world.git(&format!("commit-tree -m partial {tree}"));
    world.git(&format!("update-ref refs/heads/main {commit}"));
    check(&world, "", "<repo://r/HEAD>\ngone  ?\n1 entry").await;
}

#[test]
fn sizes_are_short() {
    for (bytes, expected) in [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1.0 KB"),
        (12_595, "12.3 KB"),
        (500_000, "488 KB"),
        (3 << 20, "3.0 MB"),
        (u64::MAX, "17179869184 GB"),
    ] {
        assert_eq!(human(bytes), expected);
    }
}
