//! Files that other readers of Arrow read.

use super::*;
use crate::engine::Kind;
use crate::testing::column;

/// Rows of every kind, with nulls, in two batches.
fn sample() -> Vec<u8> {
    let columns = [
        column("id", Kind::Integer),
        column("ratio", Kind::Float),
        column("total", Kind::Decimal),
        column("paid", Kind::Bool),
        column("data", Kind::Json),
        column("raw", Kind::Bytes),
        column("name", Kind::Text),
        column("name", Kind::Text),
    ];
    let rows: [[Option<&str>; 8]; 4] = [
        [
            Some("1"),
            Some("0.5"),
            Some("0.10"),
            Some("t"),
            Some("{}"),
            Some("\\x00ff"),
            Some("Ann"),
            None,
        ],
        [None, None, None, None, None, None, None, None],
        [
            Some("-9223372036854775808"),
            Some("NaN"),
            Some("1e-30"),
            Some("f"),
            Some("[1]"),
            Some("\\x"),
            Some(""),
            Some("größe"),
        ],
        [
            Some("3"),
            Some("-Infinity"),
            Some("9"),
            Some("1"),
            None,
            Some("\\xabc"),
            Some("x"),
            Some("y"),
        ],
    ];
    let mut out = Vec::new();
    let mut arrow = Arrow::begin(&columns, &mut out).expect("a beginning");
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<Cell<'_>> = row
            .iter()
            .map(|value| value.map_or(Cell::Null, |text| Cell::Text { text, cut: 0 }))
            .collect();
        arrow.row(&cells).expect("a row");
        if number == 2 {
            arrow.flush(&mut out).expect("a batch");
        }
    }
    arrow.finish(&mut out).expect("an end");
    out
}

/// The file beside this one was read back with pyarrow 26, value by value. A change of the bytes is
/// a change of the format: write the file anew only after another reader has read it.
#[test]
fn a_file_is_the_one_that_another_reader_has_read() {
    let made = sample();
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/saved/arrow/golden.arrow");
        std::fs::write(path, &made).expect("written");
    }
    let golden: &[u8] = include_bytes!("golden.arrow");
    assert!(made == golden, "{} bytes, and {} in the golden file", made.len(), golden.len());
}

#[test]
fn everything_begins_at_a_multiple_of_eight() {
    let made = sample();
    assert!(made.starts_with(b"ARROW1\0\0\xff\xff\xff\xff") && made.ends_with(b"ARROW1"));
    let (mut at, mut messages) = (8, 0);
    while made[at..at + 4] == [0xff; 4] {
        let length = made[at + 4..at + 8].try_into().map(u32::from_le_bytes).expect("a length");
        assert_eq!(length % 8, 0);
        if length == 0 {
            break;
        }
        messages += 1;
        at += 8 + length as usize;
        // The body of a batch ends where the next message, or the end, begins.
        while made[at..at + 4] != [0xff; 4] {
            at += 8;
        }
    }
    assert_eq!(messages, 3, "a schema and two batches");
}

#[test]
fn a_value_that_is_no_value_of_its_column_is_an_error() {
    for (kind, text, expected) in [
        (Kind::Integer, "abc", "no whole number of 64 bits"),
        (Kind::Integer, "9223372036854775808", "no whole number of 64 bits"),
        (Kind::Float, "abc", "no number"),
        (Kind::Bool, "maybe", "neither true nor false"),
        (Kind::Bytes, "\\xzz", "no bytes"),
    ] {
        let mut arrow = Arrow::begin(&[column("c", kind)], &mut Vec::new()).expect("a beginning");
        let error = arrow.row(&[Cell::Text { text, cut: 0 }]).expect_err("no such value");
        assert_eq!(
            error.text(),
            format!(
                "invalid: column `c` has a value that is {expected}; save it as csv, or cast the \
                 column to text."
            )
        );
    }
}

#[test]
fn memory_is_that_of_one_batch() {
    let mut out = std::io::sink();
    let mut arrow = Arrow::begin(&[column("c", Kind::Text)], &mut out).expect("a beginning");
    let text = "x".repeat(1_000);
    let mut batches = 0;
    for _ in 0..5_000 {
        arrow.row(&[Cell::Text { text: &text, cut: 0 }]).expect("a row");
        assert!(arrow.pending() <= (BATCH + 2_000) as u64);
        if arrow.is_full() {
            arrow.flush(&mut out).expect("a batch");
            batches += 1;
        }
    }
    assert!(batches >= 4, "{batches}");
}
