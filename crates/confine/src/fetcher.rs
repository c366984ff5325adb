//! A second process that reads what cannot be named to the kernel.
//!
//! A rule of Landlock is on a file that exists, or on a folder with all that is beneath it. An
//! editor replaces a file by renaming another over it: the new one is under no rule, and the
//! folder of servers.toml may hold anything, such as the folders of all other servers. So the
//! process that serves may read neither; it asks this one, which is split off before, holds one
//! answer only, and is confined to reading that folder. It ends when the one that serves ends.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::kernel::{self, Forked};
use crate::{Plan, confine};

/// The most a fetcher may answer, in bytes.
const LARGEST: u64 = 16 << 20;

/// The way to the second process.
#[derive(Debug)]
pub struct Fetcher(Mutex<UnixStream>);

impl Fetcher {
    /// Splits off the process. `forget` drops, there, what only this process may hold; `answer`
    /// gives what is asked for, each time anew; `plan` is all that it may do.
    ///
    /// Call it on the main thread, before any other thread exists and before [`confine`].
    pub fn start(
        plan: &Plan,
        forget: impl FnOnce(),
        answer: impl Fn() -> Vec<u8>,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        match kernel::fork()? {
            Forked::Parent => Ok(Self(Mutex::new(ours))),
            Forked::Child => {
                drop(ours);
                // Nothing may return, nor unwind, into what the parent does next.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    kernel::let_go_of_standard_streams(&null);
                    kernel::ignore_signals();
                    forget();
                    let _ = confine(plan);
                    let _ = serve(theirs, answer);
                }));
                kernel::end_at_once()
            }
        }
    }

    /// What the second process reads now. It blocks for as long as that reads.
    pub fn fetch(&self) -> io::Result<Vec<u8>> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&[1])?;
        let mut length = [0; 8];
        stream.read_exact(&mut length)?;
        let length = u64::from_be_bytes(length);
        if length > LARGEST {
            return Err(io::Error::other(format!("{length} bytes are more than {LARGEST}")));
        }
        let mut answer = Vec::new();
        (&*stream).take(length).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Answers until the other end is closed.
fn serve(mut stream: UnixStream, answer: impl Fn() -> Vec<u8>) -> io::Result<()> {
    let mut asked = [0];
    loop {
        stream.read_exact(&mut asked)?;
        let answer = answer();
        stream.write_all(&(answer.len() as u64).to_be_bytes())?;
        stream.write_all(&answer)?;
    }
}
