use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;

use super::failure::Failure;
use super::link::Link;
use super::rows::{self, get, maybe_time, time};
use super::upkeep::{LOT, Replayed};
use crate::identity::Identity;
use crate::store::{
    ClaimedJob, EventId, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobState,
    ReplayJobs, Settled,
};
use crate::{IdentityId, Subject, Timestamp};

/// One pending effect for each handler, in the transaction that makes the event done.
pub(super) async fn owe(
    tx: &Link,
    event: EventId,
    identity: &IdentityId,
    handlers: &[Arc<str>],
    at: Timestamp,
) -> Result<(), Failure> {
    if handlers.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO effect (event_id, handler, kind, object_id, identity_id, state, applied_at, due_at)
        SELECT id, handler, kind, object_id, $3, 'pending', $4, $4 FROM event, unnest($2::text[]) AS handler
        WHERE id = $1";
    let handlers: Vec<&str> = handlers.iter().map(|handler| &**handler).collect();
    tx.execute(sql, &[&event.0, &handlers, &identity.as_str(), &at.as_millis()]).await.map(drop)
}

pub(super) async fn claim(tx: &Link, claim: &JobClaim) -> Result<Vec<ClaimedJob>, Failure> {
    let sql = "WITH due AS (
            SELECT id, due_at FROM effect WHERE state = 'pending' AND handler = $1 AND due_at <= $2
            ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)
        UPDATE effect SET lease = lease + 1, attempts = attempts + 1, due_at = $4 FROM due WHERE effect.id = due.id
        RETURNING effect.id, lease, event_id, kind, object_id, identity_id, attempts, due.due_at";
    let (now, until) = (claim.now.as_millis(), claim.lease_until.as_millis());
    let mut rows = tx.query(sql, &[&&*claim.handler, &now, &rows::limit(claim.limit), &until]).await?;
    // An update returns its rows in an order of its own.
    rows.sort_by_key(|row| (row.try_get::<_, i64>(7).ok(), row.try_get::<_, i64>(0).ok()));
    let ids: Vec<&str> = rows.iter().filter_map(|row| row.try_get(5).ok()).collect();
    let persons = persons(tx, &ids).await?;
    rows.iter().map(|row| read_claimed(row, &persons)).collect()
}

pub(super) async fn settle(tx: &Link, lease: JobLease, settlement: &JobSettlement) -> Result<Settled, Failure> {
    let (id, number) = (lease.effect.0, lease.number);
    // Each counts the lease up: it is good for one settlement.
    let written = match settlement {
        JobSettlement::Done { at } => {
            let sql = "UPDATE effect SET state = 'done', lease = lease + 1, failure = NULL, identity_id = NULL,
                due_at = NULL, settled_at = $3 WHERE id = $1 AND lease = $2 AND state = 'pending'";
            tx.execute(sql, &[&id, &number, &at.as_millis()]).await?
        }
        JobSettlement::Retry { due_at, failure } => {
            let sql = "UPDATE effect SET lease = lease + 1, due_at = $3, failure = $4
                WHERE id = $1 AND lease = $2 AND state = 'pending'";
            tx.execute(sql, &[&id, &number, &due_at.as_millis(), &failure.as_str()]).await?
        }
        JobSettlement::Release { due_at } => {
            let sql = "UPDATE effect SET lease = lease + 1, attempts = greatest(attempts - 1, 0), due_at = $3
                WHERE id = $1 AND lease = $2 AND state = 'pending'";
            tx.execute(sql, &[&id, &number, &due_at.as_millis()]).await?
        }
        JobSettlement::Dead { failure, at } => {
            let sql = "UPDATE effect SET state = 'dead', lease = lease + 1, failure = $4, due_at = NULL,
                settled_at = $3 WHERE id = $1 AND lease = $2 AND state = 'pending'";
            tx.execute(sql, &[&id, &number, &at.as_millis(), &failure.as_str()]).await?
        }
    };
    Ok(if written == 1 { Settled::Written(None) } else { Settled::LeaseLost })
}

/// Replays one lot of the effects after the id `after`; see [`super::upkeep::replay`].
pub(super) async fn replay(tx: &Link, which: &ReplayJobs, now: Timestamp, after: i64) -> Result<Replayed, Failure> {
    let (one, handler) = match which {
        ReplayJobs::One(id) => (Some(id.0), None),
        ReplayJobs::Dead(handler) => (None, handler.as_deref()),
    };
    let sql = "WITH dead AS (
            SELECT id FROM effect WHERE state = 'dead' AND id > $1 AND ($2::bigint IS NULL OR id = $2)
            AND ($3::text IS NULL OR handler = $3) ORDER BY id LIMIT $4 FOR UPDATE)
        UPDATE effect SET state = 'pending', lease = lease + 1, attempts = 0, due_at = $5, settled_at = NULL
        FROM dead WHERE effect.id = dead.id RETURNING effect.id";
    let rows = tx.query(sql, &[&after, &one, &handler, &LOT, &now.as_millis()]).await?;
    Replayed::of(&rows)
}

