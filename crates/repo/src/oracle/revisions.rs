//! Revisions: names, steps, abbreviations.

use super::Case;

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 4 {
        let given = name(case);
        let of_git = case.git.ask(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{given}^{{commit}}"),
        ]);
        let gits = (of_git.1 == 0).then(|| String::from_utf8_lossy(&of_git.0).trim().to_owned());
        // gitcli(7): "Commands which support the --end-of-options option can be used to treat all
        // further arguments as operands". A caller here cannot say so: such a name is refused.
        let gits = gits.filter(|_| !given.starts_with('-'));
        let asked = given.clone();
        let ours = case.view(move |view| view.resolve(Some(&asked))).await;
        let ours = ours.ok().map(|revision| revision.id.to_string());
        case.compare(&ours, &gits, || format!("rev {given}"));
    }
}

/// A name of some commit.
fn name(case: &mut Case) -> String {
    let id = case.commit();
    let base = match case.random.below(4) {
        0 => id[..7 + case.random.below(10)].to_owned(),
        1 => {
            let refs = case.git.lines(&["for-each-ref", "--format=%(refname)"]);
            let full = case.random.one_of(&refs).clone();
            match case.random.below(3) {
                0 => full,
                1 => full.trim_start_matches("refs/").to_owned(),
                _ => full.splitn(3, '/').last().unwrap_or_default().to_owned(),
            }
        }
        2 => "HEAD".to_owned(),
        _ => id,
    };
    let count = case.random.below(30);
    match case.random.below(6) {
        0 => format!("{base}~{count}"),
        1 => format!("{base}^{}", count % 4),
        2 => format!("{base}~^2~{}", count % 5),
        3 => format!("{base}^{{}}"),
        _ => base,
    }
}
