//! What SQLite asks while it compiles and runs a statement: may it do this, may it go on, may it
//! wait?

use std::cell::{Cell, Ref, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libsqlite3_sys as ffi;

use super::super::authorizer::{self, Question};
use super::super::relations::Relations;

/// Why this server ended a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Stop {
    /// Nobody waits for it any more.
    Cancelled,
    Deadline,
    /// It asked for more memory than it may have.
    Memory,
}

/// The number of the next call; 0 is none.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Ends what a connection runs, from any thread.
pub(super) struct Signal {
    /// The handle, until it is closed, and the number of the call that runs on it.
    state: Mutex<(Option<NonNull<ffi::sqlite3>>, u64)>,
    /// The number of the last call that was cancelled.
    cancelled: AtomicU64,
}

// SAFETY: the pointer is used for `sqlite3_interrupt` alone, which may be called from any thread
// while the handle is open; `forget`, under the same lock, comes before it is closed.
unsafe impl Send for Signal {}
// SAFETY: as above.
unsafe impl Sync for Signal {}

impl Signal {
    pub(super) fn new(raw: NonNull<ffi::sqlite3>) -> Self {
        Self { state: Mutex::new((Some(raw), 0)), cancelled: AtomicU64::new(0) }
    }

    /// The handle is about to be closed.
    pub(super) fn forget(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = None;
    }

    /// Ends the call of this number, if it is the one that runs.
    fn interrupt(&self, number: u64) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(raw), current) = *state
            && current == number
        {
            self.cancelled.store(number, Ordering::Relaxed);
            // SAFETY: the handle is open as long as it stands in the state.
            unsafe { ffi::sqlite3_interrupt(raw.as_ptr()) };
        }
    }
}

/// A call that runs on a connection. When it is dropped, what still runs of it is ended.
pub(in super::super) struct Call {
    signal: Arc<Signal>,
    number: u64,
}

