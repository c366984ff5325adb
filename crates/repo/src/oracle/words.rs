//! What generated histories are made of: names, messages, dates and contents, common and odd.

use super::random::Random;

/// Names and addresses as git allows them.
pub(super) const PEOPLE: &[&str] = &[
    "Ada Lovelace <ada@example.org>",
    "Åsa Öberg <asa@example.org>",
    "bob <bob@example.com>",
    "Ada Byron <ada@example.org>",
    "李雷 <lilei@example.cn>",
    "O'Brien, P. (x) <p.obrien+git@example.net>",
    "<nobody@example.org>",
    "dependabot[bot] <49699333+dependabot[bot]@users.noreply.example.com>",
];

const SUBJECTS: &[&str] = &[
    "fix the parser",
    "Add a test for trees",
    "feat(core): read packs: faster",
    "Größe prüfen",
    "remove dead code.",
    "WIP",
    "Fix: parser again",
    "docs: `quote` \"and\" <tags>",
    "merge windows [skip ci]",
    "e\u{301}tude * of ^ $ patterns (x)",
];

/// Paths, and among them those that git must quote.
pub(super) const PATHS: &[&[u8]] = &[
    b"README.md",
    b"src/lib.rs",
    b"src/main.rs",
    b"src/parse/mod.rs",
    b"src/parse/tree.rs",
    b"src/parse/tree/node.c",
    b"doc/guide.txt",
    b"doc/\xc3\xa4/\xc3\xb6 name.txt",
    b"with space.txt",
    b"-rf",
    b"--output=x",
    b"src/-x/a.h",
    b"tab\tname.txt",
    b"new\nline/file.txt",
    b"quote\"s.txt",
    b"back\\slash.txt",
    b"\xff\xfe.txt",
    b"zero\xe2\x80\x8bwidth.txt",
    b"a",
    b"a.b",
    b"a-b/c",
    b"star*[x]?.txt",
    b":(top)magic.txt",
    b"deep/er/and/deep/er/still/file.py",
    b"Makefile",
    b".gitattributes.sample",
    b".hidden/file",
    b"lib/one.c",
    b"lib/two.c",
    b"lib/three.c",
];

const LINES: &[&str] = &[
    "}",
    "{",
    "",
    "",
    "    return 0;",
    "    }",
    "int main(void)",
    "fn parse(text: &str) -> Tree {",
    "    if (tree == NULL) {",
    "\tfor (i = 0; i < n; i++)",
    "# Heading",
    "use std::fmt;",
    "    let größe = tree.len();",
    "def walk(self):",
    "- item",
    "++ plus",
    "-- minus",
    "@@ -1 +1 @@ not a hunk",
    "diff --git a/x b/x",
    "\u{feff}bom",
    "trailing  ",
];

/// A line: common ones repeat, so that a diff may be placed in several ways.
pub(super) fn line(random: &mut Random) -> String {
    if random.percent(45) {
        return (*random.one_of(LINES)).to_owned();
    }
    let (number, other) = (random.below(400), random.below(9));
    match random.below(4) {
        0 => format!("    value_{number} = call({other});"),
        1 => format!("line {number}"),
        2 => format!("\t\titem[{number}] => {other},"),
        _ => format!("word{other} Word{number} tree-{number}"),
    }
}

/// The content of a new file.
pub(super) fn content(random: &mut Random) -> Vec<u8> {
    if random.percent(4) {
        return Vec::new();
    }
    if random.percent(7) {
        return binary(random);
    }
    let is_crlf = random.percent(10);
    let most = if random.percent(10) { 120 } else { 30 };
    let count = 1 + random.below(most);
    let end = if is_crlf { "\r\n" } else { "\n" };
    let mut text: String = (0..count).map(|_| line(random) + end).collect();
    if random.percent(15) {
        text.truncate(text.len() - end.len());
    }
    text.into_bytes()
}

fn binary(random: &mut Random) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..40 + random.below(300)).map(|_| random.number().to_le_bytes()[0]).collect();
    bytes[7] = 0;
    bytes
}

/// A content with some lines changed, added, removed or moved.
pub(super) fn edited(random: &mut Random, content: &[u8]) -> Vec<u8> {
    if content.contains(&0) {
        let mut bytes = content.to_vec();
        let at = random.below(bytes.len());
        bytes[at] = bytes[at].wrapping_add(1);
        return bytes;
    }
    if random.percent(3) {
        return self::content(random);
    }
    let mut lines: Vec<Vec<u8>> =
        content.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let end: &[u8] = if content.windows(2).any(|two| two == b"\r\n") { b"\r\n" } else { b"\n" };
    for _ in 0..=random.below(4) {
        let at = random.below(lines.len() + 1);
        match random.below(10) {
            0..=3 => {
                let new = (0..=random.below(3)).map(|_| [line(random).as_bytes(), end].concat());
                let new: Vec<_> = new.collect();
                lines.splice(at..at, new);
            }
            4..=6 if at < lines.len() => lines[at] = [line(random).as_bytes(), end].concat(),
            7 | 8 if at < lines.len() => {
                let last = (at + 1 + random.below(4)).min(lines.len());
                lines.drain(at..last);
            }
            9 if at < lines.len() => {
                let moved = lines.remove(at);
                let to = random.below(lines.len() + 1);
                lines.insert(to, moved);
            }
            _ => {}
        }
    }
    let mut text = lines.concat();
    match random.below(30) {
        0 if text.ends_with(b"\n") => drop(text.pop()),
        1 if !text.ends_with(b"\n") && !text.is_empty() => text.push(b'\n'),
        _ => {}
    }
    text
}

/// A message: nearly always a subject, at times with a body, at times in odd shapes.
pub(super) fn message(random: &mut Random, number: usize) -> String {
    let subject = random.one_of(SUBJECTS);
    match random.below(40) {
        0 => String::new(),
        1 => format!("\n\n{subject} {number}\n"),
        2 => format!("{subject} {number}\nwhich goes on in a second line\n\nBody.\n"),
        3 => format!("  {subject}\t{number}  \n"),
        4..=13 => format!(
            "{subject} {number}\n\nWhy: the Tree was wrong.\n\n  indented\n\nSigned-off-by: Ada <ada@example.org>\n"
        ),
        14 => format!("{subject} {number}"),
        _ => format!("{subject} {number}\n"),
    }
}

/// A time zone.
pub(super) fn zone(random: &mut Random) -> &'static str {
    ["+0000", "+0200", "-0730", "+1400", "-1200"][random.below(5)]
}
