use std::sync::Arc;

use incode_core::store::{PostgresStore, Store};
use incode_core::testing::store_suite;
use incode_tests::servers::PostgresServer;

mod durability;
mod failover;
mod late_commit;
mod opening;
mod tls;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let Some(server) = PostgresServer::shared().await else { return };
    store_suite::run(|| async {
        let (url, _) = server.fresh();
        Arc::new(open(&url).await) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_among_two() {
    let Some(server) = PostgresServer::shared().await else { return };
    store_suite::run_shared(|| async {
        let (url, _) = server.fresh();
        [Arc::new(open(&url).await) as Arc<dyn Store>, Arc::new(open(&url).await)]
    })
    .await;
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url).await.unwrap()
}
