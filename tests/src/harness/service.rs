//! A loopback service that acting tools speak to: what reached it is seen outside the product.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// Takes lines, each on a connection of its own.
pub struct Service {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Default for Service {
    fn default() -> Self {
        Self::start()
    }
}

impl Service {
    /// Starts it on a free port. It lives as long as the test.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let taken = Arc::clone(&lines);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut text = String::new();
                let _ = stream.read_to_string(&mut text);
                // Taken before the other side sees the end, so that a finished call is seen here.
                let mut taken = taken.lock().expect("no panic while held");
                taken.extend(text.lines().map(str::to_owned));
            }
        });
        Self { address, lines }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What reached it so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic while held").clone()
    }
}
