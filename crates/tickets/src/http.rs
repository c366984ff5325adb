//! Speaking JSON to a tracker: no cookie, no redirect followed (a credential goes where it is
//! declared to go and nowhere else), a bound on time and size, and of every failure whether
//! anything can have arrived.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use contract::error::causes;
use contract::{Kind, Secret, StartError, ToolError};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::tracker::Lost;

/// The largest answer, in bytes.
pub(crate) const LARGEST: usize = 4 << 20;

/// A client for one tracker.
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
    patience: Duration,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// `x-total`, `x-next-page` and the like.
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

/// Connections with TLS where the address says `https`.
pub(crate) fn connector(
    url: &Uri,
    ca: Option<&Path>,
) -> Result<HttpsConnector<HttpConnector>, StartError> {
    let is_secure = url.scheme_str() == Some("https");
    let roots = if is_secure { roots(ca)? } else { RootCertStore::empty() };
    let provider = rustls::crypto::ring::default_provider();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::new(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
    Ok(builder.https_or_http().enable_http1().build())
}

/// The system's authorities, and those of a file.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let Some(path) = ca else { return Ok(roots) };
    let fault = |why: String| StartError::new(format!("ca: {}: {why}", path.display()));
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| fault(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        roots.add(certificate).map_err(|error| fault(error.to_string()))?;
    }
    Ok(roots)
}

/// The address of a tracker: `https`, or `http` on this machine.
pub(crate) fn address(url: &str) -> Result<Uri, StartError> {
    let fault = |why: &str| StartError::new(format!("url: `{url}` {why}"));
    let uri: Uri = url.parse().map_err(|_| fault("is no address; write https://host"))?;
    let host = uri.host().unwrap_or_default();
    let is_here = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    match uri.scheme_str() {
        _ if host.is_empty() => Err(fault("names no host; write https://host")),
        _ if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err(fault("holds a user; write it as `user`, and the secret as `token`"))
        }
        _ if uri.query().is_some() => Err(fault("has a query; write the address alone")),
        Some("https") => Ok(uri),
        Some("http") if is_here => Ok(uri),
        Some("http") => Err(fault("would send the credential in the clear; write https://")),
        _ => Err(fault("is no address; write https://host")),
    }
}

/// The port of an address.
pub(crate) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

/// A header that is not shown by `Debug`.
pub(crate) fn sensitive(text: &str) -> Result<HeaderValue, StartError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| StartError::new("token: it holds characters that no header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Basic` of RFC 7617.
pub(crate) fn basic(user: &str, password: &Secret) -> Result<HeaderValue, StartError> {
    use base64::Engine as _;
    let pair = format!("{user}:{}", password.expose());
    sensitive(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

impl Http {
    pub(crate) fn new(
        url: &Uri,
        authorization: HeaderValue,
        ca: Option<&Path>,
        patience: Duration,
    ) -> Result<Self, StartError> {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector(url, ca)?);
        let base = url.to_string().trim_end_matches('/').to_owned();
        Ok(Self { client, base, authorization, patience })
    }

    /// Asks; what comes back is told whatever its status.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, ToolError> {
        self.ask(Method::GET, path, None).await.map_err(unanswered)
    }

    /// Sends something that has an effect.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Lost> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Asks by POST what has no effect.
    pub(crate) async fn query(&self, path: &str, body: &Value) -> Result<Answer, ToolError> {
        self.ask(Method::POST, path, Some(body)).await.map_err(unanswered)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Lost> {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "suite");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(bytes))
            .map_err(|error| Lost::Nothing(ToolError::internal(error)))?;
        let asked = async {
            let response = self.client.request(request).await.map_err(|error| lost(&error))?;
            read(response).await
        };
        in_time(self.patience, asked).await
    }
}

/// An answer within this time; what takes longer may have arrived.
pub(crate) async fn in_time<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, Lost>>,
) -> Result<T, Lost> {
    let late = || Lost::Unknown(format!("no answer within {} s", patience.as_secs()));
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Reads an answer. One that breaks off says nothing about what was done.
pub(crate) async fn read<B>(response: Response<B>) -> Result<Answer, Lost>
where
    B: http_body::Body,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (parts, body) = response.into_parts();
    let status = parts.status;
    let broken = |why: String| {
        // A refusal is one, whether its explanation arrived or not.
        if status.is_client_error() { None } else { Some(Lost::Unknown(why)) }
    };
    let bytes = match Limited::new(body, LARGEST).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => match broken(format!("the answer broke off: {error}")) {
            Some(lost) => return Err(lost),
            None => Bytes::new(),
        },
    };
    let body = match serde_json::from_slice(&bytes) {
        Ok(body) => body,
        Err(error) if status.is_success() && !bytes.is_empty() => {
            return Err(Lost::Unknown(format!("the answer is no JSON: {error}")));
        }
        Err(_) => Value::Null,
    };
    let retry_after = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.trim().parse().ok());
    Ok(Answer {
        status,
        retry_after: retry_after.map(|seconds: u64| Duration::from_secs(seconds.min(86_400))),
        headers: parts.headers,
        body,
    })
}

