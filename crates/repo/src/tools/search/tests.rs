//! What `repo_search` finds, against `git grep` and by itself.

use serde_json::{Value, json};

use super::Search;
use crate::Repo;
use crate::testing::{World, call};

/// All pages of a search: what is shown, and the first trailer.
async fn pages(repo: &Repo, mut args: Value) -> (Vec<String>, String) {
    let (mut lines, mut first) = (Vec::new(), None);
    loop {
        let text = call::<Search>(repo, args.clone()).await;
        assert!(text.len() < 5_000, "{}", text.len());
        let (shown, trailer) = text.rsplit_once('\n').unwrap_or(("", &text));
        lines.extend(shown.lines().skip(1).map(str::to_owned));
        let next = trailer.split_once("; next: cursor=").map(|(_, cursor)| cursor.to_owned());
        first.get_or_insert_with(|| trailer.to_owned());
        let Some(next) = next else { return (lines, first.expect("a trailer")) };
        args["cursor"] = next.into();
    }
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).expect("small")
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }
}

const WORDS: &[&str] = &[
    "alpha",
    "beta",
    "strbuf_add",
    "strbuf_addf",
    "ab",
    "x",
    "-",
    "a.b",
    "(q)",
    "Grüße",
    "LATER",
    "",
];

fn many_files() -> World {
    let world = World::new();
    let mut dice = Dice(7);
    for number in 0..300 {
        let mut text = String::new();
        for _ in 0..dice.roll(30) {
            let words: Vec<&str> = (0..dice.roll(6)).map(|_| dice.pick(WORDS)).collect();
            text.push_str(&words.join(dice.pick(&[" ", "", "_"])));
            text.push('\n');
        }
        if dice.roll(4) == 0 {
            text.push_str("the last line has no end: alpha");
        }
        world.write(&format!("d{}/e{}/f{number}.txt", dice.roll(4), dice.roll(3)), text);
    }
    world.commit("many");
    world
}

/// What `git grep` prints, in our form.
fn grep(world: &World, words: &[&str]) -> Vec<String> {
    let mut all = vec!["-c", "grep.fullName=true", "grep", "-n"];
    all.extend(words);
    let script = all.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    // It exits with 1 where nothing matches.
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("git {script}")])
        .current_dir(world.repository())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("git");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| {
            let line = line.strip_prefix("HEAD:").or(line.strip_prefix("HEAD-")).unwrap_or(line);
            let name = line.find(".txt").map_or(line.len(), |at| at + 4);
            let (name, rest) = line.split_at(name);
            let digits = rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
            match rest.split_at_checked(digits + 2) {
                Some((number, rest)) => format!("{name}{number} {rest}"),
                None => line.to_owned(),
            }
        })
        .collect()
}

/// That two lists are the same, or else where they part.
fn same(left: &[String], right: &[String], what: &str) {
    // The frame of an answer has no use for the last spaces of its last line.
    let differ = |left: &str, right: &str| left.trim_end() != right.trim_end();
    let parting = left.iter().zip(right).find(|(left, right)| differ(left, right));
    assert_eq!(parting, None, "{what}");
    assert_eq!(left.len(), right.len(), "{what}");
}

#[tokio::test]
async fn it_finds_what_git_grep_finds() {
    let world = many_files();
    let repo = world.open().await.expect("a server");
    // The first search reads, the second makes filters, the others use them; more than are
    // remembered, so that the second round searches once more.
    for _ in 0..2 {
        for text in ["strbuf_addf", "LATER", "ab", "a.b", "-", "Grü", "beta_x", "nowhere at all"] {
            let (lines, trailer) = pages(&repo, json!({ "text": text })).await;
            let expected = grep(&world, &["-F", "-e", text, "HEAD"]);
            same(&lines, &expected, text);
            let count = format!("{} match", expected.len());
            let is_told = trailer.starts_with(&count) || trailer == "no matches in 300 files";
            assert!(is_told, "{trailer}");
        }
        // Not `^$`: git 2.47 finds an empty line behind the last line feed of some files.
        for regex in ["^alpha", "x$", "a.b", "strbuf_addf?\\b", "(beta|LATER).*q", "[^a-z]{3}"] {
            let (lines, _) = pages(&repo, json!({"text": regex, "regex": true})).await;
            same(&lines, &grep(&world, &["-E", "-e", regex, "HEAD"]), regex);
        }
    }
}

