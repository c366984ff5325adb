//! Statements that nobody wrote, and a public corpus: whatever a statement is, nothing is changed,
//! nothing hidden is shown, and the answer is rows or a caller's error.
//!
//! Where to start reading: [`run`] has the property, `grammar` and `query` make honest statements,
//! `commands` and `mutation` those that are not. The engines' own tests (`attacks/fuzz.rs` of each)
//! say what they offer and how a second connection looks whether anything is as it was.
//!
//! The tests try a fixed number of statements that come again every time. For longer, by hand:
//! `SUITE_FUZZ_SECONDS=600 cargo test -p sql --lib fuzz -- --nocapture`, each time with others;
//! `SUITE_FUZZ_SEED=7` makes them those of a seed. `SUITE_CORPUS=folder` adds every `.sql` file in
//! a folder to the corpus.

pub(crate) mod catalogue;
pub(crate) mod corpus;

mod commands;
mod grammar;
mod mutation;
mod query;
mod random;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use contract::ToolError;
use contract::error::Kind;
use futures_util::FutureExt as _;

use self::catalogue::{Catalogue, Dialect};
use self::grammar::Grammar;
use self::random::Random;

/// Statements between two looks at the database.
const BATCH: usize = 20;
/// After this an engine hangs: every statement's own deadline is far below.
const PATIENCE: Duration = Duration::from_mins(1);
/// More findings than this tell nothing new.
const ENOUGH: usize = 12;

/// How a statement is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Run,
    Plan,
    Analyze,
}

/// One statement to try.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) how: How,
    /// Whether some relations are hidden and some columns masked.
    pub(crate) is_ruled: bool,
}

/// A database behind its engine, and somebody who looks at it.
pub(crate) trait World {
    /// Asks; what was shown though it must not be is text.
    async fn ask(&mut self, question: &Question) -> Result<Option<String>, ToolError>;

    /// What is not as it was when last asked.
    async fn changes(&mut self) -> Vec<String>;
}

/// How many statements are tried, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) seed: u64,
    count: usize,
    ends: Option<Instant>,
}

impl Budget {
    /// So many statements, where the environment does not ask for more.
    pub(crate) fn of(count: usize) -> Self {
        let number = |name: &str| -> Option<u64> {
            std::env::var(name).ok().map(|text| text.parse().expect("a number"))
        };
        let seconds = number("SUITE_FUZZ_SECONDS").map(Duration::from_secs);
        let now = || {
            let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
            since.map_or(1, |since| since.as_secs())
        };
        let seed = number("SUITE_FUZZ_SEED").unwrap_or(if seconds.is_some() { now() } else { 4 });
        Self { seed, count, ends: seconds.map(|seconds| Instant::now() + seconds) }
    }

    /// All of so many statements, however long they take.
    pub(crate) fn whole(count: usize) -> Self {
        Self { seed: 0, count, ends: None }
    }

    fn is_over(&self, tried: usize) -> bool {
        self.ends.map_or(tried >= self.count, |ends| Instant::now() >= ends)
    }
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) tried: usize,
    /// Admitted and executed.
    pub(crate) answered: usize,
    /// Refused by policy, ours or the database's.
    pub(crate) denied: usize,
    /// Not understood, or failed at the database.
    pub(crate) invalid: usize,
    /// Ended by a limit.
    pub(crate) limited: usize,
    /// What must not be.
    pub(crate) findings: Vec<String>,
}

