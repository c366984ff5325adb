//! Which records are meant: filters of the command line, compiled so that most lines are passed
//! over without being parsed.

use std::collections::BTreeSet;
use std::ops::Range;

use clap::Args;
use globset::{Glob, GlobMatcher};
use memchr::memmem::Finder;
use serde_json::Value;

use super::entry::Entry;
use super::time;

/// Filters. A record must match all of them; of several values of one filter, any.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Filters {
    /// Who called: subject or identity, such as `ann` or `key:*`
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(super) who: Vec<String>,
    /// The tool, such as `docs_*`
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(super) tool: Vec<String>,
    /// The server: the name of its folder
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(super) server: Vec<String>,
    /// The system and object, such as `collection:*`
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(super) target: Vec<String>,
    /// How the call ended: done, denied, invalid, limited, pending, failed or abandoned
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',')]
    pub(super) outcome: Vec<String>,
    /// What happened: call, intent, `approval_*`, `policy_*`, `key_*`, unidentified, …
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    pub(super) event: Vec<String>,
    /// The kind of error, such as timeout
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(super) error: Vec<String>,
    /// The approval: how its identity begins
    #[arg(long, value_name = "ID")]
    pub(super) approval: Option<String>,
    /// The call
    #[arg(long, value_name = "ID")]
    pub(super) call: Option<String>,
    /// Text in any value of the record, as it is written
    #[arg(long, value_name = "TEXT")]
    pub(super) text: Option<String>,
    #[command(flatten)]
    pub(super) period: Period,
}

impl Filters {
    /// Every record holds the empty text, so who gives it has a script whose variable is empty.
    fn refuse_empty(&self) -> anyhow::Result<()> {
        for (flag, value) in
            [("--text", &self.text), ("--call", &self.call), ("--approval", &self.approval)]
        {
            anyhow::ensure!(
                value.as_deref().is_none_or(|value| !value.trim().is_empty()),
                "{flag} is empty: say what to look for, or leave {flag} out"
            );
        }
        Ok(())
    }
}

/// A period.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Period {
    /// From this moment on: RFC 3339, a day, 2h, 7d, today, yesterday
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// Read every line: also where a clock that was wrong for a while hides a record from
    /// --since and --until
    #[arg(long)]
    pub(super) thorough: bool,
}

impl Period {
    /// The period in milliseconds since 1970; `None` is all time.
    pub(super) fn range(&self, now: u64) -> anyhow::Result<Option<Range<u64>>> {
        let moment = |text: &Option<String>, flag: &str| {
            let moment = text.as_deref().map(|text| time::moment(text, now)).transpose();
            moment.map_err(|message| anyhow::anyhow!("{flag}: {message}"))
        };
        let (since, until) = (moment(&self.since, "--since")?, moment(&self.until, "--until")?);
        if since.is_none() && until.is_none() {
            return Ok(None);
        }
        let range = since.unwrap_or(0)..until.unwrap_or(u64::MAX);
        anyhow::ensure!(range.start < range.end, "--since is not before --until: nothing is left");
        Ok(Some(range))
    }
}

/// Compiled filters.
pub(super) struct Selection {
    /// What a line must hold, one condition after the other.
    tests: Vec<Test>,
    /// The condition that is sought in whole blocks: the one that is likely the rarest.
    lead: Option<usize>,
    servers: Vec<GlobMatcher>,
    /// In milliseconds since 1970.
    pub(super) period: Option<Range<u64>>,
    /// Whether lines are read that lie outside the period by their place in the log.
    pub(super) thorough: bool,
}

/// One condition: bytes that the line must hold, then a look at the record.
struct Test {
    /// One of these must be in the line; without any, every line is looked at.
    needles: Vec<Finder<'static>>,
    holds: Holds,
}

