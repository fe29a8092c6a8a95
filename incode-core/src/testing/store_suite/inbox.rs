use std::sync::Arc;

use super::*;
use crate::store::{InboxCounts, Linked, Prune, Settled, StoreErrorKind};

/// Dead events come back by id, by reason or all together; asking twice does no more.
pub async fn replay_revives_the_dead_once(store: Arc<dyn Store>) {
    let mut ids = Vec::new();
    for (n, reason) in [Reason::TokenDead, Reason::NotFound, Reason::NotFound].into_iter().enumerate() {
        ids.push(accepted(&*store, pending(&format!("object-{n}"), "token", 10)).await);
        let event = claimed_one(&*store, 10).await;
        let settlement = Settlement::Dead { reason, wipe_token: n == 2, at: ms(11) };
        store.settle(event.lease, settlement).await.expect("settle");
    }
    let nameless = NewEvent { object_id: None, state: EventState::Dead, ..pending("x", "token", 10) };
    accepted(&*store, nameless).await;

    let one = Replay::One(ids[0]);
    assert_eq!(store.replay(one.clone(), actor("anna"), ms(100)).await.expect("replay"), 1);
    assert_eq!(store.replay(one.clone(), actor("anna"), ms(100)).await.expect("replay"), 0, "it is pending already");
    assert_eq!(store.replay(Replay::One(EventId(i64::MAX)), actor("anna"), ms(100)).await.expect("replay"), 0);
    let event = claimed_one(&*store, 100).await;
    assert_eq!((event.lease.event, event.attempts, event.token), (ids[0], 1, b"token".to_vec()));
    assert!(is_duplicate(&*store, pending("object-0", "token", 101)).await, "pending again, known again");

    assert_eq!(store.replay(dead_of(Reason::RateLimited), actor("anna"), ms(100)).await.expect("replay"), 0);
    assert_eq!(store.replay(dead_of(Reason::NotFound), actor("anna"), ms(100)).await.expect("replay"), 2);
    assert_eq!(
        store.replay(all_dead(), actor("anna"), ms(100)).await.expect("replay"),
        0,
        "no object, nothing to ask for"
    );
    let revived = claimed(&*store, 100, 900, 10).await;
    assert_eq!(revived.len(), 2);
    assert_eq!(revived[1].token, b"", "a wiped token does not come back");
    assert_eq!(revived[1].correlation_id, None);

    for event in revived {
        store.settle(event.lease, done(110)).await.expect("settle");
    }
    assert_eq!(store.replay(Replay::One(ids[1]), actor("anna"), ms(120)).await.expect("replay"), 0, "done is not dead");
    let stale = crate::store::Lease { event: ids[0], number: 1 };
    assert_eq!(store.settle(stale, done(120)).await.expect("settle"), Settled::LeaseLost);
}

/// Settled events go at their time, pending ones never; what went is no longer known.
pub async fn prune_removes_what_is_old(store: Arc<dyn Store>) {
    for object in ["done-old", "dead-old", "dead-new"] {
        accepted(&*store, pending(object, "token", 10)).await;
    }
    accepted(&*store, ignored("ignored-old", 10)).await;
    for (event, at) in claimed(&*store, 10, 900, 3).await.into_iter().zip([20, 20, 60]) {
        let settlement = if event.object_id.as_str().starts_with("done") { done(at) } else { dead(at) };
        store.settle(event.lease, settlement).await.expect("settle");
    }
    accepted(&*store, pending("pending-old", "token", 10)).await;

    let keep = Prune { now: ms(100), settled_before: ms(10), tokens_before: ms(10) };
    assert_eq!(store.prune(keep).await.expect("prune"), 0, "the bound itself stays");
    let prune = Prune { now: ms(100), settled_before: ms(50), tokens_before: ms(61) };
    assert_eq!(store.prune(prune).await.expect("prune"), 3);
    assert_eq!(store.prune(prune).await.expect("prune"), 0, "harmless when repeated");
    let names: Vec<_> = listed(&*store, None).await.into_iter().filter_map(|row| row.object_id).collect();
    assert_eq!(names.iter().map(ObjectId::as_str).collect::<Vec<_>>(), ["pending-old", "dead-new"]);

    let newest = accepted(&*store, pending("done-old", "token", 101)).await;
    accepted(&*store, ignored("ignored-old", 101)).await;
    store.replay(all_dead(), actor("anna"), ms(1_000)).await.expect("replay");
    let revived = claimed(&*store, 1_000, 2_000, 10).await;
    let wiped = revived.iter().find(|event| event.object_id.as_str() == "dead-new").expect("replayed");
    assert_eq!(wiped.token, b"", "its token was too old to keep");

    let event = revived.into_iter().find(|event| event.lease.event == newest).expect("claimed");
    store.settle(event.lease, done(1_001)).await.expect("settle");
    let all = Prune { now: ms(2_000), settled_before: ms(2_000), tokens_before: ms(2_000) };
    assert_eq!(store.prune(all).await.expect("prune"), 2);
    assert!(accepted(&*store, pending("after", "token", 2_001)).await > newest, "an id is never used twice");
}

