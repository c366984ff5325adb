//! The lines of pytest that say something.

use crate::report::Status;

/// What the last line counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) errors: u64,
    pub(crate) skipped: u64,
    /// Failed as expected.
    pub(crate) xfailed: u64,
    /// Passed although expected to fail.
    pub(crate) xpassed: u64,
}

/// A test that a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// `file::class::test`.
    pub(super) name: String,
    pub(super) status: Status,
    /// The word for how it ended.
    pub(super) end: String,
    /// What is said of it.
    pub(super) said: String,
    /// Whether it stands in the summary at the end.
    pub(super) is_final: bool,
}

/// The last line: `=== 1 failed, 2 passed in 0.12s ===`, without the rules if pytest is quiet.
pub(crate) fn summary(line: &str) -> Option<Summary> {
    let ruled = line.trim_matches('=');
    if ruled.len() != line.len() && !line.ends_with('=') {
        return None;
    }
    let line = ruled.trim();
    let (counts, time) = line.rsplit_once(" in ")?;
    let seconds =
        time.split_once("s (").map_or(time.strip_suffix('s'), |(seconds, _)| Some(seconds))?;
    seconds.parse::<f64>().ok()?;
    let mut summary = Summary::default();
    if counts == "no tests ran" {
        return Some(summary);
    }
    for part in counts.split(", ") {
        let (count, name) = part.split_once(' ')?;
        let count = count.parse().ok()?;
        let field = match name {
            "passed" => &mut summary.passed,
            "failed" => &mut summary.failed,
            "error" | "errors" => &mut summary.errors,
            "skipped" => &mut summary.skipped,
            "xfailed" => &mut summary.xfailed,
            "xpassed" => &mut summary.xpassed,
            "deselected" | "warning" | "warnings" | "rerun" | "subtests passed" => continue,
            _ => return None,
        };
        *field = count;
    }
    Some(summary)
}

/// `collected 22 items / 2 deselected / 20 selected`: how many are to run.
pub(crate) fn collected(line: &str) -> Option<u64> {
    // On a terminal it stands behind what was drawn before.
    let line = line.strip_prefix("collecting ... ").unwrap_or(line);
    let rest = line.strip_prefix("collected ")?;
    let mut parts = rest.split(" / ").map(str::trim);
    let (count, items) = parts.next()?.split_once(' ')?;
    if !items.starts_with("item") {
        return None;
    }
    let count: u64 = count.parse().ok()?;
    let selected = parts.find_map(|part| part.strip_suffix(" selected"));
    Some(selected.and_then(|selected| selected.parse().ok()).unwrap_or(count))
}

/// `____ TestClass.test_method ____`: the title of details.
pub(super) fn title(line: &str) -> Option<&str> {
    let title = line.strip_prefix("____")?.strip_suffix('_')?.trim_matches('_').trim();
    let prefixes = ["ERROR at setup of ", "ERROR at teardown of ", "ERROR collecting "];
    let title = prefixes.iter().find_map(|prefix| title.strip_prefix(prefix)).unwrap_or(title);
    (!title.is_empty()).then_some(title)
}

/// `FAILED file::test - message` at the end, or `file::test FAILED [ 4%]` while it runs.
pub(super) fn named(line: &str, is_final: bool) -> Option<Named> {
    let (name, end, said) = if is_final { at_the_end(line)? } else { while_it_runs(line)? };
    let word = end.split(['(', '[']).next().unwrap_or(end);
    let status = match word {
        "PASSED" | "XPASS" => Status::Passed,
        "FAILED" | "SUBFAILED" | "SUBFAIL" => Status::Failed,
        "ERROR" => Status::Errored,
        "SKIPPED" | "XFAIL" => Status::Skipped,
        _ => return None,
    };
    let said = said.trim().to_owned();
    Some(Named { name: name.to_owned(), status, end: end.to_owned(), said, is_final })
}

fn at_the_end(line: &str) -> Option<(&str, &str, &str)> {
    let (end, rest) = line.split_once(' ')?;
    if end == "SKIPPED" {
        // `SKIPPED [2] file:line: reason` is no name of a test.
        return None;
    }
    let (name, said) = rest.split_once(" - ").unwrap_or((rest, ""));
    Some((name.trim(), end, said))
}

/// A test that a verbose run names: its name, how it ended, and what is said of it.
pub(crate) fn while_it_runs(line: &str) -> Option<(&str, &str, &str)> {
    let line = line.trim_end();
    let line = match line.strip_suffix("%]") {
        Some(rest) => {
            rest.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ').strip_suffix('[')?
        }
        None => line,
    };
    let (name, rest) = line
        .split_once(".py::")
        .map(|(file, rest)| (file.len() + 5, rest))
        .and_then(|(start, _)| {
            let ends = [" PASSED", " FAILED", " ERROR", " SKIPPED", " XFAIL", " XPASS", " SUBFAIL"];
            let at = ends.iter().filter_map(|end| line[start..].rfind(end)).max()? + start;
            Some((&line[..at], line[at..].trim()))
        })?;
    let (end, said) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((name, end, said.trim_start_matches('(').trim_end_matches(')')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries() {
        let all = summary(
            "=== 5 failed, 13 passed, 2 skipped, 1 xfailed, 1 xpassed, 3 errors in 0.12s ====",
        );
        let expected =
            Summary { passed: 13, failed: 5, errors: 3, skipped: 2, xfailed: 1, xpassed: 1 };
        assert_eq!(all, Some(expected));
        let passed = Some(Summary { passed: 5, ..Summary::default() });
        assert_eq!(summary("5 passed, 6 deselected in 61.01s (0:01:01)"), passed);
        assert_eq!(summary("=== no tests ran in 0.01s ==="), Some(Summary::default()));
        for line in
            ["5 passed in", "=== 5 passed in 0.01s", "5 passed in 0.0", "5 birds in 2s", "x in 2s"]
        {
            assert_eq!(summary(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_collected() {
        assert_eq!(collected("collected 22 items / 1 error"), Some(22));
        assert_eq!(collected("collected 6 items / 6 deselected / 0 selected"), Some(0));
        assert_eq!(collected("collecting ... collected 1 item"), Some(1));
        assert_eq!(collected("collected works"), None);
    }

    #[test]
    fn names() {
        for (line, is_final, name, status, said) in [
            (
                "test_a.py::test_b PASSED      [  4%]",
                false,
                "test_a.py::test_b",
                Status::Passed,
                "",
            ),
            (
                "test_a.py::test_b[x y] SKIPPED (no) [100%]",
                false,
                "test_a.py::test_b[x y]",
                Status::Skipped,
                "no",
            ),
            (
                "FAILED a/test_a.py::T::test_b - E: x",
                true,
                "a/test_a.py::T::test_b",
                Status::Failed,
                "E: x",
            ),
            ("SUBFAILED(i=1) t.py::O::t - AE", true, "t.py::O::t", Status::Failed, "AE"),
            ("ERROR test_a.py", true, "test_a.py", Status::Errored, ""),
        ] {
            let named = named(line, is_final).unwrap();
            assert_eq!((named.name.as_str(), named.status), (name, status), "{line}");
            assert_eq!(named.said, said, "{line}");
        }
        assert_eq!(named("SKIPPED [1] test_a.py:51: no till", true), None);
        assert_eq!(named("test_a.py ..F", false), None);
    }

    #[test]
    fn titles() {
        assert_eq!(title("______ TestClass.test_b ______"), Some("TestClass.test_b"));
        assert_eq!(title("____ ERROR at setup of test_b _____"), Some("test_b"));
        assert_eq!(title("__init__"), None);
    }
}