impl Call {
    /// Ends it now.
    pub(in super::super) fn cancel(&self) {
        self.signal.interrupt(self.number);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The state that the callbacks read and write, always on the thread that uses the connection.
pub(super) struct Hooks {
    signal: Arc<Signal>,
    number: Cell<u64>,
    deadline: Cell<Instant>,
    stopped: Cell<Option<Stop>>,
    refusal: RefCell<Option<String>>,
    was_writing: Cell<bool>,
    has_called: Cell<bool>,
    is_hurried: Cell<bool>,
    is_trusted: Cell<bool>,
    relations: RefCell<Relations>,
    further: Vec<String>,
}

impl Hooks {
    pub(super) fn new(signal: Arc<Signal>, further: Vec<String>) -> Self {
        Self {
            signal,
            number: Cell::new(0),
            deadline: Cell::new(Instant::now()),
            stopped: Cell::new(None),
            refusal: RefCell::default(),
            was_writing: Cell::new(false),
            has_called: Cell::new(false),
            is_hurried: Cell::new(false),
            is_trusted: Cell::new(false),
            relations: RefCell::default(),
            further,
        }
    }

    pub(super) fn begin(&self, deadline: Instant) -> Call {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.finish();
        self.signal.state.lock().unwrap_or_else(PoisonError::into_inner).1 = number;
        self.number.set(number);
        self.deadline.set(deadline);
        self.stopped.set(None);
        self.refusal.replace(None);
        self.was_writing.set(false);
        self.has_called.set(false);
        self.is_hurried.set(false);
        self.is_trusted.set(false);
        Call { signal: Arc::clone(&self.signal), number }
    }

    /// The call is over: what would cancel it does nothing any more.
    pub(super) fn finish(&self) {
        self.signal.state.lock().unwrap_or_else(PoisonError::into_inner).1 = 0;
    }

    pub(super) fn stopped(&self) -> Option<Stop> {
        let is_cancelled = || self.is_cancelled().then_some(Stop::Cancelled);
        self.stopped.get().or_else(is_cancelled)
    }

    pub(super) fn take_refusal(&self) -> Option<String> {
        self.refusal.take()
    }

    /// Whether writing was refused in this call.
    pub(super) fn was_writing(&self) -> bool {
        self.was_writing.get()
    }

    /// Whether the statement calls a function or repeats itself, be it in a view.
    pub(super) fn has_called(&self) -> bool {
        self.has_called.get()
    }

    /// Nobody waits for locks in this call.
    pub(super) fn hurry(&self) {
        self.is_hurried.set(true);
    }

    pub(super) fn relations(&self) -> Ref<'_, Relations> {
        self.relations.borrow()
    }

    pub(super) fn set_relations(&self, relations: Relations) {
        self.relations.replace(relations);
    }

    pub(super) fn set_trusted(&self, is_trusted: bool) {
        self.is_trusted.set(is_trusted);
    }

    fn is_cancelled(&self) -> bool {
        self.signal.cancelled.load(Ordering::Relaxed) == self.number.get() && self.number.get() != 0
    }

    /// Whether the statement must end, and why.
    fn must_stop(&self) -> Option<Stop> {
        if self.is_cancelled() {
            return Some(Stop::Cancelled);
        }
        (Instant::now() >= self.deadline.get()).then_some(Stop::Deadline)
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.finish();
    }
}

/// SQLite's authorizer: `SQLITE_OK` or `SQLITE_DENY`.
pub(super) unsafe extern "C" fn authorize(
    context: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    schema: *const c_char,
    innermost: *const c_char,
) -> c_int {
    // SAFETY: the context is the hooks of the handle that asks, and lives as long as it does.
    let hooks = unsafe { &*context.cast::<Hooks>() };
    if hooks.is_trusted.get() {
        return ffi::SQLITE_OK;
    }
    // SAFETY: SQLite gives strings that end with NUL, or null, for the time of this call.
    let (first, second, schema, innermost) =
        unsafe { (text(first), text(second), text(schema), text(innermost)) };
    if matches!(action, ffi::SQLITE_FUNCTION | ffi::SQLITE_RECURSIVE) {
        hooks.has_called.set(true);
    }
    let question = Question { action, first, second, schema, context: innermost };
    match authorizer::answer(question, &hooks.relations.borrow(), &hooks.further) {
        Ok(()) => ffi::SQLITE_OK,
        Err(refusal) => {
            let is_writing =
                [ffi::SQLITE_INSERT, ffi::SQLITE_UPDATE, ffi::SQLITE_DELETE].contains(&action);
            hooks.was_writing.set(hooks.was_writing.get() || is_writing);
            hooks.refusal.replace(Some(refusal));
            ffi::SQLITE_DENY
        }
    }
}

/// SQLite's progress handler: anything but 0 ends the statement.
pub(super) unsafe extern "C" fn progress(context: *mut c_void) -> c_int {
    // SAFETY: as in `authorize`.
    let hooks = unsafe { &*context.cast::<Hooks>() };
    match hooks.must_stop() {
        Some(stop) => {
            hooks.stopped.set(Some(stop));
            1
        }
        None => 0,
    }
}

/// SQLite's busy handler: anything but 0 tries once more.
pub(super) unsafe extern "C" fn busy(context: *mut c_void, tries: c_int) -> c_int {
    // SAFETY: as in `authorize`.
    let hooks = unsafe { &*context.cast::<Hooks>() };
    if hooks.is_hurried.get() || hooks.is_cancelled() || Instant::now() >= hooks.deadline.get() {
        return 0;
    }
    // SQLite has no other way to wait for another process's lock.
    let wait = u64::try_from(tries).unwrap_or_default().clamp(1, 20);
    std::thread::sleep(Duration::from_millis(wait));
    1
}

/// A string of SQLite's; empty where it is null or no UTF-8.
///
/// # Safety
/// It ends with NUL and lives for `'a`, or is null.
unsafe fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("\u{fffd}")
}
