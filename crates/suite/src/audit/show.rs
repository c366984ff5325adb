//! `suite audit show`: everything about one call or one approval, in order: who ran what, against
//! which system, why, and who said yes.

mod account;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Args;

use super::entry::Entry;
use super::output::{Output, Progress};
use super::reading::Reading;
use super::scan::{self, Found, Order};
use super::segments::Segment;
use super::select::{Filters, Selection};
use crate::terminal::DIM;

/// `suite audit show …`.
#[derive(Args)]
pub(super) struct ShowArgs {
    /// The call, or the approval by how its identity begins
    #[arg(value_name = "CALL|APPROVAL")]
    id: String,
    /// The records as they are in the log, one line of JSON each
    #[arg(long)]
    json: bool,
}

/// The most records of one call or approval that are shown.
const MOST: usize = 10_000;

/// The shortest beginning of an approval's identity that counts.
const SHORTEST: usize = 4;

pub(super) fn run(reading: &Reading, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        !args.id.trim().is_empty(),
        "name a call, or an approval by how its identity begins; `suite audit search` shows them"
    );
    let selection = Selection::new(&Filters::default(), 0)?;
    let segments = reading.segments(&selection)?;
    let (found, approvals) = related(&segments, &args.id)?;
    let mut output = Output::screen();
    if args.json {
        for record in &found {
            if super::search::show(&mut output, &record.line, true)?.is_break() {
                break;
            }
        }
        output.finish()?;
    } else if !found.is_empty() {
        let _ = output.write(b"")?;
        for line in account::of(&segments, &found, &approvals).lines() {
            if output.line(line)?.is_break() {
                break;
            }
        }
        output.finish()?;
    }
    if found.is_empty() {
        anstream::eprintln!(
            "{DIM}No record names the call or approval {}; `suite audit search` shows calls in \
             brackets.{DIM:#}",
            super::line::short(&args.id, 80)
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The records of a call or approval and of those it belongs with, oldest first; and the
/// approvals they name. A call names its approval, an approval all calls that were made for it.
fn related(segments: &[Segment], id: &str) -> anyhow::Result<(Vec<Found>, BTreeSet<String>)> {
    let by_call = Filters { call: Some(id.to_owned()), ..Filters::default() };
    let mut found = read(segments, &Selection::new(&by_call, 0)?)?;
    if found.is_empty() && id.len() >= SHORTEST {
        let by_approval = Filters { approval: Some(id.to_owned()), ..Filters::default() };
        found = read(segments, &Selection::new(&by_approval, 0)?)?;
        let approvals = names(&found).1;
        anyhow::ensure!(
            approvals.len() < 2,
            "`{}` begins several approvals: {}",
            super::line::short(id, 80),
            approvals.into_iter().collect::<Vec<_>>().join(", ")
        );
    }
    let mut known = (BTreeSet::new(), BTreeSet::new());
    loop {
        let names = names(&found);
        if names == known || found.len() >= MOST {
            return Ok((found, names.1));
        }
        known = names;
        found = read(segments, &Selection::of_ids(&known.0, &known.1))?;
    }
}

fn read(segments: &[Segment], selection: &Selection) -> anyhow::Result<Vec<Found>> {
    let progress = Progress::start();
    let said = |done, total| progress.at(done, total);
    let mut all = Vec::new();
    scan::each(segments, selection, Order::Oldest, &said, |found| {
        all.push(found);
        let is_enough = all.len() >= MOST;
        Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    progress.end(&scan::Tally::default());
    Ok(all)
}

/// The calls and approvals that the records name.
fn names(found: &[Found]) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut names = (BTreeSet::new(), BTreeSet::new());
    for entry in found.iter().filter_map(|found| Entry::parse(&found.line)) {
        names.0.insert(entry.call.clone().into_owned());
        names.1.insert(entry.approval_id().to_owned());
    }
    names.0.remove("");
    names.1.remove("");
    names
}
