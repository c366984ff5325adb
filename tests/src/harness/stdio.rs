//! A server as the child of this process, on two pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use super::{HANG, initialize, meta};

/// One server and its client.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<std::thread::JoinHandle<String>>,
    next: i64,
}

impl Session {
    /// Starts `program server --config config`.
    pub fn start(program: &Path, server: &str, config: &Path) -> Self {
        let mut command = Command::new(program);
        command.arg(server).arg("--config").arg(config);
        Self::spawn(command)
    }

    /// Starts a prepared command with pipes.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let errors = child.stderr.take().expect("its errors");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors =
            std::thread::spawn(move || std::io::read_to_string(errors).unwrap_or_default());
        let input = child.stdin.take();
        Self { child, input, lines, errors: Some(errors), next: 1 }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends one line as it is.
    pub fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes()).expect("the server reads");
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.input.as_mut().expect("the input is open").write_all(bytes)
    }

    /// The next line the server writes, as JSON; `None` when it closed its output. A server that
    /// writes nothing for a minute hangs.
    pub fn receive(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(HANG) {
            Ok(line) => {
                Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the server hangs"),
        }
    }

    /// Opens a session of a revision before 2026-07-28.
    pub fn open(&mut self, revision: &str) -> Value {
        self.open_offering(revision, &json!({}))
    }

    /// The same, as a client with these capabilities.
    pub fn open_offering(&mut self, revision: &str, capabilities: &Value) -> Value {
        let mut opening = initialize(revision);
        opening["capabilities"] = capabilities.clone();
        let opened = self.legacy("initialize", opening);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        opened
    }

    /// A request without `_meta`, and its answer.
    pub fn legacy(&mut self, method: &str, params: Value) -> Value {
        let id = self.post(method, params);
        self.answer(id)
    }

    /// A request of revision 2026-07-28, and its answer.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.post_modern(method, params);
        self.answer(id)
    }

    /// Calls a tool in revision 2026-07-28.
    pub fn call(&mut self, tool: &str, args: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": args}))
    }

    /// Sends a request and does not wait.
    pub fn post(&mut self, method: &str, params: Value) -> i64 {
        let id = self.next;
        self.next += 1;
        self.send(
            &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(),
        );
        id
    }

    /// Sends a request of revision 2026-07-28 and does not wait.
    pub fn post_modern(&mut self, method: &str, mut params: Value) -> i64 {
        params["_meta"] = meta();
        self.post(method, params)
    }

    /// Waits for the answer to a request; other messages are passed over.
    pub fn answer(&mut self, id: i64) -> Value {
        loop {
            let message = self.receive().expect("the server answers before it ends");
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Closes the input; returns how the server ended, what else it wrote, and its errors.
    pub fn close(mut self) -> (ExitStatus, Vec<Value>, String) {
        drop(self.input.take());
        let mut rest = Vec::new();
        while let Some(message) = self.receive() {
            rest.push(message);
        }
        let status = self.child.wait().expect("the server ends");
        let errors = self.errors.take().expect("once").join().expect("its errors");
        (status, rest, errors)
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Waits for the end without closing the input.
    pub fn wait(mut self) -> (ExitStatus, Vec<Value>, String) {
        let mut rest = Vec::new();
        while let Some(message) = self.receive() {
            rest.push(message);
        }
        let status = self.child.wait().expect("the server ends");
        let errors = self.errors.take().expect("once").join().expect("its errors");
        (status, rest, errors)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
