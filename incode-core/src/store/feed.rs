use std::pin::Pin;

use futures_core::Stream;

use crate::identity::Change;

/// What happens to identities in a store that several processes share; made by [`LifeCycle::feed`](super::LifeCycle::feed).
///
/// A feed is down until it says that it is up. It ends when the store is closed.
pub type StoreFeed = Pin<Box<dyn Stream<Item = StoreNotice> + Send>>;

/// One notice of a [`StoreFeed`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreNotice {
    /// Another process wrote, linked, unlinked or forgot this identity. What this process changes itself it knows from
    /// the call that did it.
    Changed(Change),
    /// Something changed, and it is not known what: a notice was lost or named too many subjects to be sent, or the
    /// outcome of a commit of this process is unknown.
    Gap,
    /// Notices no longer arrive. Do not rely on what is kept in memory until they do.
    Down,
    /// Notices arrive from now on. Notices of earlier changes may have been missed.
    Up,
}
