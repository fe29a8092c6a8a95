use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::batch::Transaction;
use super::failure::Failure;
use super::upkeep::{LOT, Replayed};
use super::{identities, inbox, queries};
use crate::store::{
    ClaimedJob, EventId, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobState,
    ReplayJobs, Settled,
};
use crate::{IdentityId, Timestamp};

/// One pending effect for each handler, in the transaction that makes the event done.
pub(super) fn owe(
    conn: &Connection,
    event: EventId,
    identity: &IdentityId,
    handlers: &[Arc<str>],
    at: Timestamp,
) -> Result<(), Failure> {
    let sql = "INSERT INTO effect (event_id, handler, kind, object_id, identity_id, state, attempts, lease,
            applied_at, due_at)
        SELECT id, ?2, kind, object_id, ?3, 'pending', 0, 0, ?4, ?4 FROM event WHERE id = ?1";
    let mut insert = conn.prepare_cached(sql)?;
    for handler in handlers {
        insert.execute(params![event.0, &**handler, identity.as_str(), at.as_millis()])?;
    }
    Ok(())
}

pub(super) fn claim(tx: &mut Transaction<'_>, claim: &JobClaim) -> Result<Vec<ClaimedJob>, Failure> {
    let sql = "SELECT id, lease, event_id, kind, object_id, identity_id, attempts
        FROM effect INDEXED BY effect_due WHERE state = 'pending' AND handler = ? AND due_at <= ?
        ORDER BY due_at, id LIMIT ?";
    let mut due = tx.conn.prepare_cached(sql)?;
    let mut rows = due.query(params![&*claim.handler, claim.now.as_millis(), claim.limit])?;
    let mut effects = Vec::new();
    while let Some(row) = rows.next()? {
        effects.push(read_claimed(row, tx.conn)?);
    }
    let mut lease = tx.conn.prepare_cached("UPDATE effect SET lease = ?, attempts = ?, due_at = ? WHERE id = ?")?;
    for effect in &effects {
        let (JobLease { effect: JobId(id), number }, until) = (effect.lease, claim.lease_until.as_millis());
        lease.execute(params![number, effect.attempts, until, id])?;
    }
    Ok(effects)
}

pub(super) fn settle(conn: &Connection, lease: JobLease, settlement: &JobSettlement) -> Result<Settled, Failure> {
    let held = "SELECT 1 FROM effect WHERE id = ? AND lease = ? AND state = 'pending'";
    let id = lease.effect.0;
    if !conn.prepare_cached(held)?.exists(params![id, lease.number])? {
        return Ok(Settled::LeaseLost);
    }
    // Each counts the lease up: it is good for one settlement.
    match settlement {
        JobSettlement::Done { at } => {
            let sql = "UPDATE effect SET state = 'done', lease = lease + 1, failure = NULL, identity_id = NULL,
                due_at = NULL, settled_at = ? WHERE id = ?";
            conn.prepare_cached(sql)?.execute(params![at.as_millis(), id])?;
        }
        JobSettlement::Retry { due_at, failure } => {
            let sql = "UPDATE effect SET lease = lease + 1, due_at = ?, failure = ? WHERE id = ?";
            conn.prepare_cached(sql)?.execute(params![due_at.as_millis(), failure.as_str(), id])?;
        }
        JobSettlement::Release { due_at } => {
            let sql = "UPDATE effect SET lease = lease + 1, attempts = max(attempts - 1, 0), due_at = ? WHERE id = ?";
            conn.prepare_cached(sql)?.execute(params![due_at.as_millis(), id])?;
        }
        JobSettlement::Dead { failure, at } => {
            let sql = "UPDATE effect SET state = 'dead', lease = lease + 1, failure = ?, due_at = NULL, settled_at = ?
                WHERE id = ?";
            conn.prepare_cached(sql)?.execute(params![failure.as_str(), at.as_millis(), id])?;
        }
    }
    Ok(Settled::Written(None))
}

/// Ends the leases of a process that died; see [`super::upkeep::end_leases`].
pub(super) fn end_leases(conn: &Connection) -> rusqlite::Result<usize> {
    let sql = "UPDATE effect INDEXED BY effect_state SET due_at = applied_at, lease = lease + 1
        WHERE state = 'pending' AND lease % 2 = 1";
    conn.execute(sql, [])
}

/// As [`super::upkeep::end_waits`]. Applications may have their handlers wait for longer than a day; such a wait is cut short.
pub(super) fn end_waits(conn: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let sql = "UPDATE effect INDEXED BY effect_state SET due_at = ?1
        WHERE state = 'pending' AND due_at > ?1 AND (applied_at > ?1 OR due_at > ?2)";
    conn.execute(sql, params![now.as_millis(), now.after(LONGEST_WAIT).as_millis()])
}

