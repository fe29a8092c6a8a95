use std::sync::Arc;

use futures_util::stream;
use tokio::sync::{mpsc, watch};

use super::follow;
use crate::app::changes::{ChangeEvent, ChangeNotice, Feed};
use crate::app::listeners::Listeners;
use crate::gate::{CacheKey, CacheKeyRef, Context, NearCache, NearSettings, Standing};
use crate::identity::{Cause, Change};
use crate::store::{IdentityStore, MemoryStore, Store, StoreNotice};
use crate::testing::{ManualClock, store_suite};
use crate::{IdentityId, Subject, Timestamp};

/// A cache that knows alice, beside a feed that the test speaks for.
struct Setup {
    store: Arc<MemoryStore>,
    listeners: Arc<Listeners>,
    news: mpsc::UnboundedSender<StoreNotice>,
    /// Dropped: the process stops.
    _stop: watch::Sender<bool>,
}

async fn setup() -> Setup {
    let store = Arc::new(MemoryStore::new());
    store.change(store_suite::observe(store_suite::seen("person", 1))).await.unwrap();
    store.change(store_suite::link("alice", "person", 1)).await.unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let context = Arc::new(Context::plain(clock));
    let near = NearCache::new(
        Arc::clone(&store) as Arc<dyn Store>,
        context,
        NearSettings::default(),
        tokio::runtime::Handle::current(),
    );
    let listeners = Arc::new(Listeners { near, feed: Feed::new(), handlers: Arc::default() });
    let (news, mut told) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    listeners.near.bypass(true);
    let feed = stream::poll_fn(move |cx| told.poll_recv(cx));
    tokio::spawn(follow(Box::pin(feed), Arc::clone(&listeners), stopped));
    Setup { store, listeners, news, _stop: stop }
}

impl Setup {
    /// Sends the notice, and a second one after it. Waits until the second was read.
    async fn tell(&self, news: StoreNotice) {
        let mut changes = self.listeners.feed.subscribe();
        self.news.send(news).unwrap();
        let mark = Change { identity_id: IdentityId::new("mark").unwrap(), subjects: Vec::new() };
        self.news.send(StoreNotice::Changed(mark.clone())).unwrap();
        while changes.next().await != Some(told(&mark)) {}
    }

    /// Whether alice is answered from the cache, once she was asked for.
    async fn keeps(&self) -> bool {
        assert_eq!(self.listeners.near.load(CacheKey::Subject(alice())).await.standing(), Standing::Active);
        self.listeners.near.hit(CacheKeyRef::Subject("alice")).is_some()
    }
}

fn told(change: &Change) -> ChangeNotice {
    ChangeNotice::Identity(ChangeEvent::new(change, Cause::Elsewhere, None))
}

fn alice() -> Subject {
    Subject::new("alice").unwrap()
}

#[tokio::test]
async fn nothing_is_believed_unless_the_feed_is_up() {
    let setup = setup().await;
    assert!(!setup.keeps().await, "not up yet");
    setup.tell(StoreNotice::Up).await;
    assert!(setup.keeps().await);
    setup.tell(StoreNotice::Down).await;
    assert!(!setup.keeps().await);
    setup.tell(StoreNotice::Up).await;
    assert!(
        setup.listeners.near.hit(CacheKeyRef::Subject("alice")).is_none(),
        "what was known before the gap is forgotten first"
    );
    assert!(setup.keeps().await);
}

#[tokio::test]
async fn a_feed_that_ends_is_down() {
    let Setup { store: _store, listeners, news, _stop } = setup().await;
    let mut changes = listeners.feed.subscribe();
    news.send(StoreNotice::Up).unwrap();
    assert_eq!(changes.next().await, Some(ChangeNotice::Missed(0)));
    drop(news);
    for _ in 0..1_000 {
        listeners.near.load(CacheKey::Subject(alice())).await;
        if listeners.near.hit(CacheKeyRef::Subject("alice")).is_none() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the cache is believed without a feed");
}

#[tokio::test]
async fn a_change_elsewhere_is_a_change_here() {
    let setup = setup().await;
    setup.tell(StoreNotice::Up).await;
    assert!(setup.keeps().await);
    let mut changes = setup.listeners.feed.subscribe();
    let change = setup.store.change(store_suite::unlink("alice", 2)).await.unwrap().change.unwrap();
    setup.tell(StoreNotice::Changed(change.clone())).await;
    assert!(setup.listeners.near.hit(CacheKeyRef::Subject("alice")).is_none());
    assert_eq!(
        changes.next().await,
        Some(ChangeNotice::Identity(ChangeEvent::new(&change, Cause::Elsewhere, Some(Standing::Active))))
    );
    setup.tell(StoreNotice::Gap).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        told.push(changes.next().await.unwrap());
    }
    assert!(told.contains(&ChangeNotice::Missed(0)), "{told:?}");
}
