//! `suite approvals`: what waits for a person, what exactly would be done, and the decision.
//!
//! A decision needs the approver's own credential, asked on the terminal: never taken from
//! arguments, the environment or standard input, where an agent could put it.

pub(crate) mod decide;
pub(crate) mod list;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use state::Store;
use state::approvals::Stored;

use crate::Launcher;
use crate::assemble::{self, Checked, Source};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what waits for a decision, over all servers, the newest first
    List {
        /// Those that are decided, done or over, too
        #[arg(long)]
        all: bool,
        /// Only this server
        #[arg(long)]
        server: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one approval: who asks, and exactly what would be done
    Show {
        /// Its identity, or the first characters of it
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say yes to exactly what `show` shows
    ///
    /// Your own API key (made by `suite keys new … --person YOU`) is asked on the terminal. The
    /// call runs when the agent makes it again, once.
    Approve(decide::Args),
    /// Say no; the agent reads your reason
    Deny(decide::Args),
}

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    command: Command,
) -> anyhow::Result<ExitCode> {
    let checked = assemble::check(source, launchers, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match command {
            Command::List { all, server, json } => {
                list::list(&checked, launchers, all, server.as_deref(), json).await
            }
            Command::Show { id, json } => list::show(&checked, launchers, &id, json).await,
            Command::Approve(args) => decide::decide(&checked, launchers, &args, true).await,
            Command::Deny(args) => decide::decide(&checked, launchers, &args, false).await,
        }
    });
    runtime.shutdown_background();
    done
}

/// One server's folder and its approvals.
pub(crate) struct Folder {
    server: &'static str,
    path: PathBuf,
    store: Store,
}

/// The servers that keep approvals.
fn folders(checked: &Checked, launchers: &[Launcher]) -> anyhow::Result<Vec<Folder>> {
    let mut found = Vec::new();
    for launcher in launchers {
        let path = assemble::folder(&checked.config, launcher.name)?;
        let store = Store::new(&path);
        if store.exists() {
            found.push(Folder { server: launcher.name, path, store });
        }
    }
    Ok(found)
}

/// The one approval whose identity begins so, and where it is kept.
pub(crate) async fn find(
    checked: &Checked,
    launchers: &[Launcher],
    id: &str,
) -> anyhow::Result<(Folder, Stored)> {
    let is_identity = id.len() >= 6 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_identity {
        anyhow::bail!(
            "`{id}` is no approval's identity: 6 to 64 hexadecimal characters, as `suite approvals list` shows them"
        );
    }
    let id = id.to_ascii_lowercase();
    let mut found = Vec::new();
    for folder in folders(checked, launchers)? {
        let like = folder.store.approvals_like(&id).await?;
        for stored in like {
            let path: &Path = &folder.path;
            let store = Store::new(path);
            found.push((Folder { server: folder.server, path: path.to_owned(), store }, stored));
        }
    }
    match found.len() {
        0 => anyhow::bail!("there is no approval `{id}`; `suite approvals list --all` lists them"),
        1 => Ok(found.remove(0)),
        _ => anyhow::bail!("several approvals begin with `{id}`; give more characters"),
    }
}
