//! The notices that processes on one store send each other, for engines that several processes share.
//!
//! The medium (a PostgreSQL channel, a Redis channel) is taken for public: another role of the same server may listen and
//! send. So notices are sealed with a key that only those can read who may read the rows. A listener learns no identity
//! and no subject, and a forged notice does not open and changes nothing. One that is sent again is known by its number.

mod replays;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::replays::{GapRate, Replays, Seen};
use super::{StoreError, StoreErrorKind, StoreFeed, StoreNotice};
use crate::identity::Change;
use crate::seal::Sealer;
use crate::{IdentityId, Secret, Subject};

/// Where the notices of all processes come together. One for each open store; the first feed starts the listener.
pub struct ChangeHub {
    /// For a task that passes something on later.
    me: Weak<Self>,
    /// Held for a few assignments, never across an await.
    state: Mutex<State>,
    sealer: Sealer,
    /// The channel on the server.
    channel: Box<str>,
    /// Marks this process's own notices.
    origin: Box<str>,
    /// Numbers of this process's notices: shared by all calls that publish.
    number: AtomicU64,
}

struct State {
    /// `None` once the hub is closed.
    notices: Option<broadcast::Sender<StoreNotice>>,
    /// Whether notices arrive at present.
    is_up: bool,
    /// Whether the server accepted the last notice of this process.
    can_publish: bool,
    listener: Option<AbortHandle>,
    /// When a call last ended with an unknown outcome.
    unknown_since: Option<Instant>,
    replays: Replays,
    gaps: GapRate,
}

impl ChangeHub {
    /// `key` is random, kept in the store beside the rows, and the same for every process on it. Channel and seal are
    /// derived from it.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn new(key: &[u8; 32]) -> Result<Arc<Self>, StoreError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| StoreError::with_source(StoreErrorKind::Failed, "no random bytes"))?;
        let key = Secret::new(key.as_slice());
        let state = State {
            notices: Some(broadcast::Sender::new(NOTICES_KEPT)),
            is_up: false,
            can_publish: true,
            listener: None,
            unknown_since: None,
            replays: Replays::default(),
            gaps: GapRate::new(),
        };
        Ok(Arc::new_cyclic(|me| Self {
            me: me.clone(),
            state: Mutex::new(state),
            sealer: Sealer::new(&key, "notice between processes"),
            channel: channel_of(&key),
            origin: HEXLOWER.encode(&random).into(),
            number: AtomicU64::new(0),
        }))
    }

    /// The unguessable name of the channel: letters, digits and underscores, at most 63 bytes.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// A feed of notices. `listen` starts the listener, which calls [`ChangeHub::received`] and [`ChangeHub::pass_on`].
    pub fn feed(self: &Arc<Self>, listen: impl FnOnce(Weak<Self>) -> AbortHandle) -> StoreFeed {
        let mut state = self.state();
        let Some(receiver) = state.notices.as_ref().map(broadcast::Sender::subscribe) else {
            return Box::pin(stream::empty());
        };
        if state.listener.is_none() {
            state.listener = Some(listen(Arc::downgrade(self)));
        }
        let reader = Reader { next: state.is_up.then_some(StoreNotice::Up), receiver, saw_up: false };
        let hub = Arc::downgrade(self);
        Box::pin(stream::unfold((reader, hub), async |(mut reader, hub)| {
            let notice = reader.next(&hub).await?;
            Some((notice, (reader, hub)))
        }))
    }

    /// The payload to publish for a change, at most `longest` bytes. A change that names too many subjects is published
    /// without them: every process then drops all it has cached.
    ///
    /// # Errors
    /// When the system has no random bytes to seal with.
    pub fn payload(&self, change: &Change, longest: usize) -> Result<String, StoreError> {
        let whole = Notice {
            from: self.origin.to_string(),
            number: self.number(),
            identity: Some(change.identity_id.as_str().to_owned()),
            subjects: change.subjects.iter().map(|subject| subject.as_str().to_owned()).collect(),
        };
        let text = self.seal(&whole)?;
        if text.len() <= longest {
            return Ok(text);
        }
        self.seal(&Notice { identity: None, subjects: Vec::new(), ..whole })
    }

    /// A payload that a listener sends itself, to see that notices still arrive. No other process acts on it.
    ///
    /// # Errors
    /// When the system has no random bytes to seal with.
    pub fn pulse(&self) -> Result<String, StoreError> {
        let from = format!("{PULSE}{}", self.origin);
        self.seal(&Notice { from, number: self.number(), identity: None, subjects: Vec::new() })
    }

    /// Takes a payload that a listener received. What this process published itself it knows from the call that did it,
    /// unless a call ended with an unknown outcome. A payload that does not open is not of this store: it is counted
    /// and ignored. So is one that was received before: another database user may send it again.
    ///
    /// Returns whether the payload is this process's own [`pulse`](Self::pulse), which shows that the listener works.
    pub fn received(&self, payload: &str) -> bool {
        let Some(notice) = self.open(payload) else {
            metrics::counter!("incode_store_feed_foreign_total").increment(1);
            return false;
        };
        if let Some(origin) = notice.from.strip_prefix(PULSE) {
            return *origin == *self.origin;
        }
        let seen = self.state().replays.check(&notice.from, notice.number);
        if *notice.from == *self.origin && !self.is_outcome_unknown() {
            return false;
        }
        match (seen, notice.into_change()) {
            // Dropping what is cached of one identity once more does no harm, and it may have been long under way.
            (Seen::New | Seen::Old, Some(change)) => self.pass_on(StoreNotice::Changed(change)),
            (Seen::New, None) => self.pass_on_gap(),
            (Seen::Again, _) | (Seen::Old, None) => {
                metrics::counter!("incode_store_feed_replays_total").increment(1);
            }
        }
        false
    }

    /// Call when a commit's outcome is unknown (timeout, lost connection): the server may still apply it.
    pub fn outcome_unknown(&self) {
        self.state().unknown_since = Some(Instant::now());
        self.pass_on(StoreNotice::Gap);
    }

    /// Call after each attempt to publish. False: this process's changes reach no other. Logged once.
    pub fn published(&self, accepted: bool) {
        let before = std::mem::replace(&mut self.state().can_publish, accepted);
        match (before, accepted) {
            (true, false) => tracing::warn!(
                "the store does not accept notices: other processes see changes only when their cache expires"
            ),
            (false, true) => tracing::info!("the store accepts notices again"),
            _ => {}
        }
    }

    /// Passes a notice to every feed.
    pub fn pass_on(&self, notice: StoreNotice) {
        let mut state = self.state();
        match notice {
            StoreNotice::Up => state.is_up = true,
            StoreNotice::Down => state.is_up = false,
            StoreNotice::Changed(_) | StoreNotice::Gap => {}
        }
        if let Some(sender) = &state.notices {
            // An error means that there is no feed at present.
            let _ = sender.send(notice);
        }
    }

    /// Passes on that anything may have changed. Others cause it, so there is a rate; what exceeds it comes later, as one.
    fn pass_on_gap(&self) {
        let mut state = self.state();
        let Some(wait) = state.gaps.next() else { return };
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| !wait.is_zero());
        let Some(runtime) = runtime else {
            state.gaps.ran();
            drop(state);
            return self.pass_on(StoreNotice::Gap);
        };
        // Weak: a task that waits keeps no hub open.
        let hub = self.me.clone();
        runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            let Some(hub) = hub.upgrade() else { return };
            hub.state().gaps.ran();
            hub.pass_on(StoreNotice::Gap);
        });
    }

    fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends every feed and the listener.
    pub fn close(&self) {
        let mut state = self.state();
        state.notices = None;
        if let Some(listener) = state.listener.take() {
            listener.abort();
        }
    }

    fn is_outcome_unknown(&self) -> bool {
        self.state().unknown_since.is_some_and(|since| since.elapsed() < OUTCOME_UNKNOWN_FOR)
    }

    fn seal(&self, notice: &Notice) -> Result<String, StoreError> {
        let failed = || StoreError::with_source(StoreErrorKind::Failed, "a notice can't be sealed");
        let plain = serde_json::to_vec(notice).map_err(|_| failed())?;
        let sealed = self.sealer.seal(&plain, CONTEXT).ok_or_else(failed)?;
        Ok(BASE64_NOPAD.encode(&sealed))
    }

    fn open(&self, payload: &str) -> Option<Notice> {
        let sealed = BASE64_NOPAD.decode(payload.as_bytes()).ok()?;
        let (_, plain) = self.sealer.open(&sealed, CONTEXT).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the key of a new store.
///
/// # Errors
/// When the system has no random bytes to give.
pub fn new_key() -> Result<[u8; 32], StoreError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| StoreError::with_source(StoreErrorKind::Failed, "no random bytes"))?;
    Ok(key)
}

