//! What a confined process tries: each attempt is real, and harmless where it succeeds.

use std::io::{self, Error};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};

use confine::{Held, Layer, Plan};
use contract::Finding;
use nix::libc::{EACCES, EPERM};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::{prctl, ptrace, signal};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{CANARY, Tried, fault};
use crate::assemble::{self, Checked, Source};
use crate::confinement::{self, Confined, Purpose};
use crate::{Launcher, check};

/// What is there to be tried on.
pub(super) struct Probe {
    /// A port of this machine where somebody listens.
    pub(super) port: u16,
    /// The process that asks.
    pub(super) parent: i32,
}

/// What was found.
#[derive(Serialize, Deserialize)]
pub(super) struct Probed {
    /// What the process says holds.
    pub(super) held: String,
    /// What it tried.
    pub(super) tried: Vec<Tried>,
    /// What the server found in what it reaches.
    pub(super) findings: Vec<Finding>,
}

/// Confines this process as the server's, tries, and prints what happened.
pub(super) fn run(
    source: &Source,
    launchers: &[Launcher],
    launcher: &Launcher,
    probe: &Probe,
) -> anyhow::Result<ExitCode> {
    // Known before; the other servers' tables are out of reach afterwards.
    let all = assemble::check(source, launchers, None)?;
    let others: Vec<&str> = check::configured(&all, launchers)
        .map(|other| other.name)
        .filter(|other| *other != launcher.name)
        .collect();
    let confined = confinement::enter(source, launchers, launcher, Purpose::Call)?;
    let Confined { checked, beside, plan, held, .. } = confined;
    let config = &checked.config;
    let folder = assemble::folder(config, launcher.name)?;
    let mut trial = Trial { plan, held: &held, tried: Vec::new() };
    trial.files(&folder, &config.base(), &others);
    trial.network(probe.port);
    trial.processes(probe.parent);
    trial.process();
    trial.needs(&folder);
    let tried = trial.tried;
    let findings = findings(&checked, launcher, &folder, beside)?;
    let probed = Probed { held: held.to_string(), tried, findings };
    anstream::println!("{}", serde_json::to_string(&probed)?);
    Ok(ExitCode::SUCCESS)
}

/// Opens the server in here, so that it reaches no more than it would, and asks what it finds.
fn findings(
    checked: &Checked,
    launcher: &Launcher,
    folder: &Path,
    beside: Option<UnixStream>,
) -> anyhow::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match assemble::inspect(&checked.config, launcher, folder, beside).await {
            Ok(opened) => Ok(opened.catalogue.findings().await),
            Err(faults) => {
                let what = format!("`{}` cannot be opened: {faults}", launcher.name);
                Ok(vec![fault(what, "change what it names".to_owned())])
            }
        }
    })
}

struct Trial<'a> {
    plan: Plan,
    held: &'a Held,
    tried: Vec<Tried>,
}

