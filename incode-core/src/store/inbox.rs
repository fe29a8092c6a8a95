use crate::identity::Change;
use crate::identity::transition::{ChangeRequest, Outcome};
use crate::model::EventKind;
use crate::model::redact::redacted_debug;
use crate::{Actor, ObjectId, Timestamp, TokenHash};

use super::StoreFuture;

/// The inbox: events from acceptance to settlement.
pub trait InboxStore: Send + Sync {
    /// Keeps an event, unless [`dedupe`](super::dedupe) says that it is known. Returns once the row is durable.
    ///
    /// The engine applies [`Admission`](super::dedupe::Admission): it looks up the keys named there and the numbers of
    /// rows, and keeps, drops or refuses. Of ignored events the newest 10,000 are kept. A pending event without an
    /// object id is refused as [`StoreErrorKind::Failed`](super::StoreErrorKind::Failed).
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted>;

    /// Leases up to `claim.limit` pending events that are due, and counts the attempt. Plausible events come before
    /// implausible ones; among equals the oldest due comes first unless the claim says otherwise. An event under a lease
    /// that has not ended is not due.
    fn claim(&self, claim: Claim) -> StoreFuture<'_, Claimed>;

    /// Extends leases that are still held. One that was lost stays lost: its event is settled by another.
    fn renew(&self, leases: Vec<Lease>, lease_until: Timestamp) -> StoreFuture<'_, ()>;

    /// Ends a lease: the new state of the event and, with [`Settlement::Done`], everything that the command of its
    /// [`ChangeRequest`] writes, in **one** transaction.
    ///
    /// [`Settled::LeaseLost`] when the lease ended and another holder has the event, or settled it: nothing is written.
    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled>;

    /// Events, newest first, without tokens.
    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>>;

    /// One event as far as it may be shown; `None` when there is none, or no longer.
    fn event(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>>;

    /// Makes dead events pending again, due at `now` with no attempts counted. Returns how many. Harmless when repeated.
    ///
    /// Leaves one [`Audit`](super::Audit), when nothing was dead as well. A store that replays in several transactions
    /// counts it up in each, so that the entry is right wherever the process dies.
    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64>;
}

/// The inbox's own key of an event: counts up in the order of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub i64);

/// Where an event is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventState {
    /// Accepted, not applied yet.
    Pending,
    /// Applied.
    Done,
    /// Given up or quarantined, for the reason beside it.
    Dead,
    /// Of a kind this version doesn't know.
    Ignored,
}

impl EventState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Done, Self::Dead, Self::Ignored];

    /// The name in stores, metrics and the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Ignored => "ignored",
        }
    }

    /// Reads [`EventState::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Why an event waits or died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The vendor could not be reached, answered too slowly, or answered 5xx.
    VendorUnavailable,
    /// The vendor answered 429.
    RateLimited,
    /// The vendor refused the API key (403).
    KeyRefused,
    /// The vendor no longer takes the token (401), or it was wiped.
    TokenDead,
    /// The vendor knows no such object (404).
    NotFound,
    /// The vendor refused the request (400, 405, 406 or another status it does not document).
    Refused,
    /// The vendor's answer could not be read.
    Malformed,
    /// The pieces do not belong together; see `identity::belonging`.
    BindingMismatch,
    /// The sender is not authenticated, and the vendor's answers do not show that the parts of the event belong
    /// together.
    Unproven,
    /// The token was sealed with a key that this process does not have.
    TokenSealed,
    /// The application's own link rule failed, or took too long.
    LinkRuleFailed,
    /// Every attempt that made sense was made.
    Exhausted,
    /// A kind this version doesn't know.
    UnknownKind,
    /// Written by a newer version.
    Other,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::VendorUnavailable,
        Self::RateLimited,
        Self::KeyRefused,
        Self::TokenDead,
        Self::NotFound,
        Self::Refused,
        Self::Malformed,
        Self::BindingMismatch,
        Self::Unproven,
        Self::TokenSealed,
        Self::LinkRuleFailed,
        Self::Exhausted,
        Self::UnknownKind,
        Self::Other,
    ];

    /// The name in stores, metrics and the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VendorUnavailable => "vendor_unavailable",
            Self::RateLimited => "rate_limited",
            Self::KeyRefused => "key_refused",
            Self::TokenDead => "token_dead",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::BindingMismatch => "binding_mismatch",
            Self::Unproven => "unproven",
            Self::TokenSealed => "token_sealed",
            Self::LinkRuleFailed => "link_rule_failed",
            Self::Exhausted => "exhausted",
            Self::UnknownKind => "unknown_kind",
            Self::Other => "other",
        }
    }

    /// Reads [`Reason::as_str`] back; a name from a newer version is [`Reason::Other`].
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name).unwrap_or(Self::Other)
    }
}

/// An event to be accepted.
#[derive(Clone)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// The object it points at. `None` only for ignored kinds.
    pub object_id: Option<ObjectId>,
    /// The token, sealed or plain as the inbox decided: bytes to the store. Empty for ignored kinds.
    pub token: Vec<u8>,
    /// Takes the token's place in the pending key.
    pub token_hash: TokenHash,
    /// The correlation id the vendor repeated, if any.
    pub correlation_id: Option<String>,
    /// The vendor's `timestamp`.
    pub vendor_time: Option<Timestamp>,
    /// When the delivery was accepted, also when it is first due.
    pub received_at: Timestamp,
    /// True: the sender proved to be the vendor, so id and token come from the vendor together. False: any sender may
    /// have combined the two.
    pub authenticated: bool,
    /// Nothing about the token or the sender speaks for the vendor: claimed after all plausible events, so that a flood
    /// of forged events leaves genuine ones their time.
    pub implausible: bool,
    /// Pending, or settled at once: ignored (unknown kind) and dead (quarantined) events carry their reason.
    pub state: EventState,
    /// Why, when the state is not pending.
    pub reason: Option<Reason>,
}

