//! Where the rows of another store arrive. Each page is a transaction, which may be repeated, and of which those who use the
//! database meanwhile see all or nothing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::link::Link;
use super::rows::{get, number};
use super::{PostgresOptions, PostgresStore, feed, identities, queries};
use crate::Timestamp;
use crate::store::moving::page::{Column, Page};
use crate::store::{Store, StoreError, StoreErrorKind};

mod inbox;
mod links;
mod people;

/// A database that is moved into.
pub(in crate::store) struct Incoming {
    store: PostgresStore,
    /// Whose turn it is to write: that of the copy that began last.
    turn: i64,
}

/// What became of a page; all other rows were there.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::store) struct Outcome {
    pub(in crate::store) copied: u64,
    pub(in crate::store) newer: u64,
    pub(in crate::store) conflicts: u64,
}

impl Incoming {
    pub(in crate::store) async fn open(options: PostgresOptions) -> Result<Self, StoreError> {
        // Nobody waits for an answer, and the server's own limit is 10 s.
        let store = options.connections(2).call_deadline(Duration::from_secs(30)).open().await?;
        Ok(Self { store, turn: 0 })
    }

    /// Makes tables to remember by, and takes the turn from whoever is still copying: what that one has read is older than
    /// what will be read from now on. True: a copy was complete before; unless it is made again, it is nobody's turn then.
    pub(in crate::store) async fn begin(&mut self, again: bool) -> Result<bool, StoreError> {
        let (turn, was_complete) = self
            .alone(async |tx: Arc<Link>| {
                let tx = &*tx;
                tx.simple(TABLES).await?;
                let was_complete = tx.query_opt("SELECT 1 FROM moved LIMIT 1", &[]).await?.is_some();
                if was_complete && !again {
                    return Ok((0, true));
                }
                // A number that the server never gives twice, even to a schema that is made anew.
                let sql = "WITH before AS (DELETE FROM moved_turn RETURNING event, effect, audit)
                    INSERT INTO moved_turn (turn, event, effect, audit)
                    SELECT txid_current(), coalesce(max(event), 0), coalesce(max(effect), 0), coalesce(max(audit), 0)
                    FROM before RETURNING turn";
                Ok((get(&tx.query_one(sql, &[]).await?, 0)?, was_complete))
            })
            .await?;
        self.turn = turn;
        Ok(was_complete)
    }

