use super::*;

const KEYS: Keys = Keys { object: [1; 16], delivery: [2; 16] };

fn moved(from: Option<EventState>, to: Option<EventState>) -> StateChange {
    StateChange { keys: KEYS, from, to }
}

#[test]
fn the_second_row_of_a_key_keeps_it_known() {
    let mut ledger = DedupeIndex::default();
    ledger.record(moved(None, Some(EventState::Pending)));
    ledger.record(moved(None, Some(EventState::Pending)));
    ledger.record(moved(Some(EventState::Pending), Some(EventState::Dead)));
    assert!(ledger.knows(KEYS, EventState::Pending), "one of two rows is still pending");
    ledger.record(moved(Some(EventState::Pending), Some(EventState::Dead)));
    assert!(!ledger.knows(KEYS, EventState::Pending), "dead rows suppress nothing");
    assert_eq!(ledger.counts().dead, 2);
}

#[test]
fn reverting_leaves_no_trace() {
    let mut ledger = DedupeIndex::default();
    ledger.record(moved(None, Some(EventState::Pending)));
    let settled = moved(Some(EventState::Pending), Some(EventState::Done));
    ledger.record(settled);
    assert!(ledger.is_done(KEYS.object));
    ledger.revert(settled);
    assert!(!ledger.is_done(KEYS.object));
    assert!(ledger.knows(KEYS, EventState::Pending));
    ledger.revert(moved(None, Some(EventState::Pending)));
    assert_eq!(ledger.counts(), InboxCounts::default());
    assert!(ledger.pending.0.is_empty());
}

#[test]
fn memory_comes_back_when_rows_go() {
    let mut known = Known::default();
    let key = |n: u32| {
        let mut key = Key::default();
        key[..4].copy_from_slice(&n.to_be_bytes());
        key
    };
    (0..10_000).for_each(|n| known.insert(key(n)));
    let full = known.0.capacity();
    (0..9_990).for_each(|n| known.remove(key(n)));
    assert!(known.0.capacity() < full / 4, "{} of {full}", known.0.capacity());
    assert!(known.contains(key(9_995)));
}
