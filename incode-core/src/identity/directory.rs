//! The only way to change what is known of people.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;

use crate::model::{IdentityStatus, UserInfo};
use crate::store::{Changed, Lease, Settled, Settlement, Store, StoreError};
use crate::task::to_the_end;
use crate::time::{Clock, SteadyClock, StoreTime, TimeFuture, TimeSource};
use crate::{SystemClock, Timestamp};

use super::transition::{ChangeRequest, Command, Rules};
use super::unwritten::{Added, FIRST_WRITE, LONGEST_PAUSE, LONGEST_WRITE, NotActive, Unwritten};
use super::{Cause, Change, Observation, Observer};

/// Writes a change through the store, then makes it known: near cache, change stream, handlers, in that order. Cloning is
/// cheap.
///
/// Each call runs on its own task, to the end. Otherwise a caller that is dropped in between would leave a change
/// written and the near cache stale.
#[derive(Clone)]
pub(crate) struct Directory(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    time: Time,
    listener: Arc<dyn ChangeListener>,
    unwritten: Unwritten,
    /// Where answers are written that the store did not take: on the runtime of `build`. The runtime of a request may
    /// end before the process does.
    runtime: Handle,
}

/// Where the present comes from.
pub(crate) enum Time {
    /// The application's own clock.
    Clock(Arc<dyn Clock>),
    /// The store's time where it has one, else this clock: replicas then compare instants by one clock, however their
    /// machines' clocks are set.
    StoreOr(Arc<StoreTime>),
}

impl Time {
    /// The application's own clock where it has one, else the store's; and the clock that deliveries are received by,
    /// which is the same one: flows are compared with what was received since they began.
    pub(crate) fn of(own: Option<Arc<dyn Clock>>) -> (Self, Arc<dyn Clock>) {
        if let Some(own) = own {
            return (Self::Clock(Arc::new(SteadyClock::new(Arc::clone(&own)))), own);
        }
        let time = Arc::new(StoreTime::new(Arc::new(SteadyClock::new(Arc::new(SystemClock)))));
        (Self::StoreOr(Arc::clone(&time)), time)
    }
}

/// What has to know of a change.
pub(crate) trait ChangeListener: Send + Sync + 'static {
    /// A change was written: cached standings of its subjects are stale.
    fn changed(&self, change: &Change, cause: Cause);

    /// Something changed, and it is unknown what: every cached standing is stale.
    fn changed_unknown(&self);

    /// Jobs may have been enqueued.
    fn jobs_enqueued(&self);

    /// The vendor said of an identity that it is not ACTIVE: this process answers by that status from now on, except
    /// where the store knows the answer to a later question.
    fn withhold(&self, answer: &Arc<NotActive>);

    /// What the vendor said of an identity that is not ACTIVE is in the store.
    fn written(&self, seen: &Observation);
}

impl Directory {
    /// Must be called inside the tokio runtime that lives as long as the process.
    pub(crate) fn new(store: Arc<dyn Store>, rules: Arc<Rules>, time: Time, listener: Arc<dyn ChangeListener>) -> Self {
        let unwritten = Unwritten::default();
        Self(Arc::new(Shared { store, rules, time, listener, unwritten, runtime: Handle::current() }))
    }

    /// For reading. What is written goes through the methods here.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// The present, by which observations, leases and waits are compared.
    pub(crate) async fn now(&self) -> Result<Timestamp, StoreError> {
        match &self.0.time {
            Time::Clock(clock) => Ok(clock.now()),
            Time::StoreOr(clock) => {
                let Some(now) = self.0.store.time().await? else { return Ok(clock.now()) };
                clock.learned(now);
                Ok(now)
            }
        }
    }

    /// Learns how far the store's clock is from this process's, before the first delivery is received. The worker asks
    /// again before each claim.
    pub(crate) async fn learn_time(&self) {
        if let Err(error) = self.now().await {
            tracing::warn!(error.kind = ?error.kind(), "the store did not say what time it is");
        }
    }

    /// A command with this process's rules, to be settled with an event.
    pub(crate) fn request(&self, command: Command, now: Timestamp) -> ChangeRequest {
        ChangeRequest { command, rules: Arc::clone(&self.0.rules), now }
    }

    /// What userinfo says, asked at `sent_at`. Each answer of userinfo comes through here: where the identity is not
    /// ACTIVE, the gate of this process is shut from now on, whatever becomes of the exchange.
    pub(crate) fn observe(
        &self,
        observer: &Observer,
        person: &UserInfo,
        sent_at: Timestamp,
        cause: Cause,
    ) -> Observation {
        let seen = observer.observe(person, sent_at);
        self.withhold(&seen, cause);
        seen
    }

