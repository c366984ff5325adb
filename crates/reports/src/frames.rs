//! The frames of a trace that are ours: where in the project's own code a test failed.
//!
//! Known are panics and backtraces of Rust, tracebacks of Python and pytest's short form, stacks of
//! Node and of browsers, stack traces of Java and its kin, traces and failures of Go, failures of
//! googletest and of ctest, compilers' messages, and traces of PHP.

use serde::{Deserialize, Serialize};

use crate::text::plain;

/// A place in a file of the project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The file as the trace writes it, without a `file://` before it.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The function, if the trace names it; for Java with its class.
    pub function: Option<String>,
}

/// As many frames are found.
const MOST: usize = 20;
/// No line of a trace is longer.
const LONGEST: usize = 4_096;

/// The frames whose file is ours, in the order of the trace, each place once.
///
/// Java writes a bare file name; it is asked for with the folders of its package, `shop/ShopTest.java`.
pub fn ours(failure_text: &str, is_ours: &dyn Fn(&str) -> bool) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    // Of Rust and Go the function stands on the line before its place.
    let mut function: Option<String> = None;
    // Surefire loses line breaks where a text has `]]>` in it.
    let lines = failure_text.lines().flat_map(|line| line.split_inclusive("\tat "));
    let lines = lines.scan(false, |is_at, line| {
        let before = std::mem::replace(is_at, line.ends_with("\tat "));
        Some((before, line))
    });
    for (is_at, line) in lines {
        if line.len() > LONGEST {
            continue;
        }
        let line = plain(line);
        let line = format!("{}{}", if is_at { "at " } else { "" }, line.trim());
        let line = line.strip_suffix("\tat").unwrap_or(&line);
        let Some(mut frame) = frame(line) else {
            function = named(line);
            continue;
        };
        let before = function.take();
        frame.function = frame.function.or(before);
        let is_known = |known: &Frame| known.file == frame.file && known.line == frame.line;
        if frame.line > 0 && is_ours(&frame.file) && !frames.iter().any(is_known) {
            frames.push(frame);
            if frames.len() == MOST {
                break;
            }
        }
    }
    frames
}

fn frame(line: &str) -> Option<Frame> {
    // A field of the details in TAP.
    let quoted = line.strip_prefix("location: '").or(line.strip_prefix("at: \""));
    let line = quoted.map_or(line, |place| place.trim_end_matches(['\'', '"']));
    python(line)
        .or_else(|| java(line))
        .or_else(|| node(line))
        .or_else(|| php(line))
        .or_else(|| place(line))
}

/// `File "shop.py", line 25, in test_wrong_sum`.
fn python(line: &str) -> Option<Frame> {
    let (file, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let function = rest[end..].strip_prefix(", in ").map(str::to_owned);
    Some(Frame { file: file.to_owned(), line: rest[..end].parse().ok()?, function })
}

/// `at shop.ShopTest.wrongSum(ShopTest.java:18)`, with a module or a class loader before it.
fn java(line: &str) -> Option<Frame> {
    let rest = line.strip_prefix("at ")?.strip_suffix(')')?;
    let (function, place) = rest.rsplit_once('(')?;
    let (file, number) = place.split_once(':')?;
    let is_source = [".java", ".kt", ".groovy", ".scala"].iter().any(|end| file.ends_with(end));
    if !is_source || file.contains('/') {
        return None;
    }
    let function = function.rsplit('/').next()?;
    let class = function.rsplit_once('.').map_or("", |(class, _)| class);
    let folder = class.rsplit_once('.').map(|(package, _)| package.replace('.', "/") + "/");
    let file = folder.unwrap_or_default() + file;
    Some(Frame { file, line: number.parse().ok()?, function: Some(function.to_owned()) })
}

/// `at Object.toEqual (/src/shop.test.js:9:49)`, `at file:///src/shop.mjs:13:10`, and Vitest's
/// `❯ shop.test.js:9:49`.
fn node(line: &str) -> Option<Frame> {
    let rest = line.strip_prefix("at ").or(line.strip_prefix("❯ "));
    // In TAP the frames of node:test have no `at`, but their column.
    let is_frame = || line.ends_with(')') && line.matches(':').count() >= 2;
    let rest = rest.or_else(|| is_frame().then_some(line))?;
    let (function, place) = match rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        Some((function, place)) => (Some(function), place),
        // Of Rust's backtraces, too, the place stands behind `at`; its function on the line before.
        None => match rest.split_once(' ') {
            Some((function, place)) if line.starts_with('❯') => (Some(function), place),
            _ => (None, rest),
        },
    };
    let (file, number) = located(place)?;
    let function = function.map(|name| name.strip_prefix("async ").unwrap_or(name).to_owned());
    Some(Frame { file, line: number, function: function.filter(|name| name != "<anonymous>") })
}

