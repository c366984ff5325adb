//! What looking for secrets costs: in a text of the size of a typical answer, and in a record.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result};
use contract::Secret;
use contract::record::{Event, Record, Sorted};
use runtime::Redactor;
use serde_json::json;

use super::Effort;
use super::measures::row;
use super::numbers::{count, median, micros};
use super::report::{Limit, Row};
use crate::harness::repository;

/// The size of a text, in bytes.
const SIZE: usize = 4096;

/// Ordinary text: our own documentation, without the pieces that hold an example of a secret. The
/// floor is a search for one byte that is not there.
pub(super) fn redact(effort: Effort) -> Result<Vec<Row>> {
    let texts = texts()?;
    let patterns = Redactor::default();
    let held = Redactor::new(&[Secret::new("a-secret/that+is;held".to_owned())]);
    let arguments = json!({"query": "parental leave", "collection": "handbook", "limit": 10});
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let mut record = Record::new(Event::Call, "docs");
    record.arguments = Some(Sorted(&arguments));
    record.tool = "docs_search";
    record.tool_digest = Some(digest);
    record.result_digest = Some(digest);
    let each = |look: &dyn Fn(&str) -> bool| {
        let rounds = (0..effort.rounds * 20).map(|_| {
            let began = Instant::now();
            for text in &texts {
                black_box(look(black_box(text)));
            }
            micros(began.elapsed()) / count(texts.len())
        });
        median(&rounds.collect::<Vec<_>>())
    };
    let floor = each(&|text| text.as_bytes().contains(&0));
    let by_pattern = each(&|text| patterns.text(text).is_some());
    let by_both = each(&|text| held.text(text).is_some());
    let of_record = each(&|_| patterns.record(&record).is_some());
    let what = |what: &str| format!("redaction: {what}");
    let most = [Limit::Most(20.0)];
    Ok(vec![
        row(what("4 KiB of text, by pattern"), "µs", by_pattern, Some(floor), &most),
        row(what("4 KiB of text, and a held secret"), "µs", by_both, Some(floor), &[]),
        row(what("a record"), "µs", of_record, None, &[Limit::Most(10.0)]),
    ])
}

fn texts() -> Result<Vec<String>> {
    let pages = ["README", "ARCHITECTURE", "docs/configuration", "docs/records", "docs/security"];
    let mut whole = String::new();
    for page in pages {
        let path = repository().join(format!("{page}.md"));
        whole += &std::fs::read_to_string(path).context(page)?;
    }
    let mut texts = Vec::new();
    let mut rest = whole.as_str();
    while rest.len() >= SIZE {
        let (text, after) = rest.split_at(rest.floor_char_boundary(SIZE));
        texts.push(text.to_owned());
        rest = after;
    }
    texts.retain(|text| Redactor::default().text(text).is_none());
    Ok(texts)
}
