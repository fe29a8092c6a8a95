use super::failure::Failure;
use super::link::Link;
use super::rows::{get, time};
use super::upkeep::LOT;
use crate::identity::{Field, Observation, RetainedField};
use crate::{IdentityId, Timestamp};

pub(super) async fn keep(tx: &Link, seen: &Observation) -> Result<(), Failure> {
    let sql = "INSERT INTO field AS known (identity_id, field, sealed, sent_at, expires_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (identity_id, field) DO UPDATE SET sealed = excluded.sealed, sent_at = excluded.sent_at,
            expires_at = excluded.expires_at
        WHERE (excluded.sent_at, excluded.expires_at, excluded.sealed) > (known.sent_at, known.expires_at, known.sealed)";
    for RetainedField { field, sealed, expires_at } in &seen.fields {
        let (sent_at, expires_at) = (seen.sent_at.as_millis(), expires_at.as_millis());
        tx.execute(sql, &[&seen.identity_id.as_str(), &field.as_str(), sealed, &sent_at, &expires_at]).await?;
    }
    Ok(())
}

/// Fields that only a newer version knows are passed over.
pub(super) async fn list(link: &Link, id: &IdentityId, now: Timestamp) -> Result<Vec<RetainedField>, Failure> {
    let sql = "SELECT field, sealed, expires_at FROM field WHERE identity_id = $1 AND expires_at > $2";
    let mut fields = Vec::new();
    for row in link.query(sql, &[&id.as_str(), &now.as_millis()]).await? {
        if let Some(field) = Field::parse(get(&row, 0)?) {
            fields.push(RetainedField { field, sealed: get(&row, 1)?, expires_at: time(&row, 2)? });
        }
    }
    Ok(fields)
}

pub(super) async fn forget(tx: &Link, id: &IdentityId) -> Result<(), Failure> {
    tx.execute("DELETE FROM field WHERE identity_id = $1", &[&id.as_str()]).await.map(drop)
}

/// One lot; returns how many went.
pub(super) async fn prune(tx: &Link, now: Timestamp) -> Result<u64, Failure> {
    let sql = "DELETE FROM field WHERE (identity_id, field) IN (
        SELECT identity_id, field FROM field WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
    tx.execute(sql, &[&now.as_millis(), &LOT]).await
}
