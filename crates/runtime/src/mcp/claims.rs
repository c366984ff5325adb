//! What a client says about itself and about a call, in `_meta` and in headers.

use contract::ToolError;
use contract::text::hex;
use rmcp::service::{RequestContext, RoleServer};
use sha2::{Digest as _, Sha256};

use crate::pipeline::Said;

/// The field of `_meta` that names the effect a call is for.
const IDEMPOTENCY_KEY: &str = "suite/idempotency-key";

/// An idempotency key that cannot be kept: who sends one relies on it.
pub(super) fn unusable_key(context: &RequestContext<RoleServer>) -> Option<ToolError> {
    let key = context.meta.get(IDEMPOTENCY_KEY)?;
    let is_text = key.as_str().is_some_and(|key| (1..=200).contains(&key.chars().count()));
    let message = format!("`_meta` field `{IDEMPOTENCY_KEY}` is a text of 1 to 200 characters.");
    (!is_text).then(|| ToolError::invalid(message))
}

/// The fields of `_meta` that speak about a call, each of at most 2,000 characters.
pub(super) fn said(context: &RequestContext<RoleServer>) -> Said {
    let field = |name: &str| {
        let text = context.meta.get(name)?.as_str()?;
        Some(text.chars().take(2_000).collect::<String>())
    };
    Said {
        trace: field("traceparent"),
        trace_state: field("tracestate"),
        request: Some(context.id.to_string().chars().take(100).collect()),
        session: session(context),
        user_request: field("suite/user-request"),
        idempotency_key: field(IDEMPOTENCY_KEY),
    }
}

/// What tells the session from others without being good for joining it.
fn session(context: &RequestContext<RoleServer>) -> Option<String> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    let id = parts.headers.get("mcp-session-id")?;
    Some(hex(&Sha256::digest(id.as_bytes())[..8]))
}

/// The name and version that the client gives itself, each of at most 100 characters: with the
/// request, or when it opened its session.
pub(super) fn claimed(context: &RequestContext<RoleServer>) -> (String, String) {
    let text = |text: &str| text.chars().take(100).collect::<String>();
    if let Some(claimed) = context.meta.get("io.modelcontextprotocol/clientInfo") {
        let field = |name: &str| claimed[name].as_str().map(text).unwrap_or_default();
        return (field("name"), field("version"));
    }
    let opened = context.peer.peer_info();
    let opened = opened.as_ref().map(|info| &info.client_info);
    opened.map(|info| (text(&info.name), text(&info.version))).unwrap_or_default()
}
