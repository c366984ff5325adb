//! Text by line, each within a bound.

use std::io::{BufRead, BufReader, Read};

use crate::report::{Collector, FaultKind};

/// Reads line by line.
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    most: usize,
    /// The number of the line that was read last, from 1.
    pub(crate) number: u64,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R, most: usize) -> Self {
        Self { input: BufReader::with_capacity(64 << 10, input), line: Vec::new(), most, number: 0 }
    }

    /// The next line without its line break, or nothing at the end.
    ///
    /// A line that is too long is a fault and cut. So is a last line that does not end: where every
    /// line counts, a report cut within a line is not a whole one.
    pub(crate) fn next<'a>(&'a mut self, collector: &mut Collector<'_>) -> Option<&'a str> {
        self.line.clear();
        let mut is_cut = false;
        let mut is_ended = false;
        while !is_ended {
            let chunk = match self.input.fill_buf() {
                Ok([]) => break,
                Ok(chunk) => chunk,
                Err(error) => {
                    collector.fault(FaultKind::Unparsed, format!("the input fails: {error}"));
                    break;
                }
            };
            let end = memchr::memchr(b'\n', chunk);
            let taken = end.unwrap_or(chunk.len());
            let room = self.most.saturating_sub(self.line.len());
            is_cut |= taken > room;
            self.line.extend_from_slice(&chunk[..taken.min(room)]);
            is_ended = end.is_some();
            self.input.consume(taken + usize::from(is_ended));
        }
        if self.line.is_empty() && !is_ended {
            return None;
        }
        self.number += 1;
        if is_cut {
            let detail = format!("line {} has more than {} bytes", self.number, self.most);
            collector.fault(FaultKind::TooLarge, detail);
        }
        if !is_ended {
            let detail = format!("line {}, the last one, does not end", self.number);
            collector.fault(FaultKind::Truncated, detail);
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        // The input is UTF-8; only a cut can part a character.
        let valid = match std::str::from_utf8(&self.line) {
            Ok(_) => self.line.len(),
            Err(error) => error.valid_up_to(),
        };
        std::str::from_utf8(&self.line[..valid]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::report::{Bounds, Fault};

    fn lines(text: &str, most: usize) -> (Vec<String>, Vec<Fault>) {
        let bounds = Bounds::default();
        let mut collector = Collector::new(Format::Tap, &bounds);
        let mut lines = Lines::new(text.as_bytes(), most);
        let mut all = Vec::new();
        while let Some(line) = lines.next(&mut collector) {
            all.push(line.to_owned());
        }
        (all, collector.report.faults)
    }

    #[test]
    fn lines_end_with_either_line_break() {
        let (all, faults) = lines("a\r\n\nb\n", 10);
        assert_eq!((all, faults), (vec!["a".to_owned(), String::new(), "b".to_owned()], vec![]));
    }

    #[test]
    fn a_last_line_without_an_end_is_a_fault() {
        let (all, faults) = lines("a\nb", 10);
        assert_eq!((all.len(), faults[0].kind), (2, FaultKind::Truncated));
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        let (all, faults) = lines("äää\nb\n", 3);
        assert_eq!((all, faults.len()), (vec!["ä".to_owned(), "b".to_owned()], 1));
        assert_eq!(faults[0].kind, FaultKind::TooLarge);
    }
}
