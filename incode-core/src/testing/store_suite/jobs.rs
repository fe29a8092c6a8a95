use std::sync::Arc;

use super::*;
use crate::identity::transition::JobCause;
use crate::store::{AuditAction, ClaimedJobs, JobCounts, JobFailure, JobId, JobLease, JobSettlement, ReplayJobs};

/// An applied event enqueues one job for each named handler, due at once, with what is known at the claim.
pub async fn an_applied_event_owes_each_handler_once(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    let event = event_owing(&*store, "object", 20, &["mail", "account"]).await;
    assert_eq!(next_job_due(&*store, "mail").await, Some(ms(20)));
    assert_eq!(next_job_due(&*store, "other").await, None);
    assert!(jobs_of(&*store, "other", 100).await.is_empty(), "another handler's jobs");
    assert!(jobs_of(&*store, "mail", 19).await.is_empty(), "not due before it was applied");
    for handler in ["mail", "account"] {
        let jobs = jobs_of(&*store, handler, 20).await;
        let [job] = &jobs[..] else { panic!("one for {handler}") };
        let cause = JobCause::Event { event, kind: EventKind::Verification, object_id: object_id("object") };
        assert_eq!((&job.cause, job.caused_at, job.attempts), (&cause, ms(20), 1));
        assert_eq!(job.identity, identity(&*store, "person").await);
        assert_eq!(job.subjects, [subject("alice")]);
    }
}

/// Nothing applied, no job; nor for a second event of an object that was applied, nor for a forgotten identity.
pub async fn only_the_first_application_owes(store: Arc<dyn Store>) {
    accepted(&*store, pending("bare", "token", 10)).await;
    let bare = claimed_one(&*store, 10).await;
    store.settle(bare.lease, done(11)).await.expect("settle");

    accepted(&*store, pending("object", "first", 10)).await;
    accepted(&*store, pending("object", "second", 10)).await;
    for event in claimed(&*store, 10, 100, 2).await {
        store.settle(event.lease, owing(&event, 12, &["mail"])).await.expect("settle");
    }
    assert_eq!(jobs_of(&*store, "mail", 100).await.len(), 1, "two workers applied one object");

    outcome(&*store, forget("person", 50)).await;
    event_owing(&*store, "late", 13, &["mail"]).await;
    assert!(jobs_of(&*store, "mail", 100).await.is_empty(), "nothing was applied");
}

/// "Done" is keyed with the identity it was applied to: an event that anyone could have sent, applied to one person,
/// leaves the vendor's own event about another person its handlers. A second one about the same person owes nothing.
pub async fn an_object_is_applied_once_to_each_identity(store: Arc<dyn Store>) {
    let rules = on_event(&["mail"]);
    let forged = |token, at| NewEvent { authenticated: false, ..pending("object", token, at) };
    deliver(&*store, forged("forged", 10), seen("mallory", 10), &rules, |_| {}).await;
    deliver(&*store, pending("object", "token", 20), seen("person", 20), &rules, |_| {}).await;
    assert_eq!(owed(&*store).await, ["mail", "mail"], "the vendor's own was not swallowed");
    deliver(&*store, forged("again", 30), seen("person", 30), &rules, |_| {}).await;
    assert_eq!(owed(&*store).await, ["mail", "mail"], "the object was applied to this person before");
    assert_eq!(identity(&*store, "person").await.expect("known").checked_at, ms(30), "it is merged all the same");
}

/// A lease of a job is exclusive, ends, and settles once, as that of an event.
pub async fn leases_of_jobs_hold(store: Arc<dyn Store>) {
    event_owing(&*store, "object", 20, &["mail"]).await;
    let first = job_of(&*store, "mail", 20).await;
    assert!(jobs_of(&*store, "mail", 119).await.is_empty(), "the lease still runs");
    assert_eq!(next_job_due(&*store, "mail").await, Some(ms(120)));
    let second = job_of(&*store, "mail", 120).await;
    assert_eq!(second.attempts, 2);
    let done = JobSettlement::Done { at: ms(130) };
    assert!(!store.settle_job(first.lease, done.clone()).await.expect("settle"), "the lease is lost");
    assert!(store.settle_job(second.lease, done.clone()).await.expect("settle"));
    assert!(!store.settle_job(second.lease, done.clone()).await.expect("settle"), "a lease settles once");
    let unknown = JobLease { job: JobId(second.lease.job.0 + 1_000), number: 1 };
    assert!(!store.settle_job(unknown, done).await.expect("settle"));
    assert!(jobs_of(&*store, "mail", 10_000).await.is_empty(), "done is done");
    assert_eq!(next_job_due(&*store, "mail").await, None);
}

