use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use incode_core::store::{PostgresStore, Store, StoreErrorKind, StoreNotice};
use incode_core::testing::store_suite::{pending, seen};
use incode_tests::servers::{Certificates, PostgresServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::open;
use crate::next;

#[tokio::test]
async fn every_connection_is_encrypted_to_a_server_that_shows_who_it_is() {
    let certificates = Certificates::new();
    let Some(server) = PostgresServer::start_with_tls(&certificates).await else { return };
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let (_, schema) = server.fresh();
        let (port, roots) = (server.port(), certificates.authority());
        let url = format!("postgres://incode@localhost:{port}/postgres?schema={schema}&sslmode={mode}&sslrootcert=");
        let store = open(&format!("{url}{}", roots.display())).await;
        // The writer's, the pool's, the reader's and the listener's.
        let mut feed = store.feed().unwrap();
        assert_eq!(next(&mut feed).await, StoreNotice::Up);
        store.accept(pending("object", "token", 10)).await.unwrap();
        store.observe(seen("person", 10)).await.unwrap();
        store.ping().await.unwrap();
        let sql = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'incode'";
        let row = server.connect(&schema).await.query_one(sql, &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (4, 4), "{mode}");
        store.close().await.unwrap();
        drop(store);
    }
}

#[tokio::test]
async fn a_server_that_can_not_show_who_it_is_is_refused() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let Some(server) = PostgresServer::start_with_tls(&certificates).await else { return };
    let (port, ours, theirs) = (server.port(), certificates.authority(), others.authority());
    let (ours, theirs) = (ours.display(), theirs.display());
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let base = format!("/postgres?sslmode={mode}");
        for (what, url) in [
            ("another authority", format!("postgres://incode@localhost:{port}{base}&sslrootcert={theirs}")),
            ("a public authority", format!("postgres://incode@localhost:{port}{base}")),
            ("another name", format!("postgres://incode@127.0.0.1:{port}{base}&sslrootcert={ours}")),
        ] {
            let refused = PostgresStore::open(&url).await.expect_err(what);
            assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{mode}, {what}");
            let cause = refused.source().unwrap().to_string();
            assert!(cause.contains("TLS"), "{mode}, {what}: {cause}");
        }
    }
}

/// A server, or somebody in its place, says that it has no TLS: the user, the password and the base stay here.
#[tokio::test]
async fn to_a_server_without_tls_nothing_is_said_unless_allowed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let mut all = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut said = vec![0; 8];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(b"N").await.unwrap();
            let _ = stream.read_to_end(&mut said).await;
            all.push(said);
        }
        all
    });
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("postgres://canary:canary@localhost:{port}/canary?sslmode={mode}");
        assert_eq!(PostgresStore::open(&url).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    let heard = tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap().unwrap();
    // Length and number of the question whether there is TLS.
    assert_eq!(heard, [[0, 0, 0, 8, 4, 210, 22, 47]; 3]);
}
