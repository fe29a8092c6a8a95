use futures_util::{FutureExt, StreamExt};
use tokio::task::unconstrained;

use super::{Hub, KEPT};
use crate::store::{StoreFeed, StoreNotice};

/// All that is there to be told by now.
fn told(feed: &mut StoreFeed) -> Vec<StoreNotice> {
    std::iter::from_fn(|| unconstrained(feed.next()).now_or_never().flatten()).collect()
}

/// A server that goes away under load leaves every call in doubt, at once.
#[tokio::test]
async fn who_is_behind_is_told_all_the_same_whether_news_arrives() {
    let hub = Hub::new();
    let mut feed = hub.feed(|_| tokio::spawn(async {}).abort_handle());
    hub.pass_on(StoreNotice::Up);
    assert_eq!(told(&mut feed), [StoreNotice::Up]);
    for now in [StoreNotice::Down, StoreNotice::Up] {
        hub.pass_on(now.clone());
        (0..=KEPT).for_each(|_| hub.doubt());
        let told = told(&mut feed);
        assert_eq!(told[..2], [StoreNotice::Gap, now.clone()]);
        assert!(told.len() > KEPT && told[2..].iter().all(|news| *news == StoreNotice::Gap));
    }
    // Both ways in between: nothing of before is to be believed, and nothing else has changed.
    hub.pass_on(StoreNotice::Down);
    hub.pass_on(StoreNotice::Up);
    (0..=KEPT).for_each(|_| hub.doubt());
    assert!(told(&mut feed).iter().all(|news| *news == StoreNotice::Gap));
    hub.close();
    assert_eq!(feed.next().await, None);
}
