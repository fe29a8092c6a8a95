//! Events from acceptance to settlement: the claims of workers, and what the pages show.
//!
//! A lease is a number in the row. It counts up with each claim and each settlement, so an old lease never matches again.
//! While an event is under lease, `due_at` is the end of the lease: an ended lease is due by itself, without a sweep.

use std::sync::Arc;

use incode_core::model::EventKind;
use incode_core::store::dedupe::{EventKeys, StateChange};
use incode_core::store::{
    Accepted, AuditAction, Claim, Claimed, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId, EventRow,
    EventState, InboxStore, Lease, NewEvent, Reason, Replay, Settled, Settlement, StoreFuture,
};
use incode_core::{Actor, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::batch::{LOT, Transaction};
use crate::error::Failure;
use crate::store::SqliteStore;
use crate::{accept, audit, change, queue, rows, writer};

impl InboxStore for SqliteStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        Box::pin(async move {
            // An ignored event may push out an older one: that takes two statements. The usual path does without.
            let needs_savepoint = event.state == EventState::Ignored;
            let work = |reply| writer::job(reply, needs_savepoint, move |tx| accept::accept(tx, event));
            let queued = self.writer.try_push(work)?;
            queue::answer(queued).await
        })
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Claimed> {
        Box::pin(self.write(move |tx| take(tx, claim)))
    }

    fn renew(&self, leases: Vec<Lease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |tx| {
            let sql = "UPDATE event SET due_at = ? WHERE id = ? AND lease = ? AND state = 'pending'";
            let mut renew = tx.conn.prepare_cached(sql)?;
            for Lease { event, number } in leases {
                renew.execute(params![lease_until.as_millis(), event.0, number])?;
            }
            Ok(())
        }))
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        Box::pin(self.write(move |tx| settle(tx, lease, settlement)))
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        Box::pin(self.read(move |conn| Ok(list(conn, &filter)?)))
    }

    fn event(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        // By the writer: it has the index of done keys, and no table has one.
        Box::pin(self.write(move |tx| {
            let found = detail(tx.conn, id)?;
            Ok(found.map(|(detail, keys)| EventDetail { object_done: tx.index.is_done(keys.done), ..detail }))
        }))
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let which = Arc::new(which);
            let mut entry = audit::Entry::new(AuditAction::Replay(Replay::clone(&which)), by, now);
            let mut after = Some(0);
            while let Some(id) = after {
                let which = Arc::clone(&which);
                (entry, after) = self
                    .write(move |tx| {
                        let (rows, last) = replay(tx, &which, now, id)?;
                        entry.count_up(tx.conn, rows)?;
                        Ok((entry, last))
                    })
                    .await?;
            }
            Ok(entry.count())
        })
    }
}

/// Leases due events. No lock is needed beside the transaction: one thread writes.
fn take(tx: &mut Transaction<'_>, claim: Claim) -> Result<Claimed, Failure> {
    let mut events = Vec::new();
    // One class after the other: the index has them side by side, each in the order of its due times.
    for implausible in [false, true] {
        let left = claim.limit.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
        read_due(tx, &claim, implausible, left, &mut events)?;
    }
    let mut lease = tx.conn.prepare_cached("UPDATE event SET lease = ?, attempts = ?, due_at = ? WHERE id = ?")?;
    for event in &events {
        let Lease { event: EventId(id), number } = event.lease;
        lease.execute(params![number, event.attempts, claim.lease_until.as_millis(), id])?;
    }
    let sql = "SELECT due_at FROM event INDEXED BY event_due
        WHERE state = 'pending' AND implausible = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT 1";
    let mut next = tx.conn.prepare_cached(sql)?;
    let mut first = |implausible: bool| next.query_row([implausible], |row| rows::time(row, 0)).optional();
    let next_due = [first(false)?, first(true)?].into_iter().flatten().min();
    Ok(Claimed { events, next_due })
}

