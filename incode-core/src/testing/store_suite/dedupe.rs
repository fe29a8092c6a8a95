use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;

/// The same (kind, object, token) is one event while it is pending; another kind is another event.
pub async fn a_pending_delivery_is_known_by_its_token(store: Arc<dyn Store>) {
    let first = accepted(&*store, pending("object", "token", 10)).await;
    assert!(is_duplicate(&*store, pending("object", "token", 11)).await, "the same delivery again");
    let other_kind = NewEvent { kind: EventKind::Authentication, ..pending("object", "token", 12) };
    let second = accepted(&*store, other_kind).await;
    assert!(second > first, "ids count up");
    accepted(&*store, pending("Object", "token", 13)).await;
    assert_eq!(listed(&*store, None).await.len(), 3, "a duplicate leaves no row");
}

/// A forged delivery with a junk token comes first: the genuine one is kept all the same.
pub async fn a_junk_token_does_not_shadow_the_genuine_one(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "junk", 10)).await;
    accepted(&*store, pending("object", "genuine", 11)).await;
    let events = claimed(&*store, 20, 1_000, 10).await;
    let tokens: Vec<_> = events.iter().map(|event| event.token.clone()).collect();
    assert_eq!(tokens, [b"junk".to_vec(), b"genuine".to_vec()]);
}

/// The vendor's own delivery is an event of its own beside one that anyone could have sent: whatever becomes of that one,
/// and at whatever moment, the vendor's is still there.
pub async fn an_unauthenticated_event_does_not_shadow_the_vendor(store: Arc<dyn Store>) {
    let strangers = |at| NewEvent { authenticated: false, ..pending("object", "token", at) };
    accepted(&*store, strangers(10)).await;
    let under_way = claimed_one(&*store, 10).await;
    accepted(&*store, pending("object", "token", 11)).await;
    assert!(is_duplicate(&*store, strangers(12)).await);
    assert!(is_duplicate(&*store, pending("object", "token", 12)).await);
    let unproven = Settlement::Dead { reason: Reason::Unproven, wipe_token: true, at: ms(13) };
    store.settle(under_way.lease, unproven).await.expect("settle");
    assert!(is_duplicate(&*store, pending("object", "token", 14)).await, "it is pending still");
    let event = claimed_one(&*store, 15).await;
    assert!(event.authenticated && !event.already_done);
    assert_eq!((event.token.as_slice(), event.received_at), (b"token".as_slice(), ms(11)));
    store.settle(event.lease, done(16)).await.expect("settle");
    assert!(is_duplicate(&*store, pending("object", "token", 17)).await);
    // Both at the same moment.
    let stranger = NewEvent { authenticated: false, ..pending("another", "token", 20) };
    let (one, other) = tokio::join!(store.accept(stranger), store.accept(pending("another", "token", 20)));
    assert_ne!(one.expect("accept"), Accepted::Duplicate);
    assert_ne!(other.expect("accept"), Accepted::Duplicate);
}

/// A done event that anyone could have sent stands for the same delivery alone: not for another token, and not for the
/// vendor's own event, which may be about another person.
pub async fn an_unauthenticated_done_event_covers_itself_alone(store: Arc<dyn Store>) {
    let strangers = |token, at| NewEvent { authenticated: false, ..pending("object", token, at) };
    accepted(&*store, strangers("token", 10)).await;
    accepted(&*store, strangers("waiting", 11)).await;
    let event = claimed_one(&*store, 10).await;
    store.settle(event.lease, done(12)).await.expect("settle");
    assert!(is_duplicate(&*store, strangers("token", 13)).await, "the same delivery again");
    assert!(!claimed_one(&*store, 13).await.already_done, "another token is another event");
    accepted(&*store, strangers("fresh", 14)).await;
    accepted(&*store, pending("object", "token", 15)).await;
    let vendors = claimed(&*store, 15, 1_000, 10).await.pop().expect("due");
    assert!(vendors.authenticated && !vendors.already_done);
    store.settle(vendors.lease, done(16)).await.expect("settle");
    assert!(!is_duplicate(&*store, strangers("late", 17)).await, "nor does the vendor's stand for a stranger's");
}

/// Tokens cost a forger nothing, so the pending events of one object are bounded: what is too many is refused as busy,
/// and kept again once there is room. Other objects are not touched by it.
pub async fn a_crowd_for_one_object_is_refused(store: Arc<dyn Store>) {
    let mut kept = 0;
    let refused = loop {
        match store.accept(pending("object", &format!("token-{kept}"), 10)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept <= 1_000, "no end of a crowd");
    };
    assert_eq!(refused.kind(), StoreErrorKind::Busy);
    assert!(kept >= 16, "{kept} is less than a vendor's own retries");
    accepted(&*store, pending("other", "token", 10)).await;
    let event = claimed(&*store, 20, 1_000, 1).await.pop().expect("due");
    let dead = Settlement::Dead { reason: Reason::TokenDead, wipe_token: true, at: ms(20) };
    store.settle(event.lease, dead).await.expect("settle");
    accepted(&*store, pending("object", "one-more", 30)).await;
}