/// A look at a record, and at its line.
type Holds = Box<dyn Fn(&Entry<'_>, &[u8]) -> bool + Send + Sync>;

impl Selection {
    /// Compiles the filters; `now` is where `2h` counts from.
    pub(super) fn new(filters: &Filters, now: u64) -> anyhow::Result<Self> {
        filters.refuse_empty()?;
        let mut tests = Vec::new();
        // The rarest first.
        if let Some(text) = filters.text.clone() {
            tests.push(holds_text(text));
        }
        if let Some(call) = filters.call.clone() {
            let needles = vec![opening(&call, true)];
            let holds: Holds = Box::new(move |entry, _| entry.call == call);
            tests.push(Test { needles, holds });
        }
        if let Some(id) = filters.approval.clone() {
            let needles = vec![opening(&id, false)];
            let holds: Holds = Box::new(move |entry, _| entry.approval_id().starts_with(&id));
            tests.push(Test { needles, holds });
        }
        let globs: [(&str, &[String], Field); 6] = [
            ("--error", &filters.error, |entry| [&entry.error, ""]),
            ("--target", &filters.target, |entry| [&entry.target, ""]),
            ("--outcome", &filters.outcome, |entry| [&entry.outcome, ""]),
            ("--who", &filters.who, |entry| [&entry.principal.subject, &entry.principal.identity]),
            ("--tool", &filters.tool, |entry| [&entry.tool, ""]),
            ("--event", &filters.event, |entry| [&entry.event, ""]),
        ];
        for (flag, patterns, field) in globs {
            if !patterns.is_empty() {
                tests.push(matches_glob(flag, patterns, field)?);
            }
        }
        Ok(Self {
            lead: tests.iter().position(|test| test.needles.len() == 1),
            tests,
            servers: compile("--server", &filters.server)?,
            period: filters.period.range(now)?,
            thorough: filters.period.thorough,
        })
    }

    /// The records of these calls and approvals.
    pub(super) fn of_ids(calls: &BTreeSet<String>, approvals: &BTreeSet<String>) -> Self {
        let needles = calls.iter().chain(approvals).map(|id| opening(id, true)).collect();
        let (calls, approvals) = (calls.clone(), approvals.clone());
        let holds: Holds = Box::new(move |entry, _| {
            calls.contains(entry.call.as_ref()) || approvals.contains(entry.approval_id())
        });
        let tests = vec![Test { needles, holds }];
        let lead = (tests[0].needles.len() == 1).then_some(0);
        Self { tests, lead, servers: Vec::new(), period: None, thorough: false }
    }

    /// Whether a server's records are meant at all.
    pub(super) fn takes_server(&self, name: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|glob| glob.is_match(name))
    }

    /// Gives each line of a block that matches, with its place in the block and its record.
    /// Returns how many lines that were looked at are no records.
    pub(super) fn each<'b>(
        &self,
        block: &'b [u8],
        mut take: impl FnMut(usize, &'b [u8], Entry<'b>),
    ) -> usize {
        let mut unreadable = 0;
        let mut look = |start: usize, line: &'b [u8]| match self.find(line) {
            Found::Yes(entry) => take(start, line, *entry),
            Found::Unreadable => unreadable += 1,
            Found::No => {}
        };
        let Some(lead) = self.lead else {
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', block).chain([block.len()]) {
                if end > start {
                    look(start, &block[start..end]);
                }
                start = end + 1;
            }
            return unreadable;
        };
        let needle = &self.tests[lead].needles[0];
        let mut from = 0;
        while let Some(at) = needle.find(block.get(from..).unwrap_or_default()) {
            let at = from + at;
            let start = memchr::memrchr(b'\n', &block[..at]).map_or(0, |before| before + 1);
            let end = memchr::memchr(b'\n', &block[at..]).map_or(block.len(), |after| at + after);
            look(start, &block[start..end]);
            from = end + 1;
        }
        unreadable
    }

    fn find<'b>(&self, line: &'b [u8]) -> Found<'b> {
        let may = |test: &Test| {
            test.needles.is_empty() || test.needles.iter().any(|it| it.find(line).is_some())
        };
        if !self.tests.iter().all(may) {
            return Found::No;
        }
        let Some(entry) = Entry::parse(line) else { return Found::Unreadable };
        let in_time = self
            .period
            .as_ref()
            .is_none_or(|period| entry.millis().is_some_and(|millis| period.contains(&millis)));
        if in_time && self.tests.iter().all(|test| (test.holds)(&entry, line)) {
            Found::Yes(Box::new(entry))
        } else {
            Found::No
        }
    }
}

