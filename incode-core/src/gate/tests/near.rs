use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::gated_store::GatedStore;
use super::{context_at, observation};
use crate::gate::near::{NearCache, NearSettings};
use crate::gate::{CacheKey, CacheKeyRef, Standing, Visitor};
use crate::identity::Change;
use crate::store::StoreErrorKind;
use crate::testing::ManualClock;
use crate::{Subject, Timestamp};

pub(super) struct Setup {
    pub(super) store: Arc<GatedStore>,
    pub(super) clock: ManualClock,
    pub(super) near: Arc<NearCache>,
}

pub(super) fn setup(settings: NearSettings) -> Setup {
    let store = GatedStore::new("ACTIVE");
    let clock = ManualClock::new(Timestamp::from_millis(0));
    let near =
        NearCache::new(Arc::new(Arc::clone(&store)), context_at(&clock), settings, tokio::runtime::Handle::current());
    Setup { store, clock, near }
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

pub(super) fn whose(name: &str) -> CacheKey {
    CacheKey::Subject(subject(name))
}

pub(super) fn change(name: &str) -> Change {
    Change { identity_id: observation("person", "REVOKED", 1).identity_id, subjects: vec![subject(name)] }
}

async fn standing(load: impl Future<Output = Visitor>) -> Standing {
    load.await.standing()
}

#[tokio::test]
async fn many_requests_wait_for_one_load() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    let waiting: Vec<_> = (0..100).map(|_| tokio::spawn(near.load(whose("alice")))).collect();
    store.permits.add_permits(1);
    for load in waiting {
        assert_eq!(load.await.unwrap().standing(), Standing::Active);
    }
    assert_eq!(store.loads.load(Ordering::SeqCst), 1);
    assert_eq!(near.hit(CacheKeyRef::Subject("alice")).unwrap().standing(), Standing::Active);
}

/// A load may land between the look that missed and the call that would load.
#[tokio::test]
async fn who_missed_just_before_it_landed_does_not_load_again() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.permits.add_permits(2);
    near.load(whose("alice")).await;
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Active);
    assert_eq!(store.loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_asked_first_may_hang_up() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    drop(near.load(whose("alice")));
    let second = near.load(whose("alice"));
    store.permits.add_permits(1);
    assert_eq!(standing(second).await, Standing::Active);
    assert_eq!(store.loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    let before = tokio::spawn(near.load(whose("alice")));
    while store.loads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("alice"));
    let after = near.load(whose("alice"));
    store.permits.add_permits(2);
    assert_eq!(before.await.unwrap().standing(), Standing::Active, "asked before the change");
    assert_eq!(standing(after).await, Standing::Revoked, "asked after it, so a load of its own");
    assert_eq!(near.hit(CacheKeyRef::Subject("alice")).unwrap().standing(), Standing::Revoked);
}

#[tokio::test]
async fn a_change_ends_what_is_known() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Active);
    near.invalidate(&change("bob"));
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_some());
    near.invalidate(&change("alice"));
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_none());
}

#[tokio::test]
async fn a_standing_lives_exactly_its_lifetime() {
    let lifetime = Duration::from_secs(10);
    let Setup { store, clock, near } = setup(NearSettings { lifetime, ..NearSettings::default() });
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Active);
    clock.advance(lifetime - Duration::from_millis(1));
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_some());
    clock.advance(Duration::from_millis(1));
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_stalls_is_unavailable_and_not_remembered() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.answers(Err(StoreErrorKind::Failed));
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Unavailable);
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_none());
    store.answers(Ok("ACTIVE"));
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Unavailable, "no permit: stalls");
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Active);
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let Setup { store, near, .. } = setup(NearSettings { capacity: 64, ..NearSettings::default() });
    store.permits.add_permits(1000);
    let names: Vec<_> = (0..1000).map(|number| format!("user{number}")).collect();
    for name in &names {
        near.load(whose(name)).await;
    }
    let known = names.iter().filter(|name| near.hit(CacheKeyRef::Subject(name)).is_some()).count();
    assert!((1..=64).contains(&known), "{known} are known");
}

