//! Servers under measurement: started, spoken to without a thread in between, and weighed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::numbers::micros;
use crate::harness::{self, initialize, meta};

/// A program to measure.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Subject {
    /// The floor.
    pub(super) fn bare() -> Self {
        Self { program: harness::program("bare"), arguments: Vec::new() }
    }

    /// The whole product around one trivial tool.
    pub(super) fn trivial(folder: &harness::Folder) -> Self {
        Self::of(harness::fixture(), "trivial", folder)
    }

    /// `suite docs`.
    pub(super) fn docs(folder: &harness::Folder) -> Self {
        Self::of(harness::suite(), "docs", folder)
    }

    /// `suite sql`.
    pub(super) fn sql(folder: &harness::Folder) -> Self {
        Self::of(harness::suite(), "sql", folder)
    }

    /// `suite repo`.
    pub(super) fn repo(folder: &harness::Folder) -> Self {
        Self::of(harness::suite(), "repo", folder)
    }

    /// `suite tickets`.
    pub(super) fn tickets(folder: &harness::Folder) -> Self {
        Self::of(harness::suite(), "tickets", folder)
    }

    /// `suite mail`.
    pub(super) fn mail(folder: &harness::Folder) -> Self {
        Self::of(harness::suite(), "mail", folder)
    }

    /// `suite testrun`.
    pub(super) fn testrun(folder: &harness::Folder) -> Self {
        Self::of(harness::suite(), "testrun", folder)
    }

    fn of(program: PathBuf, server: &str, folder: &harness::Folder) -> Self {
        let config = folder.config().display().to_string();
        Self { program, arguments: vec![server.to_owned(), "--config".to_owned(), config] }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    /// Starts it on a pair of pipes.
    pub(super) fn start(&self) -> Result<Session> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("{}", self.program.display()))?;
        let input = child.stdin.take().context("its input")?;
        let output = BufReader::new(child.stdout.take().context("its output")?);
        let process = Process { child };
        Ok(Session { process, input: Some(input), output, line: String::new() })
    }

    /// Starts it on a loopback port; returns the port, too.
    pub(super) fn start_http(&self) -> Result<(Process, std::net::SocketAddr)> {
        let mut command = self.command();
        command.args(["--http", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{}", self.program.display()))?;
        let errors = child.stderr.take().context("its errors")?;
        let process = Process { child };
        let mut errors = BufReader::new(errors);
        let mut line = String::new();
        errors.read_line(&mut line)?;
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once("/mcp")?.0.parse().ok())
            .with_context(|| format!("it does not serve: {line}"))?;
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Ok((process, address))
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// What it holds in memory, in MiB: `VmRSS` of proc(5).
    pub(super) fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// The processor time of all its threads so far, in microseconds, by the kernel's own clock of
    /// the process: it has no ticks, which short calls would fall between.
    pub(super) fn processor(&self) -> Result<f64> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.child.id().cast_signed()))?;
        Ok(micros(clock.now()?.into()))
    }

    /// The processor time it used so far, in microseconds: user and system time of proc(5).
    pub(super) fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold spaces.
        let (_, rest) = stat.rsplit_once(')').context("/proc/…/stat")?;
        let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<f64>);
        let (Some(user), Some(system)) = (ticks.next(), ticks.next()) else {
            bail!("/proc/…/stat has no times");
        };
        Ok((user? + system?) * TICK)
    }
}

/// Microseconds of a clock tick: `USER_HZ` is 100 on every Linux that Rust runs on.
const TICK: f64 = 10_000.0;

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server and its only client.
#[derive(Debug)]
pub(super) struct Session {
    /// The server.
    pub(super) process: Process,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    line: String,
}

impl Session {
    /// Sends a line and reads the next one; returns how long the server took.
    pub(super) fn exchange(&mut self, line: &str) -> Result<Duration> {
        let input = self.input.as_mut().context("the input is open")?;
        let began = Instant::now();
        input.write_all(line.as_bytes())?;
        self.line.clear();
        self.output.read_line(&mut self.line)?;
        let took = began.elapsed();
        ensure!(
            self.line.contains("\"result\"") && !self.line.contains("\"isError\":true"),
            "not a result: {}",
            self.line
        );
        Ok(took)
    }

    /// The last answer.
    pub(super) fn answer(&self) -> &str {
        &self.line
    }

    /// Opens a session of a revision before 2026-07-28.
    pub(super) fn open(&mut self) -> Result<()> {
        self.exchange(&line(&legacy("initialize", initialize(LEGACY))))?;
        let opened = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let input = self.input.as_mut().context("the input is open")?;
        input.write_all(line(&opened).as_bytes())?;
        Ok(())
    }

    /// Closes the input and waits for the end, so that the records of the next start are whole.
    pub(super) fn close(mut self) -> Result<()> {
        drop(self.input.take());
        self.process.child.wait()?;
        Ok(())
    }
}

/// The newest revision with a handshake.
const LEGACY: &str = "2025-11-25";

/// A request of revision 2026-07-28.
pub(super) fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = meta();
    legacy(method, params)
}

/// A request of an older revision.
pub(super) fn legacy(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// A message as a line.
pub(super) fn line(message: &Value) -> String {
    format!("{message}\n")
}
