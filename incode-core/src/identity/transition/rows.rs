use std::sync::Arc;

use serde::Serialize;

use crate::identity::{Change, Confirmation, Identity, Link, PendingLink, RefusedLink, RetainedField};
use crate::model::EventKind;
use crate::store::{AuditAction, EventId};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp, TokenHash};

/// The stored rows that a command reads; see [`Keys`](super::Keys).
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The identity.
    pub identity: Option<Identity>,
    /// When the identity was forgotten last: its tombstone.
    pub forgotten_at: Option<Timestamp>,
    /// The fields retained of the identity, each with the instant at which the request for it was sent.
    pub fields: Vec<(RetainedField, Timestamp)>,
    /// Every link to the identity.
    pub links: Vec<Link>,
    /// Every pending link to the identity.
    pub pending_links: Vec<PendingLink>,
    /// The link of the subject, to whichever identity.
    pub link: Option<Link>,
    /// The pending link of the subject, to whichever identity.
    pub pending: Option<PendingLink>,
    /// The confirmations of the subject.
    pub confirmations: Vec<Confirmation>,
    /// The correlation id was used before.
    pub nonce_used: bool,
    /// The subject that the token was used for before.
    pub token_subject: Option<Subject>,
    /// An event of the same object was applied to this identity before.
    pub is_applied: bool,
}

/// What to write, and what came of it. An engine writes all of it in one transaction, or nothing.
#[derive(Clone, Debug)]
pub struct After {
    /// What the caller gets.
    pub outcome: Outcome,
    /// The identity row.
    pub identity: Write<Identity>,
    /// The tombstone to write.
    pub forgotten_at: Option<Timestamp>,
    /// Fields to write, each in the place of the one of the same name, with the instant of its request.
    pub fields: Vec<(RetainedField, Timestamp)>,
    /// Erase every field of the identity.
    pub erase_fields: bool,
    /// Link rows by subject.
    pub links: Vec<(Subject, Write<Link>)>,
    /// Pending links by subject.
    pub pending_links: Vec<(Subject, Write<PendingLink>)>,
    /// Refused links by subject. They are written without being loaded: no rule reads them.
    pub refused_links: Vec<(Subject, Write<RefusedLink>)>,
    /// The subject's confirmations from now on, when they change.
    pub confirmations: Vec<(Subject, Vec<Confirmation>)>,
    /// The correlation id to mark as used.
    pub nonce: Option<UsedNonce>,
    /// The token to mark as used for the subject.
    pub token: Option<(UsedToken, Subject)>,
    /// Jobs to enqueue, due at once.
    pub jobs: Vec<NewJob>,
    /// Jobs of the identity no longer name it. A job whose cause names a subject keeps that until it is done: the
    /// handler is called for the subject.
    pub detach_jobs: bool,
    /// The entry of the audit trail.
    pub audit: Option<NewAudit>,
    /// What became stale in caches: to be published.
    pub change: Option<Change>,
}

