//! The acceptance suite of core, on this engine.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::atomic::{AtomicU32, Ordering};

use incode_core::store::OpenStore;
use incode_core::testing::store_suite;
use incode_sqlite::{SqliteOptions, from_url};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let directory = TempDir::new().unwrap();
    let names = AtomicU32::new(0);
    store_suite::run(|| {
        let name = names.fetch_add(1, Ordering::Relaxed);
        let options = SqliteOptions::new(directory.path().join(format!("{name}.db")));
        async { OpenStore::open(Box::new(options)).await.unwrap() }
    })
    .await;
}

#[tokio::test]
async fn a_url_opens_its_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("incode.db");
    let options = from_url(&format!(" sqlite:{}\n", path.display())).unwrap().unwrap();
    let store = OpenStore::open(Box::new(options)).await.unwrap();
    assert_eq!(store.time().await.unwrap(), None);
    store.close().await.unwrap();
    assert!(path.exists());
}
