//! Behind a commit that is to be ignored: which old line a changed line comes from, by what they
//! have in common.
//!
//! git-blame(1) calls its own way a heuristic. This one pairs the lines of a change in their order,
//! so that the pairs together have the most pairs of neighbouring characters in common.

use std::ops::Range;

use crate::xdiff::Hunk;

/// A larger change is paired line by line, by place.
const LARGEST: usize = 250_000;

/// Ranges of lines of the new text, with the first of the old lines they come from. Lines that come
/// from none are left out.
pub(super) fn behind(old: &[u8], new: &[u8], hunks: &[Hunk]) -> Vec<(Range<usize>, usize)> {
    let (old, new) = (lines(old), lines(new));
    let mut all = Vec::new();
    for hunk in hunks {
        let pairs = pairs(&old[hunk.old.clone()], &new[hunk.new.clone()]);
        all.extend(pairs.into_iter().map(|(from, to)| {
            let at = hunk.new.start + to;
            (at..at + 1, hunk.old.start + from)
        }));
    }
    all
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Pairs of an old and a new line, both in their order.
fn pairs(old: &[&[u8]], new: &[&[u8]]) -> Vec<(usize, usize)> {
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    if old.len() * new.len() > LARGEST {
        return (0..new.len()).map(|to| (to * old.len() / new.len(), to)).collect();
    }
    let prints =
        |lines: &[&[u8]]| -> Vec<Vec<u16>> { lines.iter().map(|line| print(line)).collect() };
    let (old_prints, new_prints) = (prints(old), prints(new));
    // best[to][from]: the most that the first lines of each have in common. Several new lines may
    // come from one old line, as where a line was broken in two.
    let width = old.len() + 1;
    let mut best = vec![0_u32; width * (new.len() + 1)];
    for to in 0..new.len() {
        for from in 0..old.len() {
            let same = best[to * width + from + 1] + common(&old_prints[from], &new_prints[to]);
            let skipped = best[(to + 1) * width + from];
            let alone = best[to * width + from + 1];
            best[(to + 1) * width + from + 1] = same.max(skipped).max(alone);
        }
    }
    let (mut found, mut to, mut from) = (Vec::new(), new.len(), old.len());
    while to > 0 && from > 0 {
        let here = best[to * width + from];
        if here == best[to * width + from - 1] {
            from -= 1;
            continue;
        }
        if common(&old_prints[from - 1], &new_prints[to - 1]) > 0 {
            found.push((from - 1, to - 1));
        }
        to -= 1;
    }
    found.reverse();
    found
}

/// The pairs of neighbouring characters of a line, without white space and case, sorted.
fn print(line: &[u8]) -> Vec<u16> {
    let plain: Vec<u8> = line
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(u8::to_ascii_lowercase)
        .collect();
    let mut pairs: Vec<u16> =
        plain.windows(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    if let [only] = plain.as_slice() {
        pairs.push(u16::from(*only));
    }
    pairs.sort_unstable();
    pairs
}

/// How many pairs two lines have in common.
fn common(left: &[u16], right: &[u16]) -> u32 {
    let (mut sum, mut right) = (0, right.iter().peekable());
    for pair in left {
        while right.next_if(|other| *other < pair).is_some() {}
        if right.next_if(|other| *other == pair).is_some() {
            sum += 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &[&str], new: &[&str], expected: &[(usize, usize)]) {
        let bytes = |lines: &[&'static str]| lines.iter().map(|line| line.as_bytes()).collect();
        let leaked = |lines: &[&str]| -> Vec<&'static str> {
            lines.iter().map(|line| &*Box::leak((*line).to_owned().into_boxed_str())).collect()
        };
        let (old, new): (Vec<&[u8]>, Vec<&[u8]>) = (bytes(&leaked(old)), bytes(&leaked(new)));
        assert_eq!(pairs(&old, &new), expected);
    }

    #[test]
    fn lines_come_from_those_most_like_them() {
        check(&["int a;", "int bcd;"], &["    int a;", "    int bcd;"], &[(0, 0), (1, 1)]);
        check(&["call(one, two)"], &["call(", "  one,", "  two)"], &[(0, 0), (0, 1), (0, 2)]);
        check(&["alpha", "omega"], &["zzzz", "omega"], &[(1, 1)]);
        check(&["x"], &[], &[]);
    }
}
