//! `repo_read`: a file at a revision, or some of its lines.

use std::fmt::Write as _;
use std::time::Duration;

use bstr::{BStr, ByteSlice as _};
use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::list::{human, target};
use crate::outline::Outline;
use crate::plain::{self, is_prose};
use crate::search::given;
use crate::tree::Mode;
use crate::view::{Content, View};
use crate::{Repo, answer, path};

/// Reads a file.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_read",
    title: "Read",
    purpose: "A file, or `lines` 10-40.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(20),
    size: Size::tokens(9_500),
    verified_by: None,
};

/// How much of a long line is shown, in bytes.
const LONGEST_LINE: usize = 1_000;

pub(crate) struct Read;

// No doc comments: they would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 999))]
    path: String,
    #[schemars(length(max = 250))]
    rev: Option<String>,
    #[schemars(length(max = 20))]
    lines: Option<String>,
}

impl Tool for Read {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let id = args.repo.clone();
        server.view(ctx, id.as_deref(), move |view| read(view, &args)).await
    }
}

fn read(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let wanted = Lines::parse(given(args.lines.as_deref()))?;
    let path = path::parse(&args.path)?;
    let revision = view.resolve(given(args.rev.as_deref()))?;
    let tree = view.tree_of(revision.id)?;
    let entry = view.find(&tree, path.as_bstr())?;
    let address = view.repository.address(&revision.name, Some(path.as_bstr()));
    let described = |text: String| Text { parts: vec![Part::Text(text)], more: None };
    match entry.mode {
        Mode::Tree => {
            let shown = path::shown(path.as_bstr());
            let message = format!("path: a folder; repo_list path={shown} shows what is in it.");
            Err(ToolError::invalid(message))
        }
        Mode::Submodule => Ok(described(format!(
            "a submodule: commit {} of another repository, which is not entered",
            entry.id
        ))),
        Mode::Link => {
            let text = format!("-> {}", target(view, &entry.id)?);
            let told = Part::Text("a symbolic link, which is not followed".to_owned());
            Ok(Text { parts: vec![Part::Untrusted { source: address, text }, told], more: None })
        }
        Mode::File | Mode::Program => match view.content(&entry.id)? {
            Content::Text(content) => {
                let room = answer::room(&view.ctx, wanted.is_bounded());
                let outline =
                    |room| view.reader.outline(entry.id, path.as_bstr(), &content, room).clone();
                shown(&address, path.as_bstr(), &content, wanted, room, outline)
            }
            Content::Binary(size) => Ok(described(match kind(view, &entry.id)? {
                Some(kind) => format!("a binary file, {kind}; {}", human(size)),
                None => format!("a binary file; {}", human(size)),
            })),
            Content::Huge(size) => {
                Ok(described(format!("too large to be looked at: {}", human(size))))
            }
            Content::Lfs(digest, size) => Ok(described(format!(
                "a pointer of git-lfs: the file itself, {}, sha256 {digest}, is stored elsewhere",
                human(size)
            ))),
        },
    }
}

/// Which lines are asked for, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) from: usize,
    pub(super) to: Option<usize>,
    /// Whether any were named.
    given: bool,
}

impl Lines {
    /// `10-40`, `10` or `10-`; without, all that fit.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, ToolError> {
        let Some(text) = text else { return Ok(Self { from: 1, to: None, given: false }) };
        let wrong =
            || ToolError::invalid("lines: write 10-40, or 10 for one line, or 10- to go on.");
        let number = |text: &str| text.trim().parse().map_err(|_| wrong());
        let (from, to) = match text.split_once('-') {
            None => (number(text)?, Some(number(text)?)),
            Some((from, "")) => (number(from)?, None),
            Some((from, to)) => (number(from)?, Some(number(to)?)),
        };
        if from == 0 || to.is_some_and(|to| to < from) {
            return Err(wrong());
        }
        Ok(Self { from, to, given: true })
    }

    /// Whether they end where the caller says, so that they may need more room than the default.
    fn is_bounded(self) -> bool {
        self.to.is_some()
    }
}

