//! Before a server serves: what its process may still do is worked out from its own table, and
//! everything else is given up, while the process has one thread.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use config::{Config, Fault, Faults, ReadFile};
use confine::{Fetcher, Held, Plan};
use contract::{Identity, Place, SecretRef};
use serde::de::DeserializeOwned;
use serde_json::Value;
use state::Destination;

use crate::assemble::{self, Checked, Source};
use crate::network::Network;
use crate::reload::Seen;
use crate::settings::{self, Confine, Suite};
use crate::{Launcher, audit, person, telemetry};

/// What the process that reads servers.toml is asked: the files' texts.
const FILES: u8 = b'f';

/// And what they are, to see whether one was changed.
const SEEN: u8 = b's';

/// A process that can do no more than its server needs, and what it took along.
pub(crate) struct Confined {
    /// The configuration, checked.
    pub(crate) checked: Checked,
    /// Where it is read again.
    pub(crate) source: Source,
    /// Who started the process. The names of users are out of reach now.
    pub(crate) user: Identity,
    /// The address that is served, if any, and how. No other can be bound any more.
    pub(crate) network: Option<Network>,
    /// The way to the server's second process, if it has one.
    pub(crate) beside: Option<UnixStream>,
    /// Where checkpoints of its log are copied to.
    pub(crate) copies: Vec<Box<dyn Destination>>,
    /// What it may still do.
    pub(crate) plan: Plan,
    /// What holds.
    pub(crate) held: Held,
}

impl Confined {
    /// What the record of the start says.
    pub(crate) fn started(&self, how: &str) -> String {
        format!("suite {} for {how}; {}", env!("CARGO_PKG_VERSION"), self.held)
    }
}

/// What the process is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// One call, or one look: the configuration is not read again.
    Call,
    /// Serving a host on standard input and output.
    Stdio,
    /// Serving HTTP at this address.
    Http(SocketAddr),
}

/// Confines this process to one server, for the rest of its life. Call it before any other thread
/// exists.
pub(crate) fn enter(
    source: &Source,
    launchers: &[Launcher],
    launcher: &Launcher,
    purpose: Purpose,
) -> anyhow::Result<Confined> {
    config::remember(confine::take_environment());
    let checked = assemble::check(source, launchers, Some(launcher.name))?;
    let folder = assemble::folder(&checked.config, launcher.name)?;
    state::private_folder(&folder).map_err(assemble::AssembleError::from)?;
    let beside = beside(&checked.config, launcher, &folder)?;
    // Split off before anything is open that the other process must not hold.
    let fetcher = match purpose {
        Purpose::Call => None,
        Purpose::Stdio | Purpose::Http(_) => Some(fetcher(source)?),
    };
    let source = Source { fetcher, ..source.clone() };
    let network = match purpose {
        Purpose::Http(address) => Some(Network::open(&checked.config, launcher.name, address)?),
        Purpose::Call | Purpose::Stdio => None,
    };
    // Out of reach afterwards, too: a file anywhere, a program, an address.
    let copies = audit::copy::destinations(&checked.config)?;
    let user = person::os_user();
    forget(&references(&checked.config, launcher.name));
    let mut plan = plan(&checked.config, launcher, &folder);
    plan.connect.extend(network.iter().flat_map(|network| &network.connect));
    plan.connect.extend(telemetry::port(&checked.config));
    runtime::telemetry::process::open();
    let held = confine::confine(&plan).context("this process cannot be confined")?;
    demand(&checked.config, &held)?;
    Ok(Confined { checked, source, user, network, beside, copies, plan, held })
}

/// A server's own settings, and a place that is thrown away.
fn given(config: &Config, launcher: &Launcher, folder: &Path) -> (Value, Place) {
    let table = config.raw(&format!("/servers/{}", launcher.name)).unwrap_or(&Value::Null);
    let (_, own) = settings::split(table);
    (own, Place::new(config.base(), folder.to_owned(), config::reader(config.base())))
}

/// Splits off the second process of a server that has one. It takes along what its work holds and
/// no secret.
fn beside(
    config: &Config,
    launcher: &Launcher,
    folder: &Path,
) -> anyhow::Result<Option<UnixStream>> {
    let (own, place) = given(config, launcher, folder);
    let Some(work) = (launcher.beside)(own, &place) else { return Ok(None) };
    let started = confine::split_off(|stream| {
        config::forget_all_but(&[]);
        work(stream);
    });
    started.map(Some).context("the second process of this server did not start")
}