impl Report {
    /// Asserts that enough was executed, in percent, and something refused: what is all refused,
    /// or not at all, was not tried.
    pub(crate) fn check(&self, answered: usize) {
        assert!(self.answered * 100 >= self.tried * answered, "{self}");
        assert!(self.denied * 100 >= self.tried * 5, "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.answered * 100 / self.tried.max(1);
        write!(
            f,
            "{} statements: {} answered ({share} %), {} denied, {} invalid, {} ended by a limit",
            self.tried, self.answered, self.denied, self.invalid, self.limited
        )
    }
}

/// The property: after these statements the database is as before, each was answered with rows or
/// with a caller's error, and nothing hidden was shown.
pub(crate) async fn run(
    world: &mut impl World,
    questions: impl Iterator<Item = Question>,
    budget: Budget,
) -> Report {
    let mut report = Report::default();
    let mut questions = questions.peekable();
    while questions.peek().is_some()
        && !budget.is_over(report.tried)
        && report.findings.len() < ENOUGH
    {
        let batch: Vec<Question> = questions.by_ref().take(BATCH).collect();
        for question in &batch {
            report.tried += 1;
            if let Some(wrong) = ask(world, question, &mut report).await {
                report.findings.push(format!("{wrong}: {}", shown(question)));
            }
        }
        let changes = changes(world).await;
        if !changes.is_empty() {
            let guilty = guilty(world, &batch).await;
            let none = format!("{} by one of:", changes.join(", "));
            report.findings.extend(if guilty.is_empty() {
                vec![none, batch.iter().map(shown).collect::<Vec<_>>().join("\n")]
            } else {
                guilty
            });
        }
    }
    report
}

/// Asks one; returns what must not be.
async fn ask(world: &mut impl World, question: &Question, report: &mut Report) -> Option<String> {
    let asked = AssertUnwindSafe(world.ask(question)).catch_unwind();
    match tokio::time::timeout(PATIENCE, asked).await {
        Err(_) => return Some("hangs".to_owned()),
        Ok(Err(_)) => return Some("panics".to_owned()),
        Ok(Ok(Ok(leak))) => {
            report.answered += 1;
            return leak.map(|leak| format!("shows {leak}"));
        }
        Ok(Ok(Err(error))) => match error.kind {
            Kind::Denied => report.denied += 1,
            Kind::Invalid | Kind::NotFound => report.invalid += 1,
            Kind::Timeout | Kind::TooLarge | Kind::Limited => report.limited += 1,
            Kind::Internal | Kind::Unavailable | Kind::ApprovalNeeded => {
                return Some(format!("{} ({})", error.text(), error.log.unwrap_or_default()));
            }
        },
    }
    None
}

/// What is not as it was in the world, and files that a statement made outside of it.
async fn changes(world: &mut impl World) -> Vec<String> {
    let mut changes = world.changes().await;
    for (folder, start) in [("/tmp", "suite-made"), (".", "made")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(start) {
                changes.push(format!("makes {}", entry.path().display()));
                // So that it is not blamed on what comes next.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
    changes
}

/// Those of the statements that change something by themselves.
async fn guilty(world: &mut impl World, batch: &[Question]) -> Vec<String> {
    let mut guilty = Vec::new();
    for question in batch {
        let _ = ask(world, question, &mut Report::default()).await;
        let changes = changes(world).await;
        if !changes.is_empty() {
            guilty.push(format!("{}: {}", changes.join(", "), shown(question)));
        }
    }
    guilty
}

fn shown(question: &Question) -> String {
    format!("{:?} {:?} (rules: {})", question.how, question.text, question.is_ruled)
}

/// Statements without end.
pub(crate) struct Fuzzer<'a> {
    grammar: Grammar<'a>,
    commands: Vec<&'static str>,
    /// Statements that others wrote, to be changed.
    written: Vec<String>,
    /// Words that no statement has; with some, only what is honest or fails at other layers is made.
    avoided: BTreeSet<String>,
}

impl<'a> Fuzzer<'a> {
    pub(crate) fn new(offer: &'a Catalogue, written: &[String], budget: Budget) -> Self {
        Self {
            grammar: Grammar::new(offer, Random::new(budget.seed)),
            commands: commands::commands(offer.dialect),
            written: written.to_vec(),
            avoided: BTreeSet::new(),
        }
    }

    /// Makes no statement that has one of these words: what hangs on one layer alone.
    pub(crate) fn avoiding(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.avoided = words.into_iter().map(|word| word.to_lowercase()).collect();
        let dialect = self.grammar.offer.dialect;
        self.written.retain(|text| !is_avoided(&self.avoided, dialect, text));
        self
    }

    fn statement(&mut self) -> String {
        (self.grammar.wild, self.grammar.doubt) = (0, 1);
        let depth = 1 + self.grammar.random.below(2);
        match self.grammar.random.weighted(&[62, 6, 18, 14]) {
            0 => self.grammar.query(depth),
            1 => {
                (self.grammar.wild, self.grammar.doubt) = (4, 25);
                self.grammar.query(depth)
            }
            2 => {
                self.grammar.doubt = 20;
                self.command()
            }
            _ => mutation::mutated(&mut self.grammar.random, &self.written),
        }
    }

    /// One of the commands with its places filled.
    fn command(&mut self) -> String {
        let grammar = &mut self.grammar;
        let mut rest = grammar.random.word(&self.commands);
        let relation = grammar.relation();
        let (column, type_name) = grammar.random.pick(&relation.columns);
        let scope = Grammar::fields(relation, &relation.name);
        let name = grammar.name("made");
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').expect("its end");
            text.push_str(before);
            rest = after;
            match place {
                "t" => text.push_str(&relation.name),
                "c" => text.push_str(column),
                "v" => {
                    text.push_str(&match scope.iter().find(|field| field.type_name == type_name) {
                        Some(field) => grammar.expression(&[], field.type_name, 1),
                        None => "NULL".to_owned(),
                    });
                }
                "w" => text.push_str(&grammar.condition(&[], 1)),
                "q" => text.push_str(&grammar.query(1)),
                "f" => text.push_str(&grammar.call_of_anything(&[], 1)),
                _ => text.push_str(&name),
            }
        }
        text.push_str(rest);
        text
    }
}

/// Whether a statement has a word that is to be avoided, as it is written or by the number of its
/// letters.
fn is_avoided(words: &BTreeSet<String>, dialect: Dialect, text: &str) -> bool {
    let text = text.to_lowercase();
    let is_long = |word: &str| word.len() > 4 || !word.starts_with(char::is_alphabetic);
    let has_word =
        || mutation::tokens(&text).iter().any(|word| words.contains(word.trim_matches('"')));
    // What stands in quotes may be run as a statement by a function, or be a name.
    let has_text = || words.iter().any(|word| is_long(word) && text.contains(word.as_str()));
    !words.is_empty()
        && (has_word() || has_text() || (dialect == Dialect::Postgres && text.contains("u&\"")))
}

impl Iterator for Fuzzer<'_> {
    type Item = Question;