#[tokio::test]
async fn a_bypassed_cache_asks_the_store_each_time() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Active);
    near.bypass(true);
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_none(), "known, but not believed");
    let before = tokio::spawn(near.load(whose("alice")));
    while store.loads.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    store.answers(Ok("REVOKED"));
    let after = near.load(whose("alice"));
    store.permits.add_permits(2);
    assert_eq!(before.await.unwrap().standing(), Standing::Active);
    assert_eq!(standing(after).await, Standing::Revoked, "joins no load that may be older than a change");
    near.bypass(false);
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_none(), "read while notices may have been missed");
}

#[tokio::test]
async fn when_anything_may_have_changed_nothing_is_known() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Active);
    let under_way = tokio::spawn(near.load(whose("bob")));
    while store.loads.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    near.invalidate_all();
    store.permits.add_permits(1);
    under_way.await.unwrap();
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_none());
    assert!(near.hit(CacheKeyRef::Subject("bob")).is_none(), "what was read before is not kept");
}

fn stale_for(max_age: Duration) -> NearSettings {
    NearSettings { lifetime: Duration::from_secs(10), serve_stale: max_age, ..NearSettings::default() }
}

#[tokio::test]
async fn a_store_that_fails_is_stood_in_for_exactly_as_long_as_allowed() {
    let max_age = Duration::from_secs(60);
    let Setup { store, clock, near } = setup(stale_for(max_age));
    store.permits.add_permits(100);
    assert!(!near.load(whose("alice")).await.is_stale());
    store.answers(Err(StoreErrorKind::Unavailable));
    assert_eq!(standing(near.load(whose("bob"))).await, Standing::Unavailable, "of whom nothing is known");
    clock.advance(max_age);
    assert!(near.hit(CacheKeyRef::Subject("alice")).is_none(), "the store is asked first");
    let visitor = near.load(whose("alice")).await;
    assert_eq!((visitor.standing(), visitor.is_stale(), visitor.age()), (Standing::Active, true, max_age));
    clock.advance(Duration::from_millis(1));
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Unavailable);
    store.answers(Ok("ACTIVE"));
    let visitor = near.load(whose("alice")).await;
    assert_eq!((visitor.standing(), visitor.is_stale(), visitor.age()), (Standing::Active, false, Duration::ZERO));
}

#[tokio::test]
async fn a_clock_set_back_makes_no_standing_younger() {
    let max_age = Duration::from_secs(60);
    let Setup { store, clock, near } = setup(stale_for(max_age));
    store.permits.add_permits(100);
    near.load(whose("alice")).await;
    store.answers(Err(StoreErrorKind::Unavailable));
    clock.advance(max_age);
    clock.set(Timestamp::from_millis(-1_000_000));
    assert!(near.load(whose("alice")).await.is_stale());
    clock.advance(Duration::from_millis(1));
    clock.set(Timestamp::from_millis(-2_000_000));
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Unavailable);
}

#[tokio::test]
async fn a_standing_grows_old_while_the_machine_is_suspended() {
    let max_age = Duration::from_secs(60);
    let Setup { store, clock, near } = setup(stale_for(max_age));
    store.permits.add_permits(100);
    near.load(whose("alice")).await;
    store.answers(Err(StoreErrorKind::Unavailable));
    // The wall clock alone goes on: once for less than is allowed, then for what is left and a little more.
    clock.set(Timestamp::from_millis(40_000));
    let visitor = near.load(whose("alice")).await;
    assert_eq!((visitor.is_stale(), visitor.age()), (true, Duration::from_secs(40)));
    clock.set(Timestamp::from_millis(-40_000));
    assert!(near.load(whose("alice")).await.is_stale());
    clock.set(Timestamp::from_millis(-18_000));
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Unavailable, "62 s in all");
}

#[tokio::test]
async fn what_a_change_made_stale_is_not_served_stale() {
    let Setup { store, near, .. } = setup(stale_for(Duration::from_secs(60)));
    store.permits.add_permits(100);
    near.load(whose("alice")).await;
    store.answers(Err(StoreErrorKind::Unavailable));
    near.invalidate(&change("alice"));
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Unavailable);
}

