//! Behind a commit that is to be ignored: which old line a changed line comes from.
//!
//! git-blame(1), `--ignore-rev`: "Lines that were changed or added by an ignored commit will be
//! blamed on the previous commit that changed that line or nearby lines." Which line that is, is
//! what git takes: lines are alike by the pairs of neighbouring characters that they share; of a
//! hunk, the line whose origin is the surest is decided first, and those before and behind it stay
//! on their side; a line without an origin in its hunk may come from anywhere in the old file.

use std::ops::Range;

use contract::ToolError;

use crate::xdiff::Hunk;

/// How far from its place, in lines, the origin of a line is looked for within its hunk.
const REACH: usize = 10;
/// The fewest pairs that a line must share with one outside its hunk.
const FEWEST: u32 = 10;
/// Of two lines as alike, the nearer counts more: by a thousandth for each line.
const SCALE: u32 = 1_000;

/// Ranges of lines of the new text, with the first of the old lines they come from. Lines that come
/// from none are left out, and those that are not wanted may be.
pub(super) fn behind(
    old: &[u8],
    new: &[u8],
    hunks: &[Hunk],
    is_wanted: impl Fn(usize) -> bool,
    mut go_on: impl FnMut() -> Result<(), ToolError>,
) -> Result<Vec<(Range<usize>, usize)>, ToolError> {
    let (mut old, new) = (prints(old), prints(new));
    let mut all = Vec::new();
    for hunk in hunks {
        let mut matching = Matching::new(&mut old[hunk.old.clone()], &new[hunk.new.clone()]);
        matching.run(&mut go_on)?;
        let found = matching.into_origins();
        for (at, found) in hunk.new.clone().zip(found) {
            if !is_wanted(at) {
                continue;
            }
            let from = if let Some(from) = found {
                Some(hunk.old.start + from)
            } else {
                go_on()?;
                anywhere(&old, &new[at], at)
            };
            all.extend(from.map(|from| (at..at + 1, from)));
        }
    }
    Ok(all)
}

/// The old line that is most like a line; of two, the nearer.
fn anywhere(old: &[Print], line: &Print, at: usize) -> Option<usize> {
    let mut best: Option<(u32, usize)> = None;
    for (from, print) in old.iter().enumerate() {
        let common = print.common(line);
        let is_worse = match best {
            Some((most, nearest)) => {
                common < most || common == most && nearest.abs_diff(at) < from.abs_diff(at)
            }
            None => common < FEWEST,
        };
        if !is_worse {
            best = Some((common, from));
        }
    }
    best.map(|(_, from)| from)
}

/// The pairs of neighbouring characters of a line, and how often each is in it, by the pair.
#[derive(Clone, Debug, Default)]
struct Print(Vec<(u16, u32)>);

fn prints(text: &[u8]) -> Vec<Print> {
    text.split_inclusive(|byte| *byte == b'\n').map(Print::of).collect()
}

impl Print {
    /// In lower case, with white space as zeros, which is at both ends, too. Two zeros are no pair.
    fn of(line: &[u8]) -> Self {
        let plain = |byte: u8| match byte {
            b' ' | b'\t' | b'\r' | b'\n' => 0,
            _ => byte.to_ascii_lowercase(),
        };
        let mut last = 0;
        let mut pairs: Vec<u16> = Vec::with_capacity(line.len() + 1);
        for next in line.iter().copied().map(plain).chain([0]) {
            pairs.push(u16::from_be_bytes([last, next]));
            last = next;
        }
        pairs.retain(|pair| *pair != 0);
        pairs.sort_unstable();
        Self(pairs.chunk_by(|one, other| one == other).map(|same| (same[0], count(same))).collect())
    }

    /// How many pairs two lines share.
    fn common(&self, other: &Self) -> u32 {
        let (mut sum, mut others) = (0, other.0.iter().peekable());
        for (pair, count) in &self.0 {
            while others.next_if(|(other, _)| other < pair).is_some() {}
            if let Some((_, other)) = others.next_if(|(other, _)| other == pair) {
                sum += count.min(other);
            }
        }
        sum
    }

