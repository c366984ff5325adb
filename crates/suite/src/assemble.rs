//! How a process comes to be: configuration, policy, place, server, log, pipeline, in this order,
//! and every mistake of a step reported at once.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Around, Config, Fault, Faults};
use contract::schema::Validator;
use contract::{Limit, Place};
use policy::{People, Policy, Roles};
use runtime::pipeline::Parts;
use runtime::pipeline::PipelineError;
use runtime::telemetry::Collector;
use runtime::{Catalogue, Pipeline, Redactor, RuleSet};
use serde_json::{Value, json};
use state::{Destination, Log, StateError, Store};

use crate::launcher::OpenError;
use crate::settings::{self, Approvals, Common, Suite};
use crate::{Launcher, confinement, logging, network, telemetry};

/// Where the configuration is, and what the command line adds.
#[derive(Clone, Debug)]
pub struct Source {
    /// servers.toml.
    pub path: PathBuf,
    /// `--state`.
    pub state: Option<PathBuf>,
    /// Who reads the files for this process, where it is confined and may not.
    pub fetcher: Option<Arc<confine::Fetcher>>,
}

/// Why a process cannot come to be.
#[derive(Debug)]
pub enum AssembleError {
    /// Mistakes in the configuration.
    Config(Faults),
    /// The folder of the server cannot be used.
    State(StateError),
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AssembleError::Config(faults) => fmt::Display::fmt(faults, f),
            AssembleError::State(error) => {
                write!(
                    f,
                    "{error}\nNo record, no call: records must be writable there; give another folder by `suite.state` or --state."
                )
            }
        }
    }
}

impl std::error::Error for AssembleError {}

impl From<Faults> for AssembleError {
    fn from(faults: Faults) -> Self {
        AssembleError::Config(faults)
    }
}

impl From<StateError> for AssembleError {
    fn from(error: StateError) -> Self {
        AssembleError::State(error)
    }
}

impl From<PipelineError> for AssembleError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::State(error) => AssembleError::State(error),
            PipelineError::Telemetry(error) => {
                let file = std::path::Path::new("servers.toml");
                AssembleError::Config(Faults::one(Fault::file(file, &error.to_string())))
            }
            PipelineError::Rules(errors) => {
                let mut faults = Faults::default();
                faults.extend(errors.into_iter().map(|error| Fault {
                    at: contract::Location { file: "servers.toml".to_owned(), line: 0, column: 0 },
                    key: error.key,
                    message: error.message,
                }));
                AssembleError::Config(faults)
            }
        }
    }
}

/// A checked configuration.
pub struct Checked {
    /// The values and their places.
    pub config: Config,
    /// Who may call what.
    pub policy: Policy,
}

/// Reads and checks the configuration; with `only`, as much of it as one server may see.
pub fn check(
    source: &Source,
    launchers: &[Launcher],
    only: Option<&str>,
) -> Result<Checked, Faults> {
    let mut around = Around {
        defaults: settings::DEFAULTS,
        environment: std::env::vars().collect(),
        files: confinement::files(source)?,
        ..Around::default()
    };
    if let Some(state) = &source.state {
        let state = std::path::absolute(state).unwrap_or_else(|_| state.clone());
        around.flags.push(("/suite/state".to_owned(), Value::String(state.display().to_string())));
    }
    let mut config = load(&source.path, &around)?;
    if let Some(server) = only {
        config = config.only(server);
    }
    // Of the other servers' tables nothing is left, and their schemas take time.
    let present: Vec<Launcher> =
        launchers.iter().filter(|one| only.is_none_or(|only| one.name == only)).copied().collect();
    let schema = Validator::plain(&settings::file_schema(&present))
        .map_err(|error| Faults::one(Fault::file(&source.path, &error.to_string())))?;
    let mut faults = config.check(&schema);
    if let Some(server) = only
        && config.raw(&format!("/servers/{server}")).is_none()
    {
        let message =
            format!("there is no [servers.{server}] here; add it with its `purpose` and `owner`");
        faults.push(Fault::file(&source.path, &message));
    }
    faults.or(())?;
    let policy = policy(&config)?;
    let mut faults = network::check(&config);
    faults.extend(approval_within(&config).err());
    faults.or(())?;
    Ok(Checked { config, policy })
}

