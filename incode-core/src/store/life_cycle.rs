use crate::Timestamp;

use super::{InboxCounts, JobCounts, StoreFeed, StoreFuture};

/// What concerns the store as a whole.
pub trait LifeCycle: Send + Sync {
    /// How many rows there are.
    fn counts(&self) -> StoreFuture<'_, Counts>;

    /// Removes what is past keeping; see [`Prune`]. Returns how many events were removed.
    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64>;

    /// Notices of what other processes change in the same store: a process that caches standings drops them by it.
    ///
    /// `None`, the default: no other process writes this store. A store that several processes share must give a feed,
    /// or each of them serves what it cached for as long as the cache keeps it.
    fn feed(&self) -> Option<StoreFeed> {
        None
    }

    /// The store's own time, for a store that several processes share: leases, waits and the instants by which
    /// observations outrank each other then follow one clock, however the machines' own are set. `None` otherwise.
    ///
    /// Also the cheap proof that the store answers and takes writes: an error means that no delivery can be kept.
    fn time(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// Compares a secret of this process with the one of the processes before it, by a check value that does not reveal
    /// it. Writes the value where there is none.
    fn check_secret(&self, name: &'static str, check_value: [u8; 16]) -> StoreFuture<'_, SecretCheck>;

    /// Replaces the check value of a secret, if it is `kept` still. False, and nothing written, when it is another or there
    /// is none. Compare and write are one step.
    fn replace_secret(&self, name: &'static str, kept: [u8; 16], by: [u8; 16]) -> StoreFuture<'_, bool>;

    /// Finishes what was begun and closes files and connections. Later calls fail with
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable).
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// How many rows a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events by state.
    pub inbox: InboxCounts,
    /// Jobs by state.
    pub jobs: JobCounts,
}

/// Whether a secret is the one that the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretCheck {
    /// There was no check value: this one is kept from now on.
    New,
    /// The same secret.
    Same,
    /// Another secret. The kept check value stays as it is.
    Other,
}

/// What may be removed.
#[derive(Clone, Copy, Debug)]
pub struct Prune {
    /// The present. Used correlation ids and tokens, pending links and retained fields that expired before it are
    /// removed.
    pub now: Timestamp,
    /// Done, ignored and dead events, and done and dead jobs, settled before this are removed, and refused links of
    /// before.
    pub settled_before: Timestamp,
    /// Dead events settled before this lose their token.
    pub tokens_before: Timestamp,
    /// Confirmations that passed before this are removed.
    pub confirmed_before: Timestamp,
}
