//! The near cache: standings close at hand, bounded, each loaded once however many requests wait for it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::sync::watch;

use crate::Subject;
use crate::identity::Change;
use crate::store::Store;

use super::Visitor;
use super::context::Context;
use super::visitor::Snapshot;

pub(crate) struct NearCache {
    store: Arc<dyn Store>,
    context: Arc<Context>,
    known: papaya::HashMap<Subject, Arc<Snapshot>>,
    /// Loads under way. The lock is held for a few map operations and never across I/O; a hit doesn't take it.
    /// A change removes the flight, so that what it read before the change is not kept, and who comes later starts anew.
    flights: Mutex<HashMap<Subject, Flight>>,
    nobody: Arc<Snapshot>,
    /// Asked for once: looking a counter up by name would cost more than the hit it counts.
    hits: metrics::Counter,
    /// While it is set nothing kept is believed: news of other processes does not arrive.
    bypassed: AtomicBool,
    settings: NearSettings,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct NearSettings {
    /// How many subjects are kept at most.
    pub(crate) capacity: usize,
    /// How long a standing is believed without asking the store: the worst case when news of a change is lost.
    pub(crate) lifetime: Duration,
    /// How long a request waits for the store.
    pub(crate) load_deadline: Duration,
}

impl Default for NearSettings {
    fn default() -> Self {
        Self { capacity: 100_000, lifetime: Duration::from_secs(10), load_deadline: Duration::from_secs(2) }
    }
}

#[derive(Clone)]
struct Flight {
    number: u64,
    landed: watch::Receiver<Option<Arc<Snapshot>>>,
}

impl NearCache {
    pub(crate) fn new(store: Arc<dyn Store>, context: Arc<Context>, settings: NearSettings) -> Arc<Self> {
        let nobody = Arc::new(Snapshot::nobody(Arc::clone(&context)));
        let hits = metrics::counter!("incode_standing_hits_total");
        Arc::new(Self {
            store,
            context,
            known: papaya::HashMap::new(),
            flights: Mutex::default(),
            nobody,
            hits,
            bypassed: AtomicBool::new(false),
            settings,
        })
    }

    pub(crate) fn nobody(&self) -> Visitor {
        Arc::clone(&self.nobody).into()
    }

    /// The hit path: one lookup, no lock, no I/O.
    pub(crate) fn hit(&self, subject: &str) -> Option<Visitor> {
        let known = self.known.pin();
        let snapshot = known.get(subject)?;
        let age = self.context.clock.elapsed().saturating_sub(snapshot.loaded);
        if age >= self.settings.lifetime || self.bypassed.load(Ordering::Relaxed) {
            return None;
        }
        self.hits.increment(1);
        Some(Arc::clone(snapshot).into())
    }

    /// The miss path: joins the load under way for the subject, or starts one. Must be called inside a tokio runtime.
    pub(crate) fn load(self: &Arc<Self>, subject: Subject) -> Load {
        let mut flights = self.lock_flights();
        let flight = match flights.get(&subject) {
            // A sender that is gone means that the load's runtime was: nobody would ever land. While bypassed no change
            // is heard of that would end a flight, so nobody joins one that may have read before it.
            Some(flight) if flight.landed.has_changed().is_ok() && !self.bypassed.load(Ordering::Relaxed) => {
                flight.clone()
            }
            _ => {
                let (land, landed) = watch::channel(None);
                let flight = Flight { number: next_number(), landed };
                flights.insert(subject.clone(), flight.clone());
                // A task of its own: who asked first may hang up, and the others still get their answer.
                tokio::spawn(Arc::clone(self).fly(subject.clone(), flight.number, land));
                flight
            }
        };
        drop(flights);
        Load::new(flight.landed, Snapshot::unavailable(subject, Arc::clone(&self.context)))
    }

    /// Forgets what a change made stale.
    pub(crate) fn invalidate(&self, change: &Change) {
        let mut flights = self.lock_flights();
        let known = self.known.pin();
        for subject in &change.subjects {
            flights.remove(subject);
            known.remove(subject);
        }
    }