/// A lease of a job that is renewed goes on; one that was lost or settled is not brought back.
pub async fn leases_of_jobs_are_renewed(store: Arc<dyn Store>) {
    event_owing(&*store, "object", 20, &["mail"]).await;
    let renew = async |lease: JobLease, until| store.renew_jobs(vec![lease], ms(until)).await.expect("renew");
    let first = job_of(&*store, "mail", 20).await;
    renew(first.lease, 300).await;
    assert_eq!(next_job_due(&*store, "mail").await, Some(ms(300)));
    assert!(jobs_of(&*store, "mail", 299).await.is_empty(), "the lease goes on");
    let second = job_of(&*store, "mail", 300).await;
    assert_eq!(second.attempts, 2, "no renewal counts");
    renew(first.lease, 10_000).await;
    let due = next_job_due(&*store, "mail").await;
    assert!(due.is_some_and(|due| due < ms(10_000)), "the first lease was lost: {due:?}");
    let unknown = JobLease { job: JobId(second.lease.job.0 + 1_000), number: 1 };
    store.renew_jobs(vec![unknown, second.lease], ms(900)).await.expect("renew");
    assert_eq!(next_job_due(&*store, "mail").await, Some(ms(900)), "one that is unknown holds up no other");
    assert!(store.settle_job(second.lease, JobSettlement::Done { at: ms(901) }).await.expect("settle"));
    renew(second.lease, 10_000).await;
    store.renew_jobs(Vec::new(), ms(10_000)).await.expect("renew nothing");
    assert_eq!(next_job_due(&*store, "mail").await, None, "done is done");
    assert_eq!(store.counts().await.expect("counts").jobs.pending, 0);
}

/// A retry waits and counts, a release does not count, dead is dead until it is replayed. Each replay leaves a trail.
pub async fn jobs_are_settled_and_replayed(store: Arc<dyn Store>) {
    event_owing(&*store, "object", 20, &["mail", "account"]).await;
    let job = job_of(&*store, "mail", 20).await;
    let retry = JobSettlement::Retry { due_at: ms(500), failure: JobFailure::Panicked };
    store.settle_job(job.lease, retry).await.expect("settle");
    assert!(jobs_of(&*store, "mail", 499).await.is_empty());
    for _ in 0..2 {
        let job = job_of(&*store, "mail", 500).await;
        assert_eq!(job.attempts, 2, "no release counted");
        store.settle_job(job.lease, JobSettlement::Release { due_at: ms(500) }).await.expect("settle");
    }
    let job = job_of(&*store, "mail", 500).await;
    let dead = JobSettlement::Dead { failure: JobFailure::TimedOut, at: ms(510) };
    store.settle_job(job.lease, dead).await.expect("settle");
    assert!(jobs_of(&*store, "mail", 10_000).await.is_empty());
    let counts = JobCounts { pending: 1, dead: 1, oldest_pending: Some(ms(20)) };
    assert_eq!(store.counts().await.expect("counts").jobs, counts);
    let rows = listed_jobs(&*store, Some(JobState::Dead), None).await;
    let [row] = &rows[..] else { panic!("one is dead") };
    assert_eq!((row.failure, row.attempts), (Some(JobFailure::TimedOut), 2));
    assert_eq!((row.due_at, row.settled_at, row.caused_at), (None, Some(ms(510)), ms(20)));
    assert_eq!(row.cause.as_ref(), Some(&job.cause));

    let replay = |which| store.replay_jobs(which, actor("anna"), ms(600));
    let replays = [
        (ReplayJobs::Dead(Some("account".into())), 0),
        (ReplayJobs::One(JobId(row.id.0 + 1_000)), 0),
        (ReplayJobs::One(row.id), 1),
        (ReplayJobs::Dead(None), 0),
    ];
    for (which, expected) in replays.clone() {
        assert_eq!(replay(which.clone()).await.expect("replay"), expected, "{which:?}");
    }
    assert!(jobs_of(&*store, "mail", 599).await.is_empty());
    assert_eq!(job_of(&*store, "mail", 600).await.attempts, 1, "it starts anew");
    assert!(!store.settle_job(job.lease, JobSettlement::Done { at: ms(601) }).await.expect("settle"));

    let trail = store.audits(10, None).await.expect("audits");
    let replayed: Vec<_> = trail.into_iter().rev().map(|audit| (audit.action, audit.count)).collect();
    assert_eq!(replayed, replays.map(|(which, count)| (AuditAction::ReplayJobs(which), count)));
}

