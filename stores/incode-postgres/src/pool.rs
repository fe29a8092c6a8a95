use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::failure::Failure;
use super::link::{Link, Target};
use crate::store::StoreError;
use crate::store::hub::Hub;

/// The connections that are neither the writer's nor the listener's.
pub(super) struct Pool {
    pub(super) target: Arc<Target>,
    hub: Arc<Hub>,
    /// One for each connection that may be under way.
    places: Semaphore,
    connections: u32,
    idle: Mutex<Vec<Arc<Link>>>,
    /// What the gate asks goes over this one, many questions at a time.
    reader: Mutex<Option<Arc<Link>>>,
    /// Held by whoever connects the reader, so that one does.
    connecting: tokio::sync::Mutex<()>,
}

impl Pool {
    pub(super) fn new(target: Arc<Target>, hub: Arc<Hub>, connections: u32) -> Self {
        let places = Semaphore::new(usize::try_from(connections).unwrap_or(1));
        let (idle, reader, connecting) = Default::default();
        Self { target, hub, places, connections, idle, reader, connecting }
    }

    /// Runs `work` in a transaction: all of it or nothing. The deadline starts when a connection is free.
    pub(super) async fn transact<T, F>(&self, work: impl FnOnce(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let _place = self.places.acquire().await.map_err(|_| Failure::closed())?;
        let link = self.begin("BEGIN").await?;
        let mut doubt = Doubt { hub: &self.hub, committing: false };
        let transaction = async {
            let value = work(Arc::clone(&link)).await?;
            doubt.committing = true;
            link.simple("COMMIT").await?;
            Ok(value)
        };
        let outcome =
            timeout(self.target.call_deadline, transaction).await.unwrap_or_else(|_| Err(Failure::too_late()));
        match outcome {
            Ok(value) => {
                doubt.committing = false;
                self.give_back(link);
                Ok(value)
            }
            Err(failure) => {
                doubt.committing &= failure.broken;
                if !failure.broken && timeout(SHORT, link.simple("ROLLBACK")).await.is_ok_and(|undone| undone.is_ok()) {
                    self.give_back(link);
                }
                Err(failure.into())
            }
        }
    }

    /// Asks something that takes its time or comes seldom, outside a transaction.
    pub(super) async fn query<T, F>(&self, work: impl FnOnce(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let _place = self.places.acquire().await.map_err(|_| Failure::closed())?;
        let link = self.begin("").await?;
        let answer = timeout(self.target.call_deadline, work(Arc::clone(&link))).await;
        let answer = answer.unwrap_or_else(|_| Err(Failure::too_late()));
        if !answer.as_ref().is_err_and(|failure| failure.broken) {
            self.give_back(link);
        }
        Ok(answer?)
    }

    /// Asks over the connection that is shared by all who only look; a second time when it turns out to be gone.
    pub(super) async fn read<T, F>(&self, question: impl Fn(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut again = true;
        loop {
            let link = self.reader().await?;
            let mut waiting = Waiting { pool: self, link: &link, since: Some(Instant::now()) };
            let answer = timeout(self.target.call_deadline, question(Arc::clone(&link))).await;
            waiting.since = None;
            match answer.unwrap_or_else(|_| Err(Failure::too_late())) {
                Ok(value) => return Ok(value),
                Err(failure) if failure.broken => {
                    self.let_go(&link);
                    // A late answer is not waited for twice.
                    if !again || link.is_open() {
                        return Err(failure.into());
                    }
                    again = false;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Takes no more calls, and returns when those under way are done.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.places.acquire_many(self.connections).await {
            self.places.close();
            drop(all);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A connection on which `sql` has just worked. Those that were idle may have died meanwhile, with nothing lost.
    async fn begin(&self, sql: &str) -> Result<Arc<Link>, Failure> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(link) = idle else { break };
            if !link.is_open() {
                continue;
            }
            match timeout(SHORT, link.simple(sql)).await {
                Ok(Ok(())) => return Ok(link),
                Ok(Err(failure)) if failure.broken => {}
                Ok(Err(failure)) => return Err(failure),
                // One that is silent won't be alone: they were all idle on the same network.
                Err(_) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear(),
            }
        }
        let link = Link::connect(&self.target).await?;
        timeout(SHORT, link.simple(sql)).await.unwrap_or_else(|_| Err(Failure::too_late()))?;
        Ok(Arc::new(link))
    }

    fn give_back(&self, link: Arc<Link>) {
        if link.is_open() && !self.places.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
        }
    }

    async fn reader(&self) -> Result<Arc<Link>, Failure> {
        let known = || {
            let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.as_ref().filter(|link| link.is_open()).map(Arc::clone)
        };
        if self.places.is_closed() {
            return Err(Failure::closed());
        }
        if let Some(link) = known() {
            return Ok(link);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(link) = known() {
            return Ok(link);
        }
        let link = Arc::new(Link::connect(&self.target).await?);
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Nobody asks over it any more.
    fn let_go(&self, link: &Arc<Link>) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.as_ref().is_some_and(|known| Arc::ptr_eq(known, link)) {
            reader.take();
        }
    }
}

/// Dropped while committing: whether the transaction did is not known, and with it what changed.
struct Doubt<'a> {
    hub: &'a Hub,
    committing: bool,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if self.committing {
            self.hub.doubt();
        }
    }
}

/// Dropped while waiting: somebody gave up. One who had waited for long leaves a connection that answers nobody.
struct Waiting<'a> {
    pool: &'a Pool,
    link: &'a Arc<Link>,
    since: Option<Instant>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() >= SHORT) {
            self.pool.let_go(self.link);
        }
    }
}

/// Longer than a healthy server takes for nothing.
const SHORT: Duration = Duration::from_secs(1);
