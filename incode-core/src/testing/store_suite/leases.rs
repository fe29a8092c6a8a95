use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;
use crate::identity::LinkProof;
use crate::identity::transition::EventLink;

/// Nothing of an event is lost between accept and claim.
pub async fn claims_give_what_was_accepted(store: Arc<dyn Store>) {
    let id = accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    assert_eq!(event.lease.event, id);
    assert_eq!(event.kind, EventKind::Verification);
    assert_eq!(event.object_id.as_str(), "object");
    assert_eq!(event.token, b"token");
    assert_eq!(event.correlation_id.as_deref(), Some("correlation of object"));
    assert_eq!(event.vendor_time, Some(ms(9)));
    assert_eq!(event.received_at, ms(10));
    assert_eq!(event.attempts, 1, "the first claim is the first attempt");
    assert!(event.authenticated && !event.already_done);
    accepted(&*store, NewEvent { authenticated: false, ..pending("forged", "token", 11) }).await;
    assert!(!claimed_one(&*store, 11).await.authenticated);
}

/// Oldest due first, never what is not due, never more than asked for.
pub async fn claims_take_the_oldest_due_first(store: Arc<dyn Store>) {
    for (object, at) in [("c", 30), ("a", 10), ("d", 40), ("b", 20)] {
        accepted(&*store, pending(object, "token", at)).await;
    }
    assert_eq!(next_due(&*store).await, Some(ms(10)));
    assert!(claimed(&*store, 9, 100, 10).await.is_empty(), "nothing is due yet");
    let names = |events: Vec<ClaimedEvent>| -> Vec<String> {
        events.iter().map(|event| event.object_id.as_str().to_owned()).collect()
    };
    let first = store.claim(claim(35, 100, 2)).await.expect("claim");
    assert_eq!(first.next_due, Some(ms(30)), "the claim says what it left");
    assert_eq!(names(first.events), ["a", "b"]);
    assert_eq!(names(claimed(&*store, 35, 100, 2).await), ["c"]);
    assert_eq!(next_due(&*store).await, Some(ms(40)));
    assert!(claimed(&*store, 50, 100, 0).await.is_empty(), "none were asked for");
}

/// A claim may ask for what became due last, and gets nothing that is not due.
pub async fn a_claim_may_take_the_newest_first(store: Arc<dyn Store>) {
    for (object, at) in [("a", 10), ("b", 20), ("c", 30), ("d", 40)] {
        accepted(&*store, pending(object, "token", at)).await;
    }
    let claim = Claim { now: ms(35), lease_until: ms(100), limit: 2, newest_first: true };
    let events = store.claim(claim).await.expect("claim").events;
    let names: Vec<_> = events.iter().map(|event| event.object_id.as_str()).collect();
    assert_eq!(names, ["c", "b"]);
}

/// Under a lease an event is not due; when the lease ends it is, and the attempt was counted.
pub async fn a_lease_is_exclusive_until_it_ends(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let first = claimed(&*store, 10, 50, 10).await.pop().expect("due");
    let under_lease = store.claim(claim(49, 90, 10)).await.expect("claim");
    assert!(under_lease.events.is_empty(), "the lease still runs");
    assert_eq!(under_lease.next_due, Some(ms(50)), "the end of the lease is the next due time");
    let second = claimed(&*store, 50, 90, 10).await.pop().expect("the lease ended");
    assert_eq!(second.attempts, 2);
    assert_ne!(first.lease, second.lease);
}

/// A settlement without a lease changes nothing: no state, no identity, no link.
pub async fn a_lost_lease_writes_nothing(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let slow = claimed(&*store, 10, 50, 10).await.pop().expect("due");
    let quick = claimed(&*store, 50, 90, 10).await.pop().expect("due again");
    let applied = |event: &ClaimedEvent| {
        let link = EventLink { subject: subject("alice"), proof: LinkProof::Webhook, nonce: Some(nonce(1, 20)) };
        let applying = ApplyEvent { link: Some(link), ..applying(event, seen("person", 20)) };
        apply(applying, &on_event(&["welcome"]), 60)
    };
    assert_eq!(store.settle(slow.lease, applied(&slow)).await.expect("settle"), Settled::LeaseLost);
    assert_eq!(store.settle(slow.lease, dead(60)).await.expect("settle"), Settled::LeaseLost);
    assert_eq!(identity(&*store, "person").await, None);
    assert!(!is_linked(&*store, "alice").await);
    assert!(owed(&*store).await.is_empty());
    assert_eq!(listed(&*store, Some(EventState::Pending)).await.len(), 1);
    let settled = store.settle(quick.lease, applied(&quick)).await.expect("settle");
    assert!(matches!(settled, Settled::Written(Some((Outcome::Linked, Some(_))))), "{settled:?}");
}