/// Reads due events of one class. Nothing is written here, so a failure leaves all rows as they are.
fn read_due(
    tx: &Transaction<'_>,
    claim: &Claim,
    implausible: bool,
    limit: u32,
    events: &mut Vec<ClaimedEvent>,
) -> Result<(), Failure> {
    let oldest = "SELECT id, lease, kind, object_id, token, correlation_id, vendor_time, received_at, attempts,
            authenticated, done_key
        FROM event INDEXED BY event_due WHERE state = 'pending' AND implausible = ? AND due_at <= ?
        ORDER BY due_at, id LIMIT ?";
    let newest = "SELECT id, lease, kind, object_id, token, correlation_id, vendor_time, received_at, attempts,
            authenticated, done_key
        FROM event INDEXED BY event_due WHERE state = 'pending' AND implausible = ? AND due_at <= ?
        ORDER BY due_at DESC, id DESC LIMIT ?";
    let mut due = tx.conn.prepare_cached(if claim.newest_first { newest } else { oldest })?;
    let mut found = due.query(params![implausible, claim.now.as_millis(), limit])?;
    while let Some(row) = found.next()? {
        events.push(ClaimedEvent {
            lease: Lease { event: EventId(row.get(0)?), number: rows::next_lease(row, 1)? },
            kind: rows::kind(row, 2)?,
            object_id: rows::object_id(row, 3)?,
            token: row.get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
            correlation_id: row.get(5)?,
            vendor_time: rows::maybe_time(row, 6)?,
            received_at: rows::time(row, 7)?,
            attempts: row.get::<_, u32>(8)?.saturating_add(1),
            authenticated: row.get(9)?,
            already_done: tx.index.is_done(rows::bytes(row, 10)?),
        });
    }
    Ok(())
}

/// Settles an event, and runs its command in the same transaction: an event is done exactly when its change is written.
fn settle(tx: &mut Transaction<'_>, lease: Lease, settlement: Settlement) -> Result<Settled, Failure> {
    let id = lease.event.0;
    let held = "SELECT object_key, delivery_key, done_key, applied_key FROM event
        WHERE id = ? AND lease = ? AND state = 'pending'";
    let held = tx
        .conn
        .prepare_cached(held)?
        .query_row(params![id, lease.number], |row| accept::read_keys(row, 0))
        .optional()?;
    let Some((keys, _)) = held else { return Ok(Settled::LeaseLost) };
    let from = Some(EventState::Pending);
    // Each statement counts the lease up: a lease is good for one settlement.
    match settlement {
        Settlement::Done { apply, at } => {
            let changed = apply.map(|request| change::run(tx, &request)).transpose()?;
            let (changed, applied) = changed.map_or((None, None), |(changed, applied)| (Some(changed), applied));
            let sql =
                "UPDATE event SET state = 'done', lease = lease + 1, reason = NULL, due_at = NULL, settled_at = ?,
                correlation_id = NULL, token = NULL, applied_key = ? WHERE id = ?";
            let applied_key = applied.as_ref().map(|key| key.as_slice());
            tx.conn.prepare_cached(sql)?.execute(params![at.as_millis(), applied_key, id])?;
            tx.record(StateChange { keys, applied, from, to: Some(EventState::Done) });
            return Ok(Settled::Written(changed.map(|changed| (changed.outcome, changed.change))));
        }
        Settlement::Retry { due_at, reason } => {
            let sql = "UPDATE event SET lease = lease + 1, due_at = ?, reason = ? WHERE id = ?";
            tx.conn.prepare_cached(sql)?.execute(params![due_at.as_millis(), reason.as_str(), id])?;
        }
        Settlement::Release { due_at, reason } => {
            let sql = "UPDATE event SET lease = lease + 1, attempts = max(attempts - 1, 0), due_at = ?,
                reason = coalesce(?, reason) WHERE id = ?";
            let params = params![due_at.as_millis(), reason.map(Reason::as_str), id];
            tx.conn.prepare_cached(sql)?.execute(params)?;
        }
        Settlement::Dead { reason, wipe_token, at } => {
            let sql = "UPDATE event SET state = 'dead', lease = lease + 1, reason = ?1, due_at = NULL, settled_at = ?2,
                correlation_id = iif(?3, NULL, correlation_id), token = iif(?3, NULL, token) WHERE id = ?4";
            tx.conn.prepare_cached(sql)?.execute(params![reason.as_str(), at.as_millis(), wipe_token, id])?;
            tx.record(StateChange { keys, applied: None, from, to: Some(EventState::Dead) });
        }
    }
    Ok(Settled::Written(None))
}