fn channel_of(key: &Secret) -> Box<str> {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new_with_prefix(b"incode channel v1").chain_update(key.expose()).finalize();
    let name: String = HEXLOWER.encode(&digest).chars().take(32).collect();
    format!("incode_{name}").into()
}

/// One feed's place among the notices.
struct Reader {
    /// Given before anything else.
    next: Option<StoreNotice>,
    receiver: broadcast::Receiver<StoreNotice>,
    /// Whether the last state given was up.
    saw_up: bool,
}

impl Reader {
    async fn next(&mut self, hub: &Weak<ChangeHub>) -> Option<StoreNotice> {
        let notice = match self.next.take() {
            Some(notice) => notice,
            None => match self.receiver.recv().await {
                Ok(notice) => notice,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    // The notices that were missed may include Up or Down.
                    let is_up = hub.upgrade()?.state().is_up;
                    let state = if is_up { StoreNotice::Up } else { StoreNotice::Down };
                    self.next = (is_up != self.saw_up).then_some(state);
                    StoreNotice::Gap
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            },
        };
        match notice {
            StoreNotice::Up => self.saw_up = true,
            StoreNotice::Down => self.saw_up = false,
            StoreNotice::Changed(_) | StoreNotice::Gap => {}
        }
        Some(notice)
    }
}

impl Drop for ChangeHub {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for ChangeHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeHub").finish_non_exhaustive()
    }
}

/// What travels between processes, sealed. Without an identity: something changed.
#[derive(Serialize, Deserialize)]
struct Notice {
    from: String,
    /// Counts the notices of one sender.
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    identity: Option<String>,
    #[serde(default)]
    subjects: Vec<String>,
}

impl Notice {
    fn into_change(self) -> Option<Change> {
        let identity_id = IdentityId::new(self.identity?).ok()?;
        let subjects = self.subjects.iter().map(|subject| Subject::new(subject).ok()).collect::<Option<Vec<_>>>()?;
        Some(Change { identity_id, subjects })
    }
}

/// Notices kept for a feed whose reader is behind. A reader that is further behind drops all it has cached.
const NOTICES_KEPT: usize = 1_024;
/// Longer than a server works for a client that is gone.
const OUTCOME_UNKNOWN_FOR: Duration = Duration::from_secs(600);
/// What the seal is bound to.
const CONTEXT: &[u8] = b"notice";
/// Marks a pulse. No origin begins with it: origins are hex digits.
const PULSE: &str = "pulse:";

#[cfg(test)]
mod tests;
