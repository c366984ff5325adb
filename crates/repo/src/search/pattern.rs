//! What is looked for, and the lines of a content that hold it.

use std::ops::Range;

use contract::ToolError;
use memchr::memmem::Finder;
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{self, Class, Hir, HirKind};

/// What is looked for: a text, or a regular expression that matches within a line.
pub(crate) struct Pattern {
    /// As it is written, and whether it is a regular expression.
    pub(super) written: (String, bool),
    engine: Engine,
    /// Texts of which every match holds one; none, where no such texts are known.
    pub(super) needles: Option<Vec<Vec<u8>>>,
}

enum Engine {
    Text(Box<Finder<'static>>),
    Regex(Box<Regex>),
}

/// A line that holds what is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The line, without its line feed.
    pub(crate) line: Range<usize>,
    /// The first match in it.
    pub(crate) found: Range<usize>,
}

/// A text this short says nothing to the sieve.
const SHORTEST: usize = 4;
/// The largest automaton, in bytes.
const LARGEST: usize = 4 << 20;

impl Pattern {
    /// Looks for a text as it is written.
    pub(crate) fn text(text: &str) -> Result<Self, ToolError> {
        if text.is_empty() {
            return Err(ToolError::invalid("text: write what to look for."));
        }
        if text.contains('\n') {
            let message = "text: a line break cannot be searched for; search for one of the lines.";
            return Err(ToolError::invalid(message));
        }
        let needles = (text.len() >= SHORTEST).then(|| vec![text.as_bytes().to_vec()]);
        let engine = Engine::Text(Box::new(Finder::new(text).into_owned()));
        Ok(Self { written: (text.to_owned(), false), engine, needles })
    }

    /// Looks for what a regular expression matches, each line for itself.
    pub(crate) fn regex(text: &str) -> Result<Self, ToolError> {
        if text.is_empty() {
            return Err(ToolError::invalid("text: write what to look for."));
        }
        let parsed = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .multi_line(true)
            .build()
            .parse(text)
            .map_err(|error| wrong(&reason(&error)))?;
        let within = within_line(parsed);
        let config = Regex::config().nfa_size_limit(Some(LARGEST)).utf8_empty(false);
        let regex = Regex::builder().configure(config).build_from_hir(&within);
        let regex = regex.map_err(|error| match error.size_limit() {
            Some(_) => wrong("it is too large; shorten its repetitions"),
            None => wrong(&error.to_string()),
        })?;
        let engine = Engine::Regex(Box::new(regex));
        Ok(Self { written: (text.to_owned(), true), engine, needles: required(&within) })
    }

    /// The first match at or behind a position.
    fn find(&self, content: &[u8], from: usize) -> Option<Range<usize>> {
        match &self.engine {
            Engine::Text(finder) => {
                let start = from + finder.find(&content[from..])?;
                Some(start..start + finder.needle().len())
            }
            Engine::Regex(regex) => {
                let input = Input::new(content).range(from..).anchored(Anchored::No);
                regex.search(&input).map(|found| found.range())
            }
        }
    }

    /// The lines of a content that hold it.
    pub(crate) fn hits<'a>(&'a self, content: &'a [u8]) -> impl Iterator<Item = Hit> + 'a {
        let mut from = 0;
        std::iter::from_fn(move || {
            // Behind the last line feed there is no line.
            if from >= content.len() {
                return None;
            }
            let found = self.find(content, from)?;
            if found.start == content.len() && content.ends_with(b"\n") {
                return None;
            }
            let start = memchr::memrchr(b'\n', &content[..found.start]).map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', &content[found.start..])
                .map_or(content.len(), |at| found.start + at);
            from = end + 1;
            Some(Hit { line: start..end, found })
        })
    }
}

fn wrong(what: &str) -> ToolError {
    ToolError::invalid(format!(
        "text: not a regular expression that is known here: {what}. Look-around and \
         back-references do not exist; without `regex`, text is taken as it is written."
    ))
}

/// What is wrong, without the drawing of the expression.
fn reason(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        error => error.to_string(),
    }
}

/// The same expression, but for line feeds: what would match one matches nothing, so that no
/// match is longer than a line.
fn within_line(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.contains(&b'\n') => Hir::fail(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(Class::Unicode(mut class)) => {
            let feed = hir::ClassUnicodeRange::new('\n', '\n');
            class.difference(&hir::ClassUnicode::new([feed]));
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(mut class)) => {
            let feed = hir::ClassBytesRange::new(b'\n', b'\n');
            class.difference(&hir::ClassBytes::new([feed]));
            Hir::class(Class::Bytes(class))
        }
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(within_line(*repetition.sub));
            Hir::repetition(repetition)
        }
        // Which part a group matched is not asked.
        HirKind::Capture(capture) => within_line(*capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(within_line).collect()),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.into_iter().map(within_line).collect())
        }
    }
}

