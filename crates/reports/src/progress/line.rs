//! The lines of runners that tell how far they are.

use super::Printed;
use crate::pytest;

/// Who prints a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    Nextest,
    Cargo,
    Pytest,
    Tap,
    Go,
    Node,
    Maven,
    Ctest,
    Jest,
    PhpUnit,
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Seen<'a> {
    /// So many tests there are.
    Total(u64),
    /// So many more there are.
    More(u64),
    /// One ended.
    Ended { failed: bool, name: &'a str },
    /// So many ended.
    Many { done: u64, failed: u64 },
    /// One ended, and so many have so far.
    At { done: u64, total: u64, failed: bool, name: &'a str },
    /// What follows was said before.
    ListedAgain,
    /// The summary.
    Printed(Printed),
}

/// What a line without colours says, and who says it.
pub(super) fn seen(line: &str) -> Option<(Runner, Seen<'_>)> {
    nextest(line)
        .map(|seen| (Runner::Nextest, seen))
        .or_else(|| cargo(line).map(|seen| (Runner::Cargo, seen)))
        .or_else(|| python(line).map(|seen| (Runner::Pytest, seen)))
        .or_else(|| go(line).map(|seen| (Runner::Go, seen)))
        .or_else(|| node(line).map(|seen| (Runner::Node, seen)))
        .or_else(|| tap(line).map(|seen| (Runner::Tap, seen)))
        .or_else(|| maven(line).map(|seen| (Runner::Maven, seen)))
        .or_else(|| ctest(line).map(|seen| (Runner::Ctest, seen)))
        .or_else(|| jest(line).map(|seen| (Runner::Jest, seen)))
        .or_else(|| phpunit(line).map(|seen| (Runner::PhpUnit, seen)))
}

fn ended(failed: bool, name: &str) -> Seen<'_> {
    Seen::Ended { failed, name }
}

/// `PASS [   0.005s] (3/8) binary name` and `Summary [   0.2s] 8 tests run: 5 passed, 3 failed`.
fn nextest(line: &str) -> Option<Seen<'_>> {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix("Starting ") {
        let (count, rest) = rest.split_once(' ')?;
        return rest.starts_with("test").then(|| count.parse().ok().map(Seen::Total))?;
    }
    let (word, rest) = line.split_once(" [")?;
    let (time, rest) = rest.split_once("s] ")?;
    time.trim().trim_start_matches('>').trim_start().parse::<f64>().ok()?;
    if word.trim() == "Summary" {
        let (_, counts) = rest.split_once(" run: ")?;
        // What stands in parentheses is counted already.
        let counts = without_parentheses(counts);
        let failed = ["failed", "timed out", "exec failed"];
        let failed = failed.iter().map(|name| count(&counts, name)).sum();
        return Some(printed(count(&counts, "passed"), failed));
    }
    let failed = !matches!(word.trim().rsplit(' ').next()?, "PASS" | "LEAK" | "SKIP");
    let (number, name) = rest.strip_prefix('(')?.split_once(") ")?;
    let (done, total) = number.split_once('/')?;
    Some(Seen::At { done: done.trim().parse().ok()?, total: total.parse().ok()?, failed, name })
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    let outside = |c: &char| {
        depth += u32::from(*c == '(');
        let is_outside = depth == 0;
        depth -= u32::from(*c == ')' && depth > 0);
        is_outside
    };
    text.chars().filter(outside).collect()
}

/// The number before a word, in a list with commas.
fn count(counts: &str, word: &str) -> u64 {
    let parts = counts.split([',', '|']).map(str::trim);
    let numbers = parts.filter_map(|part| part.split_once(' ')).filter(|(_, name)| {
        let name = name.trim();
        name == word || name.trim_end_matches('s') == word
    });
    numbers.filter_map(|(number, _)| number.parse::<u64>().ok()).sum()
}

fn printed<'a>(passed: u64, failed: u64) -> Seen<'a> {
    Seen::Printed(Printed { passed, failed, to_write: 0 })
}

