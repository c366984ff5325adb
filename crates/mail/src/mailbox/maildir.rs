//! A mailbox on this machine: Maildir folders that mail programs read. The embedded default, which
//! needs no account; what is sent without a submission server ends here, in `Sent`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use contract::ToolError;
use contract::ctx::BoxFuture;

use super::Mailbox;
use crate::digest::sha256;

/// The most messages that are looked through.
const MOST: usize = 20_000;
/// The largest message that is read, in bytes.
const LARGEST: u64 = 100 << 20;

/// The folders within it.
const DRAFTS: &str = "Drafts";
const SENT: &str = "Sent";
const INBOX: &str = "Inbox";

pub(crate) struct Maildir {
    folder: PathBuf,
}

fn fault(error: io::Error) -> ToolError {
    let message = "the mail on this machine cannot be read or written; tell the operator.";
    ToolError::unavailable(message, error)
}

/// The name of a file without the flags that mail programs add.
fn base(name: &str) -> &str {
    name.split(":2,").next().unwrap_or(name)
}

/// A name of a file, from a Message-ID or a marker.
fn name(text: &str) -> String {
    sha256(text.as_bytes())[..40].to_owned()
}

impl Maildir {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes a message whole or not at all: first beside, then renamed. Its name is its marker's,
    /// so that it is there once.
    fn write(&self, mailbox: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder.join(mailbox);
        for part in ["tmp", "new", "cur"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(part))?;
        }
        // Nobody else writes there, also where two calls place the same draft at once.
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let beside = folder.join("tmp").join(format!("{}.{name}", contract::text::hex(&random)));
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, folder.join("cur").join(name))?;
        fs::File::open(folder.join("cur"))?.sync_all()
    }

    /// The file of a name, whatever flags a mail program has added to it.
    fn file(&self, mailbox: &str, name: &str) -> io::Result<Option<PathBuf>> {
        let is_it = |path: &Path| {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            base(file) == base(name)
        };
        Ok(self.files(mailbox)?.into_iter().find(|path| is_it(path)))
    }

    fn files(&self, mailbox: &str) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for part in ["cur", "new"] {
            let entries = match fs::read_dir(self.folder.join(mailbox).join(part)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries.take(MOST) {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    files.push(entry.path());
                }
            }
        }
        Ok(files)
    }

    fn read(path: &Path) -> io::Result<Vec<u8>> {
        if fs::metadata(path)?.len() > LARGEST {
            return Err(io::Error::other("the message is too large"));
        }
        fs::read(path)
    }

    /// The messages of a mailbox that hold a text: in their header, or anywhere.
    fn holding(&self, mailbox: &str, text: &str, whole: bool) -> io::Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        for path in self.files(mailbox)? {
            let bytes = Self::read(&path)?;
            let header = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap_or(bytes.len());
            let end = if whole { bytes.len() } else { header };
            if memchr::memmem::find(&bytes[..end], text.as_bytes()).is_some() {
                found.push(bytes);
            }
        }
        Ok(found)
    }

    /// The message whose own Message-ID this is.
    fn of_id(&self, mailbox: &str, message_id: &str) -> io::Result<Option<Vec<u8>>> {
        let all = self.holding(mailbox, message_id, false)?;
        Ok(all.into_iter().find(|bytes| super::is_of(bytes, message_id)))
    }
}

impl Mailbox for Maildir {
    fn place(&self) -> String {
        "this machine".to_owned()
    }

    fn put<'a>(
        &'a self,
        draft: &'a [u8],
        marker: &'a str,
    ) -> BoxFuture<'a, Result<String, ToolError>> {
        Box::pin(async move {
            let name = format!("{}:2,DS", name(marker));
            let old = self.file(DRAFTS, &name).map_err(fault)?;
            self.write(DRAFTS, &name, draft).map_err(fault)?;
            if let Some(old) = old.filter(|old| !old.ends_with(format!("cur/{name}"))) {
                fs::remove_file(old).map_err(fault)?;
            }
            Ok(DRAFTS.to_owned())
        })
    }

    fn now<'a>(&'a self, marker: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>> {
        Box::pin(async move {
            let found = self.file(DRAFTS, &name(marker)).map_err(fault)?;
            found.map(|path| Self::read(&path)).transpose().map_err(fault)
        })
    }

    fn take<'a>(
        &'a self,
        draft: &'a [u8],
        marker: &'a str,
    ) -> BoxFuture<'a, Result<(), ToolError>> {
        Box::pin(async move {
            let Some(path) = self.file(DRAFTS, &name(marker)).map_err(fault)? else {
                return Ok(());
            };
            if Self::read(&path).map_err(fault)? == draft {
                fs::remove_file(path).map_err(fault)?;
            }
            Ok(())
        })
    }

    fn original<'a>(
        &'a self,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>> {
        Box::pin(async move {
            for mailbox in [INBOX, SENT] {
                if let Some(found) = self.of_id(mailbox, message_id).map_err(fault)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
    }

    fn keep<'a>(
        &'a self,
        sent: &'a [u8],
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<(), ToolError>> {
        Box::pin(async move {
            self.write(SENT, &format!("{}:2,S", name(message_id)), sent).map_err(fault)
        })
    }

    fn sent<'a>(
        &'a self,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>> {
        Box::pin(async move {
            let found = self.file(SENT, &name(message_id)).map_err(fault)?;
            found.map(|path| Self::read(&path)).transpose().map_err(fault)
        })
    }

    fn bounces<'a>(
        &'a self,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, ToolError>> {
        Box::pin(async move {
            let mut all = self.holding(INBOX, message_id, true).map_err(fault)?;
            all.truncate(5);
            Ok(all)
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<(), ToolError>> {
        Box::pin(async { self.files(DRAFTS).map(drop).map_err(fault) })
    }
}