/// `#0 /src/Shop.php(12): Shop->price()`.
fn php(line: &str) -> Option<Frame> {
    let rest = line.strip_prefix('#')?;
    let (number, rest) = rest.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let (file, rest) = rest.split_once('(')?;
    let (line, function) = rest.split_once(')')?;
    let function = function.strip_prefix(": ").map(str::to_owned);
    Some(Frame { file: file.to_owned(), line: line.parse().ok()?, function })
}

/// A place that stands somewhere in a line: `panicked at src/lib.rs:39:13:`, `shop_test.go:14: …`,
/// `shop_test.cpp:9: Failure`, `test_shop.py:25: AssertionError`, `/src/ShopTest.php:8`.
fn place(line: &str) -> Option<Frame> {
    let start = line.find(" panicked at ").map_or(0, |at| at + " panicked at ".len());
    let rest = line[start..].trim_start_matches("--> ").trim_start();
    // The place is the first word, or, of a path with spaces, all up to its number.
    let word = rest.split(' ').next().unwrap_or(rest);
    let (file, number) = located(word)
        .or_else(|| located(rest.split(": ").next()?))
        .or_else(|| before_comma(rest))?;
    let in_function = rest.split_once(": in ").map(|(_, name)| name.to_owned());
    Some(Frame { file, line: number, function: in_function })
}

/// Old panics of Rust: `panicked at 'message', src/lib.rs:10:5`.
fn before_comma(rest: &str) -> Option<(String, u32)> {
    located(rest.strip_prefix('\'')?.rsplit_once("', ")?.1)
}

/// `file:line` or `file:line:column`, with or without a colon at its end.
fn located(place: &str) -> Option<(String, u32)> {
    let place = place.trim_end_matches([':', ',', ')']);
    let place = place.strip_prefix("file://").unwrap_or(place);
    // Go writes an offset behind the place, and a query may follow a module's name.
    let (head, last) = place.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    let (file, line) = match head.rsplit_once(':') {
        Some((file, line)) if line.bytes().all(|byte| byte.is_ascii_digit()) => {
            (file, line.parse().ok()?)
        }
        _ => (head, last),
    };
    let file = file.split('?').next().unwrap_or(file);
    is_file(file).then(|| (file.to_owned(), line))
}

/// Whether it looks like a file with an extension, not like a time or an address.
fn is_file(file: &str) -> bool {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let is_extension = (1..=10).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_extension
        && !stem.is_empty()
        && !extension.bytes().all(|byte| byte.is_ascii_digit())
        && !file.contains("://")
}

/// The function that a line names whose place is on the next one: `2: flaky::second_time_lucky` of
/// Rust, `example.org/shop/crash.TestPanics(0xc000098680?)` of Go.
fn named(line: &str) -> Option<String> {
    if let Some((number, name)) = line.split_once(": ")
        && number.parse::<u32>().is_ok()
    {
        return Some(name.to_owned());
    }
    let (name, arguments) = line.rsplit_once('(')?;
    let is_call = arguments.ends_with(')') && !name.is_empty() && !name.contains(' ');
    is_call.then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
