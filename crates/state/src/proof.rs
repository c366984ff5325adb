//! That one record is in the log, for those who have neither the log nor this program.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::log::{checkpoint_path, origin};
use crate::merkle::{self, Hash};
use crate::note::{Checkpoint, VerifyingKey, encode_hash};
use crate::read::{self, Lines};
use crate::{StateError, key};

/// A record, and what ties it to a signed checkpoint (RFC 6962, 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// What this is, and its version.
    pub format: &'static str,
    /// The line of the record, without its line feed.
    pub record: String,
    /// Its index in the tree, from 0.
    pub index: u64,
    /// The size of the tree, as in the checkpoint.
    pub size: u64,
    /// The audit path from the leaf upwards, in base64.
    pub path: Vec<String>,
    /// The signed checkpoint (c2sp.org/tlog-checkpoint).
    pub checkpoint: String,
    /// The key of the server as this folder has it. Whoever verifies should have it from
    /// elsewhere.
    pub key: String,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A file cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no such record.
    #[error("{0} has no line {1}")]
    NoRecord(PathBuf, u64),
    /// The record is newer than the checkpoint.
    #[error(
        "line {1} of {0} is not signed yet: a server signs every second while it writes, and at \
         its end; try again then"
    )]
    NotSigned(PathBuf, u64),
    /// The segment is not what was signed.
    #[error("{0} is not as it was signed ({1}); `suite audit verify` says what is wrong")]
    Unsound(PathBuf, String),
}

/// Proves that a line (from 1) is in a segment of the server in `folder`, `state/<server>`.
pub fn prove(folder: &Path, server: &str, segment: &Path, line: u64) -> Result<Proof, ProofError> {
    let unsound = |why: String| ProofError::Unsound(segment.to_owned(), why);
    let read = |path: &Path| std::fs::read_to_string(path).map_err(StateError::at(path));
    let key: VerifyingKey =
        read(&folder.join("checkpoint.pub"))?.parse().map_err(|_| unsound("bad key".to_owned()))?;
    let note = read(&checkpoint_path(segment))?;
    let checkpoint = Checkpoint::open(&note, std::slice::from_ref(&key))
        .map_err(|error| unsound(error.to_string()))?;
    if checkpoint.origin != origin(&key::key_name(server), segment) {
        return Err(unsound("its checkpoint is that of another segment".to_owned()));
    }
    let (leaves, record) = leaves(segment, checkpoint.size, line)?;
    let Some(record) = record else { return Err(ProofError::NoRecord(segment.to_owned(), line)) };
    let index = match usize::try_from(line - 1) {
        Ok(index) if line <= checkpoint.size => index,
        _ => return Err(ProofError::NotSigned(segment.to_owned(), line)),
    };
    if leaves.len() as u64 != checkpoint.size || merkle::root(&leaves) != checkpoint.root {
        return Err(unsound("its lines are others".to_owned()));
    }
    Ok(Proof {
        format: "suite inclusion proof 1",
        record,
        index: line - 1,
        size: checkpoint.size,
        path: merkle::path(&leaves, index).iter().map(encode_hash).collect(),
        checkpoint: note,
        key: key.to_string(),
    })
}

/// The hashes of the first `size` lines, and the text of one line.
fn leaves(segment: &Path, size: u64, line: u64) -> Result<(Vec<Hash>, Option<String>), StateError> {
    let mut lines = Lines::open(segment)?;
    let (mut leaves, mut record) = (Vec::new(), None);
    while let Some(read) = lines.next_line()? {
        if read.is_torn || (read.number > size && read.number > line) {
            break;
        }
        if read.number == line {
            record = Some(String::from_utf8_lossy(read.bytes).into_owned());
        }
        if read.number <= size {
            leaves.push(merkle::leaf(read.bytes));
        }
    }
    Ok((leaves, record))
}

/// Where the records of a call are: segment and line, in the order of time.
pub fn records_of(folder: &Path, call: &str) -> Result<Vec<(PathBuf, u64)>, StateError> {
    let mut found = Vec::new();
    for segment in read::segments(&folder.join("records"))? {
        let mut lines = Lines::open(&segment)?;
        while let Some(line) = lines.next_line()? {
            if !line.is_torn && read::call_of(line.bytes) == call {
                found.push((segment.clone(), line.number));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use contract::record::{Event, Record};

    use super::*;
    use crate::Log;

    #[test]
    fn every_record_has_a_proof_that_leads_to_the_signed_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().join("docs");
        let log = Log::open(&home.join("records")).expect("a log");
        for number in 0..10 {
            let mut record = Record::new(Event::Call, "docs");
            let call = format!("c{number}");
            record.call = &call;
            log.append(&mut record).expect("written");
        }
        drop(log);
        let found = records_of(&home, "c6").expect("read");
        let [(segment, line)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(*line, 8);
        for line in 1..=11 {
            let proof = prove(&home, "docs", segment, line).expect("a proof");
            let keys = [proof.key.parse().expect("a key")];
            let checkpoint = Checkpoint::open(&proof.checkpoint, &keys).expect("signed");
            let path: Vec<Hash> = proof
                .path
                .iter()
                .map(|hash| crate::note::decode_hash(hash).expect("a hash"))
                .collect();
            let leaf = merkle::leaf(proof.record.as_bytes());
            let root = merkle::root_of_path(leaf, proof.index, proof.size, &path);
            assert_eq!(root, Some(checkpoint.root));
        }
        let none = prove(&home, "docs", segment, 12).expect_err("no such line");
        assert!(matches!(none, ProofError::NoRecord(..)), "{none}");
        let text = std::fs::read_to_string(segment).expect("a segment");
        std::fs::write(segment, text.replace("c3", "x3")).expect("written");
        let unsound = prove(&home, "docs", segment, 1).expect_err("changed");
        assert!(matches!(unsound, ProofError::Unsound(..)), "{unsound}");
        let next = text.lines().last().expect("a line").replace(":11,", ":12,");
        std::fs::write(segment, format!("{text}{next}\n")).expect("written");
        let early = prove(&home, "docs", segment, 12).expect_err("not signed");
        assert!(matches!(early, ProofError::NotSigned(..)), "{early}");
    }
}
