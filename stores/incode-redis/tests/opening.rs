//! What a server must be, and what is said of one that is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a panic is how it fails")]

mod common;

use common::{Server, cause, event, keep, next};
use incode_core::store::{InboxStore, LifeCycle, SecretCheck, StoreErrorKind, StoreNotice};
use incode_redis::{RedisOptions, RedisStore, from_url};

#[tokio::test]
async fn a_server_that_may_lose_rows_is_refused_when_strict() {
    for (settings, problem) in [
        (&["--appendonly", "no"][..], "appendonly is not yes"),
        (&["--appendfsync", "everysec"], "appendfsync is not always"),
        (&["--maxmemory-policy", "allkeys-lru"], "maxmemory-policy is not noeviction"),
        (&["--rename-command", "CONFIG", "HIDDEN"], "can't be read"),
    ] {
        let Some(server) = Server::start(settings).await else { return };
        let refused = server.options().strict().open().await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Failed);
        assert!(cause(&refused).contains(problem), "{}", cause(&refused));
        assert!(server.options().open().await.is_ok(), "otherwise there is a warning");
    }
    let Some(server) = Server::start(&[]).await else { return };
    server.options().strict().open().await.unwrap();
}

#[tokio::test]
async fn keys_of_another_version_are_refused() {
    let Some(server) = Server::start(&[]).await else { return };
    server.open().await.close().await.unwrap();
    for version in ["0", "2", "999"] {
        server.admin(&format!("HSET {{incode}}:meta version {version}")).await;
        assert_eq!(server.options().open().await.unwrap_err().kind(), StoreErrorKind::Incompatible, "{version}");
    }
}

#[tokio::test]
async fn a_cluster_node_and_a_replica_are_refused_in_words() {
    let Some(node) = Server::start(&["--cluster-enabled", "yes"]).await else { return };
    let refused = node.options().open().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Failed);
    assert!(cause(&refused).contains("Redis Cluster"), "{}", cause(&refused));

    let primary = Server::start(&[]).await.unwrap();
    let port = primary.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await.unwrap();
    let refused = replica.options().open().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    assert!(cause(&refused).contains("it is a replica"), "{}", cause(&refused));
}

/// It speaks Redis, and knows where the primary is. It holds no rows.
#[tokio::test]
async fn a_sentinel_is_refused_in_words() {
    let Some(primary) = Server::start(&[]).await else { return };
    let sentinel = Server::start_sentinel(primary.port).await;
    let refused = sentinel.options().open().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Failed);
    assert!(cause(&refused).contains("it is a Redis Sentinel: name the primary itself"), "{}", cause(&refused));
}

