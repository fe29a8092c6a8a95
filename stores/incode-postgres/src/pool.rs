//! The connections for everything but the listener.
//!
//! Written by hand, not deadpool-postgres, for four needs that a pool of exclusive connections does not meet:
//! - Reads of gates are pipelined over one shared connection, and never wait behind transactions that wait for locks.
//! - When the server or a pooler refuses one more connection, callers wait for one of ours instead of failing.
//! - A connection whose transaction did not end is cut, so that the server gives its locks free at once.
//! - Statements are not prepared, so a statement cache would serve for nothing.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use incode_core::store::hub::ChangeHub;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::{Answer, Connection, Statement, Target};
use super::error::Failure;

/// Shared by every part of the store. Cheap to reach: each holds an `Arc`.
pub(crate) struct Pool {
    /// Shared with every connection: the host that took writes last is remembered for all.
    pub(crate) target: Arc<Target>,
    /// Shared with the feeds: they must know of each commit whose outcome is unknown.
    pub(crate) hub: Arc<ChangeHub>,
    /// How long a caller waits for an answer, the wait for a connection not counted.
    pub(crate) call_deadline: Duration,
    /// A permit for each transaction that may be under way. Accepts and reads need none: they never wait behind it.
    permits: Arc<Semaphore>,
    /// How many permits there are.
    transactions: u32,
    /// Held for a few assignments, never across an await.
    state: Mutex<State>,
    /// Wakes a caller that waits for a connection of ours.
    returned: Notify,
}

/// What the lock of the pool protects.
struct State {
    /// With the instant since when each is idle. The newest last: it is used first.
    idle: Vec<(Connection, Instant)>,
    /// Idle and leased connections, and those that are being made.
    open: usize,
    /// The number of connections at which one more was refused, and when. Not exceeded for [`LIMIT_KEPT`].
    limit: Option<(usize, Instant)>,
    /// The connection over which reads are pipelined, while there are any.
    reader: Weak<Lease>,
    /// No connection is made or kept any more.
    is_closed: bool,
}

impl Pool {
    /// `first` is a connection that is there already.
    pub(crate) fn new(first: Connection, hub: Arc<ChangeHub>, transactions: u32, call_deadline: Duration) -> Arc<Self> {
        let target = Arc::clone(&first.target);
        let idle = vec![(first, Instant::now())];
        let state = State { idle, open: 1, limit: None, reader: Weak::new(), is_closed: false };
        Arc::new(Self {
            target,
            hub,
            call_deadline,
            permits: Arc::new(Semaphore::new(usize::try_from(transactions).unwrap_or(1))),
            transactions,
            state: Mutex::new(state),
            returned: Notify::new(),
        })
    }

