use std::sync::Arc;

use super::*;
use crate::identity::transition::EventLink;
use crate::identity::{Field, LinkProof, RetainedField};

/// Erased with its links; what was sent before stays out by every command, newer truth may come in.
pub async fn forgetting_leaves_a_tombstone(store: Arc<dyn Store>) {
    accepted(&*store, pending("early", "token", 1)).await;
    let early = claimed_one(&*store, 1).await;
    store.settle(early.lease, applied(&early, seen("person", 5), 6)).await.expect("settle");
    outcome(&*store, link("alice", "person", 10)).await;

    let forgotten = changed(&*store, forget("person", 50)).await;
    assert_eq!(forgotten, (Outcome::Forgotten(true), change("person", &["alice"])));
    assert_eq!(identity(&*store, "person").await, None);
    assert!(!is_linked(&*store, "alice").await);
    assert!(is_duplicate(&*store, pending("early", "token", 51)).await, "its events stay known");
    let again = changed(&*store, forget("person", 40)).await;
    assert_eq!(again, (Outcome::Forgotten(false), None), "nothing is left");

    assert_eq!(changed(&*store, observe(seen("person", 50))).await, (Outcome::Dropped, None));
    let refused = outcome(&*store, link("alice", "person", 45)).await;
    assert_eq!(refused, Outcome::Refused(Refusal::Forgotten), "the exchange is older than the erasure");
    accepted(&*store, pending("late", "token", 60)).await;
    let late = claimed_one(&*store, 60).await;
    let settled = store.settle(late.lease, late_event(&late, seen("person", 49), 61)).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some((Outcome::Dropped, None))));
    assert_eq!(identity(&*store, "person").await, None);
    assert_eq!(store.counts().await.expect("counts").inbox.done, 2, "the event is done all the same");

    outcome(&*store, observe(seen("person", 51))).await;
    assert!(identity(&*store, "person").await.is_some(), "newer truth may come in");
    outcome(&*store, observe(Observation { status: IdentityStatus::Revoked, ..seen("person", 50) })).await;
    let known = identity(&*store, "person").await.expect("known");
    assert_eq!(known.verified_at, Some(ms(51)), "the tombstone outlives the return");
}

/// Nothing was known: the tombstone is written all the same, and an earlier one never replaces a later.
pub async fn forgetting_the_unknown_still_holds(store: Arc<dyn Store>) {
    assert_eq!(changed(&*store, forget("person", 50)).await, (Outcome::Forgotten(false), None));
    assert_eq!(changed(&*store, forget("person", 20)).await, (Outcome::Forgotten(false), None));
    outcome(&*store, observe(seen("person", 30))).await;
    assert_eq!(identity(&*store, "person").await, None);
    outcome(&*store, observe(seen("another", 30))).await;
    assert!(identity(&*store, "another").await.is_some());
}

/// However late the vendor was asked about it: pending at that moment, under lease, or dead and replayed. The event is
/// done, enqueues nothing and links no subject. Once its identity is known again, what the vendor says counts, and the
/// event still links no subject.
pub async fn what_was_received_before_forgetting_stays_forgotten(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    accepted(&*store, pending("dead", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    store.settle(event.lease, dead(11)).await.expect("settle");
    accepted(&*store, pending("under-way", "token", 20)).await;
    let under_way = claimed(&*store, 20, 1_000, 1).await.pop().expect("due");
    accepted(&*store, pending("pending", "token", 30)).await;
    accepted(&*store, pending("late", "token", 40)).await;
    accepted(&*store, pending("same-moment", "token", 50)).await;
    outcome(&*store, forget("person", 50)).await;
    store.replay(all_dead(), actor("anna"), ms(60)).await.expect("replay");

    let mut waiting = claimed(&*store, 60, 1_000, 10).await;
    assert_eq!(waiting.len(), 4, "forgetting removes no event");
    let late = waiting.iter().position(|event| event.object_id.as_str() == "late").expect("is due");
    let late = waiting.swap_remove(late);
    store.settle(late.lease, Settlement::Retry { due_at: ms(80), reason: Reason::RateLimited }).await.expect("settle");
    for event in waiting.iter().chain([&under_way]) {
        let settled = store.settle(event.lease, late_event(event, seen("person", 61), 61)).await.expect("settle");
        assert_eq!(settled, Settled::Written(Some((Outcome::Dropped, None))), "{}", event.object_id.as_str());
    }
    assert_eq!(identity(&*store, "person").await, None);
    assert!(!is_linked(&*store, "alice").await);
    assert!(store.fields(identity_id("person"), ms(62)).await.expect("fields").is_empty());
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.inbox.done, counts.jobs.pending), (4, 0), "the events are done all the same");
    assert!(is_duplicate(&*store, pending("pending", "token", 63)).await, "and stay known");

    outcome(&*store, observe(seen("person", 70))).await;
    let revoked = Observation { status: IdentityStatus::Revoked, ..seen("person", 81) };
    let event = claimed_one(&*store, 80).await;
    let settled = store.settle(event.lease, late_event(&event, revoked, 81)).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some((Outcome::Observed, change("person", &[])))), "it is known again");
    let known = identity(&*store, "person").await.expect("known");
    assert_eq!((known.status, known.checked_at), (IdentityStatus::Revoked, ms(81)));
    assert_eq!(store.counts().await.expect("counts").jobs.pending, 1);
    assert!(!is_linked(&*store, "alice").await, "what it proved was forgotten");
}