/// Of a failure, whether anything can have arrived: not where there was no connection.
pub(crate) fn lost(error: &(dyn Error + 'static)) -> Lost {
    let mut at = Some(error);
    while let Some(cause) = at {
        if cause
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
        {
            let message = "the tracker cannot be reached, so nothing was sent; try again later.";
            let error = ToolError::unavailable(message, causes(error));
            return Lost::Nothing(error.retry_after(Duration::from_secs(30)));
        }
        at = cause.source();
    }
    Lost::Unknown(causes(error))
}

/// A question without an answer.
pub(crate) fn unanswered(lost: Lost) -> ToolError {
    match lost {
        Lost::Nothing(error) if error.kind == Kind::Unavailable => ToolError {
            message: "the tracker cannot be reached; try again later.".to_owned(),
            ..error
        },
        Lost::Nothing(error) => error,
        Lost::Unknown(why) => {
            let message = "the tracker gave no usable answer; try again.";
            ToolError::unavailable(message, why).retry_after(Duration::from_secs(10))
        }
    }
}

impl Answer {
    /// The body of a success; otherwise what the refusal means. `what` was asked for.
    pub(crate) fn success(self, what: &str) -> Result<Self, ToolError> {
        if self.status.is_success() { Ok(self) } else { Err(self.refusal(what)) }
    }

    /// Something that was sent: a refusal is certain, a fault of the server is not.
    pub(crate) fn receipt(self, what: &str) -> Result<Self, Lost> {
        if self.status.is_success() {
            return Ok(self);
        }
        if self.status.is_server_error() {
            return Err(Lost::Unknown(format!("the tracker answered {}", self.status)));
        }
        Err(Lost::Nothing(self.refusal(what)))
    }

    /// What a refusal means to the caller; what the tracker said goes to the log.
    fn refusal(&self, what: &str) -> ToolError {
        let said: String = self.body.to_string().chars().take(500).collect();
        let log = format!("{what}: {} {said}", self.status);
        let is_limit = self.status == StatusCode::TOO_MANY_REQUESTS
            || (self.status == StatusCode::FORBIDDEN && self.retry_after.is_some());
        let (kind, message) = match self.status {
            _ if is_limit => {
                (Kind::Limited, "the tracker asks for patience; nothing was done.".to_owned())
            }
            StatusCode::UNAUTHORIZED => (
                Kind::Unavailable,
                "the tracker does not accept the credential; tell the operator.".to_owned(),
            ),
            StatusCode::FORBIDDEN => (
                Kind::Denied,
                format!(
                    "the tracker does not let this server do that ({what}); tell the operator."
                ),
            ),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                (Kind::NotFound, format!("the tracker has no such thing ({what})."))
            }
            status if status.is_client_error() => {
                (Kind::Invalid, format!("the tracker refuses it ({what}): {}", self.reasons()))
            }
            _ => (Kind::Unavailable, "the tracker has a fault; try again later.".to_owned()),
        };
        let error = ToolError { log: Some(log), ..ToolError::new(kind, message) };
        let after = self.retry_after.or(is_limit.then_some(Duration::from_mins(1)));
        match after {
            Some(after) => error.retry_after(after),
            None => error,
        }
    }

    /// Why it was refused, in the tracker's words, made harmless.
    fn reasons(&self) -> String {
        let mut words = Vec::new();
        let mut pending = vec![&self.body];
        while let Some(value) = pending.pop() {
            match value {
                Value::String(text) => words.push(text.as_str()),
                Value::Array(all) => pending.extend(all.iter().rev()),
                Value::Object(all) => {
                    let kept = all.iter().filter(|(key, _)| !key.ends_with("url"));
                    pending
                        .extend(kept.map(|(_, value)| value).collect::<Vec<_>>().into_iter().rev());
                }
                _ => {}
            }
        }
        let text: String = words.join(", ").chars().take(200).collect();
        contract::text::visible(&text.replace(['\n', '\r', '<', '>'], " ")).into_owned()
    }
}

/// A part of a path or of a query, encoded.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