/// Late, but the only one at work: the work counts.
pub async fn an_ended_lease_that_was_not_taken_still_settles(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed(&*store, 10, 50, 1).await.pop().expect("due");
    assert_eq!(store.settle(event.lease, done(500)).await.expect("settle"), Settled::Written(None));
}

/// Every settlement ends the lease, a retry as much as done.
pub async fn a_lease_settles_once(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    let retry = Settlement::Retry { due_at: ms(20), reason: Reason::RateLimited };
    assert_eq!(store.settle(event.lease, retry).await.expect("settle"), Settled::Written(None));
    assert_eq!(store.settle(event.lease, done(21)).await.expect("settle"), Settled::LeaseLost);
    let event = claimed_one(&*store, 20).await;
    store.settle(event.lease, done(22)).await.expect("settle");
    assert_eq!(store.settle(event.lease, done(23)).await.expect("settle"), Settled::LeaseLost);
    let unknown = Lease { event: EventId(event.lease.event.0 + 1_000), number: 1 };
    assert_eq!(store.settle(unknown, done(24)).await.expect("settle"), Settled::LeaseLost);
}

/// A retry keeps the event pending until it is due, with the reason beside it.
pub async fn a_retry_waits_and_counts(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    let retry = Settlement::Retry { due_at: ms(500), reason: Reason::VendorUnavailable };
    store.settle(event.lease, retry).await.expect("settle");
    let row = listed(&*store, None).await.pop().expect("one row");
    assert_eq!((row.state, row.reason), (EventState::Pending, Some(Reason::VendorUnavailable)));
    assert_eq!((row.attempts, row.due_at), (1, Some(ms(500))));
    assert!(claimed(&*store, 499, 900, 1).await.is_empty());
    assert!(is_duplicate(&*store, pending("object", "token", 11)).await, "it is still pending");
    let again = claimed_one(&*store, 500).await;
    assert_eq!((again.attempts, again.token), (2, b"token".to_vec()));
}

/// Given back: the attempt does not count, a reason is kept if the vendor was the cause.
pub async fn a_release_takes_the_attempt_back(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    for reason in [None, Some(Reason::KeyRefused), None] {
        let event = claimed_one(&*store, 10).await;
        assert_eq!(event.attempts, 1, "no release counted");
        store.settle(event.lease, Settlement::Release { due_at: ms(10), reason }).await.expect("settle");
    }
    let row = listed(&*store, None).await.pop().expect("one row");
    assert_eq!((row.attempts, row.reason), (0, Some(Reason::KeyRefused)));
}

/// Eight workers claim 300 events in small lots: each is handed out once.
pub async fn simultaneous_claims_never_share_an_event(store: Arc<dyn Store>) {
    for n in 0..300 {
        accepted(&*store, pending(&format!("object-{n}"), "token", 10)).await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let lot = claimed(&*store, 10, 10_000, 7).await;
                if lot.is_empty() {
                    return mine;
                }
                mine.extend(lot.into_iter().map(|event| event.lease.event));
            }
        });
    }
    let all: Vec<_> = tasks.join_all().await.concat();
    assert_eq!(all.len(), 300, "each event is handed out");
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 300, "and to one worker only");
}

/// When another delivery of the object was applied, the claim says there is nothing left to do.
pub async fn a_sibling_of_a_done_event_says_so(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "first", 10)).await;
    accepted(&*store, pending("object", "second", 20)).await;
    let first = claimed_one(&*store, 10).await;
    store.settle(first.lease, done(11)).await.expect("settle");
    let second = claimed_one(&*store, 20).await;
    assert!(second.already_done);
    store.settle(second.lease, done(21)).await.expect("settle");
    assert_eq!(store.counts().await.expect("counts").inbox.done, 2);
}

