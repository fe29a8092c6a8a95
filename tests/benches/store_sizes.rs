//! What rows take in each of the four stores: people (an identity and its link), events that wait, events that are done.
//! PostgreSQL and Redis on private servers of this machine.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod events;
    pub(crate) mod rows;
}

use std::alloc::System;
use std::path::Path;
use std::sync::Arc;

use common::rows::row;
use incode_core::store::{Claim, MemoryStore, Settlement, Store};
use incode_core::testing::store_suite::link;
use incode_core::{Clock, SystemClock};
use incode_postgres::PostgresStore;
use incode_redis::RedisOptions;
use incode_sqlite::SqliteOptions;
use incode_tests::servers::{PostgresServer, RedisServer};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::task::JoinSet;

/// Counts what this program allocates: all of the memory store, and what the others keep in the process.
#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{ROWS} of each; bytes for one, in the store (and in the process)\n");
        println!("| store | a person, linked | an event that waits | the same, done |\n|---|---|---|---|");
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().join("incode.db");
        measured("memory", Arc::new(MemoryStore::with_capacity(usize::MAX)), async || 0).await;
        measured("SQLite", Arc::new(SqliteOptions::new(&path).open().await.unwrap()), async || file(&path)).await;
        if let Some(server) = PostgresServer::start().await {
            let (url, schema) = server.fresh();
            // Sizes are the same without, and are there sooner.
            let quick = server.connect("pg_catalog").await;
            quick.batch_execute("ALTER SYSTEM SET fsync = off").await.unwrap();
            quick.batch_execute("SELECT pg_reload_conf()").await.unwrap();
            let store = Arc::new(PostgresStore::open(&url).await.unwrap());
            measured("PostgreSQL", store, async || tables(&server, &schema).await).await;
        }
        if let Some(server) = RedisServer::start(&["--appendonly", "no"]).await {
            let store = Arc::new(RedisOptions::new(&server.url()).unwrap().open().await.unwrap());
            measured("Redis", store, async || used(&server).await).await;
        }
    });
}

async fn measured(name: &str, store: Arc<dyn Store>, in_store: impl AsyncFn() -> i64) {
    let mut cells = Vec::new();
    let mut last = (in_store().await, allocated());
    for stage in [Stage::People, Stage::Waiting, Stage::Done] {
        stage.run(&store).await;
        let now = (in_store().await, allocated());
        // What waits becomes what is done: that is measured from where the waiting began.
        let from = last;
        if !matches!(stage, Stage::Waiting) {
            last = now;
        }
        let one = |before: i64, after: i64| (after - before) as f64 / ROWS as f64;
        cells.push(format!("{:.0} ({:.0})", one(from.0, now.0), one(from.1, now.1)));
    }
    println!("| {name} | {} |", cells.join(" | "));
    store.close().await.unwrap();
}

#[derive(Clone, Copy)]
enum Stage {
    People,
    Waiting,
    Done,
}

impl Stage {
    async fn run(self, store: &Arc<dyn Store>) {
        let mut all = JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(store);
            all.spawn(async move {
                let numbers = (writer..ROWS).step_by(WRITERS as usize);
                match self {
                    Self::People => {
                        for n in numbers {
                            // As long as a UUID.
                            let identity = format!("5f0c1d9e-8a54-4c1e-9b7a-{n:012}");
                            store.change(link(&format!("user-{n:08}"), &identity, 1)).await.unwrap();
                        }
                    }
                    Self::Waiting => {
                        for n in numbers {
                            store.accept(row(n)).await.unwrap();
                        }
                    }
                    Self::Done => settle_all(&*store).await,
                }
            });
        }
        all.join_all().await;
    }
}

async fn settle_all(store: &dyn Store) {
    loop {
        let now = SystemClock.now();
        let until = now.after(std::time::Duration::from_secs(600));
        let claim = Claim { now, lease_until: until, limit: 100, newest_first: false };
        let events = store.claim(claim).await.unwrap().events;
        if events.is_empty() {
            return;
        }
        for event in events {
            let done = Settlement::Done { apply: None, at: SystemClock.now() };
            store.settle(event.lease, done).await.unwrap();
        }
    }
}

fn allocated() -> i64 {
    let stats = COUNTED.stats();
    i64::try_from(stats.bytes_allocated).unwrap() - i64::try_from(stats.bytes_deallocated).unwrap()
}

/// With its log, which is emptied when the store is idle.
fn file(path: &Path) -> i64 {
    // The log's content reaches the file after two seconds without a write.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let len = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    i64::try_from(len(path) + len(&path.with_extension("db-wal"))).unwrap()
}

/// Tables and indexes, as they are after a vacuum that gives nothing back to the system.
async fn tables(server: &PostgresServer, schema: &str) -> i64 {
    let client = server.connect(schema).await;
    client.batch_execute("VACUUM").await.unwrap();
    let sql = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
        WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'";
    client.query_one(sql, &[&schema]).await.unwrap().get(0)
}

async fn used(server: &RedisServer) -> i64 {
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut server.connect().await).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}

const ROWS: u64 = 20_000;
const WRITERS: u64 = 64;
