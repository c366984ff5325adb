//! What is left of a body when its request was answered early.
//!
//! A refusal is decided from the headers alone, often before the body arrived. hyper then closes
//! the connection without a word, and a client that asks again on it (as OAuth clients do after a
//! 401) finds it gone. So what is left is read and thrown away; where that takes too long, the
//! answer says that the connection ends (RFC 9112, 9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, header};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};

use crate::stdio::LONGEST_LINE;

/// How long an answer waits for the rest of a body that nobody needs.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers when the body was read to its end, or says that the connection is closed.
pub(super) async fn read_out(request: Request, next: Next) -> Response {
    let waits = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let body = Shared(Arc::new(Mutex::new(body)));
    let request = Request::from_parts(parts, Body::new(body.clone()));
    let mut response = next.run(request).await;
    // A client that asked whether to send its body never sends one that was refused.
    let is_clean = body.is_end_stream() || (!waits && body.spill().await);
    if !is_clean {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that can still be read when whoever got it has dropped it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    /// Reads the rest, keeping nothing; false if it is too long or too slow.
    async fn spill(self) -> bool {
        let mut rest = Limited::new(self, LONGEST_LINE);
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
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