    /// A transaction of several steps. The deadline starts when a connection is free.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Transaction, Failure> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Failure::closed())?;
        let lease = self.lease().await?;
        let deadline = Instant::now() + self.call_deadline;
        Ok(Transaction { lease, deadline, has_begun: false, is_committing_change: false, _permit: Some(permit) })
    }

    /// A transaction in one round trip.
    pub(crate) async fn run(self: &Arc<Self>, statements: &[Statement]) -> Result<Vec<Answer>, Failure> {
        self.begin().await?.commit(statements).await
    }

    /// The same for deliveries: it never waits behind other transactions, and the deadline covers the connection too.
    pub(crate) async fn run_first(self: &Arc<Self>, statements: &[Statement]) -> Result<Vec<Answer>, Failure> {
        let deadline = Instant::now() + self.call_deadline;
        let lease = timeout(self.call_deadline, self.lease()).await.unwrap_or_else(|_| Err(Failure::timed_out()))?;
        let transaction = Transaction { lease, deadline, has_begun: false, is_committing_change: false, _permit: None };
        transaction.commit(statements).await
    }

    /// Reads over the shared connection, outside a transaction. Tries once more when the connection turns out to be gone.
    pub(crate) async fn read(self: &Arc<Self>, statements: &[Statement]) -> Result<Vec<Answer>, Failure> {
        let reading = async {
            let mut is_first = true;
            loop {
                let lease = self.reader().await?;
                let mut impatience = Impatience { lease: &lease, since: Some(Instant::now()) };
                let answer = lease.pipeline("", statements, "").await;
                impatience.since = None;
                match answer {
                    Err(failure) if failure.broken => {
                        lease.discard();
                        if !is_first {
                            return Err(failure);
                        }
                        is_first = false;
                    }
                    answer => return answer,
                }
            }
        };
        timeout(self.call_deadline, reading).await.unwrap_or_else(|_| Err(Failure::timed_out()))
    }

    /// Closes an idle connection, to leave its place to the listener. The last one stays.
    pub(crate) fn release_one(&self) {
        let mut state = self.state();
        if state.open > 1 && state.idle.pop().is_some() {
            state.open -= 1;
        }
    }

    /// Returns when the transactions under way are done.
    pub(crate) async fn close(&self) {
        // Closes once each permit is back.
        if let Ok(all) = self.permits.acquire_many(self.transactions).await {
            self.permits.close();
            drop(all);
        }
        let mut state = self.state();
        state.is_closed = true;
        let idle = std::mem::take(&mut state.idle);
        state.open -= idle.len();
        drop(state);
        self.returned.notify_waiters();
    }

    /// A connection for this caller alone: an idle one, or a new one, or the next that is given back when no more are
    /// allowed.
    async fn lease(self: &Arc<Self>) -> Result<Lease, Failure> {
        loop {
            // Before the look at the idle ones: what is given back in between is not missed.
            let returned = self.returned.notified();
            if let Some(connection) = self.idle().await? {
                return Ok(self.leased(connection));
            }
            if self.may_connect()? {
                let mut counted = Counted { pool: self, is_kept: false };
                match Connection::open(&self.target, CONNECT_DEADLINE).await {
                    Ok(connection) => {
                        counted.is_kept = true;
                        return Ok(self.leased(connection));
                    }
                    Err(failure) => {
                        drop(counted);
                        if !failure.too_many_connections || !self.note_limit() {
                            return Err(failure);
                        }
                    }
                }
            }
            // By the clock too: places at the server come free without a notice.
            let _ = timeout(SHORT, returned).await;
        }
    }

    /// An idle connection that works. One that was idle for long is asked first: it may have died, with nothing lost.
    async fn idle(&self) -> Result<Option<Connection>, Failure> {
        loop {
            let popped = {
                let mut state = self.state();
                if state.is_closed {
                    return Err(Failure::closed());
                }
                state.idle.pop()
            };
            let Some((connection, since)) = popped else { return Ok(None) };
            let mut counted = Counted { pool: self, is_kept: false };
            if !connection.is_open() {
                continue;
            }
            if since.elapsed() >= SHORT {
                match timeout(SHORT, connection.execute("")).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => continue,
                    // Others were idle on the same network, and are as silent.
                    Err(_) => {
                        let mut state = self.state();
                        state.open -= state.idle.len();
                        state.idle.clear();
                        continue;
                    }
                }
            }
            counted.is_kept = true;
            return Ok(Some(connection));
        }
    }

    /// The shared connection of reads.
    async fn reader(self: &Arc<Self>) -> Result<Arc<Lease>, Failure> {
        let known = || self.state().reader.upgrade().filter(|lease| lease.is_usable());
        if let Some(lease) = known() {
            return Ok(lease);
        }
        let lease = Arc::new(self.lease().await?);
        let mut state = self.state();
        // Another caller may have been faster. Then this one goes back to the idle ones.
        if let Some(known) = state.reader.upgrade().filter(|known| known.is_usable()) {
            drop(state);
            return Ok(known);
        }
        state.reader = Arc::downgrade(&lease);
        Ok(lease)
    }

    /// A connection in use. Dropping the lease gives it back.
    fn leased(self: &Arc<Self>, connection: Connection) -> Lease {
        Lease { pool: Arc::clone(self), connection: Some(connection), is_discarded: AtomicBool::new(false) }
    }

    /// Whether one more connection may be made. True: it is counted.
    fn may_connect(&self) -> Result<bool, Failure> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Failure::closed());
        }
        if state.limit.is_some_and(|(_, since)| since.elapsed() >= LIMIT_KEPT) {
            state.limit = None;
        }
        let may_connect = state.limit.is_none_or(|(limit, _)| state.open < limit);
        state.open += usize::from(may_connect);
        Ok(may_connect)
    }

    /// Remembers that no more connections are allowed. False: we have none, so there is nothing to wait for.
    fn note_limit(&self) -> bool {
        let mut state = self.state();
        if state.open == 0 {
            return false;
        }
        if state.limit.is_none() {
            tracing::warn!(connections = state.open, "the server allows no more connections: calls wait for these");
        }
        state.limit = Some((state.open, Instant::now()));
        true
    }

    /// The lock is poisoned only by a panic during an assignment; the lists are whole then.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is counted as open: one of the idle ones, or one that is being made. Not kept, it is gone.
struct Counted<'a> {
    pool: &'a Pool,
    is_kept: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.pool.state().open -= 1;
            self.pool.returned.notify_one();
        }
    }
}