    /// Runs a command.
    pub(crate) async fn change(&self, command: Command, cause: Cause) -> Result<Changed, StoreError> {
        let directory = self.clone();
        to_the_end(async move {
            // Before anything that can fail.
            let seen = observed(&command).cloned();
            seen.iter().for_each(|seen| directory.withhold(seen, cause));
            let request = directory.request(command, directory.now().await?);
            let changed = directory.0.store.change(request).await?;
            directory.publish(changed.change.as_ref(), cause);
            seen.iter().for_each(|seen| directory.written(seen));
            Ok(changed)
        })
        .await
    }

    /// Settles an event, with the change that its command makes.
    pub(crate) async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<Settled, StoreError> {
        let directory = self.clone();
        to_the_end(async move {
            let seen = match &settlement {
                Settlement::Done { apply: Some(request), .. } => observed(&request.command).cloned(),
                _ => None,
            };
            seen.iter().for_each(|seen| directory.withhold(seen, Cause::Event));
            let settled = directory.0.store.settle(lease, settlement).await?;
            if let Settled::Written(Some((_, change))) = &settled {
                directory.publish(change.as_ref(), Cause::Event);
                seen.iter().for_each(|seen| directory.written(seen));
            }
            Ok(settled)
        })
        .await
    }

    fn publish(&self, change: Option<&Change>, cause: Cause) {
        if let Some(change) = change {
            self.0.listener.changed(change, cause);
        }
        self.0.listener.jobs_enqueued();
    }

    /// Shuts the gate of this process for an identity that is not ACTIVE, and has it written.
    fn withhold(&self, seen: &Observation, cause: Cause) {
        let Some(answer) = NotActive::of(seen, cause) else { return };
        let answer = Arc::new(answer);
        let added = self.0.unwritten.add(&answer);
        if added != Added::Known {
            self.0.listener.withhold(&answer);
        }
        if added == Added::NeedsWriter {
            // Weak: an application that dropped everything is not kept alive by a store that does not answer.
            self.0.runtime.spawn(write_later(Arc::downgrade(&self.0)));
        }
    }

    fn written(&self, seen: &Observation) {
        if seen.status != IdentityStatus::Active {
            self.0.unwritten.remove(seen);
            self.0.listener.written(seen);
        }
    }

    /// Writes an answer whose exchange did not. An identity that is not known stays so: it opens no gate.
    async fn write(&self, answer: &NotActive) -> Result<(), StoreError> {
        let seen = answer.seen();
        let known = self.0.store.identity(seen.identity_id.clone()).await?;
        if known.is_none_or(|known| answer.is_overtaken_by(&known)) {
            self.written(seen);
            return Ok(());
        }
        self.change(Command::Observe(seen.clone()), answer.cause()).await.map(|_| ())
    }
}

impl TimeSource for Directory {
    fn ask(&self) -> TimeFuture<'_> {
        Box::pin(async { self.now().await.ok() })
    }
}

/// The vendor's answer that the command contains, if it contains one.
fn observed(command: &Command) -> Option<&Observation> {
    match command {
        Command::ApplyEvent(event) => Some(&event.seen),
        Command::Observe(seen) | Command::Confirm { seen, .. } => Some(seen),
        Command::Return(back) => Some(&back.seen),
        _ => None,
    }
}

/// Writes what the vendor said of identities that are not ACTIVE, until all of it is written.
async fn write_later(directory: Weak<Shared>) {
    let mut pause = FIRST_WRITE;
    loop {
        tokio::time::sleep(pause).await;
        let Some(shared) = directory.upgrade() else { return };
        let directory = Directory(shared);
        let Some(left) = directory.0.unwritten.left() else { return };
        let mut failed: usize = 0;
        for answer in left {
            let write = tokio::time::timeout(LONGEST_WRITE, directory.write(&answer)).await;
            failed = failed.saturating_add(usize::from(!matches!(write, Ok(Ok(())))));
        }
        if failed > 0 {
            tracing::warn!(
                failed,
                "identities are not ACTIVE, and the store does not take it: their gate is shut here"
            );
        }
        pause = if failed > 0 { pause.saturating_mul(2).min(LONGEST_PAUSE) } else { FIRST_WRITE };
    }
}
