//! What is left of a body when its request was answered early.
//!
//! A refusal is decided from the headers alone, often before the body arrived. hyper then closes
//! the connection without a word, and a client that asks again on it (as OAuth clients do after a
//! 401) finds it gone. So what is left is read and thrown away; where that takes too long, the
//! answer says that the connection ends (RFC 9112, 9.6).

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Limited};

use crate::stdio::LONGEST_LINE;

/// How long an answer waits for the rest of a body that nobody needs.
const PATIENCE: Duration = Duration::from_secs(1);

/// The answer to a request whose body nobody read: given when the body was read to its end, or
/// with the word that the connection is closed.
pub(super) async fn unread(request: Request, mut response: Response) -> Response {
    // A client that asked whether to send its body never sends one that was refused.
    let waits = request.headers().contains_key(header::EXPECT);
    let body = request.into_body();
    let is_clean = body.is_end_stream() || (!waits && spill(body).await);
    if !is_clean {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads the rest, keeping nothing; false if it is too long or too slow.
async fn spill(body: Body) -> bool {
    let mut rest = Limited::new(body, LONGEST_LINE);
    let read = async {
        loop {
            match rest.frame().await {
                None => return true,
                Some(Ok(_)) => {}
                Some(Err(_)) => return false,
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or(false)
}