/// Newest first, by state and handler, page after page.
pub async fn jobs_are_paged_newest_first(store: Arc<dyn Store>) {
    for n in 0..4 {
        event_owing(&*store, &format!("object-{n}"), 20 + n, &["mail", "account"]).await;
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let filter = JobFilter { state: None, handler: Some("mail".into()), before, limit: 3 };
        let page = store.jobs(filter).await.expect("jobs");
        assert!(page.len() <= 3, "no more than asked for");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|row| (row.handler.to_string(), row.caused_at.as_millis())));
    }
    assert_eq!(seen, [23, 22, 21, 20].map(|at| ("mail".to_owned(), at)));
    assert_eq!(listed_jobs(&*store, Some(JobState::Pending), None).await.len(), 8);
    assert_eq!(listed_jobs(&*store, Some(JobState::Pending), Some("account")).await.len(), 4);
    assert!(listed_jobs(&*store, Some(JobState::Done), None).await.is_empty());
}

/// Settled jobs go at their time, pending ones never; the event may go first.
pub async fn prune_removes_settled_jobs(store: Arc<dyn Store>) {
    event_owing(&*store, "object", 20, &["done-old", "dead-new", "pending"]).await;
    let old = job_of(&*store, "done-old", 20).await;
    store.settle_job(old.lease, JobSettlement::Done { at: ms(30) }).await.expect("settle");
    let new = job_of(&*store, "dead-new", 20).await;
    let dead = JobSettlement::Dead { failure: JobFailure::Failed, at: ms(60) };
    store.settle_job(new.lease, dead).await.expect("settle");
    assert_eq!(store.prune(prune(100, 60, 60)).await.expect("prune"), 1, "only events are counted");
    let left: Vec<_> = listed_jobs(&*store, None, None).await.into_iter().map(|row| row.handler.to_string()).collect();
    assert_eq!(left, ["pending", "dead-new"]);
    assert!(job_of(&*store, "pending", 100).await.identity.is_some());
}

/// Forgetting leaves the jobs, without the identity: the handlers are called without it.
pub async fn jobs_of_the_forgotten_name_no_identity(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    event_owing(&*store, "object", 20, &["mail"]).await;
    outcome(&*store, forget("person", 30)).await;
    let job = job_of(&*store, "mail", 40).await;
    assert_eq!((job.identity, job.subjects), (None, Vec::new()));
    outcome(&*store, observe(seen("person", 50))).await;
    assert_eq!(job_of(&*store, "mail", 140).await.identity, None, "nor does it name it later");
}

/// `on_verified`: one job for each subject and handler when link and ACTIVE are true together for the first time, and
/// for those that wait for it, VERIFIED; whatever comes afterwards.
pub async fn a_verified_subject_gets_one_job(store: Arc<dyn Store>) {
    let rules = on_standing();
    let waiting = Observation { status: IdentityStatus::from("PENDING"), verified: None, ..seen("person", 10) };
    outcome(&*store, link_under(&rules, "alice", waiting)).await;
    assert!(owed(&*store).await.is_empty(), "linked, and not ACTIVE");
    let active = Observation { verified: None, ..seen("person", 20) };
    outcome(&*store, under(&rules, observe(active.clone()))).await;
    assert_eq!(owed(&*store).await, ["open"], "ACTIVE, and not VERIFIED");
    let job = job_of(&*store, "open", 20).await;
    assert_eq!(job.cause, JobCause::Verified { subject: subject("alice"), linked_at: ms(10) });
    assert_eq!((job.caused_at, &job.subjects[..]), (ms(20), &[subject("alice")][..]));
    outcome(&*store, under(&rules, observe(seen("person", 30)))).await;
    assert_eq!(owed(&*store).await, ["check", "open"]);

    let revoked = Observation { status: IdentityStatus::Revoked, ..seen("person", 40) };
    outcome(&*store, under(&rules, observe(revoked))).await;
    outcome(&*store, under(&rules, observe(seen("person", 50)))).await;
    outcome(&*store, under(&rules, link("alice", "person", 60))).await;
    assert_eq!(owed(&*store).await, ["check", "open", "shut"], "once, however often it is ACTIVE again");
    let link = state_of(&*store, "alice").await.linked.expect("linked").link;
    assert_eq!((link.active_since, link.verified_since), (Some(ms(20)), Some(ms(30))));
}

