//! The handle.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::deliveries::{Delivery, DeliveryState, EventKind};
use crate::errors::{NotFound, StartError, StartErrorKind};
use crate::settings::{Builder, Webhook};
use crate::vendor::{Vendor, locked};
use crate::world::{Object, Outcome, Verified};
use crate::{Call, Face, Fault, NewPerson, Person, server};

/// A running sandbox. Cheap to clone; it stops when the last clone is dropped, or at [`stop`](Self::stop).
#[derive(Clone)]
pub struct Sandbox {
    running: Arc<Running>,
}

impl Sandbox {
    /// Settings to start one with.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) async fn start(builder: Builder) -> Result<Self, StartError> {
        let bind = |error| StartError::with(StartErrorKind::Bind, error);
        let vendor = Arc::new(Vendor::new(builder.settings, &builder.webhook)?);
        let listener = tokio::net::TcpListener::bind(builder.bind).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (stopping, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listener, vendor.clone(), stopped));
        Ok(Self { running: Arc::new(Running { vendor, address, stopping, task: Mutex::new(Some(task)) }) })
    }

    /// Ends it for all clones: no new connection, a second for the calls under way, then everything is cut off.
    pub async fn stop(&self) {
        self.running.stopping.send_replace(true);
        self.running.vendor.abort();
        let task = locked(&self.running.task).take();
        if let Some(task) = task {
            // A server task that panicked has ended too.
            let _ = task.await;
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Base URL of the vendor API (the `INCODE_HOST` of the spec), without a trailing slash.
    pub fn url(&self) -> String {
        let mut address = self.running.address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() });
        }
        format!("http://{address}")
    }

    /// Base URL of the hosted web flow.
    pub fn web_url(&self) -> String {
        format!("{}/", self.url())
    }

    /// The control page.
    pub fn control_url(&self) -> String {
        format!("{}/control", self.url())
    }

    /// The `x-api-key` that calls must carry.
    pub fn api_key(&self) -> &str {
        &self.vendor().settings.api_key
    }

    /// The `client_id` the hosted flow is started with.
    pub fn client_id(&self) -> &str {
        &self.vendor().settings.client_id
    }

    /// Sets where events go from now on, retries of earlier ones included.
    ///
    /// # Errors
    /// When a URL, header or secret can't be used; then the former setting stays.
    pub fn set_webhook(&self, webhook: Webhook) -> Result<(), StartError> {
        self.vendor().set_webhook(&webhook)
    }

    /// Adds a person, or replaces the one of that id. Not enrolled until a verification passes.
    pub fn add_person(&self, new: NewPerson) -> Person {
        self.vendor().world().add(new)
    }

    /// One person.
    ///
    /// # Errors
    /// When nobody has that id.
    pub fn person(&self, identity_id: &str) -> Result<Person, NotFound> {
        Ok(self.vendor().world().row(identity_id)?.snapshot())
    }

    /// Everybody, in the order of their arrival.
    pub fn people(&self) -> Vec<Person> {
        self.vendor().world().people().map(|row| row.snapshot()).collect()
    }

    /// Merges JSON (RFC 7396) into what userinfo says of a person.
    ///
    /// # Errors
    /// When nobody has that id.
    pub fn update_person(&self, identity_id: &str, patch: &Value) -> Result<Person, NotFound> {
        self.vendor().world().update(identity_id, patch)
    }

    /// Makes userinfo say `REVOKED`. As at the vendor, nothing announces it.
    ///
    /// # Errors
    /// When nobody has that id.
    pub fn revoke(&self, identity_id: &str) -> Result<Person, NotFound> {
        self.vendor().world().set_status(identity_id, "REVOKED")
    }

    /// Makes userinfo say `ACTIVE`.
    ///
    /// # Errors
    /// When nobody has that id.
    pub fn activate(&self, identity_id: &str) -> Result<Person, NotFound> {
        self.vendor().world().set_status(identity_id, "ACTIVE")
    }

    /// A verification that passed, and a token; sends no event.
    ///
    /// # Errors
    /// When nobody has that id.
    pub fn verify(&self, identity_id: &str) -> Result<Verified, NotFound> {
        self.verify_as(identity_id, Outcome::Pass)
    }

    /// A verification with this outcome, and a token; sends no event.
    ///
    /// # Errors
    /// When nobody has that id.
    pub fn verify_as(&self, identity_id: &str, outcome: Outcome) -> Result<Verified, NotFound> {
        let now = self.vendor().now();
        self.vendor().world().verify(identity_id, outcome, now, self.vendor().lifetime())
    }

    /// Serves this JSON verbatim as the verification `id`: to the tokens of `owner`, or to any live token when none.
    /// One that says `VERIFIED` enrols its owner.
    pub fn seed_verification(&self, id: impl Into<String>, owner: Option<&str>, body: Value) {
        self.vendor().world().seed_verification(id.into(), owner.map(str::to_owned), body);
    }

    /// Serves this JSON verbatim as the authentication `id`: to the tokens of `owner`, or to any live token when none.
    pub fn seed_authentication(&self, id: impl Into<String>, owner: Option<&str>, body: Value) {
        let object = Object { owner: owner.map(str::to_owned), body };
        self.vendor().world().authentications.insert(id.into(), object);
    }

    /// Makes this text a token of the person for so long. The person need not exist (then userinfo answers 404).
    pub fn seed_token(&self, token: impl Into<String>, owner: Option<&str>, lifetime: Duration) {
        let now = self.vendor().now();
        self.vendor().world().seed_token(token.into(), owner.map(str::to_owned), now, lifetime);
    }

    /// A fresh token of the person.
    pub fn issue_token(&self, identity_id: &str) -> String {
        let now = self.vendor().now();
        self.vendor().world().issue(Some(identity_id), now, self.vendor().lifetime())
    }

    /// Every token issued so far is dead from now on.
    pub fn expire_tokens(&self) {
        self.vendor().world().expire_tokens();
    }

    /// Moves the sandbox's clock ahead: tokens age, and new times (`createdAt`, `timestamp`, `iat`) lie in the future.
    pub fn advance_clock(&self, by: Duration) {
        self.vendor().advance_clock(by);
    }

    /// Sends `verification.completed` for a verification the sandbox has, with a fresh token; gives the delivery's number.
    ///
    /// # Errors
    /// When there is no such verification.
    pub fn send_verification(&self, verification_id: &str) -> Result<u64, NotFound> {
        self.vendor().send_event(EventKind::Verification, verification_id, None)
    }

    /// Sends `authentication.completed` for an authentication the sandbox has, with a fresh token.
    ///
    /// # Errors
    /// When there is no such authentication.
    pub fn send_authentication(&self, authentication_id: &str) -> Result<u64, NotFound> {
        self.vendor().send_event(EventKind::Authentication, authentication_id, None)
    }

    /// Sends any JSON, authenticated as set; an `event` that begins with `authentication` goes to that URL.
    pub fn send(&self, body: &Value) -> u64 {
        self.send_bytes(EventKind::of(body), body.to_string())
    }

    /// Sends any bytes, authenticated as set.
    pub fn send_bytes(&self, kind: EventKind, body: impl Into<Vec<u8>>) -> u64 {
        self.vendor().send(kind, body.into().into(), None)
    }

    /// Sends a delivery again as a new one, with the same body.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn resend(&self, number: u64) -> Result<u64, NotFound> {
        self.vendor().resend(number, false)
    }

    /// Sends a delivery again as a new one, with a fresh token and time.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn resend_with_fresh_token(&self, number: u64) -> Result<u64, NotFound> {
        self.vendor().resend(number, true)
    }

    /// Everything sent so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.vendor().ledger().all()
    }

    /// One delivery.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn delivery(&self, number: u64) -> Result<Delivery, NotFound> {
        self.vendor().ledger().get(number).ok_or(NotFound)
    }

    /// The bytes a delivery sends, its token included.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn delivery_body(&self, number: u64) -> Result<Vec<u8>, NotFound> {
        self.vendor().ledger().body(number).map(|body| body.to_vec()).ok_or(NotFound)
    }

    /// Waits until a delivery is accepted, given up, or without a target.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub async fn settled(&self, number: u64) -> Result<Delivery, NotFound> {
        self.delivery_when(number, |delivery| delivery.state != DeliveryState::Pending).await
    }

    /// Waits until a delivery looks as asked.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub async fn delivery_when(
        &self,
        number: u64,
        mut fits: impl FnMut(&Delivery) -> bool,
    ) -> Result<Delivery, NotFound> {
        let mut moved = self.vendor().watch_deliveries();
        loop {
            moved.borrow_and_update();
            let delivery = self.delivery(number)?;
            if fits(&delivery) {
                return Ok(delivery);
            }
            // The sender lives as long as `self`.
            if moved.changed().await.is_err() {
                return Err(NotFound);
            }
        }
    }

    /// Everybody enrolled, then the faces that never pass: a stranger, a mask, dark glasses, a photo on a phone.
    pub fn faces(&self) -> Vec<Face> {
        self.vendor().world().faces()
    }

    /// What was asked of the API so far (the last 20,000).
    pub fn calls(&self) -> Vec<Call> {
        self.vendor().calls().all()
    }

    /// Forgets the calls recorded so far.
    pub fn clear_calls(&self) {
        self.vendor().calls().clear();
    }

    /// How many calls each path got.
    pub fn call_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls() {
            *counts.entry(call.path).or_default() += 1;
        }
        counts
    }

    /// Adds a fault for calls to come. Several for one route come one after the other.
    pub fn add_fault(&self, fault: Fault) {
        self.vendor().faults().add(fault);
    }

    /// Forgets the faults not met yet.
    pub fn clear_faults(&self) {
        self.vendor().faults().clear();
    }

    fn vendor(&self) -> &Arc<Vendor> {
        &self.running.vendor
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("address", &self.running.address).finish_non_exhaustive()
    }
}

/// What the handles share. No task holds it, so its drop means that nobody is left.
struct Running {
    vendor: Arc<Vendor>,
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.vendor.abort();
        if let Some(task) = locked(&self.task).take() {
            task.abort();
        }
    }
}
