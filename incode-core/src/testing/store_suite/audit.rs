use std::sync::Arc;

use super::*;
use crate::store::{AuditAction, EventDetail};

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
pub async fn inspection_tells_what_may_be_shown(store: Arc<dyn Store>) {
    let inspect = |id| {
        let store = &store;
        async move { store.inspect(id).await.expect("inspect") }
    };
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

/// Each replay and each forget is kept with who, when, what and how many; without effect as well.
pub async fn what_is_done_by_hand_leaves_a_trail(store: Arc<dyn Store>) {
    assert!(store.audits(10, None).await.expect("audits").is_empty());
    some_dead(&*store).await;
    let asked = DeadFilter {
        reason: Some(Reason::NotFound),
        kind: Some(EventKind::from("<unheard> \u{1f512}")),
        accepted_before: Some(ms(15)),
    };
    let one = Replay::One(listed(&*store, None).await[0].id);
    store.replay(one.clone(), actor("Änne"), ms(100)).await.expect("replay");
    store.replay(one.clone(), actor("Änne"), ms(101)).await.expect("replay");
    store.replay(all_dead(), actor("bert"), ms(102)).await.expect("replay");
    store.replay(Replay::Dead(asked.clone()), actor("bert"), ms(103)).await.expect("replay");
    store.observe(seen("identity-of-anna", 50)).await.expect("observe");
    for at in [104, 105] {
        store.forget(identity_id("identity-of-anna"), actor("cleo"), ms(at)).await.expect("forget");
    }

    let trail = store.audits(10, None).await.expect("audits");
    let told: Vec<_> = trail.iter().map(|audit| (audit.at.as_millis(), audit.actor.as_str(), audit.count)).collect();
    let expected =
        [(105, "cleo", 0), (104, "cleo", 1), (103, "bert", 0), (102, "bert", 2), (101, "Änne", 0), (100, "Änne", 1)];
    assert_eq!(told, expected);
    assert_eq!(trail[5].action, AuditAction::Replay(one));
    assert_eq!(trail[3].action, AuditAction::Replay(all_dead()));
    assert_eq!(trail[2].action, AuditAction::Replay(Replay::Dead(asked)));
    let AuditAction::Forget(masked) = &trail[0].action else { panic!("an identity was forgotten") };
    assert_eq!(masked.as_str(), "iden…", "what was erased is not kept here");

    let page = store.audits(2, Some(trail[1].id)).await.expect("audits");
    assert_eq!(page, trail[2..4]);
}

/// Whoever floods the trail doesn't fill the store: the newest 10,000 are kept.
pub async fn the_trail_is_capped(store: Arc<dyn Store>) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10_003 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.replay(Replay::One(EventId(1)), actor("bert"), ms(1)).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic").expect("replay");
    }
    let trail = store.audits(20_000, None).await.expect("audits");
    assert_eq!(trail.len(), 10_000);
    assert_eq!(trail[0].id.0 - trail[9_999].id.0, 9_999, "the oldest went");
}

/// Three dead events: one whose token died, two that were not found, the last of them an authentication.
async fn some_dead(store: &dyn Store) {
    for (at, reason) in [(10, Reason::TokenDead), (20, Reason::NotFound), (30, Reason::NotFound)] {
        let kind = if at == 30 { EventKind::Authentication } else { EventKind::Verification };
        accepted(store, NewEvent { kind, ..pending(&format!("object-{at}"), "token", at) }).await;
        let event = claimed_one(store, at).await;
        let settlement = Settlement::Dead { reason, wipe_token: false, at: ms(at + 1) };
        store.settle(event.lease, settlement).await.expect("settle");
    }
}
