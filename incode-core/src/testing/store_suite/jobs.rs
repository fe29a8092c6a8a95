use std::sync::Arc;

use super::*;
use crate::Actor;
use crate::store::{
    ClaimedJob, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobState, Prune,
    ReplayJobs, Settled,
};

/// Done with an observation owes each named handler one effect, due at once, with what is known at the claim.
pub async fn an_applied_event_owes_each_handler_once(store: Arc<dyn Store>) {
    store.link(new_link("alice", "person", 5, None)).await.expect("link");
    let event = owed(&*store, "object", 20, &["mail", "account"]).await;
    assert_eq!(store.effects().next_job_due("mail".into()).await.expect("next due"), Some(ms(20)));
    assert_eq!(store.effects().next_job_due("other".into()).await.expect("next due"), None);
    assert!(effects_of(&*store, "other", 100).await.is_empty(), "nobody else's");
    assert!(effects_of(&*store, "mail", 19).await.is_empty(), "not due before it was applied");
    for handler in ["mail", "account"] {
        let effects = effects_of(&*store, handler, 20).await;
        let [effect] = &effects[..] else { panic!("one for {handler}") };
        assert_eq!((effect.event, effect.kind.clone()), (event, EventKind::Verification));
        assert_eq!((effect.object_id.as_str(), effect.attempts), ("object", 1));
        assert_eq!(effect.identity, store.identity(identity_id("person")).await.expect("identity"));
        assert_eq!(effect.subjects, [subject("alice")]);
    }
}

/// No observation, no effect; nor for a second event of an object that was applied, nor for a forgotten identity.
pub async fn only_the_first_application_owes(store: Arc<dyn Store>) {
    accepted(&*store, pending("bare", "token", 10)).await;
    let bare = claimed_one(&*store, 10).await;
    let handlers = vec!["mail".into()];
    let done = Settlement::Done { seen: None, link: None, handlers, at: ms(11) };
    store.settle(bare.lease, done).await.expect("settle");

    accepted(&*store, pending("object", "first", 10)).await;
    accepted(&*store, pending("object", "second", 10)).await;
    for event in claimed(&*store, 10, 100, 2).await {
        store.settle(event.lease, applied(12, &["mail"])).await.expect("settle");
    }
    assert_eq!(effects_of(&*store, "mail", 100).await.len(), 1, "two workers applied one object");

    store.forget(identity_id("person"), Actor::unknown(), ms(50)).await.expect("forget");
    owed(&*store, "late", 13, &["mail"]).await;
    assert!(effects_of(&*store, "mail", 100).await.is_empty(), "nothing was applied");
}

/// A lease of an effect is exclusive, ends, and settles once, as that of an event.
pub async fn leases_of_effects_hold(store: Arc<dyn Store>) {
    owed(&*store, "object", 20, &["mail"]).await;
    let first = effect_of(&*store, "mail", 20).await;
    assert!(effects_of(&*store, "mail", 119).await.is_empty(), "the lease still runs");
    assert_eq!(store.effects().next_job_due("mail".into()).await.expect("next due"), Some(ms(120)));
    let second = effect_of(&*store, "mail", 120).await;
    assert_eq!(second.attempts, 2);
    let done = JobSettlement::Done { at: ms(130) };
    assert_eq!(store.effects().settle_job(first.lease, done.clone()).await.expect("settle"), Settled::LeaseLost);
    assert_eq!(store.effects().settle_job(second.lease, done.clone()).await.expect("settle"), Settled::Written(None));
    assert_eq!(store.effects().settle_job(second.lease, done.clone()).await.expect("settle"), Settled::LeaseLost);
    let unknown = JobLease { effect: JobId(1_000), number: 1 };
    assert_eq!(store.effects().settle_job(unknown, done).await.expect("settle"), Settled::LeaseLost);
    assert!(effects_of(&*store, "mail", 10_000).await.is_empty(), "done is done");
    assert_eq!(store.effects().next_job_due("mail".into()).await.expect("next due"), None);
}

/// A retry waits and counts, a release does not count, dead is dead until it is replayed.
pub async fn effects_are_settled_and_replayed(store: Arc<dyn Store>) {
    owed(&*store, "object", 20, &["mail", "account"]).await;
    let effect = effect_of(&*store, "mail", 20).await;
    let retry = JobSettlement::Retry { due_at: ms(500), failure: JobFailure::Panicked };
    store.effects().settle_job(effect.lease, retry).await.expect("settle");
    assert!(effects_of(&*store, "mail", 499).await.is_empty());
    for _ in 0..2 {
        let effect = effect_of(&*store, "mail", 500).await;
        assert_eq!(effect.attempts, 2, "no release counted");
        store.effects().settle_job(effect.lease, JobSettlement::Release { due_at: ms(500) }).await.expect("settle");
    }
    let effect = effect_of(&*store, "mail", 500).await;
    let dead = JobSettlement::Dead { failure: JobFailure::TimedOut, at: ms(510) };
    store.effects().settle_job(effect.lease, dead).await.expect("settle");
    assert!(effects_of(&*store, "mail", 10_000).await.is_empty());
    let counts = JobCounts { pending: 1, dead: 1, oldest_pending: Some(ms(20)) };
    assert_eq!(store.effects().job_counts().await.expect("counts"), counts);
    let rows = shown(&*store, Some(JobState::Dead), None).await;
    let [row] = &rows[..] else { panic!("one is dead") };
    assert_eq!((row.failure, row.attempts), (Some(JobFailure::TimedOut), 2));
    assert_eq!((row.due_at, row.settled_at, row.applied_at), (None, Some(ms(510)), ms(20)));

    let replay = |which| store.effects().replay_jobs(which, ms(600));
    assert_eq!(replay(ReplayJobs::Dead(Some("account".into()))).await.expect("replay"), 0);
    assert_eq!(replay(ReplayJobs::One(JobId(row.id.0 + 1_000))).await.expect("replay"), 0);
    assert_eq!(replay(ReplayJobs::One(row.id)).await.expect("replay"), 1);
    assert_eq!(replay(ReplayJobs::Dead(None)).await.expect("replay"), 0, "it is pending already");
    assert!(effects_of(&*store, "mail", 599).await.is_empty());
    assert_eq!(effect_of(&*store, "mail", 600).await.attempts, 1, "it starts anew");
    assert_eq!(store.effects().settle_job(effect.lease, JobSettlement::Done { at: ms(601) }).await.expect("settle"), {
        Settled::LeaseLost
    });
}

