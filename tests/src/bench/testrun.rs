//! What `suite testrun` costs: the sandbox beside bubblewrap, a large report, a start, and tokens.
//!
//! The sandbox wants a process of one thread, and memory is asked of a process of its own: both
//! are parts that this program runs as a second process.

use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reports::{Bounds, Format};
use sandbox::{Exit, Job, Limits, Network, Tier};
use serde_json::{Value, json};

use super::Effort;
use super::measures::row;
use super::numbers::{self, median, micros};
use super::process::{Subject, line, modern};
use super::report::{Limit, Row};
use crate::harness::Folder;

/// How many cases the report has; one in a thousand failed.
const CASES: usize = 100_000;
/// How often the sandbox runs in one round.
const RUNS: usize = 30;

pub(super) fn testrun(effort: Effort) -> Result<Vec<Row>> {
    let folder = Folder::testrun(
        "[servers.testrun.suites.web]\nfolder = \"project\"\nargv = [\"cp\", \"large.xml\", \"report.xml\"]\n\
         report = { format = \"junit\", path = \"report.xml\" }\n",
    );
    std::fs::create_dir_all(folder.path("project"))?;
    let report = folder.path("project/large.xml");
    std::fs::write(&report, large())?;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        floor.push(bubblewrap()?);
        ours.push(number(&part(&["sandbox"], folder.path("").as_path())?, "micros")?);
    }
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(5) {
        let parsed = part(&["report"], &report)?;
        ensure!(parsed["cases"] == CASES, "cases are lost: {parsed}");
        times.push(number(&parsed, "micros")? / 1e6);
        memory.push(number(&parsed, "mib")?);
    }
    let (most, budget) = ([Limit::Times(2.0)], [Limit::Most(1_000.0)]);
    let mut rows = vec![
        row(
            "testrun: sandbox of `true`, beside bwrap",
            "µs",
            median(&ours),
            Some(median(&floor)),
            &most,
        ),
        row("testrun: report of 100,000 cases", "s", median(&times), None, &[Limit::Most(1.0)]),
        row("testrun: memory for it", "MiB", median(&memory), None, &[Limit::Most(200.0)]),
        row("testrun: its summary", "tokens", summary(&folder)?, None, &budget),
    ];
    rows.extend(start(&folder, effort)?);
    Ok(rows)
}

/// A part of it, in a process of its own: prints JSON.
pub fn run_part(arguments: &[String]) -> Result<Value> {
    match arguments {
        [name, path] if name == "sandbox" => sandboxed(Path::new(path)),
        [name, path] if name == "report" => parsed(Path::new(path)),
        _ => bail!("no such part of the benchmarks"),
    }
}

fn part(name: &[&str], path: &Path) -> Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("part").args(name).arg(path).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "a part of the benchmarks failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value[name].as_f64().with_context(|| format!("no {name} in {value}"))
}

fn sandboxed(folder: &Path) -> Result<Value> {
    let offer = sandbox::offer();
    ensure!(offer.tier == Some(Tier::Namespaces), "no namespaces here: {:?}", offer.lacks);
    let job = Job {
        argv: vec!["/bin/true".into()],
        env: vec![("PATH".into(), OsString::from("/usr/bin:/bin"))],
        folder: "/".into(),
        mounts: Vec::new(),
        network: Network::None,
        limits: Limits {
            wall: Duration::from_mins(1),
            cpu: None,
            memory: 256 << 20,
            processes: 64,
            files: 256,
            disk: 16 << 20,
            output: 1 << 16,
        },
        stdout: folder.join("stdout"),
        stderr: folder.join("stderr"),
        collect: Vec::new(),
    };
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
        let began = Instant::now();
        let ended = sandbox::run(&job, Tier::Namespaces, OwnedFd::from(ours));
        times.push(micros(began.elapsed()));
        ensure!(ended.exit == Some(Exit::Code(0)), "{ended:?}");
    }
    Ok(json!({"micros": median(&times)}))
}

/// The same program behind bubblewrap's namespaces, without seccomp, Landlock and limits.
fn bubblewrap() -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let done =
            Command::new("bwrap").args(["--unshare-all", "--ro-bind", "/", "/", "true"]).status();
        let done = done.context("bwrap is the floor; `apt install bubblewrap` brings it")?;
        times.push(micros(began.elapsed()));
        ensure!(done.success(), "bwrap cannot run here");
    }
    Ok(median(&times))
}

/// A report as runners write it.
fn large() -> String {
    let failed = CASES / 1000;
    let mut xml = format!(
        "<?xml version=\"1.0\"?>\n<testsuites tests=\"{CASES}\" failures=\"{failed}\" errors=\"0\">\n\
         <testsuite name=\"large\" tests=\"{CASES}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\">\n"
    );
    for nth in 0..CASES {
        let class = nth / 50;
        xml.push_str(&format!(
            "<testcase classname=\"shop.orders.module_{class}\" name=\"test_order_{nth}_is_rounded\" time=\"0.0{}\"",
            nth % 97
        ));
        if nth % 1000 == 0 {
            xml.push_str(&format!(
                "><failure message=\"assert {nth} == 0\">Traceback\n  File \"shop/orders.py\", line {}, in test\n\
                 AssertionError</failure><system-out>printed by it</system-out></testcase>\n",
                class + 1
            ));
        } else {
            xml.push_str("/>\n");
        }
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn parsed(path: &Path) -> Result<Value> {
    let file = BufReader::new(File::open(path)?);
    let began = Instant::now();
    let report = reports::parse(Format::Junit, [file], &Bounds::default());
    let time = micros(began.elapsed());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    let kib: f64 = peak.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(json!({"micros": time, "mib": kib / 1024.0, "cases": report.cases.len()}))
}

/// The tokens of what a model reads of that report.
fn summary(folder: &Folder) -> Result<f64> {
    let mut session = Subject::testrun(folder).start()?;
    let run = json!({"name": "test_run", "arguments": {
        "wait": 300, "reason": "to measure what its summary costs"
    }});
    session.exchange(&line(&modern("tools/call", run)))?;
    let answer: Value = serde_json::from_str(session.answer())?;
    let text = answer["result"]["content"][0]["text"].as_str().context("no text")?.to_owned();
    ensure!(text.contains("100000 tests") || text.contains("100,000 tests"), "no result: {text}");
    session.close()?;
    Ok(numbers::tokens(&text))
}

fn start(folder: &Folder, effort: Effort) -> Result<Vec<Row>> {
    let first = line(&modern("tools/list", json!({})));
    let mut times = Vec::new();
    for _ in 0..effort.starts {
        let began = Instant::now();
        let mut session = Subject::testrun(folder).start()?;
        session.exchange(&first)?;
        times.push(micros(began.elapsed()) / 1e3);
        session.close()?;
    }
    let mut session = Subject::testrun(folder).start()?;
    session.exchange(&first)?;
    let listed: Value = serde_json::from_str(session.answer())?;
    let tools = listed["result"]["tools"].to_string();
    session.close()?;
    Ok(vec![
        row("testrun: cold start to first answer", "ms", median(&times), None, &[]),
        row("testrun: tools/list", "tokens", numbers::tokens(&tools), None, &[Limit::Most(900.0)]),
    ])
}
