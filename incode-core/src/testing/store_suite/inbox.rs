use std::sync::Arc;

use super::*;
use crate::store::EventDetail;

/// State, reason and kind: all that is asked for must hold.
pub async fn events_are_filtered(store: Arc<dyn Store>) {
    some_dead(&*store).await;
    accepted(&*store, pending("waiting", "token", 50)).await;
    accepted(&*store, ignored("unheard", 60)).await;
    let ids = |filter: EventFilter| async {
        let rows = store.events(filter).await.expect("events");
        rows.iter().map(|row| row.received_at.as_millis()).collect::<Vec<_>>()
    };
    let any = EventFilter::default;
    let not_found = Some(Reason::NotFound);
    let faces = Some(EventKind::Authentication);
    assert_eq!(ids(any()).await, [60, 50, 30, 20, 10]);
    assert_eq!(ids(EventFilter { reason: not_found, ..any() }).await, [30, 20]);
    assert_eq!(ids(EventFilter { kind: faces.clone(), ..any() }).await, [30]);
    assert_eq!(ids(EventFilter { kind: Some(EventKind::from("unheard.of")), ..any() }).await, [60]);
    let dead = Some(EventState::Dead);
    assert_eq!(ids(EventFilter { state: dead, kind: Some(EventKind::Verification), ..any() }).await, [20, 10]);
    assert_eq!(ids(EventFilter { state: dead, reason: not_found, kind: faces, ..any() }).await, [30]);
    let page = EventFilter { state: dead, reason: not_found, limit: 1, ..any() };
    assert_eq!(ids(page.clone()).await, [30]);
    let first = store.events(page.clone()).await.expect("events").pop().map(|row| row.id);
    assert_eq!(ids(EventFilter { before: first, ..page }).await, [20]);
    assert_eq!(ids(EventFilter { state: Some(EventState::Pending), reason: not_found, ..any() }).await, [0_i64; 0]);
}

/// Dead events are replayed by reason, kind and time of acceptance.
pub async fn dead_events_are_chosen_by_filter(store: Arc<dyn Store>) {
    some_dead(&*store).await;
    let any = DeadFilter::default;
    let replay = |filter| store.replay(Replay::Dead(filter), actor("anna"), ms(100));
    let none = DeadFilter { kind: Some(EventKind::from("unheard.of")), ..any() };
    assert_eq!(replay(none).await.expect("replay"), 0);
    let early = DeadFilter { reason: Some(Reason::NotFound), accepted_before: Some(ms(20)), ..any() };
    assert_eq!(replay(early).await.expect("replay"), 0, "the bound itself is not before it");
    let early = DeadFilter { accepted_before: Some(ms(20)), ..any() };
    assert_eq!(replay(early).await.expect("replay"), 1);
    let faces = DeadFilter { reason: Some(Reason::NotFound), kind: Some(EventKind::Authentication), ..any() };
    assert_eq!(replay(faces.clone()).await.expect("replay"), 1);
    assert_eq!(replay(faces).await.expect("replay"), 0);
    let left: Vec<_> = listed(&*store, Some(EventState::Dead)).await.iter().map(|row| row.received_at).collect();
    assert_eq!(left, [ms(20)]);
}

/// One event: its row, whether its token is kept, whether its object is done meanwhile.
pub async fn one_event_is_shown_as_far_as_it_may_be(store: Arc<dyn Store>) {
    let inspect = async |id| store.event(id).await.expect("event");
    let id = accepted(&*store, pending("object", "token", 10)).await;
    assert!(inspect(EventId(id.0 + 1)).await.is_none());
    let waiting = inspect(id).await.expect("known");
    assert_eq!((waiting.row.id, waiting.row.state, waiting.row.attempts), (id, EventState::Pending, 0));
    assert_eq!(waiting.vendor_time, Some(ms(9)));
    assert!(matches!(waiting, EventDetail { has_token: true, object_done: false, .. }));

    let event = claimed_one(&*store, 10).await;
    store.settle(event.lease, dead(11)).await.expect("settle");
    let second = accepted(&*store, pending("object", "fresh", 12)).await;
    let event = claimed_one(&*store, 12).await;
    store.settle(event.lease, done(13)).await.expect("settle");
    let gone = inspect(id).await.expect("known");
    assert_eq!((gone.row.reason, gone.row.settled_at), (Some(Reason::TokenDead), Some(ms(11))));
    assert!(matches!(gone, EventDetail { has_token: true, object_done: true, .. }), "another one was applied");
    assert!(matches!(inspect(second).await, Some(EventDetail { has_token: false, object_done: true, .. })));
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
    let stale = Lease { event: ids[0], number: 1 };
    assert_eq!(store.settle(stale, done(120)).await.expect("settle"), Settled::LeaseLost);
}

/// Three dead events: one whose token died, two that were not found, the last of them an authentication.
pub(super) async fn some_dead(store: &dyn Store) {
    for (at, reason) in [(10, Reason::TokenDead), (20, Reason::NotFound), (30, Reason::NotFound)] {
        let kind = if at == 30 { EventKind::Authentication } else { EventKind::Verification };
        accepted(store, NewEvent { kind, ..pending(&format!("object-{at}"), "token", at) }).await;
        let event = claimed_one(store, at).await;
        let settlement = Settlement::Dead { reason, wipe_token: false, at: ms(at + 1) };
        store.settle(event.lease, settlement).await.expect("settle");
    }
}