fn cargo(line: &str) -> Option<Seen<'_>> {
    if let Some(rest) = line.strip_prefix("test result: ") {
        let (_, counts) = rest.split_once(". ")?;
        let counts = counts.replace(';', ",");
        return Some(printed(count(&counts, "passed"), count(&counts, "failed")));
    }
    if let Some(rest) = line.strip_prefix("running ") {
        let number = rest.strip_suffix(" tests").or(rest.strip_suffix(" test"))?;
        return number.parse().ok().map(Seen::More);
    }
    if line.starts_with('{') && line.contains("\"type\"") {
        let name = quoted(line, "name").unwrap_or_default();
        return match (quoted(line, "type")?, quoted(line, "event")?) {
            ("suite", "started") => number(line, "test_count").map(Seen::More),
            ("test", "ok" | "ignored") => Some(ended(false, name)),
            ("test", "failed") => Some(ended(true, name)),
            _ => None,
        };
    }
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let result = result.split([' ', ',']).next()?;
    matches!(result, "ok" | "FAILED" | "ignored").then(|| ended(result == "FAILED", name))
}

/// The text of a field in an event on one line.
fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = after_key(line, key)?.strip_prefix('"')?;
    rest.split_once('"').map(|(value, _)| value)
}

/// The number in a field of an event on one line.
fn number(line: &str, key: &str) -> Option<u64> {
    let rest = after_key(line, key)?;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}

fn after_key<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{key}\""))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn python(line: &str) -> Option<Seen<'_>> {
    if let Some(summary) = pytest::summary(line) {
        return Some(printed(summary.passed + summary.xpassed, summary.failed + summary.errors));
    }
    if let Some(total) = pytest::collected(line) {
        return Some(Seen::Total(total));
    }
    if let Some(rest) = line.strip_suffix("%]") {
        let (head, _) = rest.rsplit_once('[')?;
        let head = head.trim_end();
        if let Some((name, end, _)) = pytest::while_it_runs(line) {
            return Some(ended(matches!(end, "FAILED" | "ERROR"), name));
        }
        // `test_shop.py .....FFE` or, if pytest is quiet, `.....s`.
        let marks = head.rsplit(' ').next()?;
        let is_marks = !marks.is_empty() && marks.chars().all(|c| ".FEsxXR,uf".contains(c));
        let done = marks.chars().filter(|c| ".FEsxX".contains(*c)).count() as u64;
        let failed = marks.chars().filter(|c| "FE".contains(*c)).count() as u64;
        return is_marks.then_some(Seen::Many { done, failed });
    }
    None
}

fn go(line: &str) -> Option<Seen<'_>> {
    if line.starts_with('{') {
        let name = quoted(line, "Test")?;
        return match quoted(line, "Action")? {
            "pass" | "skip" => Some(ended(false, name)),
            "fail" => Some(ended(true, name)),
            _ => None,
        };
    }
    if let Some(rest) = line.strip_prefix("DONE ") {
        // gotestsum.
        let (counts, _) = rest.rsplit_once(" in ")?;
        let failed = count(counts, "failure");
        let passed = count(counts, "test").saturating_sub(failed + count(counts, "skipped"));
        return Some(printed(passed, failed + count(counts, "error")));
    }
    let (result, rest) = line.trim_start().strip_prefix("--- ")?.split_once(": ")?;
    let name = rest.rsplit_once(" (").map_or(rest, |(name, _)| name);
    matches!(result, "PASS" | "FAIL" | "SKIP").then(|| ended(result == "FAIL", name))
}

/// What node:test prints for people.
fn node(line: &str) -> Option<Seen<'_>> {
    let line = line.trim_start();
    if line == "✖ failing tests:" {
        return Some(Seen::ListedAgain);
    }
    if let Some(failed) = line.strip_prefix("ℹ fail ").or(line.strip_prefix("# fail ")) {
        return failed.parse().ok().map(|failed| printed(0, failed));
    }
    let mark = line.chars().next().filter(|mark| matches!(mark, '✔' | '✖' | '﹣'))?;
    let (name, time) = line[mark.len_utf8()..].trim_start().rsplit_once(" (")?;
    time.contains("ms)").then(|| ended(mark == '✖', name))
}

fn tap(line: &str) -> Option<Seen<'_>> {
    if let Some(total) = line.strip_prefix("1..") {
        return total.parse().ok().map(Seen::Total);
    }
    let line = line.trim_start();
    let (failed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("ok ")?),
    };
    let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
    number.parse::<u64>().ok()?;
    let is_excused = name.to_ascii_lowercase().contains("# todo");
    Some(ended(failed && !is_excused, name.trim_start_matches("- ")))
}

