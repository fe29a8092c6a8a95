use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use incode_core::store::{MemoryStore, Store, StoreError, StoreErrorKind, StoreFeed, StoreNotice};
use incode_core::testing::{Hook, HookedStore, StoreCall};
use tokio::sync::mpsc;

/// A memory store that fails, or takes its time, while its [`Switch`] says so.
pub type FailingStore = HookedStore<Failing>;

/// What a [`FailingStore`] does before each call.
#[derive(Debug, Default)]
pub struct Failing {
    switch: Switch,
    /// The notices of the feed, until it is taken.
    notices: Mutex<Option<mpsc::UnboundedReceiver<StoreNotice>>>,
}

/// Breaks and mends a [`FailingStore`], and counts what it was asked.
#[derive(Clone, Debug, Default)]
pub struct Switch {
    down: Arc<AtomicBool>,
    lookups: Arc<AtomicU64>,
    delay_millis: Arc<AtomicU64>,
}

impl Switch {
    /// Every call fails from now on.
    pub fn fail(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    /// Calls work again.
    pub fn mend(&self) {
        self.down.store(false, Ordering::SeqCst);
    }

    /// Every call takes so long from now on.
    pub fn delay(&self, delay: Duration) {
        self.delay_millis.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// How many standings were looked up so far.
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl Failing {
    /// A store with its switch.
    pub fn store() -> (FailingStore, Switch) {
        let failing = Self::default();
        let switch = failing.switch.clone();
        (HookedStore::new(MemoryStore::new(), failing), switch)
    }

    /// A store that other processes seem to share: what the sender is given comes out of its feed.
    pub fn shared() -> (FailingStore, Switch, mpsc::UnboundedSender<StoreNotice>) {
        let (sender, notices) = mpsc::unbounded_channel();
        let failing = Self { notices: Mutex::new(Some(notices)), ..Self::default() };
        let switch = failing.switch.clone();
        (HookedStore::new(MemoryStore::new(), failing), switch, sender)
    }
}

impl Hook for Failing {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        if call == StoreCall::Subject {
            self.switch.lookups.fetch_add(1, Ordering::SeqCst);
        }
        if self.switch.down.load(Ordering::SeqCst) && call != StoreCall::Close {
            return Err(StoreError::new(StoreErrorKind::Unavailable));
        }
        let delay = self.switch.delay_millis.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        Ok(())
    }

    fn feed(&self, _: &dyn Store) -> Option<StoreFeed> {
        let mut notices = self.notices.lock().unwrap().take()?;
        Some(Box::pin(futures_util::stream::poll_fn(move |cx| notices.poll_recv(cx))))
    }
}
