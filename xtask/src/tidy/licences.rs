//! What the build may pull in, by deny.toml: cargo-deny reads the same file where it is
//! installed; compiling it takes longer than all our tests, so its main questions are asked here.

use super::repository::{Package, Repository};
use super::{Findings, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "licences",
        demands: "Every package has a licence that deny.toml allows, and none is allowed in vain.",
        check: licences,
    },
    Rule {
        name: "bans",
        demands: "No package that deny.toml denies, and none from outside crates.io.",
        check: bans,
    },
];

const DENY: &str = "deny.toml";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn licences(repository: &Repository, findings: &mut Findings) {
    let Some(deny) = repository.file(DENY) else { return };
    let allowed = values(&deny.text, "[licenses]", "allow", None);
    for package in foreign(repository) {
        let line = lock_line(repository, package);
        let named = format!("{} {}", package.name, package.version);
        match &package.licence {
            None => findings.add("Cargo.lock", line, format!("{named} declares no licence")),
            Some(expression) if !is_allowed(expression, &allowed) => {
                let message = format!("{named}: {expression} is not allowed by {DENY}");
                findings.add("Cargo.lock", line, message);
            }
            Some(_) => {}
        }
    }
    for licence in &allowed {
        let occurs = |package: &Package| {
            let expression = package.licence.as_deref().unwrap_or_default();
            tokens(expression).contains(&licence.as_str())
        };
        if !foreign(repository).any(occurs) {
            let line = deny.text.find(&format!("\"{licence}\"")).map_or(0, |at| deny.line_at(at));
            findings.add(DENY, line, format!("no package has the licence {licence}"));
        }
    }
}

fn bans(repository: &Repository, findings: &mut Findings) {
    let Some(deny) = repository.file(DENY) else { return };
    let denied = values(&deny.text, "[bans]", "deny", Some("crate"));
    for package in foreign(repository) {
        let line = lock_line(repository, package);
        if denied.contains(&package.name) {
            let message = format!("{} is denied by {DENY}, which says why", package.name);
            findings.add("Cargo.lock", line, message);
        }
        if package.source.as_deref() != Some(CRATES_IO) {
            let message = format!("{} does not come from crates.io", package.name);
            findings.add("Cargo.lock", line, message);
        }
    }
}

/// Packages that are not of this workspace.
fn foreign(repository: &Repository) -> impl Iterator<Item = &Package> {
    repository.packages.iter().filter(|package| package.source.is_some())
}

/// Where Cargo.lock names a package.
fn lock_line(repository: &Repository, package: &Package) -> usize {
    let entry = format!("name = \"{}\"\nversion = \"{}\"", package.name, package.version);
    let lock = repository.file("Cargo.lock");
    lock.and_then(|file| file.text.find(&entry).map(|at| file.line_at(at))).unwrap_or(0)
}

/// The strings of an array in a section of deny.toml; of an array of tables, those under `field`.
fn values(text: &str, section: &str, key: &str, field: Option<&str>) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let lines = lines.skip_while(|line| *line != section).skip(1);
    let array: Vec<_> = lines
        .take_while(|line| !line.starts_with('['))
        .skip_while(|line| line.split('=').next().is_none_or(|word| word.trim() != key))
        .collect();
    let mut found = Vec::new();
    for (index, line) in array.iter().enumerate() {
        let line = line.split_once(" #").map_or(*line, |(code, _)| code);
        let value = match field {
            Some(field) => line.split_once(&format!("{field} = ")).map(|(_, rest)| rest),
            None => Some(line),
        };
        let strings = value.into_iter().flat_map(|value| value.split('"').skip(1).step_by(2));
        found.extend(strings.take(if field.is_some() { 1 } else { usize::MAX }).map(str::to_owned));
        if line.ends_with(']') && (index > 0 || line.contains('[')) {
            break;
        }
    }
    found
}

/// Whether an SPDX expression can be met by the allowed licences.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let tokens = tokens(expression);
    let mut at = 0;
    let is_met = any(&tokens, &mut at, allowed);
    // What is left over was not understood, so it is not allowed.
    is_met && at == tokens.len()
}

/// Licences, operators and brackets; `A WITH B` is one licence, the old `A/B` means `A OR B`.
fn tokens(expression: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while !rest.is_empty() {
        let mut end = word(rest);
        let after = rest[end..].trim_start();
        if let Some(exception) = after.strip_prefix("WITH ") {
            end = rest.len() - exception.trim_start().len();
            end += word(&rest[end..]);
        }
        tokens.push(if &rest[..end] == "/" { "OR" } else { &rest[..end] });
        rest = rest[end..].trim_start();
    }
    tokens
}

/// The length of the bracket, slash or word at the start.
fn word(text: &str) -> usize {
    let is_end = |c: char| c.is_whitespace() || "()/".contains(c);
    match text.find(is_end) {
        Some(0) => 1,
        Some(end) => end,
        None => text.len(),
    }
}

fn any(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut is_met = all(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        is_met |= all(tokens, at, allowed);
    }
    is_met
}

fn all(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut is_met = one(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        is_met &= one(tokens, at, allowed);
    }
    is_met
}

fn one(tokens: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let token = tokens.get(*at).copied();
    *at += 1;
    if token == Some("(") {
        let is_met = any(tokens, at, allowed);
        // The closing bracket.
        *at += 1;
        return is_met;
    }
    token.is_some_and(|token| allowed.iter().any(|licence| licence == token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY_TOML: &str = "\
[licenses]
# what occurs
allow = [
    \"MIT\", # short
    \"Apache-2.0\",
    \"Unicode-3.0\",
]

[bans]
multiple-versions = \"warn\"
deny = [
    { crate = \"openssl-sys\", reason = \"rustls is our TLS\" },
    { crate = \"rusqlite\", reason = \"cannot be linked with \\\"sqlx\\\"\" },
]
";

    fn package(name: &str, licence: Option<&str>, source: &str) -> Package {
        Package {
            name: name.into(),
            version: "1.0.0".into(),
            licence: licence.map(str::to_owned),
            source: Some(source.into()),
        }
    }

    /// The messages of a rule about packages.
    fn check(rule: fn(&Repository, &mut Findings), packages: Vec<Package>) -> Vec<String> {
        let mut repository = Repository::of(&[(DENY, DENY_TOML)]);
        repository.packages = packages;
        let mut findings = Findings::default();
        rule(&repository, &mut findings);
        findings.found.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn spdx_expressions_are_understood() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT / GPL-3.0", true),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND NCSA", false),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("MIT GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }

    #[test]
    fn packages_need_an_allowed_licence_and_each_is_needed() {
        let packages = vec![
            package("good", Some("MIT OR Apache-2.0"), CRATES_IO),
            package("bad", Some("GPL-3.0-only"), CRATES_IO),
            package("silent", None, CRATES_IO),
        ];
        assert_eq!(
            check(licences, packages),
            [
                "bad 1.0.0: GPL-3.0-only is not allowed by deny.toml",
                "silent 1.0.0 declares no licence",
                "no package has the licence Unicode-3.0",
            ]
        );
    }

    #[test]
    fn denied_and_foreign_packages_are_found() {
        let packages = vec![
            package("serde", Some("MIT"), CRATES_IO),
            package("rusqlite", Some("MIT"), CRATES_IO),
            package("fork", Some("MIT"), "git+https://example.org/fork"),
        ];
        assert_eq!(
            check(bans, packages),
            [
                "rusqlite is denied by deny.toml, which says why",
                "fork does not come from crates.io",
            ]
        );
    }
}
