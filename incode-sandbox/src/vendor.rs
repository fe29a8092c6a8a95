//! The state of the stand-in vendor, shared by all routes and by the webhook sender.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::HeaderValue;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::behaviour::{Behaviour, DateHeader, WebhookToken};
use crate::calls::CallLog;
use crate::deliveries::{Delivery, DeliveryLog, DeliveryState, EventKind};
use crate::errors::{NotFound, StartError};
use crate::faults::{Fault, Faults, Route};
use crate::rate::{OverLimit, RateLimiter};
use crate::sender::{self, WebhookTarget};
use crate::settings::{Settings, Webhook};
use crate::token::TokenMint;
use crate::world::{IssueContext, StoredObject, World};

/// The shared state. No lock is held across an await, nor while another one is taken: so no two tasks can deadlock.
pub(crate) struct Vendor {
    /// What the sandbox was started with; never changed.
    pub(crate) settings: Settings,
    /// The client of all deliveries, with one pool of connections.
    pub(crate) http: reqwest::Client,
    /// Bounds the tries in flight: thousands of deliveries at once would use up the sockets.
    pub(crate) send_slots: Semaphore,
    /// People, tokens and objects. One lock, because one call reads several of them.
    world: Mutex<World>,
    /// Webhooks sent. Apart from the world, because the sender writes it after each try.
    deliveries: Mutex<DeliveryLog>,
    /// Calls of the API. Written twice for each call.
    calls: Mutex<CallLog>,
    /// Faults to come. Each call takes at most one.
    faults: Mutex<Faults>,
    /// Replaced as a whole, so that one call sees one behaviour from start to end.
    behaviour: Mutex<Arc<Behaviour>>,
    /// The buckets of the behaviour's rate limits.
    limiter: Mutex<RateLimiter>,
    /// Replaced as a whole, so that one try of a delivery sees one target.
    target: Mutex<Arc<WebhookTarget>>,
    /// Milliseconds that the sandbox's clock is ahead of the machine's.
    clock_ahead: AtomicI64,
    /// The machine's steady clock, for rate limits: it never goes back.
    started: Instant,
    /// The deliveries under way. Their tasks hold this vendor; the cycle ends with the tasks or in [`Self::abort`].
    tasks: Mutex<JoinSet<()>>,
    /// Where the deliveries run, also those that a thread without a runtime starts.
    runtime: Handle,
    /// Sends a notice whenever a delivery changes.
    delivery_changed: watch::Sender<()>,
    /// How often held faults were released.
    releases: watch::Sender<u64>,
}

impl Vendor {
    /// Call it inside a tokio runtime.
    pub(crate) fn new(settings: Settings, webhook: &Webhook, behaviour: Behaviour) -> Result<Self, StartError> {
        Ok(Self {
            settings,
            http: sender::client()?,
            send_slots: Semaphore::new(SENDING_AT_ONCE),
            world: Mutex::new(World::new(TokenMint::new()?)),
            deliveries: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            behaviour: Mutex::new(Arc::new(behaviour)),
            limiter: Mutex::default(),
            target: Mutex::new(Arc::new(WebhookTarget::new(webhook)?)),
            clock_ahead: AtomicI64::new(0),
            started: Instant::now(),
            tasks: Mutex::default(),
            runtime: Handle::current(),
            delivery_changed: watch::Sender::new(()),
            releases: watch::Sender::new(0),
        })
    }

