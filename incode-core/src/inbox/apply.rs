//! One event, from claim to settlement: ask the vendor, check that the pieces belong together, on_finished.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{self, Client, ErrorKind};
use crate::identity::belonging::BindingMismatch;
use crate::identity::{Observation, Observer};
use crate::store::{ClaimedEvent, NewLink, Reason, Settlement, Store, StoreError};
use crate::{Clock, Token};

use super::rule::ErasedRule;
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
    pub(crate) link_rule: Option<Box<dyn ErasedRule>>,
    /// Whether an identity may serve several subjects.
    pub(crate) shared_identities: bool,
    pub(crate) at_rest: AtRest,
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) watchers: Watchers,
}

/// What is to become of an event, and of the worker.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(super) settlement: Settlement,
    pub(super) signal: VendorSignal,
}

/// What an event told of the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VendorSignal {
    /// It answers, and takes the API key.
    Answered,
    /// It refuses the API key: every other event would fare the same.
    KeyRefused,
    /// It can't be reached, is too slow, or answers 5xx.
    Down,
    /// It was not asked, or what it said tells nothing of other events.
    Unknown,
}

/// Why an event could not be applied.
pub(super) enum ApplyError {
    Vendor(client::Error),
    /// The same, while the vendor answered another question about the event.
    PartiallyAnswered(client::Error),
    Mismatch,
    /// Nothing speaks against it, and nothing for it.
    Unproven,
    /// The application's link rule gave no answer.
    Rule,
    Store(StoreError),
    /// The token was wiped, is unreadable, or outlived its `exp`.
    NoToken,
}

impl Applier {
    pub(super) async fn judge(&self, event: &ClaimedEvent) -> Verdict {
        if event.already_done {
            return Verdict::unknown(self.nothing_to_apply());
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
            Err(obstacle) => self.settle_error(event, token.as_ref(), obstacle),
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
    ) -> Result<Option<(Observation, Option<Box<NewLink>>)>, ApplyError> {
        let token = token.ok_or(ApplyError::NoToken)?;
        if event.attempts > 1 && self.clock.now() > gives_up_at(token, event.received_at) {
            return Err(ApplyError::NoToken);
        }
        let Some(looked) = self.fetch(&event.kind, &event.object_id, token).await? else { return Ok(None) };
        if !event.authenticated && !looked.proven {
            return Err(ApplyError::Unproven);
        }
        let link = self.link(event, &looked).await?;
        Ok(Some((looked.seen, link)))
    }

    fn settle_error(&self, event: &ClaimedEvent, token: Option<&Token>, obstacle: ApplyError) -> Verdict {
        let now = self.clock.now();
        let settled = |reason, wipe_token| Settlement::Dead { reason, wipe_token, at: now };
        let dead = |reason, wipe_token| Verdict::answered(settled(reason, wipe_token));
        match obstacle {
            // By our clock alone: should it be wrong, a replay can still use the token.
            ApplyError::NoToken => Verdict::unknown(settled(Reason::TokenDead, false)),
            ApplyError::Mismatch => dead(Reason::BindingMismatch, true),
            ApplyError::Unproven => dead(Reason::Unproven, true),
            ApplyError::Rule => self.again(event, token, Some(Reason::LinkRuleFailed), None),
            ApplyError::Store(error) => {
                tracing::warn!(event.id = event.lease.event.0, error.kind = ?error.kind(), "store not asked");
                self.again(event, token, None, None)
            }
            ApplyError::PartiallyAnswered(error) => {
                let verdict = self.settle_error(event, token, ApplyError::Vendor(error));
                // Anybody may send an id that the vendor stumbles over: it is not down for that.
                if verdict.signal == VendorSignal::Down {
                    Verdict { signal: VendorSignal::Unknown, ..verdict }
                } else {
                    verdict
                }
            }
            ApplyError::Vendor(error) => match error.kind() {
                ErrorKind::Unauthorized => dead(Reason::TokenDead, true),
                ErrorKind::Forbidden => Verdict {
                    settlement: Settlement::Release {
                        // Back in its old place: at the end of the queue it would be taken for a newcomer.
                        due_at: event.received_at.min(self.schedule.now()),
                        reason: Some(Reason::KeyRefused),
                    },
                    signal: VendorSignal::KeyRefused,
                },
                ErrorKind::NotFound => dead(Reason::NotFound, false),
                ErrorKind::BadRequest | ErrorKind::MethodNotAllowed | ErrorKind::NotAcceptable => {
                    dead(Reason::Refused, false)
                }
                ErrorKind::TooManyRequests => self.again(event, token, Some(Reason::RateLimited), error.retry_after()),
                ErrorKind::Transport | ErrorKind::TimedOut | ErrorKind::Server => {
                    let wait = error.retry_after();
                    Verdict {
                        signal: VendorSignal::Down,
                        ..self.again(event, token, Some(Reason::VendorUnavailable), wait)
                    }
                }
                // An error page of something in between may pass; a vendor that changed its schema will not, and then
                // the attempts run out.
                _ => self.again(event, token, Some(Reason::Malformed), error.retry_after()),
            },
        }
    }

    /// An event that is refused as if for the API key, while the key is good for others: tried again while its token lives,
    /// as for any other trouble, and dead then.
    pub(super) fn refuse_alone(&self, event: &ClaimedEvent) -> Settlement {
        let token = self.at_rest.open(&event.token);
        self.again(event, token.as_ref(), Some(Reason::Refused), None).settlement
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
            return Verdict::unknown(Settlement::Release { due_at, reason: None });
        };
        let over = token.is_none_or(|token| now.after(wait) > gives_up_at(token, event.received_at));
        Verdict::unknown(if over {
            let lasting = matches!(reason, Reason::Malformed | Reason::LinkRuleFailed | Reason::Refused);
            let reason = if lasting { reason } else { Reason::Exhausted };
            Settlement::Dead { reason, wipe_token: false, at: now }
        } else {
            Settlement::Retry { due_at, reason }
        })
    }
}

impl Verdict {
    fn answered(settlement: Settlement) -> Self {
        Self { settlement, signal: VendorSignal::Answered }
    }

    fn unknown(settlement: Settlement) -> Self {
        Self { settlement, signal: VendorSignal::Unknown }
    }
}

impl From<BindingMismatch> for ApplyError {
    fn from(_: BindingMismatch) -> Self {
        Self::Mismatch
    }
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
