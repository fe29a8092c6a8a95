use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use crate::store::StoreErrorKind;

/// Verifies the server against the usual authorities, or against those of the file alone if there is one.
pub(super) fn verified(roots_file: Option<&Path>) -> Result<MakeRustlsConnect, Failure> {
    let unusable = |what| Failure::new(StoreErrorKind::Unavailable, what);
    let mut roots = rustls::RootCertStore::empty();
    match roots_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|_| unusable("sslrootcert can't be read"))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|_| unusable("sslrootcert holds what is no certificate"))?;
                roots.add(certificate).map_err(|_| unusable("sslrootcert holds an unusable certificate"))?;
            }
        }
    }
    if roots.is_empty() {
        return Err(unusable("sslrootcert holds no certificate"));
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("no TLS version in common"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
