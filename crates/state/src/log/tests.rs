//! Writing, rotating and going on with segments.

use contract::record::{Event, Record};

use super::*;
use crate::note::Checkpoint;
use crate::{merkle, read};

fn note(log: &Log) -> u64 {
    log.append(&mut Record::new(Event::Call, "docs")).expect("written")
}

/// A server's folder, and the folder of its records.
fn folders() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("docs/records");
    (folder, records)
}

/// What the checkpoint of a segment says, if it is signed by the key of the folder.
fn checkpoint(segment: &Path) -> Checkpoint {
    let home = home(segment.parent().expect("records")).0;
    let key = std::fs::read_to_string(home.join("checkpoint.pub")).expect("a key");
    let note = std::fs::read_to_string(checkpoint_path(segment)).expect("a checkpoint");
    Checkpoint::open(&note, &[key.parse().expect("a key")]).expect("signed")
}

fn root(segment: &Path) -> merkle::Hash {
    let text = std::fs::read_to_string(segment).expect("a segment");
    let leaves: Vec<_> = text.lines().map(|line| merkle::leaf(line.as_bytes())).collect();
    assert_eq!(std::fs::read(hashes_path(segment)).expect("hashes"), leaves.as_flattened());
    merkle::root(&leaves)
}

#[test]
fn a_log_goes_on_where_it_stopped() {
    let (_folder, records) = folders();
    let first = Log::open(&records).expect("a log");
    assert_eq!((note(&first), note(&first)), (2, 3), "the first line names the segments before");
    let path = first.path();
    drop(first);
    let second = Log::open(&records).expect("a log");
    assert_eq!(note(&second), 4);
    assert_eq!(second.path(), path);
    let numbers = |count| -> Vec<u64> {
        let records = crate::tail(&records, count).expect("records");
        records.iter().filter_map(|record| record["sequence"].as_u64()).collect()
    };
    assert_eq!((numbers(9), numbers(2)), (vec![1, 2, 3, 4], vec![3, 4]), "in the order written");
    drop(second);
    let text = std::fs::read_to_string(&path).expect("the segment");
    assert_eq!(text.lines().count(), 4);
    assert!(text.starts_with(r#"{"event":"segment","key":"suite/docs+"#), "{text}");
    let signed = checkpoint(&path);
    assert_eq!(signed.origin, format!("suite/docs/{}", read::name(&path)));
    assert_eq!((signed.size, signed.root), (4, root(&path)));
}

#[test]
fn two_processes_write_two_segments() {
    let (_folder, records) = folders();
    let first = Log::open(&records).expect("a log");
    let second = Log::open(&records).expect("a log");
    assert_ne!(first.path(), second.path());
    assert_eq!((note(&first), note(&second)), (2, 2));
    let line = std::fs::read_to_string(second.path()).expect("the segment");
    assert!(line.contains(&format!(r#""segments":[{{"name":"{}""#, read::name(&first.path()))));
}

/// Changes the text of a closed log, opens it again: the changed segment stays as it is.
fn is_left_alone(change: impl Fn(&Path)) {
    let (_folder, records) = folders();
    let log = Log::open(&records).expect("a log");
    note(&log);
    let path = log.path();
    drop(log);
    change(&path);
    let text = std::fs::read(&path).expect("the segment");
    let log = Log::open(&records).expect("a log");
    note(&log);
    assert_ne!(log.path(), path);
    assert_eq!(std::fs::read(&path).expect("the segment"), text);
}

#[test]
fn a_segment_that_is_torn_changed_or_unsigned_is_not_gone_on_with() {
    let edit = |path: &Path, change: &dyn Fn(String) -> String| {
        let text = std::fs::read_to_string(path).expect("the segment");
        std::fs::write(path, change(text)).expect("written");
    };
    is_left_alone(|path| edit(path, &|text| text + "{\"sequence\":2,\"ev"));
    is_left_alone(|path| edit(path, &|text| text.replace("call", "cell")));
    // Whole, with the right number, and signed by nobody.
    is_left_alone(|path| {
        edit(path, &|text| {
            let last = text.lines().last().expect("a line").replace(":2,", ":3,");
            format!("{text}{last}\n")
        });
    });
    is_left_alone(|path| {
        edit(path, &|text| text.lines().next().map(|line| format!("{line}\n")).expect("a line"));
    });
    is_left_alone(|path| std::fs::remove_file(checkpoint_path(path)).expect("removed"));
    is_left_alone(|path| edit(path, &|_| String::new()));
}

#[test]
fn records_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, records) = folders();
    let log = Log::open(&records).expect("a log");
    let path = log.path();
    drop(log);
    let mode =
        |path: &Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    for path in [&path, &checkpoint_path(&path), &hashes_path(&path)] {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&records), 0o700);
}

/// Hands every note on.
#[derive(Debug)]
struct Channel(std::sync::mpsc::Sender<String>);

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a channel")
    }
}

