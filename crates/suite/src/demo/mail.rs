//! The mail of the demo: the agent writes to the mill, cannot write to anybody else, and the mail
//! goes to the outbox once, after a person's yes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::host::Host;
use super::person::Person;
use super::{call, heading, quote, show, text};
use crate::terminal::{BAD, DIM};

/// The agent writes; a person says yes; it is in the outbox.
pub(super) fn send(host: &mut Host, person: &Person, folder: &Path) -> anyhow::Result<()> {
    heading(7, "The agent writes to the mill: to those on the list, and with another person's yes");
    let mut letter = json!({
        "to": ["Orders <orders@mill.example>"], "bcc": ["someone@elsewhere.example"],
        "subject": "Chai mix, 200 g", "body": "Please send us **40** bags.\n\nThank you!",
        "reason": "the shop has none left",
    });
    let refused = text(&call(host, "mail_draft", &letter)?);
    anstream::println!("   {BAD}{refused}{BAD:#}");
    anyhow::ensure!(refused.starts_with("denied: "), "the demo wrote to a stranger");
    letter["bcc"] = json!(["books@shop.example"]);
    let said = text(&call(host, "mail_draft", &letter)?);
    let draft = said.lines().next().and_then(|line| line.strip_prefix("draft "));
    let draft = draft.with_context(|| format!("the demo could not draft a mail: {said}"))?;
    let args = json!({"draft": draft, "reason": "the mill delivers on Friday"});
    let asked = text(&call(host, "mail_send", &args)?);
    anstream::println!("   {BAD}{asked}{BAD:#}");
    let outbox = folder.join("state/mail/outbox/Sent/cur");
    anyhow::ensure!(!outbox.exists(), "the demo's mail left before anybody approved it");
    person.approve(&asked, "forty bags is what we agreed on")?;
    let sent = call(host, "mail_send", &args)?;
    show(&sent);
    anyhow::ensure!(text(&sent).starts_with("sent: "), "the demo did not send its mail");
    show(&call(host, "mail_send", &args)?);
    let verified = call(host, "mail_verify", &json!({"draft": draft}))?;
    show(&verified);
    let is_proven = text(&verified).contains("in the sent mail: same bytes");
    anyhow::ensure!(is_proven, "the demo's mail is not as it was approved");
    let mails = std::fs::read_dir(&outbox)?.map(|entry| entry.map(|entry| entry.path()));
    let mails: Vec<PathBuf> = mails.collect::<Result<_, _>>()?;
    let [mail] = mails.as_slice() else { anyhow::bail!("the demo sent {} mails", mails.len()) };
    anstream::println!("   {DIM}The outbox has one mail, and nobody in it who is hidden:{DIM:#}");
    let mail = std::fs::read_to_string(mail)?;
    quote(mail.split("\r\n\r\n").next().unwrap_or_default());
    Ok(())
}
