//! MCP over standard input and output: one JSON-RPC message a line.
//!
//! What rmcp's own line transport does not do: answer a malformed or oversized line, survive a
//! first message that is no request, stop reading while too many calls are unanswered (so that a
//! client that never reads costs a bounded amount of memory), wait at the end of the input until
//! the calls in flight are answered, and end them where nobody can read the answers any more.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId, ServerJsonRpcMessage};
use rmcp::service::{QuitReason, ServiceExt};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Interest};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::mcp::Adapter;
use crate::stop::{GRACE, Stop};

/// The longest line, in bytes; the same as the largest HTTP body.
pub const LONGEST_LINE: usize = 4 << 20;

/// Requests that may be unanswered at a time; beyond it nothing more is read.
const UNANSWERED: usize = 256;

/// Messages that may wait for the client to read.
const OUTBOX: usize = 64;

/// Serves until the input ends or `stop` fires; calls in flight end first.
pub async fn serve(adapter: Adapter, stop: Stop) -> io::Result<()> {
    let (reader, writer) = rmcp::transport::io::stdio_pipes();
    let transport = Lines::new(reader, writer, stop);
    let flight = Arc::clone(&transport.flight);
    // A client that ended its input may still read; one that is dead does neither, and what it
    // asked for need not go on.
    let watch = tokio::spawn(async move {
        if left(std::io::stdout().as_fd()).await {
            flight.gone.cancel();
        }
    });
    let served = serve_lines(adapter, transport).await;
    watch.abort();
    served
}

/// Waits until nobody can read any more what is written to a pipe; `false` at once where it is
/// none.
async fn left(pipe: BorrowedFd<'_>) -> bool {
    // Opened again, so that the flags of the stream that others may have, too, stay as they are.
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    match pipe::OpenOptions::new().open_sender(path) {
        Ok(sender) => sender.ready(Interest::ERROR).await.is_ok(),
        Err(_) => false,
    }
}

/// Serves one client over a pair of streams.
pub async fn serve_on<R, W>(adapter: Adapter, reader: R, writer: W, stop: Stop) -> io::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    serve_lines(adapter, Lines::new(reader, writer, stop)).await
}

async fn serve_lines<R>(adapter: Adapter, transport: Lines<R>) -> io::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
{
    // What is in flight ends with the client.
    let gone = transport.flight.gone.clone();
    let service = match adapter.serve_with_ct(transport, gone).await {
        Ok(service) => service,
        // The input ended before the first request: nothing was asked.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    match service.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(io::Error::other(error)),
        Ok(_) => Ok(()),
    }
}

/// Requests that are not answered yet.
#[derive(Default)]
struct Flight {
    open: Mutex<HashSet<RequestId>>,
    fewer: Notify,
    /// The client closed its end: no answer can be given.
    gone: CancellationToken,
}

impl Flight {
    fn begin(&self, id: RequestId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    fn end(&self, id: &RequestId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.fewer.notify_waiters();
    }

    fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until fewer than `limit` requests are open. Safe to cancel.
    async fn below(&self, limit: usize) {
        loop {
            let fewer = self.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            if self.len() < limit {
                return;
            }
            fewer.await;
        }
    }
}

/// A message on its way out, and the request it answers.
struct Outgoing {
    line: Vec<u8>,
    answers: Option<RequestId>,
}

/// The line transport.
struct Lines<R> {
    reader: BufReader<R>,
    line: Line,
    outbox: mpsc::Sender<Outgoing>,
    writer: Option<tokio::task::JoinHandle<()>>,
    flight: Arc<Flight>,
    stop: Stop,
    opened: bool,
    reply: Option<Value>,
}

/// The line being read. Kept between polls, since `receive` may be cancelled at any await.
#[derive(Default)]
pub struct Line {
    bytes: Vec<u8>,
    oversized: bool,
}

/// What a piece of input completed.
#[derive(Debug)]
pub enum Piece {
    /// Nothing yet.
    More,
    /// A line that is empty or blank.
    Blank,
    /// A message.
    Message(Box<ClientJsonRpcMessage>),
    /// A line that is no message, and the JSON-RPC error that answers it.
    Malformed(Value),
}

impl Line {
    /// Takes bytes up to and including the first line feed; returns how many, and what they
    /// completed.
    pub fn take(&mut self, input: &[u8]) -> (usize, Piece) {
        let end = input.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(input.len(), |end| end + 1);
        if self.oversized || self.bytes.len() + taken > LONGEST_LINE {
            self.bytes = Vec::new();
            self.oversized = end.is_none();
            let piece = match end {
                None => Piece::More,
                Some(_) => Piece::Malformed(oversized()),
            };
            return (taken, piece);
        }
        self.bytes.extend_from_slice(&input[..taken]);
        if end.is_none() {
            return (taken, Piece::More);
        }
        let piece = parse(&self.bytes);
        self.bytes.clear();
        self.bytes.shrink_to(64 << 10);
        (taken, piece)
    }
}

fn oversized() -> Value {
    error(&Value::Null, -32600, &format!("the message is longer than {LONGEST_LINE} bytes"))
}

fn parse(line: &[u8]) -> Piece {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Piece::Blank;
    }
    match serde_json::from_slice::<ClientJsonRpcMessage>(line) {
        Ok(message) => Piece::Message(Box::new(message)),
        Err(_) => Piece::Malformed(malformed(line)),
    }
}

