//! A gate before a [`Dovecot`]: encrypted connections of IMAP that pass through it, command by
//! command, and fail on demand. It knows no IDLE, and no commands sent before the last one was
//! answered.

use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;

use super::wire::{self, Wire};
use super::{Certificate, Dovecot};
use crate::PATIENCE;

/// One way in which a command fails, or seems to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateFault {
    /// The server never gets it; the connection is closed.
    CutBefore,
    /// The server gets half of its literal, or of its line if it has none; then the connection is
    /// closed.
    CutInside,
    /// The server does it; the connection is closed without an answer.
    CutAfter,
    /// The server gets it after [`release`](Gate::release).
    HoldBefore,
    /// The server does it; that is answered after [`release`](Gate::release).
    HoldAfter,
}

/// A running gate, with a certificate for `localhost`.
pub struct Gate {
    shared: Arc<Shared>,
    port: u16,
}

struct Shared {
    server: u16,
    tls: Arc<ServerConfig>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    commands: Vec<String>,
    faults: VecDeque<(String, GateFault)>,
    held: usize,
    releases: usize,
    ending: bool,
}

impl Gate {
    /// Starts one at a free port, encrypted from the first byte.
    pub fn start(server: &Dovecot) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let tls = wire::server_config(Certificate::Right);
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { server: server.imap_port(), tls, state, changed });
        let passing = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &passing));
        Self { shared, port }
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Plans a fault for the next commands of a name, such as `APPEND` or `UID EXPUNGE`. Plans
    /// for a command are used up in the order in which they were made.
    pub fn fault(&self, command: &str, fault: GateFault, times: usize) {
        let plans = std::iter::repeat_n((command.to_owned(), fault), times);
        self.shared.state().faults.extend(plans);
    }

    /// Lets everything go on that a fault holds.
    pub fn release(&self) {
        self.shared.record(|state| state.releases += 1);
    }

    /// Waits until a fault holds something.
    pub fn await_held(&self) {
        let held = |state: &mut State| state.held == 0;
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), PATIENCE, held);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "nothing is held; commands: {:#?}", state.commands);
    }

    /// The names of all commands so far, in order of arrival.
    pub fn commands(&self) -> Vec<String> {
        self.shared.state().commands.clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.record(|state| state.ending = true);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Notes a command; returns the fault that waits for it.
    fn arrive(&self, command: String) -> Option<GateFault> {
        let mut state = self.state();
        let place = state.faults.iter().position(|(on, _)| *on == command);
        state.commands.push(command);
        place.and_then(|place| state.faults.remove(place)).map(|(_, fault)| fault)
    }

    fn hold(&self) {
        let mut state = self.state();
        let before = state.releases;
        state.held += 1;
        self.changed.notify_all();
        let kept = |state: &mut State| state.releases == before && !state.ending;
        let waited = self.changed.wait_while(state, kept);
        waited.unwrap_or_else(PoisonError::into_inner).held -= 1;
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.state().ending {
            return;
        }
        // A connection that is gone before it is accepted is the client's affair.
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // It ends by an error where one side goes or a fault says so.
            let _ = pass(&shared, stream);
        });
    }
}

/// Lets the commands of one connection pass.
fn pass(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    let mut client = Wire::plain(stream);
    client.encrypt(Arc::clone(&shared.tls))?;
    let mut server = Wire::plain(TcpStream::connect(("127.0.0.1", shared.server))?);
    client.send(&server.raw_line()?)?;
    let mut passage = Passage { client, server };
    loop {
        let line = passage.client.raw_line()?;
        let (tag, command) = named(&line);
        let fault = shared.arrive(command);
        match fault {
            Some(GateFault::CutBefore) => return cut(),
            Some(GateFault::HoldBefore) => shared.hold(),
            _ => {}
        }
        let answer = passage.exchange(&tag, line, fault == Some(GateFault::CutInside))?;
        match fault {
            Some(GateFault::CutAfter) => return cut(),
            Some(GateFault::HoldAfter) => shared.hold(),
            _ => {}
        }
        passage.client.send(&answer)?;
    }
}

/// The tag of a command, and its name in capitals.
fn named(line: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(line).into_owned();
    let mut words = text.split_ascii_whitespace();
    let tag = words.next().unwrap_or_default().to_owned();
    let mut name = words.next().unwrap_or_default().to_ascii_uppercase();
    if name == "UID" {
        let second = words.next().unwrap_or_default().to_ascii_uppercase();
        name = format!("UID {second}");
    }
    (tag, name)
}

fn cut<T>() -> io::Result<T> {
    Err(io::Error::other("cut as planned"))
}

struct Passage {
    client: Wire,
    server: Wire,
}

impl Passage {
    /// Passes a command on with its literals; returns the last part of the server's answer.
    fn exchange(&mut self, tag: &str, mut line: Vec<u8>, cuts: bool) -> io::Result<Vec<u8>> {
        while let Some((length, is_synchronising)) = literal(&line) {
            self.server.send(&line)?;
            if is_synchronising {
                let (answer, is_done) = self.answer(tag)?;
                if is_done {
                    return Ok(answer);
                }
                self.client.send(&answer)?;
            }
            let bytes = self.client.exactly(length)?;
            if cuts {
                self.server.send(&bytes[..length / 2])?;
                return cut();
            }
            self.server.send(&bytes)?;
            line = self.client.raw_line()?;
        }
        if cuts {
            self.server.send(&line[..line.len() / 2])?;
            return cut();
        }
        loop {
            self.server.send(&line)?;
            let (answer, is_done) = self.answer(tag)?;
            if is_done {
                return Ok(answer);
            }
            // The next step of a sign-in.
            self.client.send(&answer)?;
            line = self.client.raw_line()?;
        }
    }

    /// What the server answers, up to its tagged response or to its wish for more.
    fn answer(&mut self, tag: &str) -> io::Result<(Vec<u8>, bool)> {
        let mut answer = Vec::new();
        loop {
            let mut line = self.server.raw_line()?;
            let is_done = line.strip_prefix(tag.as_bytes()).is_some_and(|l| l.starts_with(b" "));
            let wants_more = line.starts_with(b"+");
            while let Some((length, _)) = literal(&line) {
                answer.append(&mut line);
                answer.append(&mut self.server.exactly(length)?);
                line = self.server.raw_line()?;
            }
            answer.append(&mut line);
            if is_done || wants_more {
                return Ok((answer, is_done));
            }
        }
    }
}

/// The length of the literal that follows a line, and whether it is sent only when it is asked for.
fn literal(line: &[u8]) -> Option<(usize, bool)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix("}\r\n")?;
    let number = text.rsplit_once('{')?.1;
    let at_once = number.strip_suffix('+');
    Some((at_once.unwrap_or(number).parse().ok()?, at_once.is_none()))
}

#[cfg(test)]
mod tests;
