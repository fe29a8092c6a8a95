use std::sync::Arc;

use crate::identity::Identity;
use crate::identity::transition::JobCause;
use crate::{Actor, Subject, Timestamp};

use super::StoreFuture;

/// The jobs of the application's handlers. [`ChangeRequest`](crate::identity::transition::ChangeRequest)s enqueue them in
/// the transaction of their cause.
pub trait JobStore: Send + Sync {
    /// Leases up to `claim.limit` pending jobs of one handler that are due, oldest due first, and counts the attempt.
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, ClaimedJobs>;

    /// Extends leases that are still held, as [`InboxStore::renew`](super::InboxStore::renew) does. One that was lost stays
    /// lost.
    fn renew_jobs(&self, leases: Vec<JobLease>, lease_until: Timestamp) -> StoreFuture<'_, ()>;

    /// Ends a lease of a job; false when another holder has it, or settled it. A done job no longer names its identity
    /// or its subject. A job whose identity was forgotten does not name the identity, and is called without it.
    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, bool>;

    /// Jobs, newest first.
    fn jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>>;

    /// Makes dead jobs pending again, due at `now` with no attempts counted. Returns how many. Harmless when repeated.
    /// Leaves an [`Audit`](super::Audit), as [`InboxStore::replay`](super::InboxStore::replay) does.
    fn replay_jobs(&self, which: ReplayJobs, by: Actor, now: Timestamp) -> StoreFuture<'_, u64>;
}

/// The store's own key of a job: counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

/// Where a job is in its life.
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

/// The right to settle a job, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobLease {
    /// The job.
    pub job: JobId,
    /// Distinguishes this claim from every other of the same job.
    pub number: i64,
}

/// The answer to a [`JobClaim`].
#[derive(Clone, Debug, Default)]
pub struct ClaimedJobs {
    /// The jobs under lease.
    pub jobs: Vec<ClaimedJob>,
    /// When the handler's next pending job is due, leases included; `None` when nothing else is pending.
    pub next_due: Option<Timestamp>,
}

/// A job under lease, with what is known at the time of the claim.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The right to settle it.
    pub lease: JobLease,
    /// Why the handler is called.
    pub cause: JobCause,
    /// When the cause was written.
    pub caused_at: Timestamp,
    /// The identity, as it is now; `None` when it was forgotten since.
    pub identity: Option<Identity>,
    /// The subjects linked to that identity now.
    pub subjects: Vec<Subject>,
    /// Attempts counted so far, this one included: 1 at the first claim.
    pub attempts: u32,
}

/// How the lease of a job ends.
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

/// How many jobs of handlers are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Jobs whose handler has not succeeded yet, those of handlers that are no longer registered included.
    pub pending: u64,
    /// Jobs whose handler failed for good.
    pub dead: u64,
    /// When the event behind the oldest pending job was applied.
    pub oldest_pending: Option<Timestamp>,
}

/// Which jobs to list.
#[derive(Clone, Debug)]
pub struct JobFilter {
    /// Only these; `None` lists all.
    pub state: Option<JobState>,
    /// Only those of this handler; `None` lists all.
    pub handler: Option<Arc<str>>,
    /// Only jobs older than this one, for paging.
    pub before: Option<JobId>,
    /// How many at most.
    pub limit: u32,
}

/// A job as it may be shown.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// Its key.
    pub id: JobId,
    /// The handler.
    pub handler: Arc<str>,
    /// Why it is called. `None` once the job is done where the cause names a subject: that is erased then.
    pub cause: Option<JobCause>,
    /// Where it is in its life.
    pub state: JobState,
    /// How the last call failed, if one did.
    pub failure: Option<JobFailure>,
    /// Calls made.
    pub attempts: u32,
    /// When the cause was written.
    pub caused_at: Timestamp,
    /// When it is due next, while pending.
    pub due_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// Which dead jobs to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayJobs {
    /// One job; nothing happens when it isn't dead.
    One(JobId),
    /// Every dead job, or those of one handler.
    Dead(Option<Arc<str>>),
}
