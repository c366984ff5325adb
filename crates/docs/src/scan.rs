//! A scan: finds what changed in the collections and brings the index up to date.
//!
//! Only new, changed and removed files are rewritten, all in one commit: whoever is killed, or
//! meets a full disk, leaves the last complete index. Processes of the same server take turns by
//! a lock on a file beside the index; whoever comes second finds nothing left to do.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tantivy::{IndexWriter, TantivyDocument, TantivyError};

use crate::catalogue::{Catalogue, FileRecord, Snapshot};
use crate::collection::{Collection, ReadError, Stamp};
use crate::held::{Held, hash, take_turn};
use crate::index;
use crate::library::{Fault, Library, Report};
use crate::page::Page;

/// A file changed this shortly before it was read may change again without a new time of change.
const RACE: Duration = Duration::from_secs(2);
/// The memory of one indexing thread, in bytes.
const MEMORY: usize = 32 * 1024 * 1024;
/// From how many files on a second indexing thread is worth its start.
const MANY: usize = 200;
/// How often waiting calls hear of the progress, in files.
const STEP: usize = 20;

/// Scans once. Never panics; on an error the last snapshot stays.
pub(crate) fn run(library: &Library) -> Result<Report, Fault> {
    let scanned = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let mut held = library.held.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = |error| unwritable(&library.folder, &error);
        if library.take_doubt() {
            *held = None;
        }
        if held.is_none() {
            // Even where the folder cannot be written, an earlier index answers.
            *held = Held::open(library).ok();
        }
        std::fs::create_dir_all(&library.folder).map_err(|error| fault(error.into()))?;
        let _turn = take_turn(&library.folder).map_err(|error| fault(error.into()))?;
        let current = match held.take().filter(Held::is_current) {
            Some(current) => current,
            None => Held::open(library)
                .or_else(|error| Held::rebuild(library, &error))
                .map_err(fault)?,
        };
        let current = held.insert(current);
        Scan { library, held: current, report: Report::default() }.run().map_err(fault)
    }));
    scanned.unwrap_or_else(|_| {
        // A damaged index can make the engine panic: the next scan opens it anew.
        library.doubt();
        let message = "reading the documents failed; the operator's log has the details.";
        let log = "a panic during the scan".to_owned();
        Err(Fault { message: message.to_owned(), log })
    })
}

/// One scan, while it holds the lock.
struct Scan<'a> {
    library: &'a Library,
    held: &'a mut Held,
    report: Report,
}

/// A file to be looked at: a new one, or one whose size or time of change differs.
struct Suspect<'a> {
    collection: &'a Collection,
    path: String,
    stamp: Stamp,
}

impl<'a> Scan<'a> {
    fn run(mut self) -> Result<Report, TantivyError> {
        let (mut next, suspects) = self.compare();
        let mut pen = Pen { writer: None, files: suspects.len() };
        for (done, suspect) in suspects.iter().enumerate() {
            if done % STEP == 0 {
                self.library.advance(done, suspects.len());
            }
            if let Some(record) = self.look(suspect, &mut pen)? {
                let files = next.entry(suspect.collection.name.clone()).or_default();
                files.insert(suspect.path.clone(), record);
            }
        }
        self.library.advance(suspects.len(), suspects.len());
        for (collection, path) in gone(&self.held.catalogue, &next) {
            let term = index::file_term(&self.held.fields, &collection, &path);
            pen.writer(self.held)?.delete_term(term);
            self.report.removed += 1;
        }
        if !self.held.is_ours() {
            pen.writer(self.held)?;
        }
        self.commit(pen, next)?;
        Ok(self.report)
    }

