//! Which lines of a segment are not what was written.

use std::collections::{HashMap, HashSet};

use super::claims::{Claim, Claimed, Server};
use super::{Finding, Kind};
use crate::StateError;
use crate::log::hashes_path;
use crate::merkle::{self, Hash};
use crate::read::{Lines, number};

/// How many lines of a segment are named; who changed more is known to have changed much.
const NAMED: usize = 20;

const COPY: &str = "the log is evidence no more from here on: keep it as it is, compare it with \
                    a copy, and find out who could write to this folder";

/// Explains claims that are wrong. The first `right` lines are those of a smaller claim: what is
/// wrong stands behind them.
pub(super) fn diagnose(
    server: &Server,
    claimed: &Claimed,
    wrong: &[Claim],
    right: u64,
) -> Vec<Finding> {
    let Ok(present) = hashes_of(claimed) else { return Vec::new() };
    let stored = std::fs::read(hashes_path(&claimed.path)).unwrap_or_default();
    let stored: &[Hash] = stored.as_chunks().0;
    // The stored hashes are believed as far as a claim is of them.
    let believed = wrong.iter().rev().find(|claim| {
        let written = usize::try_from(claim.size).ok().and_then(|size| stored.get(..size));
        written.is_some_and(|written| merkle::root(written) == claim.root)
    });
    let lines = match believed {
        Some(claim) => {
            let written = &stored[..usize::try_from(claim.size).unwrap_or(0)];
            compare(written, &present)
        }
        None => Vec::new(),
    };
    let Some(claim) = believed.or(wrong.last()) else { return Vec::new() };
    if lines.is_empty() {
        return vec![without_hashes(server, claimed, claim, wrong, right, present.len() as u64)];
    }
    let left = lines.len().saturating_sub(NAMED);
    let mut findings: Vec<Finding> = lines
        .into_iter()
        .take(NAMED)
        .map(|(line, kind)| {
            let what = format!("{} (known from {})", told(kind, line), claim.by);
            server.finding(&claimed.path, Some(line), kind, what, COPY)
        })
        .collect();
    if left > 0 {
        let what = format!("{left} more lines are not as they were written");
        findings.push(server.finding(&claimed.path, None, Kind::Changed, what, COPY));
    }
    findings
}

fn told(kind: Kind, line: u64) -> String {
    match kind {
        Kind::Edited => format!("line {line} is not the one that was written"),
        Kind::Deleted => format!("the record with the number {line} is gone"),
        Kind::Inserted => format!("line {line} was not written by the server"),
        Kind::Cut => format!("everything from line {line} on is gone"),
        _ => format!("line {line} stands in another place than it was written in"),
    }
}

fn hashes_of(claimed: &Claimed) -> Result<Vec<Hash>, StateError> {
    let mut lines = Lines::open(&claimed.path)?;
    let mut hashes = Vec::new();
    while let Some(line) = lines.next_line()? {
        if !line.is_torn {
            hashes.push(merkle::leaf(line.bytes));
        }
    }
    Ok(hashes)
}

