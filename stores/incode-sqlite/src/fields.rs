use rusqlite::{Connection, params};

use super::queries;
use super::upkeep::LOT;
use crate::identity::{Field, Observation, RetainedField};
use crate::{IdentityId, Timestamp};

pub(super) fn keep(conn: &Connection, seen: &Observation) -> rusqlite::Result<()> {
    if seen.fields.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO field (identity_id, field, sealed, sent_at, expires_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET sealed = excluded.sealed, sent_at = excluded.sent_at, expires_at = excluded.expires_at
        WHERE (excluded.sent_at, excluded.expires_at, excluded.sealed) > (sent_at, expires_at, sealed)";
    let mut statement = conn.prepare_cached(sql)?;
    for RetainedField { field, sealed, expires_at } in &seen.fields {
        let (sent_at, expires_at) = (seen.sent_at.as_millis(), expires_at.as_millis());
        statement.execute(params![seen.identity_id.as_str(), field.as_str(), sealed, sent_at, expires_at])?;
    }
    Ok(())
}

/// Fields that only a newer version knows are passed over.
pub(super) fn list(conn: &Connection, id: &IdentityId, now: Timestamp) -> rusqlite::Result<Vec<RetainedField>> {
    let sql = "SELECT field, sealed, expires_at FROM field WHERE identity_id = ? AND expires_at > ?";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![id.as_str(), now.as_millis()])?;
    let mut fields = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(field) = Field::parse(row.get_ref(0)?.as_str()?) {
            fields.push(RetainedField { field, sealed: row.get(1)?, expires_at: queries::time(row, 2)? });
        }
    }
    Ok(fields)
}

pub(super) fn forget(conn: &Connection, id: &IdentityId) -> rusqlite::Result<usize> {
    conn.prepare_cached("DELETE FROM field WHERE identity_id = ?")?.execute([id.as_str()])
}

/// One lot; returns how many went.
pub(super) fn prune(conn: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM field WHERE (identity_id, field) IN (
        SELECT identity_id, field FROM field INDEXED BY field_expires WHERE expires_at <= ? LIMIT ?)";
    conn.prepare_cached(sql)?.execute(params![now.as_millis(), LOT])
}