    /// Forgets everything: something changed, and nobody can say what.
    pub(crate) fn invalidate_all(&self) {
        let mut flights = self.lock_flights();
        flights.clear();
        self.known.pin().clear();
    }

    /// While on, each visit asks the store: what is kept can't be known to be current.
    pub(crate) fn bypass(&self, on: bool) {
        self.bypassed.store(on, Ordering::Relaxed);
    }

    async fn fly(self: Arc<Self>, subject: Subject, number: u64, land: watch::Sender<Option<Arc<Snapshot>>>) {
        let loaded = self.context.clock.elapsed();
        let load = Snapshot::load(&*self.store, subject.clone(), loaded, Arc::clone(&self.context));
        let snapshot = match tokio::time::timeout(self.settings.load_deadline, load).await {
            Ok(Ok(snapshot)) => Some(Arc::new(snapshot)),
            Ok(Err(error)) => {
                tracing::warn!(error.kind = ?error.kind(), "standing not loaded");
                None
            }
            Err(_) => {
                tracing::warn!(error.kind = "deadline", "standing not loaded");
                None
            }
        };
        let outcome = if snapshot.is_some() { "loaded" } else { "failed" };
        metrics::counter!("incode_standing_loads_total", "outcome" => outcome).increment(1);
        {
            let mut flights = self.lock_flights();
            // Only the flight that is still the subject's own may be kept: a change that came meanwhile removed it.
            if flights.get(&subject).is_some_and(|flight| flight.number == number) {
                flights.remove(&subject);
                if let Some(snapshot) = &snapshot {
                    self.keep(subject, Arc::clone(snapshot));
                }
            }
        }
        land.send_replace(snapshot);
    }

    fn keep(&self, subject: Subject, snapshot: Arc<Snapshot>) {
        let known = self.known.pin();
        if known.len() >= self.settings.capacity {
            let now = self.context.clock.elapsed();
            known.retain(|_, snapshot| now.saturating_sub(snapshot.loaded) < self.settings.lifetime);
            // All fresh: a sixteenth goes, whichever the map names first, so that this sweep is rare.
            if known.len() >= self.settings.capacity {
                let surplus: Vec<_> = known.keys().take(self.settings.capacity / 16 + 1).cloned().collect();
                for subject in &surplus {
                    known.remove(subject);
                }
            }
        }
        known.insert(subject, snapshot);
    }

    fn lock_flights(&self) -> std::sync::MutexGuard<'_, HashMap<Subject, Flight>> {
        // Whoever panicked under the lock left a map that is still whole: every change to it is one call.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A standing on its way. Resolves to a visitor whose standing is `Unavailable` when the store does not answer.
#[must_use]
pub struct Load {
    landed: Pin<Box<dyn Future<Output = Option<Arc<Snapshot>>> + Send>>,
    otherwise: Option<Arc<Snapshot>>,
}

impl Load {
    fn new(mut landed: watch::Receiver<Option<Arc<Snapshot>>>, otherwise: Snapshot) -> Self {
        // Changes exactly once; an error means that the runtime of the load went away.
        let landed = async move {
            if landed.borrow_and_update().is_none() {
                let _ = landed.changed().await;
            }
            landed.borrow().clone()
        };
        Self { landed: Box::pin(landed), otherwise: Some(Arc::new(otherwise)) }
    }
}

impl Future for Load {
    type Output = Visitor;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Visitor> {
        let landed = ready!(self.landed.as_mut().poll(cx));
        let otherwise = self.otherwise.take();
        match (landed, otherwise) {
            (Some(snapshot), _) => Poll::Ready(snapshot.into()),
            (None, Some(unavailable)) => Poll::Ready(unavailable.into()),
            // Polled again after it was ready, which no caller does; never resolving is the harmless answer.
            (None, None) => Poll::Pending,
        }
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").finish_non_exhaustive()
    }
}

fn next_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
