//! Turns the rules of `data/*.toml` into static tables, so that a start pays nothing for them: no
//! TOML is read, no automaton is built, and a rule's regular expression is compiled only when its
//! first word turns up in a text.
//!
//! Two tables are written to `$OUT_DIR/rules.rs`: the rules, and an automaton (Aho-Corasick,
//! without regard to ASCII case) over the words with which matches of the rules begin.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind};
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde::Deserialize;

/// gitleaks' own, unchanged; then ours, which adds rules and replaces those of the same name.
const FILES: [&str; 2] = ["data/gitleaks.toml", "data/suite.toml"];

/// What gitleaks' rules begin with where the name of a setting comes first. It may match nothing,
/// and is no part of the secret, so a search that starts at the word behind it finds the same.
const ANY_PREFIX: &str = r"[\w.-]{0,50}?";

/// Longer words make the automaton larger and hardly save a search.
const LONGEST_WORD: usize = 10;

/// Shorter ones, such as the `s` of some prefix, stop nearly everywhere in a text.
const SHORTEST_WORD: usize = 2;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    allowlist: Allow,
    /// The names of rules that are left out.
    #[serde(default)]
    without: Vec<String>,
    /// What a rule of another file does not mean.
    #[serde(default)]
    allow: BTreeMap<String, Allow>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    regex: Option<String>,
    #[serde(default)]
    entropy: f64,
    #[serde(default, rename = "secretGroup")]
    group: usize,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    allowlists: Vec<Allow>,
    /// How far behind its first word a match may end before it is first seen, in bytes.
    #[serde(default = "reach")]
    reach: usize,
}

fn reach() -> usize {
    1024
}

#[derive(Clone, Default, Deserialize)]
struct Allow {
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
    #[serde(default, rename = "regexTarget")]
    target: String,
    #[serde(default)]
    condition: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    let mut everywhere = Vec::new();
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
        let read: File = toml::from_str(&std::fs::read_to_string(file)?)?;
        for id in &read.without {
            rules.remove(id).ok_or_else(|| format!("{file}: no rule {id} to leave out"))?;
        }
        rules.extend(read.rules.into_iter().map(|rule| (rule.id.clone(), rule)));
        for (id, allow) in read.allow {
            rules.get_mut(&id).ok_or_else(|| format!("no rule {id}"))?.allowlists.push(allow);
        }
        everywhere.push(read.allowlist);
    }
    // A rule about names of files has nothing to say about text.
    rules.retain(|_, rule| rule.regex.is_some());
    let mut out = String::new();
    let mut words: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    writeln!(out, "static RULES: [Rule; {}] = [", rules.len())?;
    for (number, rule) in rules.values().enumerate() {
        write_rule(&mut out, &mut words, number, rule)?;
    }
    writeln!(out, "];\nstatic EVERYWHERE: &[Allow] = &[{}];", allows(&everywhere))?;
    write_automaton(&mut out, &words)?;
    std::fs::write(format!("{}/rules.rs", std::env::var("OUT_DIR")?), out)?;
    Ok(())
}

/// A pattern of Go's RE2 in the syntax of `regex`, where a brace that repeats nothing is escaped.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let (mut is_escaped, mut is_class) = (false, false);
    for (at, c) in pattern.char_indices() {
        match c {
            _ if is_escaped => {}
            '[' if !is_class => is_class = true,
            // A bracket that comes first in its class is a member of it.
            ']' if !out.ends_with('[') && !out.ends_with("[^") => is_class = false,
            '{' if !is_class && !repeats(&pattern[at..]) => out.push('\\'),
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        out.push(c);
    }
    out
}

fn repeats(brace: &str) -> bool {
    let inside = brace[1..].split('}').next().unwrap_or_default();
    inside.starts_with(|c: char| c.is_ascii_digit())
        && inside.chars().all(|c| c.is_ascii_digit() || c == ',')
}

