//! A flow begins, returns and is decided by one clock: the store's.

use std::sync::Arc;
use std::time::Duration;

use incode_core::Timestamp;
use incode_core::store::{MemoryStore, StoreError, StoreErrorKind};
use incode_core::testing::{Hook, HookedStore, StoreCall};
use incode_core::{Clock, SystemClock};
use incode_sandbox::Outcome;
use incode_tests::{Adapter, Plan, World};

use super::named::{check, come_back, completed, is_pending, standing_becomes};

on_every_adapter! {
    a_flow_has_one_clock,
    a_failure_is_received_by_the_clock_of_the_flow,
    a_flow_does_not_begin_while_the_store_is_away,
}

/// The store's clock is ahead of this process's.
#[derive(Debug)]
struct Ahead(Duration);

impl Hook for Ahead {
    async fn before(&self, _: StoreCall) -> Result<(), StoreError> {
        Ok(())
    }

    fn time(&self, _: Option<Timestamp>) -> Option<Timestamp> {
        Some(SystemClock.now().after(self.0))
    }
}

async fn ahead(adapter: Adapter) -> World {
    let store = HookedStore::new(MemoryStore::new(), Ahead(Duration::from_secs(20 * 60)));
    Plan::new(adapter).with_checks().incode(|builder| builder.store(store)).start().await
}

/// By two clocks, ten minutes before the flow would lie within it.
async fn a_flow_has_one_clock(adapter: Adapter) {
    let world = ahead(adapter).await;
    let ana = world.person("Ana");
    world.sandbox.set_clock_offset(-600);
    let old = check(&world, &ana, Outcome::Pass);
    world.sandbox.set_clock_offset(0);
    let flow = world.start_flow("ana").await;
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    let mut early = completed(&old);
    early["token"] = world.sandbox.issue_token(&ana.identity_id).into();
    world.deliver(&early).await;
    world.settles(1, 0, 0).await;
    is_pending(&world, "ana").await;
    world.deliver(&completed(&check(&world, &ana, Outcome::Pass))).await;
    standing_becomes(&world, "ana", "active").await;
}

/// By two clocks, the event would seem to be older than the flow that it ends.
async fn a_failure_is_received_by_the_clock_of_the_flow(adapter: Adapter) {
    let world = ahead(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("eve").await;
    let failed = check(&world, &ana, Outcome::Fail);
    come_back(&world, "eve", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    world.deliver(&completed(&failed)).await;
    world.settles(1, 0, 0).await;
    standing_becomes(&world, "eve", "not_linked").await;
}

/// The store does not say what time it is.
#[derive(Debug)]
struct Away(Arc<std::sync::atomic::AtomicBool>);

impl Hook for Away {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        let is_away = call == StoreCall::Time && self.0.load(std::sync::atomic::Ordering::SeqCst);
        if is_away { Err(StoreError::new(StoreErrorKind::Unavailable)) } else { Ok(()) }
    }
}

async fn a_flow_does_not_begin_while_the_store_is_away(adapter: Adapter) {
    let away = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let store = HookedStore::new(MemoryStore::new(), Away(Arc::clone(&away)));
    let world = Plan::new(adapter).incode(|builder| builder.store(store)).start().await;
    let flow = world.start_flow("ana").await;
    away.store(true, std::sync::atomic::Ordering::SeqCst);
    let ana = world.person("Ana").identity_id;
    let start = world.get("ana", "/incode/start").await;
    let back = world.come_back("ana", &flow, &world.sandbox.issue_token(&ana)).await;
    for response in [start, back] {
        assert_eq!((response.status, response.code().as_str()), (503, "flow_unavailable"));
        assert_eq!(response.header("retry-after"), Some("5"));
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    }
    away.store(false, std::sync::atomic::Ordering::SeqCst);
    // Nothing was used up.
    world.link("ana", &ana).await;
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana)).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
}