/// The JSON-RPC 2.0 error for a line that is not a message; with the request's id where one can
/// be read.
pub(crate) fn malformed(line: &[u8]) -> Value {
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(problem) => {
            return error(&Value::Null, -32700, &format!("not JSON: {problem}"));
        }
    };
    let id = value.get("id").filter(|id| id.is_string() || id.is_i64() || id.is_u64());
    let message = match &value {
        Value::Array(_) => "batches are not part of this protocol; send one message a line",
        Value::Object(_) => "not a JSON-RPC 2.0 request, notification or response",
        _ => "a message is a JSON object",
    };
    error(id.unwrap_or(&Value::Null), -32600, message)
}

pub(crate) fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

impl<R: AsyncRead + Send + Unpin> Lines<R> {
    fn new<W>(reader: R, writer: W, stop: Stop) -> Self
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let flight = Arc::new(Flight::default());
        let (outbox, letters) = mpsc::channel(OUTBOX);
        let writer = tokio::spawn(write(writer, letters, Arc::clone(&flight)));
        Self {
            reader: BufReader::with_capacity(16 << 10, reader),
            line: Line::default(),
            outbox,
            writer: Some(writer),
            flight,
            stop,
            opened: false,
            reply: None,
        }
    }

    /// The next message; `None` at the end of the input, when told to stop, or when the client
    /// closed its end.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if self.reply.is_some() || self.flight.len() >= UNANSWERED {
                self.room().await?;
            }
            let input = tokio::select! {
                biased;
                () = self.stop.wait() => return None,
                () = self.flight.gone.cancelled() => return None,
                input = self.reader.fill_buf() => input.ok().filter(|input| !input.is_empty())?,
            };
            let (taken, piece) = self.line.take(input);
            self.reader.consume(taken);
            match piece {
                Piece::Message(message) if self.admits(&message) => return Some(*message),
                Piece::Malformed(reply) => self.reply = Some(reply),
                _ => {}
            }
        }
    }

    /// Waits until the client has read enough; `None` when told to stop, or when nobody will ever
    /// read again.
    async fn room(&mut self) -> Option<()> {
        let (stop, outbox) = (self.stop.clone(), self.outbox.clone());
        tokio::select! {
            biased;
            () = stop.wait() => None,
            () = outbox.closed() => None,
            room = async {
                self.send_reply().await?;
                self.flight.below(UNANSWERED).await;
                Some(())
            } => room,
        }
    }

    /// Sends the answer to a malformed line. Safe to cancel: it is kept until there is room.
    async fn send_reply(&mut self) -> Option<()> {
        if self.reply.is_some() {
            let room = self.outbox.reserve().await.ok()?;
            if let Some(reply) = self.reply.take() {
                let mut line = reply.to_string().into_bytes();
                line.push(b'\n');
                room.send(Outgoing { line, answers: None });
            }
        }
        Some(())
    }

    /// Keeps count of requests; drops what cannot open a conversation.
    fn admits(&mut self, message: &ClientJsonRpcMessage) -> bool {
        match message {
            ClientJsonRpcMessage::Request(request) => {
                self.opened = true;
                self.flight.begin(request.id.clone());
                true
            }
            ClientJsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    // A cancelled request is never answered.
                    self.flight.end(id);
                }
                self.opened
            }
            _ => self.opened,
        }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let (outbox, flight) = (self.outbox.clone(), Arc::clone(&self.flight));
        async move {
            let mut line = serde_json::to_vec(&message).map_err(io::Error::other)?;
            line.push(b'\n');
            let answers = match message {
                ServerJsonRpcMessage::Response(response) => Some(response.id),
                ServerJsonRpcMessage::Error(error) => error.id,
                _ => None,
            };
            outbox.send(Outgoing { line, answers }).await.map_err(|unsent| {
                if let Some(id) = &unsent.0.answers {
                    flight.end(id);
                }
                io::Error::new(io::ErrorKind::BrokenPipe, "the client closed its end")
            })
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        if let Some(message) = self.next().await {
            return Some(message);
        }
        // The input ended: what is in flight is still answered.
        tokio::select! {
            () = self.flight.below(1) => {}
            () = self.flight.gone.cancelled() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        let (closed, _) = mpsc::channel(1);
        self.outbox = closed;
        if let Some(writer) = self.writer.take() {
            let abort = writer.abort_handle();
            if tokio::time::timeout(GRACE / 10, writer).await.is_err() {
                // The client does not read: its answers are in the records.
                abort.abort();
            }
        }
        Ok(())
    }
}

