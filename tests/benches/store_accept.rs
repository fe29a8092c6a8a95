//! The four stores side by side: events kept a second by 256 writers at once, and how long a gate waits for the
//! standing of an unknown user. PostgreSQL and Redis on private servers of this machine.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod caller;
    pub(crate) mod events;
    pub(crate) mod figures;
    pub(crate) mod partial_store;
    pub(crate) mod rows;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::caller::Caller;
use common::figures::Figures;
use common::partial_store::{Part, PartialStore};
use common::rows::row;
use incode_core::client::Client;
use incode_core::identity::SubjectState;
use incode_core::store::{MemoryStore, Store, StoreErrorKind, StoreFuture};
use incode_core::testing::store_suite::link;
use incode_core::webhook::Authenticity;
use incode_core::{Incode, Secret, Subject};
use incode_postgres::PostgresStore;
use incode_redis::{RedisOptions, RedisStore};
use incode_sqlite::SqliteOptions;
use incode_tests::servers::{PostgresServer, RedisServer};

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let postgres = PostgresServer::start().await;
        let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
        println!("{RUNS} runs; median (range)\n");
        println!("| store | events kept a second, {WRITERS} writers | one writer | gate miss p50 us | p99 us |\n|---|---|---|---|---|");
        for name in ["memory", "SQLite", "PostgreSQL", "Redis, appendfsync always"] {
            let [mut many, mut lone, mut p50, mut p99] = [const { Vec::new() }; 4];
            for run in 0..RUNS {
                let store: Arc<dyn Store> = match name {
                    "memory" => Arc::new(MemoryStore::with_capacity(usize::MAX)),
                    "SQLite" => Arc::new(SqliteOptions::new(folder.path().join(format!("{run}.db"))).open().await.unwrap()),
                    "PostgreSQL" => {
                        let Some(server) = &postgres else { continue };
                        Arc::new(PostgresStore::open(&server.fresh().0).await.unwrap())
                    }
                    _ => {
                        let Some(server) = &redis else { continue };
                        let options = RedisOptions::new(&server.url()).unwrap();
                        let store: RedisStore = options.name(&server.fresh()).unwrap().open().await.unwrap();
                        Arc::new(store)
                    }
                };
                let misses = gate_misses(&store).await;
                p50.push(misses.median());
                p99.push(misses.quantile(0.99));
                lone.push(accept(&store, 1, 1 << 40).await);
                many.push(accept(&store, WRITERS, 0).await);
                store.close().await.unwrap();
            }
            if !many.is_empty() {
                let [many, lone, p50, p99] = [many, lone, p50, p99].map(Figures::from);
                println!("| {name} | {many} | {lone} | {p50} | {p99} |");
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

/// Microseconds, of many one after the other, among so many linked subjects: from the request's head to the visitor, when
/// nothing is believed of what was known.
async fn gate_misses(store: &Arc<dyn Store>) -> Figures {
    for n in 0..LINKED {
        store.change(link(&format!("user-{n}"), &format!("person-{n}"), 1)).await.unwrap();
    }
    // No call is made.
    let client = Client::builder("http://127.0.0.1:9", Secret::from("a-key-that-nobody-asks-for")).build().unwrap();
    let builder = Incode::builder()
        .client(client)
        .webhook_authenticity(Authenticity::fetch_back())
        .store(PartialStore(LookUps(Arc::clone(store))))
        .near_cache_lifetime(Duration::ZERO)
        .subjects(Caller::source());
    let incode = builder.build().await.unwrap();
    let mut times = Vec::new();
    for n in 0..LOOKS {
        let caller = Caller(format!("user-{}", n * 7_919 % LINKED));
        let begun = Instant::now();
        assert!(caller.is_let_in(&incode).await);
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Figures::from(times)
}

/// Without the work of the inbox, which would run beside what is measured.
struct LookUps(Arc<dyn Store>);

impl Part for LookUps {
    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        self.0.subject(subject)
    }
}

const WRITERS: u64 = 256;
const LINKED: u32 = 1_000;
const LOOKS: u32 = 2_000;
const RUNS: usize = 3;
const TIME: Duration = Duration::from_secs(3);