/// What one server's process needs.
fn plan(config: &Config, launcher: &Launcher, folder: &Path) -> Plan {
    let base = config.base();
    let (own, place) = given(config, launcher, folder);
    // Settings that cannot be read are told of when the server is opened.
    let needs = (launcher.needs)(own, &place).unwrap_or_default();
    let mut read: Vec<PathBuf> = references(config, launcher.name)
        .iter()
        .filter_map(|reference| config::secret_file(&base, reference))
        .chain(needs.read)
        .collect();
    // A folder of its own, so what is put there later can be read, too.
    read.push(base.join("servers.d"));
    let mut write = needs.write;
    write.push(folder.to_owned());
    // API keys and their pepper, which `suite keys` replaces. The operator's records, and the key
    // that signs them, are beside this folder and out of reach.
    let named = folder.with_file_name("suite").join("keys");
    let _ = state::private_folder(&named);
    Plan { read, named: vec![named], write, connect: needs.connect, execute: needs.execute }
}

/// Every secret that one server uses: of its own table, and of what all servers share.
pub(crate) fn references(config: &Config, server: &str) -> Vec<SecretRef> {
    let Some(Value::Object(tables)) = config.raw("") else { return Vec::new() };
    let shared = tables.iter().filter(|(name, _)| *name != "servers").map(|(_, table)| table);
    let own = config.raw(&format!("/servers/{server}"));
    shared.chain(own).flat_map(config::references).collect()
}

/// Wipes the variables that no secret of this server is in.
fn forget(references: &[SecretRef]) {
    let names: Vec<&str> = references
        .iter()
        .filter_map(|reference| match reference {
            SecretRef::Env(name) => Some(name.as_str()),
            SecretRef::File(_) | SecretRef::Credential(_) => None,
        })
        .collect();
    config::forget_all_but(&names);
}

/// Starts the process that reads servers.toml anew, whichever file has that name by then.
fn fetcher(source: &Source) -> anyhow::Result<Arc<Fetcher>> {
    let absolute = std::path::absolute(&source.path).unwrap_or_else(|_| source.path.clone());
    let folder = absolute.parent().map(Path::to_owned).unwrap_or_default();
    // The folder of the layers may be a link to somewhere else.
    let layers = folder.join("servers.d");
    let plan = Plan { read: vec![folder, layers], ..Plan::default() };
    let answer = |question| match question {
        SEEN => serde_json::to_vec(&Seen::now(&source.path)).unwrap_or_default(),
        _ => serde_json::to_vec(&config::read_files(&source.path)).unwrap_or_default(),
    };
    let started = Fetcher::start(&plan, || config::forget_all_but(&[]), answer);
    started.map(Arc::new).context("the process that reads servers.toml did not start")
}

/// The files of the configuration as the other process reads them now.
pub(crate) fn files(source: &Source) -> Result<Option<Vec<ReadFile>>, Faults> {
    let Some(other) = &source.fetcher else { return Ok(None) };
    asked(other, FILES).map(Some).map_err(|error| {
        let message = format!("cannot be read again: {error}");
        Faults::one(Fault::file(&source.path, &message))
    })
}

/// The files of the configuration as they are now. Where this process is confined it may not look
/// itself: what was put there after its start is under no rule of the kernel's.
pub(crate) fn seen(source: &Source) -> Result<Seen, String> {
    match &source.fetcher {
        Some(other) => asked(other, SEEN),
        None => Ok(Seen::now(&source.path)),
    }
}

fn asked<T: DeserializeOwned>(other: &Fetcher, question: u8) -> Result<T, String> {
    let answer = other.fetch(question).map_err(|error| error.to_string());
    answer
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
        .map_err(|error| {
            format!("the process that reads it for this one is gone ({error}); restart the server")
        })
}

/// Refuses or warns where something does not hold.
fn demand(config: &Config, held: &Held) -> anyhow::Result<()> {
    let suite: Suite = config.get("/suite").map_err(Faults::one)?;
    let missing: Vec<String> =
        held.missing().map(|(layer, why)| format!("{layer}: {why}")).collect();
    if missing.is_empty() {
        tracing::info!("{held}");
        return Ok(());
    }
    let missing = missing.join("; ");
    if suite.confine == Confine::Required {
        anyhow::bail!(
            "this kernel does not confine the server as `suite.confine = \"required\"` asks: \
             {missing}. Serve on a kernel that does, or set it to \"preferred\""
        );
    }
    tracing::warn!("not everything is enforced here: {missing}");
    Ok(())
}
