use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::Failure;
use super::identities;
use super::link::{Link, Target};
use super::rows::{self, get};
use crate::Timestamp;
use crate::store::dedupe::{IGNORED_KEPT, Key, Keys, PENDING_KEPT, WAITING_PER_OBJECT};
use crate::store::{Accepted, EventId, EventState, NewEvent, Reason, StoreError, StoreErrorKind};

/// The way into the inbox. Deliveries queue up for one writer, which takes whatever waits, keeps it with one statement,
/// and only then answers each: under load hundreds share a commit and a way to the server, and no timer delays a lone one.
pub(super) struct Accepts {
    /// `None` once it is closed.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    pub(super) commits: Arc<AtomicU64>,
}

struct Job {
    event: NewEvent,
    keys: Keys,
    reply: oneshot::Sender<Result<Accepted, StoreError>>,
}

impl Accepts {
    pub(super) fn new(target: Arc<Target>, link: Link, queue_len: usize) -> Self {
        let (jobs, queue) = mpsc::channel(queue_len);
        let commits = Arc::new(AtomicU64::new(0));
        let writer = Writer { target, link: Some(link), room: 0, commits: Arc::clone(&commits) };
        let writer = tokio::sync::Mutex::new(Some(tokio::spawn(writer.run(queue))));
        Self { jobs: Mutex::new(Some(jobs)), writer, commits }
    }

    pub(super) async fn accept(&self, event: NewEvent) -> Result<Accepted, StoreError> {
        if event.state == EventState::Pending && event.object_id.is_none() {
            return Err(Failure::refused("a pending event needs an object id").into());
        }
        let (reply, answer) = oneshot::channel();
        let job = Job { keys: Keys::of(&event), event, reply };
        {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let jobs = jobs.as_ref().ok_or_else(Failure::closed)?;
            jobs.try_send(job).map_err(|refusal| match refusal {
                mpsc::error::TrySendError::Full(_) => StoreError::new(StoreErrorKind::Busy),
                mpsc::error::TrySendError::Closed(_) => StoreError::from(Failure::closed()),
            })?;
        }
        answer.await.unwrap_or_else(|_| Err(Failure::closed().into()))
    }

    /// Takes no more, and returns when all that were queued are answered.
    pub(super) async fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = self.writer.lock().await.take() {
            // It ends when its queue is empty; an error means that the runtime did.
            let _ = writer.await;
        }
    }
}

struct Writer {
    target: Arc<Target>,
    link: Option<Link>,
    /// How many may become pending before they are counted again.
    room: u64,
    commits: Arc<AtomicU64>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.recv().await {
            let mut batch = vec![first];
            while batch.len() < LARGEST_BATCH {
                let Ok(next) = queue.try_recv() else { break };
                batch.push(next);
            }
            // Whoever no longer waits has sent the vendor away; what is delivered again is kept then.
            batch.retain(|job| !job.reply.is_closed());
            if !batch.is_empty() {
                self.commit(batch).await;
            }
        }
    }

    async fn commit(&mut self, batch: Vec<Job>) {
        let rows = Rows::of(&batch);
        let outcome = timeout(self.target.call_deadline, self.keep(&rows)).await;
        match outcome.unwrap_or_else(|_| Err(Failure::too_late())) {
            Ok(outcomes) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                metrics::histogram!("incode_store_commit_events").record(batch.len() as f64);
                let (of_jobs, mut told) = (rows.of_jobs, vec![false; outcomes.len()]);
                for (job, row) in batch.into_iter().zip(of_jobs) {
                    let outcome = outcomes.get(row).copied().unwrap_or(Outcome::Known);
                    let is_first = told.get_mut(row).is_some_and(|told| !std::mem::replace(told, true));
                    let _ = job.reply.send(match outcome {
                        Outcome::Kept(id) if is_first => Ok(Accepted::New(id)),
                        Outcome::Kept(_) | Outcome::Known => Ok(Accepted::Duplicate),
                        Outcome::Crowded => Err(StoreError::with_source(StoreErrorKind::Busy, CROWDED)),
                    });
                }
            }
            Err(failure) => {
                tracing::warn!(error.kind = ?failure.kind, "store commit failed");
                if failure.broken {
                    self.link = None;
                }
                for job in batch {
                    let _ = job.reply.send(Err((&failure).into()));
                }
            }
        }
    }

    async fn keep(&mut self, rows: &Rows<'_>) -> Result<Vec<Outcome>, Failure> {
        if self.link.as_ref().is_none_or(|link| !link.is_open()) {
            self.link = Some(Link::connect(&self.target).await?);
        }
        let Some(link) = &self.link else { return Err(Failure::closed()) };
        let pending = rows.events.iter().filter(|event| event.state == EventState::Pending).count() as u64;
        if pending > self.room {
            self.room = room(link).await?;
        }
        let is_full = pending > self.room;
        let outcomes = if rows.events.iter().any(|event| event.state == EventState::Ignored) {
            let outcomes = within_cap(link, rows, is_full).await;
            if outcomes.is_err() {
                // Whatever is open on it is undone with it.
                self.link = None;
            }
            outcomes?
        } else {
            insert(link, rows, is_full).await?
        };
        self.room = self.room.saturating_sub(pending);
        Ok(outcomes)
    }
}