/// What happened between the lines as they were written and as they are. Lines are numbered from
/// 1: deleted ones as they were, others as they are. Lines behind those written are new records.
fn compare(written: &[Hash], present: &[Hash]) -> Vec<(u64, Kind)> {
    let same = |(left, right): &(&Hash, &Hash)| left == right;
    let prefix = written.iter().zip(present).take_while(same).count();
    if prefix == written.len() {
        return Vec::new();
    }
    if prefix == present.len() {
        return vec![(prefix as u64 + 1, Kind::Cut)];
    }
    let places: HashMap<&Hash, usize> =
        written.iter().enumerate().skip(prefix).map(|(at, hash)| (hash, at)).collect();
    let found: HashSet<usize> =
        present[prefix..].iter().filter_map(|hash| places.get(hash).copied()).collect();
    let mut missing: Vec<usize> =
        (prefix..written.len()).filter(|at| !found.contains(at)).collect();
    let mut lines = Vec::new();
    let (mut expected, mut highest) = (prefix, prefix);
    for (at, hash) in present.iter().enumerate().skip(prefix) {
        let number = at as u64 + 1;
        let Some(place) = places.get(hash).copied() else {
            if let Ok(index) = missing.binary_search(&expected) {
                missing.remove(index);
                lines.push((number, Kind::Edited));
            } else if expected < written.len() {
                lines.push((number, Kind::Inserted));
            }
            expected += 1;
            continue;
        };
        if place < highest {
            lines.push((number, Kind::Reordered));
        }
        highest = highest.max(place);
        expected = place + 1;
    }
    // What is gone up to the end was cut off.
    let end =
        (prefix..=written.len()).rev().find(|at| *at == prefix || !missing.contains(&(at - 1)));
    let end = end.unwrap_or(written.len());
    if end < written.len() {
        lines.push((end as u64 + 1, Kind::Cut));
    }
    let gone = missing.into_iter().filter(|at| *at < end);
    lines.extend(gone.map(|at| (at as u64 + 1, Kind::Deleted)));
    lines.sort_unstable();
    lines
}

/// The best that can be said without the hashes of the lines.
fn without_hashes(
    server: &Server,
    claimed: &Claimed,
    claim: &Claim,
    wrong: &[Claim],
    right: u64,
    present: u64,
) -> Finding {
    let path = &claimed.path;
    let first = wrong.first().map_or(claim.size, |claim| claim.size);
    if let Some(line) = misnumbered(claimed) {
        let what = format!(
            "line {line} does not have the number {line}: a line before it is gone, or was moved or added (known from {})",
            claim.by
        );
        return server.finding(path, Some(line), Kind::Deleted, what, COPY);
    }
    if claim.size > present {
        let what = format!(
            "everything from line {} on is gone: there were {} lines, by {}",
            present + 1,
            claim.size,
            claim.by
        );
        return server.finding(path, Some(present + 1), Kind::Cut, what, COPY);
    }
    let own = claimed.claims.iter().find(|own| own.is_own && own.size >= claim.size);
    let is_rewritten = own.is_some() && !wrong.iter().any(|claim| claim.is_own);
    let how = if is_rewritten { "rewritten, and signed again" } else { "changed" };
    let what = format!(
        "a line from {} to {first} was {how}: they are not those of {}",
        right + 1,
        claim.by
    );
    server.finding(path, Some(right + 1), Kind::Changed, what, COPY)
}

fn misnumbered(claimed: &Claimed) -> Option<u64> {
    let mut lines = Lines::open(&claimed.path).ok()?;
    while let Some(line) = lines.next_line().ok()? {
        if !line.is_torn && number(line.bytes) != Some(line.number) {
            return Some(line.number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(present: &[u8], expected: &[(u64, Kind)]) {
        let leaves = |numbers: &[u8]| -> Vec<Hash> {
            numbers.iter().map(|number| merkle::leaf(&[*number])).collect()
        };
        let written = leaves(&[1, 2, 3, 4, 5]);
        assert_eq!(compare(&written, &leaves(present)), expected, "{present:?}");
    }

    #[test]
    fn each_change_is_called_what_it_is() {
        check(&[1, 2, 3, 4, 5, 6, 7], &[]);
        check(&[1, 2, 9, 4, 5], &[(3, Kind::Edited)]);
        check(&[9, 2, 3, 4, 8, 6], &[(1, Kind::Edited), (5, Kind::Edited)]);
        check(&[1, 2, 4, 5], &[(3, Kind::Deleted)]);
        check(&[1, 4, 5], &[(2, Kind::Deleted), (3, Kind::Deleted)]);
        check(&[1, 3, 2, 4, 5], &[(3, Kind::Reordered)]);
        check(&[1, 2, 9, 3, 4, 5], &[(3, Kind::Inserted)]);
        check(&[1, 2, 3], &[(4, Kind::Cut)]);
        check(&[], &[(1, Kind::Cut)]);
        check(&[1, 3], &[(2, Kind::Deleted), (4, Kind::Cut)]);
    }
}
