//! The SQLite store with 256 writers at a time, whose events share commits, beside one writer, whose events can't.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod events;
    pub(crate) mod figures;
    pub(crate) mod partial_store;
    pub(crate) mod raw_log;
    pub(crate) mod rows;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::figures::Figures;
use common::partial_store::PartialStore;
use common::raw_log::RawLog;
use common::rows::row;
use incode_core::store::{LifeCycle, Store};
use incode_sqlite::SqliteOptions;

fn main() {
    println!("{RUNS} runs of {} s each; median (range)\n", TIME.as_secs());
    println!("| store | writers | rows/s | rows per commit |\n|---|---|---|---|");
    for (name, writers) in CASES {
        let (mut rows, mut sizes) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let (accepted, commits) = measure(name, writers);
            rows.push(accepted as f64 / TIME.as_secs_f64());
            sizes.push(accepted as f64 / commits as f64);
        }
        let [rows, sizes] = [rows, sizes].map(Figures::from);
        println!("| {name} | {writers} | {rows} | {sizes} |");
    }
}

fn measure(name: &str, writers: u64) -> (u64, u64) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        if name == "SQLite" {
            let store = Arc::new(SqliteOptions::new(directory.path().join("db")).open().await.unwrap());
            let before = store.commits();
            let accepted = accept(Arc::clone(&store), writers).await;
            let commits = store.commits() - before;
            store.close().await.unwrap();
            (accepted, commits)
        } else {
            let create = if name == "ring log" { RawLog::ring } else { RawLog::growing };
            let store = Arc::new(PartialStore(create(&directory.path().join("log"))));
            let accepted = accept(Arc::clone(&store), writers).await;
            (accepted, store.0.syncs())
        }
    })
}

async fn accept<S: Store>(store: Arc<S>, writers: u64) -> u64 {
    let until = Instant::now() + TIME;
    let numbers = Arc::new(AtomicU64::new(0));
    let writer = || {
        let (store, numbers) = (Arc::clone(&store), Arc::clone(&numbers));
        tokio::spawn(async move {
            while Instant::now() < until {
                store.accept(row(numbers.fetch_add(1, Ordering::Relaxed))).await.unwrap();
            }
        })
    };
    for writer in (0..writers).map(|_| writer()).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    numbers.load(Ordering::Relaxed)
}

const CASES: [(&str, u64); 4] = [("SQLite", 1), ("SQLite", 256), ("growing log", 256), ("ring log", 256)];
const RUNS: usize = 3;
const TIME: Duration = Duration::from_secs(3);
