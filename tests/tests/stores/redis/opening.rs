use std::error::Error;

use incode_core::store::{RedisOptions, RedisStore, Store, StoreError, StoreErrorKind};
use incode_core::testing::store_suite::{new_link, pending};
use incode_tests::servers::RedisServer;

use super::{open, options};

#[tokio::test]
async fn a_server_that_may_lose_what_it_took_is_refused_when_strict() {
    for (settings, problem) in [
        (&["--appendonly", "no"][..], "appendonly is not yes"),
        (&["--appendonly", "yes", "--appendfsync", "everysec"], "appendfsync is not always"),
        (
            &["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "allkeys-lru"],
            "maxmemory-policy is not noeviction",
        ),
        (&["--rename-command", "CONFIG", "HIDDEN"], "does not tell"),
    ] {
        let Some(server) = RedisServer::start(settings).await else { return };
        let refused = options(&server.url(), "strict").strict().open().await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Failed);
        assert!(cause(&refused).contains(problem), "{}", cause(&refused));
        assert!(options(&server.url(), "lenient").open().await.is_ok(), "otherwise it is warned of");
    }
    let Some(server) = RedisServer::shared().await else { return };
    options(&server.url(), &server.fresh()).strict().open().await.unwrap();
}

#[tokio::test]
async fn keys_of_a_newer_version_are_refused() {
    let Some(server) = RedisServer::shared().await else { return };
    let name = server.fresh();
    open(&server, &name).await.close().await.unwrap();
    let mut admin = server.connect().await;
    let set = redis::cmd("SET").arg(format!("{{{name}}}:version")).arg(999).exec_async(&mut admin).await;
    set.unwrap();
    let refused = options(&server.url(), &name).open().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Incompatible);
}

/// All keys start with the name in braces, by which a cluster puts them into one place.
#[tokio::test]
async fn every_key_is_in_one_slot() {
    let Some(server) = RedisServer::start(&["--appendonly", "no"]).await else { return };
    let store = open(&server, "slot").await;
    store.accept(pending("object", "token", 10)).await.unwrap();
    store.link(new_link("alice", "person", 10, Some(1))).await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut server.connect().await).await.unwrap();
    assert!(keys.len() > 10, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("{slot}:")), "{keys:?}");
}

#[tokio::test]
async fn a_server_out_of_memory_is_full_and_keeps_its_rows() {
    let Some(server) = RedisServer::start(&["--appendonly", "no"]).await else { return };
    let store = open(&server, "full").await;
    store.accept(pending("object", "token", 10)).await.unwrap();
    let mut admin = server.connect().await;
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).exec_async(&mut admin).await.unwrap();
    let refused = store.accept(pending("another", "token", 11)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Full);
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).exec_async(&mut admin).await.unwrap();
    store.accept(pending("another", "token", 11)).await.unwrap();
    assert_eq!(store.counts().await.unwrap().pending, 2);
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_nothing_of_the_url() {
    let Some(server) = RedisServer::shared().await else { return };
    let port = server.port();
    for (url, kind) in [
        (format!("redis://canary:canary@127.0.0.1:{port}/"), StoreErrorKind::Unavailable),
        ("redis://canary:canary@127.0.0.1:9/".to_owned(), StoreErrorKind::Unavailable),
        // A server without TLS.
        (format!("rediss://canary:canary@127.0.0.1:{port}/"), StoreErrorKind::Unavailable),
        ("rediss://canary:canary@127.0.0.1/#insecure".to_owned(), StoreErrorKind::Failed),
        ("http://canary@127.0.0.1/".to_owned(), StoreErrorKind::Failed),
        ("redis://canary:canary@127.0.0.1:canary/".to_owned(), StoreErrorKind::Failed),
    ] {
        let error = RedisStore::open(&url).await.unwrap_err();
        let told = format!("{error} {error:?} {}", cause(&error));
        assert_eq!(error.kind(), kind, "{url}: {told}");
        assert!(!told.contains("canary"), "{url}: {told}");
    }
    let options = RedisOptions::new("redis://canary:canary@canary/").unwrap();
    assert!(!format!("{options:?}").contains("canary"));
    for name in ["", "a b", "{a}", "a:b", &"a".repeat(49)] {
        assert!(options.clone().name(name).is_err(), "{name}");
    }
}

fn cause(error: &StoreError) -> String {
    error.source().unwrap().to_string()
}
