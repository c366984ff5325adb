//! One line of TAP.

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// `ok` or `not ok`.
    Point(Point<'a>),
    /// `1..N`, with why nothing ran if N is 0.
    Plan(u64, Option<&'a str>),
    /// `# Subtest: name`.
    Subtest(&'a str),
    /// `---`, where details begin.
    Details,
    /// `}`, where a subtest ends whose point came first.
    EndOfSubtest,
    /// `Bail out!`.
    BailOut(&'a str),
    /// Any other comment.
    Comment(&'a str),
    /// What is no TAP, for instance what a test printed.
    Other,
}

/// What excuses a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Skip,
    Todo,
}

/// A test point.
#[derive(Debug, PartialEq)]
pub(super) struct Point<'a> {
    pub(super) is_ok: bool,
    pub(super) number: Option<u64>,
    pub(super) name: &'a str,
    pub(super) directive: Option<Directive>,
    /// What follows the directive.
    pub(super) reason: &'a str,
    /// How long it took, where Vitest and node-tap write that.
    pub(super) milliseconds: Option<f64>,
    /// Whether its subtests follow in braces.
    pub(super) opens: bool,
}

/// Reads a line that has neither indentation nor white space at its end.
pub(super) fn read(line: &str) -> Line<'_> {
    if let Some(point) = point(line) {
        return Line::Point(point);
    }
    if let Some(rest) = line.strip_prefix("1..")
        && let Some(plan) = plan(rest)
    {
        return plan;
    }
    if let Some(rest) = line.get(..9).filter(|start| start.eq_ignore_ascii_case("bail out!")) {
        return Line::BailOut(line[rest.len()..].trim());
    }
    if let Some(comment) = line.strip_prefix('#') {
        let comment = comment.trim();
        return match comment.strip_prefix("Subtest:") {
            Some(name) => Line::Subtest(name.trim()),
            None => Line::Comment(comment),
        };
    }
    match line {
        "---" => Line::Details,
        "}" => Line::EndOfSubtest,
        _ => Line::Other,
    }
}

fn plan(rest: &str) -> Option<Line<'_>> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let count = rest[..end].parse().ok()?;
    let rest = rest[end..].trim();
    if rest.is_empty() {
        return Some(Line::Plan(count, None));
    }
    let comment = rest.strip_prefix('#')?.trim();
    Some(Line::Plan(count, Some(comment)))
}

fn point(line: &str) -> Option<Point<'_>> {
    let (is_ok, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with([' ', '\t', '#']) {
        return None;
    }
    let rest = rest.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let is_number = digits > 0 && rest[digits..].chars().next().is_none_or(char::is_whitespace);
    let (number, rest) = if is_number {
        (rest[..digits].parse().ok(), rest[digits..].trim_start())
    } else {
        (None, rest)
    };
    let mut point = Point {
        is_ok,
        number,
        name: rest,
        directive: None,
        reason: "",
        milliseconds: None,
        opens: false,
    };
    if let Some(before) = rest.strip_suffix('{').filter(|before| before.ends_with(' ')) {
        point.opens = true;
        point.name = before.trim_end();
    }
    direct(&mut point);
    point.name = point.name.strip_prefix("- ").unwrap_or(point.name).trim();
    Some(point)
}

/// Finds the directive: after a `#` that no backslash precedes.
fn direct(point: &mut Point<'_>) {
    let text = point.name;
    let hashes = text.match_indices('#').map(|(at, _)| at).filter(|at| !is_escaped(text, *at));
    for at in hashes {
        let after = text[at + 1..].trim_start();
        let word = after.find(char::is_whitespace).map_or(after, |end| &after[..end]);
        let lower = word.to_ascii_lowercase();
        let directive = match lower.as_str() {
            "todo" | "todo:" => Some(Directive::Todo),
            // The specification allows `SKIP` and any word that begins so, like `skipped`.
            lower if lower.starts_with("skip") => Some(Directive::Skip),
            _ => None,
        };
        if directive.is_some() {
            point.directive = directive;
            point.reason = after[word.len()..].trim();
            point.name = text[..at].trim_end();
            return;
        }
        if let Some(time) = lower.strip_prefix("time=") {
            point.milliseconds = time.strip_suffix("ms").unwrap_or(time).parse().ok();
            point.name = text[..at].trim_end();
        }
    }
}

/// Whether an odd number of backslashes precedes.
fn is_escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        line: &str,
        is_ok: bool,
        number: Option<u64>,
        name: &str,
        directive: Option<Directive>,
    ) {
        let Line::Point(point) = read(line) else { panic!("{line} is no point") };
        assert_eq!((point.is_ok, point.number), (is_ok, number), "{line}");
        assert_eq!((point.name, point.directive), (name, directive), "{line}");
    }

    #[test]
    fn points() {
        check("ok", true, None, "", None);
        check("not ok", false, None, "", None);
        check("ok 1 - name", true, Some(1), "name", None);
        check("not ok 2 name", false, Some(2), "name", None);
        check("ok 1st", true, None, "1st", None);
        check("ok - name", true, None, "name", None);
        check("ok 4 # skip needs a till", true, Some(4), "", Some(Directive::Skip));
        check("ok 4 - a # Skipped: b", true, Some(4), "a", Some(Directive::Skip));
        check("not ok 6 - a # todo known bug", false, Some(6), "a", Some(Directive::Todo));
        check(r"not ok 6 - a \# todo b", false, Some(6), r"a \# todo b", None);
        check("ok 2 - a # time=2.39ms {", true, Some(2), "a", None);
        check("ok 2 - issue #12 # todo", true, Some(2), "issue #12", Some(Directive::Todo));
    }

    #[test]
    fn other_lines() {
        for (line, expected) in [
            ("1..3", Line::Plan(3, None)),
            ("1..0 # SKIP no till", Line::Plan(0, Some("SKIP no till"))),
            ("1..x", Line::Other),
            ("# Subtest: a", Line::Subtest("a")),
            ("# a", Line::Comment("a")),
            ("Bail out!  no database", Line::BailOut("no database")),
            ("okay", Line::Other),
            ("not okay", Line::Other),
            ("}", Line::EndOfSubtest),
            ("---", Line::Details),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
