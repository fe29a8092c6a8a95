use std::time::{Duration, Instant};

use incode_sqlite::SqliteOptions;
use incode_tests::{Adapter, Plan, eventually};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::leases::{event, person, world_on};
use crate::shared;

#[tokio::test]
async fn a_store_that_fails_to_accept_sends_the_vendor_away_for_a_while() {
    let directory = TempDir::new().unwrap();
    let (store, accepts) = shared::open(&directory.path().join("store.db")).await;
    let world = world_on(&store).await;
    let event = event(&person(&world.sandbox, "unlucky"));
    accepts.fail(true);
    for _ in 0..3 {
        let answer = world.send(world.delivery(event.to_string())).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    }
    assert_eq!(world.counts().await.pending, 0);
    accepts.fail(false);
    world.deliver(&event).await;
    world.settles(1, 0, 0).await;
}

#[tokio::test]
async fn a_store_that_drags_is_given_up_at_the_deadline() {
    let directory = TempDir::new().unwrap();
    let (store, accepts) = shared::open(&directory.path().join("store.db")).await;
    let plan = Plan::new(Adapter::Axum).incode(move |builder| builder.shared_store(store).accept_deadline(DEADLINE));
    let world = plan.start().await;
    let event = event(&person(&world.sandbox, "patient"));
    accepts.delay(AGES);
    let begun = Instant::now();
    let answer = world.send(world.delivery(event.to_string())).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    assert!((DEADLINE..AGES).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!((accepts.most_under_way(), accepts.under_way()), (1, 0), "nothing is left behind");

    // Slow, but in time.
    accepts.delay(DEADLINE / 4);
    world.deliver(&event).await;
    world.settles(1, 0, 0).await;
}

/// The deadline is five seconds unless set.
#[tokio::test]
async fn a_store_that_drags_is_given_up_after_five_seconds() {
    let directory = TempDir::new().unwrap();
    let (store, accepts) = shared::open(&directory.path().join("store.db")).await;
    let world = world_on(&store).await;
    accepts.delay(AGES);
    let begun = Instant::now();
    let answer = world.send(world.delivery(event(&person(&world.sandbox, "patient")).to_string())).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!((Duration::from_secs(5)..AGES).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

/// A lock on the file stops the writer for real. As many deliveries wait as there are places; the others are turned
/// away at once, while reads go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_wait_for_a_store_that_drags() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteOptions::new(&path).queue_len(8).open().await.unwrap();
    let world =
        Plan::new(Adapter::Axum).incode(move |builder| builder.store(store).accept_deadline(AGES)).start().await;
    let known = person(&world.sandbox, "known");
    world.link("alice", &known.identity_id).await;
    let locker = Connection::open(&path).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();

    let mut answers = JoinSet::new();
    for n in 0..100 {
        let call = world.delivery(event(&person(&world.sandbox, &format!("many-{n}"))).to_string());
        let address = world.address;
        answers.spawn(async move { call.send(address).await });
    }
    // Before the deadline and before the lock goes: they were not waited for.
    for _ in 0..80 {
        let answer = answers.join_next().await.unwrap().unwrap();
        assert!(answer.status == 503 && answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(world.status("alice", "/vault").await, 200, "the gate reads while the writer waits");

    locker.execute_batch("ROLLBACK").unwrap();
    drop(locker);
    let kept = answers.join_all().await.into_iter().filter(|answer| answer.status == 204).count();
    assert!((1..=20).contains(&kept), "who waited is answered: {kept}");
    let late = person(&world.sandbox, "late");
    eventually("taken again", async || world.send(world.delivery(event(&late).to_string())).await.status == 204).await;
    eventually("applied", async || world.identity(&late.identity_id).await.is_some()).await;
}

/// Longer than any answer takes on a busy machine.
const AGES: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_millis(400);