/// Removes one lot of what was settled before; how many.
pub(super) async fn prune(tx: &Link, settled_before: Timestamp) -> Result<u64, Failure> {
    let sql = "DELETE FROM effect WHERE id IN (SELECT id FROM effect
        WHERE settled_at IS NOT NULL AND settled_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
    tx.execute(sql, &[&settled_before.as_millis(), &LOT]).await
}

/// The rows stay, so that handlers are called; whose they are is forgotten.
pub(super) async fn disown(tx: &Link, id: &IdentityId) -> Result<(), Failure> {
    tx.execute("UPDATE effect SET identity_id = NULL WHERE identity_id = $1", &[&id.as_str()]).await.map(drop)
}

pub(super) async fn next_due(link: &Link, handler: &str) -> Result<Option<Timestamp>, Failure> {
    let sql = "SELECT due_at FROM effect WHERE state = 'pending' AND handler = $1 ORDER BY due_at LIMIT 1";
    link.query_opt(sql, &[&handler]).await?.map(|row| time(&row, 0)).transpose()
}

/// Done rows are not counted: there may be millions of them.
pub(super) async fn counts(link: &Link) -> Result<JobCounts, Failure> {
    let sql = "SELECT (SELECT count(*) FROM effect WHERE state = 'pending'),
        (SELECT count(*) FROM effect WHERE state = 'dead'),
        (SELECT applied_at FROM effect WHERE state = 'pending' ORDER BY id LIMIT 1)";
    let row = link.query_one(sql, &[]).await?;
    Ok(JobCounts {
        pending: rows::number(&row, 0)?,
        dead: rows::number(&row, 1)?,
        oldest_pending: maybe_time(&row, 2)?,
    })
}

pub(super) async fn list(link: &Link, filter: &JobFilter) -> Result<Vec<JobRow>, Failure> {
    let sql = "SELECT id, event_id, handler, kind, object_id, state, failure, attempts, applied_at, due_at, settled_at
        FROM effect WHERE id < $1 AND ($2::text IS NULL OR handler = $2) AND ($3::text IS NULL OR state = $3)
        ORDER BY id DESC LIMIT $4";
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    let (handler, state) = (filter.handler.as_deref(), filter.state.map(JobState::as_str));
    let rows = link.query(sql, &[&before, &handler, &state, &rows::limit(filter.limit)]).await?;
    rows.iter().map(read_row).collect()
}

type Persons = HashMap<String, (Option<Identity>, Vec<Subject>)>;

/// What is known now of those that effects are about.
async fn persons(tx: &Link, ids: &[&str]) -> Result<Persons, Failure> {
    let mut persons = Persons::new();
    if ids.is_empty() {
        return Ok(persons);
    }
    let identities =
        "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
            face_verification_id, face_source_id
        FROM identity WHERE identity_id = ANY($1)";
    for row in tx.query(identities, &[&ids]).await? {
        let identity = rows::identity(&row)?;
        let id = identity.identity_id.as_str().to_owned();
        persons.entry(id).or_default().0 = Some(identity);
    }
    for row in tx.query("SELECT identity_id, subject FROM link WHERE identity_id = ANY($1)", &[&ids]).await? {
        persons.entry(get(&row, 0)?).or_default().1.push(rows::subject(&row, 1)?);
    }
    Ok(persons)
}

fn read_claimed(row: &Row, persons: &Persons) -> Result<ClaimedJob, Failure> {
    let person = get::<Option<&str>>(row, 5)?.and_then(|id| persons.get(id)).cloned();
    let (identity, subjects) = person.unwrap_or_default();
    Ok(ClaimedJob {
        lease: JobLease { effect: JobId(get(row, 0)?), number: get(row, 1)? },
        event: EventId(get(row, 2)?),
        kind: rows::kind(row, 3)?,
        object_id: rows::the_object_id(row, 4)?,
        identity,
        subjects,
        attempts: rows::attempts(row, 6)?,
    })
}

fn read_row(row: &Row) -> Result<JobRow, Failure> {
    Ok(JobRow {
        id: JobId(get(row, 0)?),
        event: EventId(get(row, 1)?),
        handler: get::<&str>(row, 2)?.into(),
        kind: rows::kind(row, 3)?,
        object_id: rows::the_object_id(row, 4)?,
        state: JobState::parse(get(row, 5)?).ok_or_else(|| Failure::unreadable("state"))?,
        failure: get::<Option<&str>>(row, 6)?.map(JobFailure::parse),
        attempts: rows::attempts(row, 7)?,
        applied_at: time(row, 8)?,
        due_at: maybe_time(row, 9)?,
        settled_at: maybe_time(row, 10)?,
    })
}
