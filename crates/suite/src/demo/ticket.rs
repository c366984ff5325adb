//! The ticket of the demo: the agent drafts it, a person reads exactly what would leave and says
//! yes with a key of their own, it leaves once, and another tool proves that it did.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};
use state::approvals::Stored;

use super::host::Host;
use super::{call, heading, quote, show, text};
use crate::approvals::decide::{self, Approver};
use crate::approvals::{self, Folder, list};
use crate::assemble::{self, Checked, Source};
use crate::terminal::{BAD, DIM, GOOD, NAME, columns};

/// Who says yes; `[people]` of the demo gives them the role.
const PERSON: &str = "ann";
/// What her key is called.
const KEY: &str = "ann-laptop";

/// The agent drafts a ticket, and asks for it to be filed; the arguments of that call.
pub(super) fn draft(host: &mut Host) -> anyhow::Result<Value> {
    heading(4, "The agent drafts a ticket about it; nothing leaves before a person says yes");
    let drafted = json!({
        "project": "shop",
        "title": "Chai mix, 200 g is out of stock",
        "body": "Product 9 has a stock of 0. @warehouse, please order. Fixes #12",
        "labels": ["stock"],
        "reason": "a check of the stock found it",
    });
    let answer = call(host, "ticket_draft", &drafted)?;
    show(&answer);
    let said = text(&answer);
    let draft = said.lines().next().and_then(|line| line.strip_prefix("draft "));
    let draft = draft.with_context(|| format!("the demo could not draft a ticket: {said}"))?;
    Ok(json!({"draft": draft, "reason": "the shop should know what it cannot sell"}))
}

/// The agent asks for it to be filed, and is told to wait; a person looks at it, and says yes.
pub(super) fn approve(host: &mut Host, folder: &Path, args: &Value) -> anyhow::Result<()> {
    let said = text(&call(host, "ticket_submit", args)?);
    anstream::println!("   {BAD}{said}{BAD:#}");
    let id = said.split_once("Approval ").and_then(|(_, rest)| rest.split([',', ' ']).next());
    let id = id.context("the demo filed a ticket that nobody approved")?;
    let before = call(host, "ticket_verify", &json!({"draft": args["draft"]}))?;
    show(&before);
    let is_here = text(&before).starts_with("not submitted: ");
    anyhow::ensure!(is_here, "the demo's ticket left before anybody approved it");
    heading(5, "A person reads exactly what would leave, and says yes with a key of their own");
    let key = own_key(folder)?;
    anstream::println!(
        "   {DIM}The demo plays {PERSON}, with a key that `suite keys new` made for her. She types:{DIM:#} \
         {NAME}suite approvals approve {id}{NAME:#}"
    );
    let source = Source { path: folder.join("servers.toml"), state: None, fetcher: None };
    let checked = assemble::check(&source, crate::SERVERS, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let decided = runtime.block_on(decided(&checked, id, &Ann { key }));
    runtime.shutdown_background();
    anstream::println!("   {GOOD}{}{GOOD:#}", decided?);
    Ok(())
}

/// What `suite approvals approve` does, but that the demo plays the person at the terminal.
async fn decided(checked: &Checked, id: &str, ann: &Ann) -> anyhow::Result<String> {
    let found: (Folder, Stored) = approvals::find(checked, crate::SERVERS, id).await?;
    quote(&list::whole(&found.1));
    decide::settle(checked, &found, ann, true).await
}

/// The person of the demo.
struct Ann {
    key: String,
}

impl Approver for Ann {
    fn key(&self) -> anyhow::Result<String> {
        Ok(self.key.clone())
    }

    fn reason(&self, _: bool) -> anyhow::Result<String> {
        Ok("I looked at the shelf: it is empty".to_owned())
    }
}

/// Makes a key for the person, as an operator does. It lives in the demo's folder, and ends with
/// it; no agent sees it.
fn own_key(folder: &Path) -> anyhow::Result<String> {
    let arguments = ["keys", "new", KEY, "--person", PERSON, "--expires", "1h", "--config"];
    let made = Command::new(std::env::current_exe()?)
        .args(arguments)
        .arg(folder.join("servers.toml"))
        .output()?;
    let said = String::from_utf8_lossy(&made.stderr);
    anyhow::ensure!(made.status.success(), "the demo could not make a key: {said}");
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

/// The agent files it, tries to file it again, and looks at what arrived.
pub(super) fn file(host: &mut Host, args: &Value) -> anyhow::Result<()> {
    heading(6, "It leaves once, and another tool proves it");
    let filed = call(host, "ticket_submit", args)?;
    show(&filed);
    anyhow::ensure!(text(&filed).starts_with("filed: "), "the demo did not file its ticket");
    show(&call(host, "ticket_submit", args)?);
    let verified = call(host, "ticket_verify", &json!({"draft": args["draft"]}))?;
    show(&verified);
    let is_proven = text(&verified).starts_with("filed as approved: ");
    anyhow::ensure!(is_proven, "the demo's ticket is not as it was approved");
    let found = call(host, "ticket_search", &json!({"text": "stock"}))?;
    show(&found);
    anyhow::ensure!(text(&found).ends_with("\n1 ticket"), "the demo filed more than one ticket");
    Ok(())
}

/// Who wanted the ticket, why, and who said yes to it: of the record of the call that filed it.
pub(super) fn account(folder: &Path) -> anyhow::Result<()> {
    let records = state::tail(&folder.join("state/tickets/records"), 50)?;
    let filed = records.iter().find(|record| {
        record["event"] == "call"
            && record["tool"] == "ticket_submit"
            && record["outcome"] == "done"
    });
    let filed = filed.context("the demo's ticket left no record")?;
    let of = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let approval = &filed["approval"];
    let by = &approval["by"][0];
    let rows = [
        (
            "who",
            format!(
                "{} ({})",
                of(&filed["principal"]["subject"]),
                of(&filed["principal"]["identity"])
            ),
        ),
        ("what", format!("{} on {}", of(&filed["tool"]), of(&filed["target"]))),
        ("why", format!("“{}”, as the model claims", of(&filed["claimed"]["reason"]))),
        (
            "yes by",
            format!("{} ({}): “{}”", of(&by["subject"]), of(&by["identity"]), of(&by["reason"])),
        ),
        ("approval", of(&approval["id"])),
    ];
    anstream::println!("\n   {DIM}The record of the ticket says more:{DIM:#}");
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    quote(&columns(&rows));
    Ok(())
}
