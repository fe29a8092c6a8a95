use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::vendor::{Step, Vendor, ok};
use super::*;
use crate::client::ErrorKind;

/// A server with a certificate of an unknown authority, and that certificate.
async fn self_signed(name: &str) -> (Vendor, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = made.cert.der().to_vec();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.clone())], key)
        .unwrap();
    let scripts = vec![vec![Step::Send(ok(&active()))]];
    (Vendor::start_tls(scripts, TlsAcceptor::from(Arc::new(config))).await, certificate)
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_before_the_key_is_sent() {
    let (vendor, _) = self_signed("localhost").await;
    let error = userinfo(&client(&vendor)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(vendor.requests().is_empty());
}

#[tokio::test]
async fn a_root_certificate_that_was_named_is_trusted_in_der_and_pem() {
    let (vendor, der) = self_signed("localhost").await;
    userinfo(&builder(&vendor).root_certificate(der).build().unwrap()).await.unwrap();

    let (vendor, der) = self_signed("localhost").await;
    let base64 = data_encoding::BASE64.encode(&der);
    let pem = format!("text before\n-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    userinfo(&builder(&vendor).root_certificate(pem).build().unwrap()).await.unwrap();
    assert_eq!(vendor.requests()[0].header("x-api-key"), API_KEY);
}

#[tokio::test]
async fn a_trusted_certificate_for_another_name_is_refused() {
    let (vendor, der) = self_signed("elsewhere.example").await;
    let error = userinfo(&builder(&vendor).root_certificate(der).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(vendor.requests().is_empty());
}
