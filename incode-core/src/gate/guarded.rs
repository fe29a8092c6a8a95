use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{Requirement, Visitor};

pin_project! {
    /// A stream for as long as a visitor meets a requirement; made by [`Visitor::guard`].
    pub struct Guarded<S> {
        #[pin]
        stream: Option<S>,
        requirement: Requirement,
        visitor: Visitor,
        changed: Changed,
    }
}

type Changed = Pin<Box<dyn Future<Output = Option<Visitor>> + Send>>;

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, requirement: Requirement, visitor: Visitor) -> Self {
        let changed = Box::pin(visitor.changed());
        Self { stream: Some(stream), requirement, visitor, changed }
    }
}

impl<S: Stream> Stream for Guarded<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        if this.stream.is_none() {
            return Poll::Ready(None);
        }
        let mut is_over = false;
        while let Poll::Ready(changed) = this.changed.as_mut().poll(cx) {
            let Some(now) = changed else {
                is_over = true;
                break;
            };
            *this.changed = Box::pin(now.changed());
            *this.visitor = now;
        }
        // Checked at each poll: a requirement of recency ends with time, without a change.
        if is_over || this.visitor.require(this.requirement).is_err() {
            tracing::info!(standing = this.visitor.standing().as_str(), "guarded stream ended");
            this.stream.set(None);
        }
        match this.stream.as_pin_mut() {
            Some(stream) => stream.poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("requirement", &self.requirement).finish_non_exhaustive()
    }
}
