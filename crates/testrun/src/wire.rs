//! What the server and its runner say to each other: frames of a length and JSON, each way.
//!
//! The server names a suite and values; it never says what to run.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest frame, in bytes.
pub(crate) const LARGEST: u32 = 4 << 20;

/// What the server asks.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Ask {
    /// A run.
    Start(Start),
    /// The end of a run.
    Cancel(String),
}

/// A run to start.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Start {
    /// Its id, which is the name of its folder.
    pub(crate) run: String,
    /// The suite.
    pub(crate) suite: String,
    /// The declaration that the server knows: the runner's must be the same.
    pub(crate) digest: String,
    /// The values of the inputs.
    pub(crate) values: BTreeMap<String, String>,
    /// The tree of an export, in hexadecimal; the working tree, if absent.
    pub(crate) export: Option<String>,
}

/// What the runner tells.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Tell {
    /// What this machine's kernel offers: the first thing told.
    Offer {
        /// The tier; none refuses every run.
        tier: Option<String>,
        /// What is lacking for more.
        lacks: Vec<String>,
    },
    /// A run has left the queue.
    Started(String),
    /// A run has ended, or never began.
    Ended(String, Box<Outcome>),
}

/// What became of a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Outcome {
    /// It was run, or tried.
    Ended(sandbox::Ended),
    /// It did not begin: why.
    Refused(String),
    /// Somebody wanted it to end while it waited.
    Cancelled,
    /// Its supervisor ended without a word.
    Lost,
}

/// Writes a frame.
pub(crate) fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).ok().filter(|length| *length <= LARGEST);
    let length = length.ok_or_else(|| io::Error::other("a message is too long"))?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend(text);
    stream.write_all(&frame)
}

/// Reads a frame; `None` at the end of the stream.
pub(crate) fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length > LARGEST {
        return Err(io::Error::other("a message is too long"));
    }
    let mut text = Vec::new();
    if stream.take(u64::from(length)).read_to_end(&mut text)? as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&text)?))
}

/// Whether a text can be the id of a run: a suite's id, `-`, and eight hexadecimal digits.
pub(crate) fn is_run(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    text.rsplit_once('-').is_some_and(|(suite, number)| {
        (1..=40).contains(&suite.len())
            && suite.starts_with(|first: char| first.is_ascii_lowercase())
            && suite.bytes().all(plain)
            && number.len() == 8
            && is_hex(number)
    })
}

/// Whether a text consists of hexadecimal digits in lower case.
pub(crate) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_through_and_a_wrong_one_does_not() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Ask::Cancel("web-00000000".to_owned())).expect("sent");
        let got: Option<Ask> = receive(&mut bytes.as_slice()).expect("a frame");
        assert!(matches!(got, Some(Ask::Cancel(run)) if run == "web-00000000"));
        let none: Option<Ask> = receive(&mut [].as_slice()).expect("the end");
        assert!(none.is_none());
        for bad in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x05{}", b"\0\0\0\x02{}"] {
            assert!(receive::<Ask>(&mut &*bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_id_of_a_run_is_no_path() {
        assert!(is_run("web-0a1b2c3d") && is_run("my-web_2-0a1b2c3d"));
        for bad in [
            "",
            "web",
            "-0a1b2c3d",
            "../x-0a1b2c3d",
            "web-0a1b2c3",
            "Web-0a1b2c3d",
            "w/b-0a1b2c3d",
            "web-0a1b2c3g",
        ] {
            assert!(!is_run(bad), "{bad}");
        }
    }
}
