//! MCP over streamable HTTP, on one path, with JSON answers. Who calls is asked before anything is
//! parsed; Host and Origin are checked; bodies, requests and sessions are bounded.

mod address;
mod approvals;
mod body;
mod challenge;
mod identify;
mod leftover;
mod listener;
mod metrics;
mod refused;
mod sessions;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use auth::Authenticator;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use ipnet::IpNet;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::approvals::Pages;
use self::challenge::Challenge;
use self::identify::{Gate, identify};
use self::listener::{Door, Peer};
use self::refused::Refused;
use crate::mcp::Adapter;
use crate::stdio::{LONGEST_LINE, error};
use crate::stop::{GRACE, Stop};

pub use address::Address;
pub(crate) use address::has_wrong_port;
pub use approvals::APPROVALS;
pub use tls::Tls;

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
    /// The public address; where the server listens, unless set.
    pub address: Option<Address>,
    /// Who may call; `None` is whoever can connect.
    pub authenticator: Option<Arc<Authenticator>>,
    /// TLS; `None` serves in clear.
    pub tls: Option<Tls>,
    /// The networks that may connect; empty is all.
    pub proxies: Vec<IpNet>,
}

/// What stands between an address and everybody who can reach it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protection {
    /// Callers prove who they are.
    pub is_identified: bool,
    /// Connections are TLS's, or a named proxy's that does TLS.
    pub is_private: bool,
}

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address other machines can reach, where nobody would be asked who they are.
    #[error(
        "{0} is reachable from other machines, and nothing says who may call: switch on API keys \
         (`keys = true` in [identity]) or access tokens ([identity.oauth]), or listen on 127.0.0.1 \
         or [::1]"
    )]
    Unidentified(SocketAddr),
    /// An address other machines can reach, where credentials would travel in clear.
    #[error(
        "{0} is reachable from other machines, and credentials would travel in clear: name \
         `certificate` and `key` in the server's table `http`, or the addresses of the proxy that \
         does TLS in `proxies`, or listen on 127.0.0.1 or [::1]"
    )]
    InClear(SocketAddr),
    /// The operating system's answer.
    #[error("{0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// Takes an address, before the process is confined: afterwards it can take none. Refuses one
/// that other machines can reach, unless it is protected.
pub fn bind(
    address: SocketAddr,
    protection: Protection,
) -> Result<std::net::TcpListener, HttpError> {
    let is_here = address.ip().to_canonical().is_loopback();
    match protection {
        _ if is_here => {}
        Protection { is_identified: false, .. } => return Err(HttpError::Unidentified(address)),
        Protection { is_private: false, .. } => return Err(HttpError::InClear(address)),
        Protection { .. } => {}
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
    let at = listener.local_addr()?;
    let refused = Refused::new(adapter.pipeline().clone());
    let tls = options.tls.clone().map(|tls| tls.0);
    let door = Door::new(listener, tls, options.proxies.clone().into())?;
    let router = router(adapter, options, at, Arc::clone(&refused), &stop);
    let stopping = stop.clone();
    let served = axum::serve(door, router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(async move { stopping.wait().await });
    let result = tokio::select! {
        result = served.into_future() => result,
        () = async { stop.wait().await; tokio::time::sleep(GRACE).await } => Ok(()),
    };
    refused.flush();
    result
}

fn router(
    adapter: Adapter,
    options: Options,
    at: SocketAddr,
    refused: Arc<Refused>,
    stop: &Stop,
) -> Router {
    let pipeline = adapter.pipeline().clone();
    let server = pipeline.catalogue().server;
    let is_tls = options.tls.is_some();
    let address = options.address.clone().unwrap_or_else(|| Address::listening(at, is_tls));
    let sessions = Arc::new(sessions::Capped::new(options.sessions));
    let config = config(&options, &address, at, stop);
    let service =
        StreamableHttpService::new(move || Ok(adapter.another()), Arc::clone(&sessions), config);
    let mut protocol = Router::new()
        .route_service(PATH, service)
        .layer(from_fn_with_state(pipeline.clone(), body::explained));
    protocol = protocol.merge(metrics::route(pipeline.clone(), hosts(&options, &address, at)));
    let mut open = Router::new();
    if let Some(authenticator) = options.authenticator.clone() {
        if let Some(metadata) = challenge::metadata(&authenticator, &address, server) {
            for path in address.metadata_paths() {
                open = open.route(&path, get(public(metadata.clone())));
            }
        }
        let (hosts, origins) = (hosts(&options, &address, at), origins(&options, &address, at));
        let challenge = Challenge::new(&authenticator, &address, server);
        let proxies = options.proxies.into();
        let gate = Arc::new(Gate { authenticator, challenge, refused, sessions, proxies });
        pipeline.serves_pages(format!("{}{APPROVALS}", address.origin()));
        let pages = Pages { pipeline: pipeline.clone(), gate: Arc::clone(&gate), hosts, origins };
        open = open.merge(approvals::routes(pages));
        protocol = protocol.layer(from_fn_with_state(gate, identify));
    }
    protocol
        .layer(from_fn_with_state(Arc::new(Semaphore::new(REQUESTS)), bounded))
        .merge(open)
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(elsewhere)
}

/// The protocol library's settings: answers, and which hosts and origins may be named.
fn config(
    options: &Options,
    address: &Address,
    at: SocketAddr,
    stop: &Stop,
) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_legacy_session_mode(options.sessions > 0)
        .with_sse_retry(None)
        .with_allowed_hosts(hosts(options, address, at))
        .with_allowed_origins(origins(options, address, at))
        .enforce_origin_validation()
        .with_max_request_body_bytes(LONGEST_LINE)
        .with_cancellation_token(stop.hard())
}

/// The names that requests may call this server by.
fn hosts(options: &Options, address: &Address, at: SocketAddr) -> Vec<String> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    hosts.extend_from_slice(&options.hosts);
    hosts.push(address.host().to_owned());
    if !at.ip().is_unspecified() {
        hosts.push(at.ip().to_string());
    }
    hosts
}

/// The web origins that requests may come from: a page of this very address is ours.
fn origins(options: &Options, address: &Address, at: SocketAddr) -> Vec<String> {
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let mut origins =
        vec![format!("{scheme}://{at}"), format!("{scheme}://localhost:{}", at.port())];
    origins.push(address.origin().to_owned());
    origins.extend_from_slice(&options.origins);
    origins
}

/// Bounds the requests in progress.
async fn bounded(State(gate): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = gate.try_acquire() else {
        let reply = error(&Value::Null, -32000, "too many requests in progress; retry after 1 s");
        let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &reply);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return leftover::unread(request, response).await;
    };
    next.run(request).await
}

/// A path where nothing is.
async fn elsewhere(request: Request) -> Response {
    let response = (StatusCode::NOT_FOUND, format!("the protocol is at {PATH}\n"));
    leftover::unread(request, response.into_response()).await
}

/// A document that everybody may read, pages of other sites included.
fn public(document: Value) -> impl Fn() -> std::future::Ready<Response> + Clone + Send + 'static {
    let text = document.to_string();
    move || {
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ];
        std::future::ready((headers, text.clone()).into_response())
    }
}

fn json(status: StatusCode, reply: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, reply.to_string()).into_response()
}
