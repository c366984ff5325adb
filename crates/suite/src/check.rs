//! `suite check`: every mistake at once; without one, who may call what.

use std::process::ExitCode;

use contract::{Identity, Proof, Target};

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
    checked: &'a Checked,
    launchers: &'a [Launcher],
) -> impl Iterator<Item = &'a Launcher> {
    launchers
        .iter()
        .filter(|launcher| checked.config.raw(&format!("/servers/{}", launcher.name)).is_some())
}

fn describe(checked: &Checked, launcher: &Launcher, server: &Opened) {
    let settings::Common { purpose, owner, .. } = &server.common;
    anstream::println!("\n{TITLE}{}{TITLE:#}  {purpose}\n      owner: {owner}", launcher.name);
    let mut rows = vec![["who", "tool", "may", "because"].map(str::to_owned).to_vec()];
    let names = server.catalogue.tools().chain(server.catalogue.prompt_entries());
    let names: Vec<&str> = names.map(|entry| entry.contract.name).collect();
    let mut subjects: Vec<&str> = checked.policy.names().collect();
    if !subjects.contains(&"*") {
        subjects.push("*");
    }
    for subject in subjects {
        let roles = checked.policy.principal(&named(subject)).roles;
        let who = if subject == "*" { "everybody else" } else { subject };
        for name in &names {
            let decision = checked.policy.decide(&roles, name, None::<&Target>);
            let may = if decision.allowed { "yes" } else { "no" };
            rows.push([who, name, may, &decision.rule].map(str::to_owned).to_vec());
        }
    }
    let table = columns(&rows);
    for (index, line) in table.lines().enumerate() {
        if index == 0 {
            anstream::println!("  {NAME}{line}{NAME:#}");
        } else {
            anstream::println!("  {line}");
        }
    }
}

/// The identity that a name of `[people]` stands for.
pub(crate) fn named(name: &str) -> Identity {
    match name.split_once(':') {
        Some(("group", group)) => {
            let groups = vec![group.to_owned()];
            Identity { groups, ..Identity::new("sub:", Proof::Loopback) }
        }
        Some(_) => Identity::new(name, Proof::Loopback),
        None => Identity::new(format!("user:{name}"), Proof::Loopback),
    }
}
