use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::near::{Setup, change, setup, whose};
use crate::gate::near::NearSettings;
use crate::gate::{CacheKeyRef, Requirement, Standing, Visitor};
use crate::store::StoreErrorKind;

/// So many that no call waits for the store.
async fn ready(settings: NearSettings) -> (Setup, Visitor) {
    let setup = setup(settings);
    setup.store.permits.add_permits(1_000_000);
    let visitor = setup.near.load(whose("alice")).await;
    (setup, visitor)
}

/// Lets everything that can go on do so, and says whether the future is still waiting.
async fn waits<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    for _ in 0..50 {
        let mut future = pin!(&mut *future);
        if poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_its_watchers_and_no_other() {
    let (Setup { store, near, .. }, visitor) = ready(NearSettings::default()).await;
    let other = near.load(whose("bob")).await;
    let (mut alice, mut again) = (Box::pin(visitor.changed()), Box::pin(visitor.changed()));
    let mut bob = Box::pin(other.changed());
    assert!(waits(&mut alice).await && waits(&mut again).await && waits(&mut bob).await);
    near.invalidate(&change("alice"));
    assert!(waits(&mut alice).await, "asked about again, and nothing is new");
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("alice"));
    let now = alice.await.unwrap();
    assert_eq!(now.standing(), Standing::Revoked);
    assert_eq!(again.await.unwrap().standing(), Standing::Revoked);
    assert_eq!(near.hit(CacheKeyRef::Subject("alice")).unwrap().standing(), Standing::Revoked);
    assert!(waits(&mut bob).await);
    assert!(waits(&mut Box::pin(now.changed())).await, "from there on");
}

#[tokio::test(start_paused = true)]
async fn what_changed_between_request_and_call_is_reported_at_once() {
    let (Setup { store, near, .. }, visitor) = ready(NearSettings::default()).await;
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("alice"));
    assert_eq!(visitor.changed().await.unwrap().standing(), Standing::Revoked);
    // And to a new watcher beside one that has watched for long.
    let fresh = near.load(whose("alice")).await;
    let mut long = Box::pin(fresh.changed());
    assert!(waits(&mut long).await);
    assert_eq!(visitor.changed().await.unwrap().standing(), Standing::Revoked);
}

#[tokio::test(start_paused = true)]
async fn what_was_known_before_a_visitor_came_is_no_change_to_them() {
    let (Setup { store, near, clock }, old) = ready(NearSettings::default()).await;
    let mut watching = Box::pin(old.changed());
    assert!(waits(&mut watching).await);
    // The watcher got "active". A later request reads a newer standing before the watcher does.
    clock.advance(Duration::from_secs(1));
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("bob"));
    near.bypass(true);
    let new = near.load(whose("alice")).await;
    assert_eq!(new.standing(), Standing::Revoked);
    let mut changed = Box::pin(new.changed());
    assert!(waits(&mut changed).await);
}

