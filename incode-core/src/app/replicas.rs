//! What a process hears of the others on the same store.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::watch;

use crate::identity::Cause;
use crate::inbox::Surroundings;
use crate::store::{StoreFeed, StoreNotice};

use super::surroundings::Joined;

/// Passes the news on until the feed ends or the process stops. The near cache is bypassed from the start, and after
/// the end: nothing kept is believed while no news arrives.
pub(super) async fn follow(mut feed: StoreFeed, joined: Arc<Joined>, mut stop: watch::Receiver<bool>) {
    let up = metrics::gauge!("incode_store_feed_up");
    up.set(0.0);
    loop {
        let news = tokio::select! {
            news = poll_fn(|cx| feed.as_mut().poll_next(cx)) => news,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match news {
            Some(StoreNotice::Changed(change)) => joined.changed(&change, Cause::Elsewhere),
            Some(StoreNotice::Gap) => {
                metrics::counter!("incode_store_feed_gaps_total").increment(1);
                joined.changed_somehow();
            }
            Some(StoreNotice::Up) => {
                // Forget first: between the two steps nothing old may be believed.
                joined.changed_somehow();
                joined.near.bypass(false);
                up.set(1.0);
                tracing::info!("store feed up");
            }
            Some(StoreNotice::Down) | None => {
                joined.near.bypass(true);
                if news.is_none() {
                    up.set(0.0);
                    return;
                }
                metrics::counter!("incode_store_feed_losses_total").increment(1);
                up.set(0.0);
                tracing::warn!("store feed down: every visit asks the store");
            }
        }
    }
}

#[cfg(test)]
mod tests;
