use std::sync::Arc;

use super::MemoryStore;
use crate::store::{Store, StoreErrorKind};
use crate::testing::store_suite;

#[tokio::test]
async fn keeps_the_contract() {
    store_suite::run(|| async { Arc::new(MemoryStore::new()) as Arc<dyn Store> }).await;
}

#[tokio::test]
async fn refuses_more_than_it_has_room_for() {
    let store = MemoryStore::with_capacity(1);
    store.accept(store_suite::pending("first", "token", 1)).await.unwrap();
    let refused = store.accept(store_suite::pending("second", "token", 1)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Full);
}
