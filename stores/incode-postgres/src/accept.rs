//! Keeping deliveries.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use incode_core::Timestamp;
use incode_core::store::dedupe::{Admission, EventKeys, IGNORED_KEPT, Key, PENDING_KEPT, PENDING_PER_OBJECT};
use incode_core::store::{Accepted, EventId, EventState, NewEvent, Reason, StoreError, StoreErrorKind};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::connection::{Answer, Statement};
use super::error::Failure;
use super::params::stored;
use super::pool::Pool;
use super::rows::{self, get};
use super::schema::IGNORED_LOCK;

/// The way into the inbox. Deliveries queue up for one writer, which keeps whatever waits in one transaction and one
/// round trip: under load hundreds share a commit, and no timer delays a single one.
pub(crate) struct Accepts {
    /// `None` once it is closed. Held for a `try_send`, never across an await.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    /// Held by `close` alone, so that a second call waits too.
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    /// Shared with the writer.
    pub(crate) commits: Arc<AtomicU64>,
    /// Shared with the writer.
    full: Arc<FullDisk>,
}

/// A delivery with its keys, which are computed before the queue: the writer is shared, callers are not.
struct Job {
    event: NewEvent,
    keys: EventKeys,
    admission: Admission,
    reply: oneshot::Sender<Result<Accepted, StoreError>>,
}

/// The last refusal for want of room, until a later batch is kept.
#[derive(Default)]
struct FullDisk(
    /// Held for an assignment, never across an await.
    Mutex<Option<(Instant, Failure)>>,
);

impl Accepts {
    /// Starts the writer. `queue_len` bounds the deliveries that wait for it, and with it the memory of a flood.
    pub(crate) fn new(pool: Arc<Pool>, queue_len: usize) -> Self {
        let (queue, jobs) = mpsc::channel(queue_len);
        let (commits, full) = (Arc::new(AtomicU64::new(0)), Arc::new(FullDisk::default()));
        let writer = Writer { pool, room: 0, commits: Arc::clone(&commits), full: Arc::clone(&full) };
        let writer = tokio::sync::Mutex::new(Some(tokio::spawn(writer.run(jobs))));
        Self { queue: Mutex::new(Some(queue)), writer, commits, full }
    }

    /// Queues the delivery and waits until it is committed. A full queue is `Busy` at once: the vendor sends again
    /// later, which costs less than a wait that ends in its timeout.
    pub(crate) async fn accept(&self, event: NewEvent) -> Result<Accepted, StoreError> {
        if event.state == EventState::Pending && event.object_id.is_none() {
            return Err(Failure::failed("a pending event needs an object id").into());
        }
        let (reply, answer) = oneshot::channel();
        let job = Job { keys: EventKeys::of(&event), admission: Admission::of(&event), event, reply };
        {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = queue.as_ref().ok_or_else(Failure::closed)?;
            queue.try_send(job).map_err(|refusal| match refusal {
                mpsc::error::TrySendError::Full(_) => StoreError::new(StoreErrorKind::Busy),
                mpsc::error::TrySendError::Closed(_) => StoreError::from(Failure::closed()),
            })?;
        }
        answer.await.unwrap_or_else(|_| Err(Failure::closed().into()))
    }

    /// Fails while the server's disk is full, as far as the last delivery showed.
    pub(crate) fn check_room(&self) -> Result<(), Failure> {
        let full = self.full.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*full {
            Some((since, failure)) if since.elapsed() < FULL_KEPT => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// Takes no more, and returns when all that were queued are answered.
    pub(crate) async fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = self.writer.lock().await.take() {
            // It ends when its queue is empty. An error means that the runtime did.
            let _ = writer.await;
        }
    }
}

/// The only task that inserts events for this process. So deliveries of one process never wait for each other's locks.
struct Writer {
    pool: Arc<Pool>,
    /// How many may become pending before they are counted again.
    room: u64,
    commits: Arc<AtomicU64>,
    full: Arc<FullDisk>,
}

impl Writer {
    /// Takes whatever waits, up to [`LARGEST_BATCH`], and commits it. While a commit is under way the next batch
    /// collects: the batch grows with the load, without a timer.
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.recv().await {
            let mut batch = vec![first];
            while batch.len() < LARGEST_BATCH {
                let Ok(next) = queue.try_recv() else { break };
                batch.push(next);
            }
            // A caller that no longer waits has answered the vendor with an error: the vendor delivers again.
            batch.retain(|job| !job.reply.is_closed());
            if !batch.is_empty() {
                self.commit(batch).await;
            }
        }
    }

