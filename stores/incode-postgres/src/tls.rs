//! TLS to the server.

use std::path::Path;
use std::sync::Arc;

use incode_core::store::StoreErrorKind;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Failure;

/// The files that a URL names.
#[derive(Clone, Default)]
pub(crate) struct Files {
    /// `sslrootcert`: the only authorities to trust.
    pub(crate) roots: Option<Box<Path>>,
    /// `sslcert` and `sslkey`: what this client shows of itself.
    pub(crate) client: Option<(Box<Path>, Box<Path>)>,
}

/// Verifies the server against the public authorities, or against those of the file alone if there is one.
pub(crate) fn verified(files: &Files) -> Result<MakeRustlsConnect, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    match &files.roots {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in certificates(path, "sslrootcert")? {
                let added = roots.add(certificate);
                added.map_err(|_| unusable("sslrootcert holds an unusable certificate"))?;
            }
        }
    }
    let config = rustls::ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("the TLS provider has no usable protocol version"))?
        .with_root_certificates(roots);
    let config = match &files.client {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "sslcert")?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|_| unusable("sslkey can't be read as a PEM key (an encrypted key is not supported)"))?;
            let client = config.with_client_auth_cert(chain, key);
            client.map_err(|_| unusable("sslcert and sslkey do not belong together"))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The certificates of a PEM file. An empty file is an error: it would trust no server, or send no certificate.
fn certificates(path: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(unusable(&format!("{name} holds no certificate"))),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(unusable(&format!("{name} can't be read as PEM certificates"))),
    }
}

/// A setting of TLS that can't be used. It fails the start, never a later call.
fn unusable(what: &str) -> Failure {
    Failure::new(StoreErrorKind::Unavailable, what)
}

/// The provider that a feature of this crate chose, else the one that the process installed. None is installed here.
fn provider() -> Result<Arc<CryptoProvider>, Failure> {
    #[cfg(feature = "tls-ring")]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring")))]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc-rs")))]
    return CryptoProvider::get_default().cloned().ok_or_else(|| {
        unusable("no TLS provider: enable a feature of incode-postgres (tls-ring, tls-aws-lc-rs), or install one")
    });
}
