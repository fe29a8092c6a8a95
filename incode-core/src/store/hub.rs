//! News between the processes on one store: what travels, and where it comes together.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{StoreError, StoreErrorKind, StoreFeed, StoreNotice};
use crate::identity::Change;
use crate::{IdentityId, Subject};

/// Where news comes together. The listener is started by the first who wants to hear it.
pub(super) struct Hub {
    state: Mutex<State>,
}

struct State {
    /// `None` once it is closed.
    news: Option<broadcast::Sender<StoreNotice>>,
    is_up: bool,
    listener: Option<AbortHandle>,
    /// When a call last ended without telling whether it wrote.
    doubted: Option<Instant>,
}

impl Hub {
    pub(super) fn new() -> Arc<Self> {
        let news = Some(broadcast::Sender::new(KEPT));
        Arc::new(Self { state: Mutex::new(State { news, is_up: false, listener: None, doubted: None }) })
    }

    pub(super) fn feed(self: &Arc<Self>, listen: impl FnOnce(Weak<Self>) -> AbortHandle) -> StoreFeed {
        let mut state = self.state();
        let Some(receiver) = state.news.as_ref().map(broadcast::Sender::subscribe) else {
            return Box::pin(stream::empty());
        };
        if state.listener.is_none() {
            state.listener = Some(listen(Arc::downgrade(self)));
        }
        let reader = Reader { next: state.is_up.then_some(StoreNotice::Up), receiver, told_up: false };
        let hub = Arc::downgrade(self);
        Box::pin(stream::unfold((reader, hub), async |(mut reader, hub)| {
            let news = reader.next(&hub).await?;
            Some((news, (reader, hub)))
        }))
    }

    /// A call ended without telling whether it wrote, or will yet: the server may be at it still.
    pub(super) fn doubt(&self) {
        self.state().doubted = Some(Instant::now());
        self.pass_on(StoreNotice::Gap);
    }

    /// What a listener was told. What this process told itself it knows from the call that did it, unless there was one
    /// that did not answer. What can't be read is of a newer version, and means that something changed.
    pub(super) fn heard(&self, payload: &str, own: &str) {
        let Ok(notice) = serde_json::from_str::<Notice<'_>>(payload) else { return self.pass_on(StoreNotice::Gap) };
        if notice.from == own && !self.is_in_doubt() {
            return;
        }
        self.pass_on(notice.news());
    }

    fn is_in_doubt(&self) -> bool {
        self.state().doubted.is_some_and(|doubted| doubted.elapsed() < DOUBT_LASTS)
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        state.news = None;
        if let Some(listener) = state.listener.take() {
            listener.abort();
        }
    }

    /// What the listener heard, or became.
    pub(super) fn pass_on(&self, news: StoreNotice) {
        let mut state = self.state();
        match news {
            StoreNotice::Up => state.is_up = true,
            StoreNotice::Down => state.is_up = false,
            StoreNotice::Changed(_) | StoreNotice::Gap => {}
        }
        if let Some(sender) = &state.news {
            // Nobody listens: fine.
            let _ = sender.send(news);
        }
    }

    /// Passes news on to a hub that may be gone.
    pub(super) fn tell(hub: &Weak<Self>, news: StoreNotice) {
        if let Some(hub) = hub.upgrade() {
            hub.pass_on(news);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who hears the news.
struct Reader {
    /// To be told before anything else.
    next: Option<StoreNotice>,
    receiver: broadcast::Receiver<StoreNotice>,
    /// What was told last of whether news arrives.
    told_up: bool,
}

impl Reader {
    async fn next(&mut self, hub: &Weak<Hub>) -> Option<StoreNotice> {
        let news = match self.next.take() {
            Some(news) => news,
            None => match self.receiver.recv().await {
                Ok(news) => news,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    // That news stopped, or goes on, may be among what was missed.
                    let is_up = hub.upgrade()?.state().is_up;
                    self.next =
                        (is_up != self.told_up).then_some(if is_up { StoreNotice::Up } else { StoreNotice::Down });
                    StoreNotice::Gap
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            },
        };
        match news {
            StoreNotice::Up => self.told_up = true,
            StoreNotice::Down => self.told_up = false,
            StoreNotice::Changed(_) | StoreNotice::Gap => {}
        }
        Some(news)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

/// What travels between processes. Without an identity: something changed.
#[derive(Serialize, Deserialize)]
pub(super) struct Notice<'a> {
    pub(super) from: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) subjects: Vec<Cow<'a, str>>,
}

impl Notice<'_> {
    fn news(self) -> StoreNotice {
        let identity_id = self.identity.and_then(|id| IdentityId::new(id).ok());
        let subjects = self.subjects.iter().map(|subject| Subject::new(subject).ok()).collect::<Option<Vec<_>>>();
        match (identity_id, subjects) {
            (Some(identity_id), Some(subjects)) => StoreNotice::Changed(Change { identity_id, subjects }),
            _ => StoreNotice::Gap,
        }
    }
}

/// A name by which a process knows its own news, when it is told of them.
pub(super) fn origin() -> Result<Box<str>, StoreError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| StoreError::with_source(StoreErrorKind::Failed, "no random bytes"))?;
    Ok(data_encoding::HEXLOWER.encode(&random).into())
}

/// News kept for a reader that is behind.
const KEPT: usize = 1_024;
/// Longer than a server works for a client that is gone.
const DOUBT_LASTS: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
