//! A person's yes or no, with the person's own credential.

use std::process::ExitCode;

use anyhow::Context as _;
use auth::Keys;
use contract::Identity;
use runtime::Redactor;
use runtime::approvals::{Desk, thanks};
use state::Log;
use state::approvals::{State, Stored};

use super::find;
use super::list::print;
use crate::assemble::{self, Checked};
use crate::terminal::GOOD;
use crate::{Launcher, person};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The approval's identity, or the first characters of it
    id: String,
    /// Why, in your own words: recorded, and a no is read by the agent; asked when not given
    #[arg(long)]
    reason: Option<String>,
}

pub(super) async fn decide(
    checked: &Checked,
    launchers: &[Launcher],
    args: &Args,
    yes: bool,
) -> anyhow::Result<ExitCode> {
    let (folder, stored) = find(checked, launchers, &args.id).await?;
    print(&stored);
    let state = stored.standing();
    if state != State::Pending {
        anyhow::bail!("it does not wait for a decision: it is {}", state.name());
    }
    let client = person::terminal();
    let desk = Desk {
        server: folder.server,
        policy: &checked.policy,
        digest: &assemble::policy_digest(&checked.config, folder.server),
        store: &folder.store,
        // Opened before anybody is asked anything: what cannot be recorded is not decided.
        log: &Log::open(&folder.path.join("records"))?,
        client: &client,
        redactor: &Redactor::new(&[]),
    };
    let identity = ask(checked, &desk, &stored)?;
    let reason = match &args.reason {
        Some(reason) => reason.clone(),
        None => question(if yes { "Why yes? " } else { "Why no? " })?,
    };
    let decided = desk.decide(&stored, &identity, yes, &reason).await?;
    let subject = checked.policy.principal(&identity).subject;
    anstream::println!("\n{GOOD}{}{GOOD:#}", thanks(&decided, &subject));
    Ok(ExitCode::SUCCESS)
}

/// The approver's own key, from the terminal.
fn ask(checked: &Checked, desk: &Desk<'_>, stored: &Stored) -> anyhow::Result<Identity> {
    let keys = Keys::new(&assemble::folder(&checked.config, "suite")?);
    let key = rpassword::prompt_password("\nYour API key (not shown): ").context(
        "a decision needs a person at a terminal: the key is asked there, and taken from nowhere else",
    )?;
    keys.verify(&key).or_else(|refusal| {
        desk.unidentified(stored, &format!("to decide: {refusal}"))?;
        anyhow::bail!(
            "{refusal}. A key for yourself is made by `suite keys new NAME --person YOU`."
        )
    })
}

/// Asks on the terminal.
fn question(text: &str) -> anyhow::Result<String> {
    use std::io::{BufRead as _, Write as _};
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal.context("give your reason with --reason")?;
    terminal.write_all(text.as_bytes())?;
    let mut answer = String::new();
    std::io::BufReader::new(terminal).read_line(&mut answer)?;
    Ok(answer)
}