/// What becomes of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Write<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is inserted or replaced.
    Put(T),
    /// It is deleted.
    Delete,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The observation was merged.
    Observed,
    /// The identity was forgotten since: nothing was merged.
    Dropped,
    /// The subject is linked: now, or it had been before.
    Linked,
    /// The subject came back, and the check of the flow is not known yet.
    Pending,
    /// The link was removed; false when there was none.
    Unlinked(bool),
    /// The identity was erased; false when nothing was known of it.
    Forgotten(bool),
    /// The face confirmation was recorded.
    Confirmed,
    /// The face confirmation counted, and is used up. The time is when the face passed.
    Used(Timestamp),
    /// Refused. What the vendor said of a known identity may be merged all the same.
    Refused(Refusal),
    /// The entry of the audit trail was written.
    Noted,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The vendor did not accept the token of the callback.
    TokenRefused,
    /// The correlation id was used before.
    NonceUsed,
    /// The token linked another subject before.
    TokenUsed,
    /// The token was issued before the flow began.
    TokenOlder,
    /// Another subject is linked to the identity, and sharing is off.
    IdentityTaken,
    /// The subject is linked to another identity.
    SubjectTaken,
    /// The check of the flow did not pass.
    CheckFailed,
    /// Several subjects came back as the identity, and nothing tells which of them passed the check.
    Ambiguous,
    /// The identity was forgotten after the exchange.
    Forgotten,
    /// Nothing is known of the identity.
    UnknownIdentity,
    /// The subject is not linked to this identity.
    NotLinked,
    /// There is no such confirmation, or it was used.
    NotConfirmed,
    /// The confirmation is too old.
    ConfirmationExpired,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 13] = [
        Self::TokenRefused,
        Self::NonceUsed,
        Self::TokenUsed,
        Self::TokenOlder,
        Self::IdentityTaken,
        Self::SubjectTaken,
        Self::CheckFailed,
        Self::Ambiguous,
        Self::Forgotten,
        Self::UnknownIdentity,
        Self::NotLinked,
        Self::NotConfirmed,
        Self::ConfirmationExpired,
    ];

    /// The name in stores and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenRefused => "token_refused",
            Self::NonceUsed => "nonce_used",
            Self::TokenUsed => "token_used",
            Self::TokenOlder => "token_older",
            Self::IdentityTaken => "identity_taken",
            Self::SubjectTaken => "subject_taken",
            Self::CheckFailed => "check_failed",
            Self::Ambiguous => "ambiguous",
            Self::Forgotten => "forgotten",
            Self::UnknownIdentity => "unknown_identity",
            Self::NotLinked => "not_linked",
            Self::NotConfirmed => "not_confirmed",
            Self::ConfirmationExpired => "confirmation_expired",
        }
    }

    /// Reads [`Refusal::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.as_str() == name)
    }
}

/// A correlation id that is used up: its random part, and when it would have expired.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UsedNonce {
    /// The random part.
    pub nonce: [u8; 24],
    /// When the row may be pruned.
    pub expires_at: Timestamp,
}

/// A token that linked a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedToken {
    /// Its hash.
    pub hash: TokenHash,
    /// When the row may be pruned: the vendor no longer takes the token then.
    pub expires_at: Timestamp,
}

/// A call of a handler, to be stored as a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// The handler's name.
    pub handler: Arc<str>,
    /// Why.
    pub cause: JobCause,
    /// The identity.
    pub identity_id: IdentityId,
    /// When the cause was written, also when the job is first due.
    pub caused_at: Timestamp,
}

/// Why a handler is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobCause {
    /// An event was applied.
    Event {
        /// The inbox's key of it.
        event: EventId,
        /// What happened.
        kind: EventKind,
        /// The object it points at.
        object_id: ObjectId,
    },
    /// This subject's link and ACTIVE are true together for the first time since it was linked.
    Verified {
        /// Whose.
        subject: Subject,
        /// When the link was made. It distinguishes two links of one subject.
        linked_at: Timestamp,
    },
    /// The identity of this linked subject became REVOKED.
    Revoked {
        /// Whose.
        subject: Subject,
        /// When the vendor was asked. It distinguishes two revocations.
        checked_at: Timestamp,
    },
}

impl JobCause {
    /// The name kept in stores.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Event { .. } => "event",
            Self::Verified { .. } => "verified",
            Self::Revoked { .. } => "revoked",
        }
    }
}

/// An entry of the audit trail to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// How many identities or links.
    pub count: u64,
}

impl After {
    /// Writes nothing.
    pub(super) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            identity: Write::Keep,
            forgotten_at: None,
            fields: Vec::new(),
            erase_fields: false,
            links: Vec::new(),
            pending_links: Vec::new(),
            refused_links: Vec::new(),
            confirmations: Vec::new(),
            nonce: None,
            token: None,
            jobs: Vec::new(),
            detach_jobs: false,
            audit: None,
            change: None,
        }
    }

    /// Keeps why a link of the subject was refused, for those who ask.
    pub(super) fn keep_refusal(&mut self, subject: &Subject, refusal: Refusal, event: Option<EventId>, now: Timestamp) {
        let refused = RefusedLink { subject: subject.clone(), refusal, event, refused_at: now };
        self.refused_links.push((subject.clone(), Write::Put(refused)));
    }

    /// The subject is concerned by the change too.
    pub(super) fn concerns(&mut self, subject: &Subject) {
        if let Some(change) = &mut self.change
            && !change.subjects.contains(subject)
        {
            change.subjects.push(subject.clone());
        }
    }
}

impl std::fmt::Debug for UsedNonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsedNonce").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
