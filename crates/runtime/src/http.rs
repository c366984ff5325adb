//! MCP over streamable HTTP, on one path, with JSON answers. Loopback only until network identity
//! exists; Host and Origin are checked; bodies, requests and sessions are bounded.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use http::{HeaderValue, StatusCode, header};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::mcp::Adapter;
use crate::stdio::{LONGEST_LINE, error};
use crate::stop::{GRACE, Stop};

mod sessions;

/// The path of the protocol.
pub const PATH: &str = "/mcp";

/// Requests that may be in progress at a time; beyond it the answer is 503.
const REQUESTS: usize = 1024;

/// What servers.toml says about HTTP.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Host names that requests may name beside the loopback ones.
    pub hosts: Vec<String>,
    /// Origins that browsers may call from; none by default.
    pub origins: Vec<String>,
    /// Sessions of revisions before 2026-07-28 that may be open at a time; 0 serves those
    /// revisions without sessions.
    pub sessions: usize,
}

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address other machines can reach.
    #[error(
        "{0} is reachable from other machines, and network identity does not exist yet: listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The operating system's answer.
    #[error("{0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// Takes an address, before the process is confined: afterwards it can take none. Refuses one
/// that other machines can reach.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, HttpError> {
    if !address.ip().is_loopback() {
        return Err(HttpError::NotLoopback(address));
    }
    let taken = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    taken.map_err(|error| HttpError::Listen(address, error))
}

/// Listens at an address that was taken, in the async runtime.
pub fn listen(listener: std::net::TcpListener) -> std::io::Result<TcpListener> {
    TcpListener::from_std(listener)
}

/// Serves until `stop` fires; requests in progress end first.
pub async fn serve(
    adapter: Adapter,
    listener: TcpListener,
    options: Options,
    stop: Stop,
) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        // Without it, Nagle's algorithm adds 40 ms to many answers.
        let _ = stream.set_nodelay(true);
    });
    let stopping = stop.clone();
    let served = axum::serve(listener, router(adapter, options, address, &stop))
        .with_graceful_shutdown(async move { stopping.wait().await });
    tokio::select! {
        result = served.into_future() => result,
        () = async { stop.wait().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn router(adapter: Adapter, options: Options, address: SocketAddr, stop: &Stop) -> Router {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    hosts.extend(options.hosts);
    // A page that comes from this very address is ours.
    let mut origins =
        vec![format!("http://{address}"), format!("http://localhost:{}", address.port())];
    origins.extend(options.origins);
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_legacy_session_mode(options.sessions > 0)
        .with_sse_retry(None)
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_max_request_body_bytes(LONGEST_LINE)
        .with_cancellation_token(stop.hard());
    let sessions = Arc::new(sessions::Capped::new(options.sessions));
    let service = StreamableHttpService::new(move || Ok(adapter.another()), sessions, config);
    let gate = Arc::new(Semaphore::new(REQUESTS));
    Router::new()
        .route_service(PATH, service)
        .layer(from_fn_with_state(gate, guard))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, format!("the protocol is at {PATH}\n")) })
}

/// Bounds the requests in progress, and gives every error a JSON-RPC body.
async fn guard(State(gate): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = gate.try_acquire() else {
        let reply = error(&Value::Null, -32000, "too many requests in progress; retry after 1 s");
        let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &reply);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(is_json_type);
    let response = next.run(request).await;
    if response.status().is_success()
        || response.headers().get(header::CONTENT_TYPE).is_some_and(is_json_type)
    {
        return response;
    }
    explain(response, is_json).await
}

/// Turns a plain-text refusal into a JSON-RPC error, and a body that is no message into 400.
async fn explain(response: Response, is_json: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, 64 << 10).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code = match parts.status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE if is_json => {
            parts.status = StatusCode::BAD_REQUEST;
            if text.contains("line") && !text.contains("did not match") { -32700 } else { -32600 }
        }
        StatusCode::INTERNAL_SERVER_ERROR => -32603,
        StatusCode::SERVICE_UNAVAILABLE => -32000,
        _ => -32600,
    };
    if text.contains(sessions::FULL) {
        parts.status = StatusCode::SERVICE_UNAVAILABLE;
    }
    let message = if text.is_empty() { parts.status.to_string() } else { text.trim().to_owned() };
    let body = error(&Value::Null, code, &message).to_string();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

fn json(status: StatusCode, reply: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, reply.to_string()).into_response()
}

fn is_json_type(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"))
}