/// A spent correlation id is remembered until it would have expired.
pub async fn prune_forgets_spent_correlation_ids(store: Arc<dyn Store>) {
    store.link(new_link("alice", "person", 0, Some(1))).await.expect("link");
    let prune = |now| Prune { now: ms(now), settled_before: ms(0), tokens_before: ms(0) };
    assert_eq!(store.prune(prune(1_000)).await.expect("prune"), 0);
    assert_eq!(store.link(new_link("alice", "person", 1, Some(1))).await.expect("link"), Linked::AlreadySpent);
    assert_eq!(store.prune(prune(1_001)).await.expect("prune"), 0, "only events are counted");
    assert!(matches!(store.link(new_link("alice", "person", 2, Some(1))).await.expect("link"), Linked::Done(_)));
}

/// Rows by state, whatever happened to them, and the age of the backlog.
pub async fn counts_follow_every_move(store: Arc<dyn Store>) {
    assert_eq!(store.counts().await.expect("counts"), InboxCounts::default());
    store.ping().await.expect("an empty store answers");
    for n in 0..4 {
        accepted(&*store, pending(&format!("object-{n}"), "token", 10 + n)).await;
    }
    accepted(&*store, ignored("object", 20)).await;
    let events = claimed(&*store, 12, 900, 3).await;
    let [first, second, third] = &events[..] else { panic!("three are due") };
    store.settle(first.lease, done(30)).await.expect("settle");
    store.settle(second.lease, dead(30)).await.expect("settle");
    let retry = Settlement::Retry { due_at: ms(5_000), reason: Reason::Malformed };
    store.settle(third.lease, retry).await.expect("settle");
    let expected = InboxCounts { pending: 2, done: 1, dead: 1, ignored: 1, oldest_pending: Some(ms(12)) };
    assert_eq!(store.counts().await.expect("counts"), expected);
    store.replay(all_dead(), actor("anna"), ms(40)).await.expect("replay");
    let prune = Prune { now: ms(50), settled_before: ms(50), tokens_before: ms(50) };
    assert_eq!(store.prune(prune).await.expect("prune"), 2);
    let expected = InboxCounts { pending: 3, oldest_pending: Some(ms(11)), ..InboxCounts::default() };
    assert_eq!(store.counts().await.expect("counts"), expected);
}

/// Newest first, by state, page after page.
pub async fn events_are_paged_newest_first(store: Arc<dyn Store>) {
    for n in 0..10 {
        let object = format!("object-{n}");
        let event = if n % 2 == 0 { pending(&object, "token", n) } else { ignored(&object, n) };
        accepted(&*store, event).await;
    }
    for (state, expected) in [
        (None, vec![9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (Some(EventState::Pending), vec![8, 6, 4, 2, 0]),
        (Some(EventState::Ignored), vec![9, 7, 5, 3, 1]),
        (Some(EventState::Dead), vec![]),
    ] {
        let mut times = Vec::new();
        let mut before = None;
        loop {
            let page =
                store.events(EventFilter { state, before, limit: 3, ..EventFilter::default() }).await.expect("events");
            assert!(page.len() <= 3, "no more than asked for");
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            times.extend(page.iter().map(|row| row.received_at.as_millis()));
            assert!(page.iter().all(|row| (row.due_at.is_some()) == (row.state == EventState::Pending)));
        }
        assert_eq!(times, expected, "{state:?}");
    }
}

/// After `close` every call says so, and closing again does no harm.
pub async fn a_closed_store_is_unavailable(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    store.close().await.expect("close");
    store.close().await.expect("close again");
    let accept = store.accept(pending("object", "token", 10)).await.expect_err("closed");
    let claim =
        store.claim(Claim { now: ms(1), lease_until: ms(2), limit: 1, newest_first: false }).await.expect_err("closed");
    let linked = store.linked(subject("alice")).await.expect_err("closed");
    let ping = store.ping().await.expect_err("closed");
    for error in [accept, claim, linked, ping] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}
