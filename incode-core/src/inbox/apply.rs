//! One event, from claim to settlement: ask the vendor, check that the pieces belong together, decide.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{self, Client, ErrorKind};
use crate::identity::belonging::{self, BindingMismatch};
use crate::identity::{Link, LinkProof, Observation, Observer};
use crate::model::EventKind;
use crate::store::{ClaimedEvent, NewLink, Reason, Settlement, Store, StoreError};
use crate::{Clock, ObjectId, Token};

use super::schedule::{gives_up_at, jitter, wait_after};
use super::{AtRest, Handlers, Surroundings, Watchers};

pub(crate) struct Applier {
    pub(crate) client: Client,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What leases and retries go by.
    pub(crate) schedule: Arc<dyn Clock>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    pub(crate) at_rest: AtRest,
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) watchers: Watchers,
}

/// What is to become of an event, and of the worker.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(super) settlement: Settlement,
    pub(super) word: Word,
}

/// What an event told of the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It answers, and takes the API key.
    Answered,
    /// It refuses the API key: every other event would fare the same.
    KeyRefused,
    /// It can't be reached, is too slow, or answers 5xx.
    Down,
    /// It was not asked, or what it said tells nothing of other events.
    Untold,
}

/// Why an event could not be applied.
pub(super) enum Obstacle {
    Vendor(client::Error),
    Mismatch,
    Store(StoreError),
    /// The token was wiped, is unreadable, or outlived its `exp`.
    NoToken,
}

impl Applier {
    pub(super) async fn judge(&self, event: &ClaimedEvent) -> Verdict {
        if event.already_done {
            return Verdict::untold(self.nothing_to_apply());
        }
        let token = self.at_rest.open(&event.token);
        match self.ask(event, token.as_ref()).await {
            Ok(Some((seen, link))) => {
                if self.watchers.is_watched(event.lease.event) {
                    let before = self.store.identity(seen.identity_id.clone()).await.ok().flatten();
                    self.watchers.saw(event.lease.event, before);
                }
                let (handlers, at) = (self.handlers.names(), self.clock.now());
                Verdict::answered(Settlement::Done { seen: Some(seen), link, handlers, at })
            }
            Ok(None) => Verdict::answered(self.nothing_to_apply()),
            Err(obstacle) => self.give_way(event, token.as_ref(), obstacle),
        }
    }

    fn nothing_to_apply(&self) -> Settlement {
        Settlement::Done { seen: None, link: None, handlers: Vec::new(), at: self.clock.now() }
    }

    /// What the vendor says, with the link it proves; `None` when the event is about nobody.
    async fn ask(
        &self,
        event: &ClaimedEvent,
        token: Option<&Token>,
    ) -> Result<Option<(Observation, Option<Box<NewLink>>)>, Obstacle> {
        let token = token.ok_or(Obstacle::NoToken)?;
        if event.attempts > 1 && self.clock.now() > gives_up_at(token, event.received_at) {
            return Err(Obstacle::NoToken);
        }
        let Some(seen) = self.look(&event.kind, &event.object_id, token).await? else { return Ok(None) };
        let link = self.link(event, &seen).await?;
        Ok(Some((seen, link)))
    }

    /// Asks the vendor, and checks that the pieces belong together.
    pub(super) async fn look(
        &self,
        kind: &EventKind,
        id: &ObjectId,
        token: &Token,
    ) -> Result<Option<Observation>, Obstacle> {
        // The row's instant is taken before anything is sent: what the vendor says is at least as new.
        let sent_at = self.clock.now();
        Ok(Some(match kind {
            EventKind::Verification => {
                let (person, verification) =
                    tokio::try_join!(self.client.userinfo(token), self.client.verification(id, token))?;
                belonging::check_verification(id, &verification, &person)?;
                self.observer.observe(&person, sent_at).with_verification(&verification)
            }
            EventKind::Authentication => {
                let (person, authentication) =
                    tokio::join!(self.client.userinfo(token), self.client.authentication(id, token));
                let authentication = authentication?;
                let person = match person {
                    // A face that was recognised as nobody's: the event is genuine, and there is nothing to apply.
                    Err(error) if error.kind() == ErrorKind::NotFound && !authentication.passed() => {
                        belonging::check_authentication(id, &authentication)?;
                        return Ok(None);
                    }
                    person => person?,
                };
                belonging::check_authentication(id, &authentication)?;
                self.observer.observe(&person, sent_at).with_authentication(&authentication)
            }
            // Never pending: accepted as ignored.
            EventKind::Other(_) => return Err(Obstacle::Mismatch),
        }))
    }