// Nothing of the token.
redacted_debug!(NewEvent {
    show: [kind, object_id, vendor_time, received_at, authenticated, state, reason],
    hide: [correlation_id]
});

/// What became of a [`NewEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Kept.
    New(EventId),
    /// Known already: nothing was written.
    Duplicate,
}

/// A request for work.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The present.
    pub now: Timestamp,
    /// When the leases end.
    pub lease_until: Timestamp,
    /// How many at most.
    pub limit: u32,
    /// Takes what became due last instead of what has been due longest: a way past a backlog for newcomers.
    pub newest_first: bool,
}

/// The right to settle an event, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The event.
    pub event: EventId,
    /// Distinguishes this claim from every other of the same event.
    pub number: i64,
}

/// An event under lease.
#[derive(Clone)]
pub struct ClaimedEvent {
    /// The right to settle it.
    pub lease: Lease,
    /// What happened.
    pub kind: EventKind,
    /// The object it points at.
    pub object_id: ObjectId,
    /// The token as it was given to `accept`; empty when it was wiped.
    pub token: Vec<u8>,
    /// The correlation id the vendor repeated, if any.
    pub correlation_id: Option<String>,
    /// The vendor's `timestamp`.
    pub vendor_time: Option<Timestamp>,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// As it was accepted.
    pub authenticated: bool,
    /// Attempts counted so far, this one included: 1 at the first claim.
    pub attempts: u32,
    /// An equivalent event is done ([`dedupe`](super::dedupe)): this one only has to be settled.
    pub already_done: bool,
}

// Nothing of the token.
redacted_debug!(ClaimedEvent {
    show: [lease, kind, object_id, vendor_time, received_at, authenticated, attempts, already_done],
    hide: [correlation_id]
});

/// The answer to a [`Claim`].
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The events under lease.
    pub events: Vec<ClaimedEvent>,
    /// When the next pending event is due, leases included; `None` when nothing else is pending.
    pub next_due: Option<Timestamp>,
}

/// How a lease ends.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// Done: the token is wiped, and later deliveries are known by [`dedupe`](super::dedupe).
    Done {
        /// The event with what the vendor said, to be applied in the same transaction. `None`: there is nothing to
        /// apply.
        apply: Option<Box<ChangeRequest>>,
        /// The present.
        at: Timestamp,
    },
    /// Stays pending, due later.
    Retry {
        /// When.
        due_at: Timestamp,
        /// Why it was not applied.
        reason: Reason,
    },
    /// Given back without an attempt counted: shutting down, or the worker paused.
    Release {
        /// When it is due again.
        due_at: Timestamp,
        /// Why, if the vendor was the cause.
        reason: Option<Reason>,
    },
    /// Dead letter.
    Dead {
        /// Why.
        reason: Reason,
        /// True: the token can't be of use any more and is wiped now. False: kept for a replay until pruned.
        wipe_token: bool,
        /// The present.
        at: Timestamp,
    },
}

/// What became of a [`Settlement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Written. What the command of a [`Settlement::Done`] came to, and the change it made.
    Written(Option<(Outcome, Option<Change>)>),
    /// Another holder has the lease, or settled the event.
    LeaseLost,
}

/// How many events are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxCounts {
    /// Waiting to be applied.
    pub pending: u64,
    /// Applied.
    pub done: u64,
    /// Given up.
    pub dead: u64,
    /// Unknown kinds.
    pub ignored: u64,
    /// When the oldest pending event was accepted.
    pub oldest_pending: Option<Timestamp>,
}

/// Which events to list. Everything asked for must hold. By default the newest 100.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Only these; `None` lists all.
    pub state: Option<EventState>,
    /// Only those that wait or died of this.
    pub reason: Option<Reason>,
    /// Only those of this kind.
    pub kind: Option<EventKind>,
    /// Only events older than this one, for paging.
    pub before: Option<EventId>,
    /// How many at most.
    pub limit: u32,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self { state: None, reason: None, kind: None, before: None, limit: 100 }
    }
}

/// An event as it may be shown: no token, no correlation id.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Its key.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The object it points at.
    pub object_id: Option<ObjectId>,
    /// Where it is in its life.
    pub state: EventState,
    /// Why it waits or died.
    pub reason: Option<Reason>,
    /// Attempts made.
    pub attempts: u32,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// When it is due next, while pending.
    pub due_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// The facts about one event that a store returns beside its row; never the token itself.
#[derive(Clone, Debug)]
pub struct EventDetail {
    /// The row.
    pub row: EventRow,
    /// The vendor's `timestamp`.
    pub vendor_time: Option<Timestamp>,
    /// The token is kept still.
    pub has_token: bool,
    /// An event of the same (kind, object id) is done: this one, or another that came meanwhile.
    pub object_done: bool,
}

/// Which dead events to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// One event; nothing happens when it isn't dead.
    One(EventId),
    /// Every dead event that the filter takes; the default takes all.
    Dead(DeadFilter),
}

/// A choice among dead events. Everything asked for must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Only those that died of this.
    pub reason: Option<Reason>,
    /// Only those of this kind.
    pub kind: Option<EventKind>,
    /// Only those accepted before this instant.
    pub accepted_before: Option<Timestamp>,
}

#[cfg(test)]
mod tests;
