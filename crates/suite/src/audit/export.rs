//! `suite audit export`: the records that match, for other programs, oldest first.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use contract::text::visible;
use serde_json::Value;

use super::entry::Entry;
use super::output::{Output, Progress};
use super::reading::Reading;
use super::scan::{self, Found, Order};
use super::segments::Segment;
use super::select::{Filters, Selection};
use super::time;
use crate::terminal::DIM;

/// `suite audit export …`.
#[derive(Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    filters: Filters,
    /// The lines as they are, or a table
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Write a file, which appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The lines of the log, byte for byte: proofs still hold
    Jsonl,
    /// A table (RFC 4180); no cell is a formula, hidden characters are shown
    Csv,
}

/// The columns of the table: their order and names stay, new ones come at the end.
const COLUMNS: [&str; 31] = [
    "time",
    "server",
    "event",
    "call",
    "subject",
    "identity",
    "actor",
    "roles",
    "client",
    "client_version",
    "transport",
    "tool",
    "target",
    "outcome",
    "error",
    "allowed",
    "rule",
    "approval",
    "approval_level",
    "approved_by",
    "claimed_reason",
    "claimed_user_request",
    "claimed_trace",
    "arguments",
    "arguments_digest",
    "duration_us",
    "result_bytes",
    "result_digest",
    "policy",
    "tool_digest",
    "detail",
];

/// The columns that say where the record is in the log, after the others.
const PLACE: [&str; 2] = ["segment", "sequence"];

pub(super) fn run(reading: &Reading, args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let selection = Selection::new(&args.filters, time::now())?;
    let segments = reading.segments(&selection)?;
    let mut output = Output::open(args.output.as_deref())?;
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    if args.format == Format::Csv {
        rows.write_record(COLUMNS.iter().chain(&PLACE))?;
    }
    let progress = Progress::start();
    let mut written = 0u64;
    let said = |done, total| progress.at(done, total);
    let tally = scan::each(&segments, &selection, Order::Oldest, &said, |found| {
        written += 1;
        if args.format == Format::Jsonl {
            if output.write(&found.line)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            return output.write(b"\n");
        }
        if let Some(cells) = cells(&segments, &found) {
            rows.write_record(cells.iter().map(|cell| harmless(cell)))
                .map_err(anyhow::Error::from)?;
        }
        if rows.get_ref().len() < 1 << 16 {
            Ok(ControlFlow::Continue(()))
        } else {
            drain(&mut rows, &mut output)
        }
    })?;
    let _ = drain(&mut rows, &mut output)?;
    output.finish()?;
    progress.end(&tally);
    if let Some(path) = &args.output {
        anstream::eprintln!("{DIM}{written} records in {}{DIM:#}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Passes on what the table has so far.
fn drain(rows: &mut csv::Writer<Vec<u8>>, output: &mut Output) -> anyhow::Result<ControlFlow<()>> {
    rows.flush()?;
    let fresh = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    let full = std::mem::replace(rows, fresh);
    output.write(&full.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// One row.
fn cells(segments: &[Segment], found: &Found) -> Option<Vec<String>> {
    let entry = Entry::parse(&found.line)?;
    let whole: Value = serde_json::from_slice(&found.line).ok()?;
    let arguments = &whole["arguments"];
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let approval = entry.approval.as_ref();
    let by = approval.map(|approval| {
        let by =
            approval.by.iter().map(|by| format!("{} ({}): {}", by.subject, by.identity, by.reason));
        by.collect::<Vec<_>>().join("; ")
    });
    let decision = entry.decision.as_ref();
    let segment = segments[found.segment].path.file_stem().unwrap_or_default();
    let text = |text: &Cow<'_, str>| text.clone().into_owned();
    Some(vec![
        text(&entry.time),
        text(&entry.server),
        text(&entry.event),
        text(&entry.call),
        text(&entry.principal.subject),
        text(&entry.principal.identity),
        text(&entry.principal.actor),
        entry.principal.roles.join(" "),
        text(&entry.client.name),
        text(&entry.client.version),
        text(&entry.client.transport),
        text(&entry.tool),
        text(&entry.target),
        text(&entry.outcome),
        text(&entry.error),
        decision.map(|decision| decision.allowed.to_string()).unwrap_or_default(),
        decision.map(|decision| text(&decision.rule)).unwrap_or_default(),
        approval.map(|approval| text(&approval.id)).unwrap_or_default(),
        approval.map(|approval| text(&approval.level)).unwrap_or_default(),
        by.unwrap_or_default(),
        entry.reason().to_owned(),
        text(&entry.claimed.user_request),
        text(&entry.claimed.trace),
        if arguments.is_null() { String::new() } else { arguments.to_string() },
        text(&entry.arguments_digest),
        number(entry.duration_us),
        number(entry.result_bytes),
        text(&entry.result_digest),
        text(&entry.policy),
        text(&entry.tool_digest),
        text(&entry.detail),
        segment.to_string_lossy().into_owned(),
        entry.sequence.to_string(),
    ])
}

/// A cell that no spreadsheet takes for a formula, with its hidden characters shown: one that
/// begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets an apostrophe before it.
fn harmless(cell: &str) -> String {
    let shown = visible(cell);
    // Spreadsheets look at what stands after blanks, and take full-width signs for plain ones.
    let first = cell.trim_start_matches([' ', '\n']).chars().next();
    match first {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠') => {
            format!("'{shown}")
        }
        _ => shown.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a=b", "a=b"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'[U+000D]=1"),
            (" =1", "' =1"),
            ("＝1", "'＝1"),
            ("a\u{202e}b", "a[U+202E]b"),
        ] {
            assert_eq!(harmless(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn every_column_has_its_cell() {
        let line = br#"{"approval":{"by":[{"identity":"user:bob","reason":"fine","subject":"bob"}],"id":"ab","level":"one"},"arguments":{"x":"a,\"b\""},"sequence":7,"tool":"t"}"#;
        let path = "records/20261122T100000000Z-0.jsonl".into();
        let segment = Segment { server: "docs".into(), path, length: 1, torn: false };
        let found = Found { millis: 0, segment: 0, at: 0, line: line.to_vec() };
        let cells = cells(&[segment], &found).expect("a record");
        let names: Vec<&str> = COLUMNS.iter().chain(&PLACE).copied().collect();
        assert_eq!(cells.len(), names.len());
        let cell =
            |name: &str| cells[names.iter().position(|it| *it == name).expect("a column")].as_str();
        assert_eq!(cell("approved_by"), "bob (user:bob): fine");
        assert_eq!(cell("arguments"), r#"{"x":"a,\"b\""}"#);
        assert_eq!((cell("segment"), cell("sequence")), ("20261122T100000000Z-0", "7"));
        assert_eq!((cell("tool"), cell("server"), cell("duration_us")), ("t", "", ""));
    }
}
