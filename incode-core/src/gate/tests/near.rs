use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{PROOF, identity, observation};
use crate::gate::near::{NearCache, NearSettings};
use crate::gate::{Context, Standing, Visitor};
use crate::identity::{Change, Identity, KeptField, Link, LinkedIdentity, Observation};
use crate::store::{
    Accepted, Audit, AuditId, Claim, ClaimedEvent, EffectStore, EventDetail, EventFilter, EventId, EventRow,
    InboxCounts, Lease, Linked, NewEvent, NewLink, Prune, Replay, Settled, Settlement, Store, StoreError,
    StoreErrorKind, StoreFuture,
};
use crate::testing::ManualClock;
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// A store whose one interesting call, `linked`, answers when the test lets it.
struct GatedStore {
    loads: AtomicUsize,
    permits: Semaphore,
    status: std::sync::Mutex<Result<&'static str, StoreErrorKind>>,
}

impl GatedStore {
    fn new(status: &'static str) -> Arc<Self> {
        let status = std::sync::Mutex::new(Ok(status));
        Arc::new(Self { loads: AtomicUsize::new(0), permits: Semaphore::new(0), status })
    }

    fn answers(&self, status: Result<&'static str, StoreErrorKind>) {
        *self.status.lock().unwrap() = status;
    }
}

fn no<T>() -> StoreFuture<'static, T> {
    Box::pin(async { Err(StoreError::new(StoreErrorKind::Failed)) })
}

impl Store for Arc<GatedStore> {
    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        Box::pin(async move {
            self.loads.fetch_add(1, Ordering::SeqCst);
            // Read first, answer later: what a slow store does.
            let status = *self.status.lock().unwrap();
            self.permits.acquire().await.unwrap().forget();
            let identity = identity(status.map_err(StoreError::new)?);
            let linked_at = Timestamp::from_millis(0);
            let link = Link { subject, identity_id: identity.identity_id.clone(), proof: PROOF, linked_at };
            Ok(Some(LinkedIdentity { link, identity }))
        })
    }

    fn accept(&self, _: NewEvent) -> StoreFuture<'_, Accepted> {
        no()
    }
    fn claim(&self, _: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        no()
    }
    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        no()
    }
    fn settle(&self, _: Lease, _: Settlement) -> StoreFuture<'_, Settled> {
        no()
    }
    fn observe(&self, _: Observation) -> StoreFuture<'_, Change> {
        no()
    }
    fn link(&self, _: NewLink) -> StoreFuture<'_, Linked> {
        no()
    }
    fn unlink(&self, _: Subject) -> StoreFuture<'_, Option<Change>> {
        no()
    }
    fn identity(&self, _: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        no()
    }
    fn verified_as(&self, _: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        no()
    }
    fn fields(&self, _: IdentityId, _: Timestamp) -> StoreFuture<'_, Vec<KeptField>> {
        no()
    }
    fn forget(&self, _: IdentityId, _: Actor, _: Timestamp) -> StoreFuture<'_, Option<Change>> {
        no()
    }
    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        no()
    }
    fn events(&self, _: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        no()
    }
    fn inspect(&self, _: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        no()
    }
    fn audits(&self, _: u32, _: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        no()
    }
    fn replay(&self, _: Replay, _: Actor, _: Timestamp) -> StoreFuture<'_, u64> {
        no()
    }
    fn effects(&self) -> &dyn EffectStore {
        panic!("the gate asks for none")
    }
    fn prune(&self, _: Prune) -> StoreFuture<'_, u64> {
        no()
    }
    fn ping(&self) -> StoreFuture<'_, ()> {
        no()
    }
    fn close(&self) -> StoreFuture<'_, ()> {
        no()
    }
}

struct Setup {
    store: Arc<GatedStore>,
    clock: ManualClock,
    near: Arc<NearCache>,
}

