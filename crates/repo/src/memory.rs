//! How much memory the process holds, and how it gives some back.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

/// A process that holds more than this after a call gives its maps and caches back, in bytes.
const WATERMARK: u64 = 56 << 20;

/// Where the kernel tells how much memory the process has.
static MEMORY: OnceLock<Option<File>> = OnceLock::new();

/// Opens what is read after each call, since a confined process may not open it any more; and has
/// what is freed given back to the kernel at once, not kept for each thread.
pub(crate) fn watch() {
    MEMORY.get_or_init(|| {
        give_back();
        File::open("/proc/self/statm").ok()
    });
}

/// Whether the process holds more than it should while nothing is asked.
pub(crate) fn is_large() -> bool {
    resident().is_some_and(|bytes| bytes > WATERMARK)
}

/// The bytes of the process that are in memory, maps of files included.
fn resident() -> Option<u64> {
    let mut text = [0; 128];
    let length = MEMORY.get()?.as_ref()?.read_at(&mut text, 0).ok()?;
    let pages = std::str::from_utf8(&text[..length]).ok()?.split(' ').nth(1)?;
    Some(pages.parse::<u64>().ok()? * page_size())
}

#[expect(unsafe_code, reason = "a setting of the kernel")]
fn page_size() -> u64 {
    // SAFETY: sysconf(3) reads a number.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// By mallopt(3): one arena for all threads, and no growing of the thresholds from which memory is
/// mapped on its own and given back. Else a call that read much leaves its thread's arena behind,
/// full of holes.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the settings of the C library's allocator")]
fn give_back() {
    const SIZE: i32 = 128 << 10;
    for (what, value) in
        [(libc::M_ARENA_MAX, 1), (libc::M_TRIM_THRESHOLD, SIZE), (libc::M_MMAP_THRESHOLD, SIZE)]
    {
        // SAFETY: mallopt(3) is "MT-Unsafe init": it is called once, before the process is
        // confined and has a call to serve.
        let _ = unsafe { libc::mallopt(what, value) };
    }
}

#[cfg(not(target_env = "gnu"))]
fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_how_much_it_is() {
        watch();
        assert!(resident().is_some_and(|bytes| bytes > 100_000));
    }
}