    /// Takes away the pairs of another line.
    fn subtract(&mut self, other: &Self) {
        let mut others = other.0.iter().peekable();
        self.0.retain_mut(|(pair, count)| {
            while others.next_if(|(other, _)| other < pair).is_some() {}
            if let Some((_, other)) = others.next_if(|(other, _)| other == pair) {
                *count = count.saturating_sub(*other);
            }
            *count > 0
        });
    }
}

fn count(same: &[u16]) -> u32 {
    u32::try_from(same.len()).unwrap_or(u32::MAX)
}

/// How sure the origin of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    Unknown,
    /// No line is like it.
    Nothing,
    By(u32),
}

/// What is known of a new line.
#[derive(Clone, Copy, Debug)]
struct Line {
    sure: Sure,
    /// The old lines that are most like it.
    best: usize,
    second: usize,
}

/// A part of a hunk, whose new lines come from its old lines only.
#[derive(Clone, Debug)]
struct Part {
    old: Range<usize>,
    new: Range<usize>,
}

/// The lines of a hunk while they find each other. Lines count from the hunk's first.
struct Matching<'a> {
    old: &'a mut [Print],
    new: &'a [Print],
    lines: Vec<Line>,
    /// Of each new line, how much the old lines around its place are like it.
    alike: Vec<Option<u32>>,
    reach: usize,
}

impl<'a> Matching<'a> {
    fn new(old: &'a mut [Print], new: &'a [Print]) -> Self {
        let reach = REACH.min(old.len().saturating_sub(1));
        let line = Line { sure: Sure::Unknown, best: 0, second: 0 };
        let alike = if old.is_empty() { 0 } else { new.len() * (2 * reach + 1) };
        Self { lines: vec![line; new.len()], alike: vec![None; alike], old, new, reach }
    }

    /// Decides line after line.
    fn run(&mut self, go_on: &mut impl FnMut() -> Result<(), ToolError>) -> Result<(), ToolError> {
        if self.old.is_empty() {
            return Ok(());
        }
        let mut parts = vec![Part { old: 0..self.old.len(), new: 0..self.new.len() }];
        while let Some(part) = parts.pop() {
            go_on()?;
            let Some(surest) = self.surest(&part) else { continue };
            let from = self.lines[surest].best;
            // No other line comes from the same characters.
            self.old[from].subtract(&self.new[surest]);
            self.forget(&part, surest, from);
            let behind = Part { old: from..part.old.end, new: surest + 1..part.new.end };
            let before = Part { old: part.old.start..from + 1, new: part.new.start..surest };
            parts.extend([behind, before].into_iter().filter(|part| !part.new.is_empty()));
        }
        Ok(())
    }

    /// The line whose origin is the surest.
    fn surest(&mut self, part: &Part) -> Option<usize> {
        let mut surest: Option<(u32, usize)> = None;
        for at in part.new.clone() {
            if self.lines[at].sure == Sure::Unknown {
                self.lines[at] = self.look(part, at);
            }
            if let Sure::By(by) = self.lines[at].sure
                && surest.is_none_or(|(most, _)| by > most)
            {
                surest = Some((by, at));
            }
        }
        surest.map(|(_, at)| at)
    }

    /// Compares a new line with the old ones around its place. A line that is much like two is less
    /// sure than one that is as much like one only, yet surer than one that is little like any.
    fn look(&mut self, part: &Part, at: usize) -> Line {
        let place = self.place(at);
        let start = place.saturating_sub(self.reach).max(part.old.start);
        let end = (place + self.reach + 1).min(part.old.end);
        let (mut best, mut second) = ((0, part.old.start), (0, part.old.start));
        for from in start..end {
            let cell = self.cell(from, at);
            let alike = self.alike[cell].unwrap_or_else(|| {
                let distance = u32::try_from(from.abs_diff(place)).unwrap_or(SCALE);
                self.new[at].common(&self.old[from]).saturating_mul(SCALE - distance.min(SCALE))
            });
            self.alike[cell] = Some(alike);
            if alike > best.0 {
                second = best;
                best = (alike, from);
            } else if alike > second.0 {
                second = (alike, from);
            }
        }
        let sure = match best.0 {
            0 => Sure::Nothing,
            most => Sure::By(most.saturating_mul(2) - second.0),
        };
        Line { sure, best: best.1, second: second.1 }
    }

