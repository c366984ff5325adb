//! What `repo_read` shows, against `git show` and by itself.

use serde_json::{Value, json};

use super::Read;
use crate::testing::{World, call};

async fn check(world: &World, args: Value, expected: &str) {
    assert_eq!(world.call::<Read>(args.clone()).await, expected, "{args}");
}

#[tokio::test]
async fn parts_are_read_by_line() {
    let world = World::new();
    world.write("a.txt", "one\ntwo\nthree\nfour");
    world.write("empty", "");
    world.commit("one");
    for (lines, expected) in [
        ("", "<repo://r/HEAD/a.txt#L1-4>\none\ntwo\nthree\nfour\nlines 1-4 of 4; 18 B"),
        ("2-3", "<repo://r/HEAD/a.txt#L2-3>\ntwo\nthree\nlines 2-3 of 4; 18 B; next: lines=4-"),
        ("2", "<repo://r/HEAD/a.txt#L2-2>\ntwo\nlines 2-2 of 4; 18 B; next: lines=3-"),
        ("3-", "<repo://r/HEAD/a.txt#L3-4>\nthree\nfour\nlines 3-4 of 4; 18 B"),
        ("4-99", "<repo://r/HEAD/a.txt#L4-4>\nfour\nlines 4-4 of 4; 18 B"),
        ("5", "invalid: lines: 5; the file has 4 lines."),
        ("0", "invalid: lines: write 10-40, or 10 for one line, or 10- to go on."),
        ("3-2", "invalid: lines: write 10-40, or 10 for one line, or 10- to go on."),
        ("-3", "invalid: lines: write 10-40, or 10 for one line, or 10- to go on."),
        ("a", "invalid: lines: write 10-40, or 10 for one line, or 10- to go on."),
    ] {
        check(&world, json!({"path": "a.txt", "lines": lines}), expected).await;
    }
    check(&world, json!({"path": "empty"}), "an empty file").await;
    check(&world, json!({"path": "empty", "lines": "1-9"}), "an empty file").await;
    let text = world.call::<Read>(json!({"path": ""})).await;
    assert!(text.starts_with("invalid: path: a folder; repo_list"), "{text}");
}

#[tokio::test]
async fn all_of_a_long_file_is_what_git_shows() {
    let world = World::new();
    let line = |n: usize| format!("fn f{n}() {{}} // {}\n", "x".repeat(n % 90));
    let text = (0..2_000).map(line).collect::<Vec<_>>().concat();
    world.write("src/a b.rs", &text);
    let first = world.commit("one");
    world.write("src/a b.rs", "nothing\n");
    world.commit("two");
    let repo = world.open().await.expect("a server");
    let expected = world.git_of(&["show", &format!("{first}:src/a b.rs")]);
    let (mut args, mut read) = (json!({"path": "src/a b.rs", "rev": first}), Vec::new());
    loop {
        let text = call::<Read>(&repo, args.clone()).await;
        assert!(text.len() < 5_000, "{}", text.len());
        let (shown, trailer) = text.rsplit_once('\n').expect("a trailer");
        let (_, lines) = shown.rsplit_once("<repo://").expect("a part");
        read.extend(lines.lines().skip(1).map(str::to_owned));
        match trailer.split_once("; next: lines=") {
            Some((_, next)) => args["lines"] = next.into(),
            None => break,
        }
    }
    assert_eq!(read.join("\n"), expected);
}

#[tokio::test]
async fn a_file_that_does_not_fit_begins_with_its_outline() {
    let world = World::new();
    let function = |n| format!("fn f{n}() {{\n    let x = {n};\n    x\n}}\n");
    let text = (0..300).map(function).collect::<Vec<_>>().concat();
    world.write("a.rs", &text);
    world.commit("one");
    let repo = world.open().await.expect("a server");
    let text = call::<Read>(&repo, json!({"path": "a.rs"})).await;
    assert!(text.starts_with("<repo://r/HEAD/a.rs#outline>\n1: fn f0()\n"), "{text}");
    let (outline, rest) = text.split_once("\n<repo://r/HEAD/a.rs#L1-").expect("lines");
    assert!(outline.len() < 1_600, "{}", outline.len());
    assert!(rest.contains("\nfn f0() {\n    let x = 0;\n"), "{rest}");
    let trailer = text.lines().last().expect("a trailer");
    assert!(trailer.contains(" of 1200; 10.6 KB; outline: "), "{trailer}");
    assert!(trailer.contains(" of 300; next: lines="), "{trailer}");
    // Lines that are asked for have no outline, and more room.
    let text = call::<Read>(&repo, json!({"path": "a.rs", "lines": "1-800"})).await;
    assert!(text.starts_with("<repo://r/HEAD/a.rs#L1-800>\nfn f0"), "{text}");
    let text = call::<Read>(&repo, json!({"path": "a.rs", "lines": "1-999999999"})).await;
    assert!(text.ends_with("lines 1-1200 of 1200; 10.6 KB"), "{text}");
}