impl Destination for Channel {
    fn keep(&mut self, note: &str) -> std::io::Result<()> {
        self.0.send(note.to_owned()).map_err(std::io::Error::other)
    }
}

#[test]
fn checkpoints_are_signed_and_copied_while_the_log_is_open_and_at_its_end() {
    let (_folder, records) = folders();
    let (send, receive) = std::sync::mpsc::channel();
    let log = Log::open_copied(&records, vec![Box::new(Channel(send))]).expect("a log");
    let path = log.path();
    // Without waiting for anything but the copy: the log is open, and nothing else is written.
    let open = receive.recv_timeout(Duration::from_mins(1)).expect("a copy while it is open");
    assert_eq!(Checkpoint::unverified(&open).expect("a checkpoint").size, 1);
    note(&log);
    log.append_durable(&mut Record::new(Event::Intent, "docs")).expect("written");
    log.settle();
    assert_eq!(checkpoint(&path).size, 3, "while others may still hold the log");
    drop(log);
    let last = receive.iter().last().expect("a copy at the end");
    assert_eq!(last, std::fs::read_to_string(checkpoint_path(&path)).expect("the checkpoint"));
    let signed = checkpoint(&path);
    assert_eq!((signed.size, signed.root), (3, root(&path)));
}

/// What is found when the segment of an open log is taken away, and that its records go on.
fn is_missed(take: impl Fn(&Path), write: impl Fn(&Log) -> Result<u64, StateError>) {
    let (folder, records) = folders();
    let log = Log::open(&records).expect("a log");
    note(&log);
    log.settle();
    let path = log.path();
    take(&path);
    assert_eq!(write(&log).expect("written"), 2, "in a segment of its own");
    assert_ne!(log.path(), path);
    drop(log);
    let servers = vec![("docs".to_owned(), folder.path().join("docs"))];
    let request = crate::verify::Request { servers, ..Default::default() };
    let report = crate::verify::verify(&request, &|_| ()).expect("verified");
    let found = &report.findings[0];
    assert_eq!((found.kind, &found.file), (crate::verify::Kind::SegmentDeleted, &path));
    assert_eq!(report.records, 2, "the line that names the one that is gone, and the record");
}

#[test]
fn a_segment_that_is_taken_away_is_missed_and_no_further_record_is_lost() {
    let delete = |path: &Path| std::fs::remove_file(path).expect("removed");
    let rename = |path: &Path| std::fs::rename(path, path.with_extension("bak")).expect("renamed");
    let durable = |log: &Log| log.append_durable(&mut Record::new(Event::Intent, "docs"));
    let plain = |log: &Log| log.append(&mut Record::new(Event::Call, "docs"));
    is_missed(delete, durable);
    is_missed(rename, durable);
    is_missed(delete, plain);
    is_missed(rename, plain);
}

#[test]
fn a_segment_in_whose_place_stands_another_file_is_not_written_to() {
    let (_folder, records) = folders();
    let log = Log::open(&records).expect("a log");
    let path = log.path();
    log.settle();
    std::fs::rename(&path, path.with_extension("bak")).expect("renamed");
    std::fs::copy(path.with_extension("bak"), &path).expect("copied");
    let before = std::fs::read(&path).expect("read");
    note(&log);
    assert_ne!(log.path(), path);
    drop(log);
    assert_eq!(std::fs::read(&path).expect("read"), before);
}

#[test]
fn a_log_without_its_folder_takes_no_record() {
    let (_folder, records) = folders();
    let log = Log::open(&records).expect("a log");
    log.settle();
    std::fs::rename(&records, records.with_extension("moved")).expect("renamed");
    let error = log.append_durable(&mut Record::new(Event::Intent, "docs")).expect_err("no place");
    assert!(error.to_string().contains("no other segment can be begun"), "{error}");
    log.append(&mut Record::new(Event::Call, "docs")).expect_err("no place");
    std::fs::rename(records.with_extension("moved"), &records).expect("renamed");
    assert_eq!(note(&log), 2, "it is back");
}
