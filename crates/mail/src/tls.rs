//! How connections are protected.

use std::path::Path;
use std::sync::Arc;

use contract::StartError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// What a client checks servers with: the system's authorities, and those of a file.
pub(crate) fn config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, StartError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let fault = |why: String| StartError::new(format!("ca: {}: {why}", path.display()));
        let all = CertificateDer::pem_file_iter(path).map_err(|error| fault(error.to_string()))?;
        for one in all {
            let one = one.map_err(|error| fault(error.to_string()))?;
            roots.add(one).map_err(|error| fault(error.to_string()))?;
        }
    }
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::new(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
