//! `suite audit search`: the records that match, newest first.

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Args;

use super::entry::Entry;
use super::output::{Output, Progress};
use super::reading::Reading;
use super::scan::{self, Order};
use super::segments::Segment;
use super::select::{Filters, Selection};
use super::{line, time};
use crate::terminal::DIM;

/// `suite audit search …`.
#[derive(Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    filters: Filters,
    /// How many records are shown; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Only say how many match
    #[arg(long, conflicts_with_all = ["limit", "json", "oldest"])]
    count: bool,
    /// The oldest first
    #[arg(long)]
    oldest: bool,
    /// The records as they are in the log, one line of JSON each
    #[arg(long)]
    json: bool,
}

/// Exit code 1 when nothing matches, as `grep` has it.
pub(super) fn run(reading: &Reading, args: &SearchArgs) -> anyhow::Result<ExitCode> {
    let selection = Selection::new(&args.filters, time::now())?;
    let segments = reading.segments(&selection)?;
    let progress = Progress::start();
    let mut output = Output::screen();
    if args.count {
        let count = |(): &mut (), _: &Segment, _: &Entry<'_>| {};
        let said = |done, total| progress.at(done, total);
        let (_, tally) = scan::fold(&segments, &selection, &said, || (), count)?;
        progress.end(&tally);
        let _ = output.line(&tally.found.to_string())?;
        output.finish()?;
        return Ok(code(tally.found));
    }
    let order = if args.oldest { Order::Oldest } else { Order::Newest };
    let (mut shown, mut is_more) = (0, false);
    let tally = scan::each(
        &segments,
        &selection,
        order,
        &|done, total| progress.at(done, total),
        |found| {
            if args.limit > 0 && shown == args.limit {
                is_more = true;
                return Ok(ControlFlow::Break(()));
            }
            shown += 1;
            show(&mut output, &found.line, args.json)
        },
    )?;
    output.finish()?;
    progress.end(&tally);
    if is_more {
        anstream::eprintln!("{DIM}There are more than {shown}: --limit 0 shows all.{DIM:#}");
    } else if shown == 0 {
        anstream::eprintln!("{DIM}No record matches.{DIM:#}");
    }
    Ok(code(shown))
}

/// A line of the log, for people or as it is.
pub(super) fn show(
    output: &mut Output,
    line: &[u8],
    json: bool,
) -> anyhow::Result<ControlFlow<()>> {
    if json {
        if output.write(line)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        return output.write(b"\n");
    }
    match Entry::parse(line) {
        Some(entry) => output.line(&line::of(&entry)),
        None => Ok(ControlFlow::Continue(())),
    }
}

fn code(found: u64) -> ExitCode {
    if found == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
