//! The jobs of the application's handlers.

use incode_core::store::{
    AuditAction, ClaimedJob, ClaimedJobs, JobClaim, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement,
    JobState, JobStore, ReplayJobs, StoreFuture,
};
use incode_core::{Actor, Subject, Timestamp};
use tokio_postgres::Row;

use super::connection::Statement;
use super::error::Failure;
use super::inbox::{self, LOT};
use super::rows::{self, get, maybe_time, time};
use super::store::PostgresStore;

impl JobStore for PostgresStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, ClaimedJobs> {
        Box::pin(async move {
            let handler = &*claim.handler;
            let claimed = params![handler, claim.now, i64::from(claim.limit), claim.lease_until];
            let answers = self.pool.run(&[(CLAIM, claimed), (NEXT_DUE, params![handler])]).await?;
            let [claimed, next] = &*answers else { return Err(Failure::unreadable("answers").into()) };
            let mut jobs = Vec::new();
            for row in &claimed.rows {
                jobs.extend(read_claimed(row)?);
            }
            Ok(ClaimedJobs { jobs, next_due: maybe_time(next.row()?, 0)? })
        })
    }

    fn renew_jobs(&self, leases: Vec<JobLease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let ids: Vec<i64> = leases.iter().map(|lease| lease.job.0).collect();
            let numbers: Vec<i64> = leases.iter().map(|lease| lease.number).collect();
            self.pool.run(&[(RENEW, params![ids, numbers, lease_until])]).await?;
            Ok(())
        })
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let answers = self.pool.run(&[settled(lease, &settlement)]).await?;
            Ok(answers.iter().any(|answer| answer.count == 1))
        })
    }

    fn jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        Box::pin(async move {
            let params = params![
                filter.before.map_or(i64::MAX, |id| id.0),
                filter.handler.as_deref(),
                filter.state.map(JobState::as_str),
                i64::from(filter.limit),
            ];
            let answers = self.pool.run(&[(LIST, params)]).await?;
            let rows = answers.iter().flat_map(|answer| &answer.rows);
            Ok(rows.map(read_row).collect::<Result<_, _>>()?)
        })
    }

    fn replay_jobs(&self, which: ReplayJobs, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let (one, handler) = match &which {
                ReplayJobs::One(id) => (Some(id.0), None),
                ReplayJobs::Dead(handler) => (None, handler.clone()),
            };
            let statement = |after: i64| (REPLAY, params![after, one, handler.as_deref(), LOT, now]);
            let action = AuditAction::ReplayJobs(which.clone());
            Ok(inbox::replay(&self.pool, statement, action, &by, now).await?)
        })
    }
}

/// Counts the lease up: a lease is good for one settlement.
fn settled(lease: JobLease, settlement: &JobSettlement) -> Statement {
    let (id, number) = (lease.job.0, lease.number);
    match settlement {
        JobSettlement::Done { at } => (DONE, params![id, number, *at]),
        JobSettlement::Retry { due_at, failure } => {
            let sql = "UPDATE incode.job SET lease = lease + 1, due_at = $3, failure = $4
                WHERE id = $1 AND lease = $2 AND state = 'pending'";
            (sql, params![id, number, *due_at, failure.as_str()])
        }
        JobSettlement::Release { due_at } => {
            let sql = "UPDATE incode.job SET lease = lease + 1, attempts = greatest(attempts - 1, 0), due_at = $3
                WHERE id = $1 AND lease = $2 AND state = 'pending'";
            (sql, params![id, number, *due_at])
        }
        JobSettlement::Dead { failure, at } => {
            let sql = "UPDATE incode.job SET state = 'dead', lease = lease + 1, failure = $4, due_at = NULL,
                settled_at = $3 WHERE id = $1 AND lease = $2 AND state = 'pending'";
            (sql, params![id, number, *at, failure.as_str()])
        }
    }
}

