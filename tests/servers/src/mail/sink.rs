//! An SMTP server that keeps every message with its envelope as it came over the wire, takes
//! nothing that RFC 5321 does not allow, and fails where a test plans it.

mod content;
mod envelope;
mod fault;
mod memory;
mod options;
mod sasl;
mod session;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

pub use fault::Fault;
use memory::Memory;
pub use memory::{Login, Received};
pub use options::{Extension, Security, SinkOptions};

/// A running sink, until it is dropped. Dropping fails the test if a client broke the protocol
/// and nobody asked for it by [`take_violations`](Self::take_violations).
pub struct Sink {
    memory: Arc<Memory>,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts one at a free port of 127.0.0.1. Recipients `reject…@` are refused for good,
    /// `later…@` for now, all others are taken.
    pub fn start(options: SinkOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let memory = Arc::new(Memory::new(options));
        let served = Arc::clone(&memory);
        let thread = std::thread::spawn(move || session::accept(&listener, &served));
        Self { memory, port, thread: Some(thread) }
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The messages that were taken, in order, also those whose sender never learnt of it.
    pub fn received(&self) -> Vec<Received> {
        self.memory.state().received.clone()
    }

    /// The transactions that began with MAIL and ended without a message that was taken.
    pub fn unfinished(&self) -> Vec<Received> {
        self.memory.state().unfinished.clone()
    }

    /// Every attempt to sign in, in order.
    pub fn logins(&self) -> Vec<Login> {
        self.memory.state().logins.clone()
    }

    /// Every command line of all connections, in order of arrival.
    pub fn commands(&self) -> Vec<String> {
        self.memory.state().commands.clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.memory.state().connections
    }

    /// Why handshakes of TLS failed: a client that refuses the certificate says so.
    pub fn tls_failures(&self) -> Vec<String> {
        self.memory.state().tls_failures.clone()
    }

    /// What broke the protocol so far.
    pub fn violations(&self) -> Vec<String> {
        self.memory.state().violations.clone()
    }

    /// The same, and forgets them: a test that expects some takes them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.memory.state().violations)
    }

    /// Plans a fault for the next transactions; plans are used up in the order in which they were
    /// made, one by each MAIL ([`Fault::SlowBanner`]: by each connection).
    pub fn fault(&self, fault: Fault, times: usize) {
        self.memory.state().faults.extend(std::iter::repeat_n(fault, times));
    }

    /// Forgets the faults that are still planned.
    pub fn clear_faults(&self) {
        self.memory.state().faults.clear();
    }

    /// Lets everything go on that a fault holds.
    pub fn release(&self) {
        self.memory.release();
    }

    /// Waits until a fault holds something.
    pub fn await_held(&self) {
        self.memory.wait(|state| state.held > 0);
    }

    /// Waits until this many messages were taken.
    pub fn await_received(&self, count: usize) {
        self.memory.wait(|state| state.received.len() >= count);
    }

    /// Waits until this many commands have arrived.
    pub fn await_commands(&self, count: usize) {
        self.memory.wait(|state| state.commands.len() >= count);
    }

    /// Waits until no connection is open.
    pub fn settle(&self) {
        self.memory.wait(|state| state.open == 0);
    }

    /// Calls `act` with each message that is taken, before its sender is answered.
    pub fn on_taken(&self, act: impl Fn(&Received) + Send + Sync + 'static) {
        self.memory.add_hook(Box::new(act));
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.memory.end();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        let violations = self.take_violations();
        if !std::thread::panicking() {
            assert!(ended, "the sink's thread panicked");
            assert!(violations.is_empty(), "the protocol was broken:\n{}", violations.join("\n"));
        }
    }
}

#[cfg(test)]
mod tests;
