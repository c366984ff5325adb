//! A prepared statement.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use libsqlite3_sys as ffi;

use super::{Failure, Handle};

/// A value of the row that is shown; gone with the next step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    /// Text in UTF-8, if the database keeps its word.
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

/// A prepared statement; finalised when dropped.
pub(in super::super) struct Statement<'a> {
    handle: &'a Handle,
    raw: NonNull<ffi::sqlite3_stmt>,
}

impl<'a> Statement<'a> {
    /// # Safety
    /// The statement was prepared by the handle, and nobody else finalises it.
    pub(super) unsafe fn new(handle: &'a Handle, raw: NonNull<ffi::sqlite3_stmt>) -> Self {
        Self { handle, raw }
    }

    /// Whether SQLite says that it changes no database.
    pub(in super::super) fn is_reading(&self) -> bool {
        // SAFETY: the statement is alive, here and below.
        unsafe { ffi::sqlite3_stmt_readonly(self.raw.as_ptr()) != 0 }
    }

    /// Whether it shows a plan instead of running.
    pub(in super::super) fn is_explaining(&self) -> bool {
        // SAFETY: as above.
        unsafe { ffi::sqlite3_stmt_isexplain(self.raw.as_ptr()) != 0 }
    }

    pub(in super::super) fn columns(&self) -> usize {
        // SAFETY: as above.
        usize::try_from(unsafe { ffi::sqlite3_column_count(self.raw.as_ptr()) }).unwrap_or_default()
    }

    pub(in super::super) fn name(&self, column: usize) -> String {
        // SAFETY: as above; the text is copied.
        unsafe { copied(ffi::sqlite3_column_name(self.raw.as_ptr(), index(column))) }
            .unwrap_or_default()
    }

    /// The type that the table declares for the column, where it is one of a table.
    pub(in super::super) fn declared(&self, column: usize) -> Option<String> {
        // SAFETY: as above; the text is copied.
        unsafe { copied(ffi::sqlite3_column_decltype(self.raw.as_ptr(), index(column))) }
    }

    /// How many placeholders there are.
    pub(in super::super) fn parameters(&self) -> usize {
        // SAFETY: as above.
        let count = unsafe { ffi::sqlite3_bind_parameter_count(self.raw.as_ptr()) };
        usize::try_from(count).unwrap_or_default()
    }

    /// The name of a placeholder with its sign, counted from 1.
    pub(in super::super) fn parameter(&self, place: usize) -> Option<String> {
        // SAFETY: as above; the text is copied.
        unsafe { copied(ffi::sqlite3_bind_parameter_name(self.raw.as_ptr(), index(place))) }
    }

    /// Gives a placeholder, counted from 1, its value.
    pub(in super::super) fn bind(&mut self, place: usize, value: Value<'_>) -> Result<(), Failure> {
        let (raw, place) = (self.raw.as_ptr(), index(place));
        // SAFETY: as above; SQLite copies texts and blobs.
        let code = unsafe {
            match value {
                Value::Null => ffi::sqlite3_bind_null(raw, place),
                Value::Integer(value) => ffi::sqlite3_bind_int64(raw, place, value),
                Value::Real(value) => ffi::sqlite3_bind_double(raw, place, value),
                Value::Text(text) => ffi::sqlite3_bind_text64(
                    raw,
                    place,
                    text.as_ptr().cast(),
                    text.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                    u8::try_from(ffi::SQLITE_UTF8).unwrap_or(1),
                ),
                Value::Blob(blob) => ffi::sqlite3_bind_blob64(
                    raw,
                    place,
                    blob.as_ptr().cast(),
                    blob.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                ),
            }
        };
        self.handle.check(code)
    }

    /// Goes to the next row; `false` where there is none.
    pub(in super::super) fn step(&mut self) -> Result<bool, Failure> {
        // SAFETY: as above.
        match unsafe { ffi::sqlite3_step(self.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => Err(self.handle.failure(code)),
        }
    }

    /// Makes it ready to run again; the values stay.
    pub(in super::super) fn reset(&mut self) {
        // SAFETY: as above. What it returns is the failure of the last step, known already.
        unsafe { ffi::sqlite3_reset(self.raw.as_ptr()) };
    }

    /// A value of the row; `Null` where there is no such column.
    pub(in super::super) fn value(&self, column: usize) -> Value<'_> {
        let (raw, column) = (self.raw.as_ptr(), index(column));
        // SAFETY: as above. The bytes live until the next step, reset or conversion, and the
        // value borrows the statement: stepping takes it mutably, and each type is asked once.
        unsafe {
            match ffi::sqlite3_column_type(raw, column) {
                ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_column_int64(raw, column)),
                ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_column_double(raw, column)),
                ffi::SQLITE_TEXT => {
                    let begin = ffi::sqlite3_column_text(raw, column);
                    Value::Text(slice(begin, ffi::sqlite3_column_bytes(raw, column)))
                }
                ffi::SQLITE_BLOB => {
                    let begin = ffi::sqlite3_column_blob(raw, column);
                    Value::Blob(slice(begin.cast(), ffi::sqlite3_column_bytes(raw, column)))
                }
                _ => Value::Null,
            }
        }
    }

    /// A value as text, for statements of this server's own.
    pub(in super::super) fn text(&self, column: usize) -> String {
        match self.value(column) {
            Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Value::Integer(value) => value.to_string(),
            _ => String::new(),
        }
    }

    /// A value as a whole number, for statements of this server's own.
    pub(in super::super) fn integer(&self, column: usize) -> i64 {
        match self.value(column) {
            Value::Integer(value) => value,
            _ => 0,
        }
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // SAFETY: it was prepared, and is finalised once.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

/// SQLite counts with `int`; what is more is out of its range and answered so.
fn index(at: usize) -> c_int {
    c_int::try_from(at).unwrap_or(c_int::MAX)
}

/// # Safety
/// `begin` points to `length` bytes that live for `'a`, or is null.
unsafe fn slice<'a>(begin: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: by the contract of this function.
        Ok(length) if !begin.is_null() => unsafe { std::slice::from_raw_parts(begin, length) },
        _ => b"",
    }
}

/// # Safety
/// The text ends with NUL, or is null.
unsafe fn copied(text: *const c_char) -> Option<String> {
    // SAFETY: by the contract of this function.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
