use std::sync::Arc;

use incode_core::store::{RedisOptions, RedisStore, Store};
use incode_core::testing::store_suite;
use incode_tests::servers::RedisServer;

mod opening;
mod tls;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let Some(server) = RedisServer::shared().await else { return };
    store_suite::run(|| async { Arc::new(open(&server, &server.fresh()).await) as Arc<dyn Store> }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_among_two() {
    let Some(server) = RedisServer::shared().await else { return };
    store_suite::run_shared(|| async {
        let name = server.fresh();
        [Arc::new(open(&server, &name).await) as Arc<dyn Store>, Arc::new(open(&server, &name).await)]
    })
    .await;
}

pub(crate) fn options(url: &str, name: &str) -> RedisOptions {
    RedisOptions::new(url).unwrap().name(name).unwrap()
}

pub(crate) async fn open(server: &RedisServer, name: &str) -> RedisStore {
    options(&server.url(), name).open().await.unwrap()
}
