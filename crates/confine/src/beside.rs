//! A second process that keeps what the one that serves gives up.
//!
//! It is split off before the first is confined. All it shares with the first is one stream, whose
//! end is the sign to end: the kernel closes it when the other process ends, however that happens.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::kernel::{self, Forked};

/// Splits off a process that does `work` with its end of a stream and then ends, and returns the
/// other end. It has no other descriptor, `/dev/null` as its standard streams, leaves no core dump,
/// and ignores the signals of a terminal; debuggers of the same user may not look into it. It has
/// all other rights of this process.
///
/// Call it on the only thread of this process. Who calls it reaps the process, or ends.
pub fn split_off(work: impl FnOnce(UnixStream)) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    match kernel::fork()? {
        Forked::Parent => Ok(ours),
        Forked::Child => {
            // Nothing may return, nor unwind, into what the parent does next.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                kernel::let_go_of_standard_streams(&null);
                kernel::let_go_of_descriptors(&theirs);
                kernel::ignore_signals();
                #[cfg(target_os = "linux")]
                crate::process::keep_private();
                work(theirs);
            }));
            kernel::end_at_once()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn it_answers_holds_nothing_else_and_ends_with_the_stream() {
        let (mut other, held) = UnixStream::pair().expect("a pair");
        let mut stream = split_off(|mut stream| {
            let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            let mut word = [0];
            while stream.read_exact(&mut word).is_ok() {
                let _ = stream.write_all(&[word[0], u8::try_from(open).unwrap_or(u8::MAX)]);
            }
        })
        .expect("a process");
        stream.write_all(b"x").expect("asked");
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).expect("answered");
        // Three standard streams, its end of the stream, and the listing itself.
        assert_eq!(answer, [b'x', 5]);
        // What the test held is not held there: its other end sees the end.
        drop(held);
        assert_eq!(other.read(&mut [0]).expect("the end"), 0);
        stream.shutdown(std::net::Shutdown::Write).expect("the end");
        assert_eq!(stream.read(&mut [0]).expect("the end"), 0, "it ended");
    }
}
