//! As much of an MCP host as the demo needs: one child process, one request at a time, revision
//! 2026-07-28.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use serde_json::{Value, json};

/// A host with one server.
pub(super) struct Host {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Host {
    /// Starts `suite SERVER` with this configuration.
    pub(super) fn start(server: &str, config: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([server, "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server did not start")?;
        let input = child.stdin.take().context("no pipe to the server")?;
        let output = BufReader::new(child.stdout.take().context("no pipe from the server")?);
        Ok(Self { child, input, output, next: 1 })
    }

    /// Sends a request and waits for its answer.
    pub(super) fn request(&mut self, method: &str, mut params: Value) -> anyhow::Result<Value> {
        let id = self.next;
        self.next += 1;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "suite-demo", "version": env!("CARGO_PKG_VERSION")},
            "io.modelcontextprotocol/clientCapabilities": {}
        });
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writeln!(self.input, "{message}").context("the server closed its input")?;
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).context("the server's output")?;
            anyhow::ensure!(read > 0, "the server ended before it answered {method}");
            let message: Value = serde_json::from_str(&line).context("the server's answer")?;
            if message["id"] == id {
                anyhow::ensure!(message["error"].is_null(), "{method}: {}", message["error"]);
                return Ok(message["result"].clone());
            }
        }
    }

    /// Closes the pipes, as a host does, and waits for the server to end.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}
