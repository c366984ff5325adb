//! The diagnosis as a person reads it.

use contract::Weight;

use super::{Diagnosis, Patient};
use crate::terminal::{BAD, DIM, GOOD, TITLE, columns};

pub(super) fn show(diagnosis: &Diagnosis) {
    let kernel = &diagnosis.kernel;
    let landlock = match kernel.landlock {
        0 => "none".to_owned(),
        abi => format!("ABI {abi}"),
    };
    anstream::println!(
        "{TITLE}kernel{TITLE:#}  Linux {}; Landlock: {landlock}; seccomp filters: {}; user \
         namespaces: {}; Yama: {}",
        kernel.release,
        if kernel.seccomp { "yes" } else { "no" },
        kernel.user_namespaces,
        kernel.yama,
    );
    if diagnosis.servers.is_empty() {
        anstream::println!("No server is configured: add a table such as [servers.docs].");
    }
    for server in &diagnosis.servers {
        server.show();
    }
    if diagnosis.ok {
        anstream::println!("\n{GOOD}ok{GOOD:#}  what should hold holds");
    } else {
        anstream::println!("\n{BAD}not ok{BAD:#}  see the remedies above");
    }
}

impl Patient {
    fn show(&self) {
        anstream::println!("\n{TITLE}{}{TITLE:#}  {DIM}{}{DIM:#}", self.name, self.held);
        let mut rows = vec![["layer", "tried", "result", "answer"].map(str::to_owned).to_vec()];
        for tried in &self.tried {
            let result = match (tried.ok, tried.layer.as_str()) {
                (true, "needs") => "works",
                (true, _) => "enforced",
                (false, "needs") => "FAILS",
                (false, _) => "NOT ENFORCED",
            };
            let answer = match tried.remedy.as_str() {
                "" => tried.answer.clone(),
                remedy => format!("{}; {remedy}", tried.answer),
            };
            rows.push(vec![tried.layer.clone(), tried.attempt.clone(), result.to_owned(), answer]);
        }
        if rows.len() > 1 {
            anstream::print!("{}", columns(&rows));
        }
        for finding in &self.findings {
            let what = &finding.what;
            match finding.weight {
                Weight::Note => anstream::println!("{GOOD}-{GOOD:#} {what}"),
                Weight::Warning => anstream::println!("{TITLE}warning{TITLE:#} {what}"),
                Weight::Fault => anstream::println!("{BAD}!{BAD:#} {what}"),
            }
            if !finding.remedy.is_empty() {
                anstream::println!("  remedy: {}", finding.remedy.replace('\n', "\n    "));
            }
        }
    }
}
