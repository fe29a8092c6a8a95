//! The handle: start, stop, addresses, people, tokens, objects. `webhooks` has the deliveries, `knobs` the
//! behaviour, `application` what an application under test needs.

mod application;
mod knobs;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::errors::{NotFound, StartError, StartErrorKind};
use crate::settings::Builder;
use crate::vendor::{Vendor, locked};
use crate::world::{Outcome, StoredObject, Verified};
use crate::{Call, Face, NewPerson, NewToken, Person, server};

pub use application::PassedFlow;

/// A running sandbox. Cheap to clone; it stops when the last clone is dropped, or at [`stop`](Self::stop).
///
/// ```
/// use incode_sandbox::{Fault, NewPerson, Route, Sandbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().start().await?;
/// let ana = sandbox.add_person(NewPerson::named("Ana Flores"));
/// sandbox.verify(&ana.identity_id)?;
/// sandbox.add_fault(Fault::status(503).on(Route::Userinfo)); // the next call of userinfo fails
/// # sandbox.stop().await;
/// # Ok(())
/// # }
/// ```
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
        let mut settings = builder.settings;
        if !builder.bind.ip().is_unspecified() {
            settings.allowed_hosts.push(builder.bind.ip().to_string());
        }
        let vendor = Arc::new(Vendor::new(settings, &builder.webhook, builder.behaviour)?);
        let listener = tokio::net::TcpListener::bind(builder.bind).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (stopping, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listener, vendor.clone(), stopped));
        Ok(Self { running: Arc::new(Running { vendor, address, stopping, task: Mutex::new(Some(task)) }) })
    }

    /// Stops it for all clones: no new connection, a second for the calls under way, then every connection is cut.
    pub async fn stop(&self) {
        self.running.stopping.send_replace(true);
        self.running.vendor.abort();
        let task = locked(&self.running.task).take();
        if let Some(task) = task {
            // A server task that panicked has ended too.
            let _ = task.await;
        }
    }

    /// The address it listens on.
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

    /// The `client_id` that starts the hosted flow.
    pub fn client_id(&self) -> &str {
        &self.vendor().settings.client_id
    }

    /// Adds a person, or replaces the one of that id. Not enrolled until a verification passes.
    pub fn add_person(&self, new: NewPerson) -> Person {
        self.vendor().world().add(new)
    }

    /// One person.
    ///
    /// # Errors
    /// When no person has that id.
    pub fn person(&self, identity_id: &str) -> Result<Person, NotFound> {
        Ok(self.vendor().world().record(identity_id)?.snapshot())
    }

    /// All people, in the order of their arrival.
    pub fn people(&self) -> Vec<Person> {
        self.vendor().world().people().map(|record| record.snapshot()).collect()
    }

    /// Merges JSON (RFC 7396) into a person's userinfo.
    ///
    /// # Errors
    /// When no person has that id.
    pub fn update_person(&self, identity_id: &str, patch: &Value) -> Result<Person, NotFound> {
        self.vendor().world().update(identity_id, patch)
    }

    /// Sets the `status` in userinfo to `REVOKED`. As at the vendor, no event announces it.
    ///
    /// # Errors
    /// When no person has that id.
    pub fn revoke(&self, identity_id: &str) -> Result<Person, NotFound> {
        self.vendor().world().set_status(identity_id, "REVOKED")
    }

    /// Sets the `status` in userinfo to `ACTIVE`.
    ///
    /// # Errors
    /// When no person has that id.
    pub fn activate(&self, identity_id: &str) -> Result<Person, NotFound> {
        self.vendor().world().set_status(identity_id, "ACTIVE")
    }

    /// A verification that passed, and a token; sends no event.
    ///
    /// # Errors
    /// When no person has that id.
    pub fn verify(&self, identity_id: &str) -> Result<Verified, NotFound> {
        self.verify_as(identity_id, Outcome::Pass)
    }

    /// A verification with this outcome, and a token; sends no event.
    ///
    /// # Errors
    /// When no person has that id.
    pub fn verify_as(&self, identity_id: &str, outcome: Outcome) -> Result<Verified, NotFound> {
        let context = self.vendor().issue_context();
        self.vendor().world().verify(identity_id, outcome, &context)
    }

    /// Ends a verification that is pending, or changes the outcome of another one. Its `createdAt` stays; sends no event.
    ///
    /// ```
    /// use incode_sandbox::{NewPerson, Outcome, Sandbox};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sandbox = Sandbox::builder().start().await?;
    /// let ana = sandbox.add_person(NewPerson::named("Ana Flores").status("PENDING"));
    /// let check = sandbox.verify_as(&ana.identity_id, Outcome::Pending)?;
    /// assert_eq!(sandbox.person(&ana.identity_id)?.status, "PENDING");
    /// sandbox.complete_verification(&check.verification_id, Outcome::Pass)?;
    /// assert_eq!(sandbox.person(&ana.identity_id)?.status, "ACTIVE");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no such verification.
    pub fn complete_verification(&self, verification_id: &str, outcome: Outcome) -> Result<(), NotFound> {
        self.vendor().world().complete(verification_id, outcome)
    }

    /// Serves this JSON verbatim as the verification `id`, to the tokens of `owner`; without an owner, to any live token.
    /// A status of `VERIFIED` enrols the owner.
    pub fn seed_verification(&self, id: impl Into<String>, owner: Option<&str>, body: Value) {
        self.vendor().world().seed_verification(id.into(), owner.map(str::to_owned), body);
    }

    /// Serves this JSON verbatim as the authentication `id`, to the tokens of `owner`; without an owner, to any live token.
    pub fn seed_authentication(&self, id: impl Into<String>, owner: Option<&str>, body: Value) {
        let object = StoredObject { owner: owner.map(str::to_owned), body };
        self.vendor().world().authentications.insert(id.into(), object);
    }

    /// Makes this text a token of the person, for this long. The person need not exist; then userinfo answers 404.
    pub fn seed_token(&self, token: impl Into<String>, owner: Option<&str>, lifetime: Duration) {
        let now = self.vendor().now();
        self.vendor().world().seed_token(token.into(), owner.map(str::to_owned), now, lifetime);
    }

    /// A fresh token of the person.
    pub fn issue_token(&self, identity_id: &str) -> String {
        let context = self.vendor().issue_context();
        self.vendor().world().issue(Some(identity_id), &context)
    }

    /// A token with times and claims of your choice: issued before a flow began, or for another client.
    ///
    /// The behaviour's [`token_claims`](crate::Behaviour::token_claims) are added first, the token's own claims then.
    pub fn mint_token(&self, token: NewToken) -> String {
        let context = self.vendor().issue_context();
        self.vendor().world().mint(token, &context)
    }

    /// Ends every token issued so far.
    pub fn expire_tokens(&self) {
        self.vendor().world().expire_tokens();
    }

    /// Moves the sandbox's clock ahead. Tokens age, rate limits fill, and new times (`createdAt`, `timestamp`, `iat`,
    /// `Date`) lie in the future.
    pub fn advance_clock(&self, by: Duration) {
        self.vendor().advance_clock(by);
    }

    /// Sets the sandbox's clock to so many seconds ahead of the machine's; negative is behind.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.vendor().set_clock_offset(seconds);
    }

    /// The faces of enrolled people, then the ones that never pass: a stranger, a mask, dark glasses, a photo on a phone.
    pub fn faces(&self) -> Vec<Face> {
        self.vendor().world().faces()
    }

    /// The calls of the API so far (the last 20,000).
    pub fn calls(&self) -> Vec<Call> {
        self.vendor().calls().all()
    }

    /// Forgets the calls recorded so far.
    pub fn clear_calls(&self) {
        self.vendor().calls().clear();
    }

    /// The number of calls of each path.
    pub fn call_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls() {
            *counts.entry(call.path).or_default() += 1;
        }
        counts
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

/// Shared by the handles. No task holds it, so it is dropped with the last handle.
struct Running {
    vendor: Arc<Vendor>,
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    /// The server. Taken out by the first call of `stop`, which then waits for its end.
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
