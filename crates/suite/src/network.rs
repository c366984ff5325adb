//! What servers.toml says about HTTP and identity: checked with the rest of the file, and made
//! ready before the process is confined, when files and addresses can still be had.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use auth::oauth::OAuthError;
use auth::{Authenticator, Keys, OAuth, OAuthSettings};
use config::{Config, Fault, Faults};
use contract::SecretRef;
use runtime::http::{self, Address, Options, Protection, Tls};
use serde_json::Value;

use crate::assemble;
use crate::settings::Http;

/// HTTP, ready to be served.
pub(crate) struct Network {
    /// The address, taken.
    pub(crate) listener: TcpListener,
    /// Everything else.
    pub(crate) options: Options,
    /// The TCP ports that checking credentials needs.
    pub(crate) connect: Vec<u16>,
}

impl Network {
    /// Takes the address and reads certificates. The configuration is checked already.
    pub(crate) fn open(config: &Config, server: &str, at: SocketAddr) -> anyhow::Result<Self> {
        let place = format!("/servers/{server}/http");
        let http: Http = config.get(&place).map_err(Faults::one)?;
        let identity: auth::Settings = config.get("/identity").map_err(Faults::one)?;
        let protection = Protection {
            is_identified: identity.keys || identity.oauth.is_some(),
            is_private: http.certificate.is_some() || !http.proxies.is_empty(),
        };
        let listener = http::bind(at, protection)?;
        let bound = listener.local_addr().context("the address cannot be told")?;
        let tls = tls(config, &place, &http).map_err(Faults::one)?;
        let address = match &http.url {
            Some(url) => parse(config, &format!("{place}/url"), url, Address::parse)?,
            None => Address::listening(bound, tls.is_some()),
        };
        let keys = identity.keys.then(|| keys(config)).transpose()?;
        let oauth = match &identity.oauth {
            Some(settings) => Some(oauth(config, settings, &address, http.scopes)?),
            None => None,
        };
        let connect = oauth.as_ref().map(OAuth::ports).unwrap_or_default();
        let proxies = http.proxies.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let options = Options {
            hosts: http.hosts,
            origins: http.origins,
            sessions: http.sessions,
            address: Some(address),
            authenticator: Authenticator::new(keys, oauth).map(Arc::new),
            tls,
            proxies,
        };
        Ok(Self { listener, options, connect })
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.options.tls.is_some() { "https" } else { "http" }
    }
}

/// The API keys of this installation.
pub(crate) fn keys(config: &Config) -> Result<Keys, Faults> {
    Ok(Keys::new(&assemble::folder(config, "suite")?))
}

fn tls(config: &Config, place: &str, http: &Http) -> Result<Option<Tls>, Fault> {
    let (Some(certificate), Some(key)) = (&http.certificate, &http.key) else { return Ok(None) };
    let wrong = |key: &str, why: String| config.fault(&format!("{place}/{key}"), None, why);
    let secret =
        config::reader(config.base())(key).map_err(|error| wrong("key", error.to_string()))?;
    let tls = Tls::new(&config.base().join(certificate), &secret);
    Ok(Some(tls.map_err(|why| wrong("certificate", why))?))
}

fn oauth(
    config: &Config,
    settings: &OAuthSettings,
    address: &Address,
    scopes: Vec<String>,
) -> Result<OAuth, Faults> {
    OAuth::new(settings, &config.base(), address.as_str(), scopes)
        .map_err(|error| Faults::one(misplaced(config, error)))
}

fn misplaced(config: &Config, error: OAuthError) -> Fault {
    config.fault("/identity/oauth", Some(error.key), error.message)
}