/// The lines of a text that are asked for and fit.
fn shown(
    address: &str,
    path: &BStr,
    content: &[u8],
    wanted: Lines,
    room: usize,
    outline: impl FnOnce(usize) -> Outline,
) -> Result<Text, ToolError> {
    let total = lines(content);
    if wanted.from > total.max(1) {
        let message = format!("lines: {}; the file has {total} lines.", wanted.from);
        return Err(ToolError::invalid(message));
    }
    let mut parts = Vec::new();
    let is_prose = is_prose(path);
    let mut body = Body::fill(content, wanted, room, is_prose);
    let mut landmarks = Outline::default();
    if !wanted.given && body.to < total {
        landmarks = outline(room / 3);
        body = Body::fill(content, wanted, room - landmarks.text.len(), is_prose);
    }
    if landmarks.shown > 0 {
        let text = landmarks.text.clone();
        parts.push(Part::Untrusted { source: format!("{address}#outline"), text });
    }
    let size = human(content.len() as u64);
    let mut trailer = format!("lines {}-{} of {total}; {size}", wanted.from, body.to);
    if body.to < wanted.from {
        "an empty file".clone_into(&mut trailer);
    } else {
        let source = format!("{address}#L{}-{}", wanted.from, body.to);
        parts.push(Part::Untrusted { source, text: body.text });
    }
    if landmarks.shown > 0 && landmarks.shown < landmarks.total {
        let _ = write!(trailer, "; outline: {} of {}", landmarks.shown, landmarks.total);
    }
    if body.cut > 0 {
        let _ = write!(trailer, "; long lines cut: {}", body.cut);
    }
    if body.broken > 0 {
        let _ = write!(trailer, "; HTML broken by a backslash on lines: {}", body.broken);
    }
    if !body.is_text {
        trailer.push_str("; not UTF-8, shown with \u{fffd}");
    }
    if body.to < total && body.to >= wanted.from {
        let _ = write!(trailer, "; next: lines={}-", body.to + 1);
    }
    parts.push(Part::Text(trailer));
    Ok(Text { parts, more: Some("ask for fewer `lines`") })
}

/// How many lines a text has.
fn lines(content: &[u8]) -> usize {
    let ends = memchr::memchr_iter(b'\n', content).count();
    ends + usize::from(content.last().is_some_and(|last| *last != b'\n'))
}

/// The lines that fit.
struct Body {
    text: String,
    /// The last line.
    to: usize,
    /// How many lines were too long.
    cut: usize,
    /// On how many lines HTML or a code fence was broken.
    broken: usize,
    is_text: bool,
}

impl Body {
    fn fill(content: &[u8], wanted: Lines, room: usize, is_prose: bool) -> Self {
        let (text, to) = (String::new(), wanted.from - 1);
        let mut body = Body { text, to, cut: 0, broken: 0, is_text: true };
        let longest = LONGEST_LINE.min(room.saturating_sub(50));
        let last = wanted.to.unwrap_or(usize::MAX);
        for line in content.lines().skip(wanted.from - 1) {
            if body.to >= last {
                break;
            }
            let start = &line[..cut(line, longest)];
            let mut line_text = start.to_str_lossy();
            if is_prose {
                line_text = plain::line(line_text.into_owned()).into();
            }
            let more = if start.len() < line.len() {
                format!("… [+{}]", human((line.len() - start.len()) as u64))
            } else {
                String::new()
            };
            let length = line_text.len() + more.len() + 1;
            if body.to >= wanted.from && body.text.len() + length > room {
                break;
            }
            body.is_text &= start.to_str().is_ok();
            body.cut += usize::from(!more.is_empty());
            body.broken += usize::from(line_text.len() > start.len() && start.is_utf8());
            body.text.push_str(&line_text);
            body.text.push_str(&more);
            body.text.push('\n');
            body.to += 1;
        }
        body
    }
}

/// How much of a line fits, without half a character.
fn cut(line: &[u8], longest: usize) -> usize {
    if line.len() <= longest {
        return line.len();
    }
    let mut at = longest;
    while at > 0 && longest - at < 4 && line[at] & 0xc0 == 0x80 {
        at -= 1;
    }
    at
}

/// What a binary file seems to be, by its first bytes.
fn kind(view: &mut View, id: &gix_hash::ObjectId) -> Result<Option<&'static str>, ToolError> {
    const KINDS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"RIFF", "RIFF: WebP, WAV or AVI"),
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive, or a document in one"),
        (b"\x1f\x8b", "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"\xfd7zXZ", "compressed with xz"),
        (b"\x7fELF", "an ELF program or library"),
        (b"MZ", "a Windows program or library"),
        (b"\0asm", "WebAssembly"),
        (b"SQLite format 3", "an SQLite database"),
        (b"\xff\xfe", "perhaps UTF-16 text"),
        (b"\xfe\xff", "perhaps UTF-16 text"),
        (b"\0\x01\0\0", "a TrueType font"),
        (b"wOF2", "a WOFF2 font"),
    ];
    let mut content = Vec::new();
    view.reader.read(id, gix_object::Kind::Blob, crate::view::LARGEST, &mut content)?;
    Ok(KINDS.iter().find(|(start, _)| content.starts_with(start)).map(|(_, kind)| *kind))
}

#[cfg(test)]
mod tests;
