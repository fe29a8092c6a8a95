use rusqlite::Connection;

use super::failure::Failure;
use crate::store::dedupe::{DedupeIndex, StateChange};

/// What a write job works on: the transaction of its batch, and the ledger that follows it.
pub(super) struct Transaction<'a> {
    pub(super) conn: &'a Connection,
    pub(super) ledger: &'a mut DedupeIndex,
    pub(super) last_id: &'a mut i64,
    /// What the batch moved so far, to be taken back if it fails.
    journal: &'a mut Vec<StateChange>,
}

impl Transaction<'_> {
    /// Records in the ledger what the job does to a row.
    pub(super) fn record(&mut self, moved: StateChange) {
        self.ledger.record(moved);
        self.journal.push(moved);
    }
}

/// A write job in a batch.
pub(super) trait Job: Send {
    /// False: at most one statement writes, and fails as a whole.
    fn needs_savepoint(&self) -> bool;
    /// Does the work and keeps its result; the error is for the batch to judge.
    fn run(&mut self, tx: &mut Transaction<'_>) -> Result<(), Failure>;
    /// Tells the caller: its own result, or why the batch failed.
    fn answer(self: Box<Self>, batch: Result<(), &Failure>);
}

/// Runs the jobs in one transaction. When it fails nothing of it is left, neither in the file nor in the ledger.
pub(super) fn commit(
    conn: &Connection,
    ledger: &mut DedupeIndex,
    last_id: &mut i64,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), Failure> {
    let mut journal = Vec::new();
    let outcome = run_all(conn, ledger, last_id, &mut journal, jobs);
    if outcome.is_err() {
        take_back(ledger, &mut journal, 0);
        roll_back(conn);
    }
    outcome
}

fn run_all(
    conn: &Connection,
    ledger: &mut DedupeIndex,
    last_id: &mut i64,
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
        let result = job.run(&mut Transaction { conn, ledger, last_id, journal });
        if let Err(failure) = result {
            // Out of room or on a broken disk SQLite may have rolled back everything, the neighbours included.
            if failure.dooms_batch || conn.is_autocommit() {
                return Err(failure);
            }
            take_back(ledger, journal, mark);
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

fn take_back(ledger: &mut DedupeIndex, journal: &mut Vec<StateChange>, mark: usize) {
    for moved in journal.drain(mark..).rev() {
        ledger.revert(moved);
    }
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit() {
        // If this fails too, the next batch tries again before it begins.
        let _ = conn.execute_batch("ROLLBACK");
    }
}

fn execute(conn: &Connection, sql: &str) -> Result<(), Failure> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}
