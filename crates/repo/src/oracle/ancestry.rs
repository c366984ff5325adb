//! What two commits have in common: merge bases, ancestry, ahead and behind.

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

        let range = format!("{one}...{other}");
        let gits = case.git.text(&["rev-list", "--left-right", "--count", &range]);
        let ours = case.view(move |view| view.ahead_behind(left, right)).await.expect("counts");
        let ours = format!("{}\t{}\n", ours.0, ours.1);
        case.compare(&ours, &gits, || format!("rev-list --left-right --count {range}"));
    }
}

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.as_bytes()).expect("an id")
}
