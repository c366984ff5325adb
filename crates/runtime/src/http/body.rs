//! Bodies, read within a bound, and a JSON-RPC error for every answer that is none.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{json, sessions};
use crate::Pipeline;
use crate::stdio::{LONGEST_LINE, error};

/// Reads the body, so that an answer about it can be decided from it, and gives every error a
/// JSON-RPC body.
///
/// What the protocol library says about a request may repeat a part of it, so it is guarded.
pub(super) async fn explained(
    State(pipeline): State<Pipeline>,
    request: Request,
    next: Next,
) -> Response {
    let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(is_json_type);
    let mut sent = Bytes::new();
    let request = if request.method() == Method::POST {
        let (parts, body) = request.into_parts();
        sent = match Limited::new(body, LONGEST_LINE).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return unread(&*error),
        };
        Request::from_parts(parts, Body::from(sent.clone()))
    } else {
        request
    };
    let response = next.run(request).await;
    if response.status().is_success() {
        return response;
    }
    if response.headers().get(header::CONTENT_TYPE).is_some_and(is_json_type) {
        return guarded(response, &pipeline).await;
    }
    explain(response, is_json, &sent, &pipeline).await
}

/// The answer to a body that could not be read to its end.
fn unread(why: &(dyn std::error::Error + 'static)) -> Response {
    if why.is::<LengthLimitError>() {
        let text = format!("the body is longer than {LONGEST_LINE} bytes");
        let mut response = json(StatusCode::PAYLOAD_TOO_LARGE, &error(&Value::Null, -32600, &text));
        // Nobody reads the rest.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    json(StatusCode::BAD_REQUEST, &error(&Value::Null, -32700, "the body ended too soon"))
}

/// The same error, with nothing in it that the output guard would not let pass.
async fn guarded(response: Response, pipeline: &Pipeline) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, 64 << 10).await.unwrap_or_default();
    let body = match serde_json::from_slice(&bytes) {
        Ok(error) => pipeline.guarded(error).to_string(),
        Err(_) => pipeline.echoed(&String::from_utf8_lossy(&bytes)),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// Turns a plain-text refusal into a JSON-RPC error, and a body that is no message into 400.
async fn explain(response: Response, is_json: bool, sent: &Bytes, pipeline: &Pipeline) -> Response {
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, 64 << 10).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code = match parts.status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE if is_json => {
            parts.status = StatusCode::BAD_REQUEST;
            // JSON-RPC 2.0, 5.1: no JSON at all, or JSON that is no message.
            let text = std::str::from_utf8(sent).ok();
            let json = text.and_then(|text| serde_json::from_str::<IgnoredAny>(text).ok());
            if json.is_some() { -32600 } else { -32700 }
        }
        StatusCode::INTERNAL_SERVER_ERROR => -32603,
        StatusCode::SERVICE_UNAVAILABLE => -32000,
        _ => -32600,
    };
    if text.contains(sessions::FULL) {
        parts.status = StatusCode::SERVICE_UNAVAILABLE;
    }
    let message = if text.is_empty() { parts.status.to_string() } else { text.trim().to_owned() };
    let body = error(&Value::Null, code, &pipeline.echoed(&message)).to_string();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

fn is_json_type(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"))
}
