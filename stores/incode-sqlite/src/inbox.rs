use rusqlite::{OptionalExtension, Row, params};

use super::batch::Transaction;
use super::failure::Failure;
use super::{effects, identities, queries};
use crate::Timestamp;
use crate::store::dedupe::{IGNORED_KEPT, Key, Keys, StateChange};
use crate::store::{
    Accepted, Claim, ClaimedEvent, EventId, EventState, Lease, Linked, NewEvent, Reason, Settled, Settlement,
};

pub(super) fn accept(tx: &mut Transaction<'_>, event: NewEvent) -> Result<Accepted, Failure> {
    if event.state == EventState::Pending && event.object_id.is_none() {
        return Err(Failure::refused("a pending event needs an object id"));
    }
    let keys = Keys::of(&event);
    if tx.ledger.knows(keys, event.state) {
        return Ok(Accepted::Duplicate);
    }
    if event.state == EventState::Pending && tx.ledger.is_crowded(keys.object) {
        return Err(Failure::busy());
    }
    if event.state == EventState::Ignored && tx.ledger.counts().ignored >= IGNORED_KEPT {
        remove_oldest(tx, EventState::Ignored, 1)?;
    }
    *tx.last_id += 1;
    let id = *tx.last_id;
    let received_at = event.received_at.as_millis();
    let is_pending = event.state == EventState::Pending;
    let sql = "INSERT INTO event (id, kind, object_id, object_key, delivery_key, state, reason, attempts, lease,
            vendor_time, received_at, due_at, settled_at, correlation_id, token, authenticated)
        VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?)";
    tx.conn.prepare_cached(sql)?.execute(params![
        id,
        event.kind.as_str(),
        event.object_id.as_ref().map(|id| id.as_str()),
        keys.object.as_slice(),
        keys.delivery.as_slice(),
        event.state.as_str(),
        event.reason.map(Reason::as_str),
        event.vendor_time.map(Timestamp::as_millis),
        received_at,
        is_pending.then_some(received_at),
        (!is_pending).then_some(received_at),
        event.correlation_id,
        (!event.token.is_empty()).then_some(event.token),
        event.authenticated,
    ])?;
    tx.record(StateChange { keys, from: None, to: Some(event.state) });
    Ok(Accepted::New(EventId(id)))
}

