//! The order and the choice of commits: ranges, paths, times.

use bstr::{BString, ByteSlice as _};

use super::{Case, named};
use crate::history::Walk;

/// The most commits that are compared of one walk.
const MOST: usize = 3_000;

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 3 {
        let range = range(case);
        let path = (!case.random.percent(25)).then(|| {
            let commit = case.late_commit();
            case.path(&commit, 40)
        });
        let since = case.random.percent(20).then(|| {
            let commit = case.commit();
            let time = case.git.text(&["show", "-s", "--format=%ct", &commit]);
            time.trim().parse::<i64>().expect("a time")
        });
        compare(case, range, path, since).await;
    }
}

/// A revision, or a range of two.
pub(super) fn range(case: &mut Case) -> String {
    let to = if case.random.percent(50) { case.commit() } else { case.late_commit() };
    let from = case.commit();
    match case.random.below(4) {
        0 => format!("{from}..{to}"),
        1 => format!("{from}...{to}"),
        _ => to,
    }
}

async fn compare(case: &mut Case, range: String, path: Option<BString>, since: Option<i64>) {
    let (most, at) = (format!("-{MOST}"), since.map(|since| format!("--since-as-filter={since}")));
    let mut words = vec!["rev-list", &most];
    words.extend(at.as_deref());
    words.push(&range);
    // git-rev-list(1): "Paths may need to be prefixed with -- to separate them from options".
    let shown = path.as_ref().map(|path| path.to_str_lossy().into_owned());
    let literal = path.as_ref().is_some_and(|path| path.to_str().is_err());
    if literal {
        // This program's arguments are text.
        return;
    }
    words.push("--");
    words.extend(shown.as_deref());
    let words: Vec<&str> = ["--literal-pathspecs"].into_iter().chain(words).collect();
    let gits = case.git.ranged(&words, &range);
    let (asked, of) = (range.clone(), path.clone());
    let ours = case.view(move |view| {
        let range = view.range(Some(&asked))?;
        let path = of.as_ref().map(|path| path.as_bstr());
        let mut walk = Walk::new(view, &range, path, false, since)?;
        let mut ids = Vec::new();
        while ids.len() < MOST {
            let Some(step) = walk.next(view)? else { break };
            ids.push(view.reader.commits.id(step.number).to_string());
        }
        Ok(ids)
    });
    let ours = ours.await.unwrap_or_else(|error| vec![error.text()]);
    case.compare(&ours, &gits, || {
        let path = path.as_ref().map(named).unwrap_or_default();
        format!(
            "rev-list {} {range} -- {path}",
            since.map_or_else(String::new, |since| format!("--since={since}"))
        )
    });
}