fn write_rule(
    out: &mut String,
    words: &mut BTreeMap<Vec<u8>, Vec<String>>,
    number: usize,
    rule: &Rule,
) -> Result<(), Box<dyn Error>> {
    let Rule { id, entropy, group, reach, .. } = rule;
    let pattern = translated(&rule.regex.as_deref().unwrap_or_default().replace(ANY_PREFIX, ""));
    let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    let parsed = parsed.clone().parse(&pattern).map_err(|error| format!("{id}: {error}"))?;
    let starts = Starts::default().then(&parsed).words();
    let is_anchored = starts.iter().all(|word| word.len() >= SHORTEST_WORD);
    let starts = if is_anchored {
        starts
    } else {
        rule.keywords.iter().map(|word| word.to_lowercase().into_bytes()).collect()
    };
    if starts.is_empty() {
        return Err(format!("{id}: neither a first word nor keywords").into());
    }
    for mut word in starts {
        word.truncate(LONGEST_WORD);
        let hit = format!("Hit {{ rule: {number}, length: {} }}", word.len());
        words.entry(word).or_default().push(hit);
    }
    let at_boundary = is_anchored && begins_at_boundary(&parsed);
    writeln!(
        out,
        "Rule {{ id: {id:?}, pattern: {pattern:?}, entropy: {entropy:?}, group: {group}, \
         reach: {reach}, is_anchored: {is_anchored}, at_boundary: {at_boundary}, allow: &[{}] }},",
        allows(&rule.allowlists)
    )?;
    Ok(())
}

/// Allow-lists as Rust. Those that ask for a file of a certain name, too, allow nothing here.
fn allows(allows: &[Allow]) -> String {
    let useful = allows.iter().filter(|allow| {
        allow.condition != "AND" && (!allow.regexes.is_empty() || !allow.stopwords.is_empty())
    });
    let written = useful.map(|Allow { regexes, stopwords, target, .. }| {
        let target = match target.as_str() {
            "match" => "Match",
            "line" => "Line",
            _ => "Secret",
        };
        let regexes: Vec<String> = regexes.iter().map(|regex| translated(regex)).collect();
        let stopwords: BTreeSet<String> = stopwords.iter().map(|word| word.to_lowercase()).collect();
        format!(
            "Allow {{ target: Target::{target}, regexes: &{regexes:?}, stopwords: &{stopwords:?} }},",
            stopwords = stopwords.iter().collect::<Vec<_>>()
        )
    });
    written.collect()
}

/// With which bytes, in lower case, a match may begin.
struct Starts(Vec<Start>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    bytes: Vec<u8>,
    /// Whether what follows can still be told.
    is_open: bool,
}

impl Default for Starts {
    fn default() -> Self {
        Self(vec![Start { bytes: Vec::new(), is_open: true }])
    }
}

impl Starts {
    fn words(self) -> Vec<Vec<u8>> {
        self.0.into_iter().map(|start| start.bytes).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn then(self, hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => self,
            HirKind::Literal(literal) => {
                literal.0.iter().fold(self, |starts, byte| starts.then_one_of(&[*byte]))
            }
            HirKind::Class(Class::Bytes(class)) => {
                let members = class.iter().flat_map(|range| range.start()..=range.end());
                self.then_one_of(&members.collect::<Vec<u8>>())
            }
            HirKind::Class(Class::Unicode(class)) => match class.to_byte_class() {
                Some(class) => self.then(&Hir::class(Class::Bytes(class))),
                None => self.closed(),
            },
            HirKind::Repetition(repetition) => {
                let once = |starts: Self| starts.then(&repetition.sub);
                let needed = (0..repetition.min.min(8)).fold(self, |starts, _| once(starts));
                match (repetition.min, repetition.max) {
                    (0, Some(1)) => {
                        let with = once(Self(needed.0.clone()));
                        needed.or(with)
                    }
                    (min, Some(max)) if min == max && min <= 8 => needed,
                    _ => needed.closed(),
                }
            }
            HirKind::Capture(capture) => self.then(&capture.sub),
            HirKind::Concat(parts) => parts.iter().fold(self, Self::then),
            HirKind::Alternation(parts) => {
                let each = parts.iter().map(|part| Self(self.0.clone()).then(part));
                each.reduce(Self::or).unwrap_or_default()
            }
        }
    }

