//! `suite doctor`: what is enforced on this machine, proved by trying. For every configured server
//! it starts itself again, confined exactly as that server would be, and has it try what must not
//! be possible. Then the server says what it finds in what it reaches, from in there.
//!
//! Where to start reading: [`run`], then `attempts` (what the other process tries), then `files`
//! (what can be seen from outside).

mod attempts;
mod files;
mod kernel;
mod report;

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use clap::Args;
use contract::{Finding, Weight};
use serde::{Deserialize, Serialize};

use crate::assemble::{self, Checked, Source};
use crate::{Launcher, check};
use attempts::Probe;
use kernel::Kernel;

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// Only this server
    server: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Be the other process: confine yourself as the server and try
    #[arg(long, hide = true, requires_all = ["server", "parent"])]
    port: Option<u16>,
    /// The process that asks
    #[arg(long, hide = true)]
    parent: Option<i32>,
}

/// The variable that must not be found again.
const CANARY: &str = "SUITE_DOCTOR_CANARY";

/// Everything that was found out.
#[derive(Serialize)]
struct Diagnosis {
    /// Whether all that should hold does.
    ok: bool,
    kernel: Kernel,
    servers: Vec<Patient>,
}

/// One server.
#[derive(Serialize)]
struct Patient {
    name: &'static str,
    /// What its process says about itself.
    held: String,
    tried: Vec<Tried>,
    findings: Vec<Finding>,
}

impl Patient {
    /// Whether all that should hold does; warnings are for the operator to weigh.
    fn is_well(&self) -> bool {
        let is_fault = |finding: &Finding| finding.weight == Weight::Fault;
        !self.findings.iter().any(is_fault) && self.tried.iter().all(|tried| tried.ok)
    }
}

/// One attempt, and whether it went as it should.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tried {
    /// The layer it is about.
    layer: String,
    /// What was tried.
    attempt: String,
    /// Whether it went as it should.
    ok: bool,
    /// What the operating system answered.
    answer: String,
    /// Why it did not go as it should, and the remedy.
    remedy: String,
}

/// Something that is wrong.
fn fault(what: String, remedy: String) -> Finding {
    Finding { weight: Weight::Fault, what, remedy }
}

/// Looks at everything. Exit code 1 when something that should hold does not.
pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    args: &DoctorArgs,
) -> anyhow::Result<ExitCode> {
    if let (Some(server), Some(port), Some(parent)) = (&args.server, args.port, args.parent) {
        let launcher = named(launchers, server)?;
        return attempts::run(source, launchers, launcher, &Probe { port, parent });
    }
    let only = args.server.as_deref().map(|name| named(launchers, name)).transpose()?;
    let checked = assemble::check(source, launchers, only.map(|launcher| launcher.name))?;
    let mut servers = Vec::new();
    for launcher in check::configured(&checked, launchers) {
        servers.push(examine(source, &checked, launcher)?);
    }
    let ok = servers.iter().all(Patient::is_well);
    let diagnosis = Diagnosis { ok, kernel: Kernel::of_this_machine(), servers };
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&diagnosis)?);
    } else {
        report::show(&diagnosis);
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn named<'a>(launchers: &'a [Launcher], name: &str) -> anyhow::Result<&'a Launcher> {
    launchers.iter().find(|launcher| launcher.name == name).ok_or_else(|| {
        let known: Vec<String> =
            launchers.iter().map(|launcher| launcher.name.to_owned()).collect();
        anyhow::anyhow!("server {}", contract::schema::unknown(name, &known))
    })
}

fn examine(source: &Source, checked: &Checked, launcher: &Launcher) -> anyhow::Result<Patient> {
    let mut findings = files::examine(checked, launcher)?;
    let (held, tried) = match probe(source, launcher)? {
        Ok(probed) => {
            findings.extend(probed.findings);
            (probed.held, probed.tried)
        }
        Err(said) => {
            let what = format!("the process of `{}` does not start: {said}", launcher.name);
            findings.push(fault(what, "see what it says".to_owned()));
            (String::new(), Vec::new())
        }
    };
    Ok(Patient { name: launcher.name, held, tried, findings })
}

/// What the other process found, or what it said when it could not even begin.
fn probe(source: &Source, launcher: &Launcher) -> anyhow::Result<Result<attempts::Probed, String>> {
    // Somebody to connect to who is there, so that a refusal is the kernel's.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port of this machine")?;
    let port = listener.local_addr()?.port();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["doctor", launcher.name, "--port", &port.to_string()]);
    command.args(["--parent", &std::process::id().to_string(), "--config"]).arg(&source.path);
    if let Some(state) = &source.state {
        command.arg("--state").arg(state);
    }
    command.env(CANARY, "sings").stdin(Stdio::null());
    let output = command.output().context("a process of its own")?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(Ok(serde_json::from_slice(&output.stdout).context("the answer of the other process")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_weighed_by_the_operator_and_a_fault_is_not() {
        let check = |weight, is_well| {
            let finding = Finding { weight, what: String::new(), remedy: String::new() };
            let (held, tried) = (String::new(), Vec::new());
            let patient = Patient { name: "x", held, tried, findings: vec![finding] };
            assert_eq!(patient.is_well(), is_well, "{weight:?}");
        };
        check(Weight::Note, true);
        check(Weight::Warning, true);
        check(Weight::Fault, false);
    }
}
