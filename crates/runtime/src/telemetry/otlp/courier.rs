//! Carries what is exported to the collector: HTTP/1.1 from the exporters' own threads, with or
//! without TLS. No redirect is followed, no proxy asked, nothing kept open in between.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::{ClientConfig, RootCertStore};

use crate::telemetry::collector::Collector;

/// How long the collector has for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer that is read, in bytes: a collector answers next to nothing.
const LARGEST: usize = 64 << 10;

/// The way to the collector; the exporters share it.
#[derive(Clone)]
pub(super) struct Courier(Arc<Way>);

struct Way {
    connector: HttpsConnector<HttpConnector>,
    headers: HeaderMap,
    /// Where to, for the operator's log.
    collector: String,
    /// The last delivery failed.
    lost: AtomicBool,
    /// The process ends: there is no time to try again.
    closing: AtomicBool,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Courier").field(&self.0.collector).finish()
    }
}

impl Courier {
    /// A way to the collector. The authorities that the system trusts are read for https only.
    pub(super) fn new(collector: &Collector) -> Result<Self, String> {
        Ok(Self(Arc::new(Way {
            connector: connector(collector.is_secure())?,
            headers: collector.headers().clone(),
            collector: collector.address(""),
            lost: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        })))
    }

    /// From now on a delivery that fails is not tried again.
    pub(super) fn close(&self) {
        self.0.closing.store(true, Relaxed);
    }

    /// Delivers on this thread, which is an exporter's own and waits for nothing else.
    fn deliver(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().extend(self.0.headers.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let delivered = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, exchange(self.0.connector.clone(), request)).await
        });
        // A name that is still being looked up must not hold the process.
        runtime.shutdown_background();
        let late = || format!("no answer within {} s", PATIENCE.as_secs()).into();
        let delivered = delivered.unwrap_or_else(|_| Err(late()));
        self.tell(&delivered);
        match delivered {
            // What the library takes for final.
            Err(_) if self.0.closing.load(Relaxed) => {
                let mut given_up = Response::new(Bytes::new());
                *given_up.status_mut() = StatusCode::BAD_REQUEST;
                Ok(given_up)
            }
            delivered => delivered,
        }
    }

    /// Says once that nothing arrives any more, and once that it does again.
    fn tell(&self, delivered: &Result<Response<Bytes>, HttpError>) {
        let why = match delivered {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the answer is {}", response.status())),
            Err(error) => Some(contract::error::causes(error.as_ref())),
        };
        let collector = &self.0.collector;
        match why {
            Some(why) if !self.0.lost.swap(true, Relaxed) => tracing::warn!(
                collector,
                "traces and metrics are not delivered ({why}); calls go on without"
            ),
            None if self.0.lost.swap(false, Relaxed) => {
                tracing::warn!(collector, "traces and metrics are delivered again");
            }
            _ => {}
        }
    }
}

impl HttpClient for Courier {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(ready(self.deliver(request)))
    }
}

async fn exchange(
    connector: HttpsConnector<HttpConnector>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let response = client.request(request.map(Full::new)).await?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, LARGEST).collect().await?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

fn connector(is_secure: bool) -> Result<HttpsConnector<HttpConnector>, String> {
    let mut roots = RootCertStore::empty();
    if is_secure {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let message = "this system trusts no certificate authority; install `ca-certificates`";
            return Err(message.to_owned());
        }
    }
    let provider = rustls::crypto::ring::default_provider();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build())
}
