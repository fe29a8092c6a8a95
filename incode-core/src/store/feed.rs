use std::pin::Pin;

use futures_core::Stream;

use crate::identity::Change;

/// What happens to identities in a store that several processes share; made by [`LifeCycle::feed`](super::LifeCycle::feed).
///
/// A feed is down until it says that it is up. It ends when the store is closed.
pub type StoreFeed = Pin<Box<dyn Stream<Item = StoreNotice> + Send>>;

/// One piece of news of a [`StoreFeed`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreNotice {
    /// Another process wrote, linked, unlinked or forgot this identity. What this process changes itself it knows from
    /// the call that did it.
    Changed(Change),
    /// Something changed, and nobody can say what: news was lost on the way, named too many subjects to be sent, or a
    /// call of this process ended without telling whether it wrote.
    Gap,
    /// News no longer arrives. What is kept in memory must not be relied on until it does.
    Down,
    /// News arrives from now on. What changed before may have gone by unheard.
    Up,
}
