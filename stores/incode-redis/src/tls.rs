//! TLS with a provider that is named in each configuration. None is installed for the process: that is the application's.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_rustls::TlsConnector;

use crate::error::Failure;

/// Verifies the server against the public authorities and those of this machine, or against those of the file alone.
pub(crate) fn connector(authorities: Option<&Path>) -> Result<TlsConnector, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    match authorities {
        None => {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            // A machine without a readable store still has the public authorities.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(file) => {
            let pem = std::fs::read(file).map_err(|_| Failure::unavailable("ssl_ca_certs can't be read"))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let unusable = || Failure::unavailable("ssl_ca_certs holds an unusable certificate");
                roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
            }
        }
    }
    if roots.is_empty() {
        return Err(Failure::unavailable("ssl_ca_certs holds no certificate"));
    }
    let config = rustls::ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(|_| Failure::failed("no TLS version in common"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The provider that a feature of this crate chose, else the one that the process installed. None is installed here.
fn provider() -> Result<Arc<CryptoProvider>, Failure> {
    #[cfg(feature = "tls-ring")]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring")))]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc-rs")))]
    return CryptoProvider::get_default().cloned().ok_or_else(|| {
        Failure::unavailable(
            "no TLS provider: enable a feature of incode-redis (tls-ring, tls-aws-lc-rs), or install one",
        )
    });
}
