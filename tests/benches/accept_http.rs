//! Durable accept through real HTTP over loopback, beside the same server without a store and with raw logs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark"
)]

mod common {
    pub(crate) mod events;
    pub(crate) mod figures;
    pub(crate) mod load;
    pub(crate) mod partial_store;
    pub(crate) mod raw_log;
}

use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use common::figures::Figures;
use common::load::{self, Outcome};
use common::partial_store::{Part, PartialStore};
use common::raw_log::RawLog;
use incode_core::Secret;
use incode_core::client::Client;
use incode_core::store::{Accepted, EventId, InboxStore, LifeCycle, NewEvent, Store, StoreFuture};
use incode_core::webhook::Authenticity;
use incode_sqlite::{SqliteOptions, SqliteStore};
use incode_tower::{Incode, IncodeLayer};
use tokio::net::TcpListener;

fn main() {
    if load::is_load_child() {
        return;
    }
    let runs: usize = std::env::var("RUNS").map_or(3, |runs| runs.parse().unwrap());
    println!("deliveries of {} bytes, {runs} runs of {SECS} s each; median (range)\n", common::events::body(0).len());
    println!(
        "| connections | store | requests/s | p50 ms | p99 ms | of growing log | of ring | of none |\n|---|---|---|---|---|---|---|---|"
    );
    for connections in [64, 256] {
        // The kinds take turns, so that what else the machine does meets all of them.
        let rounds: Vec<_> = (0..runs).map(|_| KINDS.map(|kind| measure(kind, connections))).collect();
        for (at, kind) in KINDS.iter().enumerate() {
            let figures = |of: fn(&Outcome) -> f64| {
                let figures: Vec<_> = rounds.iter().map(|round| of(&round[at])).collect();
                Figures::from(figures)
            };
            let share = |of: usize| {
                let shares = rounds.iter().map(|round| 100.0 * round[at].per_second / round[of].per_second);
                Figures::from(shares.collect::<Vec<_>>())
            };
            println!(
                "| {connections} | {kind:?} | {} | {} | {} | {} % | {} % | {} % |",
                figures(|outcome| outcome.per_second),
                figures(|outcome| outcome.p50_millis),
                figures(|outcome| outcome.p99_millis),
                share(1),
                share(2),
                share(0),
            );
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    None,
    GrowingLog,
    RingLog,
    Sqlite,
}

const KINDS: [Kind; 4] = [Kind::None, Kind::GrowingLog, Kind::RingLog, Kind::Sqlite];

/// A server of its own for each run, on a file of its own.
fn measure(kind: Kind, connections: u64) -> Outcome {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        match kind {
            Kind::None => serve_and_load(PartialStore(Nothing), connections).await,
            Kind::GrowingLog | Kind::RingLog => {
                let create = if matches!(kind, Kind::GrowingLog) { RawLog::growing } else { RawLog::ring };
                let log = Arc::new(create(&directory.path().join("log")));
                let outcome = serve_and_load(PartialStore(Arc::clone(&log)), connections).await;
                eprintln!("{connections} connections, {kind:?}: {:.0}/s, {} syncs", outcome.per_second, log.syncs());
                outcome
            }
            Kind::Sqlite => {
                let store = Arc::new(SqliteOptions::new(directory.path().join("db")).open().await.unwrap());
                let outcome = serve_and_load(PartialStore(Arc::clone(&store)), connections).await;
                eprintln!(
                    "{connections} connections, SQLite: {:.0}/s, {} commits",
                    outcome.per_second,
                    store.commits()
                );
                store.close().await.unwrap();
                outcome
            }
        }
    });
    runtime.shutdown_background();
    outcome
}

async fn serve_and_load(store: impl Store, connections: u64) -> Outcome {
    let authenticity = Authenticity::header("x-incode-secret", [Secret::from(load::SECRET)]).unwrap();
    // Never asked: the worker waits for its first claim for ever.
    let client = Client::builder("http://127.0.0.1:9", Secret::from("a-key")).build().unwrap();
    let builder = Incode::builder().client(client).webhook_authenticity(authenticity).store(store);
    let incode = builder.build().await.unwrap();
    let app = Router::new().layer(IncodeLayer::new(incode));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = listener.tap_io(|socket| socket.set_nodelay(true).unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let outcome = load::deliver(address, connections, SECS).await;
    server.abort();
    outcome
}

/// Answers at once and keeps nothing.
struct Nothing;

impl Part for Nothing {
    fn accept(&self, _: NewEvent) -> StoreFuture<'_, Accepted> {
        Box::pin(async { Ok(Accepted::New(EventId(1))) })
    }
}

impl Part for Arc<RawLog> {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.as_ref().accept(event)
    }
}

/// The real store, its accept alone.
impl Part for Arc<SqliteStore> {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        InboxStore::accept(self.as_ref(), event)
    }
}

const SECS: u64 = 4;