    /// Makes room for ids up to these, so that nobody who accepts an event meanwhile is given one of them. A file that has given out
    /// fewer than were brought before is an older copy: what it says is not what came later.
    pub(in crate::store) async fn make_room(&self, event: i64, effect: i64, audit: i64) -> Result<(), StoreError> {
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            let sql = "UPDATE moved_turn SET event = $1, effect = $2, audit = $3
                WHERE event <= $1 AND effect <= $2 AND audit <= $3";
            if tx.execute(sql, &[&event, &effect, &audit]).await? == 0 {
                return Err(Failure::refused("the file is older than what was brought before"));
            }
            let sql = "SELECT
                (SELECT setval('event_id_seq', $1::bigint + $4::bigint) FROM event_id_seq WHERE last_value <= $1),
                (SELECT setval('effect_id_seq', $2::bigint + $4::bigint) FROM effect_id_seq WHERE last_value <= $2),
                (SELECT setval('audit_id_seq', $3::bigint + $4::bigint) FROM audit_id_seq WHERE last_value <= $3)";
            tx.query_one(sql, &[&event, &effect, &audit, &ROOM]).await.map(drop)
        })
        .await
    }

    /// Everything was brought: from now on the database is what counts.
    pub(in crate::store) async fn end(&self) -> Result<(), StoreError> {
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            tx.execute("INSERT INTO moved (complete_at) VALUES ($1)", &[&now(tx).await?]).await.map(drop)
        })
        .await
    }

    pub(in crate::store) async fn close(self) {
        // It can't fail.
        let _ = self.store.close().await;
    }

    /// One transaction, as long as no other copy began since: that one's word is newer.
    async fn transact<T, F>(&self, work: impl Fn(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.alone(async |tx: Arc<Link>| {
            let sql = "SELECT 1 FROM moved_turn WHERE turn = $1";
            if tx.query_opt(sql, &[&self.turn]).await?.is_none() {
                return Err(Failure::refused("another copy began meanwhile"));
            }
            work(tx).await
        })
        .await
    }

    /// One transaction at a time, of all who move; again when others were in the way.
    async fn alone<T, F>(&self, work: impl Fn(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let outcome = self.store.pool.transact(async |tx: Arc<Link>| {
                identities::lock_name(&tx, b"moving", b"").await?;
                work(tx).await
            });
            match outcome.await {
                Err(error) if error.kind() == StoreErrorKind::Busy && left > 0 => {
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }
}

/// Has a page written by one statement that tells how many rows it wrote, and of how many the database knows better.
async fn write(tx: &Link, sql: &'static str, page: &Page) -> Result<Outcome, Failure> {
    write_with(tx, sql, page, &[]).await
}

/// With more parameters behind the page's.
async fn write_with(
    tx: &Link,
    sql: &'static str,
    page: &Page,
    more: &[&(dyn ToSql + Sync)],
) -> Result<Outcome, Failure> {
    let columns: Vec<_> = page.columns.iter().map(Column::as_sql).chain(more.iter().copied()).collect();
    let row = tx.query_one(sql, &columns).await?;
    Ok(Outcome { copied: number(&row, 0)?, newer: number(&row, 1)?, conflicts: 0 })
}

/// Tells those who keep standings in memory, when there is something to tell.
async fn tell(tx: &Link, outcome: &Outcome) -> Result<(), Failure> {
    if outcome.copied > 0 { feed::tell_of_anything(tx).await } else { Ok(()) }
}

/// The server's, in milliseconds. What comes after the copy is ordered by it, so that nothing that is brought may be ahead of it.
async fn now(tx: &Link) -> Result<i64, Failure> {
    queries::time_now(tx).await.map(Timestamp::as_millis)
}

/// As each of them alone; see [`identities::lock`]. In an order, so that nobody waits in a circle.
async fn lock<'a>(tx: &Link, ids: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    let numbers = ids.into_iter().map(|id| identities::lock_number(tx, b"identity", id.as_bytes()));
    let mut numbers: Vec<i64> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    tx.query("SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS number", &[&numbers]).await.map(drop)
}

/// Whether the person of a row of that time is not known there, or was forgotten there since. Of a row that is ahead of `now`
/// nobody can tell, so that the tombstone stands. Tombstones that the file itself has are older than its rows, or these would be gone.
fn is_forgotten(id: &str, at: &str, now: &str) -> String {
    format!(
        "(NOT EXISTS (SELECT 1 FROM identity person WHERE person.identity_id = {id})
        OR EXISTS (SELECT 1 FROM forgotten LEFT JOIN moved_forgotten brought USING (identity_hash)
            WHERE identity_hash = sha256(convert_to({id}, 'UTF8')) AND (brought.at IS NULL OR forgotten_at > brought.at)
            AND (forgotten_at >= {at} OR {at} > {now})))"
    )
}

impl Column {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Text(texts) => texts,
            Self::Bytes(bytes) => bytes,
            Self::Number(numbers) => numbers,
        }
    }
}

/// What is given out between the look and the jump: more than anybody takes in a moment.
const ROOM: i64 = 10_000;
/// What a repetition needs to know and rows don't tell. It stays, and names nobody: hashes, as tombstones are.
const TABLES: &str = "
-- A copy was complete.
CREATE TABLE IF NOT EXISTS moved (complete_at bigint NOT NULL);
-- One row: which copy may write, and the last ids that the file had given out.
CREATE TABLE IF NOT EXISTS moved_turn (turn bigint NOT NULL, event bigint NOT NULL, effect bigint NOT NULL,
    audit bigint NOT NULL);
-- Rows that were given another id, and work that was brought: it may be done and pruned since.
CREATE TABLE IF NOT EXISTS moved_id (what text NOT NULL, source_id bigint NOT NULL, mark text NOT NULL,
    id bigint NOT NULL, PRIMARY KEY (what, source_id, mark));
CREATE TABLE IF NOT EXISTS moved_identity (
    identity_hash bytea PRIMARY KEY,
    source bytea NOT NULL,       -- of the row in the file, when it was last looked at
    written bytea                -- of the row as it was brought; none when it was there
);
CREATE TABLE IF NOT EXISTS moved_forgotten (
    identity_hash bytea PRIMARY KEY,
    source_at bigint NOT NULL,   -- as the file has it
    at bigint NOT NULL           -- as it was brought
);
CREATE TABLE IF NOT EXISTS moved_link (
    link_hash bytea PRIMARY KEY, -- of subject and identity
    identity_hash bytea NOT NULL,
    source_at bigint NOT NULL,   -- when it was made, as the file has it
    linked_at bigint             -- as it was brought; none when it was there
);
CREATE INDEX IF NOT EXISTS moved_link_identity ON moved_link (identity_hash);
";
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
