//! Where traces and metrics are sent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use contract::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::http::has_wrong_port;

/// Where traces and metrics are sent, as servers.toml has it: a collector that speaks OTLP over
/// HTTP.
#[derive(Clone, Debug)]
pub struct Collector {
    endpoint: Uri,
    headers: HeaderMap,
    resource: BTreeMap<String, String>,
}

/// Headers that belong to the transport, of which a second one would spoil every request.
const OURS: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

impl Collector {
    /// A collector at an address without the path of a signal, such as <http://127.0.0.1:4318>,
    /// with the headers that it asks for, and with what tells this installation from others.
    ///
    /// The error is for the operator, with the remedy: the name of the header that is wrong, or
    /// `None` for the address.
    pub fn new(
        endpoint: &str,
        headers: &BTreeMap<String, Secret>,
        resource: BTreeMap<String, String>,
    ) -> Result<Self, (Option<String>, String)> {
        let endpoint = address(endpoint, !headers.is_empty()).map_err(|message| (None, message))?;
        let mut map = HeaderMap::new();
        for (name, secret) in headers {
            let wrong = |why: &str| (Some(name.clone()), format!("`{name}` {why}"));
            let key: HeaderName = name.parse().map_err(|_| wrong("is no name of a header"))?;
            if OURS.contains(&key.as_str()) {
                return Err(wrong("is set by the exporter itself: leave it out"));
            }
            if map.contains_key(&key) {
                return Err(wrong("is there twice: headers have no letter case"));
            }
            let mut value = HeaderValue::from_str(secret.expose().trim())
                .map_err(|_| wrong("has a value that no header can hold"))?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        Ok(Self { endpoint, headers: map, resource })
    }

    /// The TCP port that must be reachable.
    pub fn port(&self) -> u16 {
        self.endpoint.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    pub(super) fn is_secure(&self) -> bool {
        self.endpoint.scheme_str() == Some("https")
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn resource(&self) -> &BTreeMap<String, String> {
        &self.resource
    }

    /// The address, or that of one signal.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.to_string().trim_end_matches('/'))
    }
}

/// A collector's address. Its headers are secrets, which do not go through a network in the clear.
fn address(text: &str, has_secrets: bool) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("`{text}` is no web address such as \"http://127.0.0.1:4318\""))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("put the password into `headers`: an address is no secret".to_owned());
    }
    if uri.authority().is_some_and(has_wrong_port) {
        return Err("its port must be between 1 and 65535".to_owned());
    }
    if ["/v1/traces", "/v1/metrics", "/v1/logs"]
        .iter()
        .any(|signal| uri.path().trim_end_matches('/').ends_with(signal))
    {
        return Err(
            "leave out the path of a signal: /v1/traces and /v1/metrics are added".to_owned()
        );
    }
    if uri.query().is_some() || host.is_empty() || text.contains('#') {
        return Err("name scheme, host and port, such as \"http://127.0.0.1:4318\"".to_owned());
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_here || !has_secrets => Ok(uri),
        Some("http") => {
            Err("`headers` are secrets: send them to https://, or to this machine".to_owned())
        }
        _ => Err("it must begin with http:// or https://".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, has_secrets: bool, wrong: &str) {
        match address(text, has_secrets) {
            Ok(_) => assert_eq!(wrong, "", "{text}"),
            Err(message) => assert!(!wrong.is_empty() && message.contains(wrong), "{message}"),
        }
    }

    #[test]
    fn a_collector_is_a_plain_web_address() {
        check("http://127.0.0.1:4318", true, "");
        check("http://[::1]:4318/", true, "");
        check("http://otel.acme.example:4318", false, "");
        check("https://otel.acme.example/prefix", true, "");
        check("http://otel.acme.example:4318", true, "https://");
        check("https://user:secret@otel.acme.example", false, "`headers`");
        check("https://otel.acme.example/?token=x", false, "scheme, host and port");
        check("grpc://otel.acme.example", false, "http:// or https://");
        check("nonsense with spaces", false, "no web address");
        check("http://127.0.0.1:4318/#x", false, "scheme, host and port");
        check("http://127.0.0.1:4318/v1/traces", false, "path of a signal");
        check("https://otel.acme.example/prefix/v1/metrics/", false, "path of a signal");
        for port in ["65536", "0", ""] {
            check(&format!("http://127.0.0.1:{port}/"), false, "65535");
        }
    }

    #[test]
    fn headers_of_the_transport_and_two_of_one_name_are_refused() {
        let new = |names: &[&str]| {
            let header = |name: &&str| ((*name).to_owned(), Secret::new("x".to_owned()));
            let headers = names.iter().map(header).collect();
            Collector::new("http://127.0.0.1:4318", &headers, BTreeMap::new()).map(|_| ())
        };
        assert_eq!(new(&["X-Scope", "authorization"]), Ok(()));
        for wrong in ["Content-Type", "host", "content-length"] {
            let (name, message) = new(&[wrong]).expect_err(wrong);
            assert!(name.as_deref() == Some(wrong) && message.contains("itself"), "{message}");
        }
        let (_, message) = new(&["X-Scope", "x-scope"]).expect_err("twice");
        assert!(message.contains("twice"), "{message}");
    }

    #[test]
    fn a_wrong_header_is_named_and_no_value_shown() {
        let new = |name: &str, value: &str| {
            let headers = BTreeMap::from([(name.to_owned(), Secret::new(value.to_owned()))]);
            Collector::new("http://127.0.0.1:4318/", &headers, BTreeMap::new())
        };
        let (name, message) = new("a b", "hunter2").expect_err("no name");
        assert_eq!(
            (name.as_deref(), message.as_str()),
            (Some("a b"), "`a b` is no name of a header")
        );
        let (_, message) = new("authorization", "hunter2\nx").expect_err("two lines");
        assert!(!message.contains("hunter2"), "{message}");
        let collector = new("authorization", "Bearer hunter2\n").expect("a collector");
        assert!(!format!("{collector:?}").contains("hunter2"), "{collector:?}");
        assert_eq!(collector.port(), 4318);
        assert_eq!(collector.address("/v1/traces"), "http://127.0.0.1:4318/v1/traces");
    }
}
