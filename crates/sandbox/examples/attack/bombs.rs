//! What takes more than there is.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use crate::Tried;

/// Does nothing for ever.
pub(crate) fn wait() -> ! {
    loop {
        std::thread::park();
    }
}

/// Starts processes until no more can be.
pub(crate) fn fork_bomb(word: &str) -> Tried {
    let own = std::env::current_exe()?;
    let mut children = Vec::new();
    for _ in 0..2000 {
        match Command::new(&own).args(["wait", word]).spawn() {
            Ok(child) => children.push(child),
            // Stays at the limit.
            Err(_) => std::thread::yield_now(),
        }
        if children.len() == 500 {
            for child in &mut children {
                let _ = child.kill();
            }
            return Ok(());
        }
    }
    wait()
}

pub(crate) fn thread_bomb() -> Tried {
    for _ in 0..500 {
        std::thread::Builder::new().stack_size(1 << 16).spawn(|| wait())?;
    }
    Ok(())
}

const LARGE: usize = 2 << 30;

pub(crate) fn memory_bomb() {
    let mut taken: Vec<u8> = Vec::new();
    while taken.len() < LARGE {
        taken.resize(taken.len() + (16 << 20), 1);
    }
    std::hint::black_box(&taken);
}

/// Each a little, all together too much.
pub(crate) fn memory_bomb_of_many() -> ! {
    for _ in 0..16 {
        if unsafe { libc::fork() } == 0 {
            let taken = vec![1_u8; 128 << 20];
            std::hint::black_box(&taken);
            wait()
        }
    }
    wait()
}

/// Memory that is shared, and no process's own.
pub(crate) fn shared_memory_bomb() -> Tried {
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let (read, write) = (libc::PROT_READ, libc::PROT_WRITE);
    let at = unsafe { libc::mmap(std::ptr::null_mut(), LARGE, read | write, kind, -1, 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    for page in 0..LARGE / 4096 {
        unsafe { at.cast::<u8>().add(page * 4096).write_volatile(1) };
    }
    Ok(())
}

pub(crate) fn disk_bomb(folder: &Path) -> Tried {
    let block = vec![1_u8; 1 << 20];
    for number in 0..1024 {
        fs::write(folder.join(number.to_string()), &block)?;
    }
    Ok(())
}

pub(crate) fn output_bomb(bytes: u64) -> Tried {
    let block = vec![b'x'; 1 << 20];
    let mut out = io::stdout().lock();
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64);
        out.write_all(&block[..usize::try_from(now).unwrap_or(0)])?;
        left -= now;
    }
    out.flush()
}

/// Memory that no process has any more, and that is not freed: shared, written, and let go of.
pub(crate) fn hidden_memory_bomb() -> Tried {
    const STEP: usize = 8 << 20;
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let (read, write) = (libc::PROT_READ, libc::PROT_WRITE);
    let at = unsafe { libc::mmap(std::ptr::null_mut(), LARGE, read | write, kind, -1, 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    for step in 0..LARGE / STEP {
        unsafe {
            let part = at.cast::<u8>().add(step * STEP);
            part.write_bytes(1, STEP);
            libc::madvise(part.cast(), STEP, libc::MADV_DONTNEED);
        }
    }
    Ok(())
}

/// Makes files without content.
pub(crate) fn file_bomb(folder: &Path) -> Tried {
    for number in 0..10_000_000_u32 {
        File::create(folder.join(number.to_string()))?;
    }
    Ok(())
}
