//! Every kind of tampering, and that it is found.

use std::path::{Path, PathBuf};

use contract::record::{Event, Record};

use super::*;
use crate::log::{checkpoint_path, hashes_path};
use crate::{Log, merkle, read};

/// A folder with the log of `docs`: two segments of seven and six lines.
struct Folder {
    dir: tempfile::TempDir,
    segments: Vec<PathBuf>,
}

fn write(log: &Log, count: usize) {
    for number in 0..count {
        let mut record = Record::new(Event::Call, "docs");
        let call = format!("c{number}");
        record.call = &call;
        log.append(&mut record).expect("written");
    }
}

/// Names of segments sort by time, to the millisecond.
fn next_millisecond() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = || now().expect("after 1970").as_millis();
    let began = now();
    while now() == began {
        std::hint::spin_loop();
    }
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let records = dir.path().join("docs/records");
        let first = Log::open(&records).expect("a log");
        next_millisecond();
        let second = Log::open(&records).expect("a log");
        write(&first, 6);
        write(&second, 5);
        drop((first, second));
        let mut folder = Self { dir, segments: Vec::new() };
        // Begun when both were there: names them both with their roots.
        folder.begin_another();
        folder
    }

    fn records(&self) -> PathBuf {
        self.dir.path().join("docs/records")
    }

    /// Opens the log once more, in a segment of its own.
    fn begin_another(&mut self) {
        let newest = read::segments(&self.records()).expect("segments").pop().expect("one");
        let held = std::fs::File::open(newest).expect("opened");
        held.lock().expect("held");
        next_millisecond();
        write(&Log::open(&self.records()).expect("a log"), 1);
        self.segments = read::segments(&self.records()).expect("segments");
    }

    fn request(&self) -> Request {
        let servers = vec![("docs".to_owned(), self.dir.path().join("docs"))];
        Request { servers, is_whole: true, ..Request::default() }
    }

    fn verify(&self) -> Report {
        verify(&self.request(), &|_| ()).expect("verified")
    }

    /// Verifies against checkpoints that were kept elsewhere.
    fn verify_with(&self, outside: &[String]) -> Report {
        let outside = outside.iter().map(|note| ("kept.txt".to_owned(), note.clone())).collect();
        verify(&Request { outside, ..self.request() }, &|_| ()).expect("verified")
    }

    fn checkpoints(&self) -> Vec<String> {
        let note = |path: &PathBuf| std::fs::read_to_string(checkpoint_path(path)).expect("a note");
        self.segments.iter().map(note).collect()
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let text = std::fs::read_to_string(path).expect("a segment");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.push(String::new());
    std::fs::write(path, lines.join("\n")).expect("written");
}

fn kinds(report: &Report) -> Vec<(Kind, Option<u64>)> {
    report.findings.iter().map(|finding| (finding.kind, finding.line)).collect()
}

