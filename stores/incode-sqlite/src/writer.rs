//! The thread that writes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use incode_core::Timestamp;
use incode_core::store::dedupe::DedupeIndex;
use incode_core::store::{InboxCounts, StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::batch::{self, Job, Transaction};
use crate::error::{self, Failure};
use crate::lock::FileLock;
use crate::queue::{Message, Reply};
use crate::watch::Watch;
use crate::{file, startup};

/// A job with the channel to its caller.
pub(crate) type WriteJob = Box<dyn Job>;

/// What both threads keep as long as they have the file open.
#[derive(Clone)]
pub(crate) struct Guard {
    /// Shared by both threads: the thread that ends last unlocks the file.
    _lock: Arc<FileLock>,
    pub(crate) watch: Arc<Watch>,
}

/// What the writer shows to others.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) commits: AtomicU64,
    /// Rows by state as of the last commit. Held for a copy.
    counts: Mutex<InboxCounts>,
    /// How writing went last. Held for a copy.
    writing: Mutex<Writing>,
    /// The thread has ended.
    is_stopped: AtomicBool,
}

/// How writing went last.
#[derive(Clone, Default)]
pub(crate) struct Writing {
    /// Why the last batch failed. `None` when it was written.
    pub(crate) failure: Option<Failure>,
    /// When rows were last written.
    pub(crate) written_at: Option<Instant>,
}

impl Progress {
    /// Rows by state; the oldest pending event is not known here.
    pub(crate) fn counts(&self) -> InboxCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How writing went last. [`LifeCycle::time`](incode_core::store::LifeCycle::time) fails while it fails.
    pub(crate) fn writing(&self) -> Writing {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True once the writer has ended: every write fails from then on.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Publishes the counts after a commit, so that reading them costs the writer no time.
    fn publish(&self, counts: InboxCounts) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    /// A commit succeeded: the file can be written.
    fn wrote(&self) {
        let writing = Writing { failure: None, written_at: Some(Instant::now()) };
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner) = writing;
    }

    /// A commit failed: until one succeeds, the store reports the failure.
    fn failed(&self, failure: &Failure) {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(failure.clone());
    }
}

/// A job for the next batch. Without a savepoint at most one of its statements may write: SQLite undoes a failed
/// statement by itself, but not the ones before it.
pub(crate) fn job<T: Send + 'static>(
    reply: Reply<T>,
    needs_savepoint: bool,
    work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
) -> WriteJob {
    Box::new(Call { work: Some(work), result: None, reply, needs_savepoint })
}

/// Starts the thread. It answers `opened` when the file is open, with the guard for the reader to share.
pub(crate) fn spawn(
    path: PathBuf,
    jobs: Receiver<Message<WriteJob>>,
    progress: Arc<Progress>,
    opened: Reply<Guard>,
) -> Result<(), StoreError> {
    let thread = thread::Builder::new().name("incode-store-writer".into());
    let body = move || match Writer::open(&path, progress) {
        Ok((writer, guard)) => {
            // When the opener is gone already, its queue is too, and the loop ends at once.
            let _ = opened.send(Ok(guard.clone()));
            let closing = writer.run(&jobs);
            drop(guard);
            // All files are closed by now: the caller may open them again.
            closing.map(|closing| closing.send(()));
        }
        Err(error) => drop(opened.send(Err(error))),
    };
    thread.spawn(body).map_err(error::no_thread)?;
    Ok(())
}

/// The state of the thread. Only this thread writes, so no lock protects it.
struct Writer {
    conn: Connection,
    /// The keys of all event rows, for dedupe without a read. Exact, because no other process writes.
    index: DedupeIndex,
    /// The id of the newest event.
    last_event: i64,
    log: Log,
    /// Rows changed over this connection when the log was last looked at.
    changes: i64,
    /// When that was.
    changed: Instant,
    /// Shared with the store, which looks for `time`.
    watch: Arc<Watch>,
    /// Shared with the store, which reads it.
    progress: Arc<Progress>,
}

/// How much of the write-ahead log is left to tidy up.
#[derive(Clone, Copy)]
enum Log {
    /// It holds rows that are not in the file yet.
    Written,
    /// Its rows are in the file, and it keeps its length. Wiped tokens can still be read in it.
    Copied,
    /// It is cut to no length.
    Empty,
}

