//! What the process inside and the one outside tell each other, over a pair of Unix sockets that
//! keep messages apart.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::{Exit, Found};

/// The largest message: of a path, which is 4096 bytes at most, and six characters a byte when
/// escaped.
const LARGEST: usize = 32 << 10;

/// The most descriptors in one message (`SCM_MAX_FD`, unix(7)).
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// What the process inside tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Note {
    /// It is in a user namespace without a table of owners, and waits for it.
    Unmapped,
    /// All is set up; comes with the folder to watch processes in, the one to watch the disk in,
    /// and the listening sockets to forward.
    Ready(Vec<String>),
    /// The program did not start, and why.
    NotStarted(String),
    /// The program and all other processes are gone; the time of the processors they took, and the
    /// most memory that one of them had, in bytes.
    Ended { exit: Option<Exit>, cpu: Duration, largest: u64 },
    /// A file that was asked for, by its number; comes with the file where it was found.
    File { number: usize, inside: PathBuf, found: Found },
    /// Nothing follows.
    Finished,
}

/// What the process outside tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The table of owners is written.
    Mapped,
    /// End all processes; what was asked for is still collected.
    Stop,
}

/// One end.
#[derive(Debug)]
pub(crate) struct End(OwnedFd);

/// Both ends.
pub(crate) fn pair() -> io::Result<(End, End)> {
    let kind = SockType::SeqPacket;
    let (one, other) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    Ok((End(one), End(other)))
}

impl End {
    /// The descriptor, to wait for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0)
    }

    /// Tells something.
    pub(crate) fn tell(&self, message: &impl Serialize, with: &[RawFd]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let parts = [IoSlice::new(&text)];
        let rights = [ControlMessage::ScmRights(with)];
        let control: &[ControlMessage<'_>] = if with.is_empty() { &[] } else { &rights };
        sendmsg::<UnixAddr>(self.0.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?;
        Ok(())
    }

    /// The next message with its descriptors; none where the other end is gone.
    pub(crate) fn hear<T: for<'a> Deserialize<'a>>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut text = vec![0; LARGEST];
        let mut control = nix::cmsg_space!([RawFd; MOST_DESCRIPTORS]);
        let mut parts = [IoSliceMut::new(&mut text)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received =
            recvmsg::<UnixAddr>(self.0.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let mut with = Vec::new();
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = message {
                with.extend(fds.into_iter().map(own));
            }
        }
        let length = received.bytes;
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&text[..length])?, with)))
    }

    /// Whether the other end is gone, whatever it said before.
    pub(crate) fn is_alone(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.fd(), PollFlags::empty())];
        let _ = poll(&mut fds, PollTimeout::ZERO);
        fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }
}

#[expect(unsafe_code, reason = "a received descriptor has no owner yet")]
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for this process, and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
