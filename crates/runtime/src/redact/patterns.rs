//! Finds what looks like a secret in a text, by the [`rules`](super::rules).
//!
//! The words with which matches begin are found in one pass; at each of them the expression of its
//! rule is tried, there and nowhere else. What is found does not depend on the pass: it saves work.

use std::ops::Range;

use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};

use super::rules::{COUNT, Candidate, Hit, is_rule, regex, rule, scan};

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Where, at boundaries of characters.
    pub(super) range: Range<usize>,
    /// The name of its kind.
    pub(super) id: &'static str,
}

/// What looks like a secret, in the order of the text, without overlaps.
pub(super) fn find(text: &str) -> Vec<Finding> {
    let mut search = Search { text, found: Vec::new(), ends: Vec::new() };
    for (end, hits) in scan(text.as_bytes()) {
        for hit in hits {
            search.try_at(end, hit);
        }
    }
    search.merged()
}

/// Whether any word of a rule stands in the text.
pub(super) fn has_word(text: &str) -> bool {
    !scan(text.as_bytes()).is_empty()
}

struct Search<'t> {
    text: &'t str,
    /// Ranges with the numbers of their rules.
    found: Vec<(Range<usize>, usize)>,
    /// Up to where each rule has looked; empty until the first is tried.
    ends: Vec<usize>,
}

impl Search<'_> {
    fn try_at(&mut self, end: usize, hit: &Hit) {
        let (start, number) = (end - hit.length, hit.rule);
        let rule = rule(number);
        let bytes = self.text.as_bytes();
        if rule.at_boundary && start > 0 && is_word(bytes[start - 1]) == is_word(bytes[start]) {
            return;
        }
        if self.ends.is_empty() {
            self.ends = vec![0; COUNT];
        }
        if start < self.ends[number] {
            return;
        }
        let Some(regex) = regex(number) else { return };
        if rule.is_anchored {
            self.anchored(number, regex, start, rule.reach);
        } else {
            self.everywhere(number, regex);
        }
    }

    /// One match that begins at `start`. One that comes to the end of what was looked at is looked
    /// for again in all that follows.
    fn anchored(&mut self, number: usize, regex: &Regex, start: usize, reach: usize) {
        let length = self.text.len();
        let near = length.min(start + reach);
        let input = Input::new(self.text).anchored(Anchored::Yes);
        let Some(mut found) = captured(regex, input.clone().range(start..near)) else { return };
        let is_cut = found.get_match().is_some_and(|found| found.end() == near) && near < length;
        if is_cut && let Some(whole) = captured(regex, input.range(start..length)) {
            found = whole;
        }
        self.note(number, &found);
    }

    /// All matches of a rule that has no beginning of its own.
    fn everywhere(&mut self, number: usize, regex: &Regex) {
        let mut at = 0;
        while let Some(found) = captured(regex, Input::new(self.text).range(at..)) {
            self.note(number, &found);
            at = self.ends[number].max(at + 1);
            if at > self.text.len() {
                break;
            }
        }
        self.ends[number] = usize::MAX;
    }

    fn note(&mut self, number: usize, found: &Captures) {
        let Some(whole) = found.get_match() else { return };
        let rule = rule(number);
        let groups = || (1..found.group_len()).find_map(|group| some(found.get_group(group)));
        let group = match rule.group() {
            0 => groups(),
            group => some(found.get_group(group)),
        };
        let secret = group.unwrap_or(whole.start()..whole.end());
        let secret =
            self.text.floor_char_boundary(secret.start)..self.text.ceil_char_boundary(secret.end);
        // What ends one secret may begin the next, but a secret holds no other of its kind.
        self.ends[number] = secret.end.max(whole.start() + 1);
        let bytes = self.text.as_bytes();
        let matched = named(bytes, whole.start())..whole.end();
        let candidate = Candidate {
            secret: &bytes[secret.clone()],
            matched: &bytes[matched.clone()],
            line: &bytes[lines(bytes, matched)],
        };
        if rule.holds(number, candidate) {
            self.found.push((secret, number));
        }
    }

    fn merged(mut self) -> Vec<Finding> {
        if self.found.is_empty() {
            return Vec::new();
        }
        let marks = marks(self.text);
        self.found.retain(|(range, _)| !is_in(&marks, range));
        // Of those that begin together the special and the longer comes first and gives the name.
        self.found.sort_by_key(|(range, number)| {
            (range.start, rule(*number).is_generic(), usize::MAX - range.end)
        });
        let mut out: Vec<(Finding, usize)> = Vec::new();
        for (range, number) in self.found {
            match out.last_mut() {
                Some((last, known)) if range.start < last.range.end => {
                    last.range.end = last.range.end.max(range.end);
                    if rule(*known).is_generic() {
                        (last.id, *known) = (rule(number).id, number);
                    }
                }
                _ => out.push((Finding { range, id: rule(number).id }, number)),
            }
        }
        out.into_iter().map(|(finding, _)| finding).collect()
    }
}

fn captured(regex: &Regex, input: Input<'_>) -> Option<Captures> {
    // Nearly all searches fail, and failing is cheaper without groups.
    regex.search_half(&input)?;
    let mut found = regex.create_captures();
    regex.search_captures(&input, &mut found);
    found.is_match().then_some(found)
}

fn some(span: Option<regex_automata::Span>) -> Option<Range<usize>> {
    span.filter(|span| !span.is_empty()).map(|span| span.range())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the name begins that ends with the word at `at`: gitleaks takes up to fifty characters
/// before the word for a part of the match, which its allow-lists see.
fn named(text: &[u8], at: usize) -> usize {
    let before = text[at.saturating_sub(50)..at].iter().rev();
    at - before.take_while(|byte| is_word(**byte) || matches!(byte, b'.' | b'-')).count()
}

/// The lines that a range touches, up to a thousand bytes on each side.
fn lines(text: &[u8], range: Range<usize>) -> Range<usize> {
    let first = range.start.saturating_sub(1_000);
    let last = text.len().min(range.end + 1_000);
    let start = text[first..range.start].iter().rposition(|byte| *byte == b'\n');
    let end = text[range.end..last].iter().position(|byte| *byte == b'\n');
    start.map_or(first, |at| first + at + 1)..end.map_or(last, |at| range.end + at)
}

/// Where a secret was already replaced: by exactly what would be put there, so that nothing is
/// passed over that only looks like it.
pub(super) fn marks(text: &str) -> Vec<Range<usize>> {
    let mark = |(at, begin): (usize, &str)| {
        let rest = &text[at + begin.len()..];
        let inside = &rest[..rest.find(']')?];
        let is_ours = inside.is_empty() || inside.strip_prefix(": ").is_some_and(is_rule);
        is_ours.then(|| at..at + begin.len() + inside.len() + 1)
    };
    text.match_indices("[redacted").filter_map(mark).collect()
}

/// Whether a range lies in one of the marks.
pub(super) fn is_in(marks: &[Range<usize>], range: &Range<usize>) -> bool {
    let before = marks.partition_point(|mark| mark.start <= range.start);
    before > 0 && range.end <= marks[before - 1].end
}