/// Renewing moves the end of a lease that is held: the event is not handed out before the new end.
pub async fn a_renewed_lease_holds_longer(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    accepted(&*store, pending("other", "token", 10)).await;
    let events = claimed(&*store, 10, 50, 2).await;
    let [first, second] = &events[..] else { panic!("two are due") };
    store.renew(vec![first.lease], ms(90)).await.expect("renew");
    assert_eq!(next_due(&*store).await, Some(ms(50)));
    let taken = claimed(&*store, 89, 200, 10).await;
    assert_eq!(taken.iter().map(|event| event.lease.event).collect::<Vec<_>>(), [second.lease.event]);
    assert_eq!(store.settle(first.lease, done(95)).await.expect("settle"), Settled::Written(None));
    store.renew(Vec::new(), ms(100)).await.expect("renewing none is no error");
}

/// An ended lease that was not taken is still held, and may be renewed.
pub async fn an_ended_lease_that_was_not_taken_is_renewed(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed(&*store, 10, 50, 1).await.pop().expect("due");
    store.renew(vec![event.lease], ms(90)).await.expect("renew");
    assert!(claimed(&*store, 60, 200, 10).await.is_empty());
    assert_eq!(claimed(&*store, 90, 200, 10).await.len(), 1);
}

/// A lease that was lost stays lost: renewing it neither gives it back nor moves the lease of the next holder, and an
/// event that was settled does not become due by it.
pub async fn a_lost_lease_is_not_renewed(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let slow = claimed(&*store, 10, 50, 1).await.pop().expect("due");
    let quick = claimed(&*store, 50, 90, 1).await.pop().expect("due again");
    let unknown = Lease { event: EventId(quick.lease.event.0 + 1_000), number: 1 };
    store.renew(vec![slow.lease, unknown], ms(500)).await.expect("renew");
    assert_eq!(next_due(&*store).await, Some(ms(90)));
    assert_eq!(store.settle(slow.lease, done(60)).await.expect("settle"), Settled::LeaseLost);
    assert_eq!(store.settle(quick.lease, done(60)).await.expect("settle"), Settled::Written(None));
    store.renew(vec![quick.lease], ms(500)).await.expect("renew");
    assert_eq!(next_due(&*store).await, None);
    assert!(claimed(&*store, 1_000, 2_000, 10).await.is_empty());
}

/// Events that nothing speaks for are claimed after all others, whichever became due first, from both ends of the queue.
pub async fn implausible_events_are_claimed_last(store: Arc<dyn Store>) {
    let forged = |object, at| NewEvent { implausible: true, authenticated: false, ..pending(object, "token", at) };
    for event in [forged("forged-1", 10), pending("genuine-1", "token", 20), forged("forged-2", 30)] {
        accepted(&*store, event).await;
    }
    accepted(&*store, pending("genuine-2", "token", 40)).await;
    assert_eq!(next_due(&*store).await, Some(ms(10)), "they are due all the same");
    let names = |events: Vec<ClaimedEvent>| -> Vec<String> {
        events.iter().map(|event| event.object_id.as_str().to_owned()).collect()
    };
    let newest = store.claim(Claim { newest_first: true, ..claim(50, 60, 3) }).await.expect("claim").events;
    assert_eq!(names(newest), ["genuine-2", "genuine-1", "forged-2"]);
    assert_eq!(names(claimed(&*store, 60, 70, 3).await), ["genuine-1", "genuine-2", "forged-1"]);
    let event = claimed(&*store, 60, 70, 3).await.pop().expect("the second forged one is due");
    let retry = Settlement::Retry { due_at: ms(65), reason: Reason::VendorUnavailable };
    store.settle(event.lease, retry).await.expect("settle");
    assert_eq!(
        names(claimed(&*store, 70, 80, 3).await),
        ["genuine-1", "genuine-2", "forged-2"],
        "a retry keeps its class"
    );
}
