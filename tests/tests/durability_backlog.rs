//! A hundred thousand events that wait: how much memory they take, and whether newcomers get past them.
//!
//! Alone in its process, because it measures the whole of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use incode_core::model::EventKind;
use incode_core::store::{Accepted, Claim, EventState, InboxStore, LifeCycle, NewEvent};
use incode_core::{Clock, ObjectId, SystemClock, Timestamp, Token};
use incode_sandbox::{Effect, Fault, NewPerson, Sandbox};
use incode_sqlite::{SqliteOptions, SqliteStore};
use incode_tests::eventually;
use incode_tests::{Adapter, Plan};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_takes_little_memory_and_lets_newcomers_through() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteOptions::new(&path).open().await.unwrap();
    // Once around, so that what every start costs is there already.
    let oldest = SystemClock.now().before(Duration::from_secs(3600));
    put(&store, 0..100, oldest).await;
    let (before, begun) = (resident(), Instant::now());
    put(&store, 100..EVENTS, oldest).await;
    println!("{} events accepted in {:.1} s", EVENTS - 100, begun.elapsed().as_secs_f64());
    // Each of them was tried and waits for its next turn, as in the middle of a long outage.
    let now = SystemClock.now();
    let tried = Claim {
        now,
        lease_until: now.after(Duration::from_secs(600)),
        limit: u32::try_from(EVENTS).unwrap(),
        newest_first: false,
    };
    assert_eq!(store.claim(tried).await.unwrap().events.len(), EVENTS);
    let grown = resident().saturating_sub(before);
    println!("{} KiB more for the store with all of them", grown >> 10);
    assert!(grown < MOST_BYTES, "{grown} bytes for {EVENTS} events");

    let world = Plan::new(Adapter::Axum).incode(move |builder| builder.store(store)).start().await;
    world.sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    let counts = world.counts().await;
    assert_eq!(counts.pending, u64::try_from(EVENTS).unwrap());
    assert_eq!(counts.oldest_pending.unwrap().as_millis(), oldest.as_millis());
    assert!(world.incode.health().await.store);

    // Newcomers find the vendor as it is, and are taken all the same.
    for n in 0..50 {
        world.deliver(&newcomer(&world.sandbox, n)).await;
    }
    let grown = resident().saturating_sub(before);
    println!("{} KiB more with worker, server and vendor", grown >> 10);
    assert!(grown < MOST_BYTES, "{grown} bytes for {EVENTS} events");
    world.sandbox.clear_faults();
    let begun = Instant::now();
    eventually("newcomers are applied", async || world.counts().await.done == 50).await;
    println!("50 newcomers applied {:.1} s after the vendor came back", begun.elapsed().as_secs_f64());
    assert_eq!(world.counts().await.pending, u64::try_from(EVENTS).unwrap());
    world.incode.shutdown().await;

    // A restart reads it all back, and all of it is due: its leases ended with the process that held them.
    let begun = Instant::now();
    let store = SqliteOptions::new(&path).open().await.unwrap();
    println!("opened again in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(store.counts().await.unwrap().inbox.pending, u64::try_from(EVENTS).unwrap());
    // A claim that takes none says when the next is due.
    let none = Claim { limit: 0, ..tried };
    assert_eq!(store.claim(none).await.unwrap().next_due, Some(oldest));
    store.close().await.unwrap();
}

async fn put(store: &SqliteStore, numbers: std::ops::Range<usize>, received_at: Timestamp) {
    futures_util::stream::iter(numbers)
        .map(|n| store.accept(event(n, received_at)))
        .buffer_unordered(1_000)
        .for_each(|accepted| async move { assert!(matches!(accepted.unwrap(), Accepted::New(_))) })
        .await;
}

/// With a token as long as real ones.
fn event(number: usize, received_at: Timestamp) -> NewEvent {
    let token = Token::new(format!("{number:0>300}")).unwrap();
    NewEvent {
        kind: EventKind::Verification,
        object_id: Some(ObjectId::new(format!("{number:0>24}")).unwrap()),
        token: [&[0], token.expose().as_bytes()].concat(),
        token_hash: token.hash(),
        correlation_id: None,
        vendor_time: None,
        received_at,
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    }
}

fn newcomer(sandbox: &Sandbox, number: usize) -> serde_json::Value {
    let identity_id = format!("newcomer-{number}");
    sandbox.add_person(NewPerson::named("Ana Flores").identity_id(&identity_id));
    let verified = sandbox.verify(&identity_id).unwrap();
    incode_tests::event("verification.completed", &verified.verification_id, &verified.token)
}

/// Bytes of this process that are in memory. Zero where there is no `/proc`: then nothing is measured.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

const EVENTS: usize = 100_000;
/// Rows stay on disk: what grows is two small keys per event, and SQLite's cache.
const MOST_BYTES: u64 = 96 << 20;
