//! Who calls: asked before anything of a request is parsed. What comes after sees the identity,
//! never the credential.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use auth::{Authenticator, Refusal};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use contract::Identity;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::challenge::{Challenge, too_many};
use super::leftover::unread;
use super::listener::{Peer, is_within};
use super::refused::Refused;
use super::sessions::Capped;

/// The header of the session of a revision before 2026-07-28.
static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
static FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is needed to tell who calls.
pub(super) struct Gate {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) challenge: Challenge,
    pub(super) refused: Arc<Refused>,
    pub(super) sessions: Arc<Capped>,
    pub(super) proxies: Arc<[IpNet]>,
}

/// Lets a request pass with its identity, or refuses it.
pub(super) async fn identify(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let checked = match credential(request.headers()) {
        Ok(credential) => gate.authenticator.check(credential).await,
        Err(refusal) => Err(refusal),
    };
    let identity = match checked {
        Ok(identity) => identity,
        Err(refusal) => {
            let response = gate.refuse(&refusal, gate.origin(peer, request.headers()));
            return unread(request, response).await;
        }
    };
    request.headers_mut().remove(header::AUTHORIZATION);
    gate.keep_to_own_session(request.headers_mut(), &identity);
    request.extensions_mut().insert(Arc::clone(&identity));
    let response = next.run(request).await;
    if let Some(session) = response.headers().get(&SESSION) {
        gate.sessions.bind(session, &identity.name).await;
    }
    response
}

impl Gate {
    fn refuse(&self, refusal: &Refusal, peer: IpAddr) -> Response {
        let (status, code) = Challenge::status(refusal);
        let is_wrong = matches!(refusal, Refusal::Invalid(_) | Refusal::Malformed(_));
        if is_wrong && self.refused.is_too_many(peer) {
            self.refused.tell(format!("429 from {peer}: too many wrong credentials; {refusal}"));
            return too_many();
        }
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        self.refused.tell(format!("{}{code} from {peer}: {refusal}", status.as_u16()));
        self.challenge.answer(refusal)
    }

    /// A session of somebody else is as unknown as one that never was: the request goes on with
    /// an id that no session has.
    fn keep_to_own_session(&self, headers: &mut HeaderMap, identity: &Identity) {
        let foreign = |id: &HeaderValue| !self.sessions.is_of(id, &identity.name);
        if headers.get(&SESSION).is_some_and(foreign) {
            headers.insert(&SESSION, HeaderValue::from_static("none"));
        }
    }

    /// The address a request comes from: behind a proxy, what the nearest one says.
    pub(super) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !is_within(&self.proxies, peer) {
            return peer;
        }
        let lines = headers.get_all(&FORWARDED).iter().filter_map(|line| line.to_str().ok());
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let addresses = hops.iter().rev().map_while(|hop| hop_address(hop));
        let mut origin = peer;
        for address in addresses {
            origin = address;
            if !is_within(&self.proxies, address) {
                break;
            }
        }
        origin
    }
}

/// The address of one hop: some proxies write its port, too.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|at| at.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(with_port).or_else(bracketed)
}

/// The credential of the request (RFC 6750, 2.1): in one header, never in the address or body.
fn credential(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Refusal::Missing),
        (Some(value), None) => value,
        _ => return Err(Refusal::Malformed("there is more than one Authorization header")),
    };
    let malformed =
        Refusal::Malformed("the Authorization header must be `Bearer` and a credential");
    let Ok(text) = value.to_str() else { return Err(malformed) };
    let (scheme, credential) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Credentials of another scheme say nothing here.
        return Err(Refusal::Missing);
    }
    let credential = credential.trim();
    if credential.is_empty() || credential.contains(' ') { Err(malformed) } else { Ok(credential) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&'static str], expected: Result<&str, &str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
        }
        let found = credential(&headers).map_err(|refusal| refusal.to_string());
        match expected {
            Ok(credential) => assert_eq!(found, Ok(credential)),
            Err(why) => assert!(found.clone().is_err_and(|text| text.contains(why)), "{found:?}"),
        }
    }

    #[test]
    fn a_hop_is_an_address_with_or_without_its_port() {
        for (hop, address) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
        ] {
            assert_eq!(hop_address(hop), address.parse().ok(), "{hop}");
        }
        for wrong in ["", "unknown", "_hidden", "192.0.2.7:x", "a.example:80"] {
            assert_eq!(hop_address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_credential_stands_in_one_header() {
        check(&["Bearer abc.def"], Ok("abc.def"));
        check(&["bearer  abc "], Ok("abc"));
        check(&[], Err("no credential"));
        check(&["Bearer a", "Bearer b"], Err("more than one"));
        for wrong in ["Bearer", "Bearer ", "Bearer a b"] {
            check(&[wrong], Err("must be `Bearer`"));
        }
        for other in ["Basic YTpi", "abc", "DPoP abc"] {
            check(&[other], Err("no credential"));
        }
    }
}