    /// Compares the folders with the catalogue by size and time of change alone: the files that
    /// stay as they are, and those to be looked at.
    fn compare(&mut self) -> (Catalogue, Vec<Suspect<'a>>) {
        let (mut next, mut suspects) = (Catalogue::new(), Vec::new());
        for collection in &self.library.collections {
            let name = &collection.name;
            let known = self.held.catalogue.get(name);
            let found = match collection.walk() {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(collection = name, "the folder of {name} is lost: {error}");
                    self.report.lost.push(name.clone());
                    next.insert(name.clone(), known.cloned().unwrap_or_default());
                    continue;
                }
            };
            self.report.skipped += found.skipped;
            let files = next.entry(name.clone()).or_default();
            for (path, stamp) in found.files {
                match known.and_then(|known| known.get(&path)) {
                    Some(record) if self.held.is_ours() && record.is(stamp) => {
                        files.insert(path, record.clone());
                    }
                    _ => suspects.push(Suspect { collection, path, stamp }),
                }
            }
        }
        (next, suspects)
    }

    /// Reads one file and writes its documents if its content has changed.
    fn look(
        &mut self,
        suspect: &Suspect<'_>,
        pen: &mut Pen,
    ) -> Result<Option<FileRecord>, TantivyError> {
        let Suspect { collection, path, stamp } = suspect;
        let known = self.held.record(&collection.name, path);
        self.report.read += 1;
        let (bytes, after) = match collection.read(path) {
            Ok(read) => read,
            // Gone or swapped since its folder was read.
            Err(ReadError::Missing) => return Ok(None),
            Err(error) => {
                self.report.skipped += 1;
                let name = &collection.name;
                tracing::warn!(collection = name, path, "{name}/{path} is skipped: {error}");
                let known = known.filter(|_| matches!(error, ReadError::Io(_)));
                return Ok(known.map(|known| FileRecord { changed: 0, ..known.clone() }));
            }
        };
        let settled = *stamp == after && !is_recent(after);
        let changed = if settled { after.changed } else { 0 };
        let hash = hash(&bytes);
        if let Some(known) = known.filter(|known| known.hash == hash) {
            return Ok(Some(FileRecord { size: after.size, changed, ..known.clone() }));
        }
        let page = Page::parse(path, &bytes);
        let (title, lines) = (page.title.clone(), page.lines);
        let record = FileRecord { title, lines, size: after.size, changed, hash };
        let fields = &self.held.fields;
        let writer = pen.writer(self.held)?;
        writer.delete_term(index::file_term(fields, &collection.name, path));
        for document in index::documents(fields, &collection.name, path, &record, &page)? {
            writer.add_document(document)?;
        }
        self.report.written += 1;
        Ok(Some(record))
    }

    fn commit(&mut self, pen: Pen, next: Catalogue) -> Result<(), TantivyError> {
        self.held.catalogue = Arc::new(next);
        if let Some(mut writer) = pen.writer {
            let mut commit = writer.prepare_commit()?;
            commit.set_payload(&self.held.payload);
            self.held.opstamp = commit.commit()?;
            self.held.opened.payload = Some(self.held.payload.clone());
            self.publish()?;
            // Small segments are merged now, not while somebody searches.
            writer.wait_merging_threads()?;
        }
        self.publish()
    }

    fn publish(&self) -> Result<(), TantivyError> {
        let Held { opened, fields, catalogue, .. } = &*self.held;
        opened.reader.reload()?;
        let (searcher, fields) = (opened.reader.searcher(), *fields);
        self.library.publish(Snapshot { searcher, fields, catalogue: Arc::clone(catalogue) });
        Ok(())
    }
}

/// The writer, made when something is to be written: it takes memory and threads.
struct Pen {
    writer: Option<IndexWriter<TantivyDocument>>,
    /// How many files may have to be written.
    files: usize,
}

impl Pen {
    fn writer(&mut self, held: &Held) -> Result<&mut IndexWriter<TantivyDocument>, TantivyError> {
        let made = if let Some(writer) = self.writer.take() {
            writer
        } else {
            let threads = if self.files < MANY { 1 } else { 2 };
            let writer = held.opened.index.writer_with_num_threads(threads, threads * MEMORY)?;
            // What a killed process or a full disk left half-written would take space for ever.
            writer.garbage_collect_files().wait()?;
            writer
        };
        Ok(self.writer.insert(made))
    }
}

