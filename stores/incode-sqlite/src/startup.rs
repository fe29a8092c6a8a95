//! What opening does with the rows of the process before.

use std::time::Duration;

use incode_core::Timestamp;
use incode_core::store::dedupe::{DedupeIndex, StateChange};
use rusqlite::{Connection, params};

use crate::{accept, rows};

/// Reads the dedupe index back from the rows, with the last id that was given. One pass over narrow columns.
pub(crate) fn load_index(conn: &Connection) -> rusqlite::Result<(DedupeIndex, i64)> {
    let mut index = DedupeIndex::default();
    let sql = "SELECT coalesce((SELECT value FROM meta WHERE name = 'last_event'), 0)";
    let mut last_event: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    let sql = "SELECT id, state, object_key, delivery_key, done_key, applied_key FROM event ORDER BY id";
    let mut statement = conn.prepare(sql)?;
    let mut events = statement.query([])?;
    while let Some(row) = events.next()? {
        last_event = last_event.max(row.get(0)?);
        let (keys, applied) = accept::read_keys(row, 2)?;
        index.record(StateChange { keys, applied, from: None, to: Some(rows::state(row, 1)?) });
    }
    Ok((index, last_event))
}

/// Ends the leases of a process that died: no other process has the file open, so none holds a lease. Its events and jobs
/// are due at once, not when the leases would have ended.
pub(crate) fn end_leases(conn: &Connection) -> rusqlite::Result<()> {
    let sql = "UPDATE event INDEXED BY event_state SET due_at = received_at, lease = lease + 1
        WHERE state = 'pending' AND lease % 2 = 1";
    conn.execute(sql, [])?;
    let sql = "UPDATE job INDEXED BY job_state SET due_at = caused_at, lease = lease + 1
        WHERE state = 'pending' AND lease % 2 = 1";
    conn.execute(sql, [])?;
    Ok(())
}

/// Makes due at once what a clock that was ahead has postponed: rows that were received or caused in the future, and rows
/// that would wait for longer than anything does.
pub(crate) fn end_waits(conn: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let until = |wait| now.after(wait).as_millis();
    let sql = "UPDATE event INDEXED BY event_state SET due_at = ?1
        WHERE state = 'pending' AND due_at > ?1 AND (received_at > ?1 OR due_at > ?2)";
    conn.execute(sql, params![now.as_millis(), until(LONGEST_EVENT_WAIT)])?;
    let sql = "UPDATE job INDEXED BY job_state SET due_at = ?1
        WHERE state = 'pending' AND due_at > ?1 AND (caused_at > ?1 OR due_at > ?2)";
    conn.execute(sql, params![now.as_millis(), until(LONGEST_JOB_WAIT)])?;
    Ok(())
}

/// No event waits for longer, also where the vendor asks for it.
const LONGEST_EVENT_WAIT: Duration = Duration::from_secs(60 * 60);
/// An application may have a handler wait for longer than a day: such a wait is cut short by a restart.
const LONGEST_JOB_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