#[tokio::test]
async fn context_is_shown_as_git_grep_shows_it() {
    let world = many_files();
    let repo = world.open().await.expect("a server");
    for context in [1, 2, 9] {
        let args = json!({"text": "strbuf_addf", "context": context, "path": "d1/e1"});
        let (lines, _) = pages(&repo, args).await;
        let size = context.to_string();
        let expected =
            grep(&world, &["-F", "-C", &size, "-e", "strbuf_addf", "HEAD", "--", "d1/e1"]);
        // A new page begins without the line that separates it, and may repeat some context.
        let plain = |lines: Vec<String>| -> Vec<String> {
            let mut seen = std::collections::BTreeSet::new();
            lines.into_iter().filter(|line| line != "--" && seen.insert(line.clone())).collect()
        };
        same(&plain(lines), &plain(expected), &size);
    }
    let world = World::new();
    world.write("a.txt", "1\nhit\n3\n4\n5\nhit\n7\n");
    world.write("b.txt", "hit\n");
    world.commit("small");
    let text = world.call::<Search>(json!({"text": "hit", "context": 1})).await;
    let expected = "<repo://r/HEAD>\na.txt-1- 1\na.txt:2: hit\na.txt-3- 3\n--\na.txt-5- 5\n\
        a.txt:6: hit\na.txt-7- 7\n--\nb.txt:1: hit\n3 matches in 2 files";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn folders_files_and_globs_narrow_it() {
    let world = World::new();
    for path in ["a.rs", "src/a.rs", "src/deep/b.rs", "src/deep/b.md", "[x].rs", "-n"] {
        world.write(path, "needle\n");
    }
    world.commit("one");
    let repo = world.open().await.expect("a server");
    for (path, expected) in [
        ("", "6 matches in 6 files"),
        ("src", "3 matches in 3 files"),
        ("src/", "3 matches in 3 files"),
        ("src/a.rs", "1 match in 1 file"),
        ("*.rs", "2 matches in 2 files"),
        ("**/*.rs", "4 matches in 4 files"),
        ("src/**/*.{rs,md}", "3 matches in 3 files"),
        ("src/deep/*", "2 matches in 2 files"),
        ("[x].rs", "1 match in 1 file"),
        ("-n", "1 match in 1 file"),
        ("*.py", "no matches in 0 files; `*` ends at a slash, `**/*.c` does not"),
        ("nowhere/*.rs", "no matches in 0 files; `*` ends at a slash, `**/*.c` does not"),
        ("src/c.rs", "not_found: no path src/c.rs at this revision; nearest: src/a.rs."),
        (
            "../x",
            "invalid: path: `..`, `.` and empty parts are not followed; write it from the \
            top of the repository, such as src/main.rs.",
        ),
        (
            "a{",
            "invalid: path: error parsing glob 'a{': unclosed alternate group; missing '}' \
            (maybe escape '{' with '[{]'?); write a glob like src/**/*.rs.",
        ),
    ] {
        let text = call::<Search>(&repo, json!({"text": "needle", "path": path})).await;
        assert_eq!(text.lines().last(), Some(expected), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_text_is_counted() {
    let world = World::new();
    world.write("bin", b"needle\0needle\nneedle");
    world.write("text", "needle\n");
    world.write("huge", vec![b'n'; (32 << 20) + 1]);
    std::os::unix::fs::symlink("needle", world.repository().join("link")).expect("a link");
    world.git("config core.bigFileThreshold 1m");
    world.commit("one");
    let repo = world.open().await.expect("a server");
    for _ in 0..2 {
        let text = call::<Search>(&repo, json!({"text": "needle"})).await;
        let expected = "<repo://r/HEAD>\nbin: a binary file matches\ntext:1: needle\n\
            2 matches in 2 files; 1 too large to be searched";
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn hidden_files_are_not_searched() {
    let mut world = World::new();
    world.write("key.pem", "needle\n");
    world.write("src/a.rs", "needle\n");
    world.write("secret/b.rs", "needle\n");
    world.commit("one");
    world.settings["hidden"] = json!(["**/*.pem", "secret/**"]);
    let repo = world.open().await.expect("a server");
    let text = call::<Search>(&repo, json!({"text": "needle"})).await;
    assert_eq!(text, "<repo://r/HEAD>\nsrc/a.rs:1: needle\n1 match in 1 file; 2 hidden");
    for (path, expected) in [
        ("key.pem", "not_found: no path key.pem at this revision; repo_list shows what is there."),
        ("secret", "not_found: no path secret at this revision; repo_list shows what is there."),
        ("*.pem", "no matches in 0 files; `*` ends at a slash, `**/*.c` does not"),
        ("secret/*.rs", "no matches in 0 files; `*` ends at a slash, `**/*.c` does not"),
    ] {
        let text = call::<Search>(&repo, json!({"text": "needle", "path": path})).await;
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn any_revision_is_searched_and_pages_stay_with_it() {
    let world = World::new();
    world.write("a.txt", "needle line\n".repeat(900));
    let first = world.commit("one");
    world.write("a.txt", "nothing\n");
    world.write("b.txt", "needle\n");
    world.commit("two");
    let repo = world.open().await.expect("a server");
    let text = call::<Search>(&repo, json!({"text": "needle", "rev": "HEAD~1"})).await;
    assert!(text.starts_with("<repo://r/HEAD~1>\na.txt:1: needle line\n"), "{text}");
    let (lines, _) = pages(&repo, json!({"text": "needle", "rev": first})).await;
    assert_eq!(lines.len(), 900);
    assert_eq!(lines[899], "a.txt:900: needle line");
    // The branch moves between two pages.
    world.git("branch old HEAD~1");
    let text = call::<Search>(&repo, json!({"text": "needle", "rev": "old"})).await;
    let cursor = text.split_once("cursor=").expect("a cursor").1;
    world.git("branch -f old HEAD");
    let args = json!({"text": "needle", "rev": "old", "cursor": cursor});
    let text = call::<Search>(&repo, args).await;
    assert!(text.starts_with("<repo://r/old>\na.txt:"), "{text}");
}

#[tokio::test]
async fn long_lines_are_cut_around_the_match() {
    let world = World::new();
    world.write("a", format!("{}needle{}\nshort needle\r\n", "ä".repeat(900), "b".repeat(900)));
    world.commit("one");
    let text = world.call::<Search>(json!({"text": "needle"})).await;
    let lines: Vec<&str> = text.lines().collect();
    let expected = format!("a:1: …{}needle{}…", "ä".repeat(30), "b".repeat(134));
    assert_eq!(lines[1..], [expected.as_str(), "a:2: short needle", "2 matches in 1 file"]);
}

#[tokio::test]
async fn what_cannot_be_searched_for_is_told() {
    let world = World::new();
    world.write("a", "x\n");
    world.commit("one");
    let repo = world.open().await.expect("a server");
    for (args, expected) in [
        (json!({"text": ""}), "invalid: text: write what to look for."),
        (json!({"text": "(?<=a)b", "regex": true}), "invalid: text: not a regular expression"),
        (json!({"text": "x", "cursor": "{}"}), "invalid: the cursor is of another tool"),
        (json!({"text": "x", "rev": "nowhere"}), "not_found: no revision nowhere"),
        (json!({"text": "--version"}), "no matches in 1 file"),
    ] {
        let text = call::<Search>(&repo, args).await;
        assert!(text.starts_with(expected), "{text}");
    }
}

#[tokio::test]
async fn odd_names_are_shown_as_git_shows_them() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new();
    world.write("a\nb", "needle\n");
    let odd = std::ffi::OsStr::from_bytes(b"\xff.txt");
    std::fs::write(world.repository().join(odd), "needle \u{200b}\n").expect("a file");
    world.commit("odd");
    let text = world.call::<Search>(json!({"text": "needle"})).await;
    assert!(text.contains("\n\"a\\nb\":1: needle\n\"\\377.txt\":1: needle"), "{text}");
}
