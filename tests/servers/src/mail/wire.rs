//! A connection as lines: plain, or encrypted by TLS.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Certificate;

/// The longest line that is read at all.
const LONGEST: u64 = 64 << 20;

/// How a server proves itself to its clients.
pub(super) fn server_config(certificate: Certificate) -> Arc<ServerConfig> {
    let (certificate, key) = certificate.files();
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("its key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider's versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("the key fits"))
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Stream {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

/// A line without its end, or what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    Broken(&'static str),
}

/// The connection.
pub(super) struct Wire(BufReader<Stream>);

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self(BufReader::new(Stream::Plain(stream)))
    }

    /// Encrypts a plain connection. What has arrived but was not read is forgotten.
    pub(super) fn encrypt(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let Stream::Plain(stream) = self.0.get_ref() else {
            return Err(io::Error::other("it is encrypted already"));
        };
        let mut stream = stream.try_clone()?;
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let stream = StreamOwned::new(connection, stream);
        self.0 = BufReader::new(Stream::Tls(Box::new(stream)));
        Ok(())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().send(bytes)
    }

    /// Whether more has arrived than was read.
    pub(super) fn has_more(&self) -> bool {
        !self.0.buffer().is_empty()
    }

    /// The next bytes up to a line feed and with it; an error where they end before.
    pub(super) fn raw_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.0).take(LONGEST).read_until(b'\n', &mut line)?;
        if line.ends_with(b"\n") { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Exactly that many of the next bytes.
    pub(super) fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next line of a command or of a sign-in; nothing where the client has gone.
    pub(super) fn line(&mut self, longest: usize) -> io::Result<Option<Line>> {
        if self.0.fill_buf()?.is_empty() {
            return Ok(None);
        }
        Ok(Some(checked(self.raw_line()?, longest)))
    }
}

fn checked(mut line: Vec<u8>, longest: usize) -> Line {
    if line.len() > longest {
        return Line::Broken("the line is too long");
    }
    if !line.ends_with(b"\r\n") {
        return Line::Broken("a bare LF ends the line");
    }
    line.truncate(line.len() - 2);
    if line.iter().any(u8::is_ascii_control) {
        return Line::Broken("a control character is in the line");
    }
    String::from_utf8(line).map_or(Line::Broken("the line is not UTF-8"), Line::Text)
}
