//! The change stream: news of identities, without the promise that handlers have.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use crate::identity::Change;

/// What happened to identities since the stream was opened; made by [`Incode::changes`](super::Incode::changes).
///
/// For caches and sockets: it starts when it is opened, and one who reads too slowly misses news. What other processes
/// change is told too, when the store they share has a feed. What must not be missed belongs into a [`Handler`](crate::Handler).
#[must_use]
pub struct Changes(Next);

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// This identity was written, linked, unlinked or forgotten; the near cache no longer holds its subjects.
    Identity(Change),
    /// So many changes went by unread, or an unknown number when it is 0, because the store's feed was interrupted:
    /// whatever was derived from the stream may be stale.
    Missed(u64),
}

impl Changes {
    /// The next change; `None` once the [`Incode`](super::Incode) was shut down. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Changed> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Changes {
    type Item = Changed;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Changed>> {
        let Next::Waiting(waiting) = &mut self.0 else { return Poll::Ready(None) };
        let (received, receiver) = ready!(waiting.as_mut().poll(cx));
        let changed = match received {
            Ok(changed) => changed,
            Err(RecvError::Lagged(missed)) => Changed::Missed(missed),
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

/// Where the news goes out.
pub(super) struct Feed {
    /// `None` once it is closed.
    sender: Mutex<Option<Sender<Changed>>>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { sender: Mutex::new(Some(Sender::new(KEPT))) }
    }

    pub(super) fn publish(&self, change: &Change) {
        self.send(|| Changed::Identity(change.clone()));
    }

    /// Something changed, and nobody can say what.
    pub(super) fn publish_gap(&self) {
        self.send(|| Changed::Missed(0));
    }

    fn send(&self, changed: impl FnOnce() -> Changed) {
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody listens: fine.
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

type Received = (Result<Changed, RecvError>, Receiver<Changed>);

fn wait(mut receiver: Receiver<Changed>) -> Next {
    Next::Waiting(Box::pin(async move { (receiver.recv().await, receiver) }))
}

/// Changes kept for a reader that is behind.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests;
