//! `suite check`: every mistake at once; without one, who may call what, and who may approve it.

use std::process::ExitCode;

use contract::{Approval, Identity, Proof, Target};
use policy::Policy;
use runtime::Entry;

use crate::assemble::{self, Checked, Opened, Source};
use crate::terminal::{GOOD, NAME, TITLE, columns};
use crate::{Launcher, settings};

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
    let mut asks =
        vec![["tool", "approval", "who approves", "because"].map(str::to_owned).to_vec()];
    for entry in entries.iter().filter(|entry| entry.contract.approval >= Approval::One) {
        let contract = &entry.contract;
        let mut row = |who: &str, rule: &str| {
            let words = [contract.name, &contract.approval.to_string(), who, rule];
            asks.push(words.map(str::to_owned).to_vec());
        };
        let mut nobody = true;
        for (name, rule) in approvers(&checked.policy, contract.name, None) {
            nobody = false;
            row(shown(&name), &rule);
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

/// Who may approve calls of a tool that somebody else makes, and the rule that lets them.
pub(crate) fn approvers(
    policy: &Policy,
    tool: &str,
    target: Option<&Target>,
) -> impl Iterator<Item = (String, String)> {
    subjects(policy).filter_map(move |(name, roles)| {
        let decided = policy.may_approve(&roles, tool, target);
        decided.allowed.then_some((name, decided.rule))
    })
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
