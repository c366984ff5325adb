//! Who reads the log leaves a record of it, before anything is shown.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use contract::record::{Event, Record};
use contract::{Identity, Principal};
use runtime::{Redactor, journal};
use state::Log;

use super::segments::{self, Segment};
use super::select::Selection;
use crate::assemble::{self, Source};
use crate::terminal::DIM;
use crate::{Launcher, person};

/// The folder of the operator's own records, in the state folder.
const OPERATOR: &str = "suite";

/// A person who reads the log.
pub(super) struct Reading {
    /// The state folder.
    pub(super) state: PathBuf,
    principal: Principal,
}

/// Finds the log, and who reads it.
pub(super) fn open(source: &Source, launchers: &[Launcher]) -> anyhow::Result<Reading> {
    let state = super::state(source).inspect_err(|_| {
        anstream::eprintln!("{DIM}--state DIR reads a log without servers.toml.{DIM:#}");
    })?;
    anyhow::ensure!(
        state.is_dir(),
        "{}: there is no such folder: no server has left a record here yet, or the state folder \
         is elsewhere; name it with --state",
        state.display()
    );
    Ok(Reading { state, principal: principal(source, launchers) })
}

impl Reading {
    /// The segments that are meant, as they are before this reading; then the reading itself is
    /// recorded, so that nothing is shown without a record and nobody finds their own search.
    pub(super) fn segments(&self, selection: &Selection) -> anyhow::Result<Vec<Segment>> {
        let segments = segments::segments(&self.state, selection)?;
        self.record()?;
        Ok(segments)
    }

    /// Records this reading.
    pub(super) fn record(&self) -> anyhow::Result<()> {
        let line: Vec<String> = std::env::args().skip(1).collect();
        record(&self.state, &self.principal, &line.join(" ")).with_context(|| {
            "this reading cannot be recorded, so nothing is shown; the state folder must be \
             writable"
        })
    }
}

/// The user of this machine, with the roles of servers.toml where it can be read.
fn principal(source: &Source, launchers: &[Launcher]) -> Principal {
    let identity = person::os_user();
    match assemble::check(source, launchers, None) {
        Ok(checked) => checked.policy.principal(&identity),
        Err(_) => without_policy(identity),
    }
}

/// Nobody has a role where no policy can be read.
fn without_policy(identity: Identity) -> Principal {
    let name = identity.name;
    Principal {
        actor: None,
        groups: Vec::new(),
        subject: name.strip_prefix("user:").unwrap_or(&name).to_owned(),
        identity: name,
        proof: identity.proof,
        roles: Vec::new(),
    }
}

fn record(state: &Path, principal: &Principal, line: &str) -> anyhow::Result<()> {
    let folder = state.join(OPERATOR);
    state::private_folder(&folder)?;
    let log = Log::open(&folder.join("records"))?;
    let client = person::terminal();
    let mut record = Record::new(Event::LogRead, OPERATOR);
    (record.principal, record.client) = (Some(principal), Some(&client));
    record.detail = Some(line);
    // What is looked for may itself be a secret.
    journal::append(&log, &Redactor::new(&[]), record, true)?;
    Ok(())
}
