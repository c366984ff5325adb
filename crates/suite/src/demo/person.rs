//! The person of the demo, who says yes as an operator's approvers do: with a key of her own,
//! through the code of `suite approvals`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use state::approvals::Stored;

use super::quote;
use crate::approvals::decide::{self, Approver};
use crate::approvals::{self, Folder, list};
use crate::assemble::{self, Checked, Source};
use crate::terminal::{DIM, GOOD, NAME};

/// Who says yes; `[people]` of the demo gives her the role.
const NAME_OF: &str = "ann";
/// What her key is called.
const KEY: &str = "ann-laptop";

/// Somebody with a key.
pub(super) struct Person {
    folder: PathBuf,
    key: String,
}

/// A yes, with its reason.
struct Yes<'a> {
    key: &'a str,
    reason: &'static str,
}

impl Approver for Yes<'_> {
    fn key(&self) -> anyhow::Result<String> {
        Ok(self.key.to_owned())
    }

    fn reason(&self, _: bool) -> anyhow::Result<String> {
        Ok(self.reason.to_owned())
    }
}

impl Person {
    /// Makes a key for her, as an operator does. It lives in the demo's folder, and ends with it; no
    /// agent sees it.
    pub(super) fn new(folder: &Path) -> anyhow::Result<Self> {
        let arguments = ["keys", "new", KEY, "--person", NAME_OF, "--expires", "1h", "--config"];
        let made = Command::new(std::env::current_exe()?)
            .args(arguments)
            .arg(folder.join("servers.toml"))
            .output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        anyhow::ensure!(made.status.success(), "the demo could not make a key: {said}");
        let key = String::from_utf8(made.stdout)?.trim().to_owned();
        Ok(Self { folder: folder.to_owned(), key })
    }

    /// Reads what an answer waits for, and says yes to it.
    pub(super) fn approve(&self, said: &str, reason: &'static str) -> anyhow::Result<()> {
        let id = said.split_once("Approval ").and_then(|(_, rest)| rest.split([',', ' ']).next());
        let id = id.context("the demo's agent acted, and nobody had approved it")?;
        anstream::println!(
            "   {DIM}The demo plays {NAME_OF}, with a key that `suite keys new` made for her. She types:{DIM:#} \
             {NAME}suite approvals approve {id}{NAME:#}"
        );
        let source = Source { path: self.folder.join("servers.toml"), state: None, fetcher: None };
        let checked = assemble::check(&source, crate::SERVERS, None)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let yes = Yes { key: &self.key, reason };
        let decided = runtime.block_on(decided(&checked, id, &yes));
        runtime.shutdown_background();
        anstream::println!("   {GOOD}{}{GOOD:#}", decided?);
        Ok(())
    }
}

/// What `suite approvals approve` does, but that the demo plays the person at the terminal.
async fn decided(checked: &Checked, id: &str, yes: &Yes<'_>) -> anyhow::Result<String> {
    let found: (Folder, Stored) = approvals::find(checked, crate::SERVERS, id).await?;
    quote(&list::whole(&found.1));
    decide::settle(checked, &found, yes, true).await
}
