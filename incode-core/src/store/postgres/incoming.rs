//! Where the rows of another store arrive. Each page is a transaction, which may be repeated, and of which those who use the
//! database meanwhile see all or nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::link::Link;
use super::rows::{get, number};
use super::{PostgresOptions, PostgresStore, feed, identities};
use crate::store::moving::page::{Column, Page};
use crate::store::{Store, StoreError, StoreErrorKind};

mod inbox;
mod people;

/// A database that is moved into.
pub(in crate::store) struct Incoming {
    store: PostgresStore,
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
        Ok(Self { store })
    }

    /// Makes room for ids up to these, so that nobody who accepts an event meanwhile is given one of them, and two tables
    /// to remember by: which row was given another id, and which links were brought while the file was in use.
    pub(in crate::store) async fn begin(&self, event: i64, effect: i64, audit: i64) -> Result<(), StoreError> {
        self.transact(async |tx| {
            tx.simple(
                "CREATE TABLE IF NOT EXISTS moved_id (what text NOT NULL, source_id bigint NOT NULL, mark text NOT NULL,
                    id bigint NOT NULL, PRIMARY KEY (what, source_id, mark));
                CREATE TABLE IF NOT EXISTS moved_link (subject text PRIMARY KEY, identity_id text NOT NULL,
                    linked_at bigint NOT NULL)",
            )
            .await?;
            let sql = "SELECT
                (SELECT setval('event_id_seq', $1::bigint + $4::bigint) FROM event_id_seq WHERE last_value <= $1),
                (SELECT setval('effect_id_seq', $2::bigint + $4::bigint) FROM effect_id_seq WHERE last_value <= $2),
                (SELECT setval('audit_id_seq', $3::bigint + $4::bigint) FROM audit_id_seq WHERE last_value <= $3)";
            tx.query_one(sql, &[&event, &effect, &audit, &ROOM]).await.map(drop)
        })
        .await
    }

    /// After the last copy nothing needs to be remembered, but for ids that are others.
    pub(in crate::store) async fn end(&self, will_be_repeated: bool) -> Result<(), StoreError> {
        if will_be_repeated {
            return Ok(());
        }
        self.transact(async |tx| {
            tx.simple("DROP TABLE moved_link").await?;
            if tx.query_opt("SELECT 1 FROM moved_id LIMIT 1", &[]).await?.is_none() {
                tx.simple("DROP TABLE moved_id").await?;
            }
            Ok(())
        })
        .await
    }

    pub(in crate::store) async fn close(self) {
        // It can't fail.
        let _ = self.store.close().await;
    }

    /// One transaction; again when others were in the way.
    async fn transact<T>(&self, work: impl AsyncFn(&Link) -> Result<T, Failure>) -> Result<T, StoreError> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let outcome = self.store.pool.transact(async |tx: Arc<Link>| {
                // One who moves at a time.
                identities::lock_name(&tx, b"moving", b"").await?;
                work(&tx).await
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
    let columns: Vec<&(dyn ToSql + Sync)> = page.columns.iter().map(Column::as_sql).collect();
    let row = tx.query_one(sql, &columns).await?;
    Ok(Outcome { copied: number(&row, 0)?, newer: number(&row, 1)?, conflicts: 0 })
}

/// Tells those who keep standings in memory, when there is something to tell.
async fn tell(tx: &Link, outcome: &Outcome) -> Result<(), Failure> {
    if outcome.copied > 0 { feed::tell_of_anything(tx).await } else { Ok(()) }
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
const ROOM: i64 = 100;
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
