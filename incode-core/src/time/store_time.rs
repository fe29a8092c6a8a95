use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::{Clock, Timestamp};

/// The present by the store's clock, without a question to the store: this process's clock, moved by as much as the store's
/// was ahead when it was last asked. Where the store has no clock it is this process's.
///
/// For the time at which a delivery is received: a flow begins by the store's clock, and an event must not seem to be older
/// than the flow that it ends because a process's clock is behind. The worker asks the store before each claim, so the
/// difference is some seconds old at most. It is less than the store's time by what the answer took on its way.
pub(crate) struct StoreTime {
    clock: Arc<dyn Clock>,
    /// Shared by the directory, which learns it, and the inbox. In milliseconds. Alone in its meaning, so `Relaxed`.
    ahead: AtomicI64,
}

impl StoreTime {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead: AtomicI64::new(0) }
    }

    /// The store was asked just now.
    pub(crate) fn learned(&self, store: Timestamp) {
        let ahead = store.as_millis().saturating_sub(self.clock.now().as_millis());
        self.ahead.store(ahead, Ordering::Relaxed);
    }
}

impl Clock for StoreTime {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp::from_millis(self.clock.now().as_millis().saturating_add(ahead))
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}
