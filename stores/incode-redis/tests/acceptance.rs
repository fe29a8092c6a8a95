//! The acceptance suite of the contract, on a real server.
#![allow(clippy::unwrap_used, reason = "a test: a panic is how it fails")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::Server;
use incode_core::store::Store;
use incode_core::testing::store_suite;

/// Each test of the suite gets keys of its own.
struct Names(AtomicU32);

impl Names {
    fn fresh(&self) -> String {
        format!("test-{}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

async fn open(server: &Server, name: &str) -> Arc<dyn Store> {
    Arc::new(server.options().name(name).unwrap().open().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let Some(server) = Server::start(&[]).await else { return };
    let names = Names(AtomicU32::new(0));
    store_suite::run(|| async { open(&server, &names.fresh()).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_among_two() {
    let Some(server) = Server::start(&[]).await else { return };
    let names = Names(AtomicU32::new(0));
    store_suite::run_shared(|| async {
        let name = names.fresh();
        [open(&server, &name).await, open(&server, &name).await]
    })
    .await;
}
