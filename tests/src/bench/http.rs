//! A load generator: keep-alive connections, each with one request under way, all on one thread,
//! so that it costs the servers little of the machine.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How many connections are open at a time.
pub(super) const CONNECTIONS: usize = 32;

/// What a round of load showed.
#[derive(Debug)]
pub(super) struct Load {
    /// Answers in a second.
    pub(super) rate: f64,
    /// How long each answer took.
    pub(super) times: Vec<Duration>,
}

/// One request, ready to be sent.
pub(super) fn request(address: SocketAddr, body: &Value, token: Option<&str>) -> Vec<u8> {
    let body_text = body.to_string();
    let mut head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n",
        body_text.len()
    );
    if let Some(token) = token {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    let version = &body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    match version.as_str() {
        Some(version) => {
            let method = body["method"].as_str().unwrap_or_default();
            let name = body["params"]["name"].as_str().unwrap_or_default();
            head.push_str(&format!(
                "mcp-protocol-version: {version}\r\nmcp-method: {method}\r\nmcp-name: {name}\r\n"
            ));
        }
        None => head.push_str("mcp-protocol-version: 2025-11-25\r\n"),
    }
    format!("{head}\r\n{body_text}").into_bytes()
}

/// Sends `request` `calls` times over this many connections together.
pub(super) fn load(
    address: SocketAddr,
    request: &[u8],
    calls: usize,
    connections: usize,
) -> Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let share = calls.div_ceil(connections);
        let began = Instant::now();
        let mut clients = Vec::new();
        for stream in streams {
            clients.push(tokio::spawn(client(stream, request.to_vec(), share)));
        }
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.await??);
        }
        let rate = super::numbers::count(share * connections) / began.elapsed().as_secs_f64();
        Ok(Load { rate, times })
    })
}

async fn client(mut stream: TcpStream, request: Vec<u8>, calls: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(calls);
    let mut buffer = Vec::with_capacity(4096);
    for _ in 0..calls {
        let began = Instant::now();
        stream.write_all(&request).await?;
        buffer.clear();
        while !is_whole(&buffer)? {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "the server closed the connection");
        }
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Whether the buffer holds one whole answer; an error unless it is a result.
fn is_whole(buffer: &[u8]) -> Result<bool> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&buffer[..end])?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim().parse::<usize>())
        .with_context(|| format!("no content-length: {head}"))??;
    let body = &buffer[end + 4..];
    if body.len() < length {
        return Ok(false);
    }
    if !head.starts_with("HTTP/1.1 200")
        || !body.starts_with(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"")
    {
        bail!("not a result: {}", String::from_utf8_lossy(buffer));
    }
    Ok(true)
}
