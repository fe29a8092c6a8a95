//! Watching a standing while a request goes on: for sockets and streams that are held open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::cached_standing::{CacheKey, CachedStanding};
use super::{NearCache, Visitor};

/// Whoever is watched, each by one task however many watch. Empty, and without cost, while nobody does.
pub(super) struct Watched {
    /// The lock is held for a few map operations. `None` once watching has ended.
    posts: Mutex<Option<HashMap<CacheKey, Post>>>,
    ended: watch::Sender<bool>,
}

/// Where somebody is watched from.
struct Post {
    /// The task's own; gone with it, so that nobody waits for news from a runtime that has ended.
    tell: Weak<watch::Sender<Option<Visitor>>>,
    /// Rung when a change came.
    bell: Arc<Notify>,
}

/// What is known by now, or `None` once watching has ended.
///
/// Compares what is known, and not pieces of news: what changed between the request and this call is seen at once,
/// whatever news got lost is caught up with when the standing's lifetime ends, and what was taken back in between is no
/// change.
pub(super) async fn changed(known: Arc<CachedStanding>) -> Option<Visitor> {
    let near = known.context().near()?;
    let Some(whose) = known.whose() else {
        // Nobody stays nobody.
        let mut ended = near.watched().ended.subscribe();
        drop(near);
        let _ = ended.wait_for(|ended| *ended).await;
        return None;
    };
    let mut told = near.watched().join(&near, whose)?;
    // A request that is held open must not hold all the rest.
    drop(near);
    loop {
        {
            let now = told.borrow_and_update();
            if let Some(now) = now.as_ref().filter(|now| now.known().is_news_to(&known)) {
                return Some(now.clone());
            }
        }
        told.changed().await.ok()?;
    }
}

impl Watched {
    pub(super) fn new() -> Self {
        Self { posts: Mutex::new(Some(HashMap::new())), ended: watch::Sender::new(false) }
    }

    /// Somebody changed. Called when nothing old can be found of them any longer.
    pub(super) fn ring<'a>(&self, whom: impl IntoIterator<Item = &'a CacheKey>) {
        if let Some(posts) = &*self.posts() {
            whom.into_iter().filter_map(|whose| posts.get(whose)).for_each(|post| post.bell.notify_one());
        }
    }

    pub(super) fn ring_all(&self) {
        if let Some(posts) = &*self.posts() {
            posts.values().for_each(|post| post.bell.notify_one());
        }
    }

    /// Everybody who watches is told that it is over, and so is who comes later.
    pub(super) fn end(&self) {
        let posts = self.posts().take();
        self.ended.send_replace(true);
        posts.into_iter().flat_map(HashMap::into_values).for_each(|post| post.bell.notify_one());
    }

    fn join(&self, near: &Arc<NearCache>, whose: CacheKey) -> Option<watch::Receiver<Option<Visitor>>> {
        let mut posts = self.posts();
        let posts = posts.as_mut()?;
        if let Some(tell) = posts.get(&whose).and_then(|post| post.tell.upgrade()) {
            return Some(tell.subscribe());
        }
        let (tell, told) = watch::channel(None);
        let (tell, bell) = (Arc::new(tell), Arc::new(Notify::new()));
        posts.insert(whose.clone(), Post { tell: Arc::downgrade(&tell), bell: Arc::clone(&bell) });
        near.runtime().spawn(look_out(Arc::downgrade(near), whose, tell, bell));
        Some(told)
    }

    /// True when nobody watches any longer: then the post is given up, and who comes now sets up another.
    fn leave(&self, whose: &CacheKey, tell: &watch::Sender<Option<Visitor>>) -> bool {
        let mut posts = self.posts();
        let is_alone = tell.receiver_count() == 0;
        if is_alone && let Some(posts) = posts.as_mut() {
            posts.remove(whose);
        }
        is_alone
    }

    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    fn posts(&self) -> MutexGuard<'_, Option<HashMap<CacheKey, Post>>> {
        // Every change to the map is one call, so it is whole whoever panicked.
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cache goes, and with it the news.
impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

/// Looks at somebody at every change, and at the end of each lifetime, for as long as anybody watches.
async fn look_out(
    near: Weak<NearCache>,
    whose: CacheKey,
    tell: Arc<watch::Sender<Option<Visitor>>>,
    bell: Arc<Notify>,
) {
    loop {
        let look = {
            let Some(near) = near.upgrade().filter(|near| !near.watched().has_ended()) else { return };
            near.look(&whose)
        };
        let now = match look {
            Ok(known) => known,
            Err(load) => load.await,
        };
        let Some(wait) = near.upgrade().map(|near| near.looks_again_after(&now)) else { return };
        tell.send_if_modified(|told| {
            let says_more = told.as_ref().is_none_or(|told| !told.known().says_the_same(now.known()));
            *told = Some(now);
            says_more
        });
        tokio::select! {
            () = bell.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = tell.closed() => {
                if near.upgrade().is_none_or(|near| near.watched().leave(&whose, &tell)) {
                    return;
                }
            }
        }
    }
}

/// While the store does not answer, or news of changes can't be heard.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// However short a lifetime is.
pub(super) const SHORTEST_LOOK: Duration = Duration::from_millis(100);