/// Writes messages in order, many at a time when many wait.
async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut letters: mpsc::Receiver<Outgoing>,
    flight: Arc<Flight>,
) {
    let mut letters_now = Vec::with_capacity(OUTBOX);
    let mut bytes = Vec::new();
    while letters.recv_many(&mut letters_now, OUTBOX).await > 0 {
        bytes.clear();
        for letter in &letters_now {
            bytes.extend_from_slice(&letter.line);
        }
        let written = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        if written.await.is_err() {
            flight.gone.cancel();
            return;
        }
        for letter in letters_now.drain(..) {
            if let Some(id) = letter.answers {
                flight.end(&id);
            }
        }
        bytes.shrink_to(64 << 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, code: i64, id: &Value) {
        let mut reader = Line::default();
        let (taken, piece) = reader.take(format!("{line}\n").as_bytes());
        assert_eq!(taken, line.len() + 1);
        let Piece::Malformed(reply) = piece else { panic!("{line}: {piece:?}") };
        assert_eq!(reply["error"]["code"], code, "{line}");
        assert_eq!(&reply["id"], id, "{line}");
    }

    #[tokio::test]
    async fn a_reader_that_left_is_noticed() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let mut watch = Box::pin(left(writer.as_fd()));
        assert!(futures_util::poll!(&mut watch).is_pending());
        drop(reader);
        assert!(watch.await);
        let file = tempfile::tempfile().expect("a file");
        assert!(!left(file.as_fd()).await, "nobody leaves a file");
    }

    #[test]
    fn a_malformed_line_is_answered() {
        check("{", -32700, &Value::Null);
        check("nonsense", -32700, &Value::Null);
        check("[]", -32600, &Value::Null);
        check("7", -32600, &Value::Null);
        check(r#"{"id":3}"#, -32600, &json!(3));
        check(r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, -32600, &json!("a"));
        check(r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#, -32600, &Value::Null);
        check(&"[".repeat(100_000), -32700, &Value::Null);
    }

    #[test]
    fn a_line_may_arrive_in_pieces() {
        let mut line = Line::default();
        assert!(matches!(line.take(b"{\"jsonrpc\":\"2.0\","), (17, Piece::More)));
        let (taken, piece) = line.take(b"\"id\":1,\"method\":\"ping\"}\nrest");
        assert_eq!(taken, 24);
        assert!(matches!(piece, Piece::Message(_)), "{piece:?}");
    }

    #[test]
    fn an_oversized_line_is_dropped_as_it_arrives_and_answered_once() {
        let mut line = Line::default();
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..10 {
            assert!(matches!(line.take(&chunk), (_, Piece::More)));
            assert!(line.bytes.len() <= LONGEST_LINE);
        }
        assert!(matches!(line.take(b"y\n").1, Piece::Malformed(_)));
        assert!(matches!(line.take(b"\r\n"), (2, Piece::Blank)));
    }
}