impl Trial<'_> {
    /// Something that must be refused.
    fn refused(&mut self, layer: Layer, attempt: &str, happened: io::Result<String>) {
        let (ok, answer) = match happened {
            Ok(what) => (false, what),
            Err(error) => (matches!(error.raw_os_error(), Some(EACCES | EPERM)), error.to_string()),
        };
        self.note(&layer.to_string(), attempt, ok, answer, self.remedy(layer));
    }

    /// Something that must be so.
    fn so(&mut self, layer: &str, attempt: &str, ok: bool, answer: String, remedy: String) {
        self.note(layer, attempt, ok, answer, remedy);
    }

    fn note(&mut self, layer: &str, attempt: &str, ok: bool, answer: String, remedy: String) {
        let remedy = if ok { String::new() } else { remedy };
        let (layer, attempt) = (layer.to_owned(), attempt.to_owned());
        self.tried.push(Tried { layer, attempt, ok, answer, remedy });
    }

    fn remedy(&self, layer: Layer) -> String {
        let missing = self.held.missing().find(|(missing, _)| *missing == layer);
        missing.map_or_else(
            || "the kernel let it; please report it".to_owned(),
            |(_, why)| why.to_owned(),
        )
    }

    /// Whether the server may read what is tried: then it is no attempt.
    fn reads(&self, path: &Path) -> bool {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let allowed = self.plan.read.iter().chain(&self.plan.write);
        allowed.filter_map(|allowed| allowed.canonicalize().ok()).any(|one| path.starts_with(one))
    }

    fn files(&mut self, own: &Path, base: &Path, others: &[&str]) {
        let passwords = Path::new("/etc/passwd");
        if !self.reads(passwords) {
            self.refused(Layer::Files, "read /etc/passwd", std::fs::read(passwords).map(size));
        }
        if !self.reads(base) {
            let attempt = format!("list {}", base.display());
            self.refused(Layer::Files, &attempt, list(base));
        }
        let state = own.parent().unwrap_or(own);
        for other in others {
            let folder = state.join(other);
            let attempt = format!("list the state of `{other}`");
            if folder.is_dir() && !self.reads(&folder) {
                self.refused(Layer::Files, &attempt, list(&folder));
            }
        }
        let beside = state.join(format!("doctor-{}", std::process::id()));
        let written = std::fs::write(&beside, "").map(|()| "written".to_owned());
        let _ = std::fs::remove_file(&beside);
        self.refused(Layer::Files, "write outside its own state", written);
    }

    fn network(&mut self, port: u16) {
        let there = (Ipv4Addr::LOCALHOST, port);
        let connected = TcpStream::connect(there).map(|_| "connected".to_owned());
        self.refused(Layer::Network, "connect to a port that is not its own", connected);
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(|_| "listening".to_owned());
        self.refused(Layer::Network, "listen on a port", bound);
        if self.plan.connect.is_empty() {
            let sent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|socket| socket.send_to(b"", there))
                .map(|_| "sent".to_owned());
            self.refused(Layer::Network, "send a datagram", sent);
        }
    }

    fn processes(&mut self, parent: i32) {
        let parent = Pid::from_raw(parent);
        let could = signal::kill(parent, None).map(|()| "could be sent".to_owned());
        self.refused(Layer::Signals, "signal its parent", could.map_err(Error::from));
        let attached = ptrace::seize(parent, ptrace::Options::empty());
        if attached.is_ok() {
            let _ = ptrace::detach(parent, None);
        }
        let attached = attached.map(|()| "attached".to_owned()).map_err(Error::from);
        self.refused(Layer::Calls, "trace its parent", attached);
        if !self.plan.execute {
            let ran = Command::new("/bin/sh").args(["-c", "exit"]).status();
            self.refused(Layer::Programs, "run /bin/sh", ran.map(|status| status.to_string()));
        }
        let made = unshare(CloneFlags::CLONE_NEWUSER).map(|()| "made".to_owned());
        self.refused(Layer::Calls, "make a namespace", made.map_err(Error::from));
    }

    fn process(&mut self) {
        let limit = getrlimit(Resource::RLIMIT_CORE);
        let answer = match limit {
            Ok((soft, hard)) => format!("{soft} bytes, at most {hard}"),
            Err(error) => error.to_string(),
        };
        let remedy = self.remedy(Layer::CoreDumps);
        self.so("core dumps", "size of a core dump", limit == Ok((0, 0)), answer, remedy);
        let dumpable = prctl::get_dumpable();
        let remedy = self.remedy(Layer::Debuggers);
        let answer = format!("dumpable: {dumpable:?}");
        self.so("debuggers", "others may look into it", dumpable == Ok(false), answer, remedy);
        let privileges = prctl::get_no_new_privs();
        let remedy = self.remedy(Layer::Privileges);
        let answer = format!("no_new_privs: {privileges:?}");
        self.so(
            "new privileges",
            "programs may raise rights",
            privileges == Ok(true),
            answer,
            remedy,
        );
        let sings = std::env::var_os(CANARY).is_some();
        let answer = if sings { "found" } else { "gone" }.to_owned();
        let remedy = "please report it".to_owned();
        self.so("environment", "find a planted variable", !sings, answer, remedy);
    }

    /// What the server needs must still be possible.
    fn needs(&mut self, own: &Path) {
        let probe = own.join(format!("doctor-{}", std::process::id()));
        let written = std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe));
        let answer = written.as_ref().map_or_else(ToString::to_string, |()| "written".to_owned());
        let remedy = format!("give this user the folder {}", own.display());
        self.so("needs", "write its own state", written.is_ok(), answer, remedy);
        for path in self.plan.read.clone() {
            let Ok(there) = std::fs::metadata(&path) else { continue };
            let read = if there.is_dir() {
                list(&path)
            } else {
                std::fs::File::open(&path).map(|_| "opened".to_owned())
            };
            let ok = read.is_ok();
            let answer = read.unwrap_or_else(|error| error.to_string());
            let remedy = format!("give this user the right to read {}", path.display());
            self.so("needs", &format!("read {}", path.display()), ok, answer, remedy);
        }
    }
}

fn size(bytes: Vec<u8>) -> String {
    format!("{} bytes", bytes.len())
}

fn list(folder: &Path) -> io::Result<String> {
    std::fs::read_dir(folder).map(|entries| format!("{} entries", entries.count()))
}
