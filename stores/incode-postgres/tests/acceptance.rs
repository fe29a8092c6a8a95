//! The acceptance suite of stores, on a real server.

mod common;

use std::sync::Arc;

use common::calls::open;
use incode_core::store::Store;
use incode_core::testing::store_suite;
use incode_test_servers::PostgresServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let Some(server) = PostgresServer::shared().await else { return };
    store_suite::run(|| async { open(&server.fresh().0).await as Arc<dyn Store> }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_among_two() {
    let Some(server) = PostgresServer::shared().await else { return };
    store_suite::run_shared(|| async {
        let (url, _) = server.fresh();
        [open(&url).await as Arc<dyn Store>, open(&url).await]
    })
    .await;
}