enum Found<'b> {
    Yes(Box<Entry<'b>>),
    No,
    Unreadable,
}

/// Up to two values of a record that a pattern may match.
type Field = for<'e> fn(&'e Entry<'_>) -> [&'e str; 2];

fn matches_glob(flag: &str, patterns: &[String], field: Field) -> anyhow::Result<Test> {
    let globs = compile(flag, patterns)?;
    let literals: Vec<(&str, bool)> = patterns.iter().map(|pattern| literal(pattern)).collect();
    let needles = if literals.iter().any(|(text, _)| text.is_empty()) {
        Vec::new()
    } else {
        literals.iter().map(|(text, whole)| opening(text, *whole)).collect()
    };
    let holds: Holds = Box::new(move |entry, _| {
        let values = field(entry);
        let is_match = |value: &&str| !value.is_empty() && globs.iter().any(|g| g.is_match(value));
        values.iter().any(is_match)
    });
    Ok(Test { needles, holds })
}

fn compile(flag: &str, patterns: &[String]) -> anyhow::Result<Vec<GlobMatcher>> {
    patterns
        .iter()
        .map(|pattern| match Glob::new(pattern) {
            Ok(glob) => Ok(glob.compile_matcher()),
            Err(error) => anyhow::bail!("{flag}: `{pattern}` is no pattern: {}", error.kind()),
        })
        .collect()
}

/// How every match of a glob begins, and whether that is all of it.
fn literal(pattern: &str) -> (&str, bool) {
    match pattern.find(['*', '?', '[', '{', '\\']) {
        Some(at) => (&pattern[..at], false),
        None => (pattern, true),
    }
}

/// How a JSON text begins that begins with `text`.
fn opening(text: &str, whole: bool) -> Finder<'static> {
    let json = Value::from(text).to_string();
    let end = if whole { json.len() } else { json.len() - 1 };
    Finder::new(&json.as_bytes()[..end]).into_owned()
}

fn holds_text(text: String) -> Test {
    let json = Value::from(text.as_str()).to_string();
    let needle = Finder::new(&json.as_bytes()[1..json.len() - 1]).into_owned();
    let holds: Holds = Box::new(move |_, line| {
        serde_json::from_slice::<Value>(line).is_ok_and(|value| says(&value, &text))
    });
    Test { needles: vec![needle], holds }
}