#[tokio::test(start_paused = true)]
async fn a_lost_notice_is_made_up_for_at_the_end_of_the_lifetime() {
    let lifetime = Duration::from_secs(10);
    let (Setup { store, clock, near: _near }, visitor) =
        ready(NearSettings { lifetime, ..NearSettings::default() }).await;
    let mut changed = Box::pin(visitor.changed());
    assert!(waits(&mut changed).await);
    store.answers(Ok("REVOKED"));
    clock.advance(lifetime - Duration::from_millis(1));
    tokio::time::advance(lifetime - Duration::from_millis(1)).await;
    assert!(waits(&mut changed).await);
    clock.advance(Duration::from_millis(1));
    assert_eq!(changed.await.unwrap().standing(), Standing::Revoked, "the next tick of tokio's paused clock");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_trusts_nothing_either_while_notices_can_not_arrive() {
    let lifetime = Duration::from_secs(3600);
    let (Setup { store, near, .. }, visitor) = ready(NearSettings { lifetime, ..NearSettings::default() }).await;
    let mut changed = Box::pin(visitor.changed());
    assert!(waits(&mut changed).await);
    store.answers(Ok("REVOKED"));
    near.bypass(true);
    let now = tokio::time::timeout(Duration::from_secs(1), changed).await.unwrap().unwrap();
    assert_eq!(now.standing(), Standing::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_logged_and_so_is_its_return() {
    let (Setup { store, near, .. }, visitor) = ready(NearSettings::default()).await;
    let changed = visitor.changed();
    store.answers(Err(StoreErrorKind::Unavailable));
    near.invalidate(&change("alice"));
    let unavailable = changed.await.unwrap();
    assert_eq!(unavailable.standing(), Standing::Unavailable);
    let mut back = Box::pin(unavailable.changed());
    assert!(waits(&mut back).await);
    store.answers(Ok("ACTIVE"));
    assert_eq!(back.await.unwrap().standing(), Standing::Active);
}

#[tokio::test(start_paused = true)]
async fn standing_in_for_a_failing_store_is_no_change() {
    let serve_stale = Duration::from_secs(60);
    let settings = NearSettings { serve_stale, lifetime: Duration::from_secs(10), ..NearSettings::default() };
    let (Setup { store, clock, near: _near }, visitor) = ready(settings).await;
    let mut changed = Box::pin(visitor.changed());
    assert!(waits(&mut changed).await);
    store.answers(Err(StoreErrorKind::Unavailable));
    clock.advance(serve_stale);
    tokio::time::advance(serve_stale).await;
    assert!(waits(&mut changed).await);
    clock.advance(Duration::from_millis(1));
    assert_eq!(changed.await.unwrap().standing(), Standing::Unavailable, "no longer allowed");
}

#[tokio::test(start_paused = true)]
async fn watching_ends_for_every_watcher() {
    let (Setup { near, .. }, visitor) = ready(NearSettings::default()).await;
    let nobody = near.no_subject();
    let (mut alice, mut stranger) = (Box::pin(visitor.changed()), Box::pin(nobody.changed()));
    assert!(waits(&mut alice).await && waits(&mut stranger).await);
    near.end_watches();
    assert!(alice.await.is_none() && stranger.await.is_none());
    assert!(visitor.changed().await.is_none() && nobody.changed().await.is_none(), "and later ones");
}

#[tokio::test(start_paused = true)]
async fn watching_ends_with_the_cache() {
    let (Setup { near, .. }, visitor) = ready(NearSettings::default()).await;
    let mut changed = Box::pin(visitor.changed());
    assert!(waits(&mut changed).await);
    assert_eq!(Arc::strong_count(&near), 1, "who waits holds nothing");
    drop(near);
    assert!(changed.await.is_none());
    assert!(visitor.changed().await.is_none());
}

#[test]
fn watching_ends_with_the_runtime() {
    let ours = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (setup, visitor) = ours.block_on(ready(NearSettings::default()));
    let mut changed = Box::pin(visitor.changed());
    assert!(ours.block_on(waits(&mut changed)));
    drop(ours);
    let theirs = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(theirs.block_on(changed).is_none());
    assert!(theirs.block_on(visitor.changed()).is_none());
    drop(setup);
}

#[tokio::test(start_paused = true)]
async fn who_stops_watching_costs_nothing_any_longer() {
    let (Setup { store, clock, near }, visitor) = ready(NearSettings::default()).await;
    let mut changed = Box::pin(visitor.changed());
    assert!(waits(&mut changed).await);
    drop(changed);
    let loads = store.loads.load(Ordering::SeqCst);
    for _ in 0..5 {
        clock.advance(Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(10)).await;
        near.invalidate(&change("alice"));
    }
    assert_eq!(store.loads.load(Ordering::SeqCst), loads);
    let mut changed = Box::pin(visitor.changed());
    assert!(waits(&mut changed).await, "and may begin again");
}

#[tokio::test(start_paused = true)]
async fn many_watchers_of_one_person_look_once() {
    let (Setup { store, near, .. }, visitor) = ready(NearSettings::default()).await;
    let mut all: Vec<_> = (0..100).map(|_| Box::pin(visitor.changed())).collect();
    for changed in &mut all {
        assert!(waits(changed).await);
    }
    let loads = store.loads.load(Ordering::SeqCst);
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("alice"));
    for changed in all {
        assert_eq!(changed.await.unwrap().standing(), Standing::Revoked);
    }
    assert_eq!(store.loads.load(Ordering::SeqCst), loads + 1);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_stream_ends_when_the_requirement_no_longer_holds() {
    let (Setup { store, near, .. }, visitor) = ready(NearSettings::default()).await;
    let endless = stream::iter([1]).chain(stream::pending());
    let mut guarded = pin!(visitor.guard(Requirement::active(), endless));
    assert_eq!(guarded.next().await, Some(1));
    assert!(waits(&mut guarded.next()).await);
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("alice"));
    assert_eq!(guarded.next().await, None);
    assert_eq!(guarded.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_stream_goes_on_for_as_long_as_it_holds() {
    let (Setup { near, store, .. }, visitor) = ready(NearSettings::default()).await;
    let mut guarded = pin!(visitor.guard(Requirement::active(), stream::iter([1, 2, 3])));
    assert_eq!(guarded.next().await, Some(1));
    near.invalidate(&change("alice"));
    assert_eq!(guarded.next().await, Some(2));
    assert_eq!(guarded.next().await, Some(3));
    assert_eq!(guarded.next().await, None);
    // Principal never met it gets nothing.
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("alice"));
    let revoked = near.load(whose("alice")).await;
    assert_eq!(pin!(revoked.guard(Requirement::active(), stream::iter([1]))).next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_stream_that_ended_with_watching_stays_ended() {
    let (Setup { near, .. }, visitor) = ready(NearSettings::default()).await;
    let mut guarded = pin!(visitor.guard(Requirement::active(), stream::pending::<u8>()));
    assert!(waits(&mut guarded.next()).await);
    near.end_watches();
    assert_eq!(guarded.next().await, None);
    assert_eq!(guarded.next().await, None);
}
