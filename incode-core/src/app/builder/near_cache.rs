//! How long cached standings are served.

use std::time::Duration;

use super::Builder;

impl Builder {
    /// How long a standing is served without asking the store: the worst case when a notice of a change is lost. 10 s
    /// unless set. Zero asks every time.
    pub fn near_cache_lifetime(mut self, lifetime: Duration) -> Self {
        self.near.lifetime = lifetime;
        self
    }

    /// Serves a cached standing while the store does not answer, if it was read at most `max_age` ago. Off unless set:
    /// then such requests get 503. Nothing that a change made stale is served, and a clock that is set back makes nothing
    /// younger. [`Visitor::is_stale`](crate::gate::Visitor::is_stale) shows it; a handler that moves money can refuse.
    ///
    /// The price: a person who is revoked during the outage goes on for up to `max_age`. When a shared store is lost in
    /// the middle of a change, every cached standing is dropped, because it is unknown whom the change was about.
    pub fn serve_stale(mut self, max_age: Duration) -> Self {
        self.near.serve_stale = max_age;
        self
    }

    /// How many standings are cached. 100,000 unless set.
    pub fn near_cache_capacity(mut self, subjects: usize) -> Self {
        self.near.capacity = subjects;
        self
    }
}