fn load(path: &Path, around: &Around) -> Result<Config, Faults> {
    if path.exists() {
        return Config::load(path, around);
    }
    let message = "there is no such file; name yours with --config or SUITE_CONFIG";
    Err(Faults::one(Fault::file(path, message)))
}

fn policy(config: &Config) -> Result<Policy, Faults> {
    let people: People = config.get("/people").map_err(Faults::one)?;
    let roles: Roles = config.get("/roles").map_err(Faults::one)?;
    Policy::new(&people, &roles, |pointer| config.locate(pointer)).map_err(|errors| {
        let mut faults = Faults::default();
        faults.extend(
            errors.into_iter().map(|error| config.fault(&error.pointer, None, error.message)),
        );
        faults
    })
}

/// An opened server.
pub struct Opened {
    /// What it offers.
    pub catalogue: Catalogue,
    /// What its table says beside its own keys.
    pub common: Common,
    /// Where its traces and metrics are sent.
    pub collector: Option<Collector>,
    /// The secrets it holds.
    pub redactor: Redactor,
}

/// Opens a server in a folder that is thrown away, to check and describe it.
pub async fn rehearse(config: &Config, launcher: &Launcher) -> Result<Opened, Faults> {
    let scratch = tempfile::tempdir()
        .map_err(|error| Faults::one(Fault::file(&std::env::temp_dir(), &error.to_string())))?;
    let real = folder(config, launcher.name)?;
    open(config, launcher, place(config, scratch.path()).rehearsal().instead_of(real)).await
}

/// Opens a server in its own folder, to look at what it reaches: it is never called.
pub(crate) async fn inspect(
    config: &Config,
    launcher: &Launcher,
    folder: &Path,
    beside: Option<UnixStream>,
) -> Result<Opened, Faults> {
    open(config, launcher, place(config, folder).rehearsal().with_beside(beside)).await
}

/// The place of a server whose own folder this is.
fn place(config: &Config, folder: &Path) -> Place {
    Place::new(config.base(), folder.to_owned(), config::reader(config.base()))
}

/// Opens a server.
async fn open(config: &Config, launcher: &Launcher, place: Place) -> Result<Opened, Faults> {
    let at = format!("/servers/{}", launcher.name);
    let (shared, own) = settings::split(config.raw(&at).unwrap_or(&Value::Null));
    let common: Common = serde_json::from_value(shared)
        .map_err(|error| Faults::one(config.fault(&at, None, error.to_string())))?;
    let opened = (launcher.open)(own, &place, &common.tools).await;
    let catalogue = opened.map_err(|error| explain(config, &at, error))?;
    let collector = telemetry::collector(config, &place)?;
    Ok(Opened { catalogue, common, collector, redactor: Redactor::new(&place.held()) })
}

fn explain(config: &Config, at: &str, error: OpenError) -> Faults {
    let mut faults = Faults::default();
    match error {
        OpenError::Start(error) => {
            let (at, message) = placed(config, at, &error.to_string());
            faults.push(config.fault(&at, None, message));
        }
        OpenError::Catalogue(errors) => faults.extend(errors.into_iter().map(|error| {
            let place = format!("{at}/{}", error.key.replace('.', "/"));
            config.fault(&place, None, error.message)
        })),
    }
    faults
}

/// Where a message belongs that begins with a key, such as `servers.mail.accounts.work: …`: the
/// innermost table of the file on the way there, and the message without what that says.
fn placed(config: &Config, at: &str, message: &str) -> (String, String) {
    let keyed = message.split_once(": ").filter(|(key, _)| {
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        key.starts_with("servers.") && key.bytes().all(is_key)
    });
    let Some((key, rest)) = keyed else { return (at.to_owned(), message.to_owned()) };
    let mut pointer = format!("/{}", key.replace('.', "/"));
    let mut left: Vec<&str> = Vec::new();
    while config.raw(&pointer).is_none() {
        let Some((outer, _)) = pointer.rsplit_once('/') else { break };
        left.insert(0, &key[outer.len()..]);
        pointer.truncate(outer.len());
    }
    match left.first() {
        Some(inner) => (pointer, format!("{}: {rest}", inner.trim_start_matches('.'))),
        None => (pointer, rest.to_owned()),
    }
}

