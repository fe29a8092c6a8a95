use std::future::poll_fn;
use std::time::Duration;

use incode_core::store::{PostgresOptions, Store, StoreFeed, StoreNews};
use incode_core::testing::store_suite::seen;
use incode_tests::servers::PostgresServer;
use incode_tests::{Adapter, Plan, World, eventually};

use super::open;

async fn next(feed: &mut StoreFeed) -> StoreNews {
    let news = poll_fn(|cx| feed.as_mut().poll_next(cx));
    tokio::time::timeout(Duration::from_secs(10), news).await.expect("news in time").expect("no end")
}

#[tokio::test]
async fn a_listener_that_is_lost_is_down_until_there_is_another() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let (one, other) = (open(&url).await, open(&url).await);
    let mut feed = other.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNews::Up);
    let admin = server.connect(&schema).await;
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = $1";
    admin.query_one(sql, &[&format!("LISTEN \"incode_{schema}\"")]).await.unwrap();
    // Unless its pulse was the last thing it said.
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'incode' AND pid <> pg_backend_pid() AND query IN ('', $1)";
    admin.query(sql, &[&format!("LISTEN \"incode_{schema}\"")]).await.unwrap();
    assert_eq!(next(&mut feed).await, StoreNews::Down);
    assert_eq!(next(&mut feed).await, StoreNews::Up);
    one.observe(seen("person", 10)).await.unwrap();
    assert!(matches!(next(&mut feed).await, StoreNews::Changed(_)));
}

#[tokio::test]
async fn a_late_reader_is_told_that_it_is_up_and_a_closed_store_ends_it() {
    let Some(server) = PostgresServer::shared().await else { return };
    let store = open(&server.fresh().0).await;
    let mut first = store.feed().unwrap();
    assert_eq!(next(&mut first).await, StoreNews::Up);
    let mut late = store.feed().unwrap();
    assert_eq!(next(&mut late).await, StoreNews::Up);
    store.close().await.unwrap();
    for feed in [&mut first, &mut late] {
        assert_eq!(poll_fn(|cx| feed.as_mut().poll_next(cx)).await, None);
    }
}

/// A replica in a process of its own, but for the process.
async fn replica(url: &str) -> World {
    let url = url.to_owned();
    let lifetime = Duration::from_secs(600);
    let store = move |builder: incode_core::Builder| {
        builder.postgres(PostgresOptions::new(&url).unwrap()).near_cache_lifetime(lifetime)
    };
    Plan::new(Adapter::Axum).incode(store).start().await
}

/// The server goes and comes back: the gate of a replica never answers from what it knew before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_away_nothing_known_is_believed() {
    let Some(server) = PostgresServer::start().await else { return };
    let (url, schema) = server.fresh();
    let world = replica(&url).await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    eventually("open", async || world.status("ana", "/vault").await == 200).await;
    server.kill();
    eventually("bypassed", async || world.status("ana", "/vault").await == 503).await;
    server.resume().await;
    // While nobody listened.
    server.connect(&schema).await.execute("UPDATE identity SET status = 'REVOKED'", &[]).await.unwrap();
    let answered = async || {
        let status = world.status("ana", "/vault").await;
        assert_ne!(status, 200, "what was known before the server went");
        status == 403
    };
    eventually("the server is asked again", answered).await;
}
