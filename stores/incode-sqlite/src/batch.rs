//! Group commit: many jobs in one transaction, with one fsync.
//!
//! A job that fails is undone alone, by its savepoint, and the other jobs of the batch commit. A failure of the disk or
//! the file fails the whole batch: SQLite may have rolled everything back by then. The index in memory follows the
//! rows: each change is noted in a journal, and reverted when its job or its batch fails.

use incode_core::store::dedupe::{DedupeIndex, StateChange};
use rusqlite::Connection;

use crate::error::Failure;

/// What a write job works on: the transaction of its batch, and the index that follows the event rows.
pub(crate) struct Transaction<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) index: &'a mut DedupeIndex,
    /// The id of the newest event. Ids that a failed batch took are not used again.
    pub(crate) last_event: &'a mut i64,
    /// The changes of this batch so far: they are reverted in the index if it fails.
    journal: &'a mut Vec<StateChange>,
}

impl Transaction<'_> {
    /// Records in the index what the job does to a row.
    pub(crate) fn record(&mut self, change: StateChange) {
        self.index.record(change);
        self.journal.push(change);
    }
}

/// A write job in a batch.
pub(crate) trait Job: Send {
    /// False: at most one statement writes, and fails as a whole.
    fn needs_savepoint(&self) -> bool;
    /// Does the work and keeps its result. The batch decides by the error whether it can go on.
    fn run(&mut self, tx: &mut Transaction<'_>) -> Result<(), Failure>;
    /// Answers the caller: with the job's own result, or with why the batch failed.
    fn answer(self: Box<Self>, batch: Result<(), &Failure>);
}

/// Runs the jobs in one transaction. When it fails, nothing of it is left, neither in the file nor in the index.
pub(crate) fn commit(
    conn: &Connection,
    index: &mut DedupeIndex,
    last_event: &mut i64,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Failure> {
    let mut journal = Vec::new();
    let outcome = run_all(conn, index, last_event, &mut journal, jobs);
    if outcome.is_err() {
        revert(index, &mut journal, 0);
        roll_back(conn);
    }
    outcome
}

/// Runs the jobs of a batch in order. Stops at a failure of the whole batch; a failure of one job is undone by its
/// savepoint.
fn run_all(
    conn: &Connection,
    index: &mut DedupeIndex,
    last_event: &mut i64,
    journal: &mut Vec<StateChange>,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Failure> {
    // Only if an earlier rollback failed is anything open here.
    roll_back(conn);
    execute(conn, "BEGIN IMMEDIATE")?;
    for job in jobs {
        let mark = journal.len();
        let savepoint = job.needs_savepoint();
        if savepoint {
            execute(conn, "SAVEPOINT job")?;
        }
        let result = job.run(&mut Transaction { conn, index, last_event, journal });
        if let Err(failure) = result {
            // Out of room or on a broken disk SQLite may have rolled back the whole batch.
            if failure.dooms_batch || conn.is_autocommit() {
                return Err(failure);
            }
            revert(index, journal, mark);
            if savepoint {
                execute(conn, "ROLLBACK TO job")?;
            }
        }
        if savepoint {
            execute(conn, "RELEASE job")?;
        }
    }
    execute(conn, "COMMIT")
}

/// Undoes what the index in memory recorded since the mark, newest first, as the database undoes the rows.
fn revert(index: &mut DedupeIndex, journal: &mut Vec<StateChange>, mark: usize) {
    for change in journal.drain(mark..).rev() {
        index.revert(change);
    }
}

/// A failure here is logged only: SQLite may have rolled back by itself already.
fn roll_back(conn: &Connection) {
    if !conn.is_autocommit() {
        // If this fails too, the next batch tries again before it begins.
        let _ = conn.execute_batch("ROLLBACK");
    }
}

/// A statement without parameters or rows.
fn execute(conn: &Connection, sql: &str) -> Result<(), Failure> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Rows in one step of long work (prune, replay): some 20 ms of the writer's time, so that deliveries come in between.
pub(crate) const LOT: u16 = 5_000;