    /// Commits a batch and answers every caller in it.
    async fn commit(&mut self, batch: Vec<Job>) {
        match self.keep(&batch).await {
            Ok(outcomes) => answer(batch, outcomes),
            // One row may be at fault: each is tried by itself, so that it does not hold up the others.
            Err(failure) if failure.kind == StoreErrorKind::Failed && !failure.broken && batch.len() > 1 => {
                for job in batch {
                    let alone = vec![job];
                    match self.keep(&alone).await {
                        Ok(outcomes) => answer(alone, outcomes),
                        Err(failure) => refuse(alone, &failure),
                    }
                }
            }
            Err(failure) => refuse(batch, &failure),
        }
    }

    /// One transaction for the batch. Returns an outcome for each job, in their order.
    async fn keep(&mut self, batch: &[Job]) -> Result<Vec<Result<Accepted, StoreError>>, Failure> {
        let rows = Rows::of(batch);
        let pending = rows.jobs.iter().filter(|job| job.event.state == EventState::Pending).count() as u64;
        if pending > self.room {
            self.room = self.count_room().await?;
        }
        let has_ignored = rows.jobs.iter().any(|job| job.event.state == EventState::Ignored);
        let mut statements = vec![rows.insert(pending > self.room)];
        if has_ignored {
            statements.insert(0, (LOCK_IGNORED, params![IGNORED_LOCK]));
            statements.push((TRIM_IGNORED, params![IGNORED_KEPT]));
        }
        let kept = self.pool.run_first(&statements).await;
        self.full.note(kept.as_ref().err());
        let answers = kept?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.room = self.room.saturating_sub(pending);
        metrics::histogram!("incode_store_commit_events").record(batch.len() as f64);
        let found = answers.get(usize::from(has_ignored)).ok_or_else(|| Failure::unreadable("answer"))?;
        rows.outcomes(found)
    }

    /// A part of how many more may be pending: other processes take their parts of it too.
    async fn count_room(&self) -> Result<u64, Failure> {
        let sql = "SELECT count(*) FROM (SELECT FROM incode.event WHERE state = 'pending' LIMIT $1) AS waiting";
        let answers = self.pool.run_first(&[(sql, params![PENDING_KEPT])]).await?;
        let answer = answers.first().ok_or_else(|| Failure::unreadable("answer"))?;
        let left = PENDING_KEPT.saturating_sub(rows::number(answer.row()?, 0)?);
        Ok((left / 8).max(left.min(LARGEST_BATCH as u64)))
    }
}

/// Answers each caller. A caller that is gone is ignored: its event is kept, and the vendor's next delivery is a
/// duplicate.
fn answer(batch: Vec<Job>, outcomes: Vec<Result<Accepted, StoreError>>) {
    for (job, outcome) in batch.into_iter().zip(outcomes) {
        let _ = job.reply.send(outcome);
    }
}

/// Answers each caller with the same failure, logged once for the batch.
fn refuse(batch: Vec<Job>, failure: &Failure) {
    tracing::warn!(error.kind = ?failure.kind, error.cause = failure.cause(), "store commit failed");
    for job in batch {
        let _ = job.reply.send(Err(failure.into()));
    }
}

impl FullDisk {
    /// Remembers a full disk, and forgets it with the next batch that was kept. Other failures say nothing about the
    /// disk.
    fn note(&self, failure: Option<&Failure>) {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            None => *full = None,
            Some(failure) if failure.kind == StoreErrorKind::Full => *full = Some((Instant::now(), failure.clone())),
            Some(_) => {}
        }
    }
}