#[tokio::test]
async fn a_load_under_way_when_a_change_came_is_not_stood_in_for() {
    let Setup { store, clock, near } = setup(stale_for(Duration::from_secs(60)));
    store.permits.add_permits(1);
    near.load(whose("alice")).await;
    clock.advance(Duration::from_secs(10));
    store.answers(Err(StoreErrorKind::Unavailable));
    let load = tokio::spawn(near.load(whose("alice")));
    while store.loads.load(Ordering::SeqCst) == 1 {
        tokio::task::yield_now().await;
    }
    near.invalidate(&change("alice"));
    store.permits.add_permits(1);
    assert_eq!(load.await.unwrap().standing(), Standing::Unavailable);
}

/// While a shared store is away no notice arrives: then no request joins a load under way, and each uses what is
/// cached.
#[tokio::test]
async fn of_many_who_ask_while_bypassed_each_is_stood_in_for() {
    let Setup { store, near, .. } = setup(stale_for(Duration::from_secs(60)));
    store.permits.add_permits(1);
    near.load(whose("alice")).await;
    near.bypass(true);
    store.answers(Err(StoreErrorKind::Unavailable));
    let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(near.load(whose("alice")))).collect();
    while store.loads.load(Ordering::SeqCst) < 11 {
        tokio::task::yield_now().await;
    }
    store.permits.add_permits(10);
    for load in waiting {
        let visitor = load.await.unwrap();
        assert_eq!((visitor.standing(), visitor.is_stale()), (Standing::Active, true));
    }
}

#[tokio::test]
async fn stale_standings_are_served_only_where_that_was_asked_for() {
    let Setup { store, clock, near } = setup(NearSettings::default());
    store.permits.add_permits(100);
    near.load(whose("alice")).await;
    clock.advance(Duration::from_secs(10));
    store.answers(Err(StoreErrorKind::Unavailable));
    assert_eq!(standing(near.load(whose("alice"))).await, Standing::Unavailable);
}

/// A handler that blocks its thread, on the runtime of the first request, delays no other request.
#[test]
fn a_blocked_thread_of_the_first_request_delays_no_other() {
    let ours = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let Setup { store, near, .. } = ours.block_on(async { setup(NearSettings::default()) });
    let theirs = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Asks, then never runs its own tasks again.
    let first = {
        let _theirs = theirs.enter();
        near.load(whose("alice"))
    };
    let second = near.load(whose("alice"));
    store.permits.add_permits(1);
    let standing = ours.block_on(async { tokio::time::timeout(Duration::from_secs(10), second).await });
    assert_eq!(standing.unwrap().standing(), Standing::Active);
    drop(first);
}

#[test]
fn a_load_whose_runtime_has_ended_is_unavailable() {
    let ours = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Setup { near, .. } = ours.block_on(async { setup(NearSettings::default()) });
    drop(ours);
    let theirs = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for _ in 0..2 {
        assert_eq!(theirs.block_on(near.load(whose("alice"))).standing(), Standing::Unavailable);
    }
}

/// Readers that race with changes: no reader sees an older standing after a later reader saw a newer one.
#[test]
fn readers_racing_with_changes_never_go_back() {
    let ours = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    ours.block_on(async {
        let Setup { store, near, .. } = setup(NearSettings::default());
        store.permits.add_permits(1_000_000);
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (near, store) = (Arc::clone(&near), Arc::clone(&store));
                tokio::spawn(async move {
                    for _ in 0..2_000 {
                        // CachedStanding to be revoked before we ask: then nothing else may be said.
                        let is_revoked = store.published.load(Ordering::SeqCst);
                        let visitor = match near.hit(CacheKeyRef::Subject("alice")) {
                            Some(visitor) => visitor,
                            None => near.load(whose("alice")).await,
                        };
                        assert!(!is_revoked || visitor.standing() == Standing::Revoked);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..200 {
            tokio::task::yield_now().await;
            near.invalidate(&change("alice"));
        }
        store.answers(Ok("REVOKED"));
        near.invalidate(&change("alice"));
        store.published.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.unwrap();
        }
        assert_eq!(near.hit(CacheKeyRef::Subject("alice")).unwrap().standing(), Standing::Revoked);
    });
}
