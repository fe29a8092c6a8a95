use super::failure::Failure;
use super::inbox::{self, LOT, first_score};
use super::link::{Arguments, Link};
use super::rows::{self, Row};
use super::scripts;
use crate::Timestamp;
use crate::store::{
    ClaimedJob, EventId, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobState,
    ReplayJobs, Settled,
};

pub(super) async fn claim(link: &Link, claim: &JobClaim) -> Result<Vec<ClaimedJob>, Failure> {
    let arguments = Arguments::default()
        .text(&*claim.handler)
        .number(claim.now.as_millis())
        .number(claim.lease_until.as_millis())
        .number(claim.limit);
    let claimed: Vec<Row> = link.run(&scripts::CLAIM_EFFECTS, arguments).await?;
    claimed.iter().map(read_claimed).collect()
}

pub(super) async fn next_due(link: &Link, handler: &str) -> Result<Option<Timestamp>, Failure> {
    first_score(link, &format!("xd:{handler}")).await
}

pub(super) async fn settle(link: &Link, lease: JobLease, settlement: &JobSettlement) -> Result<Settled, Failure> {
    let (how, at, failure) = match settlement {
        JobSettlement::Done { at } => ("done", at, None),
        JobSettlement::Retry { due_at, failure } => ("retry", due_at, Some(*failure)),
        JobSettlement::Release { due_at } => ("release", due_at, None),
        JobSettlement::Dead { failure, at } => ("dead", at, Some(*failure)),
    };
    let arguments = Arguments::default()
        .number(lease.effect.0)
        .number(lease.number)
        .text(how)
        .number(at.as_millis())
        .maybe(failure.map(JobFailure::as_str));
    let written: String = link.run(&scripts::SETTLE_EFFECT, arguments).await?;
    Ok(if written == "1" { Settled::Written(None) } else { Settled::LeaseLost })
}

pub(super) async fn counts(link: &Link) -> Result<JobCounts, Failure> {
    let row: Row = link.run(&scripts::EFFECT_COUNTS, Arguments::default()).await?;
    Ok(JobCounts {
        pending: rows::number(&row, 0)?,
        dead: rows::number(&row, 1)?,
        oldest_pending: rows::maybe_time(&row, 2)?,
    })
}

pub(super) async fn list(link: &Link, filter: &JobFilter) -> Result<Vec<JobRow>, Failure> {
    let mut conditions = Vec::new();
    conditions.extend(filter.state.map(|state| ("state", state.as_str())));
    conditions.extend(filter.handler.as_deref().map(|handler| ("handler", handler)));
    let before = filter.before.map(|id| id.0);
    // Few are pending or dead among those that are done.
    let index = match filter.state {
        Some(state) => format!("xs:{}", state.as_str()),
        None => "effects".to_owned(),
    };
    let found = inbox::list(link, &index, "x:", before, filter.limit, &conditions, &COLUMNS).await?;
    found.iter().map(|(id, row)| read_row(*id, row)).collect()
}

pub(super) async fn replay(link: &Link, which: &ReplayJobs, now: Timestamp) -> Result<u64, Failure> {
    let (one, handler) = match which {
        ReplayJobs::One(id) => (Some(id.0.to_string()), None),
        ReplayJobs::Dead(handler) => (None, handler.as_deref()),
    };
    let (mut replayed, mut after) = (0, "-inf".to_owned());
    loop {
        let arguments =
            Arguments::default().text(&after).maybe(one.as_ref()).maybe(handler).number(now.as_millis()).number(LOT);
        let row: Row = link.run(&scripts::REPLAY_EFFECTS, arguments).await?;
        replayed += rows::number::<u64>(&row, 0)?;
        after = rows::text(&row, 1)?.to_owned();
        if after.is_empty() {
            return Ok(replayed);
        }
    }
}

fn read_claimed(row: &Row) -> Result<ClaimedJob, Failure> {
    let id = rows::maybe_text(row, 3)?.map(rows::identity_id).transpose()?;
    let (identity, subjects) = match &id {
        None => (None, Vec::new()),
        Some(id) => {
            let identity = rows::bytes(row, 7).map(|bytes| rows::read_identity(id, bytes)).transpose()?;
            (identity, rows::subjects(row, 8)?)
        }
    };
    Ok(ClaimedJob {
        lease: JobLease { effect: JobId(rows::number(row, 4)?), number: rows::number(row, 5)? },
        event: EventId(rows::number(row, 0)?),
        kind: rows::kind(row, 1)?,
        object_id: rows::the_object_id(row, 2)?,
        identity,
        subjects,
        attempts: rows::number(row, 6)?,
    })
}

fn read_row(id: i64, row: &Row) -> Result<JobRow, Failure> {
    Ok(JobRow {
        id: JobId(id),
        event: EventId(rows::number(row, 0)?),
        handler: rows::text(row, 1)?.into(),
        kind: rows::kind(row, 2)?,
        object_id: rows::the_object_id(row, 3)?,
        state: JobState::parse(rows::text(row, 4)?).ok_or_else(|| Failure::unreadable("state"))?,
        failure: rows::maybe_text(row, 5)?.map(JobFailure::parse),
        attempts: rows::number(row, 6)?,
        applied_at: rows::time(row, 7)?,
        due_at: rows::maybe_time(row, 8)?,
        settled_at: rows::maybe_time(row, 9)?,
    })
}

const COLUMNS: [&str; 10] =
    ["event", "handler", "kind", "object_id", "state", "failure", "attempts", "applied_at", "due_at", "settled_at"];