/// The rows of a batch: one for each delivery in it, however often it came.
struct Rows<'a> {
    /// In the order of their keys: two writers that keep the same deliveries wait for each other in one direction only.
    jobs: Vec<&'a Job>,
    known: Vec<Option<Key>>,
    /// How many pending events of the same object come before it in the batch, itself included.
    ranks: Vec<i64>,
    /// The row of each job of the batch.
    of_jobs: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// Sorts the batch and merges equal deliveries. They must be merged here: one statement can't insert two rows with
    /// the same unique key and report both.
    fn of(batch: &'a [Job]) -> Self {
        let mut order: Vec<(usize, &Job)> = batch.iter().enumerate().collect();
        order.sort_by_key(|(_, job)| job.keys.delivery);
        let mut rows = Self { jobs: vec![], known: vec![], ranks: vec![], of_jobs: vec![0; batch.len()] };
        let (mut seen, mut ranks) = (HashMap::new(), HashMap::new());
        for (at, job) in order {
            let known = job.admission.unless_pending.or(job.admission.unless_ignored);
            let next = rows.jobs.len();
            let row = match known.map(|known| seen.entry(known)) {
                Some(Entry::Occupied(row)) => *row.get(),
                Some(Entry::Vacant(row)) => *row.insert(next),
                None => next,
            };
            if let Some(place) = rows.of_jobs.get_mut(at) {
                *place = row;
            }
            if row == next {
                let rank = job.admission.bounded_by.map(|object| {
                    let rank: &mut i64 = ranks.entry(object).or_default();
                    *rank += 1;
                    *rank
                });
                rows.jobs.push(job);
                rows.known.push(known);
                rows.ranks.push(rank.unwrap_or(0));
            }
        }
        rows
    }

    /// Keeps what is admitted.
    fn insert(&self, is_full: bool) -> Statement {
        let events = || self.jobs.iter().map(|job| &job.event);
        let keys = |key: fn(&Job) -> Option<Key>| -> Vec<Option<Vec<u8>>> {
            self.jobs.iter().map(|job| key(job).map(|key| key.to_vec())).collect()
        };
        let params = params![
            events().map(|event| stored(event.kind.as_str())).collect::<Vec<_>>(),
            events().map(|event| event.object_id.as_ref().map(|id| id.as_str().to_owned())).collect::<Vec<_>>(),
            keys(|job| Some(job.keys.object)),
            keys(|job| Some(job.keys.delivery)),
            keys(|job| Some(job.keys.done)),
            self.known.iter().map(|key| key.map(|key| key.to_vec())).collect::<Vec<_>>(),
            events().map(|event| event.state.as_str().to_owned()).collect::<Vec<_>>(),
            events().map(|event| event.reason.map(|reason| Reason::as_str(reason).to_owned())).collect::<Vec<_>>(),
            events().map(|event| event.authenticated).collect::<Vec<_>>(),
            events().map(|event| event.implausible).collect::<Vec<_>>(),
            events().map(|event| event.vendor_time.map(Timestamp::as_millis)).collect::<Vec<_>>(),
            events().map(|event| event.received_at.as_millis()).collect::<Vec<_>>(),
            events().map(|event| event.correlation_id.as_deref().map(stored)).collect::<Vec<_>>(),
            events().map(|event| Some(event.token.clone()).filter(|token| !token.is_empty())).collect::<Vec<_>>(),
            self.ranks.clone(),
            keys(|job| Some(job.admission.unless_done)),
            keys(|job| job.admission.unless_pending),
            keys(|job| job.admission.unless_ignored),
            keys(|job| job.admission.bounded_by),
            is_full,
            i64::from(PENDING_PER_OBJECT),
        ];
        (INSERT, params)
    }

    /// The outcome of each job from the rows that [`INSERT`] returned. A row that was not returned is known already. Of
    /// several equal deliveries of the batch the first is new, and the others are duplicates.
    fn outcomes(&self, found: &Answer) -> Result<Vec<Result<Accepted, StoreError>>, Failure> {
        let mut outcomes = vec![Outcome::Known; self.jobs.len()];
        for row in &found.rows {
            let outcome = match (get(row, 2)?, get(row, 3)?) {
                (true, _) => Outcome::Crowded,
                (false, true) => Outcome::Kept(EventId(get(row, 1)?)),
                // Another process kept it at the same moment.
                (false, false) => Outcome::Known,
            };
            let at = usize::try_from(get::<i64>(row, 0)? - 1).unwrap_or(usize::MAX);
            if let Some(place) = outcomes.get_mut(at) {
                *place = outcome;
            }
        }
        let mut is_answered = vec![false; outcomes.len()];
        let of_job = |row: &usize| {
            let is_first = is_answered.get_mut(*row).is_some_and(|answered| !std::mem::replace(answered, true));
            match outcomes.get(*row) {
                Some(Outcome::Kept(id)) if is_first => Ok(Accepted::New(*id)),
                Some(Outcome::Crowded) => Err(StoreError::with_source(StoreErrorKind::Busy, CROWDED)),
                _ => Ok(Accepted::Duplicate),
            }
        };
        Ok(self.of_jobs.iter().map(of_job).collect())
    }
}

