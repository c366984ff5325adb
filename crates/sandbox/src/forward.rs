//! The ports of the host that are reached: each is a listening socket that was made inside, and
//! what connects to it is connected to the same port of the host's 127.0.0.1 from outside.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};

/// The most connections at one time; others wait in the kernel's queue.
const MOST: usize = 128;

/// The bytes on the way in one direction.
const BUFFER: usize = 1 << 16;

/// All ports of a run.
#[derive(Debug, Default)]
pub(crate) struct Forward {
    listeners: Vec<(TcpListener, u16)>,
    links: Vec<Link>,
}

impl Forward {
    /// Forwards what connects to the sockets, in the order of the ports.
    pub(crate) fn new(sockets: Vec<OwnedFd>, ports: &[u16]) -> io::Result<Self> {
        let listeners = sockets.into_iter().map(TcpListener::from).zip(ports.iter().copied());
        let listeners: Vec<_> = listeners.collect();
        for (listener, _) in &listeners {
            listener.set_nonblocking(true)?;
        }
        Ok(Self { listeners, links: Vec::new() })
    }

    /// What to wait for.
    pub(crate) fn fds(&self) -> Vec<PollFd<'_>> {
        let listening = if self.links.len() < MOST { self.listeners.as_slice() } else { &[] };
        let mut fds: Vec<PollFd<'_>> = listening
            .iter()
            .map(|(listener, _)| PollFd::new(listener.as_fd(), PollFlags::POLLIN))
            .collect();
        for link in &self.links {
            let waits = |to_read: &Way, to_write: &Way| {
                let mut flags = PollFlags::empty();
                flags.set(PollFlags::POLLIN, to_read.reads());
                flags.set(PollFlags::POLLOUT, to_write.writes());
                flags
            };
            let (out, back) = (&link.out, &link.back);
            for (socket, flags) in
                [(&link.inside, waits(out, back)), (&link.host, waits(back, out))]
            {
                // A socket that was closed at the other end is always ready: it is not asked.
                if !flags.is_empty() {
                    fds.push(PollFd::new(socket.as_fd(), flags));
                }
            }
        }
        fds
    }

    /// Does what can be done without waiting.
    pub(crate) fn turn(&mut self) {
        for (listener, port) in &self.listeners {
            while self.links.len() < MOST
                && let Ok((inside, _)) = listener.accept()
            {
                // Where nothing can be connected, the connection is closed at once.
                self.links.extend(Link::new(inside, *port));
            }
        }
        self.links.retain_mut(Link::turn);
    }
}

/// One connection, in two halves.
#[derive(Debug)]
struct Link {
    inside: TcpStream,
    host: TcpStream,
    out: Way,
    back: Way,
}

impl Link {
    fn new(inside: TcpStream, port: u16) -> Option<Self> {
        inside.set_nonblocking(true).ok()?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let host = socket(AddressFamily::Inet, SockType::Stream, flags, None).ok()?;
        let address = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        match connect(std::os::fd::AsRawFd::as_raw_fd(&host), &address) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(_) => return None,
        }
        Some(Self { inside, host: host.into(), out: Way::default(), back: Way::default() })
    }

    /// Whether there is more to come.
    fn turn(&mut self) -> bool {
        let out = self.out.carry(&self.inside, &self.host);
        let back = self.back.carry(&self.host, &self.inside);
        out.is_ok() && back.is_ok() && !(self.out.done && self.back.done)
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    buffer: Vec<u8>,
    /// Where in the buffer begins what is not written yet.
    from: usize,
    /// Nothing more is read.
    ended: bool,
    /// And all of it is written.
    done: bool,
}

impl Way {
    fn reads(&self) -> bool {
        !self.ended && self.buffer.is_empty()
    }

    fn writes(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn carry(&mut self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        // A bounded number of times, so that one connection does not keep the others waiting.
        for _ in 0..4 {
            if self.reads() {
                self.buffer.resize(BUFFER, 0);
                let read = from.read(&mut self.buffer);
                self.buffer.truncate(*read.as_ref().unwrap_or(&0));
                self.ended = matches!(read, Ok(0));
                blocked(read)?;
            }
            if self.writes() {
                let written = to.write(&self.buffer[self.from..]);
                self.from += blocked(written)?;
                if self.from == self.buffer.len() {
                    self.buffer.clear();
                    self.from = 0;
                }
            }
            if self.writes() {
                break;
            }
        }
        if self.ended && !self.done && !self.writes() {
            self.done = true;
            // The other end may be gone already.
            let _ = to.shutdown(Shutdown::Write);
        }
        Ok(())
    }
}

/// Nothing, where one would have to wait.
fn blocked(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
        {
            Ok(0)
        }
        other => other,
    }
}