    /// People, tokens, objects. Keep the guard for as short as possible: every call waits for it.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// The log of calls.
    pub(crate) fn calls(&self) -> MutexGuard<'_, CallLog> {
        locked(&self.calls)
    }

    /// The faults to come.
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.faults)
    }

    /// Adds a fault for calls to come.
    pub(crate) fn add_fault(&self, mut fault: Fault) {
        fault.releases_before = *self.releases.borrow();
        self.faults().add(fault);
    }

    /// Waits until there were more releases than this.
    pub(crate) async fn released_since(&self, before: u64) {
        // The sender lives as long as this does: no error.
        let _ = self.releases.subscribe().wait_for(|releases| *releases > before).await;
    }

    /// Lets all calls go on that meet a held fault which was added before.
    pub(crate) fn release_held(&self) {
        self.releases.send_modify(|releases| *releases += 1);
    }

    /// The log of deliveries. Change a row by [`Self::update_delivery`], which wakes the waiting tasks.
    pub(crate) fn deliveries(&self) -> MutexGuard<'_, DeliveryLog> {
        locked(&self.deliveries)
    }

    /// The target of events as it is now.
    pub(crate) fn target(&self) -> Arc<WebhookTarget> {
        locked(&self.target).clone()
    }

    /// Replaces the target, also for retries of earlier deliveries.
    ///
    /// # Errors
    /// When the target can't be used. Then the former one stays.
    pub(crate) fn set_webhook(&self, webhook: &Webhook) -> Result<(), StartError> {
        *locked(&self.target) = Arc::new(WebhookTarget::new(webhook)?);
        Ok(())
    }

    /// The behaviour as it is now. Read it once in a call, so that the call sees one behaviour.
    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        locked(&self.behaviour).clone()
    }

    /// Replaces the behaviour by what `change` makes of it. Buckets of rate limits start full again.
    pub(crate) fn change_behaviour<E>(
        &self,
        change: impl FnOnce(&Behaviour) -> Result<Behaviour, E>,
    ) -> Result<Arc<Behaviour>, E> {
        let changed = {
            let mut behaviour = locked(&self.behaviour);
            *behaviour = Arc::new(change(&behaviour)?);
            behaviour.clone()
        };
        locked(&self.limiter).reset();
        Ok(changed)
    }

    /// Counts a call against the rate limits. Time is the steady clock and what the sandbox's clock was moved by.
    pub(crate) fn admit(&self, route: Option<Route>, token: Option<&str>) -> Result<(), OverLimit> {
        let behaviour = self.behaviour();
        if behaviour.rate_limits.is_empty() {
            return Ok(());
        }
        let now = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = now.saturating_add(self.clock_ahead.load(Ordering::Relaxed));
        locked(&self.limiter).admit(&behaviour.rate_limits, route, token, now)
    }

    /// Milliseconds since the epoch, by the sandbox's clock.
    pub(crate) fn now(&self) -> i64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let real = i64::try_from(real.as_millis()).unwrap_or(i64::MAX);
        real.saturating_add(self.clock_ahead.load(Ordering::Relaxed))
    }

    /// Moves the clock ahead from where it is.
    pub(crate) fn advance_clock(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let _ =
            self.clock_ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| Some(ahead.saturating_add(by)));
    }

    /// Sets the clock to so many seconds ahead of the machine's; negative is behind.
    pub(crate) fn set_clock_offset(&self, seconds: i64) {
        self.clock_ahead.store(seconds.saturating_mul(1000), Ordering::Relaxed);
    }

    /// The value of the `Date` header, where there is one.
    pub(crate) fn date_header(&self) -> Option<HeaderValue> {
        match &self.behaviour().date {
            DateHeader::Absent => None,
            DateHeader::Text { text } => text.parse().ok(),
            DateHeader::Clock | DateHeader::Offset { .. } => self.http_date(0)?.parse().ok(),
        }
    }

    /// An HTTP date, `seconds` from the one in the `Date` header.
    pub(crate) fn http_date(&self, seconds: i64) -> Option<String> {
        let offset = match self.behaviour().date {
            DateHeader::Offset { seconds } => seconds,
            _ => 0,
        };
        let second = self.now().div_euclid(1000).saturating_add(offset).saturating_add(seconds);
        DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::from_second(second).ok()?).ok()
    }

    /// Clock and settings for what is made now.
    pub(crate) fn issue_context(&self) -> IssueContext {
        IssueContext { now: self.now(), lifetime: self.settings.token_lifetime, behaviour: self.behaviour() }
    }

    /// Sends the event of an object, with a fresh token of its owner.
    pub(crate) fn send_event(self: &Arc<Self>, kind: EventKind, id: &str) -> Result<u64, NotFound> {
        self.send_event_of(kind, id, EventOrigin::default())
    }

    /// Sends the event of an object that a browser or a caller has just made.
    pub(crate) fn send_event_of(
        self: &Arc<Self>,
        kind: EventKind,
        id: &str,
        origin: EventOrigin<'_>,
    ) -> Result<u64, NotFound> {
        let context = self.issue_context();
        let shared = origin.token.filter(|_| context.behaviour.webhook_token == WebhookToken::SameAsBrowser);
        let token = {
            let mut world = self.world();
            let owner = object(&world, kind, id)?.owner.clone();
            shared.map_or_else(|| world.issue(owner.as_deref(), &context), str::to_owned)
        };
        let mut body = json!({
            "token": token,
            "event": kind.event(),
            "object": kind.object(),
            "id": id,
            "timestamp": context.seconds(),
        });
        let correlation_id = origin.correlation_id.filter(|_| context.behaviour.echo_correlation_id);
        if let (Some(correlation_id), Some(body)) = (correlation_id, body.as_object_mut()) {
            body.insert("correlation_id".to_owned(), json!(correlation_id));
        }
        Ok(self.send(kind, body.to_string().into(), None))
    }

    /// Starts a delivery of these bytes; gives its number. Needs no runtime of its caller: the task runs on the sandbox's.
    pub(crate) fn send(self: &Arc<Self>, kind: EventKind, body: Bytes, resend_of: Option<u64>) -> u64 {
        let number = self.deliveries().add(kind, body.clone(), resend_of);
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(sender::deliver(self.clone(), number, kind, body), &self.runtime);
        number
    }

    /// Sends a delivery again, as a new one: the same body, or with a fresh token and time where it has a token.
    pub(crate) fn resend(self: &Arc<Self>, number: u64, fresh: bool) -> Result<u64, NotFound> {
        let (delivery, body) = {
            let deliveries = self.deliveries();
            (deliveries.get(number).ok_or(NotFound)?, deliveries.body(number).ok_or(NotFound)?)
        };
        let body = if fresh { self.with_fresh_token(&delivery, &body).unwrap_or(body) } else { body };
        Ok(self.send(delivery.kind, body, Some(number)))
    }

    /// The body with a fresh token and time; none where its object is unknown.
    pub(crate) fn with_fresh_token(&self, delivery: &Delivery, body: &Bytes) -> Option<Bytes> {
        let mut body: Value = serde_json::from_slice(body).ok()?;
        let fields = body.as_object_mut()?;
        let context = self.issue_context();
        let token = {
            let mut world = self.world();
            let owner = object(&world, delivery.kind, &delivery.object_id).ok()?.owner.clone();
            world.issue(owner.as_deref(), &context)
        };
        fields.insert("token".to_owned(), json!(token));
        fields.insert("timestamp".to_owned(), json!(context.seconds()));
        Some(body.to_string().into())
    }

    /// Changes a delivery, and wakes the tasks that wait for one.
    pub(crate) fn update_delivery(&self, number: u64, change: impl FnOnce(&mut Delivery)) {
        self.deliveries().update(number, change);
        self.delivery_changed.send_replace(());
    }

    /// Holds every delivery made from now on before its first try.
    pub(crate) fn hold_deliveries(&self) {
        self.deliveries().hold();
    }

    /// Ends the hold, and lets go what it held.
    pub(crate) fn release_deliveries(&self) {
        self.deliveries().release_all();
        self.delivery_changed.send_replace(());
    }

    /// Lets go one held delivery. The hold stays for the others.
    pub(crate) fn release_delivery(&self, number: u64) -> Result<(), NotFound> {
        self.deliveries().release(number)?;
        self.delivery_changed.send_replace(());
        Ok(())
    }

    /// Waits until a delivery is not held, or is forgotten.
    pub(crate) async fn released(&self, number: u64) {
        let held = |delivery: &Delivery| delivery.state == DeliveryState::Held;
        // The row is gone only when it is one of too many; then there is nothing to wait for.
        let _ = self.delivery_when(number, |delivery| !held(delivery)).await;
    }

    /// Waits until a delivery looks as asked.
    pub(crate) async fn delivery_when(
        &self,
        number: u64,
        mut fits: impl FnMut(&Delivery) -> bool,
    ) -> Result<Delivery, NotFound> {
        // Subscribed before the first look, so that no change is missed.
        let mut changed = self.delivery_changed.subscribe();
        loop {
            let delivery = self.deliveries().get(number).ok_or(NotFound)?;
            if fits(&delivery) {
                return Ok(delivery);
            }
            // The sender lives as long as `self`.
            if changed.changed().await.is_err() {
                return Err(NotFound);
            }
        }
    }

    /// Ends every delivery under way.
    pub(crate) fn abort(&self) {
        locked(&self.tasks).abort_all();
    }
}

/// What an event may repeat of the check that caused it.
#[derive(Clone, Copy, Default)]
pub(crate) struct EventOrigin<'a> {
    /// The flow's correlation id, sent where the behaviour says so.
    pub(crate) correlation_id: Option<&'a str>,
    /// The token of the browser or caller, sent where the behaviour says so.
    pub(crate) token: Option<&'a str>,
}

/// Locks. A panic in another holder leaves nothing half done here: each change is one insert.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The object of an event.
fn object<'a>(world: &'a World, kind: EventKind, id: &str) -> Result<&'a StoredObject, NotFound> {
    let objects = match kind {
        EventKind::Verification => &world.verifications,
        EventKind::Authentication => &world.authentications,
    };
    objects.get(id).ok_or(NotFound)
}

// Below the usual limit of 1,024 open files, with room for the connections to the sandbox itself.
const SENDING_AT_ONCE: usize = 256;
