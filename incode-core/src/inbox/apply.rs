//! One event, from claim to settlement: ask the vendor, check that the pieces belong together, decide.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{self, Client, ErrorKind};
use crate::identity::belonging::BindingMismatch;
use crate::identity::transition::{ApplyEvent, Command};
use crate::identity::{Directory, Observer};
use crate::store::dedupe::object_key;
use crate::store::{ClaimedEvent, Reason, Settlement, StoreError};
use crate::{Timestamp, Token};

use super::at_rest::Unreadable;
use super::late::LateAttempts;
use super::linking::CorrelationReader;
use super::rule::ErasedRule;
use super::schedule::{gives_up_at, last_useful_at, wait_after};
use super::{AtRest, Watchers};

pub(crate) struct Applier {
    pub(crate) client: Client,
    pub(crate) directory: Directory,
    pub(crate) observer: Arc<Observer>,
    /// Reads correlation ids that events repeat.
    pub(crate) correlations: Arc<dyn CorrelationReader>,
    pub(crate) link_rule: Option<Box<dyn ErasedRule>>,
    pub(crate) at_rest: AtRest,
    pub(crate) watchers: Watchers,
    /// Shared by all tasks: attempts at events whose time is over, by our clock.
    pub(crate) late: LateAttempts,
}

/// What is to become of an event, and what it says of the vendor.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(super) settlement: Settlement,
    pub(super) signal: VendorSignal,
}

/// What the calls for one event say about the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VendorSignal {
    /// It answers, and takes the API key.
    Answered,
    /// It refuses the API key: every other event would fare the same.
    KeyRefused,
    /// It refuses this event as if for the API key, and takes the key with another token: see [`Applier::takes_key`].
    TokenRefused,
    /// It can't be reached, is too slow, or answers 5xx.
    Down,
    /// It answers 429.
    Busy,
    /// No call was made, or the error is specific to this event.
    Unknown,
}

/// Why an event could not be applied.
#[derive(Debug)]
pub(super) enum ApplyError {
    Vendor(client::Error),
    /// The same, while the vendor answered another call for the event.
    PartiallyAnswered(client::Error),
    Mismatch,
    /// The sender is unknown, and nothing in the vendor's answers shows that object and token belong together.
    Unproven,
    /// The application's link rule failed.
    Rule,
    Store(StoreError),
    Token(Unreadable),
}

impl Applier {
    pub(super) async fn judge(&self, event: &ClaimedEvent) -> Verdict {
        let now = match self.directory.now().await {
            Ok(now) => now,
            Err(error) => return self.settle_error(event, None, ApplyError::Store(error), event.received_at),
        };
        if event.already_done {
            return Verdict::unknown(Settlement::Done { apply: None, at: now });
        }
        let row = object_key(&event.kind, Some(&event.object_id), event.authenticated);
        let token = match self.at_rest.open(&event.token, &row) {
            Ok(token) => token,
            Err(unreadable) => return self.settle_error(event, None, ApplyError::Token(unreadable), now),
        };
        match self.ask(event, &token).await {
            Ok(Some(apply)) => {
                if self.watchers.is_watched(event.lease.event) {
                    let before = self.directory.store().identity(apply.seen.identity_id.clone()).await;
                    self.watchers.saw(event.lease.event, before.ok().flatten());
                }
                let at = apply.seen.sent_at.max(now);
                let request = self.directory.request(Command::ApplyEvent(apply), at);
                Verdict::answered(Settlement::Done { apply: Some(Box::new(request)), at })
            }
            Ok(None) => Verdict::answered(Settlement::Done { apply: None, at: now }),
            Err(error) => self.settle_error(event, Some(&token), error, now),
        }
    }

    /// Whether the vendor takes the API key: it answers 401 to a token that it never made. Its 403 is about the key
    /// (document of the vendor, userinfo), so one that an event gets is no proof while this is so.
    pub(super) async fn takes_key(&self) -> bool {
        let Ok(token) = Token::new(MADE_UP_TOKEN) else { return false };
        self.client.userinfo(&token).await.is_err_and(|error| error.kind() == ErrorKind::Unauthorized)
    }

    /// `None`: the object is about no identity.
    async fn ask(&self, event: &ClaimedEvent, token: &Token) -> Result<Option<ApplyEvent>, ApplyError> {
        let Some(fetched) = self.fetch(event, token).await? else { return Ok(None) };
        if !event.authenticated && !fetched.proven {
            return Err(ApplyError::Unproven);
        }
        let link = self.link(event, &fetched).await?;
        Ok(Some(ApplyEvent {
            event: event.lease.event,
            kind: event.kind.clone(),
            object_id: event.object_id.clone(),
            seen: fetched.seen,
            check: fetched.check,
            link,
        }))
    }