/// Whether the text stands in a value, or in the name of an argument.
fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value.contains(text),
        Value::Array(items) => items.iter().any(|item| says(item, text)),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains(text) || says(value, text))
        }
        plain => plain.to_string().contains(text),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filters: Filters,
    }

    const LOG: &str = concat!(
        r#"{"call":"c-1","event":"call","outcome":"done","principal":{"identity":"key:laptop","subject":"ann"},"server":"docs","target":"collection:handbook","time":"2026-11-22T08:00:00.000Z","tool":"docs_search"}"#,
        "\n",
        r#"{"arguments":{"query":"say \"denied\"\nnow"},"call":"c-2","error":"denied","event":"call","outcome":"denied","principal":{"identity":"user:bob","subject":"bob"},"server":"docs","target":"collection:secret","time":"2026-11-22T09:00:00.000Z","tool":"docs_read"}"#,
        "\n",
        "{\"tool\":\"docs_search\",\"ev\n\n",
        r#"{"approval": {"id": "ab12", "level": "one"}, "call": "c-3", "event": "approval_asked", "outcome": 7, "time": "2026-11-22T10:00:00.000Z", "tool": "mail_send"}"#,
        "\n",
        r#"{"event":"dreamt","time":"nonsense","principal":{"subject":"ärzte"}}"#,
    );

    /// The numbers of the lines found by these flags, and how many were no records.
    fn found(flags: &str) -> (Vec<usize>, usize) {
        let args = flags.split_terminator('|');
        let line = Line::try_parse_from(["x"].into_iter().chain(args)).expect("flags");
        let now = time::millis("2026-11-22T11:00:00Z").expect("a time");
        let selection = Selection::new(&line.filters, now).expect("filters");
        let mut places = Vec::new();
        let unreadable = selection.each(LOG.as_bytes(), |start, line, _| {
            assert!(LOG.as_bytes()[start..].starts_with(line));
            places.push(LOG[..start].matches('\n').count() + 1);
        });
        (places, unreadable)
    }

    fn check(flags: &str, expected: &[usize]) {
        assert_eq!(found(flags).0, expected, "{flags}");
    }

    #[test]
    fn each_filter_finds_its_records() {
        assert_eq!(found(""), (vec![1, 2, 5, 6], 1));
        check("--who|ann", &[1]);
        check("--who|key:*", &[1]);
        check("--who|user:bob,ann", &[1, 2]);
        check("--who|bo", &[]);
        check("--who|är*", &[6]);
        check("--tool|docs_*", &[1, 2]);
        check("--tool|*_s*", &[1, 5]);
        check("--target|collection:handbook", &[1]);
        check("--outcome|denied", &[2]);
        check("--outcome|done,denied", &[1, 2]);
        check("--event|approval_*", &[5]);
        check("--event|dreamt", &[6]);
        check("--error|denied", &[2]);
        check("--approval|ab", &[5]);
        check("--approval|b1", &[]);
        check("--call|c-3", &[5]);
        check("--call|c-", &[]);
    }

    #[test]
    fn empty_text_and_ids_are_refused() {
        for flag in ["--text", "--call", "--approval"] {
            for empty in ["", " "] {
                let line = Line::try_parse_from(["x", flag, empty]).expect("flags");
                let error = Selection::new(&line.filters, 0).err().expect("refused").to_string();
                assert!(error.contains(&format!("{flag} is empty")), "{error}");
            }
        }
    }

    #[test]
    fn filters_compose() {
        check("--who|ann|--tool|docs_*|--outcome|done", &[1]);
        check("--who|ann|--outcome|denied", &[]);
        check("--tool|docs_*|--since|2h", &[2]);
        check("--tool|docs_*|--until|2h", &[1]);
    }

    #[test]
    fn periods_include_their_start_and_not_their_end() {
        check("--since|2026-11-22T09:00:00Z", &[2, 5]);
        check("--until|2026-11-22T09:00:00Z", &[1]);
        check("--since|2026-11-22T09:00:00+01:00|--until|2026-11-22T08:00:00.001Z", &[1]);
        check("--since|yesterday|--until|today", &[]);
    }

    #[test]
    fn text_is_sought_in_values_and_not_in_their_notation() {
        check("--text|say \"denied\"", &[2]);
        check("--text|\"\nnow", &[2]);
        check("--text|nnow", &[]);
        check("--text|handbook", &[1]);
        check("--text|query", &[2]);
        check("--text|\"outcome\":\"denied\"", &[]);
        check("--text|7", &[5]);
    }

    #[test]
    fn a_wrong_filter_says_which() {
        for (flags, message) in [
            (["--tool", "docs_["], "--tool: `docs_[`"),
            (["--since", "soon"], "--since: `soon`"),
            (["--until", "1970-01-01"], "--since is not before --until"),
        ] {
            let line = Line::try_parse_from(["x"].into_iter().chain(flags)).expect("flags");
            let error = Selection::new(&line.filters, 0).err().expect("an error").to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
