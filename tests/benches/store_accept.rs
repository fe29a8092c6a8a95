//! The four stores side by side: events kept a second by 256 writers at once, and how long one look-up takes, which is
//! what a gate waits for when it does not know somebody. PostgreSQL and Redis on private servers of this machine.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod events;
    pub(crate) mod figures;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::events;
use common::figures::Figures;
use incode_core::store::{
    EventState, MemoryStore, NewEvent, PostgresStore, RedisStore, SqliteStore, Store, StoreErrorKind,
};
use incode_core::testing::store_suite::new_link;
use incode_core::webhook::parse;
use incode_core::{Clock, Subject, SystemClock};
use incode_tests::servers::{PostgresServer, RedisServer};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let postgres = PostgresServer::start().await;
        let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
        println!("{RUNS} runs; median (range)\n");
        println!("| store | events kept a second, {WRITERS} writers | one writer | one look-up, microseconds |\n|---|---|---|---|");
        for name in ["memory", "SQLite", "PostgreSQL", "Redis, appendfsync always"] {
            let (mut many, mut lone, mut looks) = (Vec::new(), Vec::new(), Vec::new());
            for run in 0..RUNS {
                let store: Arc<dyn Store> = match name {
                    "memory" => Arc::new(MemoryStore::with_capacity(usize::MAX)),
                    "SQLite" => Arc::new(SqliteStore::open(folder.path().join(format!("{run}.db"))).await.unwrap()),
                    "PostgreSQL" => {
                        let Some(server) = &postgres else { continue };
                        Arc::new(PostgresStore::open(&server.fresh().0).await.unwrap())
                    }
                    _ => {
                        let Some(server) = &redis else { continue };
                        let options = incode_core::store::RedisOptions::new(&server.url()).unwrap();
                        let store: RedisStore = options.name(&server.fresh()).unwrap().open().await.unwrap();
                        Arc::new(store)
                    }
                };
                looks.push(look_up(&store).await);
                lone.push(accept(&store, 1, 1 << 40).await);
                many.push(accept(&store, WRITERS, 0).await);
                store.close().await.unwrap();
            }
            if !many.is_empty() {
                let [many, lone, looks] = [many, lone, looks].map(Figures::from);
                println!("| {name} | {many} | {lone} | {looks} |");
            }
        }
    });
}

/// Events a second.
async fn accept(store: &Arc<dyn Store>, writers: u64, first: u64) -> f64 {
    let until = Instant::now() + TIME;
    let numbers = Arc::new(AtomicU64::new(first));
    let writer = || {
        let (store, numbers) = (Arc::clone(store), Arc::clone(&numbers));
        tokio::spawn(async move {
            while Instant::now() < until {
                match store.accept(row(numbers.fetch_add(1, Ordering::Relaxed))).await {
                    Ok(_) => {}
                    // A million are pending: the quickest of them get there before the time is over.
                    Err(error) if error.kind() == StoreErrorKind::Busy => return,
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
    };
    let begun = Instant::now();
    for writer in (0..writers).map(|_| writer()).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    (numbers.load(Ordering::Relaxed) - first) as f64 / begun.elapsed().as_secs_f64()
}

/// Microseconds: the median of many, one after the other, among so many linked subjects.
async fn look_up(store: &Arc<dyn Store>) -> f64 {
    for n in 0..LINKED {
        store.link(new_link(&format!("user-{n}"), &format!("person-{n}"), 1, None)).await.unwrap();
    }
    let mut times = Vec::new();
    for n in 0..LOOKS {
        let subject = Subject::new(format!("user-{}", n * 7_919 % LINKED)).unwrap();
        let begun = Instant::now();
        assert!(store.linked(subject).await.unwrap().is_some());
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// An event as the inbox hands it to a store.
fn row(number: u64) -> NewEvent {
    let event = parse(&events::body(number)).unwrap();
    let token = event.token.unwrap();
    NewEvent {
        kind: event.kind,
        object_id: event.object_id,
        token: token.expose().as_bytes().to_vec(),
        token_hash: token.hash(),
        correlation_id: event.correlation_id,
        vendor_time: event.vendor_time,
        received_at: SystemClock.now(),
        authenticated: true,
        state: EventState::Pending,
        reason: None,
    }
}

const WRITERS: u64 = 256;
const LINKED: u32 = 1_000;
const LOOKS: u32 = 2_000;
const RUNS: usize = 3;
const TIME: Duration = Duration::from_secs(3);
