//! What an earlier version wrote is served by this one. `tests/fixtures/stores` holds what version 1 had after [`life`].

use incode_core::identity::{Field, RetainedField};
use incode_core::store::{
    Accepted, AuditAction, Claim, ClaimedEvent, DeadFilter, JobClaim, JobSettlement, Linked, NewEvent, Reason, Replay,
    Settled, Settlement, Store,
};
use incode_core::testing::store_suite::{ignored, new_link, pending, seen};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};

use crate::engine::Engine;

on_both_engines!(rows_of_version_1_are_served, rows_of_today_are_served_alike);

async fn rows_of_version_1_are_served(engine: Engine) {
    engine.restore_version_1().await;
    is_served(&*engine.store().await).await;
}

/// The life that version 1 had is one that this version can have.
async fn rows_of_today_are_served_alike(engine: Engine) {
    life(&*engine.store().await).await;
    is_served(&*engine.store().await).await;
}

/// An event of each state, somebody who is linked, somebody forgotten, a field kept, an effect owed.
async fn life(store: &dyn Store) {
    let taken = Claim { now: ms(20), lease_until: ms(30), limit: 1, newest_first: false };
    accept(store, pending("applied", "token", 10)).await;
    let lease = claim(store, taken).await.lease;
    let mut verified = seen("person", 5);
    verified.fields = vec![RetainedField { field: Field::FullName, sealed: b"sealed".to_vec(), expires_at: ms(9_000) }];
    let link = Some(Box::new(new_link("alice", "person", 5, Some(1))));
    let handlers = vec!["mail".into()];
    let settled = Settlement::Done { seen: Some(verified), link, handlers, at: ms(21) };
    assert!(matches!(store.settle(lease, settled).await.unwrap(), Settled::Written(Some(_))));
    accept(store, pending("lost", "token", 11)).await;
    let lease = claim(store, taken).await.lease;
    let settled = Settlement::Dead { reason: Reason::NotFound, wipe_token: false, at: ms(22) };
    store.settle(lease, settled).await.unwrap();
    accept(store, ignored("odd", 12)).await;
    accept(store, pending("waiting", "token", 13)).await;
    let lease = claim(store, taken).await.lease;
    let settled = Settlement::Retry { due_at: ms(40), reason: Reason::VendorUnavailable };
    store.settle(lease, settled).await.unwrap();
    store.observe(seen("gone", 14)).await.unwrap();
    store.forget(identity("gone"), clerk(), ms(23)).await.unwrap().unwrap();
}

/// All that came of it is known, works on, and keeps its promises.
async fn is_served(store: &dyn Store) {
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.pending, counts.done, counts.dead, counts.ignored), (1, 1, 1, 1));
    for known in [pending("applied", "another", 50), pending("waiting", "token", 50), ignored("odd", 50)] {
        assert_eq!(store.accept(known).await.unwrap(), Accepted::Duplicate);
    }

    let alice = store.linked(Subject::new("alice").unwrap()).await.unwrap().unwrap();
    assert_eq!((alice.identity.identity_id, alice.identity.verified_at), (identity("person"), Some(ms(5))));
    let verification = ObjectId::new("verification-5").unwrap();
    assert_eq!(store.verified_as(verification).await.unwrap(), Some(identity("person")));
    assert_eq!(store.link(new_link("bob", "other", 50, Some(1))).await.unwrap(), Linked::AlreadySpent);
    let fields = store.fields(identity("person"), ms(50)).await.unwrap();
    assert_eq!(fields.iter().map(|field| &field.sealed[..]).collect::<Vec<_>>(), [b"sealed"]);
    assert!(store.fields(identity("person"), ms(9_000)).await.unwrap().is_empty());

    // What was asked before the forgetting stays forgotten.
    store.observe(seen("gone", 22)).await.unwrap();
    assert_eq!(store.identity(identity("gone")).await.unwrap(), None);
    let audits = store.audits(10, None).await.unwrap();
    assert_eq!(audits.iter().map(|audit| (&audit.actor, audit.count)).collect::<Vec<_>>(), [(&clerk(), 1)]);
    assert!(matches!(audits[0].action, AuditAction::Forget(_)));

    let owed = JobClaim { handler: "mail".into(), now: ms(50), lease_until: ms(60), limit: 10 };
    let effect = store.effects().claim_jobs(owed.clone()).await.unwrap().pop().unwrap();
    assert_eq!(effect.identity, store.identity(identity("person")).await.unwrap());
    let settled = store.effects().settle_job(effect.lease, JobSettlement::Done { at: ms(51) }).await.unwrap();
    assert_eq!(settled, Settled::Written(None));

    let due = Claim { now: ms(50), lease_until: ms(60), limit: 10, newest_first: false };
    let event = claim(store, due).await;
    assert_eq!((event.object_id.as_str(), &event.token[..], event.attempts), ("waiting", &b"token"[..], 2));
    assert_eq!(event.correlation_id.as_deref(), Some("correlation of waiting"));
    assert!(event.authenticated && !event.already_done);
    let (seen, handlers) = (Some(seen("person", 52)), vec!["mail".into()]);
    store.settle(event.lease, Settlement::Done { seen, link: None, handlers, at: ms(53) }).await.unwrap();
    assert_eq!(store.effects().claim_jobs(JobClaim { now: ms(55), ..owed }).await.unwrap().len(), 1);
    assert_eq!(store.replay(Replay::Dead(DeadFilter::default()), clerk(), ms(54)).await.unwrap(), 1);
    let event = claim(store, Claim { now: ms(55), ..due }).await;
    assert_eq!((event.object_id.as_str(), &event.token[..]), ("lost", &b"token"[..]));
    // Ids go on.
    let Accepted::New(id) = store.accept(pending("next", "token", 56)).await.unwrap() else { panic!("a duplicate") };
    assert!(store.events(Default::default()).await.unwrap().iter().all(|event| event.id <= id));
}

async fn accept(store: &dyn Store, event: NewEvent) {
    assert!(matches!(store.accept(event).await.unwrap(), Accepted::New(_)));
}

async fn claim(store: &dyn Store, claim: Claim) -> ClaimedEvent {
    let mut claimed = store.claim(claim).await.unwrap();
    assert_eq!(claimed.len(), 1);
    claimed.pop().unwrap()
}

fn identity(id: &str) -> IdentityId {
    IdentityId::new(id).unwrap()
}

fn clerk() -> Actor {
    Actor::new("clerk").unwrap()
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