/// The person came again: known anew, with link, fields and jobs.
pub async fn what_was_received_after_forgetting_counts(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    outcome(&*store, forget("person", 50)).await;
    accepted(&*store, pending("again", "token", 51)).await;
    let event = claimed_one(&*store, 51).await;
    let settled = store.settle(event.lease, late_event(&event, seen("person", 52), 52)).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some((Outcome::Linked, change("person", &["alice"])))));
    let linked = state_of(&*store, "alice").await.linked.expect("linked");
    assert_eq!(linked.identity.checked_at, ms(52));
    assert_eq!(store.fields(identity_id("person"), ms(53)).await.expect("fields").len(), 1);
    assert_eq!(store.counts().await.expect("counts").jobs.pending, 1);
}

/// An event that seems to be received long after the vendor was asked about it: its clock was set back since, and it
/// may have come before the tombstone.
pub async fn where_a_clock_was_set_back_the_tombstone_stands(store: Arc<dyn Store>) {
    const HOUR: i64 = 60 * 60 * 1_000;
    accepted(&*store, pending("by-the-clock-ahead", "token", HOUR)).await;
    accepted(&*store, pending("a-moment-ahead", "token", 2_000)).await;
    outcome(&*store, forget("person", 50)).await;
    outcome(&*store, forget("another", 50)).await;
    let [a_moment, an_hour] = &claimed(&*store, HOUR, 2 * HOUR, 2).await[..] else { panic!("two are due") };
    let settled = store.settle(an_hour.lease, late_event(an_hour, seen("person", 60), 61)).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some((Outcome::Dropped, None))));
    assert_eq!(identity(&*store, "person").await, None);
    // Clocks are put right by little all the time.
    let settled = store.settle(a_moment.lease, late_event(a_moment, seen("another", 60), 61)).await.expect("settle");
    assert!(matches!(settled, Settled::Written(Some((Outcome::Linked, Some(_))))), "{settled:?}");
}

/// Pending links and confirmations of the identity go with it, and tokens and nonces stay used.
pub async fn forgetting_erases_pending_links_and_confirmations(store: Arc<dyn Store>) {
    let back = request(Command::Return(callback("alice", "person", 10)), 10);
    assert_eq!(outcome(&*store, back.clone()).await, Outcome::Pending);
    let other = request(Command::Return(callback("bob", "another", 10)), 10);
    assert_eq!(outcome(&*store, other).await, Outcome::Pending);
    let forgotten = changed(&*store, forget("person", 50)).await;
    assert_eq!(forgotten, (Outcome::Forgotten(true), change("person", &["alice"])));
    assert_eq!(state_of(&*store, "alice").await, SubjectState::default());
    assert!(state_of(&*store, "bob").await.pending.is_some(), "of this identity only");
    assert_eq!(outcome(&*store, back).await, Outcome::Refused(Refusal::NonceUsed));
}

/// The settlement of an event that brings a field, a link of alice and a job.
fn late_event(event: &ClaimedEvent, mut seen: Observation, at: i64) -> Settlement {
    seen.fields = vec![RetainedField { field: Field::Email, sealed: b"sealed".to_vec(), expires_at: ms(at + 1_000) }];
    let link = EventLink { subject: subject("alice"), proof: LinkProof::Webhook, nonce: None };
    apply(ApplyEvent { link: Some(link), ..applying(event, seen) }, &on_event(&["welcome"]), at)
}