fn setup(settings: NearSettings) -> Setup {
    let store = GatedStore::new("ACTIVE");
    let clock = ManualClock::new(Timestamp::from_millis(0));
    let context = Arc::new(Context::plain(Arc::new(clock.clone())));
    let near = NearCache::new(Arc::new(Arc::clone(&store)), context, settings);
    Setup { store, clock, near }
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn change(name: &str) -> Change {
    Change { identity_id: observation("person", "REVOKED", 1).identity_id, subjects: vec![subject(name)] }
}

async fn standing(load: impl Future<Output = Visitor>) -> Standing {
    load.await.standing()
}

#[tokio::test]
async fn many_requests_wait_for_one_load() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    let waiting: Vec<_> = (0..100).map(|_| tokio::spawn(near.load(subject("alice")))).collect();
    store.permits.add_permits(1);
    for load in waiting {
        assert_eq!(load.await.unwrap().standing(), Standing::Active);
    }
    assert_eq!(store.loads.load(Ordering::SeqCst), 1);
    assert_eq!(near.hit("alice").unwrap().standing(), Standing::Active);
}

#[tokio::test]
async fn who_asked_first_may_hang_up() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    drop(near.load(subject("alice")));
    let second = near.load(subject("alice"));
    store.permits.add_permits(1);
    assert_eq!(standing(second).await, Standing::Active);
    assert_eq!(store.loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    let before = tokio::spawn(near.load(subject("alice")));
    while store.loads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    store.answers(Ok("REVOKED"));
    near.invalidate(&change("alice"));
    let after = near.load(subject("alice"));
    store.permits.add_permits(2);
    assert_eq!(before.await.unwrap().standing(), Standing::Active, "asked before the change");
    assert_eq!(standing(after).await, Standing::Revoked, "asked after it, so a load of its own");
    assert_eq!(near.hit("alice").unwrap().standing(), Standing::Revoked);
}

#[tokio::test]
async fn a_change_ends_what_is_known() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(subject("alice"))).await, Standing::Active);
    near.invalidate(&change("bob"));
    assert!(near.hit("alice").is_some());
    near.invalidate(&change("alice"));
    assert!(near.hit("alice").is_none());
}

#[tokio::test]
async fn a_standing_lives_exactly_its_lifetime() {
    let lifetime = Duration::from_secs(10);
    let Setup { store, clock, near } = setup(NearSettings { lifetime, ..NearSettings::default() });
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(subject("alice"))).await, Standing::Active);
    clock.advance(lifetime - Duration::from_millis(1));
    assert!(near.hit("alice").is_some());
    clock.advance(Duration::from_millis(1));
    assert!(near.hit("alice").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_stalls_is_unavailable_and_not_remembered() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.answers(Err(StoreErrorKind::Failed));
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(subject("alice"))).await, Standing::Unavailable);
    assert!(near.hit("alice").is_none());
    store.answers(Ok("ACTIVE"));
    assert_eq!(standing(near.load(subject("alice"))).await, Standing::Unavailable, "no permit: stalls");
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(subject("alice"))).await, Standing::Active);
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let Setup { store, near, .. } = setup(NearSettings { capacity: 64, ..NearSettings::default() });
    store.permits.add_permits(1000);
    let names: Vec<_> = (0..1000).map(|number| format!("user{number}")).collect();
    for name in &names {
        near.load(subject(name)).await;
    }
    let known = names.iter().filter(|name| near.hit(name).is_some()).count();
    assert!((1..=64).contains(&known), "{known} are known");
}

#[tokio::test]
async fn a_bypassed_cache_asks_the_store_each_time() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(subject("alice"))).await, Standing::Active);
    near.bypass(true);
    assert!(near.hit("alice").is_none(), "known, but not believed");
    let before = tokio::spawn(near.load(subject("alice")));
    while store.loads.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    store.answers(Ok("REVOKED"));
    let after = near.load(subject("alice"));
    store.permits.add_permits(2);
    assert_eq!(before.await.unwrap().standing(), Standing::Active);
    assert_eq!(standing(after).await, Standing::Revoked, "joins no load that may be older than a change");
}

#[tokio::test]
async fn when_anything_may_have_changed_nothing_is_known() {
    let Setup { store, near, .. } = setup(NearSettings::default());
    store.permits.add_permits(1);
    assert_eq!(standing(near.load(subject("alice"))).await, Standing::Active);
    let under_way = tokio::spawn(near.load(subject("bob")));
    while store.loads.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    near.invalidate_all();
    store.permits.add_permits(1);
    under_way.await.unwrap();
    assert!(near.hit("alice").is_none());
    assert!(near.hit("bob").is_none(), "what was read before is not kept");
}
