//! Behind PgBouncer, and with few connections.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::bouncer::Bouncer;
use common::calls::{applied, next, open};
use futures_util::StreamExt;
use incode_core::Subject;
use incode_core::store::{IdentityStore, InboxStore, LifeCycle, StoreNotice};
use incode_core::testing::store_suite::{link, observe, pending, seen};
use incode_postgres::PostgresOptions;
use incode_test_servers::PostgresServer;

/// Everything but the listener's session goes through the pooler, and nothing is left behind on its connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_pooler_serves_two_stores_and_keeps_nothing_of_them() {
    let Some(server) = PostgresServer::shared().await else { return };
    let pool = ["pool_mode = transaction", "default_pool_size = 3"];
    let Some(bouncer) = Bouncer::before(&server, &pool).await else { return };
    let (direct, schema) = server.fresh();
    let url = server.url_at(bouncer.port(), &schema);
    let store = async || {
        let options = PostgresOptions::new(&url).unwrap().listen_url(&direct).unwrap();
        Arc::new(options.open().await.unwrap())
    };
    let (one, other) = (store().await, store().await);
    let mut feed = other.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    one.change(link("alice", "person", 10)).await.unwrap();
    loop {
        match next(&mut feed).await {
            StoreNotice::Changed(change) => {
                assert_eq!(change.subjects, [Subject::new("alice").unwrap()]);
                break;
            }
            // A busy machine may keep a pulse waiting.
            StoreNotice::Down | StoreNotice::Up => {}
            notice => panic!("{notice:?}"),
        }
    }
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &other });
        tasks.spawn(async move {
            store.accept(pending(&format!("object-{n}"), "token", 10)).await.unwrap();
            store.change(observe(seen(&format!("person-{}", n % 20), 20 + n))).await.unwrap();
            store.subject(Subject::new("alice").unwrap()).await.unwrap().linked.unwrap();
            store.time().await.unwrap();
        });
    }
    tasks.join_all().await;
    applied(&*one, "applied", "person", None, 30).await;
    assert_eq!(other.counts().await.unwrap().inbox.pending, 200);

    // What the next client of the pool finds.
    let next_client = server.connect_at(bouncer.port()).await;
    for _ in 0..10 {
        let sql = "SELECT current_setting('search_path'), (SELECT count(*) FROM pg_prepared_statements
            WHERE NOT from_sql), (SELECT count(*) FROM pg_listening_channels()),
            current_setting('statement_timeout'), current_setting('lock_timeout')";
        let row = next_client.query_typed(sql, &[]).await.unwrap().pop().unwrap();
        assert_eq!(row.get::<_, String>(0), "\"$user\", public");
        assert_eq!((row.get::<_, i64>(1), row.get::<_, i64>(2)), (0, 0));
        assert_eq!((row.get::<_, String>(3), row.get::<_, String>(4)), ("0".into(), "0".into()));
    }
}

/// Without a URL to listen on, the store works, and says that no notices arrive: it never says that they do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_transaction_pooler_alone_the_feed_stays_down() {
    let Some(server) = PostgresServer::shared().await else { return };
    for size in ["default_pool_size = 1", "default_pool_size = 4"] {
        let Some(bouncer) = Bouncer::before(&server, &["pool_mode = transaction", size]).await else { return };
        let (_, schema) = server.fresh();
        let store = open(&server.url_at(bouncer.port(), &schema)).await;
        let mut feed = store.feed().unwrap();
        // The feed finds out what it is connected to, for which it holds the only connection for a second.
        tokio::time::sleep(Duration::from_secs(3)).await;
        applied(&*store, "object", "person", Some("alice"), 10).await;
        let notice = tokio::time::timeout(Duration::from_secs(6), feed.next()).await;
        assert!(notice.is_err(), "{size}: {notice:?}");
        let listening = "SELECT count(*) FROM pg_listening_channels()";
        let client = server.connect_at(bouncer.port()).await;
        for _ in 0..10 {
            let row = client.query_typed(listening, &[]).await.unwrap().pop().unwrap();
            assert_eq!(row.get::<_, i64>(0), 0, "{size}");
        }
        store.close().await.unwrap();
    }
}

/// In session mode everything works as on a direct connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_session_pooler_notices_arrive() {
    let Some(server) = PostgresServer::shared().await else { return };
    let Some(bouncer) = Bouncer::before(&server, &["pool_mode = session", "default_pool_size = 20"]).await else {
        return;
    };
    let (_, schema) = server.fresh();
    let url = server.url_at(bouncer.port(), &schema);
    let (one, other) = (open(&url).await, open(&url).await);
    let mut feed = other.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    one.change(observe(seen("person", 10))).await.unwrap();
    while !matches!(next(&mut feed).await, StoreNotice::Changed(_)) {}
}

/// A role that may make three connections, of which the listener takes one: calls wait for each other, and none fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_are_enough() {
    let Some(server) = PostgresServer::shared().await else { return };
    for (limit, listens) in [(3, true), (2, false), (2, true)] {
        let (url, schema) = server.fresh();
        let role = format!("limited_{schema}");
        let admin = server.connect(&schema).await;
        let make =
            format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}; CREATE SCHEMA {schema} AUTHORIZATION {role}");
        admin.batch_execute(&make).await.unwrap();
        let url = url.replace("incode@", &format!("{role}@"));
        let options = PostgresOptions::new(&url).unwrap().call_deadline(Duration::from_secs(60));
        let store = Arc::new(options.open().await.unwrap());
        let mut feed = listens.then(|| store.feed().unwrap());
        if let (Some(feed), 3) = (&mut feed, limit) {
            assert_eq!(next(feed).await, StoreNotice::Up);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..120_i64 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                store.accept(pending(&format!("object-{n}"), "token", 10)).await.unwrap();
                store.change(observe(seen(&format!("person-{}", n % 10), 20 + n))).await.unwrap();
                store.subject(Subject::new("alice").unwrap()).await.unwrap();
                store.counts().await.unwrap();
            });
        }
        tasks.join_all().await;
        applied(&*store, "applied", "person", Some("alice"), 1_000).await;
        if let (Some(feed), 2) = (&mut feed, limit) {
            // One idle connection was closed to make room.
            while next(feed).await != StoreNotice::Up {}
        }
        assert_eq!(store.counts().await.unwrap().inbox.done, 1);
        store.close().await.unwrap();
    }
}
