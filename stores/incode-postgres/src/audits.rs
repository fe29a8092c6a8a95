use tokio_postgres::Row;

use super::failure::Failure;
use super::link::Link;
use super::rows::{self, get, maybe_time, time};
use crate::model::EventKind;
use crate::store::audit::AUDITS_KEPT;
use crate::store::{Audit, AuditAction, AuditId, DeadFilter, EventId, Reason, Replay};
use crate::{Actor, Masked, Timestamp};

pub(super) async fn write(
    tx: &Link,
    action: &AuditAction,
    by: &Actor,
    at: Timestamp,
    count: u64,
) -> Result<AuditId, Failure> {
    let (mut event, mut filter, mut identity) = (None, DeadFilter::default(), None);
    match action {
        AuditAction::Replay(Replay::One(id)) => event = Some(id.0),
        AuditAction::Replay(Replay::Dead(asked)) => filter = asked.clone(),
        AuditAction::Forget(masked) => identity = Some(masked.as_str()),
    }
    let sql = "INSERT INTO audit (at, actor, action, event_id, reason, kind, accepted_before, identity, count)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";
    let row = tx
        .query_one(
            sql,
            &[
                &at.as_millis(),
                &by.as_str(),
                &action.as_str(),
                &event,
                &filter.reason.map(Reason::as_str),
                &filter.kind.as_ref().map(|kind| rows::word(kind.as_str())).as_deref(),
                &filter.accepted_before.map(Timestamp::as_millis),
                &identity,
                &stored(count),
            ],
        )
        .await?;
    let id: i64 = get(&row, 0)?;
    tx.execute("DELETE FROM audit WHERE id <= $1", &[&id.saturating_sub(stored(AUDITS_KEPT))]).await?;
    Ok(AuditId(id))
}

/// Counts up what a later lot of the same action did.
pub(super) async fn add(tx: &Link, id: AuditId, count: u64) -> Result<(), Failure> {
    tx.execute("UPDATE audit SET count = count + $2 WHERE id = $1", &[&id.0, &stored(count)]).await.map(drop)
}

pub(super) async fn list(link: &Link, limit: u32, before: Option<AuditId>) -> Result<Vec<Audit>, Failure> {
    let sql = "SELECT id, at, actor, action, event_id, reason, kind, accepted_before, identity, count
        FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2";
    let rows = link.query(sql, &[&before.map_or(i64::MAX, |id| id.0), &rows::limit(limit)]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Audit, Failure> {
    let action = match get(row, 3)? {
        "replay" => AuditAction::Replay(match get(row, 4)? {
            Some(id) => Replay::One(EventId(id)),
            None => Replay::Dead(DeadFilter {
                reason: get::<Option<&str>>(row, 5)?.map(Reason::parse),
                kind: get::<Option<&str>>(row, 6)?.map(EventKind::from),
                accepted_before: maybe_time(row, 7)?,
            }),
        }),
        "forget" => {
            let masked = Masked::parse(get(row, 8)?);
            AuditAction::Forget(masked.ok_or_else(|| Failure::unreadable("masked id"))?)
        }
        _ => return Err(Failure::unreadable("action")),
    };
    Ok(Audit {
        id: AuditId(get(row, 0)?),
        at: time(row, 1)?,
        actor: Actor::new(get::<&str>(row, 2)?).map_err(|_| Failure::unreadable("actor"))?,
        action,
        count: rows::number(row, 9)?,
    })
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
