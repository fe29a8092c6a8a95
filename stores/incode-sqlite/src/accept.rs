//! Keeps events. The busiest path: one statement for each event, and no read.

use incode_core::Timestamp;
use incode_core::store::dedupe::{Admission, EventKeys, IGNORED_KEPT, Key, StateChange};
use incode_core::store::{Accepted, EventId, EventState, NewEvent, Reason, StoreErrorKind};
use rusqlite::{Row, params};

use crate::batch::Transaction;
use crate::error::Failure;
use crate::rows;

/// Applies core's [`Admission`] to the index, and inserts the row.
pub(crate) fn accept(tx: &mut Transaction<'_>, event: NewEvent) -> Result<Accepted, Failure> {
    let is_pending = event.state == EventState::Pending;
    if is_pending && event.object_id.is_none() {
        return Err(Failure::refused("a pending event needs an object id"));
    }
    let admission = Admission::of(&event);
    if tx.index.is_known(&admission) {
        return Ok(Accepted::Duplicate);
    }
    if tx.index.is_crowded(&admission) {
        return Err(Failure::new(StoreErrorKind::Busy, "too many events are pending"));
    }
    if event.state == EventState::Ignored && tx.index.counts().ignored >= IGNORED_KEPT {
        remove_oldest(tx, EventState::Ignored, 1)?;
    }
    *tx.last_event += 1;
    let id = *tx.last_event;
    let keys = EventKeys::of(&event);
    let received_at = event.received_at.as_millis();
    // The id is given here, not by SQLite: it then is known without another call.
    let sql =
        "INSERT INTO event (id, kind, object_id, object_key, delivery_key, done_key, state, reason, attempts, lease,
            authenticated, implausible, vendor_time, received_at, due_at, settled_at, correlation_id, token)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?)";
    tx.conn.prepare_cached(sql)?.execute(params![
        id,
        event.kind.as_str(),
        event.object_id.as_ref().map(|id| id.as_str()),
        keys.object.as_slice(),
        keys.delivery.as_slice(),
        keys.done.as_slice(),
        event.state.as_str(),
        event.reason.map(Reason::as_str),
        event.authenticated,
        event.implausible,
        event.vendor_time.map(Timestamp::as_millis),
        received_at,
        is_pending.then_some(received_at),
        (!is_pending).then_some(received_at),
        event.correlation_id,
        (!event.token.is_empty()).then_some(event.token),
    ])?;
    tx.record(StateChange { keys, applied: None, from: None, to: Some(event.state) });
    Ok(Accepted::New(EventId(id)))
}

/// Removes the oldest rows of a state. Returns how many.
pub(crate) fn remove_oldest(tx: &mut Transaction<'_>, state: EventState, rows: u64) -> Result<usize, Failure> {
    let sql = "SELECT id, object_key, delivery_key, done_key, applied_key FROM event INDEXED BY event_state
        WHERE state = ? ORDER BY id LIMIT ?";
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let oldest: Vec<_> = tx
        .conn
        .prepare_cached(sql)?
        .query_map(params![state.as_str(), rows], |row| Ok((row.get::<_, i64>(0)?, read_keys(row, 1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let removed = oldest.len();
    for (id, (keys, applied)) in oldest {
        remove(tx, id, StateChange { keys, applied, from: Some(state), to: None })?;
    }
    Ok(removed)
}

/// Removes one row, of which the change says all that the index needs.
pub(crate) fn remove(tx: &mut Transaction<'_>, id: i64, change: StateChange) -> Result<(), Failure> {
    tx.conn.prepare_cached("DELETE FROM event WHERE id = ?")?.execute([id])?;
    tx.record(change);
    Ok(())
}

/// The keys in four columns side by side: object, delivery, done, applied.
pub(crate) fn read_keys(row: &Row<'_>, column: usize) -> rusqlite::Result<(EventKeys, Option<Key>)> {
    let keys = EventKeys {
        object: rows::bytes(row, column)?,
        delivery: rows::bytes(row, column + 1)?,
        done: rows::bytes(row, column + 2)?,
    };
    Ok((keys, rows::maybe(row, column + 3, rows::bytes)?))
}
