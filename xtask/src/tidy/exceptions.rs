//! The exceptions to the rules, each with its reason. One that is no longer needed is a finding.

use super::Finding;

/// Files that may break a rule.
pub(super) struct Exception {
    rule: &'static str,
    /// A file, or a folder with a final `/`.
    path: &'static str,
    reason: &'static str,
}

/// Kept short; most rules have none.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: "no-sleep",
        path: "tests/src/fixture/",
        reason: "the fixture has tools that are slow on purpose",
    },
    Exception {
        rule: "white-space",
        path: "crates/reports/fixtures/",
        reason: "what runners wrote, byte for byte",
    },
    Exception {
        rule: "no-sleep",
        path: "tests/servers/src/trackers/serve.rs",
        reason: "the fakes answer late on purpose",
    },
];

/// Removes what is excepted and adds a finding for each exception that excuses nothing.
pub(super) fn apply(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let mut used = vec![false; exceptions.len()];
    let mut left = Vec::new();
    for finding in findings {
        match exceptions.iter().position(|exception| exception.covers(&finding)) {
            Some(index) => used[index] = true,
            None => left.push(finding),
        }
    }
    for (exception, _) in exceptions.iter().zip(used).filter(|(_, used)| !used) {
        left.push(Finding {
            path: "xtask/src/tidy/exceptions.rs".to_owned(),
            line: 0,
            rule: exception.rule,
            message: format!(
                "the exception for {} ({}) excuses nothing any more",
                exception.path, exception.reason
            ),
        });
    }
    left
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        let is_here = match self.path.strip_suffix('/') {
            Some(_) => finding.path.starts_with(self.path),
            None => finding.path == self.path,
        };
        self.rule == finding.rule && is_here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS_MAY: &[Exception] =
        &[Exception { rule: "no-sleep", path: "tests/src/", reason: "a slow tool" }];

    fn finding(path: &str) -> Finding {
        Finding { path: path.into(), line: 3, rule: "no-sleep", message: String::new() }
    }

    #[test]
    fn an_exception_covers_its_folder_only() {
        let left = apply(vec![finding("tests/src/a.rs"), finding("crates/a.rs")], TESTS_MAY);
        assert_eq!(left, [finding("crates/a.rs")]);
    }

    #[test]
    fn an_exception_that_excuses_nothing_is_a_finding() {
        let left = apply(Vec::new(), TESTS_MAY);
        assert_eq!(left.len(), 1);
        assert!(left[0].message.contains("a slow tool"));
    }
}