    /// What the choice of a line changes for those around it.
    fn forget(&mut self, part: &Part, chosen: usize, from: usize) {
        // No line farther away is compared with the same old line.
        let far = ((2 * self.reach + 1) * self.new.len() - 1) / self.old.len();
        let start = chosen.saturating_sub(far).max(part.new.start);
        let end = (chosen + far + 1).min(part.new.end);
        for at in start..end {
            if self.place(at).abs_diff(from) <= self.reach {
                let cell = self.cell(from, at);
                self.alike[cell] = None;
            }
            let line = &mut self.lines[at];
            let is_wrong = match at.cmp(&chosen) {
                std::cmp::Ordering::Less => line.best >= from || line.second >= from,
                std::cmp::Ordering::Equal => false,
                std::cmp::Ordering::Greater => line.best <= from || line.second <= from,
            };
            if is_wrong && matches!(line.sure, Sure::By(_)) {
                line.sure = Sure::Unknown;
            }
        }
    }

    /// The old line at the place of a new one, were the old lines spread evenly.
    fn place(&self, at: usize) -> usize {
        (at * 2 + 1) * self.old.len() / (self.new.len() * 2)
    }

    /// Where it is noted how much an old line is like a new one.
    fn cell(&self, from: usize, at: usize) -> usize {
        at * (2 * self.reach + 1) + from + self.reach - self.place(at)
    }

    /// The origin of each new line.
    fn into_origins(self) -> Vec<Option<usize>> {
        let of = |line: &Line| matches!(line.sure, Sure::By(_)).then_some(line.best);
        self.lines.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &[&str], new: &[&str], expected: &[Option<usize>]) {
        let prints = |lines: &[&str]| {
            lines.iter().map(|line| Print::of(line.as_bytes())).collect::<Vec<_>>()
        };
        let (mut old, new) = (prints(old), prints(new));
        let mut matching = Matching::new(&mut old, &new);
        matching.run(&mut || Ok(())).expect("no end");
        assert_eq!(matching.into_origins(), expected);
    }

    #[test]
    fn lines_come_from_those_most_like_them() {
        check(&["int a;", "int bcd;"], &["    int a;", "    int bcd;"], &[Some(0), Some(1)]);
        let three = [Some(0), Some(0), Some(0)];
        check(&["call(one, two)"], &["call(", "  one,", "  two)"], &three);
        check(&["alpha", "omega"], &["zzzz", "omega"], &[None, Some(1)]);
        check(&[], &["x"], &[None]);
        check(&["x"], &[], &[]);
    }

    #[test]
    fn pairs_are_counted() {
        let print = |text: &str| Print::of(text.as_bytes());
        assert_eq!(print("cat mat").common(&print("father rather")), 2);
        assert_eq!(print("tim").common(&print("mit")), 0);
        let mut rest = print("at at");
        rest.subtract(&print("AT"));
        assert_eq!(rest.common(&print("at")), 3);
    }

    #[test]
    fn a_line_without_an_origin_in_its_hunk_comes_from_anywhere() {
        let old = b"first line of it\nsecond line of it\n";
        let new = b"second line of it, twice\nfirst line of it\nsecond line of it\n";
        let hunk = Hunk { old: 0..0, new: 0..1 };
        let found = behind(old, new, &[hunk], |_| true, || Ok(())).expect("no end");
        assert_eq!(found, [(0..1, 1)]);
    }
}
