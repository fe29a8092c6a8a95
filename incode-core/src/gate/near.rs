//! The near cache: standings in memory, bounded, each loaded once however many requests wait for it.

use std::future::Future;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use siphasher::sip::SipHasher13;
use tokio::runtime::Handle;

use crate::identity::{Change, Identity, NotActive, Observation};
use crate::store::{Store, StoreError};

use super::cached_standing::{CacheKey, CacheKeyRef, CachedStanding, Loaded};
use super::context::Context;
use super::policy_fields::PolicyFields;
use super::single_flight::{Join, LeaderGuard, SingleFlight};
use super::watch::{LOOK_AGAIN, SHORTEST_LOOK, Watched};
use super::withheld::Withheld;
use super::{Standing, Visitor};

pub(crate) struct NearCache {
    store: Arc<dyn Store>,
    context: Arc<Context>,
    /// By [`NearCache::hash`]. What is found is compared with the key, so two keys that share a hash only replace each
    /// other.
    known: papaya::HashMap<u64, Arc<CachedStanding>, BuildHasherDefault<HashedAlready>>,
    /// SipHash under a random key: subjects come from outside. A client that could choose some that collide could push
    /// others out and slow every look-up down.
    keys: SipHasher13,
    /// Loads under way. A change removes them, so that what was read before it is not kept, and a later request loads
    /// anew. A hit doesn't take its lock.
    single_flight: SingleFlight<CacheKey, Visitor>,
    /// While changes of other processes may go unnoticed, every request asks the store.
    bypassed: AtomicBool,
    /// Where loads run: on the runtime of `build`, whose worker has to run anyway. On the runtime of the first request, a
    /// handler that blocks its thread would hold up every request that waits for the same standing.
    runtime: Handle,
    watched: Watched,
    /// Identities whose stored status may be older than the vendor's answer.
    withheld: Withheld,
    no_subject: Arc<CachedStanding>,
    refused: Arc<CachedStanding>,
    out_of_reach: Arc<CachedStanding>,
    /// Looked up once: looking a counter up by name would cost more than the hit it counts.
    hits: metrics::Counter,
    settings: NearSettings,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct NearSettings {
    /// How many standings are kept at most.
    pub(crate) capacity: usize,
    /// How long a standing is served without asking the store: the worst case when a notice of a change is lost.
    pub(crate) lifetime: Duration,
    /// How long a request waits for the store before it gets 503.
    pub(crate) load_deadline: Duration,
    /// How old a standing may be that is served because the store does not answer. Zero: none is.
    pub(crate) serve_stale: Duration,
}

impl Default for NearSettings {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            lifetime: Duration::from_secs(10),
            load_deadline: Duration::from_secs(2),
            serve_stale: Duration::ZERO,
        }
    }
}

