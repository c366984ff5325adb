//! SQLite's C interface, as little of it as is needed: the only place of `unsafe` in this crate.
//!
//! sqlx opens the file, and then keeps its hands off: it has no authorizer, no limits, no way to
//! prepare one statement of a text and to see what is behind it, and copies whole values. A
//! [`Handle`] owns sqlx's connection, so nobody else uses the handle while it lives.

#![expect(
    unsafe_code,
    reason = "SQLite's C interface; each call stands next to what makes it right"
)]

mod hooks;
mod memory;
mod scalar;
mod statement;

pub(super) use hooks::{Call, Stop};
pub(super) use memory::{Counted, install as bound_memory};
pub(super) use scalar::{Arguments, Output};
pub(super) use statement::{Statement, Value};

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Instant;

use libsqlite3_sys as ffi;
use sqlx::sqlite::SqliteConnection;

use hooks::{Hooks, Signal};

use super::relations::Relations;

/// What SQLite says when something fails.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The extended result code.
    pub(super) code: i32,
    pub(super) message: String,
    /// The byte of the statement it is about.
    pub(super) offset: Option<usize>,
}

impl Failure {
    /// The result code without its extension.
    pub(super) fn primary(&self) -> i32 {
        self.code & 0xff
    }
}

/// An open database, used by one thread at a time.
pub(super) struct Handle {
    raw: NonNull<ffi::sqlite3>,
    /// Boxed, so that its address stays while SQLite has it.
    hooks: Box<Hooks>,
    signal: Arc<Signal>,
    /// Closes the database when dropped; not used otherwise.
    _connection: SqliteConnection,
}

// SAFETY: SQLite is compiled with SQLITE_THREADSAFE=1, so a connection may move between threads;
// `Handle` is not `Sync`, so one thread at a time uses it. `sqlite3_interrupt`, which `Signal`
// calls from elsewhere, is made for that.
unsafe impl Send for Handle {}

impl Handle {
    /// Takes over an open connection; further functions may be called beyond those known.
    pub(super) async fn new(
        mut connection: SqliteConnection,
        further: Vec<String>,
    ) -> Result<Self, sqlx::Error> {
        let raw = connection.lock_handle().await?.as_raw_handle();
        let signal = Arc::new(Signal::new(raw));
        let hooks = Box::new(Hooks::new(Arc::clone(&signal), further));
        Ok(Self { raw, hooks, signal, _connection: connection })
    }

    /// Begins a call: its guard ends it from any thread.
    pub(super) fn begin(&self, deadline: Instant) -> Call {
        self.hooks.begin(deadline)
    }

    /// The call is over.
    pub(super) fn finish(&self) {
        self.hooks.finish();
    }

