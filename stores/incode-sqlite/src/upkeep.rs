use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::batch::Transaction;
use super::failure::Failure;
use super::{effects, fields, inbox, queries};
use crate::Timestamp;
use crate::model::EventKind;
use crate::store::dedupe::{DedupeIndex, StateChange};
use crate::store::{DeadFilter, EventState, Prune, Reason, Replay};

/// Reads the ledger back from the rows, with the last id that was given. One pass over narrow columns.
pub(super) fn load(conn: &Connection) -> rusqlite::Result<(DedupeIndex, i64)> {
    let mut ledger = DedupeIndex::default();
    let mut last_id: i64 = conn.query_row("SELECT last_id FROM inbox", [], |row| row.get(0))?;
    let mut statement = conn.prepare("SELECT id, state, object_key, delivery_key FROM event ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        last_id = last_id.max(row.get(0)?);
        let state = queries::state(row, 1)?;
        ledger.record(StateChange { keys: inbox::read_keys(row, 2)?, from: None, to: Some(state) });
    }
    Ok((ledger, last_id))
}

/// Ends the leases of a process that died: nobody else has the file open, so nobody holds one. What it had in hand is
/// due at once, not when its leases would have ended.
pub(super) fn end_leases(conn: &Connection) -> rusqlite::Result<usize> {
    let sql = "UPDATE event INDEXED BY event_state SET due_at = received_at, lease = lease + 1
        WHERE state = 'pending' AND lease % 2 = 1";
    conn.execute(sql, [])
}

/// Has due at once what a clock that was ahead has put off: whose time to be received is still to come, or who would wait
/// for longer than anything does.
pub(super) fn end_waits(conn: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let sql = "UPDATE event INDEXED BY event_due SET due_at = ?1
        WHERE state = 'pending' AND due_at > ?1 AND (received_at > ?1 OR due_at > ?2)";
    conn.execute(sql, params![now.as_millis(), now.after(LONGEST_WAIT).as_millis()])
}

/// What became of one lot of a replay.
pub(super) struct Replayed {
    pub(super) rows: u64,
    /// Where the next lot starts, if there is one.
    pub(super) last: Option<i64>,
}

/// Replays one lot of the events after the id `after`: long backlogs must not hold up deliveries. Lots move up the
/// ids, so a replay ends even when events die again behind it.
pub(super) fn replay(
    tx: &mut Transaction<'_>,
    which: &Replay,
    now: Timestamp,
    after: i64,
) -> Result<Replayed, Failure> {
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, inbox::read_keys(row, 1)?));
    let dead: Vec<_> = match which {
        Replay::One(id) => {
            let sql = "SELECT id, object_key, delivery_key FROM event
                WHERE id = ? AND id > ? AND state = 'dead' AND object_id IS NOT NULL";
            tx.conn.prepare_cached(sql)?.query_map([id.0, after], read)?.collect::<rusqlite::Result<_>>()?
        }
        Replay::Dead(DeadFilter { reason, kind, accepted_before }) => {
            let sql = "SELECT id, object_key, delivery_key FROM event INDEXED BY event_state
                WHERE state = 'dead' AND id > ?1 AND object_id IS NOT NULL AND (?2 IS NULL OR reason = ?2)
                AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR received_at < ?4) ORDER BY id LIMIT ?5";
            let params = params![
                after,
                reason.map(Reason::as_str),
                kind.as_ref().map(EventKind::as_str),
                accepted_before.map(Timestamp::as_millis),
                LOT
            ];
            tx.conn.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<_>>()?
        }
    };
    let revive = "UPDATE event SET state = 'pending', lease = lease + 2, attempts = 0, due_at = ?, settled_at = NULL
        WHERE id = ?";
    let mut revive = tx.conn.prepare_cached(revive)?;
    for (id, keys) in &dead {
        revive.execute(params![now.as_millis(), id])?;
        tx.record(StateChange { keys: *keys, from: Some(EventState::Dead), to: Some(EventState::Pending) });
    }
    let last = if dead.len() < usize::from(LOT) { None } else { dead.last().map(|(id, _)| *id) };
    Ok(Replayed { rows: dead.len() as u64, last })
}

/// What became of one lot of a prune.
pub(super) struct Pruned {
    pub(super) removed: u64,
    pub(super) more: bool,
}

/// Prunes one lot of everything.
pub(super) fn prune(tx: &mut Transaction<'_>, prune: Prune) -> Result<Pruned, Failure> {
    tx.conn.prepare_cached("UPDATE inbox SET last_id = ? WHERE last_id < ?1")?.execute([*tx.last_id])?;
    let sql = "SELECT id, object_key, delivery_key, state FROM event INDEXED BY event_settled
        WHERE settled_at IS NOT NULL AND settled_at < ? ORDER BY settled_at LIMIT ?";
    let old: Vec<_> = tx
        .conn
        .prepare_cached(sql)?
        .query_map(params![prune.settled_before.as_millis(), LOT], |row| {
            Ok((row.get::<_, i64>(0)?, inbox::read_keys(row, 1)?, queries::state(row, 3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut remove = tx.conn.prepare_cached("DELETE FROM event WHERE id = ?")?;
    for (id, keys, state) in &old {
        remove.execute([id])?;
        tx.record(StateChange { keys: *keys, from: Some(*state), to: None });
    }
    let surplus = tx.ledger.surplus_dead().min(u64::from(LOT));
    inbox::remove_oldest(tx, EventState::Dead, surplus)?;
    let wipe = "UPDATE event SET token = NULL, correlation_id = NULL WHERE id IN (
        SELECT id FROM event INDEXED BY event_dead_token
        WHERE state = 'dead' AND token IS NOT NULL AND settled_at < ? LIMIT ?)";
    let wiped = tx.conn.prepare_cached(wipe)?.execute(params![prune.tokens_before.as_millis(), LOT])?;
    let spent = "DELETE FROM spent WHERE nonce IN (SELECT nonce FROM spent WHERE expires_at < ? LIMIT ?)";
    let expired = tx.conn.prepare_cached(spent)?.execute(params![prune.now.as_millis(), LOT])?;
    let settled = effects::prune(tx.conn, prune.settled_before)?;
    let outlived = fields::prune(tx.conn, prune.now)?;
    let more = [old.len(), wiped, expired, settled, outlived].contains(&usize::from(LOT));
    Ok(Pruned { removed: old.len() as u64, more })
}

/// No event waits for longer, also where the vendor asks for it.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Rows in one step of long work: some 20 ms of the writer's time.
pub(super) const LOT: u16 = 5_000;