/// What became of one row.
#[derive(Clone, Copy)]
enum Outcome {
    Kept(EventId),
    Known,
    Crowded,
}

/// The rows of a batch, one for each delivery that it holds, however often.
struct Rows<'a> {
    /// In the order of their keys: two writers that keep the same deliveries wait for one another, never in a circle.
    events: Vec<&'a NewEvent>,
    keys: Vec<Keys>,
    known: Vec<Option<Key>>,
    /// How many pending events of the same object come before it in the batch, itself included.
    ranks: Vec<i64>,
    /// The row of each job.
    of_jobs: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn of(batch: &'a [Job]) -> Self {
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|job| batch.get(*job).map(|job| job.keys.delivery));
        let mut rows =
            Self { events: vec![], keys: vec![], known: vec![], ranks: vec![], of_jobs: vec![0; batch.len()] };
        let (mut seen, mut ranks) = (HashMap::new(), HashMap::new());
        for at in order {
            let Some(Job { event, keys, .. }) = batch.get(at) else { continue };
            let known = match event.state {
                EventState::Pending => Some(keys.delivery),
                EventState::Ignored => Some(keys.object),
                EventState::Done | EventState::Dead => None,
            };
            let next = rows.events.len();
            let row = match known.map(|known| seen.entry(known)) {
                Some(Entry::Occupied(row)) => *row.get(),
                Some(Entry::Vacant(row)) => *row.insert(next),
                None => next,
            };
            if let Some(place) = rows.of_jobs.get_mut(at) {
                *place = row;
            }
            if row == next {
                let rank: &mut i64 = ranks.entry(keys.object).or_default();
                *rank += i64::from(event.state == EventState::Pending);
                rows.events.push(event);
                rows.keys.push(*keys);
                rows.known.push(known);
                rows.ranks.push(*rank);
            }
        }
        rows
    }
}

