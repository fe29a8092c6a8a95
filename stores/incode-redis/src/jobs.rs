//! Jobs of the application's handlers.

use incode_core::store::{
    AUDITS_KEPT, AuditAction, ClaimedJob, ClaimedJobs, JobClaim, JobFailure, JobFilter, JobId, JobLease, JobRow,
    JobSettlement, JobState, JobStore, ReplayJobs, StoreFuture,
};
use incode_core::{Actor, Timestamp};

use crate::connection::Server;
use crate::error::Failure;
use crate::list::{LOT, List};
use crate::rows::{self, Row};
use crate::store::RedisStore;
use crate::{audit, list, scripts};

impl JobStore for RedisStore {
    fn claim_jobs(&self, wanted: JobClaim) -> StoreFuture<'_, ClaimedJobs> {
        self.with(async move { claim(&self.server, &wanted).await })
    }

    fn renew_jobs(&self, leases: Vec<JobLease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        self.with(async move {
            let call = self.server.script(&scripts::RENEW_JOBS).arg(lease_until.as_millis());
            let call = call.counted(&leases, |call, lease| call.arg(lease.job.0).arg(lease.number));
            self.server.run::<i64>(call).await.map(drop)
        })
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, bool> {
        self.with(async move { settle(&self.server, lease, &settlement).await })
    }

    fn jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        self.with(async move { jobs(&self.server, &filter).await })
    }

    fn replay_jobs(&self, which: ReplayJobs, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.with(async move { replay(&self.server, which, &by, now).await })
    }
}

/// Leases due jobs of one handler, with the identity and its subjects read at the same instant: a handler never sees a
/// row and a link of different times.
async fn claim(server: &Server, claim: &JobClaim) -> Result<ClaimedJobs, Failure> {
    let call = server
        .script(&scripts::CLAIM_JOBS)
        .arg(&*claim.handler)
        .arg(claim.now.as_millis())
        .arg(claim.lease_until.as_millis())
        .arg(claim.limit);
    let (claimed, next_due, lost): (Vec<Row>, Option<i64>, u64) = server.run(call).await?;
    list::count_lost("job", lost);
    let jobs = claimed.iter().filter_map(|row| list::readable("job", read_claimed(row))).collect();
    Ok(ClaimedJobs { jobs, next_due: next_due.map(Timestamp::from_millis) })
}

/// The columns that `claim_jobs.lua` returns.
fn read_claimed(row: &Row) -> Result<ClaimedJob, Failure> {
    let id = rows::maybe_text(row, 3)?.map(rows::identity_id).transpose()?;
    let identity = match (&id, rows::bytes(row, 7)) {
        (Some(id), Some(bytes)) => Some(rows::read_identity(id, bytes)?),
        _ => None,
    };
    Ok(ClaimedJob {
        lease: JobLease { job: JobId(rows::number(row, 6)?), number: rows::number(row, 4)? },
        cause: cause(row, 1)?.ok_or_else(|| Failure::unreadable("cause"))?,
        caused_at: rows::time(row, 0)?,
        identity,
        subjects: rows::subjects(row, 8)?,
        attempts: rows::number(row, 5)?,
    })
}

/// From the column that stays, or from the one that is erased.
fn cause(row: &Row, column: usize) -> Result<Option<incode_core::identity::transition::JobCause>, Failure> {
    rows::bytes(row, column).or(rows::bytes(row, column + 1)).map(rows::read_cause).transpose()
}

/// Settles a job. False: the lease was lost, another worker has the job, and nothing was written.
async fn settle(server: &Server, lease: JobLease, settlement: &JobSettlement) -> Result<bool, Failure> {
    let (how, moment, failure) = match settlement {
        JobSettlement::Done { at } => ("done", at, None),
        JobSettlement::Retry { due_at, failure } => ("retry", due_at, Some(*failure)),
        JobSettlement::Release { due_at } => ("release", due_at, None),
        JobSettlement::Dead { failure, at } => ("dead", at, Some(*failure)),
    };
    let call = server.script(&scripts::SETTLE_JOB).arg(lease.job.0).arg(lease.number).arg(how).arg(moment.as_millis());
    let written: String = server.run(call.maybe(failure.map(JobFailure::as_str))).await?;
    Ok(written == "1")
}

/// A page of jobs, newest first.
async fn jobs(server: &Server, filter: &JobFilter) -> Result<Vec<JobRow>, Failure> {
    let mut conditions = Vec::new();
    conditions.extend(filter.state.map(|state| ("state", state.as_str())));
    conditions.extend(filter.handler.as_deref().map(|handler| ("handler", handler)));
    // Few are pending or dead among those that are done.
    let index = filter.state.map_or("jobs".to_owned(), |state| format!("xs:{}", state.as_str()));
    let before = filter.before.map(|id| id.0);
    let wanted =
        List { index: &index, prefix: "x:", before, limit: filter.limit, conditions: &conditions, columns: &COLUMNS };
    wanted.read(server).await?.iter().map(|(id, row)| read_row(*id, row)).collect()
}

/// The columns of [`COLUMNS`].
fn read_row(id: i64, row: &Row) -> Result<JobRow, Failure> {
    Ok(JobRow {
        id: JobId(id),
        handler: rows::text(row, 0)?.into(),
        cause: cause(row, 1)?,
        state: JobState::parse(rows::text(row, 3)?).ok_or_else(|| Failure::unreadable("state"))?,
        failure: rows::maybe_text(row, 4)?.map(JobFailure::parse),
        attempts: rows::number(row, 5)?,
        caused_at: rows::time(row, 6)?,
        due_at: rows::maybe_time(row, 7)?,
        settled_at: rows::maybe_time(row, 8)?,
    })
}

/// Replays dead jobs in lots, as events are replayed.
async fn replay(server: &Server, which: ReplayJobs, by: &Actor, now: Timestamp) -> Result<u64, Failure> {
    let (one, handler) = match &which {
        ReplayJobs::One(id) => (Some(id.0), None),
        ReplayJobs::Dead(handler) => (None, handler.clone()),
    };
    let action = audit::write(&AuditAction::ReplayJobs(which))?;
    let lot = |after: &str, entry: &str| {
        let call = server.script(&scripts::REPLAY_JOBS).arg(after).maybe(one).maybe(handler.as_deref());
        let call = call.arg(now.as_millis()).arg(entry).arg(by.as_str()).arg(&action);
        call.arg(AUDITS_KEPT).arg(LOT)
    };
    list::replay(server, lot).await
}

/// The columns of [`read_row`].
const COLUMNS: [&str; 9] =
    ["handler", "cause", "person", "state", "failure", "attempts", "caused_at", "due_at", "settled_at"];
