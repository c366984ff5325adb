//! What the kernel says about this process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

/// Where the kernel tells it.
static STATUS: OnceLock<Option<File>> = OnceLock::new();

/// Opens what is read later: a confined process may not open it any more.
pub fn open() {
    let _ = file();
}

fn file() -> Option<&'static File> {
    STATUS.get_or_init(|| File::open("/proc/self/status").ok()).as_ref()
}

/// The memory in use in bytes; `None` where the kernel does not tell.
pub(super) fn memory() -> Option<u64> {
    let mut text = [0u8; 4096];
    let length = file()?.read_at(&mut text, 0).ok()?;
    resident(&String::from_utf8_lossy(text.get(..length)?))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernel() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1808 kB\n"), Some(1808 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
        assert!(memory().is_some_and(|bytes| bytes > 100_000));
    }
}