    /// The link that a repeated correlation id proves. Ids that are not ours, or too old, prove nothing and harm
    /// nothing; one whose subject is somebody else already means that the event was put together.
    async fn link(&self, event: &ClaimedEvent, seen: &Observation) -> Result<Option<Box<NewLink>>, Obstacle> {
        let id = event.correlation_id.as_deref();
        let proven = id.and_then(|id| self.surroundings.subject_of(id, event.received_at));
        let Some(proven) = proven else { return Ok(None) };
        let linked = self.store.linked(proven.subject.clone()).await?;
        if linked.is_some_and(|linked| linked.identity.identity_id != seen.identity_id) {
            return Err(Obstacle::Mismatch);
        }
        let link = Link {
            subject: proven.subject,
            identity_id: seen.identity_id.clone(),
            proof: LinkProof::Webhook,
            linked_at: seen.sent_at,
        };
        let new = NewLink { link, seen: seen.clone(), spend: Some(proven.spend), shared: proven.shared };
        Ok(Some(Box::new(new)))
    }

    fn give_way(&self, event: &ClaimedEvent, token: Option<&Token>, obstacle: Obstacle) -> Verdict {
        let now = self.clock.now();
        let settled = |reason, wipe_token| Settlement::Dead { reason, wipe_token, at: now };
        let dead = |reason, wipe_token| Verdict::answered(settled(reason, wipe_token));
        match obstacle {
            // By our clock alone: should it be wrong, a replay can still use the token.
            Obstacle::NoToken => Verdict::untold(settled(Reason::TokenDead, false)),
            Obstacle::Mismatch => dead(Reason::BindingMismatch, true),
            Obstacle::Store(error) => {
                tracing::warn!(event.id = event.lease.event.0, error.kind = ?error.kind(), "link not looked up");
                self.again(event, token, None, None)
            }
            Obstacle::Vendor(error) => match error.kind() {
                ErrorKind::Unauthorized => dead(Reason::TokenDead, true),
                ErrorKind::Forbidden => Verdict {
                    settlement: Settlement::Release { due_at: self.schedule.now(), reason: Some(Reason::KeyRefused) },
                    word: Word::KeyRefused,
                },
                ErrorKind::NotFound => dead(Reason::NotFound, false),
                ErrorKind::BadRequest | ErrorKind::MethodNotAllowed | ErrorKind::NotAcceptable => {
                    dead(Reason::Refused, false)
                }
                ErrorKind::TooManyRequests => self.again(event, token, Some(Reason::RateLimited), error.retry_after()),
                ErrorKind::Transport | ErrorKind::TimedOut | ErrorKind::Server => {
                    let wait = error.retry_after();
                    Verdict { word: Word::Down, ..self.again(event, token, Some(Reason::VendorUnavailable), wait) }
                }
                // An error page of something in between may pass; a vendor that changed its schema will not, and then
                // the attempts run out.
                _ => self.again(event, token, Some(Reason::Malformed), error.retry_after()),
            },
        }
    }

    fn again(
        &self,
        event: &ClaimedEvent,
        token: Option<&Token>,
        reason: Option<Reason>,
        at_least: Option<Duration>,
    ) -> Verdict {
        let now = self.clock.now();
        let wait = wait_after(event.attempts, jitter()).max(at_least.unwrap_or_default());
        let due_at = self.schedule.now().after(wait);
        let Some(reason) = reason else {
            return Verdict::untold(Settlement::Release { due_at, reason: None });
        };
        let over = token.is_none_or(|token| now.after(wait) > gives_up_at(token, event.received_at));
        Verdict::untold(if over {
            let reason = if reason == Reason::Malformed { reason } else { Reason::Exhausted };
            Settlement::Dead { reason, wipe_token: false, at: now }
        } else {
            Settlement::Retry { due_at, reason }
        })
    }
}

impl Verdict {
    fn answered(settlement: Settlement) -> Self {
        Self { settlement, word: Word::Answered }
    }

    fn untold(settlement: Settlement) -> Self {
        Self { settlement, word: Word::Untold }
    }
}

impl From<client::Error> for Obstacle {
    fn from(error: client::Error) -> Self {
        Self::Vendor(error)
    }
}

impl From<BindingMismatch> for Obstacle {
    fn from(_: BindingMismatch) -> Self {
        Self::Mismatch
    }
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