impl NearCache {
    /// `runtime` is to run the loads.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        context: Arc<Context>,
        settings: NearSettings,
        runtime: Handle,
    ) -> Arc<Self> {
        let no_subject = CachedStanding::no_subject(Arc::clone(&context));
        let refused = CachedStanding::refused(Arc::clone(&context));
        let out_of_reach = CachedStanding::out_of_reach(Arc::clone(&context));
        let near = Arc::new(Self {
            store,
            context,
            known: papaya::HashMap::default(),
            keys: random_hasher(),
            single_flight: SingleFlight::default(),
            bypassed: AtomicBool::new(false),
            runtime,
            watched: Watched::new(),
            withheld: Withheld::default(),
            no_subject,
            refused,
            out_of_reach,
            hits: metrics::counter!("incode_standing_hits_total"),
            settings,
        });
        near.context.attach(&near);
        near
    }

    /// A request without a subject.
    pub(crate) fn no_subject(&self) -> Visitor {
        Arc::clone(&self.no_subject).into()
    }

    /// A request without a subject whose bearer token was refused.
    pub(crate) fn refused(&self) -> Visitor {
        Arc::clone(&self.refused).into()
    }

    /// A request with a bearer token, while the vendor does not say whose it is.
    pub(crate) fn out_of_reach(&self) -> Visitor {
        Arc::clone(&self.out_of_reach).into()
    }

    /// The hit path: one lookup, no lock, no I/O.
    pub(crate) fn hit(&self, key: CacheKeyRef<'_>) -> Option<Visitor> {
        let visitor = self.fresh(key)?;
        self.hits.increment(1);
        Some(visitor)
    }

    /// The miss path: joins the load under way, or starts one.
    pub(crate) fn load(self: &Arc<Self>, whose: CacheKey) -> PendingVisitor {
        self.context.aging.compare_clocks();
        // While bypassed no change ends a load, so no request joins one that may have read before a change.
        let join = if self.bypassed.load(Ordering::SeqCst) {
            self.single_flight.start(whose.clone())
        } else {
            self.single_flight.join(whose.clone(), || self.fresh(whose.key()))
        };
        let waiter = match join {
            Join::Ready(visitor) => return PendingVisitor::new(std::future::ready(visitor)),
            Join::Waiting(waiter) => waiter,
            Join::Leader(waiter, guard) => {
                // A task of its own: the first request may end early, and the others still get their answer.
                self.runtime.spawn(Arc::clone(self).run_load(guard));
                waiter
            }
        };
        let context = Arc::clone(&self.context);
        let patience = self.settings.load_deadline.saturating_add(GRACE);
        PendingVisitor::new(async move {
            // By the caller's own timer: that of the load stands still with its runtime.
            match tokio::time::timeout(patience, waiter.wait()).await {
                Ok(Some(visitor)) => return visitor,
                Ok(None) => tracing::error!("standing not loaded: the tokio runtime that built Incode has ended"),
                Err(_) => tracing::error!("standing not loaded: nothing drives the tokio runtime that built Incode"),
            }
            metrics::counter!("incode_standing_loads_total", "outcome" => "failed").increment(1);
            CachedStanding::unavailable(&whose, Loaded::now(&context), context).into()
        })
    }

    /// The cached standing, of whatever age, of a subject or identity that a change is about.
    pub(crate) fn stood(&self, change: &Change) -> Option<Standing> {
        let keys = change.subjects.iter().map(|subject| CacheKeyRef::Subject(subject.as_str()));
        let known = self.known.pin();
        let cached = keys.chain([CacheKeyRef::Identity(change.identity_id.as_str())]).find_map(|key| {
            known.get(&self.hash(key)).filter(|found| found.is_about(key)).map(|found| found.standing())
        });
        let withheld = self.withheld.take_before(&change.identity_id);
        cached.or(withheld)
    }

    /// Forgets what a change made stale.
    pub(crate) fn invalidate(&self, change: &Change) {
        let mut stale: Vec<_> = change.subjects.iter().cloned().map(CacheKey::Subject).collect();
        stale.push(CacheKey::Identity(change.identity_id.clone()));
        self.single_flight.forget(&stale, || {
            let known = self.known.pin();
            for whose in &stale {
                known.remove(&self.hash(whose.key()));
            }
        });
        self.watched.notify(&stale);
    }

    /// Forgets everything: something changed, and it is unknown what.
    pub(crate) fn invalidate_all(&self) {
        self.single_flight.forget_all(|| self.known.pin().clear());
        self.watched.notify_all();
    }

    /// While bypassed, each request waits for the store, and watched standings are read every second: for as long as notices
    /// of changes don't arrive. Afterwards nothing that was read before is served.
    pub(crate) fn bypass(&self, bypassed: bool) {
        if !bypassed {
            self.invalidate_all();
        }
        self.bypassed.store(bypassed, Ordering::SeqCst);
        if bypassed {
            // Watchers sleep until the end of the standing's lifetime, and must look earlier now.
            self.watched.notify_all();
        }
    }

    /// What a request would get now, without counting as a hit.
    pub(super) fn look(self: &Arc<Self>, whose: &CacheKey) -> Result<Visitor, PendingVisitor> {
        self.fresh(whose.key()).ok_or_else(|| self.load(whose.clone()))
    }

    /// How long a watcher waits before it looks again, unless a change comes.
    pub(super) fn looks_again_after(&self, found: &Visitor) -> Duration {
        let is_poor = found.standing() == Standing::Unavailable || found.is_stale();
        if is_poor || self.bypassed.load(Ordering::SeqCst) {
            return LOOK_AGAIN;
        }
        self.settings.lifetime.saturating_sub(found.age()).max(SHORTEST_LOOK)
    }

    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Ends every watch.
    pub(crate) fn end_watches(&self) {
        self.watched.end();
    }

    async fn run_load(self: Arc<Self>, guard: LeaderGuard<CacheKey, Visitor>) {
        let loaded = Loaded::now(&self.context);
        let read = tokio::time::timeout(self.settings.load_deadline, self.read(&guard.key, loaded)).await;
        let (kind, cause) = match read {
            Ok(Ok(known)) => {
                metrics::counter!("incode_standing_loads_total", "outcome" => "loaded").increment(1);
                self.single_flight.finish(guard, |is_own| {
                    if is_own {
                        self.keep(Arc::clone(&known));
                    }
                    known.into()
                });
                return;
            }
            Ok(Err(error)) => (format!("{:?}", error.kind()), error.cause().to_string()),
            Err(_) => ("deadline".to_owned(), "the store does not answer in time".to_owned()),
        };
        tracing::warn!(error.kind = kind, error.cause = %cause, "standing not loaded");
        metrics::counter!("incode_standing_loads_total", "outcome" => "failed").increment(1);
        let whose = guard.key.clone();
        self.single_flight.finish(guard, |_| {
            // A change removed what it made stale, so nothing older than a change is served.
            let stale = self.stale(whose.key());
            stale.unwrap_or_else(|| CachedStanding::unavailable(&whose, loaded, Arc::clone(&self.context)).into())
        });
    }

    async fn read(&self, whose: &CacheKey, loaded: Loaded) -> Result<Arc<CachedStanding>, StoreError> {
        let context = Arc::clone(&self.context);
        let (identity, proof, confirmations) = match whose {
            CacheKey::Subject(subject) => {
                let state = self.store.subject(subject.clone()).await?;
                let standing = Standing::of(&state, context.clock.now());
                match state.linked {
                    None => return Ok(CachedStanding::unlinked(whose, standing, loaded, context)),
                    Some(linked) => (Some(linked.identity), Some(linked.link.proof), state.confirmations),
                }
            }
            CacheKey::Identity(id) => (self.store.identity(id.clone()).await?, None, Vec::new()),
        };
        let Some(identity) = identity else {
            return Ok(CachedStanding::unlinked(whose, Standing::NotLinked, loaded, context));
        };
        let identity = self.withheld.over(identity);
        let facts = self.facts(&identity).await?;
        Ok(CachedStanding::linked(whose, &identity, (proof, &confirmations), facts.as_ref(), loaded, context))
    }

    /// The vendor said of an identity that it is not ACTIVE. This process answers by that status, except where the store
    /// holds the answer to a later question.
    pub(crate) fn withhold(&self, answer: &Arc<NotActive>) {
        self.withheld.add(answer);
        let identity = &answer.seen().identity_id;
        let mut before = None;
        self.single_flight.forget_all(|| {
            let is_of = |known: &CachedStanding| known.identity_id() == Some(identity.as_str());
            self.known.pin().retain(|_, known| {
                if is_of(known) {
                    before = Some(known.standing());
                }
                !is_of(known)
            });
        });
        self.withheld.stood(identity, before);
        self.watched.notify_all();
    }

    /// A row as this process answers by it; see [`withhold`](Self::withhold).
    pub(crate) fn over_withheld(&self, row: Identity) -> Identity {
        self.withheld.over(row)
    }

    /// What the vendor said of an identity that is not ACTIVE is in the store.
    pub(crate) fn written(&self, seen: &Observation) {
        self.withheld.written(seen, self.settings.load_deadline);
    }

    /// The fields that requirements read, when the application keeps any.
    async fn facts(&self, identity: &Identity) -> Result<Option<PolicyFields>, StoreError> {
        let observer = &self.context.observer;
        if !PolicyFields::FIELDS.into_iter().any(|field| observer.keeps(field)) {
            return Ok(None);
        }
        let id = &identity.identity_id;
        let kept = self.store.fields(id.clone(), self.context.clock.now()).await?;
        Ok(Some(PolicyFields::of(&observer.reveal(id, &kept))))
    }

    fn fresh(&self, key: CacheKeyRef<'_>) -> Option<Visitor> {
        if self.bypassed.load(Ordering::SeqCst) {
            return None;
        }
        let known = self.known.pin();
        let found = known.get(&self.hash(key)).filter(|found| found.is_about(key))?;
        let is_fresh = found.loaded_when().age(&self.context).is_some_and(|age| age < self.settings.lifetime);
        is_fresh.then(|| Arc::clone(found).into())
    }

    /// What may be served although the store does not answer.
    fn stale(&self, key: CacheKeyRef<'_>) -> Option<Visitor> {
        if self.settings.serve_stale.is_zero() {
            return None;
        }
        let known = self.known.pin();
        let found = known.get(&self.hash(key)).filter(|found| found.is_about(key))?;
        let age = found.loaded_when().age(&self.context)?;
        if age > self.settings.serve_stale {
            return None;
        }
        metrics::counter!("incode_standing_stale_total").increment(1);
        Some(Visitor::stale(Arc::clone(found)))
    }

    fn keep(&self, fresh: Arc<CachedStanding>) {
        let known = self.known.pin();
        if known.len() >= self.settings.capacity {
            let useful = self.settings.lifetime.max(self.settings.serve_stale);
            let is_useful =
                |known: &CachedStanding| known.loaded_when().age(&self.context).is_some_and(|age| age < useful);
            known.retain(|_, known| is_useful(known));
            // All fresh: a sixteenth is dropped, in the map's order, so that this sweep is rare.
            if known.len() >= self.settings.capacity {
                let surplus: Vec<_> = known.keys().take(self.settings.capacity / 16 + 1).copied().collect();
                for key in &surplus {
                    known.remove(key);
                }
            }
        }
        if let Some(whose) = fresh.whose() {
            known.insert(self.hash(whose.key()), fresh);
        }
    }

    fn hash(&self, key: CacheKeyRef<'_>) -> u64 {
        match key {
            CacheKeyRef::Subject(subject) => self.keys.hash(subject.as_bytes()),
            CacheKeyRef::Identity(id) => self.keys.hash(id.as_bytes()) ^ IDENTITIES,
        }
    }
}

/// Under random keys.
fn random_hasher() -> SipHasher13 {
    let random = RandomState::new();
    SipHasher13::new_with_keys(random.hash_one(0), random.hash_one(1))
}

/// A standing on its way. Resolves to a visitor whose standing is `Unavailable` when the store does not answer.
#[must_use]
pub struct PendingVisitor(Pin<Box<dyn Future<Output = Visitor> + Send>>);

impl PendingVisitor {
    pub(crate) fn new(landing: impl Future<Output = Visitor> + Send + 'static) -> Self {
        Self(Box::pin(landing))
    }
}

impl Future for PendingVisitor {
    type Output = Visitor;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<Visitor> {
        self.0.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for PendingVisitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingVisitor").finish_non_exhaustive()
    }
}

/// Takes a key for its own hash: it is one.
#[derive(Default)]
struct HashedAlready(u64);

impl Hasher for HashedAlready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    /// Never called: keys are `u64`.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

/// How much longer than the load itself a request waits for it. A load that its runtime runs has ended by then, with a
/// cause in the log.
const GRACE: Duration = Duration::from_secs(1);

/// Keeps identities apart from subjects of the same text.
const IDENTITIES: u64 = 0x1de7_711e_5000_0000;