    fn settle_error(&self, event: &ClaimedEvent, token: Option<&Token>, error: ApplyError, now: Timestamp) -> Verdict {
        let settled = |reason, wipe_token| Settlement::Dead { reason, wipe_token, at: now };
        let dead = |reason, wipe_token| Verdict::answered(settled(reason, wipe_token));
        match error {
            ApplyError::Token(Unreadable::Wiped) => Verdict::unknown(settled(Reason::TokenDead, false)),
            ApplyError::Token(Unreadable::Sealed) => Verdict::unknown(self.wait_for_key(event, now)),
            ApplyError::Mismatch => dead(Reason::BindingMismatch, true),
            ApplyError::Unproven => dead(Reason::Unproven, true),
            ApplyError::Rule => self.again(event, token, Reason::LinkRuleFailed, None, now),
            ApplyError::Store(error) => {
                tracing::warn!(
                    event.id = event.lease.event.0,
                    error.kind = ?error.kind(),
                    error.cause = %error.cause(),
                    "store not asked"
                );
                let due_at = now.after(wait_after(event.attempts, crate::time::jitter()));
                Verdict::unknown(Settlement::Release { due_at, reason: None })
            }
            // The vendor took the key for the other call. Anyone who has a token can name an object that it refuses to them.
            ApplyError::PartiallyAnswered(error) if error.kind() == ErrorKind::Forbidden => {
                self.again(event, token, Reason::Refused, None, now)
            }
            ApplyError::PartiallyAnswered(error) => {
                let verdict = self.settle_error(event, token, ApplyError::Vendor(error), now);
                // Anyone may send an id at which the vendor fails: that alone does not mean that the vendor is down.
                let is_down = verdict.signal == VendorSignal::Down;
                if is_down { Verdict { signal: VendorSignal::Unknown, ..verdict } } else { verdict }
            }
            ApplyError::Vendor(error) => match error.kind() {
                ErrorKind::Unauthorized => dead(Reason::TokenDead, true),
                ErrorKind::Forbidden => Verdict {
                    settlement: Settlement::Release {
                        // Back in its old place: at the end of the queue it would be taken for a newcomer.
                        due_at: event.received_at.min(now),
                        reason: Some(Reason::KeyRefused),
                    },
                    signal: VendorSignal::KeyRefused,
                },
                ErrorKind::NotFound => dead(Reason::NotFound, false),
                ErrorKind::BadRequest | ErrorKind::MethodNotAllowed | ErrorKind::NotAcceptable => {
                    dead(Reason::Refused, false)
                }
                ErrorKind::TooManyRequests => Verdict {
                    signal: VendorSignal::Busy,
                    ..self.again(event, token, Reason::RateLimited, error.retry_after(), now)
                },
                ErrorKind::Transport | ErrorKind::TimedOut | ErrorKind::Server => Verdict {
                    signal: VendorSignal::Down,
                    ..self.again(event, token, Reason::VendorUnavailable, error.retry_after(), now)
                },
                // An error page of a proxy may pass. A vendor that changed its schema will not, and then the attempts
                // run out.
                _ => self.again(event, token, Reason::Malformed, error.retry_after(), now),
            },
        }
    }

    /// An event that is refused with 403 while the key is good for others: tried again while its token lives, and dead
    /// then.
    pub(super) async fn refuse_alone(&self, event: &ClaimedEvent) -> Settlement {
        let row = object_key(&event.kind, Some(&event.object_id), event.authenticated);
        let token = self.at_rest.open(&event.token, &row).ok();
        let now = self.directory.now().await.unwrap_or(event.received_at);
        self.again(event, token.as_ref(), Reason::Refused, None, now).settlement
    }

    /// A token that this process can't open stays pending: another replica may have the key, and an operator can add it.
    fn wait_for_key(&self, event: &ClaimedEvent, now: Timestamp) -> Settlement {
        tracing::error!(
            event.id = event.lease.event.0,
            "a stored token does not open: its store key is not among this process's keys"
        );
        metrics::counter!("incode_tokens_sealed_total").increment(1);
        let is_late = now > event.received_at.after(LONGEST_WITHOUT_KEY);
        if is_late && self.late.count(event.lease.event) >= FEWEST_WITHOUT_KEY {
            return Settlement::Dead { reason: Reason::TokenSealed, wipe_token: false, at: now };
        }
        Settlement::Retry { due_at: now.after(KEY_WAIT), reason: Reason::TokenSealed }
    }

    /// Tries again while the token may live. The vendor decides whether it does: our clock only decides about waiting. It
    /// may jump at any moment, so an event ends after a few attempts that were made since its time was over.
    fn again(
        &self,
        event: &ClaimedEvent,
        token: Option<&Token>,
        reason: Reason,
        at_least: Option<Duration>,
        now: Timestamp,
    ) -> Verdict {
        let wait = wait_after(event.attempts, crate::time::jitter());
        let ends = token.map(|token| gives_up_at(token, event.received_at));
        let last = token.map(|token| last_useful_at(token, event.received_at));
        let asked_for = now.after(wait.max(at_least.unwrap_or_default()));
        // A Retry-After beyond the token's life must not end the event: the last moment of the token is tried instead.
        let due_at = match ends {
            Some(ends) if asked_for > ends => last.filter(|last| now.after(wait) < *last).unwrap_or(asked_for),
            _ => asked_for,
        };
        let is_late = ends.is_none_or(|ends| due_at > ends);
        let is_over = is_late && self.late.count(event.lease.event) >= FEWEST_LATE_ATTEMPTS;
        Verdict::unknown(if is_over {
            let lasting = matches!(reason, Reason::Malformed | Reason::LinkRuleFailed | Reason::Refused);
            let reason = if lasting { reason } else { Reason::Exhausted };
            Settlement::Dead { reason, wipe_token: false, at: now }
        } else {
            Settlement::Retry { due_at: due_at.min(now.after(LONGEST_WAIT)), reason }
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

/// How long an event waits for the missing key of its token: a day, in which an operator sees the ERROR.
const LONGEST_WITHOUT_KEY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it is tried meanwhile.
const KEY_WAIT: Duration = Duration::from_secs(15);
/// How many attempts are made after that, [`KEY_WAIT`] apart: an hour, if the clock was set ahead by a day.
const FEWEST_WITHOUT_KEY: u32 = 240;
/// How many attempts are made after the token's end by our clock: it may have been set ahead, between any two of them.
const FEWEST_LATE_ATTEMPTS: u32 = 4;
/// No `Retry-After` is taken for longer: with a wrong one an event would wait for years.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// No token of any vendor.
pub(super) const MADE_UP_TOKEN: &str = "incode.made-up.token";
