//! Which files hold a pattern, found on all processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;

use contract::{Ctx, ToolError};
use gix_hash::ObjectId;
use gix_object::{Find as _, FindHeader as _};

use super::files::Files;
use super::pattern::Pattern;
use super::scope::Scope;
use super::sieve::{Asked, Grams, Maker};
use crate::view::{LARGEST, View, is_binary};

/// A file that holds the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which of the files it is.
    pub(crate) index: usize,
    /// In how many lines; one, if it is binary.
    pub(crate) lines: usize,
    /// Whether it is binary.
    pub(crate) binary: bool,
}

/// What came of a scan.
#[derive(Default)]
pub(crate) struct Scanned {
    /// How many files were searched.
    pub(crate) files: usize,
    /// The files that hold the pattern, in their order.
    pub(crate) found: Vec<Found>,
    /// How many files are larger than what is looked at.
    pub(crate) huge: usize,
    /// How many files are not in this clone, or damaged.
    pub(crate) unread: usize,
    pub(super) learnt: Vec<(ObjectId, Grams)>,
}

/// As many threads are worth their start for as many files.
const FILES_A_THREAD: usize = 64;
/// The most threads of one search.
const MOST_THREADS: usize = 4;
/// How many files a thread takes at a time.
const STRIDE: usize = 16;

/// Looks for a pattern in the files of a scope. `path` is how the caller wrote the scope.
pub(crate) fn scan(
    view: &mut View,
    tree: ObjectId,
    (scope, path): (&Scope, Option<&str>),
    files: &Files,
    pattern: &Pattern,
) -> Result<Arc<Scanned>, ToolError> {
    let path = path.unwrap_or_default().to_owned();
    let asked = Asked { tree, path, pattern: pattern.written.clone() };
    let repository = Arc::clone(&view.repository);
    let sieve = || repository.sieve.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = sieve().result(&asked) {
        return Ok(found);
    }
    let chosen: Vec<usize> = (0..files.len())
        .filter(|&index| files.entry(index).mode.is_file() && scope.holds(files.path(index)))
        .collect();
    let mut scanned = scan_all(view, files, &chosen, pattern)?;
    scanned.files = chosen.len();
    let mut sieve = sieve();
    sieve.learn(std::mem::take(&mut scanned.learnt));
    let scanned = Arc::new(scanned);
    sieve.keep(asked, &scanned);
    Ok(scanned)
}

fn scan_all(
    view: &mut View,
    files: &Files,
    chosen: &[usize],
    pattern: &Pattern,
) -> Result<Scanned, ToolError> {
    // Filters are made for files that are searched again.
    let learns = files.searched.swap(true, Ordering::Relaxed);
    let (candidates, room) = sift(view, files, chosen, pattern);
    let work = Work {
        ctx: &view.ctx,
        files,
        candidates: &candidates,
        pattern,
        next: AtomicUsize::new(0),
        room: AtomicUsize::new(if learns { room } else { 0 }),
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(MOST_THREADS).min(candidates.len() / FILES_A_THREAD + 1);
    let mut scanned = thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let objects = view.reader.objects();
                scope.spawn(|| work.run(objects))
            })
            .collect();
        let mut all = work.run(view.reader.objects());
        for other in others {
            all.add(other.join().map_err(|_| ToolError::internal("a search thread panicked"))?);
        }
        Ok::<_, ToolError>(all)
    })?;
    view.go_on()?;
    scanned.found.sort_unstable_by_key(|found| found.index);
    Ok(scanned)
}

/// The files that must be read, each with whether the sieve is to learn it, and how many bytes it
/// may learn.
fn sift(
    view: &View,
    files: &Files,
    chosen: &[usize],
    pattern: &Pattern,
) -> (Vec<(usize, bool)>, usize) {
    let mut sieve = view.repository.sieve.lock().unwrap_or_else(PoisonError::into_inner);
    sieve.begin();
    let mut candidates = Vec::new();
    for &index in chosen {
        match (sieve.grams(&files.entry(index).id), &pattern.needles) {
            (Some(grams), Some(needles)) if !grams.may_hold(needles) => {}
            (known, _) => candidates.push((index, known.is_none())),
        }
    }
    (candidates, sieve.room())
}

/// What the threads of one search share.
struct Work<'a> {
    ctx: &'a Ctx,
    files: &'a Files,
    candidates: &'a [(usize, bool)],
    pattern: &'a Pattern,
    next: AtomicUsize,
    room: AtomicUsize,
}

impl Work<'_> {
    /// Takes files until there are no more, or the call is over.
    fn run(&self, objects: gix_odb::Handle) -> Scanned {
        let mut scanned = Scanned::default();
        let (mut buffer, mut maker) = (Vec::new(), Maker::new());
        while !self.ctx.is_over() {
            let from = self.next.fetch_add(STRIDE, Ordering::Relaxed);
            let Some(rest) = self.candidates.get(from..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            for &(index, is_new) in &rest[..rest.len().min(STRIDE)] {
                let id = self.files.entry(index).id;
                if !read(&objects, &id, &mut buffer, &mut scanned) {
                    continue;
                }
                let weight = Grams::weight_of(&buffer);
                let take = |room: usize| room.checked_sub(weight);
                if is_new
                    && self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
                {
                    scanned.learnt.push((id, maker.grams(&buffer)));
                }
                scanned.found.extend(self.look(index, &buffer));
            }
        }
        scanned
    }

    fn look(&self, index: usize, content: &[u8]) -> Option<Found> {
        let mut hits = self.pattern.hits(content);
        hits.next()?;
        let binary = is_binary(content);
        let lines = if binary { 1 } else { 1 + hits.count() };
        Some(Found { index, lines, binary })
    }
}

/// Reads a blob; false, and counted, where it cannot or should not be read.
fn read(
    objects: &gix_odb::Handle,
    id: &ObjectId,
    buffer: &mut Vec<u8>,
    scanned: &mut Scanned,
) -> bool {
    match objects.try_header(id) {
        Ok(Some(header)) if header.size > LARGEST => {
            scanned.huge += 1;
            return false;
        }
        Ok(Some(_)) => {}
        _ => {
            scanned.unread += 1;
            return false;
        }
    }
    match objects.try_find(id, buffer) {
        Ok(Some(found)) if found.kind == gix_object::Kind::Blob => {
            let length = found.data.len();
            buffer.truncate(length);
            true
        }
        _ => {
            scanned.unread += 1;
            false
        }
    }
}

impl Scanned {
    fn add(&mut self, other: Scanned) {
        self.found.extend(other.found);
        self.learnt.extend(other.learnt);
        self.huge += other.huge;
        self.unread += other.unread;
    }

    /// In how many lines the pattern was found; a binary file counts as one.
    pub(crate) fn lines(&self) -> usize {
        self.found.iter().map(|found| found.lines).sum()
    }
}
