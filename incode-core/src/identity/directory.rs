//! The only way to change what is known of people.

use std::future::Future;
use std::sync::Arc;

use crate::model::IdentityStatus;
use crate::store::{Changed, Lease, Settled, Settlement, Store, StoreError};
use crate::time::{Clock, TimeFuture, TimeSource};
use crate::{IdentityId, Timestamp};

use super::transition::{ChangeRequest, Command, Rules};
use super::{Cause, Change, Observation};

/// Writes a change through the store, then makes it known: near cache, change stream, handlers, in that order. Cloning is
/// cheap.
///
/// Each call runs to its end on a task of its own. A caller that hangs up in between would otherwise leave a change
/// written and the near cache unaware of it.
#[derive(Clone)]
pub(crate) struct Directory(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    time: Time,
    listener: Arc<dyn ChangeListener>,
}

/// Where the present comes from.
pub(crate) enum Time {
    /// The application's own clock.
    Clock(Arc<dyn Clock>),
    /// The store's time where it has one, else this clock: replicas then compare instants by one clock, however their
    /// machines' clocks are set.
    StoreOr(Arc<dyn Clock>),
}

/// What has to know of a change.
pub(crate) trait ChangeListener: Send + Sync + 'static {
    /// A change was written: cached standings of its subjects are stale.
    fn changed(&self, change: &Change, cause: Cause);

    /// Something changed, and it is unknown what: every cached standing is stale.
    fn changed_unknown(&self);

    /// Jobs may have been enqueued.
    fn jobs_enqueued(&self);

    /// The vendor said of an identity that it is not ACTIVE, and the store did not take it: this process answers by that
    /// status until a change of the identity is written.
    fn withhold(&self, identity: &IdentityId, status: &IdentityStatus);
}

impl Directory {
    pub(crate) fn new(store: Arc<dyn Store>, rules: Arc<Rules>, time: Time, listener: Arc<dyn ChangeListener>) -> Self {
        Self(Arc::new(Shared { store, rules, time, listener }))
    }

    /// For reading. What is written goes through the methods here.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// The present, by which observations, leases and waits are compared.
    pub(crate) async fn now(&self) -> Result<Timestamp, StoreError> {
        match &self.0.time {
            Time::Clock(clock) => Ok(clock.now()),
            Time::StoreOr(clock) => Ok(self.0.store.time().await?.unwrap_or_else(|| clock.now())),
        }
    }

    /// A command with this process's rules, to be settled with an event.
    pub(crate) fn request(&self, command: Command, now: Timestamp) -> ChangeRequest {
        ChangeRequest { command, rules: Arc::clone(&self.0.rules), now }
    }

    /// Runs a command.
    pub(crate) async fn change(&self, command: Command, cause: Cause) -> Result<Changed, StoreError> {
        let directory = self.clone();
        to_the_end(async move {
            let request = directory.request(command, directory.now().await?);
            let withheld = not_active(&request.command);
            let changed = match directory.0.store.change(request).await {
                Ok(changed) => changed,
                Err(error) => {
                    directory.withhold(withheld.as_ref());
                    return Err(error);
                }
            };
            directory.publish(changed.change.as_ref(), cause);
            Ok(changed)
        })
        .await
    }

    /// Settles an event, with the change that its command makes.
    pub(crate) async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<Settled, StoreError> {
        let directory = self.clone();
        to_the_end(async move {
            let withheld = match &settlement {
                Settlement::Done { apply: Some(request), .. } => not_active(&request.command),
                _ => None,
            };
            let settled = directory.0.store.settle(lease, settlement).await;
            match &settled {
                Ok(Settled::Written(Some((_, change)))) => directory.publish(change.as_ref(), Cause::Event),
                Ok(_) => {}
                Err(_) => directory.withhold(withheld.as_ref()),
            }
            settled
        })
        .await
    }

    fn publish(&self, change: Option<&Change>, cause: Cause) {
        if let Some(change) = change {
            self.0.listener.changed(change, cause);
        }
        self.0.listener.jobs_enqueued();
    }

    fn withhold(&self, seen: Option<&Observation>) {
        if let Some(seen) = seen {
            self.0.listener.withhold(&seen.identity_id, &seen.status);
        }
    }
}

impl TimeSource for Directory {
    fn ask(&self) -> TimeFuture<'_> {
        Box::pin(async { self.now().await.ok() })
    }
}

/// What the command observes, where that is not ACTIVE.
fn not_active(command: &Command) -> Option<Observation> {
    let seen = match command {
        Command::ApplyEvent(event) => &event.seen,
        Command::Observe(seen) | Command::Confirm { seen, .. } => seen,
        Command::Return(back) => &back.seen,
        _ => return None,
    };
    (seen.status != IdentityStatus::Active).then(|| seen.clone())
}

/// Runs `work` on a task of its own.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
