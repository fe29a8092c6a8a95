use std::error::Error;

use incode_core::store::{RedisOptions, RedisStore, Store, StoreErrorKind, StoreNotice};
use incode_core::testing::store_suite::{pending, seen};
use incode_tests::servers::{Certificates, RedisServer};

use crate::next;

#[tokio::test]
async fn every_connection_is_encrypted_to_a_server_that_shows_who_it_is() {
    let certificates = Certificates::new();
    let Some(server) = RedisServer::start_with_tls(&certificates).await else { return };
    // Nobody who talks in the clear is understood on this port.
    let (port, roots) = (server.tls_port(), certificates.authority());
    assert!(RedisStore::open(&format!("redis://localhost:{port}/")).await.is_err());
    let store =
        RedisStore::open(&format!("rediss://localhost:{port}/?ssl_ca_certs={}", roots.display())).await.unwrap();
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    store.accept(pending("object", "token", 10)).await.unwrap();
    store.observe(seen("person", 10)).await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_can_not_show_who_it_is_is_refused() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let Some(server) = RedisServer::start_with_tls(&certificates).await else { return };
    let (port, ours, theirs) = (server.tls_port(), certificates.authority(), others.authority());
    let (ours, theirs) = (ours.display(), theirs.display());
    for (what, url) in [
        ("another authority", format!("rediss://localhost:{port}/?ssl_ca_certs={theirs}")),
        ("a public authority", format!("rediss://localhost:{port}/")),
        ("another name", format!("rediss://127.0.0.1:{port}/?ssl_ca_certs={ours}")),
        ("a server without TLS", format!("rediss://localhost:{}/?ssl_ca_certs={ours}", server.port())),
    ] {
        let refused = RedisStore::open(&url).await.expect_err(what);
        assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{what}");
    }
}

#[tokio::test]
async fn authorities_that_can_not_be_read_are_refused_and_not_told() {
    let certificates = Certificates::new();
    let folder = tempfile::TempDir::new().unwrap();
    let (empty, missing) = (folder.path().join("canary.pem"), folder.path().join("canary-missing.pem"));
    std::fs::write(&empty, "no certificate").unwrap();
    for (file, cause) in [(empty, "ssl_ca_certs holds no certificate"), (missing, "ssl_ca_certs can't be read")] {
        let refused = RedisStore::open(&format!("rediss://localhost:9/?ssl_ca_certs={}", file.display())).await;
        assert_eq!(refused.unwrap_err().source().unwrap().to_string(), cause);
    }
    // Where nothing is encrypted, saying whom to trust is a mistake.
    let plain = format!("redis://localhost:9/?ssl_ca_certs={}", certificates.authority().display());
    assert_eq!(RedisOptions::new(&plain).unwrap_err().kind(), StoreErrorKind::Failed);
}
