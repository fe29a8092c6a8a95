use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::client::ErrorKind;
use crate::identity::transition::Command;
use crate::identity::{Cause, Identity, Observation};
use crate::model::EventKind;
use crate::store::{ClaimedEvent, EventId, Lease, Settlement};
use crate::{ObjectId, Timestamp, Token};

use super::Applier;
use super::apply::ApplyError;

/// Events whose end a caller waits for. They go through the worker like all others; it reports how each ended.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<HashMap<EventId, Watcher>>);

struct Watcher {
    /// What was known of the identity before the event was applied.
    before: Option<Identity>,
    sender: oneshot::Sender<End>,
}

/// How a watched event ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Applied. Nothing was seen when it was about no identity or a forgotten one, or had been applied before.
    Done { before: Option<Box<Identity>>, seen: Option<Box<Observation>> },
    /// Dead again.
    Dead,
}

impl Watchers {
    pub(crate) fn watch(&self, event: EventId) -> oneshot::Receiver<End> {
        let (sender, receiver) = oneshot::channel();
        let mut watchers = self.lock();
        // A caller that was cancelled leaves its watcher behind if another process settles the event.
        watchers.retain(|_, watcher| !watcher.sender.is_closed());
        watchers.insert(event, Watcher { before: None, sender });
        receiver
    }

    pub(crate) fn forget(&self, event: EventId) {
        self.lock().remove(&event);
    }

    pub(super) fn is_watched(&self, event: EventId) -> bool {
        self.lock().contains_key(&event)
    }

    pub(super) fn saw(&self, event: EventId, before: Option<Identity>) {
        if let Some(watcher) = self.lock().get_mut(&event) {
            watcher.before = before;
        }
    }

    /// Reports how the event ended, and whether the observation was written: the store drops those of forgotten
    /// identities.
    pub(super) fn settled(&self, event: EventId, settlement: &Settlement, is_written: bool) {
        if matches!(settlement, Settlement::Retry { .. } | Settlement::Release { .. }) {
            return;
        }
        let Some(Watcher { before, sender }) = self.lock().remove(&event) else { return };
        // An error means that the caller no longer waits. Nothing is lost: the event is settled.
        let _ = sender.send(match settlement {
            Settlement::Done { apply, .. } => {
                let seen = apply.as_ref().filter(|_| is_written).and_then(|request| match &request.command {
                    Command::ApplyEvent(event) => Some(Box::new(event.seen.clone())),
                    _ => None,
                });
                End::Done { before: before.map(Box::new), seen }
            }
            _ => End::Dead,
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Watcher>> {
        // Every change to the map is one call, so it is consistent after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A verification that could not be looked at again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecheckError(RecheckErrorKind);

/// The cause of a [`RecheckError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecheckErrorKind {
    /// The vendor no longer takes the token.
    TokenDead,
    /// The vendor knows no such verification.
    NotFound,
    /// Verification and token belong to different people; nothing was recorded.
    BindingMismatch,
    /// Nothing in the vendor's answers shows that verification and token are one person's; nothing was recorded.
    Unproven,
    /// The vendor did not answer, or not in a way that can be trusted.
    Vendor,
    /// The store did not answer.
    Store,
}

impl RecheckError {
    /// The cause.
    pub fn kind(&self) -> RecheckErrorKind {
        self.0
    }
}

impl From<RecheckErrorKind> for RecheckError {
    fn from(kind: RecheckErrorKind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for RecheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            RecheckErrorKind::TokenDead => "the vendor no longer takes the token",
            RecheckErrorKind::NotFound => "the vendor knows no such verification",
            RecheckErrorKind::BindingMismatch => "verification and token belong to different people",
            RecheckErrorKind::Unproven => "nothing shows that verification and token belong together",
            RecheckErrorKind::Vendor => "the vendor gave no answer that can be trusted",
            RecheckErrorKind::Store => "the store did not answer",
        })
    }
}

impl fmt::Debug for RecheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecheckError").field(&self.0).finish()
    }
}

impl std::error::Error for RecheckError {}

impl Applier {
    /// Asks about a verification with a fresh token, and records the answer. What was known before, and what is known
    /// now.
    pub(crate) async fn recheck(
        &self,
        id: &ObjectId,
        token: &Token,
    ) -> Result<(Option<Identity>, Identity), RecheckError> {
        let store = |_| RecheckError(RecheckErrorKind::Store);
        let now = self.directory.now().await.map_err(store)?;
        let event = rechecked(id, now);
        let fetched = self.fetch(&event, token).await.map_err(refused)?.ok_or(RecheckErrorKind::NotFound)?;
        if !fetched.proven {
            return Err(RecheckErrorKind::Unproven.into());
        }
        let seen = fetched.seen;
        let before = self.directory.store().identity(seen.identity_id.clone()).await.map_err(store)?;
        let after = Identity::merge(before.clone(), &seen);
        self.directory.change(Command::Observe(seen), Cause::Recheck).await.map_err(store)?;
        Ok((before, after))
    }
}

/// A verification that the application itself names, as the event that would have reported it. The application is no
/// authenticated sender: object and token must show that they belong together.
fn rechecked(id: &ObjectId, now: Timestamp) -> ClaimedEvent {
    ClaimedEvent {
        lease: Lease { event: EventId(0), number: 0 },
        kind: EventKind::Verification,
        object_id: id.clone(),
        token: Vec::new(),
        correlation_id: None,
        vendor_time: None,
        received_at: now,
        authenticated: false,
        attempts: 1,
        already_done: false,
    }
}

fn refused(error: ApplyError) -> RecheckError {
    RecheckError(match error {
        ApplyError::Mismatch => RecheckErrorKind::BindingMismatch,
        ApplyError::Unproven => RecheckErrorKind::Unproven,
        ApplyError::Token(_) => RecheckErrorKind::TokenDead,
        ApplyError::Rule | ApplyError::Store(_) => RecheckErrorKind::Store,
        ApplyError::Vendor(error) | ApplyError::PartiallyAnswered(error) => match error.kind() {
            ErrorKind::Unauthorized => RecheckErrorKind::TokenDead,
            ErrorKind::NotFound => RecheckErrorKind::NotFound,
            _ => RecheckErrorKind::Vendor,
        },
    })
}