/// Keeps what is not known, in one statement.
async fn insert(link: &Link, rows: &Rows<'_>, is_full: bool) -> Result<Vec<Outcome>, Failure> {
    let sql = "WITH new AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[], $7::text[],
            $8::boolean[], $9::bigint[], $10::bigint[], $11::text[], $12::bytea[], $13::bigint[]) WITH ORDINALITY
            AS new (kind, object_id, object_key, delivery_key, known_key, state, reason, authenticated, vendor_time,
                received_at, correlation_id, token, rank, n)
    ), fresh AS MATERIALIZED (
        SELECT new.*, nextval('event_id_seq') AS id,
            state = 'pending' AND ($14 OR known.waiting + rank > $15) AS is_crowded
        FROM new CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE event.state = 'pending') AS waiting,
                count(*) FILTER (WHERE event.state = 'done'
                    OR event.state = 'pending' AND new.state = 'pending' AND event.delivery_key = new.delivery_key
                    OR event.state = 'ignored' AND new.state = 'ignored') AS same
            FROM event WHERE event.object_key = new.object_key AND event.state <> 'dead'
        ) known WHERE known.same = 0
    ), kept AS (
        INSERT INTO event (id, kind, object_id, object_key, delivery_key, known_key, state, reason, authenticated,
            vendor_time, received_at, due_at, settled_at, correlation_id, token)
        SELECT id, kind, object_id, object_key, delivery_key, known_key, state, reason, authenticated, vendor_time,
            received_at, CASE state WHEN 'pending' THEN received_at END,
            CASE state WHEN 'pending' THEN NULL ELSE received_at END, correlation_id, token
        FROM fresh WHERE NOT is_crowded ORDER BY n
        ON CONFLICT (known_key) WHERE known_key IS NOT NULL DO NOTHING RETURNING id
    )
    SELECT fresh.n, fresh.id, fresh.is_crowded, kept.id IS NOT NULL FROM fresh LEFT JOIN kept USING (id)";
    let events = &rows.events;
    let kinds: Vec<_> = events.iter().map(|event| rows::word(event.kind.as_str())).collect();
    let kinds: Vec<&str> = kinds.iter().map(AsRef::as_ref).collect();
    let objects: Vec<_> = events.iter().map(|event| event.object_id.as_ref().map(|id| id.as_str())).collect();
    let object_keys: Vec<&[u8]> = rows.keys.iter().map(|keys| keys.object.as_slice()).collect();
    let delivery_keys: Vec<&[u8]> = rows.keys.iter().map(|keys| keys.delivery.as_slice()).collect();
    let known_keys: Vec<Option<&[u8]>> = rows.known.iter().map(|key| key.as_ref().map(Key::as_slice)).collect();
    let states: Vec<&str> = events.iter().map(|event| event.state.as_str()).collect();
    let reasons: Vec<_> = events.iter().map(|event| event.reason.map(Reason::as_str)).collect();
    let authenticated: Vec<bool> = events.iter().map(|event| event.authenticated).collect();
    let vendor_times: Vec<_> = events.iter().map(|event| event.vendor_time.map(Timestamp::as_millis)).collect();
    let received: Vec<i64> = events.iter().map(|event| event.received_at.as_millis()).collect();
    let correlations: Vec<_> = events.iter().map(|event| event.correlation_id.as_deref()).collect();
    let tokens: Vec<_> = events.iter().map(|event| Some(&*event.token).filter(|token| !token.is_empty())).collect();
    let found = link
        .query(
            sql,
            &[
                &kinds,
                &objects,
                &object_keys,
                &delivery_keys,
                &known_keys,
                &states,
                &reasons,
                &authenticated,
                &vendor_times,
                &received,
                &correlations,
                &tokens,
                &rows.ranks,
                &is_full,
                &i64::from(WAITING_PER_OBJECT),
            ],
        )
        .await?;
    let mut outcomes = vec![Outcome::Known; events.len()];
    for row in &found {
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
    Ok(outcomes)
}

/// The same with ignored events among them, of which only the newest stay; one process at a time, or they miscount.
async fn within_cap(link: &Link, rows: &Rows<'_>, is_full: bool) -> Result<Vec<Outcome>, Failure> {
    link.simple("BEGIN").await?;
    identities::lock_name(link, b"ignored", b"").await?;
    let outcomes = insert(link, rows, is_full).await?;
    let surplus = "DELETE FROM event WHERE id IN (SELECT id FROM event
        WHERE state <> 'pending' AND state = 'ignored' ORDER BY id DESC OFFSET $1)";
    link.execute(surplus, &[&i64::try_from(IGNORED_KEPT).unwrap_or(i64::MAX)]).await?;
    link.simple("COMMIT").await?;
    Ok(outcomes)
}

/// A part of how many more may be pending: other processes take their parts of it too.
async fn room(link: &Link) -> Result<u64, Failure> {
    let sql = "SELECT count(*) FROM (SELECT FROM event WHERE state = 'pending' LIMIT $1) waiting";
    let most = i64::try_from(PENDING_KEPT).unwrap_or(i64::MAX);
    let waiting = rows::number(&link.query_one(sql, &[&most]).await?, 0)?;
    let left = PENDING_KEPT.saturating_sub(waiting);
    Ok((left / 8).max(left.min(LARGEST_BATCH as u64)))
}

/// Bounds the time that the first caller of a batch waits for the last.
const LARGEST_BATCH: usize = 512;
const CROWDED: &str = "too many events are pending";
