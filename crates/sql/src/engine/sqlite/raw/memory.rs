//! The memory of a statement. SQLite bounds that of the whole process at most, so that one greedy
//! statement would make all others fail; here its allocator counts by thread, and a statement
//! has a thread to itself.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use libsqlite3_sys as ffi;

/// Bytes that one statement may hold.
const MOST: i64 = 256 << 20;

/// Bytes that all of SQLite may hold in this process: what is more fails, whoever asks.
const MOST_OF_ALL: i64 = 1 << 30;

/// SQLite's own allocator, below this one.
static BELOW: OnceLock<Methods> = OnceLock::new();

struct Methods(ffi::sqlite3_mem_methods);

// SAFETY: functions of SQLite's, which may be called from any thread; its `pAppData` is null.
unsafe impl Send for Methods {}
// SAFETY: as above.
unsafe impl Sync for Methods {}

thread_local! {
    /// What the statement of this thread holds, if one is counted.
    static HELD: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Puts this allocator in place, before SQLite is used for the first time; later it cannot be,
/// and the bound of the whole process is all there is.
pub(in super::super) fn install() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // SAFETY: the methods are plain pointers, filled in by SQLite; ours live for ever.
        unsafe {
            let mut below: ffi::sqlite3_mem_methods = std::mem::zeroed();
            let known = ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut below);
            if known == ffi::SQLITE_OK {
                let mut ours = below;
                ours.xMalloc = Some(allocate);
                ours.xFree = Some(free);
                ours.xRealloc = Some(reallocate);
                let _ = BELOW.set(Methods(below));
                let taken = ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw mut ours);
                if taken != ffi::SQLITE_OK {
                    tracing::warn!(
                        "SQLite was in use before: its memory is bounded for all statements together"
                    );
                }
            }
            ffi::sqlite3_hard_heap_limit64(MOST_OF_ALL);
        }
    });
}

/// Counts what the statement of this thread allocates, until it is dropped.
pub(in super::super) struct Counted(());

impl Counted {
    pub(in super::super) fn begin() -> Self {
        HELD.set(Some(0));
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        HELD.set(None);
    }
}

/// Whether the thread may hold so many bytes more.
fn may_hold(more: i64) -> bool {
    HELD.get().is_none_or(|held| more <= 0 || held + more <= MOST)
}

fn hold(more: i64) {
    if let Some(held) = HELD.get() {
        HELD.set(Some(held + more));
    }
}

fn size(of: *mut c_void) -> i64 {
    let size = BELOW.get().and_then(|below| below.0.xSize);
    // SAFETY: an allocation of SQLite's, or null, which has no size.
    size.filter(|_| !of.is_null()).map_or(0, |size| i64::from(unsafe { size(of) }))
}

unsafe extern "C" fn allocate(bytes: c_int) -> *mut c_void {
    let below = BELOW.get().and_then(|below| below.0.xMalloc);
    let Some(below) = below.filter(|_| may_hold(i64::from(bytes))) else { return ptr::null_mut() };
    // SAFETY: SQLite's own allocator does what SQLite asks.
    let made = unsafe { below(bytes) };
    hold(size(made));
    made
}

unsafe extern "C" fn free(of: *mut c_void) {
    hold(-size(of));
    if let Some(below) = BELOW.get().and_then(|below| below.0.xFree) {
        // SAFETY: as in `allocate`.
        unsafe { below(of) };
    }
}

unsafe extern "C" fn reallocate(of: *mut c_void, bytes: c_int) -> *mut c_void {
    let before = size(of);
    let below = BELOW.get().and_then(|below| below.0.xRealloc);
    let Some(below) = below.filter(|_| may_hold(i64::from(bytes) - before)) else {
        return ptr::null_mut();
    };
    // SAFETY: as in `allocate`.
    let made = unsafe { below(of, bytes) };
    if !made.is_null() {
        hold(size(made) - before);
    }
    made
}