/// What is found when the first of three segments was changed, with and without the hashes of
/// its lines.
fn check(
    change: impl Fn(&mut Vec<String>),
    expected: &[(Kind, Option<u64>)],
    without: &[(Kind, Option<u64>)],
) {
    let folder = Folder::new();
    edit(&folder.segments[0], &change);
    let report = folder.verify();
    assert_eq!(kinds(&report), expected, "{:?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.file == folder.segments[0]));
    std::fs::remove_file(hashes_path(&folder.segments[0])).expect("removed");
    let report = folder.verify();
    assert_eq!(kinds(&report), without, "without hashes: {:?}", report.findings);
}

#[test]
fn a_log_that_nobody_touched_is_sound() {
    let folder = Folder::new();
    let report = folder.verify_with(&folder.checkpoints());
    assert_eq!((report.findings.len(), report.notices.len()), (0, 0), "{report:?}");
    assert_eq!((report.segments, report.records, report.covered), (3, 15, 15));
    assert_eq!((report.servers, report.outside), (1, 3));
}

#[test]
fn an_edited_line_is_found() {
    // The second segment was begun when the first had one line, and says which.
    let changed = [(Kind::Changed, Some(2))];
    check(|lines| lines[3] = lines[3].replace("c2", "x2"), &[(Kind::Edited, Some(4))], &changed);
}

#[test]
fn a_deleted_line_is_found() {
    let gap = [(Kind::Deleted, Some(3))];
    check(|lines| drop(lines.remove(2)), &[(Kind::Deleted, Some(3))], &gap);
    // Also when something else was added in its place.
    let replaced = |lines: &mut Vec<String>| {
        lines.remove(2);
        lines.push(lines[5].replace("\"sequence\":7", "\"sequence\":8"));
    };
    check(replaced, &[(Kind::Deleted, Some(3))], &gap);
}

#[test]
fn reordered_lines_are_found() {
    let gap = [(Kind::Deleted, Some(3))];
    check(|lines| lines.swap(2, 3), &[(Kind::Reordered, Some(4))], &gap);
}

#[test]
fn a_cut_segment_is_found() {
    let cut = [(Kind::Cut, Some(5))];
    check(|lines| lines.truncate(4), &cut, &cut);
    let folder = Folder::new();
    let text = std::fs::read(&folder.segments[0]).expect("a segment");
    std::fs::write(&folder.segments[0], &text[..text.len() - 1]).expect("written");
    assert_eq!(kinds(&folder.verify()), [(Kind::Cut, Some(7))], "a line feed was signed for");
}

#[test]
fn a_deleted_segment_is_found() {
    for index in [0, 1] {
        let folder = Folder::new();
        for path in [&folder.segments[index], &checkpoint_path(&folder.segments[index])] {
            std::fs::remove_file(path).expect("removed");
        }
        let report = folder.verify();
        assert!(!report.findings.is_empty(), "segment {index}");
        assert!(report.findings.iter().all(|one| one.kind == Kind::SegmentDeleted), "{report:?}");
        assert_eq!(report.findings[0].file, folder.segments[index]);
    }
}

#[test]
fn the_deletion_of_the_newest_segment_is_found_from_outside_only() {
    let folder = Folder::new();
    let kept = folder.checkpoints();
    let newest = &folder.segments[2];
    std::fs::remove_file(newest).expect("removed");
    for beside in [hashes_path(newest), checkpoint_path(newest)] {
        let report = folder.verify();
        assert_eq!(kinds(&report), [(Kind::SegmentDeleted, None)], "{report:?}");
        assert_eq!(report.findings[0].file, *newest, "what stood beside it tells");
        std::fs::remove_file(beside).expect("removed");
    }
    assert_eq!(kinds(&folder.verify()), []);
    assert_eq!(kinds(&folder.verify_with(&kept)), [(Kind::SegmentDeleted, None)]);
    std::fs::remove_dir_all(folder.dir.path().join("docs")).expect("removed");
    let request = Request { servers: Vec::new(), ..folder.request() };
    let outside = kept.into_iter().map(|note| ("kept.txt".to_owned(), note)).collect();
    let report = verify(&Request { outside, ..request }, &|_| ()).expect("verified");
    assert!(report.findings.iter().all(|one| one.what.contains("whose folder is gone")));
    assert_eq!(report.findings.len(), 3);
}

#[test]
fn half_a_checkpoint_from_outside_is_no_finding() {
    let folder = Folder::new();
    let kept = folder.checkpoints();
    let half = &kept[0][..kept[0].len() - 9];
    let report = folder.verify_with(&[half.to_owned(), kept[1].clone()]);
    assert_eq!((kinds(&report).len(), report.outside), (0, 1), "{report:?}");
    assert_eq!(report.notices[0].kind, Kind::Torn, "{report:?}");
}

/// Writes a segment anew with everything that belongs to it, as whoever holds the key can.
fn rewrite(folder: &Folder, index: usize, change: impl FnOnce(&mut Vec<String>)) {
    let path = &folder.segments[index];
    edit(path, change);
    let key = crate::key::checkpoint_key(&folder.dir.path().join("docs"), "docs").expect("a key");
    let text = std::fs::read_to_string(path).expect("a segment");
    let mut tree = merkle::Tree::default();
    let leaves: Vec<_> = text.lines().map(|line| merkle::leaf(line.as_bytes())).collect();
    for leaf in &leaves {
        tree.push(*leaf);
    }
    std::fs::write(hashes_path(path), leaves.as_flattened()).expect("written");
    let origin = crate::log::origin("suite/docs", path);
    let checkpoint = crate::note::Checkpoint { origin, size: tree.size(), root: tree.root() };
    std::fs::write(checkpoint_path(path), checkpoint.sign(&key)).expect("written");
}

#[test]
fn a_rewritten_and_signed_segment_is_found_by_those_after_it_and_from_outside() {
    let folder = Folder::new();
    rewrite(&folder, 1, |lines| lines[3] = lines[3].replace("c2", "x2"));
    let report = folder.verify();
    assert_eq!(kinds(&report), [(Kind::Changed, Some(1))], "{report:?}");
    assert!(report.findings[0].what.contains("the first line of"), "{report:?}");

    let folder = Folder::new();
    let kept = folder.checkpoints();
    rewrite(&folder, 2, |lines| lines[1] = lines[1].replace("c0", "x0"));
    assert_eq!(kinds(&folder.verify()), [], "nothing inside tells");
    let report = folder.verify_with(&kept);
    assert_eq!(kinds(&report), [(Kind::Changed, Some(1))], "{report:?}");
    assert!(report.findings[0].what.contains("rewritten, and signed again"), "{report:?}");
    rewrite(&folder, 2, |lines| lines.truncate(1));
    assert_eq!(kinds(&folder.verify()), []);
    assert_eq!(kinds(&folder.verify_with(&kept)), [(Kind::Cut, Some(2))]);
}

#[test]
fn an_older_checkpoint_from_outside_fits_a_log_that_grew() {
    let mut folder = Folder::new();
    let kept = folder.checkpoints();
    // Goes on in the newest segment.
    write(&Log::open(&folder.records()).expect("a log"), 3);
    assert_ne!(folder.checkpoints()[2], kept[2]);
    assert_eq!(kinds(&folder.verify_with(&kept)), []);
    folder.begin_another();
    assert_eq!(kinds(&folder.verify_with(&kept)), []);
}

#[test]
fn a_checkpoint_by_another_key_is_found() {
    let folder = Folder::new();
    let other = Folder::new();
    // From elsewhere, and beside the segment.
    let foreign = other.checkpoints()[0]
        .replace(read::name(&other.segments[0]), read::name(&folder.segments[0]));
    let report = folder.verify_with(std::slice::from_ref(&foreign));
    assert_eq!(kinds(&report), [(Kind::ForeignKey, None)], "{report:?}");
    std::fs::write(checkpoint_path(&folder.segments[0]), foreign).expect("written");
    assert_eq!(kinds(&folder.verify()), [(Kind::ForeignKey, None)]);
}

#[test]
fn a_replaced_key_is_found() {
    let folder = Folder::new();
    let kept = folder.checkpoints();
    let home = folder.dir.path().join("docs");
    let public = std::fs::read_to_string(home.join("checkpoint.pub")).expect("a key");
    for name in ["checkpoint.key", "checkpoint.pub"] {
        std::fs::remove_file(home.join(name)).expect("removed");
    }
    for index in 0..3 {
        rewrite(&folder, index, |_| ());
    }
    let report = folder.verify();
    let replaced = (Kind::KeyReplaced, Some(1));
    assert_eq!(kinds(&report), [replaced, replaced, replaced], "{report:?}");
    let report = folder.verify_with(&kept);
    assert!(report.findings.iter().any(|one| one.kind == Kind::ForeignKey), "{report:?}");
    // Whoever kept the key does not believe the one that is there.
    let keys = vec![public.parse().expect("a key")];
    let report = verify(&Request { keys, ..folder.request() }, &|_| ()).expect("verified");
    let foreign = (Kind::ForeignKey, None);
    assert_eq!(kinds(&report), [foreign, foreign, foreign], "{report:?}");
}

#[test]
fn a_checkpoint_that_is_gone_damaged_or_of_another_segment_is_found() {
    let damage = |change: &dyn Fn(&Folder, &Path)| {
        let folder = Folder::new();
        change(&folder, &checkpoint_path(&folder.segments[2]));
        kinds(&folder.verify())
    };
    let missing = damage(&|_, path| std::fs::remove_file(path).expect("removed"));
    assert_eq!(missing, [(Kind::CheckpointMissing, None)]);
    let bad = [(Kind::BadSignature, None)];
    assert_eq!(damage(&|_, path| std::fs::write(path, "").expect("written")), bad);
    let bigger = damage(&|folder, path| {
        std::fs::write(path, folder.checkpoints()[2].replace("\n2\n", "\n3\n")).expect("written");
    });
    assert_eq!(bigger, bad);
    let swapped = damage(&|folder, path| {
        std::fs::write(path, &folder.checkpoints()[1]).expect("written");
    });
    assert_eq!(swapped, bad);
}

#[test]
fn what_a_crash_leaves_is_no_tampering() {
    let folder = Folder::new();
    let path = &folder.segments[2];
    let mut text = std::fs::read_to_string(path).expect("a segment");
    let next = text.lines().last().expect("a line").replace(":2,", ":3,");
    text.push_str(&format!("{next}\n{{\"event\":\"ca"));
    std::fs::write(path, &text).expect("written");
    let report = folder.verify();
    assert_eq!(kinds(&report), [], "{report:?}");
    let notices: Vec<_> = report.notices.iter().map(|one| (one.kind, one.line)).collect();
    assert_eq!(notices, [(Kind::Uncovered, Some(3)), (Kind::Torn, Some(4))], "{report:?}");
    // A line that is missing among those is.
    std::fs::write(path, text.replace(":3,", ":4,")).expect("written");
    assert_eq!(kinds(&folder.verify()), [(Kind::Gap, Some(3))]);
}

#[test]
fn a_segment_of_a_version_that_signed_nothing_stays_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("docs/records");
    std::fs::create_dir_all(&records).expect("a folder");
    let old = records.join("20260101T000000000Z-00000000.jsonl");
    let line = |n: &u64| format!("{{\"event\":\"call\",\"sequence\":{n},\"server\":\"docs\"}}\n");
    let lines = |numbers: &[u64]| numbers.iter().map(line).collect::<Vec<_>>().concat();
    std::fs::write(&old, lines(&[1, 2, 3])).expect("written");
    write(&Log::open(&records).expect("a log"), 1);
    let request = || Request {
        servers: vec![("docs".to_owned(), folder.path().join("docs"))],
        ..Request::default()
    };
    let report = verify(&request(), &|_| ()).expect("verified");
    assert_eq!((report.findings.len(), report.notices[0].kind), (0, Kind::Unsigned), "{report:?}");
    std::fs::write(&old, lines(&[1, 3])).expect("written");
    let report = verify(&request(), &|_| ()).expect("verified");
    assert_eq!(kinds(&report), [(Kind::Gap, Some(2))]);
    std::fs::remove_file(&old).expect("removed");
    let report = verify(&request(), &|_| ()).expect("verified");
    assert_eq!(kinds(&report), [(Kind::SegmentDeleted, None)], "it was there when the next began");
}