/// The bound is one for events of the vendor and another for those that anyone could have sent: a crowd of forged
/// events does not keep the genuine one out, nor does one event of the vendor take the place of a forged one.
pub async fn many_unauthenticated_events_leave_the_vendor_room(store: Arc<dyn Store>) {
    let strangers = |n: u32| NewEvent { authenticated: false, ..pending("object", &format!("forged-{n}"), 10) };
    let mut kept = 0;
    while store.accept(strangers(kept)).await.is_ok() {
        kept += 1;
        assert!(kept <= 1_000, "no end of a crowd");
    }
    accepted(&*store, pending("object", "genuine", 11)).await;
    let refused = store.accept(strangers(kept)).await.expect_err("still too many");
    assert_eq!(refused.kind(), StoreErrorKind::Busy);
    assert!(is_duplicate(&*store, strangers(0)).await, "a known delivery is known, however many wait");
}

/// Once applied, an object's later deliveries are known whatever token they carry, and its token is gone.
pub async fn only_done_suppresses_whatever_the_token(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    assert!(!is_duplicate(&*store, pending("object", "second", 11)).await, "claimed is not done");
    store.settle(event.lease, done(12)).await.expect("settle");
    assert!(is_duplicate(&*store, pending("object", "token", 13)).await);
    assert!(is_duplicate(&*store, pending("object", "third", 13)).await);
    let quarantined =
        NewEvent { state: EventState::Dead, reason: Some(Reason::BindingMismatch), ..pending("object", "fourth", 13) };
    assert!(is_duplicate(&*store, quarantined).await, "nothing is left to quarantine");
}

/// Dead events, dead from the start or after attempts, suppress neither the same token nor another.
pub async fn a_dead_event_suppresses_nothing(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    store.settle(event.lease, dead(11)).await.expect("settle");
    accepted(&*store, pending("object", "token", 12)).await;
    let quarantined =
        NewEvent { state: EventState::Dead, reason: Some(Reason::Malformed), ..pending("other", "t", 13) };
    accepted(&*store, quarantined).await;
    accepted(&*store, pending("other", "t", 14)).await;
    assert_eq!(listed(&*store, Some(EventState::Dead)).await.len(), 2);
    assert_eq!(listed(&*store, Some(EventState::Pending)).await.len(), 2);
}

/// An ignored event is kept once, settled at once, and never claimed.
pub async fn ignored_events_are_known_by_their_object(store: Arc<dyn Store>) {
    accepted(&*store, ignored("object", 10)).await;
    assert!(is_duplicate(&*store, ignored("object", 11)).await);
    let nameless = NewEvent { object_id: None, ..ignored("object", 12) };
    accepted(&*store, nameless.clone()).await;
    assert!(is_duplicate(&*store, nameless).await);
    assert!(claimed(&*store, 100, 200, 10).await.is_empty(), "ignored events are no work");
    let rows = listed(&*store, Some(EventState::Ignored)).await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.reason == Some(Reason::UnknownKind) && row.settled_at.is_some()));
}

/// The newest 10,000 ignored events are kept: the oldest gives way, and is no longer known.
pub async fn ignored_events_are_capped(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    accepted(&*store, ignored("oldest", 1)).await;
    for lot in 0..50 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in 0..200 {
                accepted(&*store, ignored(&format!("{lot}-{n}"), 10)).await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(store.counts().await.expect("counts").inbox.ignored, 10_000);
    accepted(&*store, ignored("oldest", 20)).await;
    assert_eq!(store.counts().await.expect("counts").inbox.ignored, 10_000);
}

/// There would be nothing to ask the vendor about.
pub async fn a_pending_event_needs_an_object(store: Arc<dyn Store>) {
    let refused = store.accept(NewEvent { object_id: None, ..pending("object", "token", 10) }).await;
    assert_eq!(refused.expect_err("refused").kind(), StoreErrorKind::Failed);
    assert_eq!(next_due(&*store).await, None);
}

/// 200 tasks deliver one event: one row.
pub async fn one_of_200_simultaneous_deliveries_is_new(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { is_duplicate(&*store, pending("object", "token", 10)).await });
    }
    let new = tasks.join_all().await.into_iter().filter(|duplicate| !duplicate).count();
    assert_eq!(new, 1);
    assert_eq!(store.counts().await.expect("counts").inbox.pending, 1);
}
