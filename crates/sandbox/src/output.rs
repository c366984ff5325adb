//! What a program prints, bounded while it is printed: the first half and the last half.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::Kept;

/// The most that is read in one turn, so that other things have theirs.
const TURN: usize = 1 << 18;

/// One stream of a program.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Absent after its end.
    pipe: Option<File>,
    file: File,
    /// Bytes that the file may still take of the first half.
    first: u64,
    /// The most bytes of the last half.
    half: usize,
    last: VecDeque<u8>,
    kept: Kept,
    buffer: Vec<u8>,
}

impl Stream {
    /// Reads from a pipe, into a new file or over an old one.
    pub(crate) fn new(pipe: OwnedFd, to: &Path, most: u64) -> io::Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let file = File::create(to)?;
        let half = usize::try_from(most / 2).unwrap_or(usize::MAX);
        Ok(Self {
            pipe: Some(pipe.into()),
            file,
            first: most - most / 2,
            half,
            last: VecDeque::new(),
            kept: Kept::default(),
            buffer: vec![0; 1 << 16],
        })
    }

    /// What to wait for, until the end.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there, and shows it; gives whether there may be more.
    pub(crate) fn turn(&mut self, mut seen: impl FnMut(&[u8])) -> bool {
        let mut taken = 0;
        while taken < TURN {
            let Some(pipe) = self.pipe.as_mut() else { return false };
            match pipe.read(&mut self.buffer) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    taken += length;
                    seen(&self.buffer[..length]);
                    self.keep(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
        true
    }

    fn keep(&mut self, length: usize) {
        self.kept.total += length as u64;
        let first = usize::try_from(self.first).unwrap_or(usize::MAX).min(length);
        if first > 0 {
            self.first -= first as u64;
            match self.file.write_all(&self.buffer[..first]) {
                Ok(()) => self.kept.kept += first as u64,
                Err(_) => self.kept.broken = true,
            }
        }
        let rest = &self.buffer[first..length];
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let over = (self.last.len() + rest.len()).saturating_sub(self.half);
        self.last.drain(..over);
        self.last.extend(rest);
    }

    /// Takes what is left, and writes the last half. Nobody writes any more.
    pub(crate) fn finish(mut self, mut seen: impl FnMut(&[u8])) -> Kept {
        while self.turn(&mut seen) {}
        let dropped = self.kept.total - self.kept.kept - self.last.len() as u64;
        let (start, end) = self.last.as_slices();
        let line = format!("\n[{dropped} bytes were printed here and are not kept]\n");
        let line = if dropped > 0 && !self.kept.broken { line.as_bytes() } else { &[] };
        let mut file = &self.file;
        let written = file
            .write_all(line)
            .and_then(|()| file.write_all(start))
            .and_then(|()| file.write_all(end));
        match written {
            Ok(()) => self.kept.kept += self.last.len() as u64,
            Err(_) => self.kept.broken = true,
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of `printed`.
    fn check(most: u64, printed: &[u8], expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stdout");
        let (read, write) = nix::unistd::pipe().expect("a pipe");
        let mut stream = Stream::new(read, &path, most).expect("a stream");
        let mut shown = Vec::new();
        let mut write = File::from(write);
        for part in printed.chunks(4096) {
            write.write_all(part).expect("written");
            stream.turn(|bytes| shown.extend_from_slice(bytes));
        }
        drop(write);
        let kept = stream.finish(|bytes| shown.extend_from_slice(bytes));
        assert_eq!(std::fs::read_to_string(&path).expect("text"), expected);
        assert_eq!((kept.total, kept.broken), (printed.len() as u64, false));
        assert_eq!(kept.kept, most.min(printed.len() as u64));
        assert_eq!(shown, printed);
    }

    #[test]
    fn the_first_and_the_last_half_are_kept() {
        check(10, b"", "");
        check(10, b"0123456789", "0123456789");
        let told = "\n[1 bytes were printed here and are not kept]\n";
        check(10, b"0123456789a", &format!("01234{told}6789a"));
        let told = "\n[2 bytes were printed here and are not kept]\n";
        check(1, b"abc", &format!("a{told}"));
        let long = "0123456789abcdefghijklmnopqrstuvwxyz\n".repeat(3000);
        let dropped = long.len() - 100;
        let told = format!("\n[{dropped} bytes were printed here and are not kept]\n");
        let expected = format!("{}{told}{}", &long[..50], &long[long.len() - 50..]);
        check(100, long.as_bytes(), &expected);
    }
}
