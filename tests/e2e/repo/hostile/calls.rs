//! What is asked of a hostile repository: every tool, with every odd revision and path.

use serde_json::{Value, json};

use super::repository::Hostile;

/// The tools, in the order of their names.
pub(super) const TOOLS: &[&str] = &[
    "repo_blame",
    "repo_diff",
    "repo_history_of",
    "repo_list",
    "repo_log",
    "repo_read",
    "repo_refs",
    "repo_search",
    "repo_show",
    "repo_status",
    "repo_verify",
];

/// Revisions that are tried beside the branches.
const REVISIONS: &[&str] = &[
    "",
    "HEAD",
    "main",
    "-x",
    "--output=pwned",
    "refs/heads/--output=pwned",
    "--exec=../outside/run.sh",
    "refs/tags/--exec=../outside/run.sh",
    "HEAD^{/word}",
    ":/word",
    "HEAD@{0}",
    "FETCH_HEAD",
    "ORIG_HEAD",
    "MERGE_HEAD",
    "refs/stash",
    "../../outside/id",
    "refs/../../outside/id",
    "config",
    "many/000001",
    "HEAD~99999999",
    "main..--output=pwned",
    "HEAD\nHEAD",
    "x/new\nline",
    "abababababababababababababababababababab",
    "1111111111111111111111111111111111111111",
];

/// Paths that are tried.
const PATHS: &[&str] = &[
    "",
    ".",
    "README.md",
    "folder",
    "folder/README.md",
    "up",
    "down",
    "down/README.md",
    "own",
    "round",
    "absolute",
    "-rf",
    "--output=pwned",
    "../outside/canary.txt",
    "/etc/passwd",
    ".git/config",
    ".git/hooks",
    "\"new\\nline.txt\"",
    "\"\\377\\376.txt\"",
    "sub",
    "sub/x",
    "file",
    "d/d/d",
    "..",
    "a/b",
    "\"..\"",
    "**",
    "**/*.md",
    "{",
    "[",
    ":(top)README.md",
    ":!x",
    "bidi.txt",
    ".gitmodules",
    "same",
    "file-000001",
    "a\u{0}b",
];

/// Every call.
pub(super) fn of(hostile: &Hostile) -> Vec<(&'static str, Value)> {
    let mut calls = Vec::new();
    let mut add = |tool, args| calls.push((tool, args));
    let branches = hostile.branches.iter().map(String::as_str);
    for rev in branches.chain(REVISIONS.iter().copied()) {
        add("repo_log", json!({"rev": rev}));
        add("repo_show", json!({"rev": rev}));
        add("repo_diff", json!({"rev": format!("HEAD..{rev}")}));
        add("repo_list", json!({"rev": rev}));
        add("repo_list", json!({"rev": rev, "path": "**/file*"}));
        add("repo_read", json!({"rev": rev, "path": "file"}));
        add("repo_search", json!({"text": "word", "rev": rev}));
        add("repo_blame", json!({"path": "file", "rev": rev}));
        // It may be asked once a second, no more.
        if rev.starts_with("x/") {
            add("repo_history_of", json!({"text": "word", "rev": rev}));
        }
        add(
            "repo_verify",
            json!({"rev": rev, "ancestor_of": "HEAD", "only": "src", "file": "file", "sha256": "00".repeat(32)}),
        );
    }
    for path in PATHS {
        add("repo_log", json!({"path": path}));
        add("repo_show", json!({"path": path}));
        add("repo_diff", json!({"path": path}));
        add("repo_diff", json!({"rev": "HEAD~1..HEAD", "path": path, "words": true}));
        add("repo_read", json!({"path": path}));
        add("repo_list", json!({"path": path}));
        add("repo_search", json!({"text": "word", "path": path}));
        add("repo_blame", json!({"path": path}));
        add("repo_verify", json!({"rev": "HEAD", "only": path, "file": path}));
    }
    let everywhere: &[&str] = &["names", "twice", "not-a-file", "not-a-tree"];
    let places: &[&str] =
        &[".", "..", ".git/config", "a/b", "../outside/canary.txt", "same", "d/file", "**/file"];
    let endless: &[&str] = &["round-tree", "deep"];
    for (branches, paths) in [(everywhere, places), (endless, &[".", "d/file"])] {
        for (name, path) in
            branches.iter().flat_map(|name| paths.iter().map(move |path| (name, path)))
        {
            let rev = format!("x/{name}");
            add("repo_read", json!({"rev": rev, "path": path}));
            add("repo_list", json!({"rev": rev, "path": path}));
            add("repo_diff", json!({"rev": format!("HEAD..{rev}"), "path": path}));
            add("repo_log", json!({"rev": rev, "path": path}));
        }
    }
    let deep = "d/".repeat(400);
    add("repo_list", json!({"rev": "x/deep", "path": deep}));
    add("repo_read", json!({"rev": "x/round-tree", "path": format!("{deep}file")}));
    for text in [
        "",
        "(a+)+$",
        "\\",
        "\u{0}",
        "[",
        "a{1000}{1000}{1000}",
        "^",
        "-e",
        "--open-files-in-pager=../outside/run.sh",
    ] {
        for regex in [false, true] {
            add("repo_search", json!({"text": text, "regex": regex, "context": 9}));
        }
        add("repo_history_of", json!({"text": text}));
        add("repo_log", json!({"author": text, "grep": text}));
        add("repo_refs", json!({"glob": text}));
    }
    // Each reads a hundred thousand refs.
    for rev in ["x/octopus", "x/round-commit", "x/round-tag", "x/empty", "x/late", "x/loop-a", "-x"]
    {
        add("repo_refs", json!({"glob": "main", "rev": rev}));
    }
    add("repo_status", json!({}));
    add("repo_diff", json!({}));
    add("repo_refs", json!({}));
    add("repo_refs", json!({"rev": "x/octopus"}));
    add("repo_refs", json!({"glob": "many/*", "rev": "HEAD~1"}));
    for cursor in ["x", "{\"from\": 1}", "AAAA"] {
        for tool in ["repo_log", "repo_diff", "repo_list", "repo_refs"] {
            add(tool, json!({"cursor": cursor}));
        }
    }
    calls
}
