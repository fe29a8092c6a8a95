use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::Notification;

use super::failure::Failure;
use super::link::{CONNECT_DEADLINE, Link, Target};
use crate::identity::Change;
use crate::store::{StoreFeed, StoreNews};
use crate::{IdentityId, Subject};

/// Tells the other processes, in the transaction that made the change: they hear of it when it is committed, and only
/// then. Whom it is about travels no further than those who may read the rows could see.
pub(super) async fn tell(tx: &Link, change: &Change) -> Result<(), Failure> {
    let mut notice = Notice {
        from: Cow::Borrowed(&tx.target.origin),
        identity: Some(change.identity_id.as_str().into()),
        subjects: change.subjects.iter().map(|subject| subject.as_str().into()).collect(),
    };
    let mut payload = serde_json::to_string(&notice).map_err(|_| Failure::unreadable("notice"))?;
    if payload.len() > LONGEST_PAYLOAD {
        (notice.identity, notice.subjects) = (None, Vec::new());
        payload = serde_json::to_string(&notice).map_err(|_| Failure::unreadable("notice"))?;
    }
    tx.query("SELECT pg_notify($1, $2)", &[&channel(&tx.target), &payload]).await.map(drop)
}

/// Where news comes together. The listener is started by the first who wants to hear it.
pub(super) struct Hub {
    state: Mutex<State>,
}

struct State {
    /// `None` once it is closed.
    news: Option<broadcast::Sender<StoreNews>>,
    is_up: bool,
    listener: Option<AbortHandle>,
}

impl Hub {
    pub(super) fn new() -> Arc<Self> {
        let news = Some(broadcast::Sender::new(KEPT));
        Arc::new(Self { state: Mutex::new(State { news, is_up: false, listener: None }) })
    }

    pub(super) fn feed(self: &Arc<Self>, target: &Arc<Target>) -> StoreFeed {
        let mut state = self.state();
        let Some(receiver) = state.news.as_ref().map(broadcast::Sender::subscribe) else {
            return Box::pin(stream::empty());
        };
        if state.listener.is_none() {
            let listener = listen(Arc::clone(target), Arc::downgrade(self));
            state.listener = Some(tokio::spawn(listener).abort_handle());
        }
        let first = state.is_up.then_some(StoreNews::Up);
        Box::pin(stream::unfold((first, receiver), async |(first, mut receiver)| {
            let news = match first {
                Some(news) => news,
                None => match receiver.recv().await {
                    Ok(news) => news,
                    Err(broadcast::error::RecvError::Lagged(_)) => StoreNews::Gap,
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            };
            Some((news, (None, receiver)))
        }))
    }

    /// A call ended without telling whether it wrote.
    pub(super) fn gap(&self) {
        self.pass_on(StoreNews::Gap);
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        state.news = None;
        if let Some(listener) = state.listener.take() {
            listener.abort();
        }
    }

    fn pass_on(&self, news: StoreNews) {
        let mut state = self.state();
        match news {
            StoreNews::Up => state.is_up = true,
            StoreNews::Down => state.is_up = false,
            StoreNews::Changed(_) | StoreNews::Gap => {}
        }
        if let Some(sender) = &state.news {
            // Nobody listens: fine.
            let _ = sender.send(news);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

/// Listens for as long as the hub is there, over one connection after the other.
async fn listen(target: Arc<Target>, hub: Weak<Hub>) {
    let mut wait = FIRST_WAIT;
    loop {
        let (heard, mut notices) = mpsc::unbounded_channel();
        let connected = async {
            let link = Link::connect_within(CONNECT_DEADLINE, &target, Some(heard)).await?;
            timeout(PATIENCE, link.simple(&format!("LISTEN \"{}\"", channel(&target))))
                .await
                .unwrap_or_else(|_| Err(Failure::too_late()))?;
            Ok::<_, Failure>(link)
        };
        match connected.await {
            Ok(link) => {
                wait = FIRST_WAIT;
                let pass_on = |news| hub.upgrade().map(|hub| hub.pass_on(news));
                pass_on(StoreNews::Up);
                hear(&link, &mut notices, |news| pass_on(news).is_some()).await;
                pass_on(StoreNews::Down);
            }
            Err(failure) => tracing::debug!(error.kind = ?failure.kind, "store feed not connected"),
        }
        if hub.strong_count() == 0 {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Passes news on until the connection ends, or falls silent: one whose other end is gone looks like one without news.
async fn hear(link: &Link, notices: &mut mpsc::UnboundedReceiver<Notification>, pass_on: impl Fn(StoreNews) -> bool) {
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            notice = notices.recv() => {
                let Some(notice) = notice else { return };
                if let Some(news) = read(notice.payload(), &link.target.origin)
                    && !pass_on(news)
                {
                    return;
                }
            }
            _ = pulse.tick() => match timeout(PATIENCE, link.simple("")).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
    }
}

/// `None` for what this process told itself. What can't be read is of a newer version, and means that something changed.
fn read(payload: &str, own: &str) -> Option<StoreNews> {
    let Ok(notice) = serde_json::from_str::<Notice<'_>>(payload) else { return Some(StoreNews::Gap) };
    if notice.from == own {
        return None;
    }
    let identity_id = notice.identity.and_then(|id| IdentityId::new(id).ok());
    let subjects = notice.subjects.iter().map(|subject| Subject::new(subject).ok()).collect::<Option<Vec<_>>>();
    Some(match (identity_id, subjects) {
        (Some(identity_id), Some(subjects)) => StoreNews::Changed(Change { identity_id, subjects }),
        _ => StoreNews::Gap,
    })
}

/// What travels between processes. Without an identity: something changed.
#[derive(Serialize, Deserialize)]
struct Notice<'a> {
    from: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Cow<'a, str>>,
    #[serde(default)]
    subjects: Vec<Cow<'a, str>>,
}

/// One for each schema.
fn channel(target: &Target) -> String {
    format!("incode_{}", target.schema)
}

/// PostgreSQL takes less than 8,000 bytes.
const LONGEST_PAYLOAD: usize = 7_900;
/// News kept for a reader that is behind.
const KEPT: usize = 1_024;
const PULSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