    /// What ended the statement, where it was this server.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.hooks.stopped()
    }

    /// Why the authorizer said no, if it did since the last time.
    pub(super) fn refusal(&self) -> Option<String> {
        self.hooks.take_refusal()
    }

    /// Whether the authorizer refused to write in this call.
    pub(super) fn was_writing(&self) -> bool {
        self.hooks.was_writing()
    }

    /// Whether what was compiled in this call calls a function or repeats itself, be it in a view.
    pub(super) fn has_called(&self) -> bool {
        self.hooks.has_called()
    }

    /// Nobody waits for locks in this call.
    pub(super) fn hurry(&self) {
        self.hooks.hurry();
    }

    pub(super) fn relations(&self) -> std::cell::Ref<'_, Relations> {
        self.hooks.relations()
    }

    pub(super) fn set_relations(&self, relations: Relations) {
        self.hooks.set_relations(relations);
    }

    /// Runs something of this server's own, that the authorizer lets pass.
    pub(super) fn trusted<T>(&self, work: impl FnOnce(&Self) -> T) -> T {
        self.hooks.set_trusted(true);
        let result = work(self);
        self.hooks.set_trusted(false);
        result
    }

    /// Sets a limit of this connection (`SQLITE_LIMIT_…`).
    pub(super) fn limit(&self, limit: i32, value: i32) {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_limit(self.raw.as_ptr(), limit, value) };
    }

    /// Sets a switch of this connection (`SQLITE_DBCONFIG_…`).
    pub(super) fn switch(&self, switch: i32, is_on: bool) -> Result<(), Failure> {
        let nowhere: *mut c_int = ptr::null_mut();
        // SAFETY: the handle is open; all switches used take an int and a pointer that may be null.
        let code = unsafe {
            ffi::sqlite3_db_config(self.raw.as_ptr(), switch, c_int::from(is_on), nowhere)
        };
        self.check(code)
    }

    /// Asks this server before anything is compiled.
    pub(super) fn authorize(&self) -> Result<(), Failure> {
        // SAFETY: the hooks live as long as the handle, at the same address.
        let code = unsafe {
            ffi::sqlite3_set_authorizer(self.raw.as_ptr(), Some(hooks::authorize), self.context())
        };
        self.check(code)
    }

    /// Asks this server every so many steps of a statement whether it may go on.
    pub(super) fn watch(&self, steps: i32) {
        // SAFETY: the hooks live as long as the handle, at the same address.
        unsafe {
            ffi::sqlite3_progress_handler(
                self.raw.as_ptr(),
                steps,
                Some(hooks::progress),
                self.context(),
            );
        }
    }

    /// Waits for locks as long as the call may take.
    pub(super) fn wait_for_locks(&self) -> Result<(), Failure> {
        // SAFETY: the hooks live as long as the handle, at the same address.
        let code = unsafe {
            ffi::sqlite3_busy_handler(self.raw.as_ptr(), Some(hooks::busy), self.context())
        };
        self.check(code)
    }

    /// Defines a function that depends on its arguments alone; in place of SQLite's, where the
    /// name is taken.
    pub(super) fn define(
        &self,
        name: &str,
        arguments: i32,
        function: impl Fn(&Arguments<'_>) -> Output + Send + 'static,
    ) -> Result<(), Failure> {
        let Ok(name) = CString::new(name) else { return Err(self.failure(ffi::SQLITE_MISUSE)) };
        let data = scalar::data(function);
        let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
        // SAFETY: `data` is what `scalar::call` and `scalar::free` expect; SQLite frees it, also
        // where this call fails.
        let code = unsafe {
            ffi::sqlite3_create_function_v2(
                self.raw.as_ptr(),
                name.as_ptr(),
                arguments,
                flags,
                data,
                Some(scalar::call),
                None,
                None,
                Some(scalar::free),
            )
        };
        self.check(code)
    }

    /// Prepares the first statement of a text; `None` where there is none. With it comes how
    /// many bytes it takes.
    pub(super) fn prepare(&self, text: &str) -> Result<(Option<Statement<'_>>, usize), Failure> {
        let Ok(length) = c_int::try_from(text.len()) else {
            return Err(self.failure(ffi::SQLITE_TOOBIG));
        };
        let begin: *const c_char = text.as_ptr().cast();
        let mut raw = ptr::null_mut();
        let mut end = ptr::null();
        // SAFETY: the text is `length` bytes long; SQLite copies what it needs of it.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(self.raw.as_ptr(), begin, length, 0, &raw mut raw, &raw mut end)
        };
        self.check(code)?;
        let taken = (end as usize).saturating_sub(begin as usize);
        // SAFETY: it was just prepared by this handle, which the statement borrows.
        let statement = NonNull::new(raw).map(|raw| unsafe { Statement::new(self, raw) });
        Ok((statement, taken))
    }

    /// Runs statements of this server's own that answer nothing.
    pub(super) fn execute(&self, text: &str) -> Result<(), Failure> {
        let mut rest = text;
        while !rest.trim().is_empty() {
            let (statement, taken) = self.prepare(rest)?;
            if let Some(mut statement) = statement {
                while statement.step()? {}
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether no transaction is open.
    pub(super) fn is_clean(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_get_autocommit(self.raw.as_ptr()) != 0 }
    }

    fn context(&self) -> *mut c_void {
        ptr::from_ref::<Hooks>(&self.hooks).cast_mut().cast()
    }

    fn check(&self, code: c_int) -> Result<(), Failure> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.failure(code)) }
    }

    /// What SQLite says about the last call that failed.
    fn failure(&self, code: c_int) -> Failure {
        // SAFETY: the handle is open; the message is copied before the next call.
        let (message, offset) = unsafe {
            let message = ffi::sqlite3_errmsg(self.raw.as_ptr());
            let message =
                if message.is_null() { String::new() } else { lossy(CStr::from_ptr(message)) };
            (message, ffi::sqlite3_error_offset(self.raw.as_ptr()))
        };
        Failure { code, message, offset: usize::try_from(offset).ok() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.signal.forget();
        // The callbacks point into the hooks, which go before sqlx closes the handle on its own
        // thread; closing may still run statements.
        // SAFETY: the handle is open until `_connection` is dropped, after this.
        unsafe {
            ffi::sqlite3_set_authorizer(self.raw.as_ptr(), None, ptr::null_mut());
            ffi::sqlite3_progress_handler(self.raw.as_ptr(), 0, None, ptr::null_mut());
            ffi::sqlite3_busy_handler(self.raw.as_ptr(), None, ptr::null_mut());
        }
    }
}

/// The version of SQLite that is linked in.
pub(super) fn version() -> String {
    // SAFETY: a constant string.
    lossy(unsafe { CStr::from_ptr(ffi::sqlite3_libversion()) })
}

fn lossy(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}