/// What became of one row.
#[derive(Clone, Copy)]
enum Outcome {
    Kept(EventId),
    Known,
    Crowded,
}

/// One statement for the batch: looks up the keys that the admission of each row names, by the indexes on object key and
/// done key, and inserts the rest. The unique index on `known_key` settles the race with another process.
const INSERT: &str = "WITH new AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::text[],
            $8::text[], $9::boolean[], $10::boolean[], $11::bigint[], $12::bigint[], $13::text[], $14::bytea[],
            $15::bigint[], $16::bytea[], $17::bytea[], $18::bytea[], $19::bytea[]) WITH ORDINALITY
            AS new (kind, object_id, object_key, delivery_key, done_key, known_key, state, reason, authenticated,
                implausible, vendor_time, received_at, correlation_id, token, rank, unless_done, unless_pending,
                unless_ignored, bounded_by, n)
    ), fresh AS MATERIALIZED (
        SELECT new.*, nextval('incode.event_id_seq') AS id,
            bounded_by IS NOT NULL AND ($20 OR known.pending + rank > $21) AS is_crowded
        FROM new CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE event.state = 'pending' AND event.object_key = new.bounded_by) AS pending,
                count(*) FILTER (WHERE event.state = 'pending' AND event.delivery_key = new.unless_pending
                    OR event.state = 'ignored' AND event.object_key = new.unless_ignored) AS same
            FROM incode.event WHERE event.object_key = new.object_key AND event.state IN ('pending', 'ignored')
        ) AS known
        WHERE known.same = 0 AND NOT EXISTS (
            SELECT FROM incode.event WHERE event.done_key = new.unless_done AND event.state = 'done')
    ), kept AS (
        INSERT INTO incode.event (id, kind, object_id, object_key, delivery_key, done_key, known_key, state, reason,
            authenticated, implausible, vendor_time, received_at, due_at, settled_at, correlation_id, token)
        SELECT id, kind, object_id, object_key, delivery_key, done_key, known_key, state, reason, authenticated,
            implausible, vendor_time, received_at, CASE state WHEN 'pending' THEN received_at END,
            CASE state WHEN 'pending' THEN NULL ELSE received_at END, correlation_id, token
        FROM fresh WHERE NOT is_crowded ORDER BY n
        ON CONFLICT (known_key) WHERE known_key IS NOT NULL DO NOTHING RETURNING id
    )
    SELECT fresh.n, fresh.id, fresh.is_crowded, kept.id IS NOT NULL FROM fresh LEFT JOIN kept USING (id)";
/// One batch with ignored events at a time, or two would count the same rows.
const LOCK_IGNORED: &str = "SELECT FROM incode.lock WHERE id = $1 FOR UPDATE";
/// Keeps the newest ignored events only.
const TRIM_IGNORED: &str = "DELETE FROM incode.event WHERE id IN (SELECT id FROM incode.event
    WHERE state <> 'pending' AND state = 'ignored' ORDER BY id DESC OFFSET $1)";
/// Bounds the time that the first caller of a batch waits for the last.
const LARGEST_BATCH: usize = 512;
/// How long a full disk is believed without another delivery.
const FULL_KEPT: Duration = Duration::from_secs(30);
/// The cause of `Busy` in the log: the inbox has reached [`PENDING_KEPT`], or the object has [`PENDING_PER_OBJECT`]
/// pending events.
const CROWDED: &str = "too many events are pending";