    fn next(&mut self) -> Option<Question> {
        let dialect = self.grammar.offer.dialect;
        loop {
            let mut text = self.statement();
            if self.grammar.random.chance(30) {
                text = mutation::disguised(&mut self.grammar.random, dialect, &text);
            }
            let how = [How::Run, How::Plan, How::Analyze];
            let how = how[self.grammar.random.weighted(&[86, 7, 7])];
            let is_ruled = self.grammar.random.chance(40);
            if !is_avoided(&self.avoided, dialect, &text) {
                return Some(Question { text, how, is_ruled });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_and_quotes_kept_together() {
        let words = mutation::tokens("SELECT 'a ''b' || \"c\"::text");
        assert_eq!(words[..3], ["SELECT", " ", "'a '"].map(str::to_owned));
        assert!(words.contains(&"\"c\"".to_owned()) && words.concat().ends_with("::text"));
    }

    #[test]
    fn what_is_avoided_is_found_in_any_dress() {
        let words = BTreeSet::from(["touch".to_owned(), "===".to_owned()]);
        let avoided = |text: &str| is_avoided(&words, Dialect::Postgres, text);
        assert!(avoided("SELECT Touch('x')") && avoided("SELECT \"touch\"()"));
        assert!(avoided("SELECT query_to_xml('SELECT touch(1)')"));
        assert!(avoided("SELECT U&\"t\\006fuch\"()"));
        assert!(!avoided("SELECT toucan"));
        assert!(!is_avoided(&BTreeSet::new(), Dialect::Postgres, "SELECT touch()"));
    }
}