    fn then_one_of(self, bytes: &[u8]) -> Self {
        let folded: BTreeSet<u8> = bytes.iter().map(u8::to_ascii_lowercase).collect();
        let is_told = folded.len() <= 2 && self.0.len() * folded.len() <= 64;
        if !is_told {
            return self.closed();
        }
        let longer = |start: Start| -> Vec<Start> {
            if !start.is_open || start.bytes.len() >= LONGEST_WORD {
                return vec![Start { is_open: false, ..start }];
            }
            let one = |byte: &u8| Start {
                bytes: [start.bytes.as_slice(), &[*byte]].concat(),
                is_open: true,
            };
            folded.iter().map(one).collect()
        };
        Self(self.0.into_iter().flat_map(longer).collect())
    }

    fn closed(self) -> Self {
        Self(self.0.into_iter().map(|start| Start { is_open: false, ..start }).collect())
    }

    fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self.0.sort();
        self.0.dedup();
        self
    }
}

fn begins_at_boundary(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Look(Look::WordAscii) => true,
        HirKind::Capture(capture) => begins_at_boundary(&capture.sub),
        HirKind::Concat(parts) => parts.first().is_some_and(begins_at_boundary),
        HirKind::Alternation(parts) => parts.iter().all(begins_at_boundary),
        _ => false,
    }
}

/// Writes the automaton as a table of next states, a row of 64 for each state, with the states
/// that end a word last.
fn write_automaton(
    out: &mut String,
    words: &BTreeMap<Vec<u8>, Vec<String>>,
) -> Result<(), Box<dyn Error>> {
    let automaton = DFA::builder()
        .match_kind(MatchKind::Standard)
        .ascii_case_insensitive(true)
        .build(words.keys())?;
    let start = automaton.start_state(Anchored::No)?;
    let next = |state, byte| automaton.next_state(Anchored::No, state, byte);
    let (mut seen, mut queue) = (BTreeSet::from([start]), vec![start]);
    while let Some(state) = queue.pop() {
        queue.extend((0..=255).map(|byte| next(state, byte)).filter(|state| seen.insert(*state)));
    }
    let (ending, plain): (Vec<_>, Vec<_>) =
        seen.iter().partition(|state| automaton.is_match(**state));
    let plain: Vec<_> =
        [start].into_iter().chain(plain.into_iter().copied().filter(|s| *s != start)).collect();
    let states: Vec<_> = plain.iter().copied().chain(ending.iter().copied().copied()).collect();
    let numbers: BTreeMap<_, usize> =
        states.iter().enumerate().map(|(number, state)| (*state, number)).collect();
    // Bytes that lead from every state to the same state are one class.
    let column =
        |byte: u8| states.iter().map(|state| numbers[&next(*state, byte)]).collect::<Vec<_>>();
    let columns: Vec<Vec<usize>> = (0..=255).map(column).collect();
    let mut distinct: Vec<&Vec<usize>> = Vec::new();
    let mut classes = Vec::new();
    for column in &columns {
        let class = distinct.iter().position(|known| *known == column);
        classes.push(class.unwrap_or_else(|| {
            distinct.push(column);
            distinct.len() - 1
        }));
    }
    if distinct.len() > 64 || states.len() > usize::from(u16::MAX) {
        return Err("the automaton has outgrown its table".into());
    }
    writeln!(out, "static CLASSES: [u8; 256] = {classes:?};")?;
    writeln!(out, "const LONGEST_WORD: usize = {LONGEST_WORD};")?;
    writeln!(out, "const FIRST_ENDING: u16 = {};", plain.len())?;
    writeln!(out, "static NEXT: [u16; {}] = [", states.len() * 64)?;
    for state in 0..states.len() {
        for class in 0..64 {
            write!(out, "{},", distinct.get(class).map_or(0, |column| column[state]))?;
        }
        out.push('\n');
    }
    writeln!(out, "];\nstatic ENDINGS: [&[Hit]; {}] = [", ending.len())?;
    let words: Vec<&Vec<String>> = words.values().collect();
    for state in ending {
        let found =
            (0..automaton.match_len(*state)).map(|index| automaton.match_pattern(*state, index));
        let hits: Vec<&str> =
            found.flat_map(|word| words[word.as_usize()]).map(String::as_str).collect();
        writeln!(out, "&[{}],", hits.join(", "))?;
    }
    writeln!(out, "];")?;
    Ok(())
}
