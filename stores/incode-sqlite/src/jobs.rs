//! Jobs of the application's handlers. Leases work as those of events do.
//!
//! A row keeps why the handler is called in columns of its own, so that a subject can be erased when its job is done, and
//! an identity when it is forgotten.

use incode_core::identity::transition::{JobCause, NewJob};
use incode_core::store::{
    AuditAction, ClaimedJob, ClaimedJobs, EventId, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow,
    JobSettlement, JobState, JobStore, ReplayJobs, StoreFuture,
};
use incode_core::{Actor, IdentityId, Subject, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::batch::LOT;
use crate::error::Failure;
use crate::store::SqliteStore;
use crate::{audit, people, rows};

impl JobStore for SqliteStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, ClaimedJobs> {
        Box::pin(self.write(move |tx| take(tx.conn, &claim)))
    }

    fn renew_jobs(&self, leases: Vec<JobLease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |tx| {
            let sql = "UPDATE job SET due_at = ? WHERE id = ? AND lease = ? AND state = 'pending'";
            let mut renew = tx.conn.prepare_cached(sql)?;
            for JobLease { job, number } in leases {
                renew.execute(params![lease_until.as_millis(), job.0, number])?;
            }
            Ok(())
        }))
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, bool> {
        Box::pin(self.write(move |tx| settle(tx.conn, lease, &settlement)))
    }

    fn jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        Box::pin(self.read(move |conn| Ok(list(conn, &filter)?)))
    }

    fn replay_jobs(&self, which: ReplayJobs, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut entry = audit::Entry::new(AuditAction::ReplayJobs(which.clone()), by, now);
            let mut after = Some(0);
            while let Some(id) = after {
                let which = which.clone();
                (entry, after) = self
                    .write(move |tx| {
                        let (rows, last) = replay(tx.conn, &which, now, id)?;
                        entry.count_up(tx.conn, rows)?;
                        Ok((entry, last))
                    })
                    .await?;
            }
            Ok(entry.count())
        })
    }
}

/// One pending job each, in the transaction of its cause.
pub(crate) fn enqueue(conn: &Connection, jobs: &[NewJob]) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO job (handler, cause, event_id, kind, object_id, subject, instant, identity_id, state, attempts,
            lease, caused_at, due_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?, ?)";
    let mut insert = conn.prepare_cached(sql)?;
    for NewJob { handler, cause, identity_id, caused_at } in jobs {
        let (mut event, mut person) = ((None, None, None), (None, None));
        match cause {
            JobCause::Event { event: id, kind, object_id } => {
                event = (Some(id.0), Some(kind.as_str()), Some(object_id.as_str()));
            }
            JobCause::Verified { subject, linked_at: instant } | JobCause::Revoked { subject, checked_at: instant } => {
                person = (Some(subject.as_str()), Some(instant.as_millis()));
            }
            // A cause of a newer core can't be read back: its name alone is kept.
            _ => {}
        }
        let (identity, at) = (identity_id.as_str(), caused_at.as_millis());
        insert.execute(params![
            &**handler,
            cause.as_str(),
            event.0,
            event.1,
            event.2,
            person.0,
            person.1,
            identity,
            at,
            at
        ])?;
    }
    Ok(())
}

/// The rows stay, so that the handlers are called; they no longer name the identity.
pub(crate) fn detach(conn: &Connection, id: &IdentityId) -> rusqlite::Result<()> {
    let sql = "UPDATE job INDEXED BY job_identity SET identity_id = NULL WHERE identity_id = ?";
    conn.prepare_cached(sql)?.execute([id.as_str()]).map(drop)
}

