//! Copies of checkpoints to places of the operator's choice: `[audit]` in servers.toml.
//!
//! A file is opened once, before the process is confined. A command and a URL are out of reach of
//! a confined process: a second process, started before, runs the one and calls the other. It is
//! this program, with a hidden command; it ends when the process that serves has ended and the
//! last checkpoint is delivered.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use config::{Config, Faults};
use http::{Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use state::{Copies, Destination};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;

use crate::settings::Audit;

/// The hidden command of the second process.
pub(crate) const COMMAND: &str = "copy-checkpoints";

/// How long one delivery may take. The last one comes after the process that served has ended:
/// whoever waits for standard error to close waits for it, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the places that `[audit]` names. Call it before the process is confined.
pub(crate) fn destinations(config: &Config) -> anyhow::Result<Vec<Box<dyn Destination>>> {
    let audit: Audit = config.get("/audit").map_err(Faults::one)?;
    let mut destinations: Vec<Box<dyn Destination>> = Vec::new();
    if let Some(path) = &audit.file {
        let path = config.base().join(path);
        let mut options = File::options();
        let file = options.append(true).create(true).mode(0o600).open(&path).map_err(|error| {
            let message = format!("checkpoints cannot be copied to {}: {error}", path.display());
            Faults::one(config.fault("/audit/file", None, message))
        })?;
        destinations.push(Box::new(Appended::new(path, file)));
    }
    if audit.command.is_some() || audit.url.is_some() {
        let order = Order { command: audit.command.unwrap_or_default(), url: audit.url };
        destinations.push(Box::new(Helper::start(&order)?));
    }
    Ok(destinations)
}

/// A file that every note is added to, with an empty line behind it.
#[derive(Debug)]
struct Appended {
    path: PathBuf,
    file: File,
    /// Whether the file may end with half a note.
    is_torn: bool,
}

impl Appended {
    fn new(path: PathBuf, file: File) -> Self {
        // Where it may be written only, nobody can tell.
        let is_torn = file.metadata().is_ok_and(|file| file.is_file() && file.len() > 0)
            && !ends_with_line_feed(&path).unwrap_or(false);
        Self { path, file, is_torn }
    }
}

fn ends_with_line_feed(path: &std::path::Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

impl fmt::Display for Appended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.path.display(), f)
    }
}

impl Destination for Appended {
    fn keep(&mut self, note: &str) -> io::Result<()> {
        // One write: processes of all servers may share the file.
        let before = if self.is_torn { "\n\n" } else { "" };
        self.is_torn = true;
        self.file.write_all(format!("{before}{note}\n").as_bytes())?;
        self.is_torn = false;
        self.file.sync_data()
    }
}

/// What the second process does with a note.
#[derive(Serialize, Deserialize)]
struct Order {
    command: Vec<String>,
    url: Option<String>,
}

/// The way to the second process.
#[derive(Debug)]
struct Helper(UnixStream);

impl Helper {
    fn start(order: &Order) -> anyhow::Result<Self> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let program = std::env::current_exe()?;
        Command::new(program)
            .arg(COMMAND)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // Ctrl-C is for the process that serves; its last checkpoint is still to come.
            .process_group(0)
            .spawn()
            .context("the process that copies checkpoints did not start")?;
        writeln!(ours, "{}", serde_json::to_string(order)?)?;
        ours.set_nonblocking(true)?;
        Ok(Self(ours))
    }
}

impl fmt::Display for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process that copies checkpoints")
    }
}

impl Destination for Helper {
    fn keep(&mut self, note: &str) -> io::Result<()> {
        let line = format!("{}\n", serde_json::to_string(note)?);
        // So short a message is taken whole or not at all.
        match self.0.write(line.as_bytes())? {
            written if written == line.len() => Ok(()),
            _ => Err(io::Error::other("it took half of a checkpoint")),
        }
    }
}

/// The second process: delivers what it reads until its input ends.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut lines = io::stdin().lock().lines();
    let order = lines.next().context("this command is for the program's own use")??;
    let order: Order = serde_json::from_str(&order).context("this command is not for people")?;
    let mut destinations: Vec<Box<dyn Destination>> = Vec::new();
    if !order.command.is_empty() {
        destinations.push(Box::new(Program { command: order.command, runtime: runtime()? }));
    }
    if let Some(url) = order.url {
        destinations.push(Box::new(Address { url: url.parse()?, runtime: runtime()? }));
    }
    let mut copies = Copies::new(destinations);
    for line in lines {
        copies.keep(&serde_json::from_str::<String>(&line?)?);
    }
    // Whoever served is gone: what waits for the next checkpoint has this last chance.
    copies.try_again();
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Waits for a delivery, but not for ever.
fn within<T>(runtime: &Runtime, delivery: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::other(format!("it takes longer than {} s", PATIENCE.as_secs()));
    let timed = async { tokio::time::timeout(PATIENCE, delivery).await };
    runtime.block_on(timed).unwrap_or_else(|_| Err(late()))
}

/// A program that is given every note on its standard input.
#[derive(Debug)]
struct Program {
    command: Vec<String>,
    runtime: Runtime,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command {}", self.command.first().map_or("", String::as_str))
    }
}

impl Destination for Program {
    fn keep(&mut self, note: &str) -> io::Result<()> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let delivery = async {
            let mut child = tokio::process::Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            if let Some(mut input) = child.stdin.take() {
                input.write_all(note.as_bytes()).await?;
            }
            let status = child.wait().await?;
            let failed = || io::Error::other(format!("it ended with {status}"));
            if status.success() { Ok(()) } else { Err(failed()) }
        };
        within(&self.runtime, delivery)
    }
}

/// An address that every note is posted to.
#[derive(Debug)]
struct Address {
    url: Uri,
    runtime: Runtime,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path or query may hold what only the receiver should know.
        f.write_str(self.url.host().unwrap_or_default())
    }
}

impl Destination for Address {
    fn keep(&mut self, note: &str) -> io::Result<()> {
        let request = Request::post(self.url.clone())
            .header("content-type", "text/plain; charset=utf-8")
            .body(note.to_owned())
            .map_err(io::Error::other)?;
        let delivery = async {
            let answer = client()?.request(request).await.map_err(io::Error::other)?;
            let refused = || io::Error::other(format!("it answered {}", answer.status()));
            if answer.status().is_success() { Ok(()) } else { Err(refused()) }
        };
        within(&self.runtime, delivery)
    }
}

type HttpsClient = Client<
    hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>,
    String,
>;

/// A client for one request: the next one is seconds away. Trusts whom the system trusts.
fn client() -> io::Result<HttpsClient> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = rustls::crypto::ring::default_provider();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_behind_half_a_one_stands_for_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kept.txt");
        let open = || {
            let file = File::options().append(true).create(true).open(&path).expect("opened");
            Appended::new(path.clone(), file)
        };
        let note = "suite/docs/a\n1\nroot\n\n— suite/docs signature\n";
        open().keep(note).expect("kept");
        open().file.write_all(b"suite/do").expect("half a note");
        let mut place = open();
        place.keep(note).expect("kept");
        place.keep(note).expect("kept");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text, format!("{note}\nsuite/do\n\n{note}\n{note}\n"));
        assert_eq!(state::note::notes(&text), [note, "suite/do\n\n", note, note]);
    }
}
