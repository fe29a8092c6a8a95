use std::time::Duration;

use crate::{Actor, Masked, Timestamp};

use crate::store::{Replay, ReplayJobs, StoreFuture};

/// The audit trail. Entries are written in the transaction of what they are about.
pub trait AuditStore: Send + Sync {
    /// What was done by hand, newest first: at most `limit` entries, only those older than `before`.
    ///
    /// The newest [`AUDITS_KEPT`] are kept. Erasures are kept by age beside them, for [`ERASURES_KEPT`]: replays, however
    /// many, can't wash them out.
    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>>;
}

/// The audit trail's own key of an entry: counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(pub i64);

/// What was done by hand. Written in the transaction that did it.
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
    /// Events replayed, identities erased, or subjects imported: zero when there was nothing to do.
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
    /// A subject was linked to an identity.
    Link(Masked),
    /// The link of a subject to an identity was removed.
    Unlink(Masked),
    /// Dead jobs were made pending again.
    ReplayJobs(ReplayJobs),
    /// What is stored of a person was exported: of this identity, or of this subject where it has none.
    Export(Masked),
    /// Subjects and identities were imported. Written before the first of them, so that an import that was interrupted is
    /// in the trail too.
    Import,
}

impl AuditAction {
    /// The name in stores and the admin API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::Forget(_) => "forget",
            Self::Link(_) => "link",
            Self::Unlink(_) => "unlink",
            Self::ReplayJobs(_) => "replay_jobs",
            Self::Export(_) => "export",
            Self::Import => "import",
        }
    }
}

/// How many entries are kept: a flood of entries does not fill the store.
pub const AUDITS_KEPT: u64 = 10_000;

/// How long an erasure is kept, whatever else is done: six years, as long as someone may ask about it.
pub const ERASURES_KEPT: Duration = Duration::from_secs(6 * 365 * 24 * 60 * 60);
