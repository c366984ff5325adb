//! The bytes of an answer, whole or broken off.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use serde_json::Value;

use super::interface::Answer;

/// The bytes of an answer, which may break off.
pub(super) struct Reply {
    parts: VecDeque<Bytes>,
    severed: bool,
    paused: bool,
}

/// An answer as HTTP; a truncated one breaks off after half of its bytes.
pub(super) fn reply(answer: Answer, truncated: bool) -> hyper::Response<Reply> {
    let (kind, whole) = match answer.body {
        // A page of a proxy, not an answer of the interface.
        Value::String(page) => ("text/html; charset=utf-8", page.into_bytes()),
        body => ("application/json; charset=utf-8", body.to_string().into_bytes()),
    };
    let mut whole = Bytes::from(whole);
    let mut response = hyper::Response::builder().status(answer.status);
    response = response.header("content-type", kind).header("content-length", whole.len());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    if truncated {
        whole.truncate(whole.len() / 2);
    }
    let reply = Reply { parts: VecDeque::from([whole]), severed: truncated, paused: false };
    response.body(reply).expect("headers of ours are sound")
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(part) = self.parts.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        if !self.severed {
            return Poll::Ready(None);
        }
        if !self.paused {
            // What was written so far leaves before the connection closes.
            self.paused = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::other("severed as planned"))))
    }
}
