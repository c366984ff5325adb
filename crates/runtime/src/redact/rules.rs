//! The rules as the build made them: what a secret looks like, and what only looks like one.

use std::sync::OnceLock;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// One kind of secret.
#[derive(Debug)]
pub(super) struct Rule {
    /// What stands in the mark.
    pub(super) id: &'static str,
    /// A regular expression over bytes; what its group holds is the secret.
    pattern: &'static str,
    /// Shannon's entropy, in bits a character, that a secret exceeds.
    entropy: f64,
    /// The group; 0 is the first that took part, or else the whole match.
    group: usize,
    /// How far behind its beginning a match is looked for, in bytes.
    pub(super) reach: usize,
    /// Whether every match begins with one of the rule's words.
    pub(super) is_anchored: bool,
    /// Whether a match begins where a word of the text does.
    pub(super) at_boundary: bool,
    allow: &'static [Allow],
}

/// What is no secret although it looks like one.
#[derive(Debug)]
struct Allow {
    target: Target,
    regexes: &'static [&'static str],
    stopwords: &'static [&'static str],
}

/// What the expressions of an [`Allow`] are held against. Its stop words concern the secret only.
#[derive(Debug)]
enum Target {
    Secret,
    Match,
    Line,
}

/// The end of a word of a rule in a text.
#[derive(Debug)]
pub(super) struct Hit {
    /// The number of the rule.
    pub(super) rule: usize,
    /// The length of the word.
    pub(super) length: usize,
}

/// A secret and where it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    /// What is to be replaced.
    pub(super) secret: &'a [u8],
    /// The whole match, with the name before it.
    pub(super) matched: &'a [u8],
    /// The lines that the match touches.
    pub(super) line: &'a [u8],
}

/// Where in a text the words of rules end, in the order of the text; words overlap.
///
/// Each step of the automaton waits for the one before, so four parts of a text are walked in
/// turns: the machine does their steps at the same time.
pub(super) fn scan(text: &[u8]) -> Vec<(usize, &'static [Hit])> {
    let length = text.len() / 4;
    let mut lanes = [0, 1, 2, 3].map(|lane| Lane::new(text, lane * length));
    let (first, rest) = text.split_at(length);
    let (second, rest) = rest.split_at(length);
    let (third, rest) = rest.split_at(length);
    for (at, (((a, b), c), d)) in first.iter().zip(second).zip(third).zip(rest).enumerate() {
        for (lane, byte) in lanes.iter_mut().zip([a, b, c, d]) {
            lane.walk(at, *byte);
        }
    }
    for (at, byte) in rest.iter().enumerate().skip(length) {
        lanes[3].walk(at, *byte);
    }
    lanes.map(|lane| lane.found).concat()
}

/// A part of a text on its way through the automaton.
struct Lane {
    start: usize,
    state: u16,
    found: Vec<(usize, &'static [Hit])>,
}

impl Lane {
    /// A word that ends in this part may begin in the one before.
    fn new(text: &[u8], start: usize) -> Self {
        let before = &text[start.saturating_sub(LONGEST_WORD - 1)..start];
        let state = before.iter().fold(0, |state, byte| step(state, *byte));
        Self { start, state, found: Vec::new() }
    }

    fn walk(&mut self, at: usize, byte: u8) {
        self.state = step(self.state, byte);
        if self.state >= FIRST_ENDING {
            let hits = ENDINGS[usize::from(self.state - FIRST_ENDING)];
            self.found.push((self.start + at + 1, hits));
        }
    }
}

fn step(state: u16, byte: u8) -> u16 {
    NEXT[usize::from(state) << 6 | usize::from(CLASSES[usize::from(byte)])]
}

/// How many rules there are.
pub(super) const COUNT: usize = RULES.len();

/// A rule by its number.
pub(super) fn rule(number: usize) -> &'static Rule {
    &RULES[number]
}

/// Whether a rule has this name.
pub(super) fn is_rule(id: &str) -> bool {
    RULES.iter().any(|rule| rule.id == id)
}

/// The expression of a rule by its number, compiled at its first use.
pub(super) fn regex(number: usize) -> Option<&'static Regex> {
    static COMPILED: [OnceLock<Option<Regex>>; COUNT] = [const { OnceLock::new() }; COUNT];
    COMPILED[number].get_or_init(|| compile(RULES[number].pattern)).as_ref()
}

/// Bytes, not characters: `\w` and `\b` mean ASCII in RE2, for which the rules were written. A
/// test compiles every one.
fn compile(pattern: &str) -> Option<Regex> {
    let bytes = syntax::Config::new().unicode(false).utf8(false);
    let config = Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(4 << 20))
        .onepass(false)
        .auto_prefilter(false);
    Regex::builder().syntax(bytes).configure(config).build(pattern).ok()
}

/// The same as [`scan`] in one lane.
#[cfg(test)]
pub(super) fn words_one_by_one(text: &[u8]) -> Vec<usize> {
    let mut state = 0;
    let mut ends = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        state = step(state, *byte);
        if state >= FIRST_ENDING {
            ends.push(at + 1);
        }
    }
    ends
}

/// Whether every expression of every allow-list compiles.
#[cfg(test)]
pub(super) fn lists_compile() -> bool {
    let lists = RULES.iter().flat_map(|rule| rule.allow).chain(EVERYWHERE);
    lists.flat_map(|list| list.regexes).all(|regex| compile(regex).is_some())
}

impl Rule {
    /// The expression.
    #[cfg(test)]
    pub(super) fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// The group that holds the secret.
    pub(super) fn group(&self) -> usize {
        self.group
    }

    /// Whether this is the rule of last resort, whose name says least.
    pub(super) fn is_generic(&self) -> bool {
        self.id.contains("generic")
    }

    /// Whether a candidate is a secret: random enough, and allowed by no list.
    pub(super) fn holds(&'static self, number: usize, found: Candidate<'_>) -> bool {
        static LISTS: [OnceLock<Vec<List>>; COUNT] = [const { OnceLock::new() }; COUNT];
        static COMMON: OnceLock<Vec<List>> = OnceLock::new();
        if self.entropy > 0.0 && entropy(found.secret) <= self.entropy {
            return false;
        }
        let common = COMMON.get_or_init(|| EVERYWHERE.iter().map(List::new).collect());
        let own = LISTS[number].get_or_init(|| self.allow.iter().map(List::new).collect());
        !common.iter().chain(own).any(|list| list.allows(found))
    }
}

/// An [`Allow`] made ready.
struct List {
    allow: &'static Allow,
    regexes: Vec<Regex>,
}

impl List {
    fn new(allow: &'static Allow) -> Self {
        Self { allow, regexes: allow.regexes.iter().filter_map(|regex| compile(regex)).collect() }
    }

    fn allows(&self, found: Candidate<'_>) -> bool {
        let target = match self.allow.target {
            Target::Secret => found.secret,
            Target::Match => found.matched,
            Target::Line => found.line,
        };
        if self.regexes.iter().any(|regex| regex.is_match(target)) {
            return true;
        }
        if self.allow.stopwords.is_empty() {
            return false;
        }
        let secret = String::from_utf8_lossy(found.secret).to_ascii_lowercase();
        self.allow.stopwords.iter().any(|word| secret.contains(word))
    }
}

/// Shannon's entropy in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let length = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let share = |count: &u32| f64::from(*count) / length;
    counts.iter().filter(|count| **count > 0).map(share).map(|share| -share * share.log2()).sum()
}
