//! The target `line`: the reader of standard input, fed in pieces.
//!
//! Promises: it takes what it is given and never panics; a line is answered exactly as often as
//! it is not blank: once; the answer to a malformed line is a JSON-RPC 2.0 error that carries the
//! request's id where one can be read; a line that is too long is dropped as it arrives.

use runtime::stdio::{LONGEST_LINE, Line, Piece};
use serde_json::{Value, json};

use super::random::Random;
use super::{Tried, json, judged, promise};

/// Messages of every kind.
fn seeds() -> Vec<Value> {
    let meta = crate::harness::meta();
    vec![
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": crate::harness::initialize("2025-11-25")}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": "three", "method": "tools/list", "params": {"_meta": meta}}),
        json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "docs_search", "arguments": {"query": "leave", "limit": 3}, "_meta": meta}}),
        json!({"jsonrpc": "2.0", "id": 5, "method": "server/discover", "params": {"_meta": meta}}),
        json!({"jsonrpc": "2.0", "id": 6, "method": "resources/read", "params": {"uri": "docs://handbook/leave.md"}}),
        json!({"jsonrpc": "2.0", "id": 7, "method": "completion/complete", "params": {"ref": {"type": "ref/resource", "uri": "docs://{collection}/{path}"}, "argument": {"name": "collection", "value": "h"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4, "reason": "no"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 0.5}}),
        json!({"jsonrpc": "2.0", "id": 8, "result": {"action": "accept", "content": {"ok": true}}}),
        json!({"jsonrpc": "2.0", "id": 9, "error": {"code": -32601, "message": "no"}}),
        json!([{"jsonrpc": "2.0", "id": 10, "method": "ping"}]),
        json!({"jsonrpc": "1.0", "id": 11, "method": "x/y", "params": [1, 2]}),
    ]
}

/// Bytes that matter to a reader of lines or of JSON.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\r",
    b" ",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"9223372036854775808",
    b"null",
    b"NaN",
    b",",
    b":",
    b"\"id\":",
    b"\"jsonrpc\":\"2.0\"",
    b"//",
    b"\x1b[0m",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":",
];

/// One iteration.
pub(super) fn attempt(random: &mut Random) -> Tried {
    if random.once_in(10_000) {
        let verdict = judged(|| endless(random));
        return Tried { input: b"a line without end".to_vec(), verdict };
    }
    let input = stream(random);
    let verdict = judged(|| feed(random, &input));
    Tried { input, verdict }
}

/// A few lines, some of them broken.
fn stream(random: &mut Random) -> Vec<u8> {
    let seeds = seeds();
    let mut out = Vec::new();
    for _ in 0..=random.below(5) {
        let mut message = random.one_of(&seeds).clone();
        for _ in 0..random.below(4) {
            json::mutate(random, &mut message);
        }
        let mut line = message.to_string().into_bytes();
        if random.once_in(2) {
            for _ in 0..=random.below(4) {
                damage(random, &mut line);
            }
        }
        if random.once_in(2_000) {
            // Around the longest line, on both sides of the limit.
            let target = LONGEST_LINE + random.below(5) - 2;
            line.retain(|byte| *byte != b'\n');
            line.resize(target.max(line.len()), b' ');
        }
        out.extend_from_slice(&line);
        out.push(b'\n');
    }
    if random.once_in(3) {
        out.pop();
    }
    out
}