/// Newest first, by state and handler, page after page.
pub async fn effects_are_paged_newest_first(store: Arc<dyn Store>) {
    for n in 0..4 {
        owed(&*store, &format!("object-{n}"), 20 + n, &["mail", "account"]).await;
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let filter = JobFilter { state: None, handler: Some("mail".into()), before, limit: 3 };
        let page = store.effects().list_jobs(filter).await.expect("effects");
        assert!(page.len() <= 3, "no more than asked for");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|row| (row.handler.to_string(), row.applied_at.as_millis())));
    }
    assert_eq!(seen, [23, 22, 21, 20].map(|at| ("mail".to_owned(), at)));
    assert_eq!(shown(&*store, Some(JobState::Pending), None).await.len(), 8);
    assert_eq!(shown(&*store, Some(JobState::Pending), Some("account")).await.len(), 4);
    assert!(shown(&*store, Some(JobState::Done), None).await.is_empty());
}

/// Settled effects go at their time, pending ones never; the event may go first.
pub async fn prune_removes_settled_effects(store: Arc<dyn Store>) {
    owed(&*store, "object", 20, &["done-old", "dead-new", "pending"]).await;
    let old = effect_of(&*store, "done-old", 20).await;
    store.effects().settle_job(old.lease, JobSettlement::Done { at: ms(30) }).await.expect("settle");
    let new = effect_of(&*store, "dead-new", 20).await;
    let dead = JobSettlement::Dead { failure: JobFailure::Failed, at: ms(60) };
    store.effects().settle_job(new.lease, dead).await.expect("settle");
    let prune = Prune { now: ms(100), settled_before: ms(60), tokens_before: ms(60) };
    assert_eq!(store.prune(prune).await.expect("prune"), 1, "only events are counted");
    let left: Vec<_> = shown(&*store, None, None).await.into_iter().map(|row| row.handler.to_string()).collect();
    assert_eq!(left, ["pending", "dead-new"]);
    assert!(effect_of(&*store, "pending", 100).await.identity.is_some());
}

/// Forgetting leaves what is owed, without the person.
pub async fn effects_of_the_forgotten_know_nobody(store: Arc<dyn Store>) {
    store.link(new_link("alice", "person", 5, None)).await.expect("link");
    owed(&*store, "object", 20, &["mail"]).await;
    store.forget(identity_id("person"), Actor::unknown(), ms(30)).await.expect("forget");
    let effect = effect_of(&*store, "mail", 40).await;
    assert_eq!((effect.identity, effect.subjects), (None, Vec::new()));
    store.observe(seen("person", 50)).await.expect("observe");
    assert_eq!(effect_of(&*store, "mail", 140).await.identity, None, "nor does it learn later");
}

async fn owed(store: &dyn Store, object: &str, at: i64, handlers: &[&str]) -> EventId {
    let id = accepted(store, pending(object, "token", at)).await;
    let event = claimed_one(store, at).await;
    assert_eq!(event.lease.event, id);
    store.settle(event.lease, applied(at, handlers)).await.expect("settle");
    id
}

fn applied(at: i64, handlers: &[&str]) -> Settlement {
    let handlers = handlers.iter().map(|name| Arc::from(*name)).collect();
    Settlement::Done { seen: Some(seen("person", at)), link: None, handlers, at: ms(at) }
}

async fn effects_of(store: &dyn Store, handler: &str, now: i64) -> Vec<ClaimedJob> {
    let claim = JobClaim { handler: handler.into(), now: ms(now), lease_until: ms(now + 100), limit: 10 };
    store.effects().claim_jobs(claim).await.expect("claim")
}

async fn effect_of(store: &dyn Store, handler: &str, now: i64) -> ClaimedJob {
    effects_of(store, handler, now).await.pop().expect("one effect is due")
}

async fn shown(store: &dyn Store, state: Option<JobState>, handler: Option<&str>) -> Vec<JobRow> {
    let filter = JobFilter { state, handler: handler.map(Arc::from), before: None, limit: 100 };
    store.effects().list_jobs(filter).await.expect("effects")
}