/// Done rows are not counted: there may be millions of them.
pub(crate) fn counts(conn: &Connection) -> rusqlite::Result<JobCounts> {
    let count = |state: JobState| -> rusqlite::Result<u64> {
        let sql = "SELECT count(*) FROM job INDEXED BY job_state WHERE state = ?";
        let rows: i64 = conn.prepare_cached(sql)?.query_row([state.as_str()], |row| row.get(0))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    };
    let oldest = "SELECT caused_at FROM job INDEXED BY job_state WHERE state = 'pending' ORDER BY id LIMIT 1";
    Ok(JobCounts {
        pending: count(JobState::Pending)?,
        dead: count(JobState::Dead)?,
        oldest_pending: conn.prepare_cached(oldest)?.query_row([], |row| rows::time(row, 0)).optional()?,
    })
}

/// Leases due jobs of one handler.
fn take(conn: &Connection, claim: &JobClaim) -> Result<ClaimedJobs, Failure> {
    let sql = "SELECT id, lease, cause, event_id, kind, object_id, subject, instant, caused_at, attempts, identity_id
        FROM job INDEXED BY job_due WHERE state = 'pending' AND handler = ? AND due_at <= ?
        ORDER BY due_at, id LIMIT ?";
    let params = params![&*claim.handler, claim.now.as_millis(), claim.limit];
    let jobs: Vec<_> =
        conn.prepare_cached(sql)?.query_map(params, |row| read_claimed(row, conn))?.collect::<rusqlite::Result<_>>()?;
    let mut lease = conn.prepare_cached("UPDATE job SET lease = ?, attempts = ?, due_at = ? WHERE id = ?")?;
    for job in &jobs {
        let JobLease { job: JobId(id), number } = job.lease;
        lease.execute(params![number, job.attempts, claim.lease_until.as_millis(), id])?;
    }
    let sql = "SELECT due_at FROM job INDEXED BY job_due
        WHERE state = 'pending' AND handler = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT 1";
    let next_due = conn.prepare_cached(sql)?.query_row([&*claim.handler], |row| rows::time(row, 0)).optional()?;
    Ok(ClaimedJobs { jobs, next_due })
}

/// False: the lease was lost, and nothing was written.
fn settle(conn: &Connection, lease: JobLease, settlement: &JobSettlement) -> Result<bool, Failure> {
    let id = lease.job.0;
    // Each statement counts the lease up: a lease is good for one settlement.
    let changed = match settlement {
        JobSettlement::Done { at } => {
            let sql = "UPDATE job SET state = 'done', lease = lease + 1, failure = NULL, identity_id = NULL,
                subject = NULL, due_at = NULL, settled_at = ? WHERE id = ? AND lease = ? AND state = 'pending'";
            conn.prepare_cached(sql)?.execute(params![at.as_millis(), id, lease.number])?
        }
        JobSettlement::Retry { due_at, failure } => {
            let sql = "UPDATE job SET lease = lease + 1, due_at = ?, failure = ?
                WHERE id = ? AND lease = ? AND state = 'pending'";
            conn.prepare_cached(sql)?.execute(params![due_at.as_millis(), failure.as_str(), id, lease.number])?
        }
        JobSettlement::Release { due_at } => {
            let sql = "UPDATE job SET lease = lease + 1, attempts = max(attempts - 1, 0), due_at = ?
                WHERE id = ? AND lease = ? AND state = 'pending'";
            conn.prepare_cached(sql)?.execute(params![due_at.as_millis(), id, lease.number])?
        }
        JobSettlement::Dead { failure, at } => {
            let sql = "UPDATE job SET state = 'dead', lease = lease + 1, failure = ?, due_at = NULL, settled_at = ?
                WHERE id = ? AND lease = ? AND state = 'pending'";
            conn.prepare_cached(sql)?.execute(params![failure.as_str(), at.as_millis(), id, lease.number])?
        }
    };
    Ok(changed > 0)
}

/// A page of jobs, newest first.
fn list(conn: &Connection, filter: &JobFilter) -> rusqlite::Result<Vec<JobRow>> {
    let (from, state) = match filter.state {
        Some(_) => ("INDEXED BY job_state", "state = ?2"),
        None => ("NOT INDEXED", "?2 IS NULL"),
    };
    let sql = format!(
        "SELECT id, handler, cause, event_id, kind, object_id, subject, instant, state, failure, attempts, caused_at,
            due_at, settled_at
        FROM job {from} WHERE id < ?1 AND {state} AND (?3 IS NULL OR handler = ?3) ORDER BY id DESC LIMIT ?4"
    );
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    let params = params![before, filter.state.map(JobState::as_str), filter.handler.as_deref(), filter.limit];
    conn.prepare_cached(&sql)?.query_map(params, read_row)?.collect()
}