impl Writer {
    /// The lock comes first and goes last: see [`FileLock`].
    fn open(path: &Path, progress: Arc<Progress>) -> Result<(Self, Guard), StoreError> {
        let lock = FileLock::acquire(path)?;
        let conn = file::open_writer(path, lock.was_used())?;
        startup::end_leases(&conn).map_err(Failure::from)?;
        startup::end_waits(&conn, Timestamp::from(SystemTime::now())).map_err(Failure::from)?;
        // A file that can't be written is refused here, not at the first delivery. It also creates the log.
        probe(&conn).map_err(Failure::from)?;
        lock.mark_used()?;
        let (index, last_event) = startup::load_index(&conn).map_err(Failure::from)?;
        let watch = Arc::new(Watch::new(path)?);
        let now = Instant::now();
        progress.publish(index.counts());
        progress.wrote();
        let guard = Guard { _lock: Arc::new(lock), watch: Arc::clone(&watch) };
        let log = Log::Written;
        Ok((Self { conn, index, last_event, log, changes: 0, changed: now, watch, progress }, guard))
    }

    /// Works until it is closed, or all callers are gone.
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

    /// The next message. While none comes, the log is tidied up in two steps.
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

    /// Commits a batch, answers its callers, and empties it.
    fn commit(&mut self, batch: &mut Vec<WriteJob>) {
        let outcome = self.try_commit(batch);
        self.progress.publish(self.index.counts());
        if let Err(failure) = &outcome {
            self.progress.failed(failure);
            // The watch logs a lost file itself, once.
            if !self.watch.is_lost() {
                tracing::warn!(error.kind = ?failure.kind, error.cause = failure.cause(), "store commit failed");
            }
        }
        for job in batch.drain(..) {
            job.answer(outcome.as_ref().copied());
        }
    }

    /// One transaction for the batch, with one sync of the disk.
    fn try_commit(&mut self, batch: &mut [WriteJob]) -> Result<(), Failure> {
        if self.watch.is_lost() {
            self.watch.check()?;
        }
        batch::commit(&self.conn, &mut self.index, &mut self.last_event, batch)?;
        // Before the callers are answered: what went to a file that is gone must not be acknowledged, and a duplicate of it
        // neither. Three calls of `stat` cost microseconds, a commit a thousand times as much.
        self.watch.check()?;
        metrics::histogram!("incode_store_commit_events").record(batch.len() as f64);
        self.progress.commits.fetch_add(1, Ordering::Relaxed);
        // A worker that finds nothing to claim leaves the log alone, and does not put off tidying it up.
        let changes = self.changes();
        if changes != self.changes {
            (self.changes, self.changed, self.log) = (changes, Instant::now(), Log::Written);
            self.progress.wrote();
        }
        Ok(())
    }

    /// How many rows the connection has changed: a transaction without a change needs no commit.
    fn changes(&self) -> i64 {
        // By SQL: older versions of the crate have no call for it.
        let changes = self.conn.prepare_cached("SELECT total_changes()");
        changes.and_then(|mut changes| changes.query_row([], |row| row.get(0))).unwrap_or(-1)
    }

    /// A checkpoint that fails loses nothing: the next one does its work.
    fn checkpoint(&self, mode: &str) {
        // A program that reads the file must not hold up the queue.
        let _ = self.conn.busy_timeout(Duration::ZERO);
        let _ = self.conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
        let _ = self.conn.busy_timeout(file::BUSY_TIMEOUT);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.progress.is_stopped.store(true, Ordering::Release);
    }
}

/// Writes as much as a delivery does, and removes it again: a disk that has room for this takes a delivery.
pub(crate) fn probe(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', zeroblob(?))")?
        .execute([PROBE_BYTES])?;
    conn.prepare_cached("DELETE FROM meta WHERE name = 'probe'")?.execute([])?;
    Ok(())
}

/// A job of one caller: the work, and the channel of its answer.
struct Call<T, F> {
    /// `None` once it was run.
    work: Option<F>,
    /// Its own result, which counts only when the batch is committed.
    result: Option<Result<T, Failure>>,
    reply: Reply<T>,
    needs_savepoint: bool,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send,
{
    /// Work of one statement needs none: SQLite undoes a failed statement by itself.
    fn needs_savepoint(&self) -> bool {
        self.needs_savepoint
    }

    /// Runs the work and keeps its answer until the batch is committed.
    fn run(&mut self, tx: &mut Transaction<'_>) -> Result<(), Failure> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = work(tx);
        let outcome = result.as_ref().map(|_| ()).map_err(Failure::clone);
        self.result = Some(result);
        outcome
    }

    /// Answers the caller: its own failure, or that of the batch, or the result.
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
/// Checkpoints run in the pauses of the traffic, not in its bursts.
const IDLE_BEFORE_COPY: Duration = Duration::from_millis(200);
/// A quiet store keeps no log: wiped tokens are gone from it, and a copied file is complete by itself.
const IDLE_BEFORE_TRUNCATE: Duration = Duration::from_secs(2);
/// Two pages, as a delivery with a long token.
const PROBE_BYTES: u32 = 8 * 1024;
