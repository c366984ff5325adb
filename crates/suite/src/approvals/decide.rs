//! A person's yes or no, with the person's own credential.

use std::process::ExitCode;

use anyhow::Context as _;
use auth::Keys;
use contract::Identity;
use runtime::Redactor;
use runtime::approvals::{Desk, thanks};
use state::Log;
use state::approvals::{State, Stored};

use super::list::print;
use super::{Folder, find};
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

/// Whoever decides: asked for the own key and for a reason, each once and in this order.
pub(crate) trait Approver {
    /// The own API key.
    fn key(&self) -> anyhow::Result<String>;

    /// Why, in own words.
    fn reason(&self, yes: bool) -> anyhow::Result<String>;
}

/// A person at a terminal.
struct AtTerminal<'a> {
    args: &'a Args,
}

pub(super) async fn decide(
    checked: &Checked,
    launchers: &[Launcher],
    args: &Args,
    yes: bool,
) -> anyhow::Result<ExitCode> {
    let found = find(checked, launchers, &args.id).await?;
    print(&found.1);
    let decided = settle(checked, &found, &AtTerminal { args }, yes).await?;
    anstream::println!("\n{GOOD}{decided}{GOOD:#}");
    Ok(ExitCode::SUCCESS)
}

/// Checks, keeps and records the decision about a stored call; what it came to, in words.
pub(crate) async fn settle(
    checked: &Checked,
    (folder, stored): &(Folder, Stored),
    approver: &impl Approver,
    yes: bool,
) -> anyhow::Result<String> {
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
    let key = approver.key()?;
    let identity = identified(checked, &desk, stored, &key)?;
    let decided = desk.decide(stored, &identity, yes, &approver.reason(yes)?).await?;
    let subject = checked.policy.principal(&identity).subject;
    Ok(thanks(&decided, &subject))
}

/// Whose key it is.
fn identified(
    checked: &Checked,
    desk: &Desk<'_>,
    stored: &Stored,
    key: &str,
) -> anyhow::Result<Identity> {
    let keys = Keys::new(&assemble::folder(&checked.config, "suite")?);
    keys.verify(key).or_else(|refusal| {
        desk.unidentified(stored, &format!("to decide: {refusal}"))?;
        anyhow::bail!(
            "{refusal}. A key for yourself is made by `suite keys new NAME --person YOU`."
        )
    })
}

impl Approver for AtTerminal<'_> {
    fn key(&self) -> anyhow::Result<String> {
        rpassword::prompt_password("\nYour API key (not shown): ").context(
            "a decision needs a person at a terminal: the key is asked there, and taken from nowhere else",
        )
    }

    fn reason(&self, yes: bool) -> anyhow::Result<String> {
        match &self.args.reason {
            Some(reason) => Ok(reason.clone()),
            None => question(if yes { "Why yes? " } else { "Why no? " }),
        }
    }
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
