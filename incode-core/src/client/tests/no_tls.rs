use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, Error, RootCertStore};

use crate::client::no_tls::provider;

#[test]
fn a_connection_without_a_provider_ends_before_its_first_byte() {
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let refused = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap_err();
    assert_eq!(refused, Error::FailedToGetRandomBytes);
}
