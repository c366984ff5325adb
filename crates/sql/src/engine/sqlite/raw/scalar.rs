//! Functions of this server's own that SQLite can call.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;

use libsqlite3_sys as ffi;

/// What is defined: it must not panic, since C stands above it.
type Function = Box<dyn Fn(&Arguments<'_>) -> Output + Send>;

/// The arguments of one call.
pub(in super::super) struct Arguments<'a> {
    values: &'a [*mut ffi::sqlite3_value],
    lives: PhantomData<&'a ()>,
}

/// What a function answers.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Output {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    /// The argument of that index, as it is.
    Argument(usize),
    TooBig,
    Error(&'static str),
}

impl Arguments<'_> {
    pub(in super::super) fn is_null(&self, index: usize) -> bool {
        self.kind(index) == ffi::SQLITE_NULL
    }

    pub(in super::super) fn is_blob(&self, index: usize) -> bool {
        self.kind(index) == ffi::SQLITE_BLOB
    }

    pub(in super::super) fn is_integer(&self, index: usize) -> bool {
        self.kind(index) == ffi::SQLITE_INTEGER
    }

    /// Whether it is a number, or text that reads as one.
    pub(in super::super) fn number(&self, index: usize) -> Option<f64> {
        let value = self.value(index)?;
        // SAFETY: the values are SQLite's for the time of this call.
        unsafe {
            let kind = ffi::sqlite3_value_numeric_type(value);
            let is_number = kind == ffi::SQLITE_INTEGER || kind == ffi::SQLITE_FLOAT;
            is_number.then(|| ffi::sqlite3_value_double(value))
        }
    }

    /// The argument as text.
    pub(in super::super) fn text(&self, index: usize) -> &[u8] {
        let Some(value) = self.value(index) else { return b"" };
        // SAFETY: the values are SQLite's for the time of this call; the text of a value stays
        // where it is until the value is converted to something else, which nobody here does.
        unsafe {
            let begin = ffi::sqlite3_value_text(value);
            slice(begin, ffi::sqlite3_value_bytes(value))
        }
    }

    /// The argument as bytes.
    pub(in super::super) fn blob(&self, index: usize) -> &[u8] {
        let Some(value) = self.value(index) else { return b"" };
        // SAFETY: as in `text`.
        unsafe {
            let begin = ffi::sqlite3_value_blob(value);
            slice(begin.cast(), ffi::sqlite3_value_bytes(value))
        }
    }

    fn value(&self, index: usize) -> Option<*mut ffi::sqlite3_value> {
        self.values.get(index).copied()
    }

    fn kind(&self, index: usize) -> c_int {
        // SAFETY: the values are SQLite's for the time of this call.
        self.value(index)
            .map_or(ffi::SQLITE_NULL, |value| unsafe { ffi::sqlite3_value_type(value) })
    }
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

/// What SQLite keeps with the function, for `call` and `free`.
pub(super) fn data(function: impl Fn(&Arguments<'_>) -> Output + Send + 'static) -> *mut c_void {
    let function: Function = Box::new(function);
    Box::into_raw(Box::new(function)).cast()
}

/// Calls the function with its arguments.
pub(super) unsafe extern "C" fn call(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite gives `count` values and the data that the function was defined with.
    let (function, values) = unsafe {
        let function = &*ffi::sqlite3_user_data(context).cast::<Function>();
        let count = usize::try_from(count).unwrap_or_default();
        let values: &[_] = if count == 0 { &[] } else { std::slice::from_raw_parts(values, count) };
        (function, values)
    };
    let output = function(&Arguments { values, lives: PhantomData });
    // SAFETY: the context is SQLite's for the time of this call; texts are copied.
    unsafe {
        match output {
            Output::Null => ffi::sqlite3_result_null(context),
            Output::Integer(value) => ffi::sqlite3_result_int64(context, value),
            Output::Real(value) => ffi::sqlite3_result_double(context, value),
            Output::Text(text) => ffi::sqlite3_result_text64(
                context,
                text.as_ptr().cast(),
                text.len() as u64,
                ffi::SQLITE_TRANSIENT(),
                u8::try_from(ffi::SQLITE_UTF8).unwrap_or(1),
            ),
            Output::Argument(index) => match values.get(index) {
                Some(value) => ffi::sqlite3_result_value(context, *value),
                None => ffi::sqlite3_result_null(context),
            },
            Output::TooBig => ffi::sqlite3_result_error_toobig(context),
            Output::Error(message) => ffi::sqlite3_result_error(
                context,
                message.as_ptr().cast(),
                c_int::try_from(message.len()).unwrap_or_default(),
            ),
        }
    }
}

/// Frees what `data` made.
pub(super) unsafe extern "C" fn free(data: *mut c_void) {
    // SAFETY: it is what `data` made, and SQLite frees it once.
    drop(unsafe { Box::from_raw(data.cast::<Function>()) });
}
