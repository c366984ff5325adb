//! `suite check`: every mistake at once; without one, who may call what, and who may approve it.

use std::process::ExitCode;
use std::time::SystemTime;

use auth::keys::{Key, Standing};
use config::Config;
use contract::{Approval, Identity, Proof, Target};
use policy::Policy;
use runtime::Entry;
use serde::Serialize;

use crate::assemble::{self, Checked, Opened, Source};
use crate::terminal::{GOOD, NAME, TITLE, columns};
use crate::{Launcher, network, settings};

pub(crate) fn run(source: &Source, launchers: &[Launcher]) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(check(source, launchers));
    runtime.shutdown_background();
    code
}

async fn check(source: &Source, launchers: &[Launcher]) -> anyhow::Result<ExitCode> {
    let checked = assemble::check(source, launchers, None)?;
    let mut faults = config::Faults::default();
    let mut opened = Vec::new();
    for launcher in configured(&checked, launchers) {
        match assemble::rehearse(&checked.config, launcher).await {
            Ok(server) => opened.push((launcher, server)),
            Err(found) => faults.extend(found.iter().cloned()),
        }
        faults.extend(network::unreadable(&checked.config, launcher.name));
    }
    faults.or(())?;
    anstream::println!("{GOOD}ok{GOOD:#}  {}", source.path.display());
    for (launcher, server) in &opened {
        describe(&checked, launcher, server);
    }
    if opened.is_empty() {
        anstream::println!("No server is configured: add a table such as [servers.docs].");
    }
    Ok(ExitCode::SUCCESS)
}

/// The servers that have a table.
pub(crate) fn configured<'a>(
    checked: &Checked,
    launchers: &'a [Launcher],
) -> impl Iterator<Item = &'a Launcher> {
    launchers
        .iter()
        .filter(|launcher| checked.config.raw(&format!("/servers/{}", launcher.name)).is_some())
}

fn describe(checked: &Checked, launcher: &Launcher, server: &Opened) {
    let settings::Common { purpose, owner, .. } = &server.common;
    anstream::println!("\n{TITLE}{}{TITLE:#}  {purpose}\n      owner: {owner}", launcher.name);
    let entries = server.catalogue.tools().chain(server.catalogue.prompt_entries());
    let entries: Vec<&Entry> = entries.map(AsRef::as_ref).collect();
    let mut calls = vec![["who", "tool", "may", "because"].map(str::to_owned).to_vec()];
    for (name, roles) in subjects(&checked.policy) {
        for entry in &entries {
            let decision = checked.policy.decide(&roles, entry.contract.name, None::<&Target>);
            let may = if decision.allowed { "yes" } else { "no" };
            let row = [shown(&name), entry.contract.name, may, &decision.rule];
            calls.push(row.map(str::to_owned).to_vec());
        }
    }
    table(&calls);
    let keys = keys(&checked.config);
    let mut asks =
        vec![["tool", "approval", "who approves", "because"].map(str::to_owned).to_vec()];
    for entry in entries.iter().filter(|entry| entry.contract.approval >= Approval::One) {
        let contract = &entry.contract;
        let mut row = |who: &str, rule: &str| {
            let words = [contract.name, &contract.approval.to_string(), who, rule];
            asks.push(words.map(str::to_owned).to_vec());
        };
        let mut nobody = true;
        for approver in approvers(&checked.policy, &keys, contract.name, None) {
            nobody = false;
            row(shown(&approver.who), &approver.rule);
        }
        if nobody {
            row("nobody", "no role `approves` it: such a call never runs");
        }
    }
    if asks.len() > 1 {
        anstream::println!();
        table(&asks);
    }
}

fn table(rows: &[Vec<String>]) {
    for (index, line) in columns(rows).lines().enumerate() {
        if index == 0 {
            anstream::println!("  {NAME}{line}{NAME:#}");
        } else {
            anstream::println!("  {line}");
        }
    }
}

fn shown(name: &str) -> &str {
    if name == "*" { "everybody else" } else { name }
}

/// Everybody whom `[people]` names, and everybody else, with their roles.
fn subjects(policy: &Policy) -> impl Iterator<Item = (String, Vec<String>)> {
    let others = (!policy.names().any(|name| name == "*")).then_some("*");
    policy.names().chain(others).map(|name| (name.to_owned(), policy.principal(&named(name)).roles))
}

/// Somebody who may approve a call.
#[derive(Debug, Serialize)]
pub(crate) struct Approver {
    /// As `[people]` or `suite keys` names them.
    pub(crate) who: String,
    /// What lets them.
    pub(crate) rule: String,
    /// The person.
    #[serde(skip)]
    pub(crate) subject: String,
}