/// A server ready to be called.
pub struct Ready {
    /// The one path.
    pub pipeline: Pipeline,
    /// The server's folder.
    pub folder: PathBuf,
    /// The fault that the server's table would have, without its text.
    fault: Fault,
}

impl Ready {
    /// Asks whether what the server was given is right; see [`contract::Server::vet`].
    pub fn vet(&self) -> impl Future<Output = Result<(), Faults>> + Send + 'static {
        let (pipeline, mut fault) = (self.pipeline.clone(), self.fault.clone());
        async move {
            pipeline.catalogue().vet().await.map_err(|error| {
                fault.message = error.to_string();
                Faults::one(fault)
            })
        }
    }
}

/// The folder of one server.
pub fn folder(config: &Config, server: &str) -> Result<PathBuf, Faults> {
    let suite: Suite = config.get("/suite").map_err(Faults::one)?;
    Ok(config.base().join(suite.state).join(server))
}

/// The rules of one server as the configuration has them now.
pub(crate) fn rules(config: &Config, policy: Policy, server: &str) -> Result<RuleSet, Faults> {
    let at = format!("/servers/{server}");
    let (shared, _) = settings::split(config.raw(&at).unwrap_or(&Value::Null));
    let common: Common = serde_json::from_value(shared)
        .map_err(|error| Faults::one(config.fault(&at, None, error.to_string())))?;
    let approvals: Approvals = config.get("/approvals").map_err(Faults::one)?;
    let approval_within = approval_within(config).map_err(Faults::one)?;
    let digest = policy_digest(config, server);
    let limit = common.limit.as_deref().and_then(Limit::parse);
    Ok(RuleSet {
        policy,
        overrides: common.tools,
        limit,
        approval_within,
        approval_page: approvals.page,
        digest,
    })
}

/// How long an approval counts.
fn approval_within(config: &Config) -> Result<Duration, Fault> {
    let approvals: Approvals = config.get("/approvals")?;
    approvals.within().map_err(|message| config.fault("/approvals/within", None, message))
}

/// The version of the policy of one server: SHA-256 over the tables that decide.
pub(crate) fn policy_digest(config: &Config, server: &str) -> String {
    let tables = ["/people", "/roles", "/approvals"].map(|pointer| config.raw(pointer));
    let own = ["tools", "limit"].map(|key| config.raw(&format!("/servers/{server}/{key}")));
    runtime::rules::digest(&json!([tables, own]))
}

/// Whether an approver's credential still counts: a key that was revoked or is over does not.
fn still_valid(config: &Config) -> Result<Box<runtime::pipeline::StillValid>, Faults> {
    let keys = auth::Keys::new(&folder(config, "suite")?);
    Ok(Box::new(move |identity| match &identity.proof {
        contract::Proof::ApiKey { key } => keys.is_valid(key).map_err(|error| error.to_string()),
        _ => Ok(true),
    }))
}

/// Does it all for one server.
pub async fn ready(
    checked: Checked,
    launcher: &Launcher,
    beside: Option<UnixStream>,
    copies: Vec<Box<dyn Destination>>,
    started: String,
) -> Result<Ready, AssembleError> {
    let Checked { config, policy } = checked;
    let rules = rules(&config, policy, launcher.name)?;
    let folder = folder(&config, launcher.name)?;
    state::private_folder(&folder)?;
    let log = Log::open_copied(&folder.join("records"), copies)?;
    let key = state::key(&folder)?;
    let Opened { catalogue, common, collector, redactor } =
        open(&config, launcher, place(&config, &folder).with_beside(beside)).await?;
    logging::redact(&redactor);
    let pipeline = Pipeline::new(Parts {
        catalogue,
        rules,
        log,
        redactor,
        key,
        in_flight: common.in_flight,
        started,
        store: Store::new(&folder),
        still_valid: still_valid(&config)?,
        collector,
    })?;
    let fault = config.fault(&format!("/servers/{}", launcher.name), None, String::new());
    Ok(Ready { pipeline, folder, fault })
}
