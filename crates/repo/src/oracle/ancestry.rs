//! What two commits have in common: merge bases, ancestry, ahead and behind.

use std::collections::BTreeSet;

use gix_hash::ObjectId;

use super::Case;

pub(super) async fn check(case: &mut Case) {
    for round in 0..case.rounds * 2 {
        let one = if round % 2 == 0 { case.commit() } else { case.late_commit() };
        let other = case.commit();
        let (left, right) = (id(&one), id(&other));
        let what = || format!("{one} {other}");

        let mut gits = case.git.ask(&["merge-base", "--all", &one, &other]).0;
        gits.retain(|byte| *byte != b'\r');
        let mut gits: Vec<String> =
            String::from_utf8_lossy(&gits).lines().map(str::to_owned).collect();
        gits.sort();
        let ours = case.view(move |view| view.merge_bases(left, right)).await.expect("bases");
        let mut ours: Vec<String> = ours.iter().map(ToString::to_string).collect();
        ours.sort();
        case.compare(&ours, &gits, || format!("merge-base --all {}", what()));

        let gits = case.git.ask(&["merge-base", "--is-ancestor", &one, &other]).1 == 0;
        let ours = case.view(move |view| view.is_ancestor(left, right)).await.expect("yes or no");
        case.compare(&ours, &gits, || format!("merge-base --is-ancestor {}", what()));

        let ours = case.view(move |view| view.ahead_behind(left, right)).await.expect("counts");
        let ours = format!("{}\t{}\n", ours.0, ours.1);
        let range = format!("{one}...{other}");
        let mut gits = case.git.text(&["rev-list", "--left-right", "--count", &range]);
        if ours != gits {
            gits = counts(case, &one, &other);
        }
        case.compare(&ours, &gits, || format!("rev-list --left-right --count {}", what()));
    }
}

/// What `git rev-list --left-right --count` would print, from two whole walks. Where clocks went
/// wrong the command itself may count too much, since it takes dates for an order
/// (technical/commit-graph.adoc: "this heuristic is currently used whenever the computation is
/// allowed to violate topological relationships due to clock skew").
fn counts(case: &Case, one: &str, other: &str) -> String {
    let reached =
        |id: &str| -> BTreeSet<String> { case.git.lines(&["rev-list", id]).into_iter().collect() };
    let (one, other) = (reached(one), reached(other));
    format!("{}\t{}\n", one.difference(&other).count(), other.difference(&one).count())
}

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.as_bytes()).expect("an id")
}
