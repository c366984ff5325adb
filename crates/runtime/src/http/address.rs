//! The server's public address (the *resource* of RFC 8707), and where its metadata stands.

use std::net::{IpAddr, SocketAddr};

use http::Uri;

use super::PATH;

/// Before the path of the resource (RFC 9728, 3.1).
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The address that clients call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    origin: String,
    host: String,
    path: String,
}

impl Address {
    /// Reads an address such as `https://mcp.acme.example/docs/mcp`. The error says what it must
    /// be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` {why}, such as \"https://mcp.acme.example/mcp\"");
        let uri: Uri = text.parse().map_err(|_| wrong("is no web address"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("is no web address: it has no https:// or no host"));
        };
        if has_wrong_port(authority) {
            return Err(wrong("has no port between 1 and 65535 after its `:`"));
        }
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_matches(['[', ']']);
        let is_here =
            bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
        match scheme {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(wrong("must begin with https:// (http:// only on this machine)")),
        }
        if uri.query().is_some() || text.contains('#') || authority.as_str().contains('@') {
            return Err(wrong("must be an address without query, fragment and user"));
        }
        Ok(Self {
            text: text.to_owned(),
            origin: format!("{scheme}://{}", authority.as_str().to_ascii_lowercase()),
            path: uri.path().trim_end_matches('/').to_owned(),
            host,
        })
    }

    /// The address of a server that says none: where it listens.
    pub fn listening(at: SocketAddr, is_tls: bool) -> Self {
        let origin = format!("{}://{at}", if is_tls { "https" } else { "http" });
        let host = match at.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { text: format!("{origin}{PATH}"), origin, host, path: PATH.to_owned() }
    }

    /// The address itself: the `resource` of tokens and metadata.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, as a `Host` header names it, without port.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Scheme, host and port, as an `Origin` header names them.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Where the metadata of this resource stands (RFC 9728, 3.1).
    pub(super) fn metadata(&self) -> String {
        format!("{}{WELL_KNOWN}{}", self.origin, self.path)
    }

    /// The paths that this server answers with its metadata.
    pub(super) fn metadata_paths(&self) -> Vec<String> {
        let mut paths = vec![WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}{PATH}")];
        let own = format!("{WELL_KNOWN}{}", self.path);
        // A proxy may have taken a part of the path away, and else passes it on.
        if !paths.contains(&own) && !own.contains(['{', '}']) {
            paths.push(own);
        }
        paths
    }
}

/// Whether what follows the host is no port: the parser of addresses takes any number, and none.
pub(crate) fn has_wrong_port(authority: &http::uri::Authority) -> bool {
    let text = authority.as_str();
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let after = text.rsplit_once(']').map_or(text, |(_, after)| after);
    after.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_stands_between_host_and_path() {
        let check = |text: &str, at: &str| {
            let address = Address::parse(text).expect("an address");
            assert_eq!((address.metadata().as_str(), address.as_str()), (at, text));
        };
        let well_known = "https://a.example/.well-known/oauth-protected-resource";
        check("https://a.example/mcp", &format!("{well_known}/mcp"));
        check("https://a.example/docs/mcp", &format!("{well_known}/docs/mcp"));
        check("https://a.example", well_known);
        check("https://a.example/", well_known);
        check(
            "http://127.0.0.1:8080/mcp",
            "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp",
        );
        let listening = Address::listening(([127, 0, 0, 1], 80).into(), false);
        assert_eq!(listening.as_str(), "http://127.0.0.1:80/mcp");
    }

    #[test]
    fn an_address_that_cannot_be_a_resource_is_refused() {
        for wrong in [
            "",
            "mcp",
            "/mcp",
            "http://a.example/mcp",
            "ftp://a.example",
            "https://a.example/mcp?x",
            "https://a.example/mcp#x",
            "https://user@a.example/mcp",
            "http://127.0.0.1.example",
            "https://a.example:65536/mcp",
            "https://a.example:0/mcp",
            "https://a.example:/mcp",
            "https://[::1]:99999/mcp",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
