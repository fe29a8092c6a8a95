//! A store that fails says why, wherever it was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use incode_core::store::{MemoryStore, StoreError, StoreErrorKind};
use incode_core::testing::{Hook, HookedStore, StoreCall};
use incode_tests::{Adapter, Plan};

use super::{TRACED, line};

/// Fails each call with its name as the cause, while a test says so.
struct Broken(Arc<AtomicBool>);

impl Hook for Broken {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(StoreError::with_source(StoreErrorKind::Unavailable, format!("the disk of {call:?} is gone")));
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_gate_and_a_worker_that_can_not_read_log_the_cause() {
    let _listening = &*TRACED;
    let is_broken = Arc::new(AtomicBool::new(false));
    let store = HookedStore::new(MemoryStore::new(), Broken(Arc::clone(&is_broken)));
    let plan = Plan::new(Adapter::Axum).incode(|builder| builder.store(store).near_cache_lifetime(Duration::ZERO));
    let world = plan.start().await;
    is_broken.store(true, Ordering::SeqCst);
    assert_eq!(world.status("nora", "/vault").await, 503);
    let cause = "error.cause=the store is unavailable: the disk of Subject is gone";
    let gate = line(&["standing not loaded", cause]).await;
    assert!(gate.contains("WARN") && gate.contains("error.kind=\"Unavailable\""), "{gate}");
    line(&["claim failed", "the disk of "]).await;
    world.incode.shutdown().await;
    line(&["store not closed", "the disk of Close is gone"]).await;
}
