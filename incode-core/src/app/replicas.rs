//! Follows the notices of the other processes on the same store.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::watch;

use crate::identity::{Cause, ChangeListener};
use crate::store::{StoreFeed, StoreNotice};

use super::listeners::Listeners;

/// Passes notices on until the feed ends or the process stops. The near cache is bypassed from the start, and after the
/// end: no cached standing is served while notices don't arrive.
pub(super) async fn follow(mut feed: StoreFeed, listeners: Arc<Listeners>, mut stop: watch::Receiver<bool>) {
    let up = metrics::gauge!("incode_store_feed_up");
    up.set(0.0);
    loop {
        let notice = tokio::select! {
            notice = poll_fn(|cx| feed.as_mut().poll_next(cx)) => notice,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match notice {
            Some(StoreNotice::Changed(change)) => listeners.changed(&change, Cause::Elsewhere),
            Some(StoreNotice::Gap) => {
                metrics::counter!("incode_store_feed_gaps_total").increment(1);
                listeners.changed_unknown();
            }
            Some(StoreNotice::Up) => {
                // First forget, then serve from the cache again: nothing old is served in between.
                listeners.changed_unknown();
                listeners.near.bypass(false);
                up.set(1.0);
                tracing::info!("store feed up");
            }
            Some(StoreNotice::Down) | None => {
                listeners.near.bypass(true);
                if notice.is_none() {
                    up.set(0.0);
                    return;
                }
                metrics::counter!("incode_store_feed_losses_total").increment(1);
                up.set(0.0);
                tracing::warn!("store feed down: every request asks the store");
            }
        }
    }
}

#[cfg(test)]
mod tests;
