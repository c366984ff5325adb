//! Files that may be attached: those below declared folders, reached without a link on the way.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use contract::ToolError;

use crate::digest::sha256;

/// The folders whose files may be attached.
pub(crate) struct Folders(Vec<PathBuf>);

/// A file as it was read.
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) mime: String,
    pub(crate) bytes: Bytes,
    pub(crate) sha256: String,
}

impl Folders {
    pub(crate) fn new(folders: Vec<PathBuf>) -> Self {
        Self(folders)
    }

    /// Reads a file named `reports/july.pdf`, at most `most` bytes of it.
    pub(crate) fn read(&self, named: &str, most: u64) -> Result<Opened, ToolError> {
        let shown = crate::inert::short(named, 120);
        let unknown =
            || ToolError::not_found(format!("attachments: there is no file `{shown}` to attach."));
        if self.0.is_empty() {
            return Err(ToolError::invalid("attachments: this account attaches no files."));
        }
        let parts: Vec<&str> = named.split('/').collect();
        let is_plain = |part: &&str| {
            !part.is_empty()
                && !part.starts_with('.')
                && crate::inert::is_line(part)
                && !part.contains('\\')
        };
        if !parts.iter().all(is_plain) || named.len() > 500 {
            let message =
                format!("attachments: `{shown}` is no name of a file within the folders.");
            return Err(ToolError::invalid(message));
        }
        for folder in &self.0 {
            match open(folder, &parts, most) {
                Ok(Some(bytes)) => {
                    let name = parts.last().copied().unwrap_or_default().to_owned();
                    let mime = mime(&name).to_owned();
                    let sha256 = sha256(&bytes);
                    return Ok(Opened { name, mime, bytes: Bytes::from(bytes), sha256 });
                }
                Ok(None) => {}
                Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                    let message =
                        format!("attachments: `{shown}` is larger than {} MB.", most >> 20);
                    return Err(ToolError::new(contract::Kind::TooLarge, message));
                }
                Err(error) => return Err(unknown().with_log(error)),
            }
        }
        Err(unknown())
    }
}

/// The bytes of a regular file; none where it is not there. No part of the way is a link.
fn open(folder: &Path, parts: &[&str], most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut path = folder.to_owned();
    for (nth, part) in parts.iter().enumerate() {
        path.push(part);
        let about = match std::fs::symlink_metadata(&path) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_last = nth + 1 == parts.len();
        let fits = if is_last { about.is_file() } else { about.is_dir() };
        if !fits {
            return Ok(None);
        }
    }
    let mut file = no_link(&path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Ok(None);
    }
    if about.len() > most {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
    file.by_ref().take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(bytes))
}

/// Opens a file that is none of its own kinds: a link put in its place meanwhile is not followed,
/// and a pipe does not wait.
fn no_link(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The media type, by the ending.
fn mime(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref().unwrap_or_default() {
        "pdf" => "application/pdf",
        "txt" | "log" | "md" => "text/plain",
        "csv" => "text/csv",
        "json" => "application/json",
        "xml" => "application/xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "zip" => "application/zip",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}
