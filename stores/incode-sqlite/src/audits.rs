use rusqlite::{Connection, Row, params};

use super::queries::{maybe_time, time, unreadable};
use crate::model::EventKind;
use crate::store::audit::AUDITS_KEPT;
use crate::store::{Audit, AuditAction, AuditId, DeadFilter, EventId, Reason, Replay};
use crate::{Actor, Masked, Timestamp};

pub(super) fn write(
    conn: &Connection,
    action: &AuditAction,
    by: &Actor,
    at: Timestamp,
    count: u64,
) -> rusqlite::Result<AuditId> {
    let (mut event, mut filter, mut identity) = (None, DeadFilter::default(), None);
    match action {
        AuditAction::Replay(Replay::One(id)) => event = Some(id.0),
        AuditAction::Replay(Replay::Dead(asked)) => filter = asked.clone(),
        AuditAction::Forget(masked) => identity = Some(masked.as_str()),
    }
    let sql = "INSERT INTO audit (at, actor, action, event_id, reason, kind, accepted_before, identity, count)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    conn.prepare_cached(sql)?.execute(params![
        at.as_millis(),
        by.as_str(),
        action.as_str(),
        event,
        filter.reason.map(Reason::as_str),
        filter.kind.as_ref().map(EventKind::as_str),
        filter.accepted_before.map(Timestamp::as_millis),
        identity,
        stored(count),
    ])?;
    let id = conn.last_insert_rowid();
    conn.prepare_cached("DELETE FROM audit WHERE id <= ?")?.execute([id.saturating_sub(stored(AUDITS_KEPT))])?;
    Ok(AuditId(id))
}

/// Counts up what a later lot of the same action did.
pub(super) fn add(conn: &Connection, id: AuditId, count: u64) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE audit SET count = count + ? WHERE id = ?")?.execute([stored(count), id.0])?;
    Ok(())
}

pub(super) fn list(conn: &Connection, limit: u32, before: Option<AuditId>) -> rusqlite::Result<Vec<Audit>> {
    let sql = "SELECT id, at, actor, action, event_id, reason, kind, accepted_before, identity, count
        FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?";
    let params = params![before.map_or(i64::MAX, |id| id.0), limit];
    conn.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Audit> {
    let action = match row.get_ref(3)?.as_str()? {
        "replay" => AuditAction::Replay(match row.get(4)? {
            Some(id) => Replay::One(EventId(id)),
            None => Replay::Dead(DeadFilter {
                reason: row.get_ref(5)?.as_str_or_null()?.map(Reason::parse),
                kind: row.get_ref(6)?.as_str_or_null()?.map(EventKind::from),
                accepted_before: maybe_time(row, 7)?,
            }),
        }),
        "forget" => {
            AuditAction::Forget(Masked::parse(row.get_ref(8)?.as_str()?).ok_or_else(|| unreadable(8, "masked id"))?)
        }
        _ => return Err(unreadable(3, "action")),
    };
    Ok(Audit {
        id: AuditId(row.get(0)?),
        at: time(row, 1)?,
        actor: Actor::new(row.get_ref(2)?.as_str()?).map_err(|_| unreadable(2, "actor"))?,
        action,
        count: u64::try_from(row.get::<_, i64>(9)?).unwrap_or(0),
    })
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
