//! The coverage that a run wrote, or why there is none to tell.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use reports::{Bounds, CoverageError, Delivery};
use sandbox::Collected;

use super::origin;
use crate::settings::CoverageFormat;
use crate::store::Run;
use crate::suite::Suite;
use crate::wire::Outcome;

/// Lines that are covered, and all of them; absent where no coverage is declared or nothing ran.
pub(super) fn coverage(
    suite: &Suite,
    run: &Run,
    outcome: &Outcome,
) -> Option<Result<(u64, u64), String>> {
    let settings = suite.settings.coverage.as_ref()?;
    let Outcome::Ended(ended) = outcome else { return None };
    ended.exit?;
    let declared = std::slice::from_ref(&settings.path);
    let own = ended
        .collected
        .iter()
        .filter(|one| is_coverage(suite, one))
        .map(|one| origin::own(suite, run, one, declared));
    let files: Result<Vec<&Path>, Delivery> = own.collect();
    Some(match files {
        Ok(files) if files.is_empty() => Err(lacking(Delivery::Missing)),
        Ok(files) => read(settings.format, &files),
        Err(delivery) => Err(lacking(delivery)),
    })
}

/// Whether a file is coverage, and no report.
pub(super) fn is_coverage(suite: &Suite, one: &Collected) -> bool {
    suite.settings.coverage.as_ref().is_some_and(|coverage| {
        let is_there = one.outside.as_ref().and_then(|file| file.parent());
        is_there.is_some_and(|folder| folder.ends_with(crate::runner::COVERAGE))
            || (one.outside.is_none() && one.inside.ends_with(&coverage.path))
    })
}

fn read(format: CoverageFormat, files: &[&Path]) -> Result<(u64, u64), String> {
    let (format, name) = match format {
        CoverageFormat::Lcov => (reports::CoverageFormat::Lcov, "lcov"),
        CoverageFormat::Cobertura => (reports::CoverageFormat::Cobertura, "Cobertura"),
    };
    let opened: Result<Vec<File>, _> = files.iter().map(File::open).collect();
    let opened = opened.map_err(|_| lacking(Delivery::Missing))?.into_iter().map(BufReader::new);
    // What the file holds is not quoted: this is told among our own words.
    let total =
        reports::coverage(format, opened, &Bounds::default()).map_err(|error| match error {
            CoverageError::Unreadable(_) => format!("the file is no whole {name}"),
            CoverageError::TooLarge(_) => lacking(Delivery::Cut),
            CoverageError::Empty => "the file names no lines".to_owned(),
        })?;
    Ok((total.total.lines_hit, total.total.lines))
}

fn lacking(delivery: Delivery) -> String {
    match delivery {
        Delivery::Whole | Delivery::Missing => "the run wrote none".to_owned(),
        Delivery::Stale => "the file is older than the run".to_owned(),
        Delivery::Foreign(why) => format!("nothing shows that this run wrote the file: {why}"),
        Delivery::Cut => "the file is too large".to_owned(),
        Delivery::Unreadable(why) => format!("the file cannot be read: {why}"),
    }
}