/// `on_revoked`: one job for each linked subject of each revocation, not of each time that the vendor repeats it.
pub async fn a_revocation_enqueues_one_job_for_each_subject(store: Arc<dyn Store>) {
    let rules = Rules { shared_identities: true, ..on_standing() };
    for name in ["alice", "bob"] {
        outcome(&*store, link_under(&rules, name, seen("person", 10))).await;
    }
    let revoked = |at| Observation { status: IdentityStatus::Revoked, ..seen("person", at) };
    outcome(&*store, under(&rules, observe(revoked(20)))).await;
    outcome(&*store, under(&rules, observe(revoked(30)))).await;
    let event = pending("object", "token", 31);
    deliver(&*store, event, revoked(32), &rules, |_| {}).await;
    let of = |name, at| JobCause::Revoked { subject: subject(name), checked_at: ms(at) };
    let causes: Vec<_> = jobs_of(&*store, "shut", 40).await.into_iter().map(|job| job.cause).collect();
    assert!(causes.len() == 2 && causes.contains(&of("alice", 20)) && causes.contains(&of("bob", 20)), "{causes:?}");
    outcome(&*store, under(&rules, observe(seen("person", 200)))).await;
    outcome(&*store, unlink("bob", 205)).await;
    outcome(&*store, under(&rules, observe(revoked(210)))).await;
    let jobs = listed_jobs(&*store, None, Some("shut")).await;
    assert_eq!(jobs.len(), 3, "a second revocation is another one");
    assert_eq!(jobs[0].cause, Some(of("alice", 210)));
}

/// A done job no longer names its subject; a dead one does, for it may be replayed.
pub async fn a_done_job_names_no_subject(store: Arc<dyn Store>) {
    outcome(&*store, link_under(&on_standing(), "alice", seen("person", 10))).await;
    let open = job_of(&*store, "open", 10).await;
    store.settle_job(open.lease, JobSettlement::Done { at: ms(20) }).await.expect("settle");
    let check = job_of(&*store, "check", 10).await;
    let dead = JobSettlement::Dead { failure: JobFailure::Failed, at: ms(20) };
    store.settle_job(check.lease, dead).await.expect("settle");
    let done = listed_jobs(&*store, Some(JobState::Done), None).await.pop().expect("one is done");
    assert_eq!(done.cause, None);
    let dead = listed_jobs(&*store, Some(JobState::Dead), None).await.pop().expect("one is dead");
    assert_eq!(dead.cause, Some(check.cause));
    let event = event_owing(&*store, "object", 30, &["mail"]).await;
    let mail = job_of(&*store, "mail", 30).await;
    store.settle_job(mail.lease, JobSettlement::Done { at: ms(40) }).await.expect("settle");
    let row = listed_jobs(&*store, None, Some("mail")).await.pop().expect("listed");
    assert!(matches!(row.cause, Some(JobCause::Event { event: of, .. }) if of == event), "an event is no person");
}

/// A pending job of a forgotten identity still names its subject, or its handler could not be called.
pub async fn a_pending_job_keeps_its_subject(store: Arc<dyn Store>) {
    outcome(&*store, link_under(&on_standing(), "alice", seen("person", 10))).await;
    outcome(&*store, forget("person", 20)).await;
    let job = job_of(&*store, "open", 30).await;
    assert_eq!(job.cause, JobCause::Verified { subject: subject("alice"), linked_at: ms(10) });
    assert_eq!((job.identity, job.subjects), (None, Vec::new()));
}

async fn event_owing(store: &dyn Store, object: &str, at: i64, handlers: &[&str]) -> EventId {
    let id = accepted(store, pending(object, "token", at)).await;
    let event = claimed_one(store, at).await;
    assert_eq!(event.lease.event, id);
    store.settle(event.lease, owing(&event, at, handlers)).await.expect("settle");
    id
}

fn owing(event: &ClaimedEvent, at: i64, handlers: &[&str]) -> Settlement {
    apply(applying(event, seen("person", at)), &on_event(handlers), at)
}

/// The same command under other rules; linking on userinfo alone stays allowed.
fn under(rules: &Rules, request: ChangeRequest) -> ChangeRequest {
    let rules = Rules { trust_userinfo_alone: true, ..rules.clone() };
    ChangeRequest { rules: Arc::new(rules), ..request }
}

/// A callback that links on userinfo alone, and says this of the identity.
fn link_under(rules: &Rules, subject_name: &str, seen: Observation) -> ChangeRequest {
    let at = seen.sent_at.as_millis();
    let back = callback(subject_name, seen.identity_id.as_str(), at);
    under(rules, request(Command::Return(Return { seen, ..back }), at))
}

async fn next_job_due(store: &dyn Store, handler: &str) -> Option<Timestamp> {
    let claim = JobClaim { handler: handler.into(), now: ms(0), lease_until: ms(1), limit: 0 };
    let ClaimedJobs { jobs, next_due } = store.claim_jobs(claim).await.expect("claim");
    assert!(jobs.is_empty(), "none were asked for");
    next_due
}
