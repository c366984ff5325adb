//! The page where a person decides about a stored call: what hosts that open pages are sent to.
//!
//! It shows nothing before a credential that may decide was given, holds no session and no script,
//! and takes the credential again with the decision. The console will be more; this is enough for
//! a yes that no agent can give.

use std::net::IpAddr;
use std::sync::Arc;

use auth::Refusal;
use axum::Router;
use axum::extract::{ConnectInfo, Form, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contract::text::visible;
use contract::{Client, Identity};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;
use state::approvals::{State as Standing, Stored};

use super::identify::Gate;
use super::leftover::unread;
use super::listener::Peer;
use super::metrics::names;
use crate::Pipeline;
use crate::approvals::{DecideError, thanks};

/// The path of the pages; an approval's identity follows.
pub const APPROVALS: &str = "/approvals";

/// What the pages need.
pub(super) struct Pages {
    pub(super) pipeline: Pipeline,
    pub(super) gate: Arc<Gate>,
    /// The hosts that requests may name.
    pub(super) hosts: Vec<String>,
    /// This server's own origin, and those that servers.toml lists.
    pub(super) origins: Vec<String>,
}

/// The routes of the pages.
pub(super) fn routes(pages: Pages) -> Router {
    let path = format!("{APPROVALS}/{{id}}");
    let pages = Arc::new(pages);
    Router::new()
        .route(&path, get(first).post(decide))
        .layer(from_fn_with_state(Arc::clone(&pages), is_ours))
        .with_state(pages)
}

/// What the person sends.
#[derive(Deserialize)]
struct Sent {
    key: String,
    #[serde(default)]
    decision: String,
    #[serde(default)]
    reason: String,
}

/// Whether a request names this host, and comes from a page of ours.
async fn is_ours(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    let (headers, authority) = (request.headers(), request.uri().authority());
    if !names(headers, authority, &pages.hosts) {
        let no = page(StatusCode::FORBIDDEN, "Not this host", "<p>It is not served here.</p>");
        return unread(request, no).await;
    }
    let named = pages.pipeline.named_page();
    let named = named.as_deref().and_then(origin);
    let is_known = |origin: &str| {
        named.as_deref() == Some(origin) || pages.origins.iter().any(|known| known == origin)
    };
    let from = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if from.is_some_and(|from| !is_known(from)) {
        let no =
            page(StatusCode::FORBIDDEN, "Not from here", "<p>The form is of another site.</p>");
        return unread(request, no).await;
    }
    next.run(request).await
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> Option<String> {
    let address: Uri = address.parse().ok()?;
    Some(format!("{}://{}", address.scheme_str()?, address.authority()?))
}

/// Asks who it is. Says nothing about the approval, not even whether there is one.
async fn first() -> Response {
    let form = "<form method=post><label>Your API key <input name=key type=password required \
                autocomplete=off autofocus></label><button>Show</button></form>";
    page(StatusCode::OK, "Approval", form)
}

async fn decide(
    State(pages): State<Arc<Pages>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(sent): Form<Sent>,
) -> Response {
    let identity = match pages.gate.authenticator.check(sent.key.trim()).await {
        Ok(identity) => identity,
        Err(refusal) => return pages.nobody(pages.gate.origin(peer, &headers), &refusal),
    };
    let is_whole = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found = if is_whole { pages.pipeline.approval(&id).await } else { Ok(None) };
    let stored = match found {
        Ok(Some(stored)) => stored,
        Ok(None) => return not_yours(),
        Err(error) => return failed(&error.to_string()),
    };
    match sent.decision.as_str() {
        "yes" | "no" => pages.settle(&stored, &identity, &sent).await,
        _ => pages.show(&stored, &identity),
    }
}

impl Pages {
    fn nobody(&self, peer: IpAddr, refusal: &Refusal) -> Response {
        let refused = &self.gate.refused;
        let is_down = matches!(refusal, Refusal::Unavailable(_));
        let (status, title) = match refusal {
            Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
            _ if refused.is_too_many(peer) => (StatusCode::TOO_MANY_REQUESTS, "Too many tries"),
            _ => (StatusCode::UNAUTHORIZED, "This credential does not count"),
        };
        let code = status.as_u16();
        refused.tell(format!("{code} from {peer}, to decide about an approval: {refusal}"));
        let mut response = page(status, title, &format!("<p>{}</p>", escape(&refusal.to_string())));
        if is_down || status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        }
        response
    }

    fn show(&self, stored: &Stored, identity: &Identity) -> Response {
        if self.pipeline.may_decide(stored, identity).is_err() {
            return not_yours();
        }
        let standing = stored.standing();
        let call = &stored.call;
        let mut body = String::from("<dl>");
        for (name, value) in [
            ("tool", call.tool.as_str()),
            ("target", &call.target().to_string()),
            ("asked by", &format!("{} ({})", call.requester, call.identity)),
            ("needs", &call.level.to_string()),
            ("state", standing.name()),
            ("approval", &stored.id),
        ] {
            body.push_str(&format!("<dt>{name}<dd>{}", escape(value)));
        }
        let arguments = serde_json::to_string_pretty(&call.arguments).unwrap_or_default();
        body.push_str(&format!(
            "</dl><h2>What would be done</h2><pre>{}</pre><h2>The arguments, whole</h2><pre>{}</pre>",
            escape(&call.preview.to_string()),
            escape(&arguments)
        ));
        if standing == Standing::Pending {
            body.push_str(DECISION);
        }
        page(StatusCode::OK, "Approval", &body)
    }

    async fn settle(&self, stored: &Stored, identity: &Identity, sent: &Sent) -> Response {
        let client = Client {
            name: "approval page".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            transport: "http",
            protocol: String::new(),
        };
        let yes = sent.decision == "yes";
        match self.pipeline.decide(&client, stored, identity, yes, &sent.reason).await {
            Ok(decided) => {
                let subject = self.pipeline.principal(identity).subject;
                let text = format!("<p>{}</p>", escape(&thanks(&decided, &subject)));
                page(StatusCode::OK, "Decided", &text)
            }
            Err(DecideError::State(error)) => failed(&error.to_string()),
            Err(DecideError::Forbidden { .. }) => not_yours(),
            Err(error) => {
                let text = format!("<p>{}. Nothing was decided.</p>", escape(&error.to_string()));
                page(StatusCode::FORBIDDEN, "Not decided", &text)
            }
        }
    }
}

const DECISION: &str = "<form method=post>\
    <label>Why, in your own words <input name=reason required minlength=3 maxlength=500></label>\
    <label>Your API key, to sign it <input name=key type=password required autocomplete=off></label>\
    <button name=decision value=yes>Yes, exactly this</button> \
    <button name=decision value=no>No</button></form>";

/// The same for an approval that is not there and for one that is somebody else's matter.
fn not_yours() -> Response {
    let text = "<p>There is none here that you may decide about.</p>";
    page(StatusCode::NOT_FOUND, "No such approval", text)
}

fn failed(log: &str) -> Response {
    tracing::error!(log, "an approval could not be read or decided");
    let text = "<p>Nothing was decided. The operator's log has the details.</p>";
    page(StatusCode::INTERNAL_SERVER_ERROR, "The server failed", text)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;\
    padding:0 1rem;color-scheme:light dark}pre{white-space:pre-wrap;overflow-wrap:anywhere;\
    border:1px solid;padding:.75rem}dt{float:left;width:7rem;font-weight:600}dd{overflow-wrap:anywhere}\
    label{display:block;margin:1rem 0}input{display:block;width:100%;font:inherit}button{font:inherit}";

/// A page that no other page may frame, that runs nothing and is kept nowhere.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Browsers send `Origin: null` with the form otherwise.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
    ];
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1>{body}</html>"
    );
    (status, headers, html).into_response()
}

/// Text as text: nothing in it is markup, and nothing is hidden.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            plain => out.push(plain),
        }
    }
    out
}
