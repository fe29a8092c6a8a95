//! What died of an outage is asked about again, and what the vendor says differently by now is reported.

use std::time::{Duration, SystemTime};

use incode_core::model::IdentityStatus;
use incode_core::testing::ManualClock;
use incode_core::{Actor, IdentityId, ObjectId, RecheckErrorKind, Timestamp, Token};
use incode_sandbox::Fault;
use incode_tests::{Adapter, Plan, World, event, eventually};
use serde_json::json;

on_every_adapter! {
    what_died_of_an_outage_is_applied_once_the_vendor_is_back,
    a_verification_is_looked_at_again_with_a_fresh_token,
    a_pending_event_does_not_bring_back_a_forgotten_identity,
}

async fn what_died_of_an_outage_is_applied_once_the_vendor_is_back(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let time = clock.clone();
    let world = Plan::new(adapter).incode(move |builder| builder.clock(time)).start().await;
    let person = world.person("Ana Flores");
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    world.sandbox.seed_token("a-token-without-exp", Some(&person.identity_id), Duration::from_secs(3600));
    world.fault(Fault::status(503).times(1_000));
    world.deliver(&event("verification.completed", &verified.verification_id, "a-token-without-exp")).await;
    eventually("a first attempt", async || world.events().await[0].reason.is_some()).await;
    all_attempts_fail(&world, &clock).await;
    assert_eq!(world.died_of().await, "exhausted");
    let by = Actor::new("anna").unwrap();
    clock.advance(Duration::from_secs(2));

    // It is asked a few times, however old the event is: our clock alone ends nothing.
    let reconciled = world.incode.reconcile(&by);
    let mut reconciled = std::pin::pin!(reconciled);
    let report = loop {
        tokio::select! {
            report = &mut reconciled => break report.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(20)) => clock.advance(Duration::from_secs(2)),
        }
    };
    assert_eq!((report.applied.len(), report.dead), (0, 1), "the vendor is out still");

    world.sandbox.clear_faults();
    let report = world.incode.reconcile(&by).await.unwrap();
    assert_eq!((report.applied.len(), report.nothing_new, report.dead, report.pending), (1, 0, 0, 0));
    let drift = &report.applied[0];
    assert!(drift.is_change() && drift.before.is_none());
    assert_eq!(drift.after.status, IdentityStatus::Active);
    assert_eq!(drift.after.verification_id.as_ref().map(ObjectId::as_str), Some(&*verified.verification_id));
    assert_eq!(world.identity(&person.identity_id).await.as_ref(), Some(&drift.after));

    let again = world.incode.reconcile(&by).await.unwrap();
    assert_eq!((again.applied.len(), again.dead, again.pending), (0, 0, 0), "nothing is left to do");
    assert!(world.incode.audits(10, None).await.unwrap().iter().all(|entry| entry.actor == by));
}

async fn a_verification_is_looked_at_again_with_a_fresh_token(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    world.link("ana", &person.identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);

    let id = ObjectId::new(&verified.verification_id).unwrap();
    let fresh = || Token::new(world.sandbox.issue_token(&person.identity_id)).unwrap();
    assert!(!world.incode.recheck(&id, &fresh()).await.unwrap().is_change());
    world.sandbox.revoke(&person.identity_id).unwrap();
    let drift = world.incode.recheck(&id, &fresh()).await.unwrap();
    assert!(drift.is_change());
    assert_eq!(drift.before.unwrap().status, IdentityStatus::Active);
    assert_eq!(drift.after.status, IdentityStatus::Revoked);
    assert_eq!(world.status("ana", "/vault").await, 403, "the gate knows at once");
    assert!(!world.incode.recheck(&id, &fresh()).await.unwrap().is_change(), "safe to run twice");

    let dead = Token::new("no-token-of-the-vendor").unwrap();
    assert_eq!(world.incode.recheck(&id, &dead).await.unwrap_err().kind(), RecheckErrorKind::TokenDead);
    let unknown = ObjectId::new("unknown").unwrap();
    assert_eq!(world.incode.recheck(&unknown, &fresh()).await.unwrap_err().kind(), RecheckErrorKind::NotFound);
}

/// To the last second of the patience with a token that shows no end. A clock that was set ahead would be there too, so a
/// few attempts are made all the same.
async fn all_attempts_fail(world: &World, clock: &ManualClock) {
    clock.advance(Duration::from_secs(40 * 60 - 1));
    eventually("the end of all attempts", async || {
        clock.advance(Duration::from_secs(1));
        world.counts().await.dead == 1
    })
    .await;
    assert!(world.events().await[0].attempts >= 4);
}

/// Neither a dead letter that is asked about again, nor what was pending at that moment, of either kind.
async fn a_pending_event_does_not_bring_back_a_forgotten_identity(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let time = clock.clone();
    let world = Plan::new(adapter).incode(move |builder| builder.clock(time)).start().await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let face = json!({"id": "face-1", "createdAt": 1_688_059_847, "status": "pass", "type": "FACE"});
    world.sandbox.seed_authentication("face-1", Some(&ana.identity_id), face);
    world.sandbox.seed_token("a-token-without-exp", Some(&ana.identity_id), Duration::from_secs(36_000));
    world.link("ana", &ana.identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    world.fault(Fault::status(503).times(1_000));
    world.deliver(&event("verification.completed", &verified.verification_id, "a-token-without-exp")).await;
    eventually("a first attempt", async || world.events().await[0].reason.is_some()).await;
    all_attempts_fail(&world, &clock).await;
    world.deliver(&event("authentication.completed", "face-1", "a-token-without-exp")).await;
    eventually("a first attempt", async || world.events().await[0].reason.is_some()).await;
    let (id, by) = (IdentityId::new(&ana.identity_id).unwrap(), Actor::new("anna").unwrap());
    assert!(world.incode.forget(&id, &by).await.unwrap());

    clock.advance(Duration::from_secs(5 * 60));
    world.sandbox.clear_faults();
    world.settles(1, 1, 0).await;
    let report = world.incode.reconcile(&by).await.unwrap();
    assert_eq!((report.applied.len(), report.nothing_new, report.dead, report.pending), (0, 1, 0, 0));
    world.settles(2, 0, 0).await;
    assert_eq!(world.identity(&ana.identity_id).await, None);
    assert_eq!(world.standing("ana").await, "not_linked");

    let again = world.sandbox.verify(&ana.identity_id).unwrap();
    world.deliver(&event("verification.completed", &again.verification_id, &again.token)).await;
    world.settles(3, 0, 0).await;
    assert!(world.identity(&ana.identity_id).await.unwrap().verified_at.is_some(), "who comes again is known anew");
}