/// `Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0 s - in shop.GoodTest`.
fn maven(line: &str) -> Option<Seen<'_>> {
    let (_, rest) = line.split_once("Tests run: ")?;
    let (counts, class) = rest
        .split_once(", Time elapsed: ")
        .map_or((rest, None), |(counts, time)| (counts, Some(time)));
    let (run, rest) = counts.split_once(", Failures: ")?;
    let (failures, rest) = rest.split_once(", Errors: ")?;
    let (errors, rest) = rest.split_once(", Skipped: ")?;
    let skipped = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let run: u64 = run.parse().ok()?;
    let failed: u64 = failures.parse::<u64>().ok()?.saturating_add(errors.parse().ok()?);
    let skipped: u64 = skipped.parse().ok()?;
    match class {
        Some(_) => Some(Seen::Many { done: run, failed }),
        None => Some(printed(run.saturating_sub(failed).saturating_sub(skipped), failed)),
    }
}

/// `2/7 Test #2: passes ....   Passed    0.01 sec`.
fn ctest(line: &str) -> Option<Seen<'_>> {
    if let Some((_, rest)) = line.split_once("% tests passed, ") {
        let (failed, total) = rest.split_once(" failed out of ")?;
        let failed: u64 = failed.split(' ').next()?.parse().ok()?;
        let total: u64 = total.trim().parse().ok()?;
        return Some(printed(total.saturating_sub(failed), failed));
    }
    let (number, rest) = line.trim_start().split_once(" Test ")?;
    let (done, total) = number.trim().split_once('/')?;
    let (_, rest) = rest.trim_start().strip_prefix('#')?.split_once(": ")?;
    let (name, result) = rest.split_once(" .")?;
    let result = result.trim_start_matches(['.', ' ']);
    let is_fine = ["Passed", "***Skipped", "***Not Run (Disabled)"];
    let failed = !is_fine.iter().any(|fine| result.starts_with(fine));
    Some(Seen::At { done: done.parse().ok()?, total: total.parse().ok()?, failed, name })
}

/// Jest's `Tests:       3 failed, 5 passed, 8 total` and Vitest's `Tests  3 failed | 5 passed (8)`.
fn jest(line: &str) -> Option<Seen<'_>> {
    let rest = line.trim_start().strip_prefix("Tests")?;
    let counts = match rest.strip_prefix(':') {
        Some(counts) if counts.ends_with(" total") => counts.to_owned(),
        None if rest.starts_with("  ") && rest.ends_with(')') => without_parentheses(rest),
        _ => return None,
    };
    let [passed, failed, to_write] = ["passed", "failed", "todo"].map(|word| count(&counts, word));
    Some(Seen::Printed(Printed { passed, failed, to_write }))
}

fn phpunit(line: &str) -> Option<Seen<'_>> {
    if let Some(rest) = line.strip_prefix("OK (") {
        return Some(printed(count(rest.split(')').next()?, "test"), 0));
    }
    if line.starts_with("Tests: ") && line.contains(", Assertions: ") {
        let said = |name: &str| {
            let parts =
                line.trim_end_matches('.').split(", ").filter_map(|part| part.split_once(": "));
            parts
                .filter(|(key, _)| *key == name)
                .filter_map(|(_, value)| value.parse::<u64>().ok())
                .sum::<u64>()
        };
        let failed = said("Errors") + said("Failures");
        let rest = failed + said("Skipped") + said("Incomplete") + said("Risky");
        return Some(printed(said("Tests").saturating_sub(rest), failed));
    }
    // `.FESIR..F          9 / 9 (100%)`.
    let (marks, rest) = line.split_once("  ")?;
    let (done, total) = rest.trim().strip_suffix("%)")?.rsplit_once(" (")?.0.split_once(" / ")?;
    done.trim().parse::<u64>().ok()?;
    total.parse::<u64>().ok()?;
    let is_marks = !marks.is_empty() && marks.chars().all(|c| ".FESIRWDN".contains(c));
    let failed = marks.chars().filter(|c| "FE".contains(*c)).count() as u64;
    is_marks.then_some(Seen::Many { done: marks.len() as u64, failed })
}
