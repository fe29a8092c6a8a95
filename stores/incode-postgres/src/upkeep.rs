use tokio_postgres::Row;

use super::failure::Failure;
use super::link::Link;
use super::rows::get;
use super::{audits, effects, fields, rows};
use crate::store::dedupe::DEAD_KEPT;
use crate::store::{AuditAction, AuditId, DeadFilter, Prune, Reason, Replay};
use crate::{Actor, Timestamp};

/// What became of one lot of a replay.
pub(super) struct Replayed {
    pub(super) rows: u64,
    /// Where the next lot starts, if there is one.
    pub(super) last: Option<i64>,
}

impl Replayed {
    /// From the ids of a lot, in any order.
    pub(super) fn of(rows: &[Row]) -> Result<Self, Failure> {
        let ids = rows.iter().map(|row| get::<i64>(row, 0)).collect::<Result<Vec<_>, _>>()?;
        let is_full = i64::try_from(ids.len()) == Ok(LOT);
        Ok(Self { rows: ids.len() as u64, last: ids.into_iter().max().filter(|_| is_full) })
    }
}

/// Replays one lot of the events after the id `after`, and writes what it did into the trail. Lots move up the ids, so a
/// replay ends even when events die again behind it.
pub(super) async fn replay(
    tx: &Link,
    which: &Replay,
    by: &Actor,
    now: Timestamp,
    after: i64,
    begun: Option<AuditId>,
) -> Result<(Replayed, AuditId), Failure> {
    let (one, filter) = match which {
        Replay::One(id) => (Some(id.0), DeadFilter::default()),
        Replay::Dead(filter) => (None, filter.clone()),
    };
    // What makes it known as pending is its row: the key that must be unique is for the moment of acceptance.
    let sql = "WITH dead AS (
            SELECT id FROM event WHERE state <> 'pending' AND state = 'dead' AND id > $1 AND object_id IS NOT NULL
            AND ($2::bigint IS NULL OR id = $2) AND ($3::text IS NULL OR reason = $3)
            AND ($4::text IS NULL OR kind = $4) AND ($5::bigint IS NULL OR received_at < $5)
            ORDER BY id LIMIT $6 FOR UPDATE)
        UPDATE event SET state = 'pending', lease = lease + 1, attempts = 0, due_at = $7, settled_at = NULL
        FROM dead WHERE event.id = dead.id RETURNING event.id";
    let rows = tx
        .query(
            sql,
            &[
                &after,
                &one,
                &filter.reason.map(Reason::as_str),
                &filter.kind.as_ref().map(|kind| rows::word(kind.as_str())).as_deref(),
                &filter.accepted_before.map(Timestamp::as_millis),
                &LOT,
                &now.as_millis(),
            ],
        )
        .await?;
    let lot = Replayed::of(&rows)?;
    let audit = match begun {
        None => audits::write(tx, &AuditAction::Replay(which.clone()), by, now, lot.rows).await?,
        Some(audit) => audits::add(tx, audit, lot.rows).await.map(|()| audit)?,
    };
    Ok((lot, audit))
}

/// What became of one lot of a prune.
pub(super) struct Pruned {
    pub(super) removed: u64,
    pub(super) more: bool,
}

/// Prunes one lot of everything. What another process has in hand is left for the next time.
pub(super) async fn prune(tx: &Link, prune: Prune) -> Result<Pruned, Failure> {
    let old = "DELETE FROM event WHERE id IN (SELECT id FROM event
        WHERE settled_at IS NOT NULL AND settled_at < $1 ORDER BY settled_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let removed = tx.execute(old, &[&prune.settled_before.as_millis(), &LOT]).await?;
    let surplus = "DELETE FROM event WHERE id IN (SELECT id FROM event
        WHERE state <> 'pending' AND state = 'dead' ORDER BY id DESC OFFSET $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let surplus = tx.execute(surplus, &[&(i64::try_from(DEAD_KEPT).unwrap_or(i64::MAX)), &LOT]).await?;
    let wipe = "UPDATE event SET token = NULL, correlation_id = NULL WHERE id IN (SELECT id FROM event
        WHERE state = 'dead' AND token IS NOT NULL AND settled_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let wiped = tx.execute(wipe, &[&prune.tokens_before.as_millis(), &LOT]).await?;
    let spent = "DELETE FROM spent WHERE nonce IN (SELECT nonce FROM spent WHERE expires_at < $1 LIMIT $2
        FOR UPDATE SKIP LOCKED)";
    let expired = tx.execute(spent, &[&prune.now.as_millis(), &LOT]).await?;
    let settled = effects::prune(tx, prune.settled_before).await?;
    let outlived = fields::prune(tx, prune.now).await?;
    let lot = u64::try_from(LOT).unwrap_or(u64::MAX);
    let more = [removed, surplus, wiped, expired, settled, outlived].contains(&lot);
    Ok(Pruned { removed, more })
}

/// Rows in one step of long work.
pub(super) const LOT: i64 = 5_000;
