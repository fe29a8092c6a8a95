use crate::model::EventKind;
use crate::store::Reason;
use crate::{Timestamp, TokenHash};

use super::*;

fn event(authenticated: bool, token: u8, state: EventState) -> NewEvent {
    NewEvent {
        kind: EventKind::Verification,
        object_id: Some(ObjectId::new("object-one").unwrap()),
        token: Vec::new(),
        token_hash: TokenHash([token; 32]),
        correlation_id: None,
        vendor_time: None,
        received_at: Timestamp::from_secs(1),
        authenticated,
        implausible: false,
        state,
        reason: (state != EventState::Pending).then_some(Reason::Other),
    }
}

fn change(event: &NewEvent, from: Option<EventState>, to: Option<EventState>) -> StateChange {
    StateChange { keys: EventKeys::of(event), applied: None, from, to }
}

#[test]
fn the_second_row_of_a_key_keeps_it_known() {
    let mut index = DedupeIndex::default();
    let pending = event(true, 1, EventState::Pending);
    let admission = Admission::of(&pending);
    index.record(change(&pending, None, Some(EventState::Pending)));
    index.record(change(&pending, None, Some(EventState::Pending)));
    index.record(change(&pending, Some(EventState::Pending), Some(EventState::Dead)));
    assert!(index.is_known(&admission), "one of two rows is still pending");
    index.record(change(&pending, Some(EventState::Pending), Some(EventState::Dead)));
    assert!(!index.is_known(&admission), "dead rows suppress nothing");
    assert_eq!(index.counts().dead, 2);
}

#[test]
fn a_done_event_of_the_vendor_stands_for_every_token() {
    let mut index = DedupeIndex::default();
    index.record(change(&event(true, 1, EventState::Pending), None, Some(EventState::Done)));
    assert!(index.is_known(&Admission::of(&event(true, 2, EventState::Pending))));
    assert!(!index.is_known(&Admission::of(&event(false, 1, EventState::Pending))));
}

#[test]
fn a_done_unauthenticated_event_covers_itself_alone() {
    let mut index = DedupeIndex::default();
    index.record(change(&event(false, 1, EventState::Pending), None, Some(EventState::Done)));
    assert!(index.is_known(&Admission::of(&event(false, 1, EventState::Pending))), "the same delivery again");
    assert!(!index.is_known(&Admission::of(&event(false, 2, EventState::Pending))), "another token");
    assert!(!index.is_known(&Admission::of(&event(true, 1, EventState::Pending))), "the vendor's own");
}

#[test]
fn unauthenticated_events_do_not_crowd_the_vendor_out() {
    let mut index = DedupeIndex::default();
    for token in 0..64 {
        let event = event(false, token, EventState::Pending);
        assert!(!index.is_crowded(&Admission::of(&event)));
        index.record(change(&event, None, Some(EventState::Pending)));
    }
    assert!(index.is_crowded(&Admission::of(&event(false, 99, EventState::Pending))));
    assert!(!index.is_crowded(&Admission::of(&event(true, 99, EventState::Pending))));
}

#[test]
fn an_applied_key_is_of_object_and_identity() {
    let id = |text: &str| IdentityId::new(text).unwrap();
    let object = ObjectId::new("object-one").unwrap();
    let one = applied_key(&EventKind::Verification, &object, &id("one"));
    assert_eq!(one, applied_key(&EventKind::Verification, &object, &id("one")));
    assert_ne!(one, applied_key(&EventKind::Verification, &object, &id("two")));
    assert_ne!(one, applied_key(&EventKind::Authentication, &object, &id("one")));

    let mut index = DedupeIndex::default();
    let done =
        StateChange { applied: Some(one), ..change(&event(true, 1, EventState::Done), None, Some(EventState::Done)) };
    index.record(done);
    assert!(index.is_applied(one));
    index.revert(done);
    assert!(!index.is_applied(one));
}

#[test]
fn reverting_leaves_no_trace() {
    let mut index = DedupeIndex::default();
    let pending = event(true, 1, EventState::Pending);
    index.record(change(&pending, None, Some(EventState::Pending)));
    let settled = change(&pending, Some(EventState::Pending), Some(EventState::Done));
    index.record(settled);
    assert!(index.is_done(settled.keys.done));
    index.revert(settled);
    assert!(!index.is_done(settled.keys.done));
    assert!(index.is_known(&Admission::of(&pending)));
    index.revert(change(&pending, None, Some(EventState::Pending)));
    assert_eq!(index.counts(), InboxCounts::default());
    assert!(index.pending.0.is_empty() && index.pending_objects.0.is_empty());
}

#[test]
fn memory_comes_back_when_rows_go() {
    let mut keys = KeyCounts::default();
    let key = |n: u32| {
        let mut key = Key::default();
        key[..4].copy_from_slice(&n.to_be_bytes());
        key
    };
    (0..10_000).for_each(|n| keys.insert(key(n)));
    let full = keys.0.capacity();
    (0..9_990).for_each(|n| keys.remove(key(n)));
    assert!(keys.0.capacity() < full / 4, "{} of {full}", keys.0.capacity());
    assert!(keys.contains(key(9_995)));
}