#[test]
fn an_intent_without_an_outcome_is_reported_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("docs/records");
    let event = |log: &Log, event, call| {
        let mut record = Record::new(event, "docs");
        (record.call, record.tool) = (call, "docs_write");
        log.append_durable(&mut record).expect("written");
    };
    let open = |is_gone_on_with: bool| {
        let servers = vec![("docs".to_owned(), folder.path().join("docs"))];
        let report = verify(&Request { servers, ..Request::default() }, &|_| ()).expect("verified");
        assert_eq!(kinds(&report), [], "{report:?}");
        let notices = report.notices.iter().filter(|one| one.kind == Kind::OpenIntent);
        let found: Vec<_> = notices.map(|one| one.what.clone()).collect();
        assert!(!is_gone_on_with || found.len() == 1, "{found:?}");
        found
    };
    let log = Log::open(&records).expect("a log");
    event(&log, Event::Started, "");
    event(&log, Event::Intent, "ended");
    event(&log, Event::Intent, "open");
    event(&log, Event::Call, "ended");
    assert_eq!(open(false).len(), 0, "while the process lives, the call runs");
    drop(log);
    let found = open(true);
    assert!(found[0].contains("the call open of docs_write"), "{found:?}");
    // Another process goes on in the segment: it does not run the call.
    let log = Log::open(&records).expect("a log");
    event(&log, Event::Started, "");
    event(&log, Event::Intent, "running");
    open(true);
    drop(log);
}

