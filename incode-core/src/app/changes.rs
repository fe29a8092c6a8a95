//! The change stream: notices about identities. A notice can be missed; a handler's job can't.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use crate::gate::Standing;
use crate::identity::{Cause, Change};
use crate::{IdentityId, Subject};

/// What happened to identities since the stream was opened; made by [`Incode::changes`](super::Incode::changes).
///
/// For caches and sockets: it starts when it is opened, and a slow reader misses notices. Changes of other processes
/// are included when the shared store has a feed. Work that must not be missed belongs in a
/// [`Handler`](crate::Handler).
#[must_use]
pub struct Changes(Next);

/// One notice of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeNotice {
    /// This identity was written, linked, unlinked or forgotten; the near cache no longer holds its subjects.
    Identity(ChangeEvent),
    /// So many changes went by unread, or an unknown number when it is 0, because the store's feed was interrupted:
    /// whatever was derived from the stream may be stale.
    Missed(u64),
}

/// A change of one identity. It does not hold the new standing. [`Incode::identity`](super::Incode::identity) reads
/// that; called after the notice, it includes the change.
///
/// ```
/// # use incode_core::{ChangeNotice, Incode};
/// # use incode_core::gate::Standing;
/// # async fn follow(incode: Incode, end_sessions: impl Fn(&incode_core::Subject)) -> Result<(), Box<dyn std::error::Error>> {
/// let mut changes = incode.changes();
/// while let Some(changed) = changes.next().await {
///     let ChangeNotice::Identity(change) = changed else { continue };
///     let now = incode.identity(&change.identity_id).await?;
///     let is_active = now.is_some_and(|identity| Standing::from(&identity.status) == Standing::Active);
///     if change.before == Some(Standing::Active) && !is_active {
///         change.subjects.iter().for_each(&end_sessions);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeEvent {
    /// The identity that changed.
    pub identity_id: IdentityId,
    /// The subjects linked to it, now or until now.
    pub subjects: Vec<Subject>,
    /// What brought it.
    pub cause: Cause,
    /// The standing before, as far as this process knew: `None` if no request asked about the identity lately.
    pub before: Option<Standing>,
}

impl ChangeEvent {
    pub(super) fn new(change: &Change, cause: Cause, before: Option<Standing>) -> Self {
        let Change { identity_id, subjects } = change.clone();
        Self { identity_id, subjects, cause, before }
    }
}

impl Changes {
    /// The next change; `None` once the [`Incode`](super::Incode) was shut down. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ChangeNotice> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Changes {
    type Item = ChangeNotice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ChangeNotice>> {
        let Next::Waiting(waiting) = &mut self.0 else { return Poll::Ready(None) };
        let (received, receiver) = ready!(waiting.as_mut().poll(cx));
        let changed = match received {
            Ok(changed) => changed,
            Err(RecvError::Lagged(missed)) => ChangeNotice::Missed(missed),
            Err(RecvError::Closed) => {
                self.0 = Next::Ended;
                return Poll::Ready(None);
            }
        };
        self.0 = wait(receiver);
        Poll::Ready(Some(changed))
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

/// The sending end of the change stream.
pub(super) struct Feed {
    /// `None` once it is closed.
    sender: Mutex<Option<Sender<ChangeNotice>>>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { sender: Mutex::new(Some(Sender::new(KEPT))) }
    }

    pub(super) fn publish(&self, change: impl FnOnce() -> ChangeEvent) {
        self.send(|| ChangeNotice::Identity(change()));
    }

    /// Something changed, and it is not known what.
    pub(super) fn publish_gap(&self) {
        self.send(|| ChangeNotice::Missed(0));
    }

    fn send(&self, changed: impl FnOnce() -> ChangeNotice) {
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // An error means that the stream has no reader. That is fine.
            let _ = sender.send(changed());
        }
    }

    pub(super) fn subscribe(&self) -> Changes {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        Changes(sender.as_ref().map_or(Next::Ended, |sender| wait(sender.subscribe())))
    }

    /// Readers get what is on its way, then the end.
    pub(super) fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

enum Next {
    /// The receiver travels through its own wait, for it can be awaited only by reference.
    Waiting(Pin<Box<dyn Future<Output = Received> + Send>>),
    Ended,
}

type Received = (Result<ChangeNotice, RecvError>, Receiver<ChangeNotice>);

fn wait(mut receiver: Receiver<ChangeNotice>) -> Next {
    Next::Waiting(Box::pin(async move { (receiver.recv().await, receiver) }))
}

/// Changes kept for a reader that is behind.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests;