#[tokio::test]
async fn long_lines_and_strange_bytes_are_told() {
    let world = World::new();
    world.write("long", format!("{}\nshort\n", "ä".repeat(4_000)));
    world.write("latin", b"caf\xe9\r\nx\n");
    world.commit("one");
    let text = world.call::<Read>(json!({"path": "long"})).await;
    let expected = format!(
        "<repo://r/HEAD/long#L1-2>\n{}… [+6.8 KB]\nshort\nlines 1-2 of 2; 7.8 KB; long lines cut: 1",
        "ä".repeat(500)
    );
    assert_eq!(text, expected);
    let expected = "<repo://r/HEAD/latin#L1-2>\ncaf\u{fffd}\nx\nlines 1-2 of 2; 8 B; not UTF-8, \
        shown with \u{fffd}";
    check(&world, json!({"path": "latin"}), expected).await;
}

#[tokio::test]
async fn what_is_no_text_is_described() {
    let world = World::new();
    world.write("a.png", b"\x89PNG\r\n\x1a\n\0\0");
    world.write("a.bin", b"a\0b");
    world.write("huge", vec![0; 40 << 20]);
    let digest = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345678\n");
    world.write("big.psd", pointer);
    std::os::unix::fs::symlink("../../etc/passwd", world.repository().join("link"))
        .expect("a link");
    world.git("config core.bigFileThreshold 1m");
    let inner = "1111111111111111111111111111111111111111";
    world.git("add -A");
    world.git(&format!("update-index --add --cacheinfo 160000,{inner},sub"));
    world.git("commit -q -m one");
    for (path, expected) in [
        ("a.png", "a binary file, a PNG image; 10 B"),
        ("a.bin", "a binary file; 3 B"),
        ("huge", "too large to be looked at: 40.0 MB"),
        (
            "sub",
            &format!("a submodule: commit {inner} of another repository, which is not entered"),
        ),
        (
            "link",
            "<repo://r/HEAD/link>\n-> ../../etc/passwd\na symbolic link, which is not followed",
        ),
        ("link/x", "not_found: no path link/x at this revision; repo_list shows what is there."),
        (
            "big.psd",
            &format!(
                "a pointer of git-lfs: the file itself, 11.8 MB, sha256 {digest}, is stored elsewhere"
            ),
        ),
    ] {
        check(&world, json!({ "path": path }), expected).await;
    }
}

#[tokio::test]
async fn names_that_look_like_something_else_are_names() {
    let mut world = World::new();
    for name in ["-rf", "--help", "a\nb", "HEAD", "*.rs", "key.pem", "q\"", "HEAD~1"] {
        world.write(name, name);
    }
    world.commit("one");
    world.settings["hidden"] = json!(["**/*.PEM"]);
    for name in ["-rf", "--help", "HEAD", "*.rs", "HEAD~1"] {
        let text = world.call::<Read>(json!({ "path": name })).await;
        assert!(text.contains(&format!(">\n{name}\nlines 1-1 of 1")), "{text}");
    }
    let text = world.call::<Read>(json!({"path": "\"a\\nb\""})).await;
    assert!(text.contains(">\na\nb\nlines 1-2 of 2"), "{text}");
    for path in ["key.pem", "KEY.pem", "none.pem"] {
        let text = world.call::<Read>(json!({ "path": path })).await;
        let none =
            format!("not_found: no path {path} at this revision; repo_list shows what is there.");
        assert_eq!(text, none);
    }
    for path in ["/etc/passwd", "../x", "a/../../x"] {
        let text = world.call::<Read>(json!({ "path": path })).await;
        assert!(text.starts_with("invalid: path: "), "{text}");
    }
}
