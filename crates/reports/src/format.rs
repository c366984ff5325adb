//! The formats, and the one way in for all of them.

use std::fmt;
use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::decode::{Decoded, Tally};
use crate::report::{Bounds, Collector, FaultKind, Report};
use crate::{ctrf, go, junit, libtest, pytest, tap};

/// What a report is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JUnit XML in the dialects of nextest, pytest, Surefire, Gradle, gotestsum, jest-junit,
    /// Vitest, node:test, PHPUnit, ctest and googletest.
    Junit,
    /// What libtest prints, as JSON (unstable) or as text.
    Libtest,
    /// What `go test -json` prints.
    GoTest,
    /// The Test Anything Protocol, versions 13 and 14.
    Tap,
    /// The Common Test Report Format.
    Ctrf,
    /// What pytest prints: a fallback, since it names only what did not pass unless verbose.
    Pytest,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] =
        [Self::Junit, Self::Libtest, Self::GoTest, Self::Tap, Self::Ctrf, Self::Pytest];

    /// The name in declarations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Junit => "junit",
            Self::Libtest => "libtest",
            Self::GoTest => "go-test",
            Self::Tap => "tap",
            Self::Ctrf => "ctrf",
            Self::Pytest => "pytest",
        }
    }

    /// Whether it is read from what the program prints, not from a file that it writes.
    pub fn is_printed(self) -> bool {
        matches!(self, Self::Libtest | Self::GoTest | Self::Tap | Self::Pytest)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Reads a report made of these inputs, in their order.
///
/// It never fails: what cannot be read is a [`Fault`](crate::Fault) of the report, and what could
/// be read until then is kept.
pub fn parse<R: Read>(
    format: Format,
    inputs: impl IntoIterator<Item = R>,
    bounds: &Bounds,
) -> Report {
    let mut collector = Collector::new(format, bounds);
    let mut junit = junit::Inputs::default();
    for input in inputs {
        collector.report.inputs += 1;
        let tally = Tally::new(bounds.bytes.saturating_sub(collector.report.bytes));
        let mut decoded = Decoded::new(input, &tally);
        match format {
            Format::Junit => junit.read(&mut decoded, &mut collector),
            Format::Libtest => libtest::read(&mut decoded, &mut collector),
            Format::GoTest => go::read(&mut decoded, &mut collector),
            Format::Tap => tap::read(&mut decoded, &mut collector),
            Format::Ctrf => ctrf::read(&mut decoded, &mut collector),
            Format::Pytest => pytest::read(&mut decoded, &mut collector),
        }
        collector.report.bytes += tally.bytes();
        if tally.is_over() {
            let detail = format!("it has more than {} bytes", bounds.bytes);
            collector.fault(FaultKind::TooLarge, detail);
        }
        if tally.bytes() == 0 {
            collector.fault(FaultKind::Empty, "an input is empty");
        }
    }
    if collector.report.inputs == 0 {
        collector.fault(FaultKind::Empty, "there is no input");
    }
    collector.report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_fault_in_every_format() {
        let bounds = Bounds::default();
        for format in Format::ALL {
            for inputs in [vec![], vec![&b""[..]], vec![&b"\xef\xbb\xbf"[..]], vec![&b"\n \n"[..]]]
            {
                let report = parse(format, inputs.clone(), &bounds);
                assert!(!report.faults.is_empty(), "{format} {inputs:?}");
            }
        }
    }

    #[test]
    fn too_many_bytes_are_a_fault_in_every_format() {
        let bounds = Bounds { bytes: 10, ..Bounds::default() };
        for format in Format::ALL {
            let report = parse(format, [&b"1..1\nok 1\nok 2\n"[..]], &bounds);
            assert!(report.has(FaultKind::TooLarge), "{format}: {:?}", report.faults);
            assert!(report.bytes <= 10, "{}", report.bytes);
        }
    }

    #[test]
    fn names_are_those_of_serde() {
        for format in Format::ALL {
            let quoted = format!("\"{format}\"");
            assert_eq!(serde_json::to_string(&format).unwrap(), quoted);
        }
    }
}
