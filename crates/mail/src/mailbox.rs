//! A person's mailbox, behind one trait: drafts are placed in it, and what was sent is found there.

pub(crate) mod imap;
pub(crate) mod maildir;

use contract::ToolError;
use contract::ctx::BoxFuture;

/// A mailbox.
pub(crate) trait Mailbox: Send + Sync {
    /// What it is and where, for people: `IMAP, mail.acme.example`.
    fn place(&self) -> String;

    /// Puts a draft among the drafts, in the place of an earlier one of the same marker; the name
    /// of the mailbox.
    fn put<'a>(
        &'a self,
        draft: &'a [u8],
        marker: &'a str,
    ) -> BoxFuture<'a, Result<String, ToolError>>;

    /// The draft of this marker as it is among the drafts; `None` if it is not there.
    fn now<'a>(&'a self, marker: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>>;

    /// Takes a placed draft away again, if it is these bytes still.
    fn take<'a>(&'a self, draft: &'a [u8], marker: &'a str)
    -> BoxFuture<'a, Result<(), ToolError>>;

    /// The message of this Message-ID, wherever it is.
    fn original<'a>(
        &'a self,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>>;

    /// Keeps what was sent.
    fn keep<'a>(
        &'a self,
        sent: &'a [u8],
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<(), ToolError>>;

    /// What was sent with this Message-ID, as it was kept.
    fn sent<'a>(&'a self, message_id: &'a str)
    -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>>;

    /// Messages that tell of this Message-ID that it could not be delivered, at most five.
    fn bounces<'a>(&'a self, message_id: &'a str)
    -> BoxFuture<'a, Result<Vec<Vec<u8>>, ToolError>>;

    /// Whether it can be reached, and has the mailboxes of drafts and of sent mail.
    fn examine(&self) -> BoxFuture<'_, Result<(), ToolError>>;
}

/// Whether a message's own Message-ID is this.
pub(crate) fn is_of(bytes: &[u8], message_id: &str) -> bool {
    crate::view::View::of(bytes).message_id.as_deref() == Some(message_id)
}
