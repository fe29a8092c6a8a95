//! Notices of other processes, on a network that fails.

mod common;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use common::calls::{next, open};
use common::proxy::Proxy;
use common::server::PostgresServer;
use common::{PATIENCE, eventually, free_port};
use incode_core::IdentityId;
use incode_core::store::{IdentityStore, InboxStore, LifeCycle, StoreErrorKind, StoreFeed, StoreNotice};
use incode_core::testing::store_suite::{observe, pending, seen};

/// The listener's connection is there, and nothing comes over it: no end, no error, no notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_listener_is_down_and_one_with_a_pulse_is_up_again() {
    let Some(server) = PostgresServer::shared().await else { return };
    let proxy = Proxy::to(server.port()).await;
    let (_, schema) = server.fresh();
    let store = open(&server.url_at(proxy.port(), &schema)).await;
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let silenced = Instant::now();
    proxy.silence_notices();
    assert_eq!(next(&mut feed).await, StoreNotice::Down);
    println!("down after {:?}", silenced.elapsed());
    store.change(observe(seen("person", 10))).await.unwrap();
    store.time().await.unwrap();
    proxy.mend();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_ended_is_replaced() {
    let Some(server) = PostgresServer::start().await else { return };
    let (one, other) = (open(&server.url("incode")).await, open(&server.url("incode")).await);
    let mut feed = other.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'incode' AND query LIKE 'LISTEN %'";
    assert_eq!(server.connect("incode").await.query_one(end, &[]).await.unwrap().get::<_, i64>(0), 1);
    until(&mut feed, &StoreNotice::Down).await;
    until(&mut feed, &StoreNotice::Up).await;
    one.change(observe(seen("person", 10))).await.unwrap();
    while !matches!(next(&mut feed).await, StoreNotice::Changed(_)) {}
    other.close().await.unwrap();
}

/// The server commits, and its answer is lost: what changed is unknown here, and the feed says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_a_gap() {
    let Some(server) = PostgresServer::shared().await else { return };
    let proxy = Proxy::to(server.port()).await;
    let (url, schema) = server.fresh();
    let store = open(&server.url_at(proxy.port(), &schema)).await;
    store.change(observe(seen("person", 9))).await.unwrap();
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    // With its end: a setting of each transaction has the word in its name.
    proxy.lose_answers_to("COMMIT\0");
    let other = open(&url).await;
    let (asked, ()) = tokio::join!(store.change(observe(seen("person", 10))), async {
        eventually("committed", async || {
            let known = other.identity(IdentityId::new("person").unwrap()).await.unwrap();
            known.is_some_and(|known| known.checked_at.as_millis() == 10)
        })
        .await;
        proxy.mend();
        proxy.reset();
    });
    assert_eq!(asked.unwrap_err().kind(), StoreErrorKind::Unavailable);
    until(&mut feed, &StoreNotice::Gap).await;
}

/// Another database user that knows the channel's name, which needs a read of the rows, sends notices that have no
/// effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channel_is_the_keys_alone_and_a_forged_notice_changes_nothing() {
    let Some(server) = PostgresServer::start().await else { return };
    let store = open(&server.url("incode")).await;
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let admin = server.connect("incode").await;
    let sql = "SELECT split_part(query, '\"', 2) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
    let channel: String = admin.query_one(sql, &[]).await.unwrap().get(0);
    assert!(channel.starts_with("incode_") && channel.len() == 39, "{channel}");
    for forged in ["", "person", "{\"identity\":\"person\"}", &"A".repeat(7_000)] {
        admin.query("SELECT pg_notify($1, $2)", &[&channel, &forged]).await.unwrap();
    }
    let other = open(&server.url("incode")).await;
    other.change(observe(seen("person", 10))).await.unwrap();
    loop {
        match next(&mut feed).await {
            StoreNotice::Up | StoreNotice::Down => {}
            StoreNotice::Changed(change) => break assert_eq!(change.identity_id.as_str(), "person"),
            notice => panic!("{notice:?} by a forged notice"),
        }
    }
}

/// A host that takes connections and says nothing holds up no other, and a server that falls silent no caller for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_an_error_in_time_and_is_recovered_from() {
    let Some(server) = PostgresServer::shared().await else { return };
    let proxy = Proxy::to(server.port()).await;
    let (_, schema) = server.fresh();
    let hosts = format!("{},{}:{}", host(proxy.port()), Ipv4Addr::LOCALHOST, free_port());
    let store = open(&format!("postgres://incode@{hosts}/postgres?schema={schema}")).await;
    store.accept(pending("first", "token", 10)).await.unwrap();
    proxy.half_open();
    let (accepted, time) = tokio::join!(store.accept(pending("lost", "token", 10)), store.time());
    assert_eq!(accepted.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(time.unwrap_err().kind(), StoreErrorKind::Unavailable);
    proxy.mend();
    eventually("it answers again", async || store.time().await.is_ok()).await;
    eventually("it keeps again", async || store.accept(pending("second", "token", 10)).await.is_ok()).await;
    let silent = Proxy::to(server.port()).await;
    silent.half_open();
    let hosts = format!("{},{}", host(silent.port()), host(server.port()));
    let other = open(&format!("postgres://incode@{hosts}/postgres?schema={schema}")).await;
    other.time().await.unwrap();
}

fn host(port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}

/// Reads on until this notice: a pulse that a busy machine delays may bring others.
async fn until(feed: &mut StoreFeed, notice: &StoreNotice) {
    let begun = Instant::now();
    while next(feed).await != *notice {
        assert!(begun.elapsed() < PATIENCE + Duration::from_secs(60), "no {notice:?}");
    }
}
