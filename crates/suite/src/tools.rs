//! `suite tools`: what a host would see.

use std::process::ExitCode;

use runtime::Entry;
use serde_json::json;

use crate::assemble::{self, Source};
use crate::terminal::{DIM, TITLE, columns};
use crate::{Launcher, check, person};

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    only: Option<&str>,
) -> anyhow::Result<ExitCode> {
    if let Some(name) = only
        && !launchers.iter().any(|launcher| launcher.name == name)
    {
        let known: Vec<String> =
            launchers.iter().map(|launcher| launcher.name.to_owned()).collect();
        anyhow::bail!("server {}", contract::schema::unknown(name, &known));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(list(source, launchers, only));
    runtime.shutdown_background();
    code
}

async fn list(
    source: &Source,
    launchers: &[Launcher],
    only: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let checked = assemble::check(source, launchers, only)?;
    let principal = checked.policy.principal(&person::os_user());
    for launcher in check::configured(&checked, launchers) {
        let opened = assemble::rehearse(&checked.config, launcher).await?;
        let seen: Vec<&Entry> = opened
            .catalogue
            .tools()
            .map(AsRef::as_ref)
            .filter(|entry| checked.policy.lists(&principal.roles, entry.contract.name).allowed)
            .collect();
        show(launcher, &principal.subject, &seen);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(launcher: &Launcher, subject: &str, seen: &[&Entry]) {
    anstream::println!("{TITLE}{}{TITLE:#}  as seen by {subject}", launcher.name);
    let header = ["tool", "effect", "approval", "limit", "time", "result", "cost", "title"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut total = 0;
    for entry in seen {
        let contract = &entry.contract;
        let cost = tokens(entry);
        total += cost;
        rows.push(vec![
            contract.name.to_owned(),
            contract.effect.to_string(),
            contract.approval.to_string(),
            contract.limit.to_string(),
            format!("{} s", contract.timeout.as_secs()),
            format!("{} tokens", contract.size.get()),
            format!("~{cost}"),
            contract.title.to_owned(),
        ]);
    }
    anstream::print!("{}", columns(&rows));
    anstream::println!(
        "{DIM}{} tools; their definitions cost a model about {total} tokens (counted as bytes / 4.4).{DIM:#}\n",
        seen.len()
    );
}

/// About what the definition costs in a model's context.
fn tokens(entry: &Entry) -> usize {
    let wire = json!({
        "name": entry.contract.name,
        "title": entry.contract.title,
        "description": entry.contract.purpose,
        "inputSchema": *entry.input,
        "outputSchema": entry.output.as_deref(),
        "annotations": {"readOnlyHint": entry.contract.effect.is_reading(), "openWorldHint": false},
    });
    wire.to_string().len() * 10 / 44
}
