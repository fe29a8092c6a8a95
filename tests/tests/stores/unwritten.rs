//! The vendor says REVOKED, and the store fails between its answer and the write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use incode_core::BearerTokens;
use incode_core::flow::FaceScope;
use incode_core::model::{Face, FaceAuthenticationRequest};
use incode_core::store::{StoreError, StoreErrorKind};
use incode_core::testing::{Hook, StoreCall};
use incode_core::{IdentityId, Subject};
use incode_sandbox::{Effect, Fault, Route};
use incode_tests::{Adapter, Plan, World, event, eventually, get};

use crate::engine::Engine;
use crate::is_kept;
use crate::replicas::beside;

on_both_engines!(
    a_revocation_learned_from_a_bearer_token_outlasts_the_store,
    a_revocation_learned_from_a_callback_outlasts_the_store,
    a_revocation_learned_from_a_face_outlasts_the_store,
    a_revocation_learned_from_an_event_outlasts_the_store,
    another_change_of_the_identity_does_not_open_the_gate,
);

async fn a_revocation_learned_from_a_bearer_token_outlasts_the_store(engine: Engine) {
    let (world, outage, ana) = revoked(&engine).await;
    let token = world.sandbox.issue_token(&ana);
    let ask = async {
        world.send(get("/vault").header("authorization", format!("Bearer {token}"))).await;
    };
    outlasts(&world, &outage, &ana, ask).await;
}

async fn a_revocation_learned_from_a_callback_outlasts_the_store(engine: Engine) {
    let (world, outage, ana) = revoked(&engine).await;
    let flow = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&ana);
    let ask = async {
        world.come_back("ana", &flow, &token).await;
    };
    outlasts(&world, &outage, &ana, ask).await;
}

async fn a_revocation_learned_from_a_face_outlasts_the_store(engine: Engine) {
    let (world, outage, ana) = revoked(&engine).await;
    let request = FaceAuthenticationRequest { face: Face::Base64Image(world.face_of(&ana)), source: None };
    let ask = async {
        let asked = world.incode.authenticate(FaceScope::new(Subject::new("ana").unwrap()), &request).await;
        assert!(asked.is_err(), "the store does not answer");
    };
    outlasts(&world, &outage, &ana, ask).await;
}

async fn a_revocation_learned_from_an_event_outlasts_the_store(engine: Engine) {
    let (world, outage, ana) = revoked(&engine).await;
    let verified = world.sandbox.verify(&ana).unwrap();
    let completed = event("verification.completed", &verified.verification_id, &verified.token);
    outlasts(&world, &outage, &ana, world.deliver(&completed)).await;
}

/// Another process links a second account: that is a change of the identity, and does not bring the revocation.
async fn another_change_of_the_identity_does_not_open_the_gate(engine: Engine) {
    let (world, outage, ana) = revoked(&engine).await;
    let other = beside(&world, plan(&engine, Outage::default()).await).start().await;
    let mut changes = world.incode.changes();
    let token = world.sandbox.issue_token(&ana);
    hold(&world);
    let ask = async {
        world.send(get("/vault").header("authorization", format!("Bearer {token}"))).await;
    };
    let fail = async {
        is_asked(&world).await;
        outage.0.writes.store(true, Ordering::SeqCst);
        world.sandbox.release_held();
    };
    tokio::join!(ask, fail);
    eventually("shut", async || world.get("ana", "/vault").await.code() == "identity_revoked").await;
    assert_eq!(other.status("ana", "/vault").await, 200, "not written yet");
    let (ana_id, carl) = (IdentityId::new(&ana).unwrap(), Subject::new("carl").unwrap());
    other.incode.link(&carl, &ana_id, &incode_core::Actor::unknown()).await.unwrap();
    changes.next().await.unwrap();
    for _ in 0..20 {
        assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked", "open again by another change");
    }
    outage.0.writes.store(false, Ordering::SeqCst);
    eventually("shut everywhere", async || other.get("ana", "/vault").await.code() == "identity_revoked").await;
}

/// Ana is in, and the vendor has revoked her. No replica knows that yet.
async fn revoked(engine: &Engine) -> (World, Outage, String) {
    let outage = Outage::default();
    let world = plan(engine, outage.clone()).await.start().await;
    let ana = world.person("Ana Flores").identity_id;
    world.sandbox.verify(&ana).unwrap();
    world.link("ana", &ana).await;
    eventually("open", async || is_open(&world).await && is_kept(&world, "ana")).await;
    world.sandbox.revoke(&ana).unwrap();
    assert!(is_open(&world).await, "nothing announces it");
    (world, outage, ana)
}

/// The store fails once the vendor was asked. Then the person is out, stays out when the store is back, and the row
/// says so in the end, although the vendor is not asked again.
async fn outlasts(world: &World, outage: &Outage, ana: &str, ask: impl Future<Output = ()>) {
    hold(world);
    let fail = async {
        is_asked(world).await;
        outage.0.all.store(true, Ordering::SeqCst);
        world.sandbox.release_held();
    };
    tokio::join!(ask, fail);
    eventually("shut while the store is away", async || !is_open(world).await).await;
    world.fault(Fault::status(500).on(Route::Userinfo).times(u32::MAX));
    outage.0.all.store(false, Ordering::SeqCst);
    eventually("the store is back", async || {
        let code = world.get("ana", "/vault").await;
        assert_ne!(code.status, 200, "open again when the store came back");
        code.code() == "identity_revoked"
    })
    .await;
    eventually("written", async || {
        assert!(!is_open(world).await, "open before it is written");
        world.identity(ana).await.is_some_and(|known| known.status.as_str() == "REVOKED")
    })
    .await;
    assert!(!is_open(world).await);
}

fn hold(world: &World) {
    world.sandbox.clear_calls();
    world.fault(Fault::new(Effect::Delay).on(Route::Userinfo).held());
}

async fn is_asked(world: &World) {
    eventually("userinfo is under way", async || {
        world.sandbox.calls().iter().any(|call| call.path.ends_with("/userinfo") && call.status.is_none())
    })
    .await;
}

async fn is_open(world: &World) -> bool {
    world.status("ana", "/vault").await == 200
}

async fn plan(engine: &Engine, outage: Outage) -> Plan {
    let choose = engine.choose_behind(outage).await;
    let long = Duration::from_secs(600);
    Plan::new(Adapter::Axum).incode(move |builder| {
        let builder = choose(builder).near_cache_lifetime(long).serve_stale(long).shared_identities();
        builder.bearer_tokens(BearerTokens::on_paths(["/"]))
    })
}

/// Fails calls of a store while it says so.
#[derive(Clone, Debug, Default)]
struct Outage(Arc<Failing>);

#[derive(Debug, Default)]
struct Failing {
    /// Every call.
    all: AtomicBool,
    /// The time and what writes: the store still answers what it knows.
    writes: AtomicBool,
}

impl Hook for Outage {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        let is_write = matches!(call, StoreCall::Time | StoreCall::Change | StoreCall::Settle);
        let fails = self.0.all.load(Ordering::SeqCst) || (is_write && self.0.writes.load(Ordering::SeqCst));
        if fails { Err(StoreError::new(StoreErrorKind::Unavailable)) } else { Ok(()) }
    }
}
