//! The ticket of the demo: the agent drafts it, a person reads exactly what would leave and says
//! yes with a key of their own, it leaves once, and another tool proves that it did.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::host::Host;
use super::person::Person;
use super::{call, heading, quote, show, text};
use crate::terminal::{BAD, DIM, columns};

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
pub(super) fn approve(host: &mut Host, person: &Person, args: &Value) -> anyhow::Result<()> {
    let said = text(&call(host, "ticket_submit", args)?);
    anstream::println!("   {BAD}{said}{BAD:#}");
    let before = call(host, "ticket_verify", &json!({"draft": args["draft"]}))?;
    show(&before);
    let is_here = text(&before).starts_with("not submitted: ");
    anyhow::ensure!(is_here, "the demo's ticket left before anybody approved it");
    heading(5, "A person reads exactly what would leave, and says yes with a key of their own");
    person.approve(&said, "I looked at the shelf: it is empty")
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
