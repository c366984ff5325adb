//! TLS by rustls, 1.3 and 1.2, with ring.

use std::path::Path;
use std::sync::Arc;

use contract::Secret;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, ready to be used.
#[derive(Clone)]
pub struct Tls(pub(super) TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}

impl Tls {
    /// Reads the chain, the server's own certificate first, and takes its private key, both as
    /// PEM. The error says what is wrong with which of them, and the remedy.
    pub fn new(certificate: &Path, key: &Secret) -> Result<Self, String> {
        let at = certificate.display();
        let chain: Vec<CertificateDer> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| format!("{at}: {error}"))?;
        if chain.is_empty() {
            return Err(format!("{at} holds no certificate (PEM, `BEGIN CERTIFICATE`)"));
        }
        // The library's error might show a part of what it read.
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
            "what `key` names is no private key (PEM, `BEGIN PRIVATE KEY`)".to_owned()
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let mut config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| format!("{at} and its key do not make a TLS server: {error}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