fn parse<T>(
    config: &Config,
    place: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Faults> {
    parse(text).map_err(|why| Faults::one(config.fault(place, None, why)))
}

/// Every mistake that the schema cannot see in `[identity]` and the servers' tables `http`.
pub(crate) fn check(config: &Config) -> Faults {
    let mut faults = Faults::default();
    let identity: auth::Settings = match config.get("/identity") {
        Ok(identity) => identity,
        Err(fault) => return Faults::one(fault),
    };
    if let Some(oauth) = &identity.oauth {
        faults.extend(oauth.mistakes().into_iter().map(|error| misplaced(config, error)));
        check_roles(config, oauth, &mut faults);
    }
    let servers = config.raw("/servers").and_then(Value::as_object);
    for server in servers.into_iter().flat_map(serde_json::Map::keys) {
        let place = format!("/servers/{}/http", config::escape(server));
        match config.get::<Http>(&place) {
            Ok(http) => check_http(config, &place, &http, &identity, &mut faults),
            Err(fault) => faults.push(fault),
        }
    }
    faults
}

/// Files that [`Network::open`] would refuse. Not part of [`check`], which runs again where the
/// process may not read them any more.
pub(crate) fn unreadable(config: &Config, server: &str) -> Vec<Fault> {
    let place = format!("/servers/{}/http", config::escape(server));
    let (Ok(http), Ok(identity)) =
        (config.get::<Http>(&place), config.get::<auth::Settings>("/identity"))
    else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    match &http.key {
        Some(SecretRef::File(_)) => faults.extend(tls(config, &place, &http).err()),
        // What only the service's own environment has cannot be asked for here.
        _ => faults.extend(http.certificate.iter().filter_map(|file| {
            let error = std::fs::File::open(config.base().join(file)).err()?;
            let message = format!("{}: {error}", file.display());
            Some(config.fault(&format!("{place}/certificate"), None, message))
        })),
    }
    if let Some(settings) = identity.oauth.as_ref().filter(|settings| settings.ca.is_some()) {
        let made = OAuth::new(settings, &config.base(), "https://suite.invalid", http.scopes);
        faults.extend(made.err().map(|error| misplaced(config, error)));
    }
    faults
}

/// The roles that scopes bring must exist.
fn check_roles(config: &Config, oauth: &OAuthSettings, faults: &mut Faults) {
    let known = names(config, "/roles");
    for (scope, roles) in &oauth.scopes {
        for (index, role) in roles.iter().enumerate().filter(|(_, role)| !known.contains(role)) {
            let place = format!("/identity/oauth/scopes/{}/{index}", config::escape(scope));
            let message = format!("role {}", contract::schema::unknown(role, &known));
            faults.push(config.fault(&place, None, message));
        }
    }
}

fn check_http(
    config: &Config,
    place: &str,
    http: &Http,
    identity: &auth::Settings,
    faults: &mut Faults,
) {
    let mut wrong = |key: &str, message: String| {
        faults.push(config.fault(&format!("{place}/{key}"), None, message));
    };
    if let Some(Err(why)) = http.url.as_deref().map(Address::parse) {
        wrong("url", why);
    }
    match (&http.certificate, &http.key) {
        (Some(_), None) => wrong("certificate", "add `key`: where its private key is".to_owned()),
        (None, Some(_)) => wrong("key", "add `certificate`: the PEM file it belongs to".to_owned()),
        _ => {}
    }
    for (index, proxy) in http.proxies.iter().enumerate() {
        if proxy.parse::<ipnet::IpNet>().is_err() {
            let message =
                format!("`{proxy}` is no network such as \"10.0.0.0/8\" or \"10.1.2.3/32\"");
            wrong(&format!("proxies/{index}"), message);
        }
    }
    for (index, origin) in http.origins.iter().enumerate().filter(|(_, origin)| !can_match(origin))
    {
        let message = format!(
            "`{origin}` is no web origin: scheme, host and port without a path, such as \
             \"https://app.example\" or \"http://localhost:6274\""
        );
        wrong(&format!("origins/{index}"), message);
    }
    if !http.scopes.is_empty() && identity.oauth.is_none() {
        let message = "scopes are asked of access tokens: add [identity.oauth]".to_owned();
        wrong("scopes", message);
    }
}

/// Whether a browser could send this as `Origin`: a scheme, a host, and perhaps a port (RFC 6454
/// section 6.2), or "null". The port `*` is any.
fn can_match(origin: &str) -> bool {
    let base = origin.strip_suffix(":*").unwrap_or(origin);
    let Some((_, rest)) = base.split_once("://") else { return origin == "null" };
    let uri = base.parse::<::http::Uri>().ok();
    let authority = uri.as_ref().and_then(::http::Uri::authority);
    // A host may be followed by nothing that is no port, nor come after a user.
    authority.is_some_and(|authority| {
        let host = authority.host();
        let port = rest.strip_prefix(host).unwrap_or(":");
        let has_port = port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        let is_port = port.is_empty() || (has_port && base == origin);
        authority.as_str() == rest && !host.is_empty() && host != "*" && is_port
    })
}

/// The keys of a table.
pub(crate) fn names(config: &Config, pointer: &str) -> Vec<String> {
    let table = config.raw(pointer).and_then(Value::as_object);
    table.into_iter().flat_map(serde_json::Map::keys).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for origin in [
            "https://app.example",
            "http://localhost:6274",
            "http://[::1]:8080",
            "app://x",
            "null",
            "http://localhost:*",
        ] {
            assert!(can_match(origin), "{origin}");
        }
        for origin in [
            "https://app.example/",
            "https://app.example/page",
            "app.example",
            "localhost:6274",
            "*",
            "null:*",
            "https://*",
            "https://a.example:443:*",
            "https://a.example:",
            "https://a.example:99999",
            "https://me@a.example",
            "https://a.example?x",
            "https://",
            " https://a.example",
        ] {
            assert!(!can_match(origin), "{origin}");
        }
    }
}
