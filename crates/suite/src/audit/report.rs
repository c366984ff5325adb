//! `suite audit report`: what a period was like, per server, tool, role and day.

mod approvals;
mod chart;
mod figures;
mod html;
mod json;
mod spread;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use self::figures::{Counted, Dimension};
use super::output::{Output, Progress};
use super::reading::Reading;
use super::scan::{self, Tally};
use super::segments::Segment;
use super::select::{Filters, Period, Selection};
use super::time;
use crate::terminal::DIM;

/// `suite audit report …`.
#[derive(Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    period: Period,
    /// Only these servers: the names of their folders
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    server: Vec<String>,
    /// One way to tell calls apart, instead of all
    #[arg(long, value_enum, value_name = "WAY")]
    by: Option<Dimension>,
    /// For people, for programs, or a page with plots
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write a file, which appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for a terminal
    Table,
    /// One object of JSON
    Json,
    /// One page without anything from elsewhere
    Html,
}

/// What is reported.
struct Report {
    counted: Counted,
    tally: Tally,
    /// The sections that are shown.
    by: Vec<Dimension>,
    /// The period that was asked for, in milliseconds since 1970.
    since: Option<u64>,
    until: Option<u64>,
    /// When the report was made, in milliseconds since 1970.
    made: u64,
    /// The servers whose logs were read.
    servers: Vec<String>,
}

/// How many tokens so many bytes are: 2.5 bytes a token, our own rule of thumb for JSON and text.
pub(super) fn tokens(bytes: u64) -> u64 {
    bytes.saturating_mul(2) / 5
}

pub(super) fn run(reading: &Reading, args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let made = time::now();
    let filters =
        Filters { server: args.server.clone(), period: args.period.clone(), ..Filters::default() };
    let selection = Selection::new(&filters, made)?;
    let segments = reading.segments(&selection)?;
    let progress = Progress::start();
    let (counted, tally) = count(&segments, &selection, &progress)?;
    progress.end(&tally);
    let mut servers: Vec<String> = segments.iter().map(|it| it.server.clone()).collect();
    servers.dedup();
    let period = selection.period.as_ref();
    let report = Report {
        counted,
        tally,
        by: args.by.map_or(Dimension::ALL.to_vec(), |by| vec![by]),
        since: period.map(|period| period.start).filter(|start| *start > 0),
        until: period.map(|period| period.end).filter(|end| *end < u64::MAX),
        made,
        servers,
    };
    let mut output = Output::open(args.output.as_deref())?;
    let text = match args.format {
        Format::Table => table::of(&report),
        Format::Json => format!("{:#}\n", json::of(&report)),
        Format::Html => html::of(&report)?,
    };
    if args.format == Format::Table {
        for line in text.lines() {
            if output.line(line)?.is_break() {
                break;
            }
        }
    } else {
        let _ = output.write(text.as_bytes())?;
    }
    output.finish()?;
    if let Some(path) = &args.output {
        anstream::eprintln!("{DIM}written: {}{DIM:#}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn count(
    segments: &[Segment],
    selection: &Selection,
    progress: &Progress,
) -> anyhow::Result<(Counted, Tally)> {
    let said = |done, total| progress.at(done, total);
    let (parts, tally) = scan::fold(
        segments,
        selection,
        &said,
        Counted::default,
        |counted: &mut Counted, segment, entry| counted.add(&segment.server, entry),
    )?;
    let mut whole = Counted::default();
    for part in parts {
        whole.join(part);
    }
    whole.finish();
    Ok((whole, tally))
}

/// A share for people, such as `98.7 %`; a dash where there is nothing to share.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// A number for people: `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A length of microseconds for people; a dash for none.
fn micros(value: Option<u64>) -> String {
    value.map_or_else(|| "–".to_owned(), time::length)
}

/// A length of milliseconds for people; a dash for none.
fn millis(value: Option<u64>) -> String {
    micros(value.map(|value| value.saturating_mul(1000)))
}

/// The period for people.
fn period(report: &Report) -> String {
    let text = |millis: u64| time::rfc3339(millis).replacen('T', " ", 1).replace(".000Z", "Z");
    match (report.since, report.until, report.counted.span) {
        (None, None, None) => "no records".to_owned(),
        (None, None, Some((first, last))) => format!("{} to {}", text(first), text(last)),
        (since, until, _) => {
            let since = since.map_or_else(|| "the beginning".to_owned(), text);
            let until = until.map_or_else(|| format!("{} (now)", text(report.made)), text);
            format!("{since} to {until}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let shown = [0, 7, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!((percent(Some(0.98765)).as_str(), percent(None).as_str()), ("98.8 %", "–"));
        assert_eq!(tokens(250), 100);
    }
}