pub(super) fn claim(tx: &mut Transaction<'_>, claim: Claim) -> Result<Vec<ClaimedEvent>, Failure> {
    let oldest =
        "SELECT id, lease, kind, object_id, token, correlation_id, vendor_time, received_at, attempts, object_key,
            authenticated
        FROM event INDEXED BY event_due WHERE state = 'pending' AND due_at <= ? ORDER BY due_at, id LIMIT ?";
    let newest =
        "SELECT id, lease, kind, object_id, token, correlation_id, vendor_time, received_at, attempts, object_key,
            authenticated
        FROM event INDEXED BY event_due WHERE state = 'pending' AND due_at <= ? ORDER BY due_at DESC, id DESC LIMIT ?";
    let mut due = tx.conn.prepare_cached(if claim.newest_first { newest } else { oldest })?;
    let mut rows = due.query(params![claim.now.as_millis(), claim.limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(read_claimed(row, tx)?);
    }
    let mut lease = tx.conn.prepare_cached("UPDATE event SET lease = ?, attempts = ?, due_at = ? WHERE id = ?")?;
    for event in &events {
        let (Lease { event: EventId(id), number }, until) = (event.lease, claim.lease_until.as_millis());
        lease.execute(params![number, event.attempts, until, id])?;
    }
    Ok(events)
}

pub(super) fn settle(tx: &mut Transaction<'_>, lease: Lease, settlement: Settlement) -> Result<Settled, Failure> {
    let held =
        "SELECT object_key, delivery_key, received_at FROM event WHERE id = ? AND lease = ? AND state = 'pending'";
    let held = tx
        .conn
        .prepare_cached(held)?
        .query_row(params![lease.event.0, lease.number], |row| Ok((read_keys(row, 0)?, queries::time(row, 2)?)))
        .optional()?;
    let Some((keys, received_at)) = held else { return Ok(Settled::LeaseLost) };
    let id = lease.event.0;
    // Each counts the lease up: it is good for one settlement.
    let change = match settlement {
        Settlement::Done { seen, link, handlers, at } => {
            let first_of_object = !tx.ledger.is_done(keys.object);
            let sql =
                "UPDATE event SET state = 'done', lease = lease + 1, reason = NULL, due_at = NULL, settled_at = ?,
                correlation_id = NULL, token = NULL WHERE id = ?";
            tx.conn.prepare_cached(sql)?.execute(params![at.as_millis(), id])?;
            tx.record(StateChange { keys, from: Some(EventState::Pending), to: Some(EventState::Done) });
            let seen = match seen {
                Some(seen) => identities::observe(tx.conn, &seen, seen.dates_from(received_at))?,
                None => None,
            };
            if let (Some(change), true) = (&seen, first_of_object) {
                effects::owe(tx.conn, lease.event, &change.identity_id, &handlers, at)?;
            }
            match link {
                Some(link) => match identities::link(tx.conn, &link, link.seen.dates_from(received_at))? {
                    Linked::Done(change) => Some(change),
                    _ => seen,
                },
                None => seen,
            }
        }
        Settlement::Retry { due_at, reason } => {
            let sql = "UPDATE event SET lease = lease + 1, due_at = ?, reason = ? WHERE id = ?";
            tx.conn.prepare_cached(sql)?.execute(params![due_at.as_millis(), reason.as_str(), id])?;
            None
        }
        Settlement::Release { due_at, reason } => {
            let sql = "UPDATE event SET lease = lease + 1, attempts = max(attempts - 1, 0), due_at = ?,
                reason = coalesce(?, reason) WHERE id = ?";
            let params = params![due_at.as_millis(), reason.map(Reason::as_str), id];
            tx.conn.prepare_cached(sql)?.execute(params)?;
            None
        }
        Settlement::Dead { reason, wipe_token, at } => {
            let sql = "UPDATE event SET state = 'dead', lease = lease + 1, reason = ?1, due_at = NULL, settled_at = ?2,
                correlation_id = iif(?3, NULL, correlation_id), token = iif(?3, NULL, token) WHERE id = ?4";
            tx.conn.prepare_cached(sql)?.execute(params![reason.as_str(), at.as_millis(), wipe_token, id])?;
            tx.record(StateChange { keys, from: Some(EventState::Pending), to: Some(EventState::Dead) });
            None
        }
    };
    Ok(Settled::Written(change))
}

/// The keys in two columns side by side.
pub(super) fn read_keys(row: &Row<'_>, column: usize) -> rusqlite::Result<Keys> {
    Ok(Keys { object: read_key(row, column)?, delivery: read_key(row, column + 1)? })
}

fn read_key(row: &Row<'_>, column: usize) -> rusqlite::Result<Key> {
    Key::try_from(row.get_ref(column)?.as_blob()?).map_err(|_| queries::unreadable(column, "key"))
}

fn read_claimed(row: &Row<'_>, tx: &Transaction<'_>) -> rusqlite::Result<ClaimedEvent> {
    Ok(ClaimedEvent {
        lease: Lease { event: EventId(row.get(0)?), number: next_lease(row.get(1)?) },
        kind: queries::kind(row, 2)?,
        object_id: queries::object_id(row, 3)?.ok_or_else(|| queries::unreadable(3, "object id"))?,
        token: row.get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
        correlation_id: row.get(5)?,
        vendor_time: queries::maybe_time(row, 6)?,
        received_at: queries::time(row, 7)?,
        attempts: row.get::<_, u32>(8)?.saturating_add(1),
        authenticated: row.get(10)?,
        already_done: tx.ledger.is_done(read_key(row, 9)?),
    })
}

/// Odd while it holds, whether or not the one before it ended by a settlement: so that an opener can tell the leases
/// of a process that died.
pub(super) fn next_lease(last: i64) -> i64 {
    last.saturating_add(1) | 1
}

/// Removes the oldest rows of a state.
pub(super) fn remove_oldest(tx: &mut Transaction<'_>, state: EventState, rows: u64) -> Result<(), Failure> {
    let sql = "SELECT object_key, delivery_key, id FROM event INDEXED BY event_state
        WHERE state = ? ORDER BY id LIMIT ?";
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let oldest: Vec<_> = tx
        .conn
        .prepare_cached(sql)?
        .query_map(params![state.as_str(), rows], |row| Ok((read_keys(row, 0)?, row.get::<_, i64>(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut remove = tx.conn.prepare_cached("DELETE FROM event WHERE id = ?")?;
    for (keys, id) in oldest {
        remove.execute([id])?;
        tx.record(StateChange { keys, from: Some(state), to: None });
    }
    Ok(())
}