/// Texts of which every match of an expression holds one: the best among its beginnings, its ends
/// and those of its parts.
fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut consider = |texts: Option<Vec<Vec<u8>>>| {
        let Some(texts) = texts else { return };
        if best.as_ref().is_none_or(|best| worth(&texts) > worth(best)) {
            best = Some(texts);
        }
    };
    for kind in [ExtractKind::Prefix, ExtractKind::Suffix] {
        consider(extracted(hir, kind));
    }
    match hir.kind() {
        HirKind::Concat(parts) => parts.iter().for_each(|part| consider(required(part))),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            consider(required(&repetition.sub));
        }
        HirKind::Alternation(parts) => {
            let all: Option<Vec<_>> = parts.iter().map(required).collect();
            consider(all.map(Vec::from_iter).map(|all| all.into_iter().flatten().collect()));
        }
        _ => {}
    }
    best
}

/// How much texts tell apart: the length of the shortest, and how few they are.
fn worth(texts: &[Vec<u8>]) -> (usize, std::cmp::Reverse<usize>) {
    (texts.iter().map(Vec::len).min().unwrap_or(0), std::cmp::Reverse(texts.len()))
}

fn extracted(hir: &Hir, kind: ExtractKind) -> Option<Vec<Vec<u8>>> {
    let mut sequence = Extractor::new().kind(kind.clone()).extract(hir);
    match kind {
        ExtractKind::Suffix => sequence.optimize_for_suffix_by_preference(),
        _ => sequence.optimize_for_prefix_by_preference(),
    }
    let texts: Vec<Vec<u8>> =
        sequence.literals()?.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    let is_of_use = !texts.is_empty() && texts.iter().all(|text| text.len() >= SHORTEST);
    is_of_use.then_some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pattern: &Pattern, content: &str) -> Vec<String> {
        pattern.hits(content.as_bytes()).map(|hit| content[hit.line].to_owned()).collect()
    }

    fn check(regex: &str, content: &str, expected: &[&str]) {
        let pattern = Pattern::regex(regex).expect("an expression");
        assert_eq!(lines(&pattern, content), expected, "{regex} in {content:?}");
    }

    #[test]
    fn a_match_is_within_a_line() {
        check(r"a\s*b", "a\nb\na b", &["a b"]);
        check("x[^y]*z", "x\nxz\nz", &["xz"]);
        check("(?s)a.b", "a\nb\na.b", &["a.b"]);
        check(r"a\nb", "a\nb", &[]);
        check("^b$", "ab\nb\nbc", &["b"]);
        check(r"\Ab", "b\nb", &["b"]);
    }

    #[test]
    fn empty_matches_are_of_lines_that_are_there() {
        check("^", "a\n\nb\n", &["a", "", "b"]);
        check("x*", "a\nb", &["a", "b"]);
        check("$", "a\n", &["a"]);
        check("$", "a", &["a"]);
        check("^$", "a\n\n", &[""]);
        check("x*", "", &[]);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_obstacle() {
        let pattern = Pattern::regex("na.ve").expect("an expression");
        let hits = |content: &[u8]| pattern.hits(content).count();
        assert_eq!(hits("\u{ff} naïve".as_bytes()), 1);
        assert_eq!(hits(b"\xff naive \xff"), 1);
        assert_eq!(hits(b"na\xffve"), 0);
    }

    #[test]
    fn a_text_is_taken_as_it_is_written() {
        let pattern = Pattern::text("a.b(").expect("a text");
        assert_eq!(lines(&pattern, "axb(\na.b( a.b(\nA.B("), ["a.b( a.b("]);
        assert!(Pattern::text("").is_err() && Pattern::text("a\nb").is_err());
    }

    #[test]
    fn what_every_match_holds_is_known() {
        for (regex, expected) in [
            (r"\w+_addf\b", Some(vec!["_addf"])),
            ("strbuf_(addf|addstr)", Some(vec!["strbuf_addf", "strbuf_addstr"])),
            (r"fn \w+\(.*Result<", Some(vec!["Result<"])),
            (r"[a-z]+(needle)+[0-9]*", Some(vec!["needle"])),
            (r"(?:long_name)?x", None),
            ("abc", None),
            (r"\d+", None),
            ("", None),
        ] {
            let hir = regex_syntax::parse(regex).expect("an expression");
            let found = required(&within_line(hir));
            let expected = expected.map(|texts: Vec<&str>| {
                texts.into_iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{regex}");
        }
    }

    #[test]
    fn what_is_not_linear_is_refused_with_advice() {
        for regex in ["(?=x)", r"(a)\1", "(", "a{1000}{1000}{10}"] {
            let error = Pattern::regex(regex).err().expect("an error").text();
            assert!(error.contains("Look-around"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
