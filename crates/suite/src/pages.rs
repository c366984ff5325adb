//! Gives back the pages of the program that only its start needed.
//!
//! Reading the configuration, building schemas and confining the process touch code all over the
//! program, and the kernel maps 64 KiB around each place: half of the memory of an idle server.
//! The pages stay in the page cache; what is needed again is mapped again, without a disk.
#![expect(unsafe_code, reason = "madvise takes addresses")]

use std::ffi::c_void;

unsafe extern "C" {
    /// Where the program begins in memory, and where its code ends: names that the linker gives.
    static __executable_start: u8;
    static etext: u8;
}

/// Unmaps the program's code and constants.
pub(crate) fn give_back() {
    const PAGE: usize = 4096;
    let start = (&raw const __executable_start).addr();
    let end = (&raw const etext).addr();
    let length = end.saturating_sub(start) / PAGE * PAGE;
    // SAFETY: from the start of the program to the end of its code there are only private mappings
    // of its file that nothing writes to, so dropping them loses nothing: the next access maps
    // them again from the file. A hole between them is an error that changes nothing.
    let _ = unsafe {
        libc::madvise(
            std::ptr::with_exposed_provenance_mut::<c_void>(start),
            length,
            libc::MADV_DONTNEED,
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilobytes of files that are mapped into this process.
    fn mapped() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("proc(5)");
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).expect("RssFile");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    #[test]
    fn the_program_takes_less_and_runs_on() {
        let before = mapped();
        give_back();
        let after = mapped();
        assert!(after < before, "{before} kB, then {after} kB");
    }
}
