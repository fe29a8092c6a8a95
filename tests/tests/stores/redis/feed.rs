use std::future::poll_fn;
use std::time::Duration;

use incode_core::store::{Store, StoreFeed, StoreNews};
use incode_core::testing::store_suite::seen;
use incode_tests::servers::RedisServer;
use incode_tests::{Adapter, Plan, World, eventually};

use super::{open, options};

async fn next(feed: &mut StoreFeed) -> StoreNews {
    let news = poll_fn(|cx| feed.as_mut().poll_next(cx));
    tokio::time::timeout(Duration::from_secs(10), news).await.expect("news in time").expect("no end")
}

#[tokio::test]
async fn a_listener_that_is_lost_is_down_until_there_is_another() {
    let Some(server) = RedisServer::start(&["--appendonly", "no"]).await else { return };
    let (one, other) = (open(&server, "lost").await, open(&server, "lost").await);
    let mut feed = other.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNews::Up);
    let mut admin = server.connect().await;
    let mut kill = redis::cmd("CLIENT");
    let killed: i64 = kill.arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut admin).await.unwrap();
    assert_eq!(killed, 1);
    assert_eq!(next(&mut feed).await, StoreNews::Down);
    assert_eq!(next(&mut feed).await, StoreNews::Up);
    one.observe(seen("person", 10)).await.unwrap();
    assert!(matches!(next(&mut feed).await, StoreNews::Changed(_)));
}

/// A replica in a process of its own, but for the process.
async fn replica(server: &RedisServer, name: &str) -> World {
    let (url, name) = (server.url(), name.to_owned());
    let lifetime = Duration::from_secs(600);
    let store = move |builder: incode_core::Builder| builder.redis(options(&url, &name)).near_cache_lifetime(lifetime);
    Plan::new(Adapter::Axum).incode(store).start().await
}

/// The server goes and comes back: the gate of a replica never answers from what it knew before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_away_nothing_known_is_believed() {
    let Some(server) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await else { return };
    let world = replica(&server, "away").await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    eventually("open", async || world.status("ana", "/vault").await == 200).await;
    server.kill();
    eventually("bypassed", async || world.status("ana", "/vault").await == 503).await;
    server.resume().await;
    // While nobody listened.
    let mut admin = server.connect().await;
    redis::cmd("DEL").arg("{away}:l:ana").exec_async(&mut admin).await.unwrap();
    let answered = async || {
        let status = world.status("ana", "/vault").await;
        assert_ne!(status, 200, "what was known before the server went");
        status == 403
    };
    eventually("the server is asked again", answered).await;
}
