//! Speaking to the authorization server: its metadata (RFC 8414, OpenID Connect Discovery) and its
//! keys (RFC 7517). Nothing is sent but these questions: no token, no cookie, no redirect followed.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::OAuthError;

/// How long the issuer has for its answers, metadata and keys together.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;

/// The authorization server.
pub(super) struct Issuer {
    client: Client<HttpsConnector<HttpConnector>, Empty<&'static [u8]>>,
    identifier: String,
    jwks: Option<Uri>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("issuer", &self.identifier).finish_non_exhaustive()
    }
}

impl Issuer {
    pub(super) fn new(
        issuer: &str,
        jwks: Option<&str>,
        ca: Option<&Path>,
    ) -> Result<Self, OAuthError> {
        let at = address(issuer, "issuer")?;
        let jwks = jwks.map(|jwks| address(jwks, "jwks")).transpose()?;
        let is_secure = [Some(&at), jwks.as_ref()]
            .into_iter()
            .flatten()
            .any(|uri| uri.scheme_str() == Some("https"));
        let roots = if is_secure { roots(ca)? } else { RootCertStore::empty() };
        let provider = rustls::crypto::ring::default_provider();
        let tls = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| OAuthError::new("issuer", error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .build(connector);
        Ok(Self { client, identifier: issuer.to_owned(), jwks })
    }

    /// The TCP ports that must be reachable, as far as the settings tell: 443 for addresses that
    /// only the metadata names.
    pub(super) fn ports(&self) -> Vec<u16> {
        let own: Option<Uri> = self.identifier.parse().ok();
        let mut ports: Vec<u16> = own.iter().chain(&self.jwks).map(port).collect();
        if self.jwks.is_none() && own.is_some_and(|own| own.scheme_str() == Some("https")) {
            ports.push(443);
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// The issuer's keys as they are now.
    pub(super) async fn keys(&self) -> Result<Vec<Value>, String> {
        let late = |_| Err(format!("{}: no answer in {} s", self.identifier, PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, self.ask()).await.unwrap_or_else(late)
    }

    async fn ask(&self) -> Result<Vec<Value>, String> {
        let at = match &self.jwks {
            Some(at) => at.clone(),
            None => self.discover().await?,
        };
        let mut answer = self.get(&at).await.map_err(|why| self.explained(&at, why))?;
        match answer.get_mut("keys").map(Value::take) {
            Some(Value::Array(keys)) => Ok(keys),
            _ => Err(format!("{at} is no JSON Web Key Set: it has no list `keys`")),
        }
    }

    /// Why the keys cannot be had, with the remedy where that may be confinement: what metadata
    /// names is not known when the ports are chosen.
    fn explained(&self, at: &Uri, why: String) -> String {
        let ports = self.ports();
        if ports.contains(&port(at)) {
            return why;
        }
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        format!(
            "{why}; a confined server connects only to ports that servers.toml tells (now {}): \
             name this address as `identity.oauth.jwks`",
            ports.join(", ")
        )
    }

    /// Where the keys are, as the metadata says.
    async fn discover(&self) -> Result<Uri, String> {
        let mut why = String::new();
        for at in metadata(&self.identifier) {
            let answer = match self.get(&at).await {
                Ok(answer) => answer,
                Err(error) => {
                    why = error;
                    continue;
                }
            };
            if answer["issuer"].as_str() != Some(&self.identifier) {
                // RFC 8414, 3.3: it must not be used.
                why = format!(
                    "{at} is the metadata of {}, not of {}",
                    answer["issuer"], self.identifier
                );
                continue;
            }
            let jwks = answer["jwks_uri"].as_str().unwrap_or_default();
            return address(jwks, "jwks_uri").map_err(|error| format!("{at}: {}", error.message));
        }
        Err(why)
    }

    async fn get(&self, at: &Uri) -> Result<Value, String> {
        let bytes = self.read(at).await.map_err(|why| format!("{at}: {why}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("{at} is not JSON: {error}"))
    }

    async fn read(&self, at: &Uri) -> Result<Vec<u8>, String> {
        let request = http::Request::get(at)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::USER_AGENT, concat!("suite/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response =
            self.client.request(request).await.map_err(|error| contract::error::causes(&error))?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("the answer is {}", response.status()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes().to_vec())
    }
}

/// Where metadata may stand: RFC 8414 puts its path before the issuer's, OpenID Connect after.
fn metadata(issuer: &str) -> impl Iterator<Item = Uri> {
    let after = issuer.find("://").map_or(0, |at| at + 3);
    let path = issuer[after..].find('/').map_or(issuer.len(), |at| after + at);
    let (host, path) = (&issuer[..path], issuer[path..].trim_end_matches('/'));
    [
        format!("{host}/.well-known/oauth-authorization-server{path}"),
        format!("{host}{path}/.well-known/openid-configuration"),
        format!("{host}/.well-known/openid-configuration{path}"),
    ]
    .into_iter()
    .filter_map(|uri| uri.parse().ok())
}

/// An address of the issuer: https, or http on this machine.
fn address(text: &str, key: &'static str) -> Result<Uri, OAuthError> {
    let uri: Uri =
        text.parse().map_err(|_| OAuthError::new(key, format!("`{text}` is no web address")))?;
    if uri.authority().is_some_and(has_wrong_port) {
        let message = format!("`{text}` has no port between 1 and 65535 after its `:`");
        return Err(OAuthError::new(key, message));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_here => Ok(uri),
        _ => {
            let message = format!(
                "`{text}` must begin with https:// (http:// only on this machine): who can change \
                 the keys on their way can be anybody"
            );
            Err(OAuthError::new(key, message))
        }
    }
}

/// Whether what follows the host is no port: the parser of addresses takes any number, and none.
fn has_wrong_port(authority: &http::uri::Authority) -> bool {
    let text = authority.as_str();
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let after = text.rsplit_once(']').map_or(text, |(_, after)| after);
    after.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().unwrap_or(0) == 0)
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

/// What is wrong with the addresses of the settings.
pub(super) fn mistakes(issuer: &str, jwks: Option<&str>) -> Vec<OAuthError> {
    let issuer = address(issuer, "issuer").err();
    let jwks = jwks.and_then(|jwks| address(jwks, "jwks").err());
    issuer.into_iter().chain(jwks).collect()
}

/// The authorities that the system trusts, and those of the file.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, OAuthError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca {
        let wrong = |why: String| OAuthError::new("ca", format!("{}: {why}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    if roots.is_empty() {
        let message = "this system trusts no certificate authority; install `ca-certificates`, or \
                       name the issuer's by `ca`";
        return Err(OAuthError::new("issuer", message.to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_asked_for_where_the_two_rules_say() {
        let places = |issuer| metadata(issuer).map(|uri| uri.to_string()).collect::<Vec<_>>();
        assert_eq!(
            places("https://id.example/tenant/")[..2],
            [
                "https://id.example/.well-known/oauth-authorization-server/tenant",
                "https://id.example/tenant/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            places("https://id.example:8443")[..2],
            [
                "https://id.example:8443/.well-known/oauth-authorization-server",
                "https://id.example:8443/.well-known/openid-configuration"
            ]
        );
    }

    #[test]
    fn the_ports_are_those_of_the_issuer_and_its_keys() {
        let ports = |issuer, jwks| Issuer::new(issuer, jwks, None).expect("an issuer").ports();
        assert_eq!(ports("http://127.0.0.1:29400", None), [29400]);
        assert_eq!(ports("http://localhost", Some("http://localhost:81/jwks")), [80, 81]);
        assert_eq!(ports("https://id.example:8443/x", None), [443, 8443]);
        let named = Some("https://id.example:8443/jwks");
        assert_eq!(ports("https://id.example:8443", named), [8443]);
    }

    #[test]
    fn keys_at_a_port_that_nobody_named_have_a_remedy() {
        let issuer = Issuer::new("http://127.0.0.1:29400", None, None).expect("an issuer");
        let explained =
            |at: &str| issuer.explained(&at.parse().expect("an address"), "refused".to_owned());
        assert_eq!(explained("http://127.0.0.1:29400/jwks"), "refused");
        let why = explained("http://127.0.0.1:29401/jwks");
        assert!(why.contains("`identity.oauth.jwks`") && why.contains("(now 29400)"), "{why}");
    }

    #[test]
    fn an_issuer_is_reached_by_https_or_on_this_machine() {
        for right in
            ["https://id.example", "http://127.0.0.1:29400", "http://[::1]:1/x", "http://localhost"]
        {
            address(right, "issuer").expect(right);
        }
        for wrong in
            ["http://id.example", "http://127.0.0.1.example", "ftp://id.example", "id.example", ""]
        {
            address(wrong, "issuer").expect_err(wrong);
        }
        for port in ["99999", "65536", "0", ""] {
            address(&format!("https://id.example:{port}/x"), "issuer").expect_err(port);
            address(&format!("https://[::1]:{port}"), "issuer").expect_err(port);
        }
    }
}
