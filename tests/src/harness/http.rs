//! A server on a loopback port, and requests to it byte by byte, so that wrong ones can be sent.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{HANG, meta};

/// A server over HTTP.
pub struct HttpServer {
    child: Child,
    errors: Arc<Mutex<Vec<u8>>>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header lines, in lower case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON; of a stream of events, its last message.
    pub fn json(&self) -> Value {
        let last = self.body.lines().filter_map(|line| line.strip_prefix("data:")).next_back();
        serde_json::from_str(last.unwrap_or(&self.body))
            .unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl HttpServer {
    /// Starts `program server --http 127.0.0.1:0` and waits until it says where it listens.
    pub fn start(program: &Path, server: &str, config: &Path) -> Self {
        let mut child = Command::new(program)
            .args([server, "--http", "127.0.0.1:0", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut errors = BufReader::new(child.stderr.take().expect("its errors"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("its first line");
        let address = line
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once("/mcp")?.0.parse().ok())
            .unwrap_or_else(|| panic!("the server does not serve: {line}{}", rest(&mut errors)));
        let heard = Arc::new(Mutex::new(line.into_bytes()));
        let collected = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while errors.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                collected.lock().unwrap_or_else(PoisonError::into_inner).append(&mut line);
            }
        });
        Self { child, errors: heard, address }
    }

    /// What the server wrote to its standard error so far.
    pub fn errors(&self) -> String {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&errors).into_owned()
    }

    /// The address of the protocol.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Posts a message with these further headers.
    pub fn post(&self, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut all = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend_from_slice(headers);
        self.send("POST", "/mcp", &all, body.as_bytes())
    }

    /// A request of revision 2026-07-28.
    pub fn request(&self, method: &str, params: Value) -> Reply {
        self.request_with(&[], method, params)
    }

    /// A request of revision 2026-07-28 by whoever holds this API key.
    pub fn request_as(&self, key: &str, method: &str, params: Value) -> Reply {
        let bearer = format!("Bearer {key}");
        self.request_with(&[("authorization", &bearer)], method, params)
    }

    fn request_with(&self, more: &[(&str, &str)], method: &str, mut params: Value) -> Reply {
        let name =
            params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
        params["_meta"] = meta();
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        headers.extend_from_slice(more);
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post(&headers, &body.to_string())
    }

    /// Any request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).expect("sent");
        // A server may refuse before it has read all.
        let _ = stream.write_all(body);
        read(BufReader::new(stream))
    }

    /// A connection, for requests that are sent in pieces.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(HANG)).expect("a time-out");
        stream.set_nodelay(true).expect("pieces stay pieces");
        stream
    }

    /// Tells the server to stop, and waits for it.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        self.child.wait().expect("the server ends")
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

fn rest(errors: &mut BufReader<std::process::ChildStderr>) -> String {
    let mut text = String::new();
    let _ = errors.read_to_string(&mut text);
    text
}

/// Reads an answer; what follows it stays in the reader.
pub fn read(mut reader: impl BufRead) -> Reply {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not HTTP: {line}"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut body = Vec::new();
    let chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    if chunked {
        read_chunks(&mut reader, &mut body);
    } else if let Some((_, length)) = headers.iter().find(|(name, _)| name == "content-length") {
        let length = length.parse().expect("a length");
        let _ = reader.take(length).read_to_end(&mut body);
    } else {
        let _ = reader.read_to_end(&mut body);
    }
    Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

fn read_chunks(reader: &mut impl std::io::BufRead, body: &mut Vec<u8>) {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let Ok(size) = usize::from_str_radix(line.trim(), 16) else { return };
        let mut chunk = vec![0; size + 2];
        if size == 0 || reader.read_exact(&mut chunk).is_err() {
            return;
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