/// Replays one lot of the effects after the id `after`; see [`super::upkeep::replay`].
pub(super) fn replay(conn: &Connection, which: &ReplayJobs, now: Timestamp, after: i64) -> Result<Replayed, Failure> {
    let dead: Vec<i64> = match which {
        ReplayJobs::One(id) => {
            let sql = "SELECT id FROM effect WHERE id = ? AND id > ? AND state = 'dead'";
            conn.prepare_cached(sql)?.query_map([id.0, after], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        }
        ReplayJobs::Dead(handler) => {
            let sql = "SELECT id FROM effect INDEXED BY effect_state
                WHERE state = 'dead' AND id > ?1 AND (?2 IS NULL OR handler = ?2) ORDER BY id LIMIT ?3";
            let params = params![after, handler.as_deref(), LOT];
            conn.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        }
    };
    let revive = "UPDATE effect SET state = 'pending', lease = lease + 2, attempts = 0, due_at = ?, settled_at = NULL
        WHERE id = ?";
    let mut revive = conn.prepare_cached(revive)?;
    for id in &dead {
        revive.execute(params![now.as_millis(), id])?;
    }
    let last = if dead.len() < usize::from(LOT) { None } else { dead.last().copied() };
    Ok(Replayed { rows: dead.len() as u64, last })
}

/// Removes one lot of what was settled before; how many.
pub(super) fn prune(conn: &Connection, settled_before: Timestamp) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM effect WHERE id IN (SELECT id FROM effect INDEXED BY effect_settled
        WHERE settled_at IS NOT NULL AND settled_at < ? LIMIT ?)";
    conn.prepare_cached(sql)?.execute(params![settled_before.as_millis(), LOT])
}

/// The rows stay, so that handlers are called; whose they are is forgotten.
pub(super) fn disown(conn: &Connection, id: &IdentityId) -> rusqlite::Result<usize> {
    let sql = "UPDATE effect INDEXED BY effect_identity SET identity_id = NULL WHERE identity_id = ?";
    conn.prepare_cached(sql)?.execute([id.as_str()])
}

pub(super) fn next_due(conn: &Connection, handler: &str) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT due_at FROM effect INDEXED BY effect_due
        WHERE state = 'pending' AND handler = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT 1";
    conn.prepare_cached(sql)?.query_row([handler], |row| queries::time(row, 0)).optional()
}

/// Done rows are not counted: there may be millions of them.
pub(super) fn counts(conn: &Connection) -> rusqlite::Result<JobCounts> {
    let count = |state: JobState| -> rusqlite::Result<u64> {
        let sql = "SELECT count(*) FROM effect INDEXED BY effect_state WHERE state = ?";
        let rows: i64 = conn.prepare_cached(sql)?.query_row([state.as_str()], |row| row.get(0))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    };
    let oldest = "SELECT applied_at FROM effect INDEXED BY effect_state WHERE state = 'pending' ORDER BY id LIMIT 1";
    Ok(JobCounts {
        pending: count(JobState::Pending)?,
        dead: count(JobState::Dead)?,
        oldest_pending: conn.prepare_cached(oldest)?.query_row([], |row| queries::time(row, 0)).optional()?,
    })
}

pub(super) fn list(conn: &Connection, filter: &JobFilter) -> rusqlite::Result<Vec<JobRow>> {
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    let handler = filter.handler.as_deref();
    match filter.state {
        None => {
            let sql = "SELECT id, event_id, handler, kind, object_id, state, failure, attempts, applied_at, due_at,
                settled_at FROM effect WHERE id < ?1 AND (?2 IS NULL OR handler = ?2) ORDER BY id DESC LIMIT ?3";
            conn.prepare_cached(sql)?.query_map(params![before, handler, filter.limit], read_row)?.collect()
        }
        Some(state) => {
            let sql = "SELECT id, event_id, handler, kind, object_id, state, failure, attempts, applied_at, due_at,
                settled_at FROM effect INDEXED BY effect_state
                WHERE id < ?1 AND (?2 IS NULL OR handler = ?2) AND state = ?4 ORDER BY id DESC LIMIT ?3";
            let params = params![before, handler, filter.limit, state.as_str()];
            conn.prepare_cached(sql)?.query_map(params, read_row)?.collect()
        }
    }
}

fn read_claimed(row: &Row<'_>, conn: &Connection) -> rusqlite::Result<ClaimedJob> {
    let identity_id = row.get_ref(5)?.as_str_or_null()?;
    let identity_id = identity_id.map(IdentityId::new).transpose();
    let identity_id = identity_id.map_err(|_| queries::unreadable(5, "identity id"))?;
    let (identity, subjects) = match &identity_id {
        None => (None, Vec::new()),
        Some(id) => (queries::identity(conn, id)?, identities::change(conn, id)?.subjects),
    };
    Ok(ClaimedJob {
        lease: JobLease { effect: JobId(row.get(0)?), number: inbox::next_lease(row.get(1)?) },
        event: EventId(row.get(2)?),
        kind: queries::kind(row, 3)?,
        object_id: queries::object_id(row, 4)?.ok_or_else(|| queries::unreadable(4, "object id"))?,
        identity,
        subjects,
        attempts: row.get::<_, u32>(6)?.saturating_add(1),
    })
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        id: JobId(row.get(0)?),
        event: EventId(row.get(1)?),
        handler: row.get_ref(2)?.as_str()?.into(),
        kind: queries::kind(row, 3)?,
        object_id: queries::object_id(row, 4)?.ok_or_else(|| queries::unreadable(4, "object id"))?,
        state: JobState::parse(row.get_ref(5)?.as_str()?).ok_or_else(|| queries::unreadable(5, "state"))?,
        failure: row.get_ref(6)?.as_str_or_null()?.map(JobFailure::parse),
        attempts: row.get(7)?,
        applied_at: queries::time(row, 8)?,
        due_at: queries::maybe_time(row, 9)?,
        settled_at: queries::maybe_time(row, 10)?,
    })
}

const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
