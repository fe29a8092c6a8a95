//! A store that several hold at once, as replicas do with one that is not embedded, and that can be made to fail.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use incode_core::store::{Accepted, InboxStore, StoreError, StoreErrorKind};
use incode_core::testing::{Hook, HookedStore, StoreCall};
use incode_sandbox::Verified;
use incode_sqlite::SqliteOptions;
use incode_tests::row;

/// A store that others may hold too.
pub(crate) type SharedStore = Arc<HookedStore<Around>>;

/// The hook of a store whose [`Accepts`] the test holds too.
#[derive(Debug)]
pub(crate) struct Around(Arc<Accepts>);

/// How `accept` behaves, and what it saw.
#[derive(Debug, Default)]
pub(crate) struct Accepts {
    failing: AtomicBool,
    delay_ms: AtomicU64,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Accepts {
    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    pub(crate) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::SeqCst)
    }
}

/// Opens a file, and says how its `accept` behaves.
pub(crate) async fn open(path: &Path) -> (SharedStore, Arc<Accepts>) {
    let accepts = Arc::new(Accepts::default());
    let store = HookedStore::new(SqliteOptions::new(path).open().await.unwrap(), Around(Arc::clone(&accepts)));
    (Arc::new(store), accepts)
}

/// Puts an event straight into the table, without waking a worker.
pub(crate) async fn put(store: &SharedStore, verified: &Verified) -> Accepted {
    store.accept(row(verified)).await.unwrap()
}

/// Counts down also when the caller gave up.
struct UnderWay<'a>(&'a Accepts);

impl<'a> UnderWay<'a> {
    fn new(accepts: &'a Accepts) -> Self {
        let now = accepts.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        accepts.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(accepts)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hook for Around {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        if call != StoreCall::Accept {
            return Ok(());
        }
        let accepts = &*self.0;
        let _under_way = UnderWay::new(accepts);
        tokio::time::sleep(Duration::from_millis(accepts.delay_ms.load(Ordering::SeqCst))).await;
        if accepts.failing.load(Ordering::SeqCst) { Err(StoreError::new(StoreErrorKind::Failed)) } else { Ok(()) }
    }
}