/// The columns of [`CLAIM`]. `None`: a cause without its subject, which no handler can be called with.
fn read_claimed(row: &Row) -> Result<Option<ClaimedJob>, Failure> {
    let Some(cause) = rows::cause(row, 4)? else { return Ok(None) };
    let has_identity = get::<Option<&str>>(row, 11)?.is_some();
    let subjects = get::<Vec<&str>>(row, IDENTITY_AT + rows::IDENTITY_COLUMNS)?;
    let subjects = subjects.into_iter().map(|text| Subject::new(text).map_err(|_| Failure::unreadable("subject")));
    Ok(Some(ClaimedJob {
        lease: JobLease { job: JobId(get(row, 0)?), number: get(row, 1)? },
        cause,
        caused_at: time(row, 2)?,
        identity: has_identity.then(|| rows::identity(row, IDENTITY_AT)).transpose()?,
        subjects: subjects.collect::<Result<_, _>>()?,
        attempts: rows::attempts(row, 3)?,
    }))
}

/// The columns of [`LIST`].
fn read_row(row: &Row) -> Result<JobRow, Failure> {
    Ok(JobRow {
        id: JobId(get(row, 0)?),
        handler: get::<&str>(row, 1)?.into(),
        state: JobState::parse(get(row, 2)?).ok_or_else(|| Failure::unreadable("state"))?,
        failure: get::<Option<&str>>(row, 3)?.map(JobFailure::parse),
        attempts: rows::attempts(row, 4)?,
        caused_at: time(row, 5)?,
        due_at: maybe_time(row, 6)?,
        settled_at: maybe_time(row, 7)?,
        cause: rows::cause(row, 8)?,
    })
}

/// One statement for the jobs, their identities and the subjects of those: all of one instant, in one round trip. What
/// another process claims at this moment is passed over.
const CLAIM: &str = concat!(
    "WITH due AS (
        SELECT id, due_at FROM incode.job WHERE state = 'pending' AND handler = $1 AND due_at <= $2
        ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE incode.job SET lease = lease + 1, attempts = attempts + 1, due_at = $4 FROM due WHERE job.id = due.id
        RETURNING job.*, due.due_at AS was_due_at
    )
    SELECT id, lease, caused_at, attempts, cause, event_id, kind, object_id, subject, cause_at, was_due_at, person.*,
        ARRAY(SELECT subject FROM incode.link WHERE link.identity_id = claimed.identity_id)
    FROM claimed LEFT JOIN (SELECT ",
    identity_columns!(),
    " FROM incode.identity) AS person USING (identity_id) ORDER BY was_due_at, id"
);
/// Where the identity begins in a row of [`CLAIM`].
const IDENTITY_AT: usize = 11;
/// A row that is being settled needs no renewal, and is not waited for: the other leases would end meanwhile.
const RENEW: &str = "UPDATE incode.job SET due_at = $3 FROM (
        SELECT id FROM incode.job JOIN unnest($1::bigint[], $2::bigint[]) AS held (id, lease) USING (id, lease)
        WHERE state = 'pending' FOR UPDATE OF job SKIP LOCKED) AS held
    WHERE job.id = held.id";
/// When the next job of a handler is due, leased jobs included: that is how long its runner may sleep.
const NEXT_DUE: &str = "SELECT min(due_at) FROM incode.job WHERE state = 'pending' AND handler = $1";
/// A done job no longer contains the identity and its subjects: they are personal data, and no call needs them.
const DONE: &str = "UPDATE incode.job SET state = 'done', lease = lease + 1, failure = NULL, identity_id = NULL,
    subject = NULL, due_at = NULL, settled_at = $3 WHERE id = $1 AND lease = $2 AND state = 'pending'";
/// A page of jobs, newest first, read from the end of the primary key.
const LIST: &str = "SELECT id, handler, state, failure, attempts, caused_at, due_at, settled_at, cause, event_id, kind,
        object_id, subject, cause_at
    FROM incode.job WHERE id < $1 AND ($2 IS NULL OR handler = $2) AND ($3 IS NULL OR state = $3)
    ORDER BY id DESC LIMIT $4";
/// Locks the rows in the order of their ids, so that two replays at once do not deadlock.
const REPLAY: &str = "WITH dead AS (
        SELECT id FROM incode.job WHERE state = 'dead' AND id > $1 AND ($2 IS NULL OR id = $2)
        AND ($3 IS NULL OR handler = $3) ORDER BY id LIMIT $4 FOR UPDATE)
    UPDATE incode.job SET state = 'pending', lease = lease + 1, attempts = 0, due_at = $5, settled_at = NULL
    FROM dead WHERE job.id = dead.id RETURNING job.id";
