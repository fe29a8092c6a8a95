//! What concerns the store as a whole.

use incode_core::Timestamp;
use incode_core::store::dedupe::DEAD_KEPT;
use incode_core::store::{
    Counts, ERASURES_KEPT, InboxCounts, JobCounts, LifeCycle, Prune, SecretCheck, StoreFeed, StoreFuture,
};

use super::error::Failure;
use super::feed;
use super::inbox::LOT;
use super::rows::{self, get, maybe_time};
use super::store::PostgresStore;

impl LifeCycle for PostgresStore {
    fn counts(&self) -> StoreFuture<'_, Counts> {
        Box::pin(async move {
            let answers = self.pool.run(&[(COUNTS, params![])]).await?;
            let row = answers.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?;
            let inbox = InboxCounts {
                pending: rows::number(row, 0)?,
                done: rows::number(row, 1)?,
                dead: rows::number(row, 2)?,
                ignored: rows::number(row, 3)?,
                oldest_pending: maybe_time(row, 4)?,
            };
            let jobs = JobCounts {
                pending: rows::number(row, 5)?,
                dead: rows::number(row, 6)?,
                oldest_pending: maybe_time(row, 7)?,
            };
            Ok(Counts { inbox, jobs })
        })
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut removed = 0;
            loop {
                let statements = [
                    (OLD_EVENTS, params![prune.settled_before, LOT]),
                    (SURPLUS_DEAD, params![DEAD_KEPT, LOT]),
                    (OLD_TOKENS, params![prune.tokens_before, LOT]),
                    (OLD_JOBS, params![prune.settled_before, LOT]),
                    (REFUSED_LINKS, params![prune.settled_before, LOT]),
                    (USED_NONCES, params![prune.now, LOT]),
                    (USED_TOKENS, params![prune.now, LOT]),
                    (PENDING_LINKS, params![prune.now, LOT]),
                    (CONFIRMATIONS, params![prune.confirmed_before, LOT]),
                    (FIELDS, params![prune.now, LOT]),
                    (ERASURES, params![prune.now.before(ERASURES_KEPT), LOT]),
                ];
                let answers = self.pool.run(&statements).await?;
                // The first two remove events.
                removed += answers.iter().take(2).map(|answer| answer.count).sum::<u64>();
                if !answers.iter().any(|answer| i64::try_from(answer.count) == Ok(LOT)) {
                    return Ok(removed);
                }
            }
        })
    }

    fn feed(&self) -> Option<StoreFeed> {
        let start = |hub| feed::start(&self.pool, &self.listen, self.is_listen_shared, hub);
        Some(self.pool.hub.feed(start))
    }

    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move {
            self.accepts.check_room()?;
            let answers = self.pool.read(&[(TIME, params![])]).await?;
            let row = answers.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?;
            let refused =
                |cause: &str| Err(Failure::new(incode_core::store::StoreErrorKind::Unavailable, cause).into());
            match (get(row, 1)?, get(row, 2)?) {
                (true, _) => refused("SQLSTATE 25006: the database takes no writes"),
                (_, false) => refused("SQLSTATE 42501: the role lacks the right to insert events"),
                (false, true) => Ok(Some(rows::time(row, 0)?)),
            }
        })
    }

    fn check_secret(&self, name: &'static str, check_value: [u8; 16]) -> StoreFuture<'_, SecretCheck> {
        Box::pin(async move {
            let name = format!("secret {name}");
            let insert = "INSERT INTO incode.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
            let select = "SELECT value FROM incode.meta WHERE name = $1";
            let statements = [(insert, params![&*name, check_value.as_slice()]), (select, params![&*name])];
            let answers = self.pool.run(&statements).await?;
            let [inserted, kept] = &*answers else { return Err(Failure::unreadable("answers").into()) };
            let is_same = get::<&[u8]>(kept.row()?, 0)? == check_value;
            Ok(match (inserted.count, is_same) {
                (1, _) => SecretCheck::New,
                (_, true) => SecretCheck::Same,
                (_, false) => SecretCheck::Other,
            })
        })
    }

    fn replace_secret(&self, name: &'static str, kept: [u8; 16], by: [u8; 16]) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let name = format!("secret {name}");
            let sql = "UPDATE incode.meta SET value = $3 WHERE name = $1 AND value = $2";
            let answers = self.pool.run(&[(sql, params![&*name, kept.as_slice(), by.as_slice()])]).await?;
            Ok(answers.iter().any(|answer| answer.count == 1))
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.accepts.close().await;
            self.pool.close().await;
            self.pool.hub.close();
            Ok(())
        })
    }
}