/// A page of events, newest first.
fn list(conn: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<EventRow>> {
    // Each index has the ids in order, so that a page is read from its end and nothing is sorted. A reason is the
    // rarer of the two: an event without trouble has none.
    let (from, state, reason) = match (filter.state, filter.reason) {
        (_, Some(_)) => ("INDEXED BY event_reason", "(?2 IS NULL OR state = ?2)", "reason = ?3"),
        (Some(_), None) => ("INDEXED BY event_state", "state = ?2", "?3 IS NULL"),
        (None, None) => ("NOT INDEXED", "?2 IS NULL", "?3 IS NULL"),
    };
    let sql = format!(
        "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at FROM event {from}
        WHERE id < ?1 AND {state} AND {reason} AND (?4 IS NULL OR kind = ?4) ORDER BY id DESC LIMIT ?5"
    );
    let params = params![
        filter.before.map_or(i64::MAX, |id| id.0),
        filter.state.map(EventState::as_str),
        filter.reason.map(Reason::as_str),
        filter.kind.as_ref().map(EventKind::as_str),
        filter.limit
    ];
    conn.prepare_cached(&sql)?.query_map(params, read_event)?.collect()
}

/// One event and its keys, by the id. `object_done` is not known here.
fn detail(conn: &Connection, id: EventId) -> rusqlite::Result<Option<(EventDetail, EventKeys)>> {
    let sql = "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at,
        vendor_time, token IS NOT NULL, object_key, delivery_key, done_key, applied_key FROM event WHERE id = ?";
    conn.prepare_cached(sql)?
        .query_row([id.0], |row| {
            let detail = EventDetail {
                row: read_event(row)?,
                vendor_time: rows::maybe_time(row, 9)?,
                has_token: row.get(10)?,
                object_done: false,
            };
            Ok((detail, accept::read_keys(row, 11)?.0))
        })
        .optional()
}

/// The columns that [`list`] reads.
fn read_event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        id: EventId(row.get(0)?),
        kind: rows::kind(row, 1)?,
        object_id: rows::maybe(row, 2, rows::object_id)?,
        state: rows::state(row, 3)?,
        reason: rows::maybe(row, 4, rows::text_of)?.as_deref().map(Reason::parse),
        attempts: row.get(5)?,
        received_at: rows::time(row, 6)?,
        due_at: rows::maybe_time(row, 7)?,
        settled_at: rows::maybe_time(row, 8)?,
    })
}

/// Replays one lot of the events after the id `after`. Returns how many, and where the next lot begins, if there is one.
///
/// In lots, because long work must not hold up deliveries. Lots move up the ids, so a replay ends even when events die
/// again behind it.
fn replay(tx: &mut Transaction<'_>, which: &Replay, now: Timestamp, after: i64) -> Result<(u64, Option<i64>), Failure> {
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, accept::read_keys(row, 1)?.0));
    let dead: Vec<_> = match which {
        Replay::One(id) => {
            let sql = "SELECT id, object_key, delivery_key, done_key, applied_key FROM event
                WHERE id = ? AND id > ? AND state = 'dead' AND object_id IS NOT NULL";
            tx.conn.prepare_cached(sql)?.query_map([id.0, after], read)?.collect::<rusqlite::Result<_>>()?
        }
        Replay::Dead(DeadFilter { reason, kind, accepted_before }) => {
            let sql = "SELECT id, object_key, delivery_key, done_key, applied_key FROM event INDEXED BY event_state
                WHERE state = 'dead' AND id > ?1 AND object_id IS NOT NULL AND (?2 IS NULL OR reason = ?2)
                AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR received_at < ?4) ORDER BY id LIMIT ?5";
            let params = params![
                after,
                reason.map(Reason::as_str),
                kind.as_ref().map(EventKind::as_str),
                rows::millis(*accepted_before),
                LOT
            ];
            tx.conn.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<_>>()?
        }
    };
    // By two, so that the number stays even: no lease.
    let revive = "UPDATE event SET state = 'pending', lease = lease + 2, attempts = 0, due_at = ?, settled_at = NULL
        WHERE id = ?";
    let mut revive = tx.conn.prepare_cached(revive)?;
    for (id, keys) in &dead {
        revive.execute(params![now.as_millis(), id])?;
        let (from, to) = (Some(EventState::Dead), Some(EventState::Pending));
        tx.record(StateChange { keys: *keys, applied: None, from, to });
    }
    let last = if dead.len() < usize::from(LOT) { None } else { dead.last().map(|(id, _)| *id) };
    Ok((dead.len() as u64, last))
}
