//! A message, built once: the bytes a person finds among the drafts, the bytes that would be sent,
//! and the envelope. The same letter gives the same bytes.
//!
//! The header fields are lettre's; the frame around the parts is our own, because the place of the
//! `Bcc` field must be known (what is sent is the draft without it) and a large attachment must
//! not be copied more than once.

mod check;
mod header;
mod part;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod scan;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::SystemTime;

use bytes::Bytes;
use contract::text::hex;
use sha2::{Digest as _, Sha256};

use crate::address::Address;
use crate::quote::Quoted;
pub(crate) use check::is_id;

/// The field by which a message is found again.
pub(crate) const MARKER: &str = "X-Suite-Marker";

/// What a message is made of.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) from: Address,
    pub(crate) reply_to: Option<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    pub(crate) bcc: Vec<Address>,
    pub(crate) subject: String,
    pub(crate) markdown: String,
    /// What it answers, below the text.
    pub(crate) quoted: Option<Quoted>,
    /// Plain text, at the end.
    pub(crate) signature: Option<String>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) date: SystemTime,
    /// With its angle brackets, like all message ids here.
    pub(crate) message_id: String,
    /// Letters and digits.
    pub(crate) marker: String,
    pub(crate) in_reply_to: Vec<String>,
    pub(crate) references: Vec<String>,
}

/// A file as it was when it was attached.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    /// `type/subtype`, without parameters.
    pub(crate) mime: String,
    pub(crate) bytes: Bytes,
}

/// Who sends and who receives, as SMTP is told: `local@domain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) from: String,
    /// To, Cc and Bcc in this order, each address once.
    pub(crate) to: Vec<String>,
}

/// A message with every byte decided.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// With the `Bcc` field, for the person's own folder.
    pub(crate) draft: Bytes,
    /// The same bytes without that field.
    pub(crate) sent: Bytes,
    pub(crate) envelope: Envelope,
    hashes: OnceLock<Hashes>,
}

/// In hexadecimal.
#[derive(Clone, Debug)]
struct Hashes {
    sent: String,
    digest: String,
}

impl Built {
    /// Builds a letter, or says which part of it cannot be sent.
    pub(crate) fn of(letter: &Letter) -> Result<Self, String> {
        check::letter(letter)?;
        let envelope = Envelope::of(letter);
        let header = header::Fields::of(letter)?;
        let body = part::Body::of(letter)?;
        let length = header.len() + body.len();
        let mut draft = Vec::with_capacity(length);
        draft.extend_from_slice(header.before.as_bytes());
        draft.extend_from_slice(header.bcc.as_bytes());
        draft.extend_from_slice(header.after.as_bytes());
        body.write(&mut draft);
        let draft = Bytes::from(draft);
        let sent = if header.bcc.is_empty() {
            draft.clone()
        } else {
            let bcc = header.before.len()..header.before.len() + header.bcc.len();
            Bytes::from([&draft[..bcc.start], &draft[bcc.end..]].concat())
        };
        Ok(Self { draft, sent, envelope, hashes: OnceLock::new() })
    }

    /// SHA-256 of all of it, in hexadecimal: what an approval covers.
    pub(crate) fn digest(&self) -> &str {
        &self.hashes().digest
    }

    /// SHA-256 of what would be sent, in hexadecimal.
    pub(crate) fn sent_sha256(&self) -> &str {
        &self.hashes().sent
    }

    /// Made when first asked for: with large files, hashing takes longer than building.
    fn hashes(&self) -> &Hashes {
        self.hashes.get_or_init(|| {
            let draft = Sha256::digest(&self.draft);
            // Without a `Bcc` field they are the same octets.
            let is_one = self.draft.len() == self.sent.len();
            let sent = if is_one { draft } else { Sha256::digest(&self.sent) };
            let digest = hex(&self.envelope.digest(&draft, &sent));
            Hashes { sent: hex(&sent), digest }
        })
    }
}

impl Envelope {
    fn of(letter: &Letter) -> Self {
        let mut to: Vec<String> = Vec::new();
        for address in letter.to.iter().chain(&letter.cc).chain(&letter.bcc) {
            let addr = address.addr();
            if !to.contains(&addr) {
                to.push(addr);
            }
        }
        Self { from: letter.from.addr(), to }
    }

    /// Over the two hashes and every address with its length before it, so that no two envelopes
    /// are written alike.
    fn digest(&self, draft: &[u8], sent: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"suite mail 1\n");
        hash.update(draft);
        hash.update(sent);
        for addr in std::iter::once(&self.from).chain(&self.to) {
            hash.update((addr.len() as u64).to_be_bytes());
            hash.update(addr);
        }
        hash.finalize().into()
    }
}