/// Makes the first segment look as if a version had written it that signed nothing.
fn strip(folder: &Folder, index: usize) {
    let path = &folder.segments[index];
    edit(path, |lines| {
        lines.remove(0);
        for (at, line) in lines.iter_mut().enumerate() {
            let number = |at: usize| format!("\"sequence\":{at},");
            *line = line.replace(&number(at + 2), &number(at + 1)).replace("c2", "forged");
        }
    });
    for beside in [hashes_path(path), checkpoint_path(path)] {
        std::fs::remove_file(beside).expect("removed");
    }
}

#[test]
fn a_log_that_was_stripped_of_its_signatures_does_not_pass_as_an_old_one() {
    let mut folder = Folder::new();
    (0..3).for_each(|index| strip(&folder, index));
    let missing = (Kind::CheckpointMissing, None);
    assert_eq!(kinds(&folder.verify()), [missing; 3]);
    // Nor does a server that is started afterwards vouch for it.
    folder.begin_another();
    assert_eq!(kinds(&folder.verify()), [missing; 3]);
    // Without the key in the folder, the one that was kept elsewhere tells.
    let home = folder.dir.path().join("docs");
    let key = std::fs::read_to_string(home.join("checkpoint.pub")).expect("a key");
    let key: VerifyingKey = key.parse().expect("a key");
    for name in ["checkpoint.key", "checkpoint.pub"] {
        std::fs::remove_file(home.join(name)).expect("removed");
    }
    strip(&folder, 3);
    let report = folder.verify();
    assert_eq!((kinds(&report).len(), report.notices.len()), (0, 4), "{report:?}");
    assert!(report.notices[0].what.contains("neither a checkpoint nor a key"), "{report:?}");
    let report = verify(&Request { keys: vec![key], ..folder.request() }, &|_| ());
    assert_eq!(kinds(&report.expect("verified")), [missing; 4]);
}