/// Changes some bytes.
fn damage(random: &mut Random, line: &mut Vec<u8>) {
    let at = random.below(line.len() + 1);
    let end = (at + random.below(12)).min(line.len());
    match random.below(6) {
        0 => drop(line.drain(at..end)),
        1 => line.truncate(at),
        2 => {
            if let Some(byte) = line.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        3 => {
            let copy = line[at..end].repeat(random.below(40));
            line.splice(at..at, copy);
        }
        4 => line.insert(at, random.byte()),
        _ => drop(line.splice(at..at, random.one_of(PIECES).iter().copied())),
    }
}

/// Feeds the stream in pieces, and holds what comes out against what must.
fn feed(random: &mut Random, input: &[u8]) -> Result<bool, String> {
    let mut reader = Line::default();
    let mut messages = 0;
    let mut expected = input.split_inclusive(|byte| *byte == b'\n');
    let largest = *random.one_of(&[1, 7, 64, 4096, usize::MAX]);
    let mut rest = input;
    while !rest.is_empty() {
        let size = match largest {
            usize::MAX => rest.len(),
            // A long line in small pieces takes long, and shows nothing more.
            _ if rest.len() > 100_000 => 50_000,
            largest => 1 + random.below(largest.min(rest.len())),
        };
        let (mut piece, tail) = rest.split_at(size);
        rest = tail;
        while !piece.is_empty() {
            let (taken, out) = reader.take(piece);
            promise(taken > 0 && taken <= piece.len(), || format!("took {taken}"))?;
            let is_end = piece[..taken].ends_with(b"\n");
            promise(is_end != matches!(out, Piece::More), || format!("out of step: {out:?}"))?;
            piece = &piece[taken..];
            if is_end {
                let line = expected.next().ok_or("more lines than there are")?;
                messages += usize::from(check(line, &out)?);
            }
        }
    }
    Ok(messages > 0)
}

/// Whether what came out of a line may have; `true` for a message.
fn check(line: &[u8], out: &Piece) -> Result<bool, String> {
    let content = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    let is_blank = content.is_empty() && line.len() <= LONGEST_LINE;
    match out {
        Piece::More => Err("a whole line was not taken as one".to_owned()),
        Piece::Blank => promise(is_blank, || "a line was passed over".to_owned()).map(|()| false),
        Piece::Message(_) => {
            let value: Option<Value> = serde_json::from_slice(content).ok();
            let is_message = value.is_some_and(|value| value["jsonrpc"] == "2.0");
            promise(is_message && line.len() <= LONGEST_LINE, || {
                "what is no message was taken for one".to_owned()
            })?;
            Ok(true)
        }
        Piece::Malformed(reply) => {
            promise(!is_blank, || "a blank line was answered".to_owned())?;
            check_reply(reply, content, line.len() > LONGEST_LINE).map(|()| false)
        }
    }
}

/// Section 5.1 of JSON-RPC 2.0.
fn check_reply(reply: &Value, line: &[u8], is_too_long: bool) -> Result<(), String> {
    let broken = |what: &str| format!("{what}: {reply}");
    let fields: Vec<&String> = reply.as_object().into_iter().flat_map(|map| map.keys()).collect();
    promise(fields.len() == 3 && reply["jsonrpc"] == "2.0", || broken("not JSON-RPC 2.0"))?;
    let code = reply["error"]["code"].as_i64();
    let value: Option<Value> = if is_too_long { None } else { serde_json::from_slice(line).ok() };
    let expected = if value.is_some() || is_too_long { -32600 } else { -32700 };
    promise(code == Some(expected), || broken("the wrong code"))?;
    let message = reply["error"]["message"].as_str().unwrap_or_default();
    promise(!message.is_empty() && message.len() <= 500, || broken("no good message"))?;
    promise(!reply.to_string().contains(['\n', '\r']), || broken("more than a line"))?;
    let id = value.and_then(|value| value.get("id").cloned());
    let id = id.filter(|id| id.is_string() || id.is_i64() || id.is_u64()).unwrap_or_default();
    promise(reply["id"] == id, || broken("another request's id"))
}

/// A line many times as long as may be: it is answered once, and not kept.
fn endless(random: &mut Random) -> Result<bool, String> {
    let mut reader = Line::default();
    let chunk = vec![b'x'; 1 << 20];
    let before = memory();
    for _ in 0..32 * LONGEST_LINE / chunk.len() {
        let (taken, piece) = reader.take(&chunk);
        promise(taken == chunk.len() && matches!(piece, Piece::More), || format!("{piece:?}"))?;
    }
    // Others may run in this process: less than what was fed is enough to tell.
    let grown = memory().saturating_sub(before);
    promise(grown < 24 * LONGEST_LINE, || format!("{grown} bytes are kept"))?;
    let next: &[u8] = if random.once_in(2) { b"\n" } else { b"y\n" };
    let (_, piece) = reader.take(next);
    promise(matches!(&piece, Piece::Malformed(reply) if reply["error"]["code"] == -32600), || {
        format!("not answered: {piece:?}")
    })?;
    let (_, piece) = reader.take(b"\n");
    promise(matches!(piece, Piece::Blank), || format!("answered twice: {piece:?}"))?;
    Ok(false)
}

/// What this process holds in memory, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or_default() << 10
}