/// Replays one lot of the jobs after the id `after`, as events are replayed.
fn replay(conn: &Connection, which: &ReplayJobs, now: Timestamp, after: i64) -> Result<(u64, Option<i64>), Failure> {
    let dead: Vec<i64> = match which {
        ReplayJobs::One(id) => {
            let sql = "SELECT id FROM job WHERE id = ? AND id > ? AND state = 'dead'";
            conn.prepare_cached(sql)?.query_map([id.0, after], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        }
        ReplayJobs::Dead(handler) => {
            let sql = "SELECT id FROM job INDEXED BY job_state
                WHERE state = 'dead' AND id > ?1 AND (?2 IS NULL OR handler = ?2) ORDER BY id LIMIT ?3";
            let params = params![after, handler.as_deref(), LOT];
            conn.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        }
    };
    // By two, so that the number stays even: no lease.
    let revive = "UPDATE job SET state = 'pending', lease = lease + 2, attempts = 0, due_at = ?, settled_at = NULL
        WHERE id = ?";
    let mut revive = conn.prepare_cached(revive)?;
    for id in &dead {
        revive.execute(params![now.as_millis(), id])?;
    }
    let last = if dead.len() < usize::from(LOT) { None } else { dead.last().copied() };
    Ok((dead.len() as u64, last))
}

/// A claimed job with its identity and subjects, read in the transaction of the claim.
fn read_claimed(row: &Row<'_>, conn: &Connection) -> rusqlite::Result<ClaimedJob> {
    let identity_id = rows::maybe(row, 10, rows::identity_id)?;
    let (identity, subjects) = match &identity_id {
        None => (None, Vec::new()),
        Some(id) => (people::identity(conn, id)?, people::subjects_of(conn, id)?),
    };
    Ok(ClaimedJob {
        lease: JobLease { job: JobId(row.get(0)?), number: rows::next_lease(row, 1)? },
        cause: rows::required(read_cause(row, 2)?, 2, "cause")?,
        caused_at: rows::time(row, 8)?,
        identity,
        subjects,
        attempts: row.get::<_, u32>(9)?.saturating_add(1),
    })
}

/// The columns that [`list`] reads.
fn read_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        id: JobId(row.get(0)?),
        handler: rows::text(row, 1)?.into(),
        cause: read_cause(row, 2)?,
        state: rows::required(JobState::parse(rows::text(row, 8)?), 8, "state")?,
        failure: rows::maybe(row, 9, rows::text_of)?.as_deref().map(JobFailure::parse),
        attempts: row.get(10)?,
        caused_at: rows::time(row, 11)?,
        due_at: rows::maybe_time(row, 12)?,
        settled_at: rows::maybe_time(row, 13)?,
    })
}

/// The cause in six columns side by side: its name, event, kind, object, subject, instant. `None` where it named a
/// subject, which was erased.
fn read_cause(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<JobCause>> {
    let name = rows::text(row, column)?;
    if name == "event" {
        return Ok(Some(JobCause::Event {
            event: EventId(row.get(column + 1)?),
            kind: rows::kind(row, column + 2)?,
            object_id: rows::object_id(row, column + 3)?,
        }));
    }
    let subject: Option<Subject> = rows::maybe(row, column + 4, rows::subject)?;
    let instant = rows::maybe_time(row, column + 5)?;
    let Some((subject, instant)) = subject.zip(instant) else { return Ok(None) };
    match name {
        "verified" => Ok(Some(JobCause::Verified { subject, linked_at: instant })),
        "revoked" => Ok(Some(JobCause::Revoked { subject, checked_at: instant })),
        _ => rows::required(None, column, "cause"),
    }
}
