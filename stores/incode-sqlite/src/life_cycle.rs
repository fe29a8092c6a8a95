//! The store as a whole: counts, pruning, the proof that it works, closing.

use std::sync::Arc;
use std::time::Duration;

use incode_core::Timestamp;
use incode_core::store::{Counts, InboxCounts, LifeCycle, Prune, SecretCheck, StoreError, StoreErrorKind, StoreFuture};
use rusqlite::{Connection, OptionalExtension, params};

use crate::store::SqliteStore;
use crate::{jobs, prune, rows, writer};

impl LifeCycle for SqliteStore {
    fn counts(&self) -> StoreFuture<'_, Counts> {
        Box::pin(async {
            let read = |conn: &Connection| Ok((oldest_pending(conn)?, jobs::counts(conn)?));
            let (oldest_pending, jobs) = self.read(read).await?;
            Ok(Counts { inbox: InboxCounts { oldest_pending, ..self.progress.counts() }, jobs })
        })
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut removed = 0;
            loop {
                let lot = self.write(move |tx| prune::prune(tx, prune)).await?;
                removed += lot.removed;
                if !lot.has_more {
                    return Ok(removed);
                }
            }
        })
    }

    /// `None`: one process has the file, and its clock is the only one.
    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async {
            let watch = Arc::clone(&self.watch);
            self.read(move |conn| {
                watch.check()?;
                Ok(ping(conn)?)
            })
            .await?;
            self.prove_writes().await?;
            Ok(None)
        })
    }

    fn check_secret(&self, name: &'static str, check_value: [u8; 16]) -> StoreFuture<'_, SecretCheck> {
        Box::pin(self.write(move |tx| Ok(check_secret(tx.conn, name, check_value)?)))
    }

    fn replace_secret(&self, name: &'static str, kept: [u8; 16], by: [u8; 16]) -> StoreFuture<'_, bool> {
        Box::pin(self.write(move |tx| {
            let sql = "UPDATE meta SET value = ? WHERE name = ? AND value = ?";
            let params = params![by.as_slice(), format!("secret {name}"), kept.as_slice()];
            Ok(tx.conn.prepare_cached(sql)?.execute(params)? == 1)
        }))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            // The reader first: the writer can only empty the log when nothing reads it.
            self.reader.close().await;
            self.writer.close().await;
            Ok(())
        })
    }
}

impl SqliteStore {
    /// Whether rows can be written: known from the last commits, or tried when they failed or are long ago.
    ///
    /// A slow disk is no failure: when the writer does not answer soon, the last commit counts.
    async fn prove_writes(&self) -> Result<(), StoreError> {
        if self.progress.is_stopped() {
            return Err(StoreError::new(StoreErrorKind::Unavailable));
        }
        let writing = self.progress.writing();
        let is_recent = writing.written_at.is_some_and(|at| at.elapsed() < PROOF_LASTS);
        if writing.failure.is_none() && is_recent {
            return Ok(());
        }
        let probe = self.write(|tx| Ok(writer::probe(tx.conn)?));
        match tokio::time::timeout(PROBE_PATIENCE, probe).await {
            Ok(result) => result,
            Err(_) => writing.failure.map_or(Ok(()), |failure| Err(failure.into())),
        }
    }
}

/// When the oldest pending event was received. By the index of ids in a state: ids count up with time.
fn oldest_pending(conn: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT received_at FROM event INDEXED BY event_state WHERE state = 'pending' ORDER BY id LIMIT 1";
    conn.prepare_cached(sql)?.query_row([], |row| rows::time(row, 0)).optional()
}

/// Reads a table, so that a damaged file is not taken for a store that answers.
fn ping(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM meta WHERE name = 'last_event'")?.exists([])
}

/// Writes the check value if there is none, and compares it otherwise.
fn check_secret(conn: &Connection, name: &str, value: [u8; 16]) -> rusqlite::Result<SecretCheck> {
    let name = format!("secret {name}");
    let sql = "SELECT value FROM meta WHERE name = ?";
    let known = conn.prepare_cached(sql)?.query_row([&name], |row| rows::bytes(row, 0)).optional()?;
    let Some(known) = known else {
        let sql = "INSERT INTO meta (name, value) VALUES (?, ?)";
        conn.prepare_cached(sql)?.execute(params![name, value.as_slice()])?;
        return Ok(SecretCheck::New);
    };
    Ok(if known == value { SecretCheck::Same } else { SecretCheck::Other })
}

/// How long a commit proves that rows can be written. An idle store writes a probe this often while it is asked.
const PROOF_LASTS: Duration = Duration::from_secs(10);
/// How long a probe is waited for.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
