//! A signed delivery, verified and on the disk before it is answered: deliveries a second, from one task and from many.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apalis_core::backend::TaskSink;
use apalis_sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteStorage};
use incode_core::store::{InboxStore, LifeCycle};
use incode_core::webhook::{Authenticity, HmacScheme, Webhook};
use incode_core::{Clock, Secret, SystemClock};
use incode_sqlite::{SqliteOptions, SqliteStore};
use incode_tower::HttpHead;
use tokio::task::JoinHandle;

use crate::events;
use crate::figures::Figures;
use crate::rows::row_of;
use crate::webhook::{WHSEC, signed};

pub(crate) fn report() {
    println!("\n| {RUNS} runs of {} s | tasks | deliveries a second |\n|---|---|---|", TIME.as_secs());
    for tasks in [1, 64] {
        // They take turns, so that what else the machine does meets all of them.
        let rounds: Vec<_> = (0..RUNS).map(|_| WAYS.map(|way| measure(way, tasks))).collect();
        for (at, way) in WAYS.iter().enumerate() {
            let figures: Vec<_> = rounds.iter().filter_map(|round| round.get(at).copied()).collect();
            println!("| {} | {tasks} | {} |", way.name(), Figures::from(figures));
        }
    }
}

#[derive(Clone, Copy)]
enum Way {
    Incode,
    /// Two pushes never share a commit, so one connection spares them each other's locks; a pool has ten unless set
    /// otherwise.
    SvixAndApalis {
        connections: u32,
    },
}

impl Way {
    fn name(self) -> String {
        match self {
            Self::Incode => "incode".to_owned(),
            Self::SvixAndApalis { connections: 1 } => "svix, apalis-sqlite over 1 connection".to_owned(),
            Self::SvixAndApalis { connections } => format!("svix, apalis-sqlite over {connections} connections"),
        }
    }
}

const WAYS: [Way; 3] = [Way::Incode, Way::SvixAndApalis { connections: 1 }, Way::SvixAndApalis { connections: 10 }];

/// Deliveries a second, on a file of their own, in which each of them is found afterwards.
fn measure(way: Way, tasks: u64) -> f64 {
    // Beside the program, so on the disk: a folder for temporary files may be in memory.
    let folder = tempfile::tempdir_in(env::current_exe().unwrap().parent().unwrap()).unwrap();
    let file = folder.path().join("db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (run, rate, count) = match way {
            Way::Incode => {
                let store = Arc::new(SqliteOptions::new(&file).open().await.unwrap());
                let scheme = HmacScheme::standard_webhooks([Secret::from(WHSEC)]).unwrap();
                let webhook = Webhook::new(Authenticity::hmac(scheme));
                let run = Run::start();
                let accept = |_| tokio::spawn(accept(run.clone(), webhook.clone(), Arc::clone(&store)));
                let rate = run.rate((0..tasks).map(accept).collect()).await;
                store.close().await.unwrap();
                (run, rate, "SELECT count(*) FROM event")
            }
            Way::SvixAndApalis { connections } => {
                let pool = durable_pool(&file, connections).await;
                let run = Run::start();
                let push = |_| tokio::spawn(push(run.clone(), SqliteStorage::new(&pool)));
                let rate = run.rate((0..tasks).map(push).collect()).await;
                assert_durable(&pool, connections).await;
                pool.close().await;
                (run, rate, "SELECT count(*) FROM Jobs")
            }
        };
        assert_eq!(rows(&file, count).await, run.taken());
        rate
    })
}

/// Deliveries of one run, numbered from 0 on until its time is over.
#[derive(Clone)]
struct Run {
    begun: Instant,
    numbers: Arc<AtomicU64>,
}

impl Run {
    fn start() -> Self {
        Self { begun: Instant::now(), numbers: Arc::default() }
    }

    fn next(&self) -> Option<u64> {
        (self.begun.elapsed() < TIME).then(|| self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    fn taken(&self) -> u64 {
        self.numbers.load(Ordering::Relaxed)
    }

    /// Until the last of them is on the disk.
    async fn rate(&self, tasks: Vec<JoinHandle<()>>) -> f64 {
        for task in tasks {
            task.await.unwrap();
        }
        self.taken() as f64 / self.begun.elapsed().as_secs_f64()
    }
}

/// What `IncodeLayer` does between a delivery's body and its answer.
async fn accept(run: Run, webhook: Webhook, store: Arc<SqliteStore>) {
    while let Some(number) = run.next() {
        let body = events::body(number);
        let head = signed(&body);
        let now = SystemClock.now();
        let delivery = webhook.begin(&HttpHead::from(&head), now).unwrap();
        let (event, _) = delivery.finish_with(&body).unwrap();
        store.accept(row_of(event, now)).await.unwrap();
    }
}

/// The delivery as it came is the job. A push answers after its commit.
async fn push(run: Run, mut jobs: SqliteStorage<String>) {
    let svix = svix::webhooks::Webhook::new(WHSEC).unwrap();
    while let Some(number) = run.next() {
        let body = events::body(number);
        let head = signed(&body);
        svix.verify(&body, &head.headers).unwrap();
        jobs.push(String::from_utf8(body).unwrap()).await.unwrap();
    }
}

/// The settings of apalis-sqlite's own setup, which sets them on one connection. Here every connection has them, and
/// syncs. The log is moved into the file as seldom as ours.
async fn durable_pool(file: &Path, connections: u32) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(60))
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", "64000")
        .pragma("journal_size_limit", "67108864")
        .pragma("wal_autocheckpoint", "16384");
    // The setup says `synchronous=OFF` to the connection that it is given, so that one is not used any further.
    let first = SqlitePool::connect_with(options.clone()).await.unwrap();
    SqliteStorage::setup(&first).await.unwrap();
    first.close().await;
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .connect_with(options)
        .await
        .unwrap();
    assert_durable(&pool, connections).await;
    pool
}

/// Asks each connection: all are held at once, so that none is asked twice.
async fn assert_durable(pool: &SqlitePool, connections: u32) {
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut connection = pool.acquire().await.unwrap();
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
        assert_eq!((synchronous, journal.as_str()), (FULL, "wal"));
        held.push(connection);
    }
    assert_eq!(pool.size(), connections);
}

/// Opened anew, once all others have closed the file.
async fn rows(file: &Path, count: &'static str) -> u64 {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(file)).await.unwrap();
    let rows: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
    pool.close().await;
    rows.try_into().unwrap()
}

/// What SQLite calls `FULL`.
const FULL: i64 = 2;
const RUNS: usize = 3;
const TIME: Duration = Duration::from_secs(3);
