//! Connections, from whom they may come, as they are or within TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many handshakes may go on at a time; the others wait in the kernel's queue.
const HANDSHAKES: usize = 256;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Accepts connections.
pub(super) enum Door {
    /// In clear: on this machine, or from a proxy that does TLS.
    Plain(Filtered),
    /// Within TLS. A slow handshake keeps nobody else waiting: each is a task of its own.
    Tls { address: SocketAddr, ready: mpsc::Receiver<(Connection, SocketAddr)> },
}

impl Door {
    pub(super) fn new(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        proxies: Arc<[IpNet]>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let listener = Filtered { listener, proxies };
        let Some(tls) = tls else { return Ok(Door::Plain(listener)) };
        let (done, ready) = mpsc::channel(HANDSHAKES);
        tokio::spawn(shake_hands(listener, tls, done));
        Ok(Door::Tls { address, ready })
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self {
            Door::Plain(listener) => {
                let (stream, peer) = listener.accept().await;
                (Connection::Plain(stream), peer)
            }
            Door::Tls { ready, .. } => match ready.recv().await {
                Some(accepted) => accepted,
                // The task that accepts ends only with this one.
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Door::Plain(listener) => listener.listener.local_addr(),
            Door::Tls { address, .. } => Ok(*address),
        }
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Peer(stream.remote_addr().ip().to_canonical())
    }
}

/// Accepts TCP connections from whom they may come.
pub(super) struct Filtered {
    listener: TcpListener,
    /// Where proxies are named, only they may connect.
    proxies: Arc<[IpNet]>,
}

impl Filtered {
    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            if !self.proxies.is_empty() && !is_within(&self.proxies, peer.ip()) {
                tracing::warn!(%peer, "connection refused: not one of the proxies of servers.toml");
                continue;
            }
            // Without it, Nagle's algorithm adds 40 ms to many answers.
            let _ = stream.set_nodelay(true);
            return (stream, peer);
        }
    }
}

/// Whether an address is in one of the networks, in whichever form it is written.
pub(super) fn is_within(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

async fn shake_hands(
    mut listener: Filtered,
    tls: TlsAcceptor,
    done: mpsc::Sender<(Connection, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = done.closed() => return,
        };
        let (tls, done) = (tls.clone(), done.clone());
        tokio::spawn(async move {
            let _place = place;
            match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let _ = done.send((Connection::Tls(Box::new(stream)), peer)).await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
                Err(_) => tracing::debug!(%peer, "a handshake took too long"),
            }
        });
    }
}

/// One connection.
pub(super) enum Connection {
    /// In clear.
    Plain(TcpStream),
    /// Within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Connection::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Connection::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Connection::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Connection::Plain(stream) => stream.is_write_vectored(),
            Connection::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Connection::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Connection::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_known_in_every_form_of_its_address() {
        let networks: Vec<IpNet> = ["10.0.0.0/8", "2001:db8::/32"]
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect();
        let check = |address: &str| is_within(&networks, address.parse().expect("an address"));
        assert!(check("10.1.2.3") && check("::ffff:10.1.2.3") && check("2001:db8::1"));
        assert!(!check("11.0.0.1") && !check("::ffff:11.0.0.1") && !check("::1"));
    }
}