/// Each count by the index that holds just these rows. Done jobs are not counted: there may be millions of them.
const COUNTS: &str = "SELECT
    (SELECT count(*) FROM incode.event WHERE state = 'pending'),
    (SELECT count(*) FROM incode.event WHERE state <> 'pending' AND state = 'done'),
    (SELECT count(*) FROM incode.event WHERE state <> 'pending' AND state = 'dead'),
    (SELECT count(*) FROM incode.event WHERE state <> 'pending' AND state = 'ignored'),
    (SELECT received_at FROM incode.event WHERE state = 'pending' ORDER BY id LIMIT 1),
    (SELECT count(*) FROM incode.job WHERE state = 'pending'),
    (SELECT count(*) FROM incode.job WHERE state = 'dead'),
    (SELECT caused_at FROM incode.job WHERE state = 'pending' ORDER BY id LIMIT 1)";
/// Of the wall clock, not of the transaction's start. Names a table, so that a schema that went away does not pass for a
/// store that answers.
const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
    has_table_privilege('incode.event', 'INSERT')
    FROM incode.meta WHERE name = 'version'";
/// Rows that another process has in hand are left for the next time, here and below: a prune never waits.
const OLD_EVENTS: &str = "DELETE FROM incode.event WHERE id IN (SELECT id FROM incode.event
    WHERE settled_at IS NOT NULL AND settled_at < $1 ORDER BY settled_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Dead events beyond the newest [`DEAD_KEPT`]: a flood of refused deliveries must not fill the disk.
const SURPLUS_DEAD: &str = "DELETE FROM incode.event WHERE id IN (SELECT id FROM incode.event
    WHERE state <> 'pending' AND state = 'dead' ORDER BY id DESC OFFSET $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Tokens of dead events that no replay could use any more.
const OLD_TOKENS: &str = "UPDATE incode.event SET token = NULL, correlation_id = NULL WHERE id IN (
    SELECT id FROM incode.event WHERE state = 'dead' AND token IS NOT NULL AND settled_at < $1
    LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Settled jobs past the same age as settled events.
const OLD_JOBS: &str = "DELETE FROM incode.job WHERE id IN (SELECT id FROM incode.job
    WHERE settled_at IS NOT NULL AND settled_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Correlation ids whose flow has expired: a callback with one is refused by the expiry itself.
const USED_NONCES: &str = "DELETE FROM incode.used_nonce WHERE nonce IN (SELECT nonce FROM incode.used_nonce
    WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Used tokens that the vendor no longer accepts.
const USED_TOKENS: &str = "DELETE FROM incode.used_token WHERE hash IN (SELECT hash FROM incode.used_token
    WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Pending links at the end of their window.
const PENDING_LINKS: &str = "DELETE FROM incode.pending_link WHERE subject IN (SELECT subject FROM incode.pending_link
    WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Reasons that are past keeping, as `explain` shows them.
const REFUSED_LINKS: &str = "DELETE FROM incode.refused_link WHERE subject IN (SELECT subject FROM incode.refused_link
    WHERE refused_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// By `ctid`: the table has no primary key, because equal confirmations may occur.
const CONFIRMATIONS: &str =
    "DELETE FROM incode.confirmation WHERE ctid = ANY(ARRAY(SELECT ctid FROM incode.confirmation
    WHERE passed_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
/// Retained fields past their retention: personal data, removed at the promised time.
const FIELDS: &str = "DELETE FROM incode.field WHERE (identity_id, field) IN (SELECT identity_id, field
    FROM incode.field WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// Entries about erasures, by age. Other entries are bounded by number when one is written.
const ERASURES: &str = "DELETE FROM incode.audit WHERE id IN (SELECT id FROM incode.audit
    WHERE ordinal IS NULL AND at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