#[test]
fn a_segment_that_was_put_there_does_not_pass_as_an_old_one() {
    let mut folder = Folder::new();
    let planted = folder.records().join("20200101T000000000Z-00000000.jsonl");
    std::fs::write(&planted, "{\"event\":\"call\",\"sequence\":1,\"server\":\"docs\"}\n")
        .expect("written");
    let missing = [(Kind::CheckpointMissing, None)];
    assert_eq!(kinds(&folder.verify()), missing);
    folder.begin_another();
    assert_eq!(kinds(&folder.verify()), missing);
}

/// What is found when these lines stand behind those that are signed.
fn behind(lines: &[(&str, &str)]) -> (Vec<(Kind, Option<u64>)>, Vec<Kind>) {
    let folder = Folder::new();
    let log = Log::open(&folder.records()).expect("a log");
    log.append(&mut Record::new(Event::Stopped, "docs")).expect("written");
    drop(log);
    edit(&folder.segments[2], |text| {
        for (number, (event, time)) in lines.iter().enumerate() {
            let number = number + 4;
            text.push(format!(
                "{{\"event\":\"{event}\",\"sequence\":{number},\"time\":\"2026-01-01T00:00:{time}Z\"}}"
            ));
        }
    });
    let report = folder.verify();
    (kinds(&report), report.notices.iter().map(|one| one.kind).collect())
}

#[test]
fn lines_that_no_crash_explains_are_found() {
    let uncovered = (Vec::new(), vec![Kind::Uncovered]);
    assert_eq!(behind(&[("started", "00.000"), ("call", "00.900")]), uncovered);
    assert_eq!(behind(&[("approval_given", "00.000")]), uncovered, "it was not the server");
    let found = |line| (vec![(Kind::CheckpointMissing, Some(line))], Vec::new());
    assert_eq!(behind(&[("call", "00.000")]), found(4), "behind the end of the server");
    let late = [("started", "00.000"), ("call", "04.000"), ("call", "08.000"), ("call", "09.000")];
    assert_eq!(behind(&late), found(6), "signed every second");
    assert_eq!(behind(&[("started", "00.000"), ("call", "then")]), found(5), "no time");
}

#[test]
fn a_server_does_not_sign_what_another_wrote() {
    let mut folder = Folder::new();
    let added = |lines: &mut Vec<String>| {
        lines.push(lines[1].replace(":2,", ":3,").replace("c0", "forged"));
    };
    edit(&folder.segments[2], added);
    write(&Log::open(&folder.records()).expect("a log"), 1);
    folder.segments = read::segments(&folder.records()).expect("segments");
    assert_eq!(folder.segments.len(), 4, "another segment was begun");
    let report = folder.verify();
    assert_eq!((report.records, report.covered), (18, 17), "{report:?}");
    assert_eq!(report.notices[0].kind, Kind::Uncovered, "{report:?}");
}