/// A primary that becomes a replica takes no writes: `time` is the proof that it does.
#[tokio::test]
async fn time_fails_while_no_write_is_taken() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    assert!(store.time().await.unwrap().is_some());
    server.admin("CONFIG SET min-replicas-to-write 1").await;
    let refused = store.time().await.unwrap_err();
    assert_eq!((refused.kind(), cause(&refused).contains("NOREPLICAS")), (StoreErrorKind::Unavailable, true));
    server.admin("CONFIG SET min-replicas-to-write 0").await;
    store.time().await.unwrap();
    server.admin("CONFIG SET maxmemory 1").await;
    assert_eq!(store.time().await.unwrap_err().kind(), StoreErrorKind::Full);
    assert_eq!(store.accept(event("object", "token", 1)).await.unwrap_err().kind(), StoreErrorKind::Full);
    server.admin("CONFIG SET maxmemory 0").await;
    keep(&store, event("object", "token", 1)).await;
    store.close().await.unwrap();
    assert_eq!(store.time().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_nothing_of_the_url() {
    let Some(server) = Server::start(&[]).await else { return };
    let port = server.port;
    for (url, kind, words) in [
        (format!("redis://canary:canary@127.0.0.1:{port}/"), StoreErrorKind::Unavailable, "user or password are wrong"),
        (
            "redis://canary:canary@127.0.0.1:9/".to_owned(),
            StoreErrorKind::Unavailable,
            "127.0.0.1:9: the connection was refused",
        ),
        (format!("rediss://canary:canary@127.0.0.1:{port}/"), StoreErrorKind::Unavailable, "TLS"),
        (
            "redis://canary@host.invalid/".to_owned(),
            StoreErrorKind::Unavailable,
            "host.invalid:6379: the name can't be resolved",
        ),
        ("rediss://canary:canary@127.0.0.1/#insecure".to_owned(), StoreErrorKind::Failed, "always verified"),
        ("http://canary@127.0.0.1/".to_owned(), StoreErrorKind::Failed, "starts with redis://"),
        ("redis://canary:canary@127.0.0.1:canary/".to_owned(), StoreErrorKind::Failed, "can't be read"),
        ("redis://canary@127.0.0.1/canary".to_owned(), StoreErrorKind::Failed, "is no number"),
        (
            "redis://127.0.0.1/?timeout=canary".to_owned(),
            StoreErrorKind::Failed,
            "unknown parameter in the Redis URL: timeout",
        ),
        ("redis://127.0.0.1/?ssl_ca_certs=canary".to_owned(), StoreErrorKind::Failed, "is for rediss://"),
        ("redis:///canary".to_owned(), StoreErrorKind::Failed, "names no host"),
        ("redis+unix:///canary".to_owned(), StoreErrorKind::Failed, "unix sockets"),
        ("unix:///canary".to_owned(), StoreErrorKind::Failed, "unix sockets"),
        ("redis-sentinel://canary/".to_owned(), StoreErrorKind::Failed, "Sentinel"),
    ] {
        let error = RedisStore::open(&url).await.unwrap_err();
        let shown = format!("{error} {error:?} {}", cause(&error));
        assert_eq!(error.kind(), kind, "{url}: {shown}");
        assert!(shown.contains(words), "{url}: {shown}");
        assert!(!shown.contains("canary"), "{url}: {shown}");
    }
    let options = RedisOptions::new("redis://canary:canary@canary/").unwrap();
    assert!(!format!("{options:?}").contains("canary"));
    for name in ["", "a b", "{a}", "a:b", &"a".repeat(49)] {
        assert!(options.clone().name(name).is_err(), "{name}");
    }
}

#[test]
fn the_scheme_says_whose_a_url_is() {
    for ours in ["redis://host", "rediss://host:1/2"] {
        assert!(from_url(ours).unwrap().is_ok(), "{ours}");
    }
    for refused in ["redis-sentinel://host", "unix:///path", "valkey://host", "redis+unix:///path"] {
        assert!(from_url(refused).unwrap().is_err(), "{refused}");
    }
    for theirs in ["postgres://host", "sqlite:file", "", "memory"] {
        assert!(from_url(theirs).is_none(), "{theirs}");
    }
}

#[tokio::test]
async fn a_database_number_and_a_name_keep_stores_apart() {
    let Some(server) = Server::start(&[]).await else { return };
    let first = server.open().await;
    let database = RedisStore::open(&format!("{}3", server.url())).await.unwrap();
    let named = server.options().name("other").unwrap().open().await.unwrap();
    keep(&first, event("object", "token", 1)).await;
    for store in [&database, &named] {
        assert_eq!(store.counts().await.unwrap().inbox.pending, 0);
    }
    assert_eq!(first.counts().await.unwrap().inbox.pending, 1);
}

#[tokio::test]
async fn secrets_are_compared_by_name() {
    let Some(server) = Server::start(&[]).await else { return };
    let (one, two) = (server.open().await, server.open().await);
    assert_eq!(one.check_secret("flow", [1; 16]).await.unwrap(), SecretCheck::New);
    assert_eq!(two.check_secret("flow", [1; 16]).await.unwrap(), SecretCheck::Same);
    assert_eq!(two.check_secret("flow", [2; 16]).await.unwrap(), SecretCheck::Other);
    assert_eq!(two.check_secret("store", [2; 16]).await.unwrap(), SecretCheck::New);
    assert_eq!(one.check_secret("flow", [1; 16]).await.unwrap(), SecretCheck::Same);
}

/// The feed is up only while this process receives its own pulse, and both processes read the same key of the notices.
#[tokio::test]
async fn two_processes_share_the_notices() {
    let Some(server) = Server::start(&[]).await else { return };
    let (one, two) = (server.open().await, server.open().await);
    let mut feed = two.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    use incode_core::identity::transition::Outcome;
    use incode_core::store::IdentityStore;
    let changed = one.change(common::observe("person", incode_core::model::IdentityStatus::Active, 1)).await.unwrap();
    assert_eq!(changed.outcome, Outcome::Observed);
    let StoreNotice::Changed(change) = next(&mut feed).await else { panic!("a change") };
    assert_eq!(Some(change), changed.change);
}
