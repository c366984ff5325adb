//! What a caller without a credential that counts is told: RFC 6750, 3 and RFC 9728, 5.1.

use auth::{Authenticator, Refusal};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::address::Address;
use super::json;
use crate::stdio::error;

/// The seconds after which a caller may try again when nobody could tell, or too often nobody
/// counted.
const LATER: &str = "10";

/// How this server asks for credentials.
#[derive(Debug)]
pub(super) struct Challenge {
    /// Parameters that every challenge has: where the metadata is, and the scopes.
    common: String,
}

impl Challenge {
    pub(super) fn new(authenticator: &Authenticator, address: &Address, server: &str) -> Self {
        let Some(oauth) = authenticator.oauth() else {
            // Without an authorization server there is nothing to discover.
            return Self { common: format!("realm=\"suite {server}\"") };
        };
        let mut common = format!("resource_metadata=\"{}\"", quotable(&address.metadata()));
        if !oauth.required().is_empty() {
            common.push_str(&format!(", scope=\"{}\"", quotable(&oauth.required().join(" "))));
        }
        Self { common }
    }

    /// The status, and the error code of RFC 6750 where one is sent.
    pub(super) fn status(refusal: &Refusal) -> (StatusCode, Option<&'static str>) {
        match refusal {
            Refusal::Missing => (StatusCode::UNAUTHORIZED, None),
            Refusal::Malformed(_) => (StatusCode::BAD_REQUEST, Some("invalid_request")),
            Refusal::Invalid(_) => (StatusCode::UNAUTHORIZED, Some("invalid_token")),
            Refusal::Scope(_) => (StatusCode::FORBIDDEN, Some("insufficient_scope")),
            Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
        }
    }

    /// The answer to a request that is refused.
    pub(super) fn answer(&self, refusal: &Refusal) -> Response {
        let (status, code) = Self::status(refusal);
        let text = refusal.to_string();
        let mut response = json(status, &error(&Value::Null, -32000, &text));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(LATER));
            return response;
        }
        let challenge = match code {
            None => format!("Bearer {}", self.common),
            Some(code) => format!(
                "Bearer error=\"{code}\", error_description=\"{}\", {}",
                quotable(&text),
                self.common
            ),
        };
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The answer to one more refused credential from an address that sent too many.
pub(super) fn too_many() -> Response {
    let text = format!("too many wrong credentials from this address; retry after {LATER} s");
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, &error(&Value::Null, -32000, &text));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(LATER));
    response
}

/// The metadata of this protected resource (RFC 9728, 2); `None` where tokens do not count.
pub(super) fn metadata(
    authenticator: &Authenticator,
    address: &Address,
    server: &str,
) -> Option<Value> {
    let oauth = authenticator.oauth()?;
    Some(json!({
        "resource": address.as_str(),
        "authorization_servers": [oauth.issuer()],
        "scopes_supported": oauth.scopes(),
        "bearer_methods_supported": ["header"],
        "resource_name": format!("suite {server}"),
    }))
}

/// What may stand within quotes in these parameters (RFC 6750, 3).
fn quotable(text: &str) -> String {
    let replace = |c: char| match c {
        '"' | '\\' | '`' => '\'',
        ' '..='~' => c,
        _ => '?',
    };
    text.chars().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_leave_its_quotes() {
        assert_eq!(quotable("a\"b\\c`d\r\né"), "a'b'c'd???");
    }
}
