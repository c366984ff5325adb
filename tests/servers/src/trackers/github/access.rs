//! Who asks, and what they may see.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::interface::Call;
use super::super::store::Store;

/// The token of a request.
pub(super) fn bearer(call: &Call) -> Option<&str> {
    let given = call.header("authorization")?;
    given.strip_prefix("Bearer ").or_else(|| given.strip_prefix("token "))
}

/// The repositories that a token may see, if it is one.
pub(super) fn visible(store: &Store, token: &str) -> Option<Vec<usize>> {
    let all = || (0..store.projects.len()).collect();
    if token == store.token { Some(all()) } else { store.granted.get(token).cloned() }
}

/// Whether this is an application's own token: signed with RS256, with an issuer, for ten minutes
/// at most. The signature itself is not checked.
pub(super) fn is_app_token(token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { return false };
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (Some(head), Some(claims)) = (read(head), read(claims)) else { return false };
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (issued, expires) =
        (claims["iat"].as_u64().unwrap_or(u64::MAX), claims["exp"].as_u64().unwrap_or(0));
    let named = claims["iss"].is_string() || claims["iss"].is_u64();
    let in_time = issued <= now + 60 && expires > now && expires <= now + 600;
    head["alg"] == "RS256" && named && in_time && !signature.is_empty()
}
