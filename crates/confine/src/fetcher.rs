//! A second process that reads what cannot be named to the kernel.
//!
//! A rule of Landlock is on a file that exists, or on a folder with all that is beneath it. An
//! editor replaces a file by renaming another over it: the new one is under no rule, and the
//! folder of servers.toml may hold anything, such as the folders of all other servers. So the
//! process that serves may read neither; it asks this one, which is split off before, holds what
//! those answers need only, and is confined to reading that folder. It ends when the one that serves
//! ends, even while a file system keeps it waiting.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::kernel::{self, Forked};
use crate::{Plan, confine};

/// The most a fetcher may answer, in bytes.
const LARGEST: u64 = 16 << 20;

/// How long an answer may take, unless [`Fetcher::within`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to the second process.
#[derive(Debug)]
pub struct Fetcher {
    /// Absent once an answer did not come: a late one would be taken for the next question's.
    stream: Mutex<Option<UnixStream>>,
    patience: Duration,
}

impl Fetcher {
    /// Splits off the process. `forget` drops, there, what only this process may hold; `answer`
    /// gives what a question asks for, each time anew; `plan` is all that it may do.
    ///
    /// Call it on the main thread, before any other thread exists and before [`confine`].
    pub fn start(
        plan: &Plan,
        forget: impl FnOnce(),
        answer: impl Fn(u8) -> Vec<u8>,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        match kernel::fork()? {
            Forked::Parent => Ok(Self { stream: Mutex::new(Some(ours)), patience: PATIENCE }),
            Forked::Child => {
                drop(ours);
                // Nothing may return, nor unwind, into what the parent does next.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    kernel::let_go_of_standard_streams(&null);
                    kernel::let_go_of_descriptors(&theirs);
                    kernel::ignore_signals();
                    forget();
                    let _ = confine(plan);
                    let _ = serve(theirs, answer);
                }));
                kernel::end_at_once()
            }
        }
    }

    /// Another time that an answer may take.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// What the second process reads now. It blocks for as long as that reads, but not for ever:
    /// a process that did not answer in time is let go, and nothing can be asked of it any more.
    pub fn fetch(&self, question: u8) -> io::Result<Vec<u8>> {
        let mut held = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = held.as_mut() else {
            return Err(io::Error::other("it did not answer before, and was let go"));
        };
        let asked = ask(stream, question, self.patience);
        if asked.is_err() {
            *held = None;
        }
        let (length, answer) = asked?;
        if length > LARGEST {
            return Err(io::Error::other(format!("{length} bytes are more than {LARGEST}")));
        }
        Ok(answer)
    }
}

/// The length of an answer, and the answer where it is not too long.
fn ask(stream: &mut UnixStream, question: u8, patience: Duration) -> io::Result<(u64, Vec<u8>)> {
    let late = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {patience:?}"))
        }
        _ => error,
    };
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&[question])?;
    let mut length = [0; 8];
    stream.read_exact(&mut length).map_err(late)?;
    let length = u64::from_be_bytes(length);
    let mut answer = Vec::new();
    if length <= LARGEST {
        let read = (&*stream).take(length).read_to_end(&mut answer).map_err(late)?;
        if read as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((length, answer))
}

/// Answers until the other end is closed. A thread of its own waits for that, so that a file that
/// cannot be read, nor given up, keeps no process alive.
fn serve(mut stream: UnixStream, answer: impl Fn(u8) -> Vec<u8>) -> io::Result<()> {
    let mut questions = stream.try_clone()?;
    let (ask, asked) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let mut question = [0];
        while questions.read_exact(&mut question).is_ok() && ask.send(question[0]).is_ok() {}
        kernel::end_at_once()
    })?;
    for question in asked {
        let answer = answer(question);
        stream.write_all(&(answer.len() as u64).to_be_bytes())?;
        if answer.len() as u64 <= LARGEST {
            stream.write_all(&answer)?;
        }
    }
    Ok(())
}
