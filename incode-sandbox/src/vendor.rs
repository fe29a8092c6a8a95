//! The stand-in vendor's whole state: what every route holds.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::calls::Calls;
use crate::deliveries::{DedupeIndex, Delivery, EventKind};
use crate::errors::{NotFound, StartError};
use crate::faults::Faults;
use crate::sender::{self, Outlet};
use crate::settings::{Settings, Webhook};
use crate::token::Mint;
use crate::world::{Object, World};

pub(crate) struct Vendor {
    pub(crate) settings: Settings,
    pub(crate) http: reqwest::Client,
    /// Bounds the tries in flight, so that thousands of deliveries at once don't use up the sockets.
    pub(crate) turns: Semaphore,
    // None of these locks is held across an await, nor while another one is taken.
    world: Mutex<World>,
    ledger: Mutex<DedupeIndex>,
    calls: Mutex<Calls>,
    faults: Mutex<Faults>,
    outlet: Mutex<Arc<Outlet>>,
    /// Milliseconds the sandbox's clock is ahead of the machine's.
    clock_ahead: AtomicI64,
    /// The deliveries under way. They hold this vendor: the cycle ends when they do, or when [`Self::abort`] ends them.
    tasks: Mutex<JoinSet<()>>,
    runtime: Handle,
    /// Moves whenever a delivery does.
    moved: watch::Sender<()>,
}

impl Vendor {
    /// Must be called inside a tokio runtime.
    pub(crate) fn new(settings: Settings, webhook: &Webhook) -> Result<Self, StartError> {
        Ok(Self {
            settings,
            http: sender::client()?,
            turns: Semaphore::new(SENDING_AT_ONCE),
            world: Mutex::new(World::new(Mint::new()?)),
            ledger: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            outlet: Mutex::new(Arc::new(Outlet::new(webhook)?)),
            clock_ahead: AtomicI64::new(0),
            tasks: Mutex::default(),
            runtime: Handle::current(),
            moved: watch::Sender::new(()),
        })
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        locked(&self.calls)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.faults)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, DedupeIndex> {
        locked(&self.ledger)
    }

    pub(crate) fn outlet(&self) -> Arc<Outlet> {
        locked(&self.outlet).clone()
    }

    pub(crate) fn set_webhook(&self, webhook: &Webhook) -> Result<(), StartError> {
        *locked(&self.outlet) = Arc::new(Outlet::new(webhook)?);
        Ok(())
    }

    /// Milliseconds since the epoch, by the sandbox's clock.
    pub(crate) fn now(&self) -> i64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let real = i64::try_from(real.as_millis()).unwrap_or(i64::MAX);
        real.saturating_add(self.clock_ahead.load(Ordering::Relaxed))
    }

    pub(crate) fn advance_clock(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let _ =
            self.clock_ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| Some(ahead.saturating_add(by)));
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.settings.token_lifetime
    }

    /// Sends the event of an object the sandbox has, with a fresh token of its owner.
    pub(crate) fn send_event(
        self: &Arc<Self>,
        kind: EventKind,
        id: &str,
        correlation_id: Option<&str>,
    ) -> Result<u64, NotFound> {
        let now = self.now();
        let token = {
            let mut world = self.world();
            let owner = object(&world, kind, id)?.owner.clone();
            world.issue(owner.as_deref(), now, self.lifetime())
        };
        let mut body = json!({
            "token": token,
            "event": kind.event(),
            "object": kind.object(),
            "id": id,
            "timestamp": now.div_euclid(1000),
        });
        if let (Some(correlation_id), Some(body)) = (correlation_id, body.as_object_mut()) {
            body.insert("correlation_id".to_owned(), json!(correlation_id));
        }
        Ok(self.send(kind, body.to_string().into(), None))
    }

    pub(crate) fn send(self: &Arc<Self>, kind: EventKind, body: Bytes, resend_of: Option<u64>) -> u64 {
        let number = self.ledger().add(kind, body.clone(), resend_of);
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(sender::deliver(self.clone(), number, kind, body), &self.runtime);
        number
    }

    /// Sends a delivery again, as a new one: the same body, or with a fresh token and time where it has a token.
    pub(crate) fn resend(self: &Arc<Self>, number: u64, fresh: bool) -> Result<u64, NotFound> {
        let (delivery, body) = {
            let ledger = self.ledger();
            (ledger.get(number).ok_or(NotFound)?, ledger.body(number).ok_or(NotFound)?)
        };
        let body = if fresh { self.refreshed(&delivery, &body).unwrap_or(body) } else { body };
        Ok(self.send(delivery.kind, body, Some(number)))
    }

    fn refreshed(&self, delivery: &Delivery, body: &Bytes) -> Option<Bytes> {
        let mut body: Value = serde_json::from_slice(body).ok()?;
        let fields = body.as_object_mut()?;
        let now = self.now();
        let token = {
            let mut world = self.world();
            let owner = object(&world, delivery.kind, &delivery.object_id).ok()?.owner.clone();
            world.issue(owner.as_deref(), now, self.lifetime())
        };
        fields.insert("token".to_owned(), json!(token));
        fields.insert("timestamp".to_owned(), json!(now.div_euclid(1000)));
        Some(body.to_string().into())
    }

    pub(crate) fn update_delivery(&self, number: u64, change: impl FnOnce(&mut Delivery)) {
        self.ledger().update(number, change);
        self.moved.send_replace(());
    }

    pub(crate) fn watch_deliveries(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// Ends every delivery under way.
    pub(crate) fn abort(&self) {
        locked(&self.tasks).abort_all();
    }
}

/// A panic while a lock was held leaves nothing half done here: each change is one insert.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn object<'a>(world: &'a World, kind: EventKind, id: &str) -> Result<&'a Object, NotFound> {
    let objects = match kind {
        EventKind::Verification => &world.verifications,
        EventKind::Authentication => &world.authentications,
    };
    objects.get(id).ok_or(NotFound)
}

const SENDING_AT_ONCE: usize = 256;
