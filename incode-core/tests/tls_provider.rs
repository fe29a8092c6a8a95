//! Where the client's TLS provider comes from. A process of its own: a default of the process can be set only once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test: a panic is how it fails")]

use incode_core::client::Client;
use incode_core::{ConfigError, ConfigErrorKind, Token};
use rustls::crypto::CryptoProvider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// With a feature its provider is used, and a default of the process that can't encrypt anything does no harm. Without
/// one the default is used if there is any; plain http needs none. In no case a default is installed.
#[tokio::test]
async fn the_provider_of_the_process_is_used_only_without_a_feature_and_never_installed() {
    assert!(CryptoProvider::get_default().is_none(), "the application chooses");
    plain_http_works().await;
    if HAS_FEATURE {
        https().unwrap();
    } else {
        let error = https().unwrap_err();
        assert_eq!((error.kind(), error.setting()), (ConfigErrorKind::Missing, "tls"));
        let line = error.to_string();
        assert!(line.contains("tls-ring") && line.contains("tls-aws-lc-rs") && !line.contains('\n'), "{line}");
    }
    assert!(CryptoProvider::get_default().is_none(), "the application chooses");

    let whole = rustls::crypto::ring::default_provider();
    let installed = if HAS_FEATURE { CryptoProvider { cipher_suites: Vec::new(), ..whole } } else { whole };
    let suites = installed.cipher_suites.len();
    installed.install_default().expect("there was none");
    https().unwrap();
    plain_http_works().await;
    assert!(CryptoProvider::get_default().is_some_and(|provider| provider.cipher_suites.len() == suites));
}

fn https() -> Result<Client, ConfigError> {
    Client::builder("https://incode.example", "a-key").build()
}

async fn plain_http_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let vendor = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(ANSWER).await.unwrap();
    });
    let client = Client::builder(&url, "a-key").retries(0).build().unwrap();
    client.userinfo(&Token::new("a-token").unwrap()).await.unwrap();
    vendor.await.unwrap();
}

const HAS_FEATURE: bool = cfg!(any(feature = "tls-ring", feature = "tls-aws-lc-rs"));

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 38\r\nconnection: close\r\n\r\n\
{\"status\":\"ACTIVE\",\"identityId\":\"i-1\"}";
