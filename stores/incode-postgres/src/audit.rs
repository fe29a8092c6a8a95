//! The audit trail.

use std::sync::Arc;

use incode_core::model::EventKind;
use incode_core::store::{
    AUDITS_KEPT, Audit, AuditAction, AuditId, AuditStore, DeadFilter, EventId, JobId, Reason, Replay, ReplayJobs,
    StoreFuture,
};
use incode_core::{Actor, Masked, Timestamp};
use tokio_postgres::Row;

use super::connection::Statement;
use super::error::Failure;
use super::rows::{self, get, maybe_time, time};
use super::store::PostgresStore;

impl AuditStore for PostgresStore {
    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        Box::pin(async move {
            let sql = "SELECT id, at, actor, action, one_id, reason, kind, accepted_before, handler, identity, count
                FROM incode.audit WHERE id < $1 ORDER BY id DESC LIMIT $2";
            let before = before.map_or(i64::MAX, |id| id.0);
            let answers = self.pool.run(&[(sql, params![before, i64::from(limit)])]).await?;
            let rows = answers.iter().flat_map(|answer| &answer.rows);
            Ok(rows.map(read).collect::<Result<_, _>>()?)
        })
    }
}

/// The statement of an entry, to be sent in the transaction of what it is about. It gives the entry's id.
pub(crate) fn write(action: &AuditAction, by: &Actor, at: Timestamp, count: u64) -> Statement {
    let (mut one, mut filter, mut handler, mut identity) = (None, DeadFilter::default(), None, None);
    match action {
        AuditAction::Replay(Replay::One(id)) => one = Some(id.0),
        AuditAction::Replay(Replay::Dead(asked)) => filter = asked.clone(),
        AuditAction::ReplayJobs(ReplayJobs::One(id)) => one = Some(id.0),
        AuditAction::ReplayJobs(ReplayJobs::Dead(asked)) => handler = asked.as_deref(),
        AuditAction::Forget(masked)
        | AuditAction::Link(masked)
        | AuditAction::Unlink(masked)
        | AuditAction::Export(masked) => {
            identity = Some(masked.as_str());
        }
        _ => {}
    }
    let params = params![
        at,
        by.as_str(),
        action.as_str(),
        one,
        filter.reason.map(Reason::as_str),
        filter.kind.as_ref().map(EventKind::as_str),
        filter.accepted_before,
        handler,
        identity,
        count,
        matches!(action, AuditAction::Forget(_)),
        AUDITS_KEPT,
    ];
    (WRITE, params)
}

/// An entry of the trail. An action of a newer version is an error, so that it is never shown as another one.
fn read(row: &Row) -> Result<Audit, Failure> {
    let one: Option<i64> = get(row, 4)?;
    let handler = || Ok::<_, Failure>(get::<Option<&str>>(row, 8)?.map(Arc::from));
    let masked = || {
        let masked = get::<Option<&str>>(row, 9)?.and_then(Masked::parse);
        masked.ok_or_else(|| Failure::unreadable("masked id"))
    };
    let filter = || {
        Ok::<_, Failure>(DeadFilter {
            reason: get::<Option<&str>>(row, 5)?.map(Reason::parse),
            kind: get::<Option<&str>>(row, 6)?.map(EventKind::from),
            accepted_before: maybe_time(row, 7)?,
        })
    };
    let action = match (get(row, 3)?, one) {
        ("replay", Some(id)) => AuditAction::Replay(Replay::One(EventId(id))),
        ("replay", None) => AuditAction::Replay(Replay::Dead(filter()?)),
        ("replay_jobs", Some(id)) => AuditAction::ReplayJobs(ReplayJobs::One(JobId(id))),
        ("replay_jobs", None) => AuditAction::ReplayJobs(ReplayJobs::Dead(handler()?)),
        ("forget", _) => AuditAction::Forget(masked()?),
        ("link", _) => AuditAction::Link(masked()?),
        ("unlink", _) => AuditAction::Unlink(masked()?),
        ("export", _) => AuditAction::Export(masked()?),
        ("import", _) => AuditAction::Import,
        _ => return Err(Failure::unreadable("action")),
    };
    Ok(Audit {
        id: AuditId(get(row, 0)?),
        at: time(row, 1)?,
        actor: Actor::new(get::<&str>(row, 2)?).map_err(|_| Failure::unreadable("actor"))?,
        action,
        count: rows::number(row, 10)?,
    })
}

/// Entries but erasures have an ordinal, and the one that is so many later removes it: without a count, which other
/// processes would make wrong, and without a lock. Erasures have none and go by age, in `prune`.
const WRITE: &str = "WITH new AS (
        INSERT INTO incode.audit (at, actor, action, one_id, reason, kind, accepted_before, handler, identity, count,
            ordinal)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN NOT $11 THEN nextval('incode.audit_ordinal') END)
        RETURNING id, ordinal
    ), old AS (DELETE FROM incode.audit WHERE ordinal <= (SELECT ordinal FROM new) - $12)
    SELECT id FROM new";
/// Counts up what a later part of the same replay did.
pub(crate) const ADD: &str = "UPDATE incode.audit SET count = count + $2 WHERE id = $1";
