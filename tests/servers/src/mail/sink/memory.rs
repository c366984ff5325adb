//! What the connections of a sink and its test share.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;

use super::{Fault, SinkOptions};
use crate::PATIENCE;
use crate::mail::wire;

/// A transaction: the envelope and the message, and who brought it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// What the client called itself in EHLO or HELO.
    pub helo: String,
    /// The reverse-path without its angle brackets.
    pub mail_from: String,
    /// The parameters of MAIL, such as `BODY=8BITMIME`.
    pub parameters: Vec<String>,
    /// The forward-paths that were accepted, in order, without their angle brackets.
    pub rcpt_to: Vec<String>,
    /// Those that were refused.
    pub refused: Vec<String>,
    /// What DATA brought, without the doubled dots and the line that ends it.
    pub bytes: Vec<u8>,
    /// Whether the connection was encrypted.
    pub tls: bool,
    /// Who had signed in.
    pub auth: Option<String>,
    /// The mechanism of the sign-in.
    pub mechanism: Option<String>,
}

/// An attempt to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name that was given.
    pub user: String,
    /// The mechanism.
    pub mechanism: String,
    /// Whether the connection was encrypted.
    pub tls: bool,
    /// Whether it was let in.
    pub accepted: bool,
}

/// Does something with each message that is taken.
pub(super) type Hook = Box<dyn Fn(&Received) + Send + Sync>;

/// What a sink is and what it remembers.
pub(super) struct Memory {
    pub(super) options: SinkOptions,
    pub(super) tls: Arc<ServerConfig>,
    state: Mutex<State>,
    changed: Condvar,
    hooks: Mutex<Vec<Hook>>,
}

/// What a sink remembers.
#[derive(Default)]
pub(super) struct State {
    pub(super) received: Vec<Received>,
    pub(super) unfinished: Vec<Received>,
    pub(super) logins: Vec<Login>,
    pub(super) commands: Vec<String>,
    pub(super) violations: Vec<String>,
    pub(super) tls_failures: Vec<String>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) connections: usize,
    /// How many connections are open.
    pub(super) open: usize,
    /// How many connections wait to be released.
    pub(super) held: usize,
    releases: usize,
    ending: bool,
    streams: BTreeMap<usize, TcpStream>,
}

impl Memory {
    pub(super) fn new(options: SinkOptions) -> Self {
        let tls = wire::server_config(options.certificate);
        Self {
            options,
            tls,
            state: Mutex::default(),
            changed: Condvar::new(),
            hooks: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is remembered and wakes who waits for it.
    pub(super) fn record(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    pub(super) fn violation(&self, complaint: impl Into<String>) {
        self.record(|state| state.violations.push(complaint.into()));
    }

    pub(super) fn add_hook(&self, hook: Hook) {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    /// Takes a message.
    pub(super) fn take(&self, message: Received) {
        for hook in self.hooks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            hook(&message);
        }
        self.record(|state| state.received.push(message));
    }

    /// The fault of a transaction that begins.
    pub(super) fn transaction_fault(&self) -> Option<Fault> {
        self.state().faults.pop_front_if(|fault| *fault != Fault::SlowBanner)
    }

    /// Whether a connection that begins is to be silent.
    pub(super) fn is_slow(&self) -> bool {
        self.state().faults.pop_front_if(|fault| *fault == Fault::SlowBanner).is_some()
    }

    /// Keeps a connection until it is released.
    pub(super) fn hold(&self) {
        let mut state = self.state();
        let before = state.releases;
        state.held += 1;
        self.changed.notify_all();
        let kept = |state: &mut State| state.releases == before && !state.ending;
        let mut state =
            self.changed.wait_while(state, kept).unwrap_or_else(PoisonError::into_inner);
        state.held -= 1;
    }

    pub(super) fn release(&self) {
        self.record(|state| state.releases += 1);
    }

    /// Waits until something holds.
    pub(super) fn wait(&self, holds: impl Fn(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, |state| !holds(state));
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "it did not happen; commands: {:#?}", state.commands);
    }

    /// Notes a connection; nothing once the sink ends.
    pub(super) fn open(&self, stream: &TcpStream) -> io::Result<Option<usize>> {
        let own = stream.try_clone()?;
        let mut state = self.state();
        if state.ending {
            return Ok(None);
        }
        state.connections += 1;
        state.open += 1;
        let number = state.connections;
        state.streams.insert(number, own);
        Ok(Some(number))
    }

    /// Forgets a connection, which closes it.
    pub(super) fn close(&self, number: usize) {
        self.record(|state| {
            state.open -= 1;
            if let Some(stream) = state.streams.remove(&number) {
                // Fails where the client was first.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    /// Ends all connections, and takes no more.
    pub(super) fn end(&self) {
        self.record(|state| {
            state.ending = true;
            for stream in state.streams.values() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}
