//! The trace files of lcov: records from `SF:` to `end_of_record`.

use std::io::Read;

use super::{CoverageError, Lines};
use crate::format::Format;
use crate::lines;
use crate::report::{Bounds, Collector};

pub(super) fn read<R: Read>(
    input: R,
    bounds: &Bounds,
    all: &mut Lines,
) -> Result<(), CoverageError> {
    // Only for what is wrong with the lines themselves.
    let mut collector = Collector::new(Format::Tap, bounds);
    let mut lines = lines::Lines::new(input, bounds.line);
    let mut file: Option<String> = None;
    let mut declared = Declared::default();
    let mut number = 0_u64;
    while let Some(line) = lines.next(&mut collector) {
        number += 1;
        let wrong = || CoverageError::Unreadable(format!("line {number} is not one of lcov"));
        let line = line.trim();
        if let Some(name) = line.strip_prefix("SF:") {
            if file.is_some() {
                let why = format!("line {number} begins a file before another one ended");
                return Err(CoverageError::Unreadable(why));
            }
            all.file(name);
            file = Some(name.to_owned());
            declared = Declared::default();
        } else if line == "end_of_record" {
            let file = file.take().ok_or_else(wrong)?;
            declared.check(&file)?;
        } else if let Some(file) = &file {
            record(line, file, all, &mut declared).ok_or_else(wrong)??;
        } else if !line.is_empty() && !line.starts_with("TN:") && !line.starts_with('#') {
            return Err(wrong());
        }
    }
    if file.is_some() {
        return Err(CoverageError::Unreadable("the last file does not end".to_owned()));
    }
    match collector.report.faults.first() {
        Some(fault) => Err(CoverageError::Unreadable(fault.detail.clone())),
        None => Ok(()),
    }
}

/// What a record says at its end that it holds.
#[derive(Default)]
struct Declared {
    lines: u64,
    hit: u64,
    said_lines: Option<u64>,
    said_hit: Option<u64>,
}

impl Declared {
    fn check(&self, file: &str) -> Result<(), CoverageError> {
        let is_right = self.said_lines.is_none_or(|said| said == self.lines)
            && self.said_hit.is_none_or(|said| said == self.hit);
        if is_right {
            return Ok(());
        }
        let why = format!("the counts of {file} are not those of its lines");
        Err(CoverageError::Unreadable(why))
    }
}

/// One line of a record; nothing if it is broken.
fn record(
    line: &str,
    file: &str,
    all: &mut Lines,
    declared: &mut Declared,
) -> Option<Result<(), CoverageError>> {
    let (key, value) = line.split_once(':').unwrap_or((line, ""));
    match key {
        "DA" => {
            let (number, rest) = value.split_once(',')?;
            let hits = rest.split(',').next()?;
            let is_hit = !hits.starts_with('-') && hits.parse::<f64>().ok()? > 0.0;
            declared.lines += 1;
            declared.hit += u64::from(is_hit);
            Some(all.line(file, number.parse().ok()?, is_hit))
        }
        "BRDA" => {
            let mut parts = value.splitn(4, ',');
            let number = parts.next()?.parse().ok()?;
            let (block, branch) = (parts.next()?, parts.next()?);
            let taken = parts.next()?;
            // A branch has a number or, with newer tools, an expression.
            let named = digest(&format!("{block},{branch}"));
            Some(all.branch(file, (number, named), taken != "-" && taken != "0"))
        }
        "LF" => {
            declared.said_lines = Some(value.parse().ok()?);
            Some(Ok(()))
        }
        "LH" => {
            declared.said_hit = Some(value.parse().ok()?);
            Some(Ok(()))
        }
        _ => Some(Ok(())),
    }
}

/// A number for a name (FNV-1a, 32 bits).
fn digest(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
