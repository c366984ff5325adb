//! A collector on a loopback port that decodes what arrives with the official generated types, and
//! the other programs of `tests/judges` that know about telemetry.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::{installed, repository};

/// A script of `tests/judges` in Python.
fn python(script: &str) -> Command {
    let mut command = Command::new(installed().join("venv/bin/python"));
    command.arg(repository().join("tests/judges").join(script));
    command
}

/// A collector.
pub struct Collector {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    port: u64,
}

impl Collector {
    /// Starts one and waits until it says where it listens.
    pub fn start() -> Self {
        let mut child = python("otlp_receiver.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the collector starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its first line");
        let first: Value = serde_json::from_str(&line).expect("its port");
        let port = first["port"].as_u64().expect("a port");
        let input = child.stdin.take();
        Self { child, input, output, port }
    }

    /// Its address, as servers.toml names it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All that arrived. Ask once everything was sent.
    pub fn received(mut self) -> Received {
        drop(self.input.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("what it saw");
        let seen = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        Received { seen: seen.collect() }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a collector received.
#[derive(Debug)]
pub struct Received {
    seen: Vec<Value>,
}

impl Received {
    fn of(&self, signal: &str) -> Vec<&Value> {
        self.seen.iter().filter(|one| one["signal"] == signal).collect()
    }

    /// The requests, with their headers and raw bodies in base64.
    pub fn requests(&self) -> Vec<&Value> {
        self.of("request")
    }

    /// The spans.
    pub fn spans(&self) -> Vec<&Value> {
        self.of("span")
    }

    /// The points of a metric as they were sent last.
    pub fn points(&self, metric: &str) -> Vec<&Value> {
        let mut last: Vec<&Value> = Vec::new();
        for point in self.of("metric").into_iter().filter(|point| point["name"] == metric) {
            last.retain(|other| other["attributes"] != point["attributes"]);
            last.push(point);
        }
        last
    }

    /// The only span of this name.
    pub fn span(&self, name: &str) -> &Value {
        let spans = self.spans();
        let named: Vec<_> = spans.iter().filter(|span| span["name"] == name).collect();
        assert_eq!(named.len(), 1, "{name}: {spans:#?}");
        named[0]
    }
}

/// Reads the text of `/metrics` with the official parsers: `openmetrics` or `prometheus`.
pub fn parsed(format: &str, text: &str) -> Value {
    let mut child = python("metrics_text.py")
        .arg(format)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the parser starts");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{format} is not valid:\n{text}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Calls a tool with a client that traces its own steps; the spans it made.
pub fn traced(tool: &str, arguments: &Value, transport: &[String]) -> Vec<Value> {
    let output = python("traced_client.py")
        .args([tool, &arguments.to_string()])
        .args(transport)
        .output()
        .expect("the client runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    verdict["spans"].as_array().cloned().unwrap_or_default()
}
