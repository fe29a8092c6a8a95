use std::sync::Arc;

use crate::identity::Identity;
use crate::model::EventKind;
use crate::{ObjectId, Subject, Timestamp};

use super::{EventId, Settled, StoreFuture};

/// The half of a store that keeps what applied events owe to the application's handlers: one effect for each, written by
/// [`Store::settle`](super::Store::settle). The contract of [`Store`](super::Store) holds here too.
pub trait JobStore: Send + Sync {
    /// Leases up to `claim.limit` pending effects of one handler that are due, oldest due first, as
    /// [`Store::claim`](super::Store::claim) does with events.
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, Vec<ClaimedJob>>;

    /// When the handler's next pending effect is due, leases included; `None` when nothing is pending.
    fn next_job_due(&self, handler: Arc<str>) -> StoreFuture<'_, Option<Timestamp>>;

    /// Ends a lease of an effect. A done effect no longer knows whose it was.
    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, Settled>;

    /// How many effects are pending and dead.
    fn job_counts(&self) -> StoreFuture<'_, JobCounts>;

    /// Effects, newest first.
    fn list_jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>>;

    /// Makes dead effects pending again, due at `now` with no attempts counted. Returns how many. Harmless when repeated.
    fn replay_jobs(&self, which: ReplayJobs, now: Timestamp) -> StoreFuture<'_, u64>;
}

/// The store's own key of an effect: counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

/// Where an effect is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// The handler has not succeeded yet.
    Pending,
    /// The handler succeeded: never called again.
    Done,
    /// The handler failed as often as its schedule allows.
    Dead,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Done, Self::Dead];

    /// The name in stores, metrics and the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// Reads [`JobState::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// How a handler's last call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobFailure {
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It did not return within its deadline.
    TimedOut,
    /// Written by a newer version.
    Other,
}

impl JobFailure {
    const ALL: [Self; 4] = [Self::Failed, Self::Panicked, Self::TimedOut, Self::Other];

    /// The name in stores, metrics and the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Other => "other",
        }
    }

    /// Reads [`JobFailure::as_str`] back; a name from a newer version is [`JobFailure::Other`].
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|failure| failure.as_str() == name).unwrap_or(Self::Other)
    }
}

/// A request for the work of one handler.
#[derive(Clone, Debug)]
pub struct JobClaim {
    /// Whose.
    pub handler: Arc<str>,
    /// The present.
    pub now: Timestamp,
    /// When the leases end.
    pub lease_until: Timestamp,
    /// How many at most.
    pub limit: u32,
}

/// The right to settle an effect, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobLease {
    /// The effect.
    pub effect: JobId,
    /// Tells this claim from every other of the same effect.
    pub number: i64,
}

/// An effect under lease, with what is known at the time of the claim.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The right to settle it.
    pub lease: JobLease,
    /// The event that was applied.
    pub event: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The object it points at.
    pub object_id: ObjectId,
    /// The identity it was applied to, as it is now; `None` when it was forgotten since.
    pub identity: Option<Identity>,
    /// The subjects linked to that identity now.
    pub subjects: Vec<Subject>,
    /// Attempts counted so far, this one included: 1 at the first claim.
    pub attempts: u32,
}

/// How the lease of an effect ends.
#[derive(Clone, Debug)]
pub enum JobSettlement {
    /// The handler succeeded.
    Done {
        /// The present.
        at: Timestamp,
    },
    /// Stays pending, due later.
    Retry {
        /// When.
        due_at: Timestamp,
        /// How the call failed.
        failure: JobFailure,
    },
    /// Given back without an attempt counted.
    Release {
        /// When it is due again.
        due_at: Timestamp,
    },
    /// Dead letter.
    Dead {
        /// How the last call failed.
        failure: JobFailure,
        /// The present.
        at: Timestamp,
    },
}

/// How much is owed to handlers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Effects whose handler has not succeeded yet, those of handlers that are no longer registered included.
    pub pending: u64,
    /// Effects whose handler failed for good.
    pub dead: u64,
    /// When the event behind the oldest pending effect was applied.
    pub oldest_pending: Option<Timestamp>,
}

/// Which effects to list.
#[derive(Clone, Debug)]
pub struct JobFilter {
    /// Only these; `None` lists all.
    pub state: Option<JobState>,
    /// Only those of this handler; `None` lists all.
    pub handler: Option<Arc<str>>,
    /// Only effects older than this one, for paging.
    pub before: Option<JobId>,
    /// How many at most.
    pub limit: u32,
}

/// An effect as it may be shown.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// Its key.
    pub id: JobId,
    /// The event that was applied; it may be pruned before its effects.
    pub event: EventId,
    /// Whose work it is.
    pub handler: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// The object it points at.
    pub object_id: ObjectId,
    /// Where it is in its life.
    pub state: JobState,
    /// How the last call failed, if one did.
    pub failure: Option<JobFailure>,
    /// Calls made.
    pub attempts: u32,
    /// When the event was applied.
    pub applied_at: Timestamp,
    /// When it is due next, while pending.
    pub due_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// Which dead effects to replay.
#[derive(Clone, Debug)]
pub enum ReplayJobs {
    /// One effect; nothing happens when it isn't dead.
    One(JobId),
    /// Every dead effect, or those of one handler.
    Dead(Option<Arc<str>>),
}