/// Who may approve calls of a tool that somebody else makes: whom `[people]` names, everybody
/// else, and each key that may although nobody named is behind it.
pub(crate) fn approvers(
    policy: &Policy,
    keys: &[Key],
    tool: &str,
    target: Option<&Target>,
) -> Vec<Approver> {
    let now = SystemTime::now();
    let counts = |key: &&Key| key.standing(now) == Standing::Valid;
    let others = (!policy.names().any(|name| name == "*")).then_some("*");
    let mut asked: Vec<(String, Identity)> = Vec::new();
    for name in policy.names().chain(others) {
        let mut made = keys.iter().filter(|key| name.strip_prefix("key:") == Some(&key.name));
        // A key that is over or revoked proves nobody.
        match made.next_back() {
            None => asked.push((name.to_owned(), self::named(name))),
            Some(key) => asked.extend(counts(&key).then(|| (name.to_owned(), of_key(key)))),
        }
    }
    let named = asked.len();
    asked.extend(keys.iter().filter(counts).map(|key| (format!("key:{}", key.name), of_key(key))));
    let mut found: Vec<Approver> = Vec::new();
    for (index, (who, identity)) in asked.into_iter().enumerate() {
        let principal = policy.principal(&identity);
        let decided = policy.may_approve(&principal.roles, tool, target);
        let subject = if who.starts_with("group:") { who.clone() } else { principal.subject };
        // A key that may because everybody may is no other approver than everybody.
        let is_known = found
            .iter()
            .any(|known| known.subject == subject || (known.who == "*" && index >= named));
        if decided.allowed && !is_known {
            found.push(Approver { who, rule: decided.rule, subject });
        }
    }
    found
}

/// All API keys; none where this user may not read them, which is said.
pub(crate) fn keys(config: &Config) -> Vec<Key> {
    let keys = network::keys(config).map_err(|faults| faults.to_string());
    let keys = keys.and_then(|keys| keys.list().map_err(|error| error.to_string()));
    keys.unwrap_or_else(|error| {
        tracing::warn!("API keys are left out here: {error}");
        Vec::new()
    })
}

/// The identity that an API key proves.
pub(crate) fn of_key(key: &Key) -> Identity {
    let proof = Proof::ApiKey { key: key.name.clone() };
    let bare = Identity::new(format!("key:{}", key.name), proof);
    Identity { person: key.person.clone(), only: key.roles.clone(), ..bare }
}

/// The identity that a name of `[people]` stands for.
pub(crate) fn named(name: &str) -> Identity {
    match name.split_once(':') {
        Some(("group", group)) => {
            let groups = vec![group.to_owned()];
            Identity { groups, ..Identity::new("sub:", Proof::Loopback) }
        }
        Some(_) => Identity::new(name, Proof::Loopback),
        None => {
            let person = Some(name.to_owned());
            Identity { person, ..Identity::new(format!("user:{name}"), Proof::Loopback) }
        }
    }
}

#[cfg(test)]
mod tests {
    use auth::Keys;
    use auth::keys::NewKey;
    use contract::Location;
    use serde_json::json;

    use super::*;

    fn policy(everybody: &[&str]) -> Policy {
        let people = json!({
            "*": everybody, "root": {"roles": ["agent"], "is": ["key:roots"]},
            "key:roots": ["lead"], "key:gone": ["lead"], "key:never-made": ["lead"], "bob": ["lead"],
        });
        let roles = json!({"agent": {"tools": ["*"]}, "lead": {"approves": ["pay_*"]}});
        let people = serde_json::from_value(people).expect("people");
        let roles = serde_json::from_value(roles).expect("roles");
        let at = |_: &str| Location { file: "servers.toml".to_owned(), line: 1, column: 1 };
        Policy::new(&people, &roles, at).expect("a policy")
    }

    fn keys(folder: &std::path::Path) -> Vec<Key> {
        let keys = Keys::new(folder);
        for (name, person, roles) in [
            ("roots", None, None),
            ("gone", None, None),
            ("eves", None, Some("lead")),
            ("bobs", Some("bob"), None),
            ("agents", None, Some("agent")),
        ] {
            let roles = roles.map(|role| vec![role.to_owned()]);
            let person = person.map(str::to_owned);
            let new = NewKey { name: name.to_owned(), person, roles, expires: None };
            keys.make(new, &mut |_| Ok(())).expect("a key");
        }
        keys.revoke("gone", None, &mut |_| Ok(())).expect("revoked");
        keys.list().expect("keys")
    }

    #[test]
    fn keys_are_among_who_may_approve_and_each_person_is_there_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = keys(folder.path());
        let who = |everybody: &[&str]| -> Vec<(String, String)> {
            let found = approvers(&policy(everybody), &keys, "pay_now", None);
            found.into_iter().map(|approver| (approver.who, approver.subject)).collect()
        };
        let named = [
            ("bob", "bob"),
            ("key:never-made", "key:never-made"),
            ("key:roots", "root"),
            ("key:eves", "key:eves"),
        ]
        .map(|(who, subject)| (who.to_owned(), subject.to_owned()));
        assert_eq!(who(&["agent"]), named);
        let all = who(&["lead"]);
        assert!(all.iter().any(|(who, _)| who == "*"), "{all:?}");
        assert!(!all.iter().any(|(who, _)| who == "key:eves" || who == "key:gone"), "{all:?}");
    }
}
