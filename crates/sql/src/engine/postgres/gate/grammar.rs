//! PostgreSQL's own grammar, where the stack is deep: the parser and everything that walks its
//! trees recurse.
//!
//! Most statements take some ten microseconds, and waking another thread takes longer: they are
//! read where they came in, on a stack that is made for it. There the parser itself goes no
//! deeper than a hundred kilobytes, for it does not know of that stack; what is deeper, and what
//! is long, is read on a thread of its own. One is enough, and the parser wants it: what it keeps
//! for each thread is never given back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use contract::ToolError;
use pg_query::protobuf::{ScanToken, Token};

use super::tree::{Tree, Unreadable};

/// Room for the deepest tree that the parser hands out, in builds without optimization, too.
/// Only what is used of it takes memory.
const STACK: usize = 256 << 20;

/// A statement as the grammar sees it.
pub(super) struct Parsed {
    /// One tree for each statement in the text.
    pub(super) statements: Vec<Tree>,
    /// Without comments.
    pub(super) tokens: Vec<Lexeme>,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) token: i32,
}

impl Lexeme {
    pub(super) fn is(&self, token: Token) -> bool {
        self.token == token as i32
    }
}

/// The longest text that is read where it came in, in bytes.
const SHORT: usize = 4_000;

type Job = Box<dyn FnOnce() + Send>;

/// The thread for what is long or deep; none until the first of it.
static THREAD: OnceLock<Option<Sender<Job>>> = OnceLock::new();

/// Runs `work`, which is about a text of `length` bytes, where the stack is deep.
pub(super) async fn deeply<T: Send + 'static>(
    length: usize,
    work: impl Fn() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    if length <= SHORT {
        let here = AssertUnwindSafe(|| stacker::grow(STACK, &work));
        let done = catch_unwind(here).unwrap_or_else(|_| Err(panicked()));
        if !done.as_ref().is_err_and(|error| error.message == TOO_DEEP) {
            return done;
        }
    }
    let lost = || ToolError::internal("the thread of the grammar is gone");
    let thread = THREAD.get_or_init(start).as_ref().ok_or_else(lost)?;
    let (send, receive) = tokio::sync::oneshot::channel();
    let job: Job = Box::new(move || {
        let _ = send.send(work());
    });
    thread.send(job).map_err(|_| lost())?;
    receive.await.map_err(|_| panicked())?
}

fn start() -> Option<Sender<Job>> {
    let (send, receive) = channel::<Job>();
    let work = move || {
        for job in receive {
            // What asked for a job that panics learns it from the channel that it waits at.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    };
    let thread = std::thread::Builder::new().name("sql-grammar".into()).stack_size(STACK);
    thread.spawn(work).ok().map(|_| send)
}

fn panicked() -> ToolError {
    ToolError::internal("the grammar panicked")
}

/// Parses `text`; to be called where the stack is deep.
pub(super) fn parse(text: &str) -> Result<Parsed, ToolError> {
    let tree = pg_query::parse(text, 0).map_err(explain)?;
    let mut statements = Vec::with_capacity(tree.protobuf.stmts.len());
    for statement in &tree.protobuf.stmts {
        let tree = Tree::of(&statement.stmt).map_err(|unreadable| match unreadable {
            Unreadable::Deep => too_deep(),
            Unreadable::Strange => {
                ToolError::invalid("the statement has a part that is not known to be harmless")
            }
        })?;
        statements.push(tree);
    }
    let tokens = scanned(text).map_err(explain)?;
    Ok(Parsed { statements, tokens: tokens.iter().filter_map(lexeme).collect() })
}

/// The tokens of `text` without comments; none where it has no tokens of SQL.
pub(super) fn tokens(text: &str) -> Vec<Lexeme> {
    scanned(text).unwrap_or_default().iter().filter_map(lexeme).collect()
}

/// What the scanner finds. White space has no tokens, of which the crate would make a slice at no
/// address: no Rust may do that, and a debug build ends the process.
fn scanned(text: &str) -> Result<Vec<ScanToken>, pg_query::Error> {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == b'\x0b';
    if text.bytes().all(is_space) { Ok(Vec::new()) } else { pg_query::scan_tokens(text) }
}

fn lexeme(token: &ScanToken) -> Option<Lexeme> {
    let is_comment =
        token.token == Token::CComment as i32 || token.token == Token::SqlComment as i32;
    let start = usize::try_from(token.start).ok()?;
    let end = usize::try_from(token.end).ok()?;
    (!is_comment).then_some(Lexeme { start, end, token: token.token })
}

const TOO_DEEP: &str = "the statement is nested too deeply; split it into WITH parts, or use \
    IN (…) or = ANY (…) instead of long chains";

fn too_deep() -> ToolError {
    ToolError::invalid(TOO_DEEP)
}

/// What the parser says, as it says it.
fn explain(error: pg_query::Error) -> ToolError {
    match error {
        pg_query::Error::Conversion(_) => {
            ToolError::invalid("the statement has a NUL byte, which PostgreSQL takes nowhere")
        }
        pg_query::Error::Parse(message) | pg_query::Error::Scan(message) => {
            let is_deep = ["stack depth", "nested too deeply", "memory exhausted"];
            if is_deep.iter().any(|sign| message.contains(sign)) {
                return too_deep();
            }
            ToolError::invalid(format!("the statement is not valid SQL: {message}"))
        }
        pg_query::Error::Decode(_) => too_deep(),
        other => ToolError::invalid("the statement cannot be parsed").with_log(other),
    }
}
