use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::batch::{self, Job, Transaction};
use super::failure::Failure;
use super::queue::{Message, Reply};
use super::{effects, file, upkeep};
use crate::Timestamp;
use crate::store::dedupe::DedupeIndex;
use crate::store::{InboxCounts, StoreError, StoreErrorKind};

pub(super) type WriteJob = Box<dyn Job>;

/// What the writer shows to others.
pub(super) struct Written {
    pub(super) commits: AtomicU64,
    pub(super) counts: Mutex<InboxCounts>,
}

impl Written {
    /// As of the last commit; the oldest pending event is not among them.
    pub(super) fn counts(&self) -> InboxCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job of several statements: all or none of them.
pub(super) fn several<T: Send + 'static>(
    reply: Reply<T>,
    work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
) -> WriteJob {
    Box::new(Call { work: Some(work), result: None, reply, savepoint: true })
}

/// A job of which one statement at most writes.
pub(super) fn single<T: Send + 'static>(
    reply: Reply<T>,
    work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
) -> WriteJob {
    Box::new(Call { work: Some(work), result: None, reply, savepoint: false })
}

/// Starts the thread. It tells `opened` how opening went, with the lock for the reader to share.
pub(super) fn spawn(
    path: PathBuf,
    jobs: Receiver<Message<WriteJob>>,
    written: Arc<Written>,
    opened: Reply<Arc<File>>,
) -> Result<(), StoreError> {
    let thread = thread::Builder::new().name("incode-store-writer".into());
    let body = move || match Writer::open(&path, written) {
        Ok((writer, lock)) => {
            // When the opener is gone already its queue is too, and the loop ends at once.
            let _ = opened.send(Ok(Arc::clone(&lock)));
            let closing = writer.run(&jobs);
            drop(lock);
            // Only now, with all files closed: whoever waits may open them again.
            closing.map(|closing| closing.send(()));
        }
        Err(error) => drop(opened.send(Err(error))),
    };
    thread.spawn(body).map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))?;
    Ok(())
}

struct Writer {
    conn: Connection,
    ledger: DedupeIndex,
    last_id: i64,
    log: Log,
    /// Rows changed over this connection when the log was last looked at.
    changes: i64,
    /// When that was.
    changed: Instant,
    written: Arc<Written>,
}

/// How much of the write-ahead log is left to tidy up.
#[derive(Clone, Copy)]
enum Log {
    Written,
    Copied,
    Empty,
}

impl Writer {
    fn open(path: &Path, written: Arc<Written>) -> Result<(Self, Arc<File>), StoreError> {
        let path = file::absolute(path)?;
        let lock = file::lock(&path)?;
        let conn = file::open_writer(&path)?;
        upkeep::end_leases(&conn).map_err(Failure::from)?;
        effects::end_leases(&conn).map_err(Failure::from)?;
        let now = Timestamp::from(SystemTime::now());
        upkeep::end_waits(&conn, now).map_err(Failure::from)?;
        effects::end_waits(&conn, now).map_err(Failure::from)?;
        let (ledger, last_id) = upkeep::load(&conn).map_err(Failure::from)?;
        let writer = Self { conn, ledger, last_id, log: Log::Written, changes: 0, changed: Instant::now(), written };
        writer.publish();
        Ok((writer, Arc::new(lock)))
    }

    /// Works until it is told to close, or nobody is left to tell it.
    fn run(mut self, jobs: &Receiver<Message<WriteJob>>) -> Option<oneshot::Sender<()>> {
        let mut closing = None;
        let mut batch = Vec::new();
        while closing.is_none() {
            let Some(mut message) = self.next(jobs) else { break };
            loop {
                match message {
                    Message::Job(job, _place) => batch.push(job),
                    Message::Close(reply) => {
                        closing = Some(reply);
                        break;
                    }
                }
                if batch.len() >= LARGEST_BATCH {
                    break;
                }
                match jobs.try_recv() {
                    Ok(next) => message = next,
                    Err(_) => break,
                }
            }
            if !batch.is_empty() {
                self.commit(&mut batch);
            }
        }
        self.checkpoint("TRUNCATE");
        closing
    }

    /// The next message; while none comes, the log is tidied up in two steps.
    fn next(&mut self, jobs: &Receiver<Message<WriteJob>>) -> Option<Message<WriteJob>> {
        loop {
            let (patience, step, then) = match self.log {
                Log::Written => (IDLE_BEFORE_COPY, "PASSIVE", Log::Copied),
                Log::Copied => (IDLE_BEFORE_TRUNCATE, "TRUNCATE", Log::Empty),
                Log::Empty => return jobs.recv().ok(),
            };
            match jobs.recv_timeout(patience.saturating_sub(self.changed.elapsed())) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    self.checkpoint(step);
                    self.log = then;
                }
            }
        }
    }

    fn commit(&mut self, batch: &mut Vec<WriteJob>) {
        let outcome = batch::commit(&self.conn, &mut self.ledger, &mut self.last_id, batch);
        match &outcome {
            Ok(()) => {
                metrics::histogram!("incode_store_commit_events").record(batch.len() as f64);
                self.publish();
                self.written.commits.fetch_add(1, Ordering::Relaxed);
                // A worker that finds nothing to claim leaves the log alone, and does not put off tidying it up.
                let changes = self.changes();
                if changes != self.changes {
                    (self.changes, self.changed, self.log) = (changes, Instant::now(), Log::Written);
                }
            }
            Err(failure) => tracing::warn!(error.kind = ?failure.kind, "store commit failed"),
        }
        for job in batch.drain(..) {
            job.answer(outcome.as_ref().copied());
        }
    }

    fn publish(&self) {
        *self.written.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.ledger.counts();
    }

    fn changes(&self) -> i64 {
        // By SQL: older versions of the crate have no call for it.
        let changes = self.conn.prepare_cached("SELECT total_changes()");
        changes.and_then(|mut changes| changes.query_row([], |row| row.get(0))).unwrap_or(-1)
    }

    /// A checkpoint that fails loses nothing: the next one does its work.
    fn checkpoint(&self, mode: &str) {
        // Whoever reads the file from outside must not hold up the queue.
        let _ = self.conn.busy_timeout(Duration::ZERO);
        let _ = self.conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
        let _ = self.conn.busy_timeout(file::BUSY_TIMEOUT);
    }
}

struct Call<T, F> {
    work: Option<F>,
    result: Option<Result<T, Failure>>,
    reply: Reply<T>,
    savepoint: bool,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send,
{
    fn needs_savepoint(&self) -> bool {
        self.savepoint
    }

    fn run(&mut self, tx: &mut Transaction<'_>) -> Result<(), Failure> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = work(tx);
        let outcome = result.as_ref().map(|_| ()).map_err(Failure::clone);
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, batch: Result<(), &Failure>) {
        let answer = match (batch, self.result) {
            (Ok(()), Some(result)) => result.map_err(StoreError::from),
            (Err(failure), _) => Err(failure.into()),
            (Ok(()), None) => Err(StoreError::new(StoreErrorKind::Failed)),
        };
        // A caller that no longer waits does not undo what was written.
        let _ = self.reply.send(answer);
    }
}

/// Bounds the time that the first caller of a batch waits for the last.
const LARGEST_BATCH: usize = 512;
/// Checkpoints in the pauses of the traffic, not in its bursts.
const IDLE_BEFORE_COPY: Duration = Duration::from_millis(200);
/// A quiet store keeps no log: wiped tokens are gone from it, and a copied file is complete by itself.
const IDLE_BEFORE_TRUNCATE: Duration = Duration::from_secs(2);
