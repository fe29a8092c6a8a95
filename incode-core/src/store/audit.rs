use crate::{Actor, Masked, Timestamp};

use super::Replay;

/// The audit trail's own key of an entry: counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(pub i64);

/// What somebody did by hand. Written in the transaction that did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Its key.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// Events replayed, or identities erased: zero when there was nothing to do.
    pub count: u64,
}

/// What can be done by hand and is kept in the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditAction {
    /// Dead events were made pending again.
    Replay(Replay),
    /// An identity was erased. Its id is gone with it, but for what may be shown.
    Forget(Masked),
}

impl AuditAction {
    /// The name in stores and the admin API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::Forget(_) => "forget",
        }
    }
}

/// How many entries are kept: a trail that somebody floods does not fill the store.
pub(super) const AUDITS_KEPT: u64 = 10_000;
