//! Removes what is past keeping, one lot of each table at a time.

use incode_core::Timestamp;
use incode_core::store::dedupe::StateChange;
use incode_core::store::{ERASURES_KEPT, EventState, Prune};
use rusqlite::{Connection, params};

use crate::batch::{LOT, Transaction};
use crate::error::Failure;
use crate::{accept, rows};

/// What became of one lot.
pub(crate) struct Pruned {
    /// Events removed.
    pub(crate) removed: u64,
    /// A table had a whole lot: there may be more.
    pub(crate) has_more: bool,
}

/// Removes one lot of each table. The caller goes on while `has_more` is true, with other writes in between.
pub(crate) fn prune(tx: &mut Transaction<'_>, prune: Prune) -> Result<Pruned, Failure> {
    // The rows that show the last id may go: an id is never used twice.
    let sql = "INSERT INTO meta (name, value) VALUES ('last_event', ?)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value < excluded.value";
    tx.conn.prepare_cached(sql)?.execute([*tx.last_event])?;
    let settled = remove_settled(tx, prune.settled_before)?;
    let surplus = tx.index.surplus_dead().min(u64::from(LOT));
    let surplus = accept::remove_oldest(tx, EventState::Dead, surplus)?;
    let mut has_more = [settled, surplus].contains(&usize::from(LOT));
    for (sql, before) in [
        (DEAD_TOKENS, prune.tokens_before),
        (JOBS, prune.settled_before),
        (REFUSED_LINKS, prune.settled_before),
        (NONCES, prune.now),
        (TOKENS, prune.now),
        (PENDING_LINKS, prune.now),
        (FIELDS, prune.now),
        (CONFIRMATIONS, prune.confirmed_before),
        (ERASURES, prune.now.before(ERASURES_KEPT)),
    ] {
        has_more |= one_lot(tx.conn, sql, before)? == usize::from(LOT);
    }
    Ok(Pruned { removed: (settled + surplus) as u64, has_more })
}

/// Removes one lot of rows by their age.
fn one_lot(conn: &Connection, sql: &str, before: Timestamp) -> rusqlite::Result<usize> {
    conn.prepare_cached(sql)?.execute(params![before.as_millis(), LOT])
}

/// Row by row, because the index in memory follows each of them.
fn remove_settled(tx: &mut Transaction<'_>, before: Timestamp) -> Result<usize, Failure> {
    let sql = "SELECT id, state, object_key, delivery_key, done_key, applied_key FROM event INDEXED BY event_settled
        WHERE settled_at IS NOT NULL AND settled_at < ? ORDER BY settled_at LIMIT ?";
    let old: Vec<_> = tx
        .conn
        .prepare_cached(sql)?
        .query_map(params![before.as_millis(), LOT], |row| {
            let (keys, applied) = accept::read_keys(row, 2)?;
            Ok((row.get::<_, i64>(0)?, StateChange { keys, applied, from: Some(rows::state(row, 1)?), to: None }))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let removed = old.len();
    for (id, change) in old {
        accept::remove(tx, id, change)?;
    }
    Ok(removed)
}

// Each names its index, so that a prune that finds nothing reads one page.
const DEAD_TOKENS: &str = "UPDATE event SET token = NULL, correlation_id = NULL WHERE id IN (
    SELECT id FROM event INDEXED BY event_dead_token
    WHERE state = 'dead' AND token IS NOT NULL AND settled_at < ? LIMIT ?)";
const JOBS: &str = "DELETE FROM job WHERE id IN (
    SELECT id FROM job INDEXED BY job_settled WHERE settled_at IS NOT NULL AND settled_at < ? LIMIT ?)";
const NONCES: &str = "DELETE FROM used_nonce WHERE nonce IN (
    SELECT nonce FROM used_nonce INDEXED BY used_nonce_expires WHERE expires_at < ? LIMIT ?)";
const TOKENS: &str = "DELETE FROM used_token WHERE token_hash IN (
    SELECT token_hash FROM used_token INDEXED BY used_token_expires WHERE expires_at < ? LIMIT ?)";
// These two are void at the instant itself.
const PENDING_LINKS: &str = "DELETE FROM pending_link WHERE subject IN (
    SELECT subject FROM pending_link INDEXED BY pending_link_expires WHERE expires_at <= ? LIMIT ?)";
const REFUSED_LINKS: &str = "DELETE FROM refused_link WHERE subject IN (
    SELECT subject FROM refused_link INDEXED BY refused_link_at WHERE refused_at < ? LIMIT ?)";
const FIELDS: &str = "DELETE FROM field WHERE (identity_id, field) IN (
    SELECT identity_id, field FROM field INDEXED BY field_expires WHERE expires_at <= ? LIMIT ?)";
const CONFIRMATIONS: &str = "DELETE FROM confirmation WHERE id IN (
    SELECT id FROM confirmation INDEXED BY confirmation_passed WHERE passed_at < ? LIMIT ?)";
const ERASURES: &str = "DELETE FROM audit WHERE id IN (
    SELECT id FROM audit INDEXED BY audit_by_age WHERE by_age = 1 AND at < ? LIMIT ?)";
