//! `sql_result`: a saved result, page by page.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use contract::output::Body;
use contract::text::visible;
use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Media, Part, Size, Target, Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Address, FileFormat, digits};
use crate::Sql;
use crate::database::TARGET;

/// Reads a saved result.
pub(crate) const CONTRACT: Contract = Contract {
    name: "sql_result",
    title: "Read a saved result",
    purpose: "Rows that sql_query saved.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(20),
    size: Size::CAP,
    verified_by: None,
};

/// What the fence and the trailer may take of the size, in bytes.
const FRAME: usize = 700;
/// The most bytes of a file that one answer attaches: as base64, the most that is let out.
const ATTACHED: u64 = 3 * (1 << 18);

pub(crate) struct Read;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 200))]
    uri: String,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
    /// As one file.
    whole: Option<bool>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct Position {
    /// The byte.
    from: u64,
    /// The rows before it.
    rows: u64,
}

impl Tool for Read {
    type Server = Sql;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Sql, args: &Args) -> Target {
        let database = Address::parse(&args.uri).map(|address| address.database);
        Target::named_or_every(TARGET, database.as_deref())
    }

    async fn call(server: &Sql, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let gone = || {
            ToolError::not_found(
                "there is no such result of yours: its time is over, or somebody else saved it. \
                 Ask sql_query with `save` again.",
            )
        };
        let address = Address::parse(&args.uri).ok_or_else(gone)?;
        let at: Position = match &args.cursor {
            None => Position::default(),
            Some(cursor) => serde_json::from_value(ctx.open_cursor(cursor)?).map_err(|_| {
                ToolError::invalid("the cursor is of another tool; call again without it.")
            })?,
        };
        let is_whole = args.whole.unwrap_or_default();
        let budget = ctx.size().bytes().saturating_sub(FRAME);
        let results = Arc::clone(&server.results);
        let caller = ctx.clone();
        let read = tokio::task::spawn_blocking(move || {
            let Some((path, found)) = results.find(&caller, &address) else {
                return Ok(None);
            };
            let page = match address.format {
                FileFormat::Csv if !is_whole => rows(&path, at, budget),
                _ => bytes(&path, at, found.len(), is_whole),
            };
            page.map(|page| Some((address, page)))
        });
        let read = read.await.map_err(ToolError::internal)?;
        match read {
            Ok(Some((address, page))) => page.show(ctx, &address),
            Ok(None) => Err(gone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone()),
            Err(error) => Err(ToolError::unavailable("the result cannot be read.", error)),
        }
    }
}

/// A part of a file.
enum Page {
    /// Rows as CSV, with the names of the columns before them.
    Rows { text: String, from: u64, to: u64, next: Option<Position> },
    /// Bytes.
    Bytes { bytes: Vec<u8>, from: u64, size: u64 },
    /// The file is too large to be attached whole.
    TooLarge { size: u64 },
}

impl Page {
    fn show(self, ctx: &Ctx, address: &Address) -> Result<Text, ToolError> {
        let uri = address.to_string();
        let cursor = |next: Position| format!("; more: cursor={}", ctx.seal_cursor(&json!(next)));
        let parts = match self {
            Page::Rows { text, from, to, next } => {
                let line = match (to - from, next) {
                    (0, _) => format!("no rows after {from}"),
                    (_, None) => format!("rows {}-{to} of {to}", from + 1),
                    (_, Some(next)) => format!("rows {}-{to}{}", from + 1, cursor(next)),
                };
                vec![Part::Untrusted { source: uri, text }, Part::Text(line)]
            }
            Page::Bytes { bytes, from, size } => {
                let to = from + length(&bytes);
                let whole = from == 0 && to == size;
                let content = Body::Blob(BASE64_STANDARD.encode(bytes));
                let mime = address.format.mime();
                let mut parts = vec![Part::Media(Media::Resource { uri, mime, content })];
                if !whole {
                    let next = if to < size {
                        cursor(Position { from: to, rows: 0 })
                    } else {
                        String::new()
                    };
                    parts.push(Part::Text(format!("bytes {from}-{to} of {size}{next}")));
                }
                parts
            }
            Page::TooLarge { size } => {
                let message = format!(
                    "the file has {} bytes, more than {} at once; call sql_result without `whole`: \
                     it goes page by page.",
                    digits(size),
                    digits(ATTACHED)
                );
                return Err(ToolError::new(Kind::TooLarge, message));
            }
        };
        Ok(Text { parts, more: Some("go on with `cursor`") })
    }
}

/// The rows from a position, as many as have room.
fn rows(path: &Path, at: Position, budget: usize) -> io::Result<Page> {
    let mut file = BufReader::new(File::open(path)?);
    let mut text = String::new();
    let header = record(&mut file, budget / 2)?;
    text.push_str(&header.text);
    let from = at.from.max(header.length);
    file.seek(SeekFrom::Start(from))?;
    let (mut next, mut to) = (from, at.rows);
    let next = loop {
        // One row at least, or there would be no way to go on.
        let room = if to == at.rows { budget - text.len() } else { budget };
        let record = record(&mut file, room)?;
        if record.length == 0 {
            break None;
        }
        if to > at.rows && text.len() + record.text.len() > budget {
            break Some(Position { from: next, rows: to });
        }
        text.push_str(&record.text);
        next += record.length;
        to += 1;
    };
    Ok(Page::Rows { text, from: at.rows, to, next })
}

/// One record of CSV.
struct Record {
    /// As it is shown: cut where it has no room.
    text: String,
    /// How many bytes it takes in the file; 0 at the end.
    length: u64,
}

/// Reads one record, whose fields may have line breaks between quotes, without holding more of it
/// than is shown.
fn record(file: &mut impl io::BufRead, room: usize) -> io::Result<Record> {
    let (mut kept, mut length, mut is_quoted) = (Vec::new(), 0u64, false);
    loop {
        let mut line = Vec::new();
        let read = file
            .take(u64::try_from(room).unwrap_or(u64::MAX).max(1))
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        length += length_of(read);
        for byte in &line {
            is_quoted ^= *byte == b'"';
        }
        if kept.len() < room {
            kept.extend(&line);
        }
        if !is_quoted && line.ends_with(b"\n") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&kept);
    let text = visible(&text);
    if text.len() <= room {
        return Ok(Record { text: text.into_owned(), length });
    }
    let mark = format!("…[a row of {length} bytes]\n");
    let end = text.floor_char_boundary(room.saturating_sub(mark.len()));
    Ok(Record { text: format!("{}{mark}", &text[..end]), length })
}

/// The bytes from a position; of the whole file, if it may be attached.
fn bytes(path: &Path, at: Position, size: u64, is_whole: bool) -> io::Result<Page> {
    if is_whole && size > ATTACHED {
        return Ok(Page::TooLarge { size });
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at.from))?;
    let mut bytes = Vec::new();
    file.take(ATTACHED).read_to_end(&mut bytes)?;
    Ok(Page::Bytes { bytes, from: at.from, size })
}

fn length(bytes: &[u8]) -> u64 {
    length_of(bytes.len())
}

fn length_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
