//! Short forms of calls.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use incode_core::identity::LinkProof;
use incode_core::identity::transition::EventLink;
use incode_core::identity::transition::Rules;
use incode_core::store::{Claim, ClaimedEvent, Settled, Store, StoreFeed, StoreNotice};
use incode_core::testing::store_suite::{apply, applying, pending, seen};
use incode_core::{Subject, Timestamp};
use incode_postgres::PostgresStore;

pub(crate) async fn open(url: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(url).await.unwrap())
}

pub(crate) async fn claimed(store: &dyn Store) -> ClaimedEvent {
    let claim = Claim {
        now: Timestamp::from_millis(1_000_000),
        lease_until: Timestamp::from_millis(2_000_000),
        limit: 1,
        newest_first: false,
    };
    store.claim(claim).await.unwrap().events.pop().expect("one is due")
}

/// Accepts, claims and applies an event, which links `subject` if there is one.
pub(crate) async fn applied(store: &dyn Store, object: &str, identity: &str, subject: Option<&str>, at: i64) {
    store.accept(pending(object, "token", at)).await.unwrap();
    let event = claimed(store).await;
    let mut applying = applying(&event, seen(identity, at));
    applying.link = subject.map(|subject| EventLink {
        subject: Subject::new(subject).unwrap(),
        proof: LinkProof::Application,
        nonce: None,
    });
    let settled = store.settle(event.lease, apply(applying, &Rules::default(), at)).await.unwrap();
    assert!(matches!(settled, Settled::Written(Some(_))), "{settled:?}");
}

/// What a feed gives next.
pub(crate) async fn next(feed: &mut StoreFeed) -> StoreNotice {
    tokio::time::timeout(Duration::from_secs(60), feed.next()).await.expect("a notice in time").expect("no end")
}
