//! Searching: from a person's words to the best pages.
//!
//! The words are never a query language: they are cut by the analyzer of the index, so that no
//! input can fail or reach another field. A part in quotation marks must occur as it is.

use std::collections::{HashMap, HashSet};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, Occur, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader, TantivyError, Term};

use crate::catalogue::{Snapshot, exactly};
use crate::index;

/// A person's words, analyzed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// Every term once.
    pub(crate) terms: Vec<String>,
    /// The phrases in quotation marks: terms with their distance from the first.
    phrases: Vec<Vec<(usize, String)>>,
}

/// The best passage of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    /// The number of the file.
    file: u64,
    score: Score,
    /// The best passage.
    pub(crate) passage: DocAddress,
    /// How many passages of the page match.
    pub(crate) matches: u32,
}

impl Words {
    /// Analyzes what a person wrote.
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = Words::default();
        let mut seen = HashSet::new();
        let parts: Vec<&str> = text.split(['"', '“', '”']).collect();
        for (index, part) in parts.iter().enumerate() {
            let terms = analyzed(part);
            // An opening mark without a closing one quotes nothing.
            if index % 2 == 1 && index + 1 < parts.len() && terms.len() > 1 {
                words.phrases.push(terms.clone());
            }
            words.terms.extend(
                terms.into_iter().map(|(_, term)| term).filter(|term| seen.insert(term.clone())),
            );
        }
        words
    }
}

fn analyzed(text: &str) -> Vec<(usize, String)> {
    let mut terms = Vec::new();
    index::analyzer().token_stream(text).process(&mut |token| {
        terms.push((token.position, token.text.clone()));
    });
    terms
}

/// The pages of the named collections that match, best first.
pub(crate) fn search(
    snapshot: &Snapshot,
    words: &Words,
    collections: &[&str],
) -> Result<Vec<Hit>, TantivyError> {
    if words.terms.is_empty() || collections.is_empty() {
        return Ok(Vec::new());
    }
    let query = query(snapshot, words, collections);
    let mut hits = snapshot.searcher.search(&*query, &BestPassages)?;
    hits.sort_unstable_by(|left, right| {
        right.score.total_cmp(&left.score).then(left.file.cmp(&right.file))
    });
    Ok(hits)
}

fn query(snapshot: &Snapshot, words: &Words, collections: &[&str]) -> Box<dyn Query> {
    let fields = &snapshot.fields;
    // Half the weight for titles did best on SciFact, where twice the weight did worst.
    let searched = [
        (fields.body, 1.0, true),
        (fields.headings, 1.0, true),
        (fields.title, 0.5, true),
        (fields.path_words, 0.5, false),
    ];
    let mut any: Vec<Box<dyn Query>> = Vec::new();
    for (field, boost, _) in searched {
        any.extend(words.terms.iter().map(|term| scored(field, term, boost)));
    }
    let mut clauses: Vec<(Occur, Box<dyn Query>)> =
        vec![(Occur::Must, Box::new(BooleanQuery::union(any)))];
    for phrase in &words.phrases {
        let with_positions = searched.iter().filter(|(_, _, positions)| *positions);
        let somewhere = with_positions.map(|(field, ..)| in_a_row(*field, phrase)).collect();
        clauses.push((Occur::Must, Box::new(BooleanQuery::union(somewhere))));
    }
    // Without a filter, where nothing is to be left out: it costs more than the search.
    if snapshot.catalogue.keys().any(|name| !collections.contains(&name.as_str())) {
        let term = |name: &&str| exactly(Term::from_field_text(fields.collection, name));
        let within = BooleanQuery::union(collections.iter().map(term).collect());
        clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(within), 0.0))));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn scored(field: Field, term: &str, boost: Score) -> Box<dyn Query> {
    let term = Term::from_field_text(field, term);
    Box::new(BoostQuery::new(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)), boost))
}

fn in_a_row(field: Field, phrase: &[(usize, String)]) -> Box<dyn Query> {
    let terms = phrase.iter().map(|(at, term)| (*at, Term::from_field_text(field, term)));
    Box::new(PhraseQuery::new_with_offset(terms.collect()))
}

/// Collects the best passage of each page, and counts the others.
struct BestPassages;

struct SegmentPassages {
    segment: SegmentOrdinal,
    file: Column<u64>,
    /// Passages of one page lie together, so that most belong to the last hit.
    hits: Vec<Hit>,
}

impl Collector for BestPassages {
    type Fruit = Vec<Hit>;
    type Child = SegmentPassages;

    fn for_segment(
        &self,
        segment: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<SegmentPassages> {
        Ok(SegmentPassages { segment, file: reader.fast_fields().u64("file")?, hits: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, segments: Vec<Vec<Hit>>) -> tantivy::Result<Vec<Hit>> {
        let mut pages: HashMap<u64, Hit> = HashMap::new();
        for hit in segments.into_iter().flatten() {
            pages.entry(hit.file).and_modify(|best| best.join(hit)).or_insert(hit);
        }
        Ok(pages.into_values().collect())
    }
}

impl SegmentCollector for SegmentPassages {
    type Fruit = Vec<Hit>;

    fn collect(&mut self, document: DocId, score: Score) {
        let file = self.file.first(document).unwrap_or_default();
        let hit = Hit { file, score, passage: DocAddress::new(self.segment, document), matches: 1 };
        match self.hits.last_mut() {
            Some(last) if last.file == file => last.join(hit),
            _ => self.hits.push(hit),
        }
    }

    fn harvest(self) -> Vec<Hit> {
        self.hits
    }
}

impl Hit {
    fn join(&mut self, other: Hit) {
        let matches = self.matches + other.matches;
        if other.score > self.score {
            *self = other;
        }
        self.matches = matches;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, terms: &[&str], phrases: usize) {
        let words = Words::parse(text);
        assert_eq!(words.terms, terms, "{text}");
        assert_eq!(words.phrases.len(), phrases, "{text}");
    }

    #[test]
    fn words_are_no_query_language() {
        check("title:secret AND (body:*)", &["titl", "secret", "bodi"], 0);
        check("how to install the servers", &["how", "instal", "server"], 0);
        check("the of", &[], 0);
        check("Café café CAFE", &["cafe"], 0);
        check("\\\"]})^~*?", &[], 0);
    }

    #[test]
    fn quotation_marks_ask_for_a_phrase() {
        check("\"state of the art\" now", &["state", "art", "now"], 1);
        check("\"single\"", &["singl"], 0);
        check("“open file” \"unclosed words", &["open", "file", "unclos", "word"], 1);
    }
}