impl FileRecord {
    /// Whether the file still looks as it was read.
    fn is(&self, stamp: Stamp) -> bool {
        self.changed != 0 && self.changed == stamp.changed && self.size == stamp.size
    }
}

/// The files of `known` that are not in `next`.
fn gone(known: &Catalogue, next: &Catalogue) -> Vec<(String, String)> {
    let mut gone = Vec::new();
    for (collection, files) in known {
        let kept = next.get(collection);
        for path in files.keys() {
            if kept.is_none_or(|kept| !kept.contains_key(path)) {
                gone.push((collection.clone(), path.clone()));
            }
        }
    }
    gone
}

/// A fault of the index's folder. The caller learns its last two names only.
fn unwritable(folder: &Path, error: &TantivyError) -> Fault {
    let names: Vec<_> = folder.iter().map(std::ffi::OsStr::to_string_lossy).collect();
    let shown = names[names.len().saturating_sub(2)..].join("/");
    Fault {
        message: format!(
            "the index folder `{shown}` cannot be used; the operator must look at its disk space and permissions."
        ),
        log: format!("{}: {error}", folder.display()),
    }
}

fn is_recent(stamp: Stamp) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_nanos(stamp.changed) + RACE > now
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use serde_json::json;

    use super::*;
    use crate::Docs;
    use crate::search::Search;
    use crate::testing::{Caller, World, call, rescan, settled};

    fn report(read: usize, written: usize, removed: usize) -> Report {
        Report { read, written, removed, ..Report::default() }
    }

    /// The paths that are found for a word.
    async fn check(docs: &Docs, word: &str, expected: &[&str]) {
        let text = call::<Search>(docs, json!({"query": word})).await;
        let hits = text.lines().filter_map(|line| line.split_once(" — ")?.1.split_once(" ("));
        let mut paths: Vec<&str> = hits.map(|(path, _)| path).collect();
        paths.sort_unstable();
        assert_eq!(paths, expected, "{word}: {text}");
    }

    #[tokio::test]
    async fn only_what_changed_is_rewritten() {
        let world = World::new(&[("a/x.md", "apple"), ("a/y.md", "banana"), ("a/z.md", "cherry")]);
        let docs = world.docs().await;
        assert_eq!(settled(&docs).await, report(3, 3, 0));
        assert_eq!(rescan(&docs).await, report(0, 0, 0));
        world.write("a/y.md", "blueberry");
        world.write("a/new.md", "apple too");
        fs::remove_file(world.path("a/z.md")).expect("removed");
        assert_eq!(rescan(&docs).await, report(2, 2, 1));
        check(&docs, "apple", &["a/new.md", "a/x.md"]).await;
        check(&docs, "blueberry", &["a/y.md"]).await;
        check(&docs, "banana", &[]).await;
        check(&docs, "cherry", &[]).await;
    }

    #[tokio::test]
    async fn a_file_that_was_only_touched_is_read_but_not_rewritten() {
        let world = World::new(&[("a/x.md", "apple")]);
        let docs = world.docs().await;
        let file = File::options().write(true).open(world.path("a/x.md")).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_hours(1)).expect("touched");
        assert_eq!(rescan(&docs).await, report(1, 0, 0));
        assert_eq!(rescan(&docs).await, report(0, 0, 0));
    }

    #[tokio::test]
    async fn a_change_within_the_grain_of_the_clock_is_seen() {
        let world = World::new(&[("a/x.md", "apple")]);
        fs::write(world.path("a/x.md"), "peach").expect("a file");
        let docs = world.docs().await;
        let changed = fs::metadata(world.path("a/x.md")).expect("a file").modified();
        fs::write(world.path("a/x.md"), "grape").expect("a file");
        let file = File::options().write(true).open(world.path("a/x.md")).expect("a file");
        file.set_modified(changed.expect("a time")).expect("the same time");
        assert_eq!(rescan(&docs).await, report(1, 1, 0));
        check(&docs, "grape", &["a/x.md"]).await;
    }

    #[tokio::test]
    async fn the_next_process_finds_nothing_left_to_do() {
        let world = World::new(&[("a/x.md", "apple"), ("a/y.md", "banana")]);
        drop(world.docs().await);
        let docs = world.docs().await;
        assert_eq!(settled(&docs).await, report(0, 0, 0));
        check(&docs, "banana", &["a/y.md"]).await;
    }

    #[tokio::test]
    async fn a_collection_that_left_the_settings_leaves_the_index() {
        let mut world = World::new(&[("a/x.md", "apple"), ("b/y.md", "apple")]);
        drop(world.docs().await);
        world.collections.pop();
        let docs = world.docs().await;
        assert_eq!(settled(&docs).await, report(1, 0, 1));
        check(&docs, "apple", &["a/x.md"]).await;
    }

    #[tokio::test]
    async fn a_lost_folder_keeps_its_documents_and_says_so() {
        let world = World::new(&[("a/x.md", "apple"), ("b/y.md", "pear")]);
        let docs = world.docs().await;
        fs::rename(world.path("a"), world.path("away")).expect("moved");
        assert_eq!(rescan(&docs).await.lost, ["a"]);
        let text = call::<Search>(&docs, json!({"query": "apple"})).await;
        assert!(text.contains("Note: the folder of a cannot be read"), "{text}");
        let other = Caller { permitted: Some(&["b"]), ..Caller::default() };
        let text = other.call::<Search>(&docs, json!({"query": "pear"})).await.expect("a hit");
        assert!(!text.contains("Note"), "{text}");
        fs::rename(world.path("away"), world.path("a")).expect("moved");
        assert_eq!(rescan(&docs).await, report(0, 0, 0));
    }

    #[tokio::test]
    async fn a_damaged_index_is_built_again() {
        for damage in ["truncate", "flip", "meta", "format", "junk"] {
            let world = World::new(&[("a/x.md", "apple"), ("a/y.md", "banana")]);
            drop(world.docs().await);
            damage_index(&world.path("state/index"), damage);
            let docs = world.docs().await;
            assert_eq!(settled(&docs).await.written, 2, "{damage}");
            check(&docs, "banana", &["a/y.md"]).await;
        }
    }

    fn damage_index(folder: &Path, damage: &str) {
        let files =
            fs::read_dir(folder).expect("an index").map(|entry| entry.expect("a file").path());
        let mut segments: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|e| e == "store")).collect();
        let segment = segments.pop().expect("a segment");
        let meta = folder.join("meta.json");
        match damage {
            "truncate" => fs::write(segment, "x").expect("damaged"),
            "flip" => {
                let mut bytes = fs::read(&segment).expect("a segment");
                bytes[5] ^= 0x40;
                fs::write(segment, bytes).expect("damaged");
            }
            "meta" => fs::write(meta, "{").expect("damaged"),
            "format" => {
                let text = fs::read_to_string(&meta).expect("a commit");
                let other = text.replace(r#""payload": "1 "#, r#""payload": "0 "#);
                assert_ne!(text, other);
                fs::write(meta, other).expect("another format");
            }
            _ => {
                fs::remove_dir_all(folder).expect("removed");
                fs::create_dir(folder).expect("a folder");
                fs::write(meta, "junk").expect("damaged");
            }
        }
    }

    #[tokio::test]
    async fn an_index_removed_under_a_running_process_is_built_again() {
        let world = World::new(&[("a/x.md", "apple")]);
        let docs = world.docs().await;
        fs::remove_dir_all(world.path("state/index")).expect("removed");
        check(&docs, "apple", &["a/x.md"]).await;
        assert_eq!(rescan(&docs).await, report(1, 1, 0));
        check(&docs, "apple", &["a/x.md"]).await;
    }

    #[tokio::test]
    async fn what_was_never_committed_is_not_seen_and_is_cleared_away() {
        let world = World::new(&[("a/x.md", "apple")]);
        drop(world.docs().await);
        let opened = index::open(&world.path("state/index")).expect("an index");
        let mut writer: IndexWriter<TantivyDocument> =
            opened.index.writer_with_num_threads(1, MEMORY).expect("a writer");
        writer.delete_all_documents().expect("deleted");
        drop(writer.prepare_commit().expect("segments on disk"));
        drop(writer);
        let docs = world.docs().await;
        assert_eq!(settled(&docs).await, report(0, 0, 0));
        check(&docs, "apple", &["a/x.md"]).await;
    }

    #[tokio::test]
    async fn an_engine_that_panics_is_opened_anew() {
        let world = World::new(&[("a/x.md", "apple")]);
        let docs = world.docs().await;
        let broken: Result<(), _> = docs.library.blocking(|| panic!("damaged")).await;
        let error = broken.expect_err("an error");
        assert_eq!(error.kind, contract::Kind::Unavailable);
        check(&docs, "apple", &["a/x.md"]).await;
    }

    #[tokio::test]
    async fn two_processes_share_one_index() {
        let world = World::new(&[("a/x.md", "apple")]);
        let (one, other) = (world.open().await.expect("one"), world.open().await.expect("other"));
        assert_eq!(settled(&one).await.written + settled(&other).await.written, 1);
        world.write("a/y.md", "banana");
        assert_eq!(rescan(&one).await, report(1, 1, 0));
        assert_eq!(rescan(&other).await, report(0, 0, 0));
        check(&other, "banana", &["a/y.md"]).await;
    }

    #[tokio::test]
    async fn an_index_that_cannot_be_written_still_answers() {
        let world = World::new(&[("a/x.md", "apple")]);
        let docs = world.docs().await;
        world.write("a/y.md", "banana");
        // Stands for a full disk or a lost permission, which root would not notice.
        fs::remove_file(world.path("state/index.lock")).expect("removed");
        fs::create_dir(world.path("state/index.lock")).expect("in the way");
        docs.library.refresh();
        let mut status = docs.library.status();
        let fault =
            status.wait_for(|status| !status.scanning).await.expect("a library").fault.clone();
        let fault = fault.expect("a fault");
        assert!(fault.message.contains("`state/index`"), "{}", fault.message);
        let text = call::<Search>(&docs, json!({"query": "apple"})).await;
        assert!(text.contains("a/x.md") && text.contains("not up to date"), "{text}");
        drop(docs);
        let docs = world.open().await.expect("a server");
        docs.library.status().wait_for(|status| !status.scanning).await.expect("a library");
        let text = call::<Search>(&docs, json!({"query": "apple"})).await;
        assert!(text.contains("a/x.md") && text.contains("not up to date"), "{text}");
        fs::remove_dir(world.path("state/index.lock")).expect("out of the way");
        assert_eq!(rescan(&docs).await, report(1, 1, 0));
        check(&docs, "banana", &["a/y.md"]).await;
    }

    #[tokio::test]
    async fn without_any_index_a_fault_is_an_answer_of_its_own() {
        let world = World::new(&[("a/x.md", "apple")]);
        fs::create_dir_all(world.path("state/index.lock")).expect("in the way");
        let docs = world.open().await.expect("a server");
        docs.library.status().wait_for(|status| !status.scanning).await.expect("a library");
        let error = Caller::default()
            .call::<Search>(&docs, json!({"query": "apple"}))
            .await
            .expect_err("no index");
        assert!(error.text().starts_with("unavailable: the index folder `state/index`"), "{error}");
    }
}
