//! What changed between two texts, line by line: git's own xdiff, as libgit2 carries it, called
//! on two buffers. Nothing of libgit2 but this one function is involved.
#![expect(unsafe_code, reason = "the C interface of xdiff; see `lines`")]

use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::ops::Range;

// Only chosen here as a part of the binary: the archive of libgit2 refers to it.
use libz_sys as _;

/// One place where two texts differ: lines of the old that became lines of the new, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// The lines of the old text.
    pub(crate) old: Range<usize>,
    /// The lines of the new text.
    pub(crate) new: Range<usize>,
}

/// The longest text that is compared, in bytes: xdiff's own limit is just above.
const LONGEST: usize = 1 << 30;
/// `XDF_INDENT_HEURISTIC`: git's default since 2.14.
const INDENT_HEURISTIC: c_ulong = 1 << 23;

#[repr(C)]
struct Buffer {
    ptr: *const u8,
    size: c_long,
}

#[repr(C)]
struct Parameters {
    flags: c_ulong,
    ignore_regex: *mut c_void,
    ignore_regex_nr: usize,
    anchors: *mut c_void,
    anchors_nr: usize,
}

type OnHunk = extern "C" fn(c_long, c_long, c_long, c_long, *mut c_void) -> c_int;

#[repr(C)]
struct Emit {
    ctxlen: c_long,
    interhunkctxlen: c_long,
    flags: c_ulong,
    find_func: *mut c_void,
    find_func_priv: *mut c_void,
    hunk_func: Option<OnHunk>,
}

#[repr(C)]
struct Callbacks {
    data: *mut c_void,
    out_hunk: *mut c_void,
    out_line: *mut c_void,
}

unsafe extern "C" {
    /// `xdl_diff` of xdiff/xdiff.h.
    fn xdl_diff(
        old: *const Buffer,
        new: *const Buffer,
        parameters: *const Parameters,
        emit: *const Emit,
        callbacks: *const Callbacks,
    ) -> c_int;
}

extern "C" fn on_hunk(
    old: c_long,
    old_count: c_long,
    new: c_long,
    new_count: c_long,
    data: *mut c_void,
) -> c_int {
    let range = |start: c_long, count: c_long| {
        let start = usize::try_from(start).unwrap_or(0);
        start..start + usize::try_from(count).unwrap_or(0)
    };
    // SAFETY: `lines` passes a pointer to its own vector, which outlives the call.
    let hunks = unsafe { &mut *data.cast::<Vec<Hunk>>() };
    hunks.push(Hunk { old: range(old, old_count), new: range(new, new_count) });
    0
}

/// Where two texts differ, as `git diff` finds it with its default settings. `None` where the texts
/// are too long or the memory does not suffice.
pub(crate) fn lines(old: &[u8], new: &[u8]) -> Option<Vec<Hunk>> {
    if old.len() >= LONGEST || new.len() >= LONGEST {
        return None;
    }
    // Sets the allocator that xdiff takes memory from.
    libgit2_sys::init();
    let buffer =
        |text: &[u8]| Some(Buffer { ptr: text.as_ptr(), size: c_long::try_from(text.len()).ok()? });
    let (old, new) = (buffer(old)?, buffer(new)?);
    let none = std::ptr::null_mut::<c_void>();
    let parameters = Parameters {
        flags: INDENT_HEURISTIC,
        ignore_regex: none,
        ignore_regex_nr: 0,
        anchors: none,
        anchors_nr: 0,
    };
    let emit = Emit {
        ctxlen: 0,
        interhunkctxlen: 0,
        flags: 0,
        find_func: none,
        find_func_priv: none,
        hunk_func: Some(on_hunk),
    };
    let mut hunks: Vec<Hunk> = Vec::new();
    let callbacks = Callbacks { data: (&raw mut hunks).cast(), out_hunk: none, out_line: none };
    // SAFETY: the structures have the layout of xdiff.h of the pinned release, all pointers outlive
    // the call, the texts are only read, and with `hunk_func` set no other callback is called.
    let failed = unsafe {
        xdl_diff(
            &raw const old,
            &raw const new,
            &raw const parameters,
            &raw const emit,
            &raw const callbacks,
        )
    };
    (failed == 0).then_some(hunks)
}

/// As [`lines`], after what both texts end with was left away in blocks, as git does where it
/// needs no context (`git blame`): the result can differ where lines repeat.
pub(crate) fn lines_without_tail(old: &[u8], new: &[u8]) -> Option<Vec<Hunk>> {
    const BLOCK: usize = 1024;
    let most = old.len().min(new.len());
    let mut same = 0;
    while same + BLOCK <= most
        && old[old.len() - same - BLOCK..old.len() - same]
            == new[new.len() - same - BLOCK..new.len() - same]
    {
        same += BLOCK;
    }
    // The first whole line of the common end stays.
    let tail = &old[old.len() - same..];
    let kept = memchr::memchr(b'\n', tail).map_or(same, |end| end + 1);
    let away = same - kept;
    lines(&old[..old.len() - away], &new[..new.len() - away])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &[(Range<usize>, Range<usize>)]) {
        let hunks = lines(old.as_bytes(), new.as_bytes()).expect("hunks");
        let hunks: Vec<_> = hunks.into_iter().map(|hunk| (hunk.old, hunk.new)).collect();
        assert_eq!(hunks, expected, "{old:?} {new:?}");
        let less = lines_without_tail(old.as_bytes(), new.as_bytes()).expect("hunks");
        assert_eq!(less.len(), expected.len());
    }

    #[test]
    fn places_are_counted_from_zero() {
        check("a\nb\nc\n", "a\nB\nc\n", &[(1..2, 1..2)]);
        check("a\n", "a\nb\nc\n", &[(1..1, 1..3)]);
        check("a\nb\n", "", &[(0..2, 0..0)]);
        check("a\n", "a", &[(0..1, 0..1)]);
        check("same\n", "same\n", &[]);
    }

    #[test]
    fn a_long_common_end_is_left_away() {
        let end = "the same line\n".repeat(1_000);
        let (old, new) = (format!("x\n{end}"), format!("y\n{end}"));
        check(&old, &new, &[(0..1, 0..1)]);
    }
}