/// A connection that goes back to the pool when it is dropped, unless it was discarded.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    /// Set by whichever of several readers finds the connection broken: they share the lease.
    is_discarded: AtomicBool,
}

impl Lease {
    /// The connection is cut when the lease ends, instead of being used again.
    fn discard(&self) {
        self.is_discarded.store(true, Ordering::Relaxed);
    }

    /// Whether the connection may be used again.
    fn is_usable(&self) -> bool {
        !self.is_discarded.load(Ordering::Relaxed) && self.is_open()
    }
}

impl Deref for Lease {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is taken when the lease is dropped, and never before")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a connection")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let is_usable = self.is_usable();
        let mut state = self.pool.state();
        match self.connection.take() {
            Some(connection) if is_usable && !state.is_closed => state.idle.push((connection, Instant::now())),
            _ => state.open -= 1,
        }
        drop(state);
        self.pool.returned.notify_one();
    }
}

/// A transaction. Dropped before its end, its connection is cut, and the server undoes it.
pub(crate) struct Transaction {
    lease: Lease,
    /// For all steps together: locks are not held for longer.
    deadline: Instant,
    /// `BEGIN` was sent, and the end is not known yet.
    has_begun: bool,
    /// A change of standings is being committed.
    is_committing_change: bool,
    /// Given back when the transaction is over. `None` for deliveries, which need none.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Transaction {
    /// One round trip within the transaction.
    pub(crate) async fn step(&mut self, statements: &[Statement]) -> Result<Vec<Answer>, Failure> {
        let answers = self.send(statements, "").await;
        if answers.as_ref().is_err_and(|failure| !failure.broken) && self.send(&[], "ROLLBACK").await.is_ok() {
            self.end();
        }
        answers
    }

    /// The last round trip.
    pub(crate) async fn commit(mut self, statements: &[Statement]) -> Result<Vec<Answer>, Failure> {
        let answers = self.send(statements, "COMMIT").await;
        match &answers {
            // The server undid it, or did it: either is known.
            Ok(_) => self.end(),
            Err(failure) if !failure.broken => self.end(),
            Err(_) => {}
        }
        answers
    }

    /// The last round trip of a transaction that changes standings: when its outcome stays unknown, the feed says so.
    pub(crate) async fn commit_change(mut self, statements: &[Statement]) -> Result<Vec<Answer>, Failure> {
        self.is_committing_change = true;
        self.commit(statements).await
    }

    /// Gives everything back as it was.
    pub(crate) async fn rollback(mut self) -> Result<(), Failure> {
        self.send(&[], "ROLLBACK").await?;
        self.end();
        Ok(())
    }

    /// Sends statements within what is left of the deadline. After a timeout the connection is cut: its answers would
    /// be taken for those of the next call.
    async fn send(&mut self, statements: &[Statement], after: &str) -> Result<Vec<Answer>, Failure> {
        let before = if std::mem::replace(&mut self.has_begun, true) { "" } else { BEGIN };
        let sending = self.lease.pipeline(before, statements, after);
        tokio::time::timeout_at(self.deadline.into(), sending).await.unwrap_or_else(|_| Err(Failure::timed_out()))
    }

    /// The transaction is over: dropping it needs no rollback.
    fn end(&mut self) {
        (self.has_begun, self.is_committing_change) = (false, false);
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.has_begun {
            self.lease.discard();
        }
        if self.is_committing_change {
            // The caller gave up, or the connection ended: the server may still commit.
            self.lease.pool.hub.outcome_unknown();
        }
    }
}

/// Dropped while it waits: the caller gave up. After a long wait the connection is taken for dead.
struct Impatience<'a> {
    lease: &'a Lease,
    /// `None` once there is an answer.
    since: Option<Instant>,
}

impl Drop for Impatience<'_> {
    fn drop(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() >= SHORT) {
            self.lease.discard();
        }
    }
}

/// Begins a transaction. Its settings end with it, so that nothing is left behind on a pooler's connection: a process
/// that vanished holds its locks for ten seconds at most, no lock is waited for longer than a caller's deadline, and a
/// commit waits for the disk also where the server would answer before.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT set_config('statement_timeout', '10s', true), set_config('lock_timeout', '3s', true),
        set_config('idle_in_transaction_session_timeout', '10s', true), set_config('jit', 'off', true),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)";
/// TCP, TLS and login.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// Longer than a healthy server takes for an empty statement.
const SHORT: Duration = Duration::from_secs(1);
/// How long a limit of connections is believed before one more is tried.
const LIMIT_KEPT: Duration = Duration::from_secs(10);
