//! `repo_search` against `git grep`: words and regular expressions at any revision.

use std::collections::HashMap;

use bstr::ByteSlice as _;
use serde_json::{Value, json};

use super::files::prose;
use super::{Case, Pages, named};
use crate::path::shown;
use crate::tools::search::Search;

/// Lines are compared as far as they are shown whole.
const WIDTH: usize = 200;
/// What is said of a binary file.
const BINARY: &str = ": a binary file matches";
/// The most pages that are read.
const PAGES: usize = 6;

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 3 {
        let commit = if case.random.percent(50) { case.commit() } else { case.late_commit() };
        let path = case.path(&commit, 0);
        let Ok(path) = path.to_str().map(str::to_owned) else { continue };
        let Some(word) = word(case, &commit, &path) else { continue };
        let (text, is_regex) = pattern(case, &word);
        let within = case.random.percent(40).then(|| {
            let path = case.path(&commit, 70);
            path.to_str().ok().map(str::to_owned)
        });
        let mut args = json!({"rev": commit, "text": text});
        if is_regex {
            args["regex"] = json!(true);
        }
        let within = within.flatten();
        if let Some(path) = &within {
            args["path"] = json!(named(&path.as_str().into()));
        }
        compare(case, &args, &commit, &text, is_regex, within.as_deref()).await;
    }
}

async fn compare(
    case: &mut Case,
    args: &Value,
    commit: &str,
    text: &str,
    is_regex: bool,
    path: Option<&str>,
) {
    let mut words = vec!["--literal-pathspecs", "grep", "-z", "-n"];
    words.extend([if is_regex { "-P" } else { "-F" }, "-e", text, commit, "--"]);
    words.extend(path);
    let (printed, code) = case.git.without_attributes().ask(&words);
    if code > 1 && is_regex {
        // PCRE gives up where it would go back too often; ours never goes back.
        return;
    }
    assert!(code < 2, "git {}", words.join(" "));
    let mut gits = told(&printed, commit);
    let mut ours = Pages::of::<Search>(case, args, PAGES).await;
    if is_regex {
        // What PCRE makes of bytes that are no UTF-8 depends on how it was built: pcre2unicode(3),
        // "Matching in invalid UTF strings".
        let mut known: HashMap<String, bool> = HashMap::new();
        let mut is_text = |line: &String| {
            let path = line.split(':').next().unwrap_or_default().to_owned();
            let read = |path: &String| case.content(commit, path);
            *known
                .entry(path)
                .or_insert_with_key(|path| read(path).is_some_and(|content| content.is_utf8()))
        };
        gits.retain(&mut is_text);
        ours.lines.retain(&mut is_text);
    }
    if !ours.is_whole {
        gits.truncate(ours.lines.len());
    }
    let ours: Vec<String> = ours
        .lines
        .iter()
        .enumerate()
        .map(|(at, line)| comparable(line, gits.get(at).unwrap_or(line)))
        .collect();
    let gits: Vec<String> = gits.iter().map(|line| comparable(line, line)).collect();
    case.compare(&ours, &gits, || words[2..].join(" "));
}

/// A line as far as it is shown: of a clipped one, only where it is.
fn comparable(line: &str, whole: &str) -> String {
    let end = if is_long(whole) { line.find(": ") } else { None };
    line[..end.unwrap_or(line.len())].to_owned()
}

/// Whether the line is clipped in our answers.
fn is_long(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(_, text)| text.len() > WIDTH)
}

/// Lines as our answers have them, of `revision:path NUL number NUL line LF`, or, of a binary
/// file, a sentence.
fn told(printed: &[u8], commit: &str) -> Vec<String> {
    let start = format!("{commit}:");
    let path = |path: &[u8]| shown(path.strip_prefix(start.as_bytes()).unwrap_or(path).as_bstr());
    let (mut all, mut rest) = (Vec::new(), printed);
    while !rest.is_empty() {
        if let Some(sentence) = rest.strip_prefix(b"Binary file ") {
            let (name, next) = sentence.split_once_str(" matches\n").expect("a sentence");
            all.push(format!("{}{BINARY}", path(name)));
            rest = next;
            continue;
        }
        let (name, next) = rest.split_once_str("\0").expect("a name");
        let (number, next) = next.split_once_str("\0").expect("a number");
        let (text, next) = next.split_once_str("\n").expect("a line");
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = prose(&path(name), text.to_str_lossy().into_owned());
        all.push(format!("{}:{}: {text}", path(name), number.to_str_lossy()));
        rest = next;
    }
    all
}

/// Some letters of a line of the file.
fn word(case: &mut Case, commit: &str, path: &str) -> Option<String> {
    let content = case.content(commit, path)?;
    let lines: Vec<&[u8]> = content.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    let line = case.random.one_of(&lines).to_str().ok()?.to_owned();
    let letters: Vec<char> = line.trim().chars().collect();
    let from = case.random.below(letters.len());
    let word: String = letters.iter().skip(from).take(1 + case.random.below(14)).collect();
    (!word.is_empty() && !word.contains('\0')).then_some(word)
}

/// The word as it is, or an expression that fits it and is the same to PCRE and to us.
fn pattern(case: &mut Case, word: &str) -> (String, bool) {
    if case.random.percent(60) || !word.is_ascii() {
        return (word.to_owned(), false);
    }
    let mut expression = String::new();
    for letter in word.chars() {
        match case.random.below(8) {
            0 if letter.is_ascii_lowercase() => expression.push_str("[a-z]"),
            1 if letter.is_ascii_alphabetic() => expression.push_str("[A-Za-z]+"),
            2 => expression.push('.'),
            3 => expression.push_str(".*"),
            _ if letter.is_ascii_punctuation() && letter != '_' => {
                expression.push_str(
                    &format!("[{letter}]")
                        .replace("[^]", "\\^")
                        .replace("[\\]", "\\\\")
                        .replace("[[]", "\\[")
                        .replace("[]]", "\\]"),
                );
            }
            _ => expression.push(letter),
        }
    }
    match case.random.below(6) {
        0 => expression.insert(0, '^'),
        1 => expression.push('$'),
        2 => expression = format!("({expression}|zzz)"),
        _ => {}
    }
    (expression, true)
}
