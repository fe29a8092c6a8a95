use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use incode_core::client::Client;
use incode_core::flow::{FaceScope, HostedFlow};
use incode_core::gate::SubjectSource;
use incode_core::identity::Identity;
use incode_core::model::{EventKind, Face, FaceAuthenticationRequest};
use incode_core::store::{EventFilter, EventRow, EventState, InboxCounts, NewEvent};
use incode_core::testing::ManualClock;
use incode_core::testing::signer::{OAuthClient, Signer};
use incode_core::testing::with_token;
use incode_core::webhook::{Authenticity, ClientCredentials, HmacScheme};
use incode_core::{Builder, Clock, IdentityId, Incode, ObjectId, Secret, Subject, SystemClock, Token};
use incode_sandbox::{Fault, NewPerson, Person, Sandbox, Verified, Webhook, WebhookAuth};
use serde_json::{Value, json};

use crate::{Adapter, Call, Response, Served, Shape, get, post};

/// How deliveries prove where they come from, on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// [`SECRET`] in [`HEADER`].
    Header,
    /// A signature in [`SIGNATURE`].
    Hmac,
    /// Nothing.
    FetchBack,
    /// Standard Webhooks, with [`WHSEC`].
    StandardWebhooks,
    /// A bearer token, which [`CLIENT_ID`] gets for [`SECRET`].
    OAuth,
}

/// A world to be started.
#[must_use]
pub struct Plan {
    adapter: Adapter,
    auth: Auth,
    sandbox: incode_sandbox::Builder,
    adjust: Box<dyn FnOnce(Builder) -> Builder + Send>,
    shape: fn(Incode) -> Shape,
    /// A callback links only when the check of its flow passed, as in production.
    checks: bool,
    /// How long one attempt at the vendor may take.
    patience: Duration,
    clock: Option<ManualClock>,
}

/// Sandbox, incode and server, joined.
#[derive(Debug)]
pub struct World {
    /// The stand-in vendor.
    pub sandbox: Sandbox,
    /// What is tested, in the same process.
    pub incode: Incode,
    /// Where its server listens.
    pub address: SocketAddr,
    signer: Option<Signer>,
    clock: Option<ManualClock>,
    _served: Served,
}

impl Plan {
    /// A header secret, subjects from `x-user`, everything in memory; the vendor sends nothing by itself.
    pub fn new(adapter: Adapter) -> Self {
        let sandbox = Sandbox::builder().automatic_events(false).time_scale(0.001);
        Self {
            adapter,
            auth: Auth::Header,
            sandbox,
            adjust: Box::new(|builder| builder),
            shape: Shape::Layered,
            checks: false,
            patience: Duration::from_secs(15),
            clock: None,
        }
    }

    /// Gives the vendor up after two seconds, for tests whose vendor never answers. All others wait longer than a busy
    /// machine needs.
    pub fn impatient(mut self) -> Self {
        self.patience = Duration::from_secs(2);
        self
    }

    /// A clock that stands still: a failed event is not tried again before [`World::settles`] or
    /// [`World::until_next_try`], so that a test can look at it in between.
    pub fn stopped_clock(mut self) -> Self {
        let clock = ManualClock::new(SystemClock.now());
        self.clock = Some(clock.clone());
        self.incode(move |builder| builder.clock(clock))
    }

    /// Another way to prove where deliveries come from.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Other settings of the sandbox.
    pub fn sandbox(mut self, adjust: impl FnOnce(incode_sandbox::Builder) -> incode_sandbox::Builder) -> Self {
        self.sandbox = adjust(self.sandbox);
        self
    }

    /// Other settings of incode.
    pub fn incode(mut self, adjust: impl FnOnce(Builder) -> Builder + Send + 'static) -> Self {
        let before = self.adjust;
        self.adjust = Box::new(|builder| adjust(before(builder)));
        self
    }

    /// Links on a callback only when the check of its flow passed, as an application does by default.
    pub fn with_checks(mut self) -> Self {
        self.checks = true;
        self
    }

    /// Something else around the app than the layer alone.
    pub fn shape(mut self, shape: fn(Incode) -> Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Starts all three.
    pub async fn start(self) -> World {
        let sandbox = self.sandbox.start().await.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (authenticity, sent) = (self.auth.policy(), self.auth.sent_to(address));
        sandbox.set_webhook(Webhook::to(format!("http://{address}/incode/webhook")).auth(sent)).unwrap();
        let client = Client::builder(&sandbox.url(), sandbox.api_key())
            .attempt_timeout(self.patience)
            .call_timeout(self.patience * 3 / 2)
            .retries(0)
            .build()
            .unwrap();
        let public = format!("http://{address}");
        let flow = HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), &public, Secret::from(FLOW_SECRET));
        let builder = Incode::builder()
            .client(client)
            .webhook_authenticity(authenticity)
            .subjects(SubjectSource::trusted_header("x-user"))
            .hosted_flow(flow.unwrap())
            .callback_wait(Duration::ZERO)
            // The sandbox has one picture for each face, and a test asks as often as it likes. Tests of limits set their own.
            .same_face_image_after(Duration::ZERO)
            .face_limit(5, Duration::ZERO)
            .callback_limit(8, Duration::ZERO)
            .memory();
        // A test about something else links people without a check; tests of the flow itself ask for one.
        let builder = if self.checks { builder } else { builder.trust_userinfo_alone() };
        let incode = (self.adjust)(builder).build().await.unwrap();
        let served = self.adapter.serve_as(listener, (self.shape)(incode.clone())).await;
        let signer = self.auth.signer(address).await;
        World { sandbox, incode, address, signer, clock: self.clock, _served: served }
    }
}

impl World {
    /// As [`Plan::new`] has it.
    pub async fn start(adapter: Adapter) -> Self {
        Plan::new(adapter).start().await
    }

    /// Sends a request to the server.
    pub async fn send(&self, call: Call) -> Response {
        call.send(self.address).await
    }

    /// GET as this user.
    pub async fn get(&self, user: &str, target: &str) -> Response {
        self.send(get(target).user(user)).await
    }

    /// The status a gated path gives this user.
    pub async fn status(&self, user: &str, target: &str) -> u16 {
        let call = if target == "/transfer" { post(target).body("") } else { get(target) };
        self.send(call.user(user)).await.status
    }

    /// What `/open` says of this user's standing.
    pub async fn standing(&self, user: &str) -> String {
        self.get(user, "/open").await.json()["standing"].as_str().unwrap().to_owned()
    }

    /// A delivery of these bytes, authenticated as agreed, to the usual route.
    pub fn delivery(&self, body: impl AsRef<[u8]>) -> Call {
        self.authentic(post("/incode/webhook"), body.as_ref()).body(body)
    }

    /// Adds what makes a delivery of `body` authentic.
    pub fn authentic(&self, call: Call, body: &[u8]) -> Call {
        let headers = self.signer.iter().flat_map(|signer| signer.headers(body));
        headers.fold(call, |call, (name, value)| call.header(&name, value))
    }

    /// Delivers, and insists on 204 with nothing in it.
    pub async fn deliver(&self, event: &Value) {
        let response = self.send(self.delivery(event.to_string())).await;
        assert_eq!(response.essence(), ACKNOWLEDGED);
    }

    /// A person at the vendor, ACTIVE, whose email follows from the name.
    pub fn person(&self, name: &str) -> Person {
        self.sandbox.add_person(NewPerson::named(name))
    }

    /// Links a user to an identity through start and callback, past the hosted page.
    pub async fn link(&self, user: &str, identity_id: &str) {
        let token = self.sandbox.issue_token(identity_id);
        let response = self.come_back(user, &self.start_flow(user).await, &token).await;
        assert_eq!(response.status, 303, "{response:?}");
    }

    /// The correlation id of a flow that this user starts now.
    pub async fn start_flow(&self, user: &str) -> String {
        let response = self.get(user, "/incode/start?return_to=/vault").await;
        let page = url::Url::parse(response.header("location").unwrap()).unwrap();
        let (_, id) = page.query_pairs().find(|(name, _)| name == "correlation_id").unwrap();
        id.into_owned()
    }

    /// The callback with these two.
    pub async fn come_back(&self, user: &str, correlation_id: &str, token: &str) -> Response {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("correlation_id", correlation_id)
            .finish();
        self.get(user, &format!("/incode/callback?{query}")).await
    }

    /// Face authentication with the face of this person.
    pub async fn authenticate(&self, user: &str, image: &str) -> incode_core::flow::FaceOutcome {
        let request = FaceAuthenticationRequest { face: Face::Base64Image(image.to_owned()), source: None };
        self.incode.authenticate(FaceScope::new(Subject::new(user).unwrap()), &request).await.unwrap()
    }

    /// The picture that passes as this person, who has been verified.
    pub fn face_of(&self, identity_id: &str) -> String {
        let faces = self.sandbox.faces();
        let face = faces.iter().find(|face| face.identity_id.as_deref() == Some(identity_id));
        face.expect("verified before").base64_image.clone()
    }

    /// A fault for vendor calls to come.
    pub fn fault(&self, fault: Fault) {
        self.sandbox.add_fault(fault);
    }

    /// The stored identity.
    pub async fn identity(&self, identity_id: &str) -> Option<Identity> {
        self.incode.identity(&IdentityId::new(identity_id).unwrap()).await.unwrap()
    }

    /// Events by state.
    pub async fn counts(&self) -> InboxCounts {
        self.incode.inbox_counts().await.unwrap()
    }

    /// All events, newest first.
    pub async fn events(&self) -> Vec<EventRow> {
        self.incode.inbox_events(EventFilter::default()).await.unwrap()
    }

    /// Waits until an attempt at the newest event has failed, and returns the event.
    ///
    /// # Panics
    /// When the clock does not stand still: the next attempt could succeed before the test looks.
    pub async fn fails_once(&self) -> EventRow {
        self.clock();
        eventually("an attempt fails", async || self.events().await[0].reason.is_some()).await;
        self.events().await.remove(0)
    }

    /// The clock that stands still.
    ///
    /// # Panics
    /// When the plan has none.
    pub fn clock(&self) -> &ManualClock {
        self.clock.as_ref().expect("a plan with stopped_clock()")
    }

    /// Lets time go by on the stopped clock.
    pub fn pass(&self, span: Duration) {
        self.clock().advance(span);
    }

    /// Moves a stopped clock to when all that failed is tried again.
    pub async fn until_next_try(&self) {
        let Some(clock) = &self.clock else { return };
        let failed =
            self.events().await.into_iter().filter(|row| row.state == EventState::Pending && row.reason.is_some());
        if let Some(due) = failed.filter_map(|row| row.due_at).max() {
            clock.advance(due.since(clock.now()));
        }
    }

    /// Waits until nothing is pending and so many events are done, dead and ignored.
    pub async fn settles(&self, done: u64, dead: u64, ignored: u64) {
        eventually("the inbox settles", async || {
            self.until_next_try().await;
            let counts = self.counts().await;
            (counts.pending, counts.done, counts.dead, counts.ignored) == (0, done, dead, ignored)
        })
        .await;
    }

    /// The reason of the one dead event.
    pub async fn died_of(&self) -> &'static str {
        self.settles(0, 1, 0).await;
        self.events().await[0].reason.unwrap().as_str()
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("adapter", &self.adapter).finish_non_exhaustive()
    }
}

/// Polls until it is so. It fails only after minutes: longer than any schedule of ours, and than a busy machine needs.
///
/// # Panics
/// When it is not so in time.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let (begun, patience) = (std::time::Instant::now(), patience());
    while !is_so().await {
        assert!(begun.elapsed() < patience, "not so after {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How long to wait for what should become so: three minutes, for a busy machine. `INCODE_TEST_PATIENCE` has other seconds,
/// for runs without a guard, where it does not become so.
fn patience() -> Duration {
    let seconds = std::env::var("INCODE_TEST_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(180))
}

/// A payload of the vendor's document.
pub fn fixture(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../incode-core/fixtures").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl Auth {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Header, Self::Hmac, Self::FetchBack, Self::StandardWebhooks, Self::OAuth];

    /// Our side.
    pub fn policy(self) -> Authenticity {
        let secret = || Secret::from(SECRET);
        match self {
            Self::FetchBack => Authenticity::fetch_back(),
            Self::Header => Authenticity::header(HEADER, [secret()]).unwrap(),
            Self::Hmac => Authenticity::hmac(HmacScheme::incode_signature([secret()]).unwrap()),
            Self::StandardWebhooks => Authenticity::hmac(HmacScheme::standard_webhooks([Secret::from(WHSEC)]).unwrap()),
            Self::OAuth => {
                let signing = Secret::from(FLOW_SECRET);
                Authenticity::oauth(ClientCredentials::new(CLIENT_ID, [secret()], [signing]).unwrap())
            }
        }
    }

    /// The vendor's side.
    fn sent_to(self, address: SocketAddr) -> WebhookAuth {
        match self {
            Self::FetchBack => WebhookAuth::None,
            Self::Header => WebhookAuth::Header { name: HEADER.into(), secret: SECRET.into() },
            Self::Hmac => WebhookAuth::Hmac { header: SIGNATURE.into(), secret: SECRET.into() },
            Self::StandardWebhooks => WebhookAuth::StandardWebhooks { secret: WHSEC.into() },
            Self::OAuth => WebhookAuth::ClientCredentials {
                token_url: format!("http://{address}/incode/token"),
                client_id: CLIENT_ID.into(),
                client_secret: SECRET.into(),
            },
        }
    }

    /// The side of a test that delivers by itself.
    async fn signer(self, address: SocketAddr) -> Option<Signer> {
        match self {
            Self::FetchBack => None,
            Self::Header => Some(Signer::header(HEADER, SECRET.into())),
            Self::Hmac => Some(Signer::hmac(SIGNATURE, SECRET.into())),
            Self::StandardWebhooks => Some(Signer::standard_webhooks(&WHSEC.into())),
            Self::OAuth => {
                let answer = ask_for_token(CLIENT_ID, SECRET).send(address).await;
                let token = OAuthClient::token(&answer.body);
                Some(Signer::bearer(&token.unwrap_or_else(|| panic!("no token: {answer:?}"))))
            }
        }
    }
}

/// What the vendor asks a token endpoint, to the letter.
pub fn ask_for_token(client_id: &str, secret: &str) -> Call {
    let client = OAuthClient::new(client_id, secret.into());
    let call = client.headers().iter().fold(post("/incode/token"), |call, (name, value)| call.header(name, value));
    call.body(client.body())
}

/// An event of the spec's form.
pub fn event(kind: &str, id: &str, token: &str) -> Value {
    let object = kind.split('.').next().unwrap();
    // The second that begins next: no older than what it is about, whose time is in milliseconds.
    let timestamp = SystemClock.now().as_millis() / 1_000 + 1;
    json!({ "token": token, "event": kind, "object": object, "id": id, "timestamp": timestamp })
}

/// The row of such an event, for a store that gets it without a notice to any worker.
pub fn row(verified: &Verified) -> NewEvent {
    let token = Token::new(verified.token.as_str()).unwrap();
    let event = NewEvent {
        kind: EventKind::Verification,
        object_id: Some(ObjectId::new(verified.verification_id.as_str()).unwrap()),
        token: Vec::new(),
        token_hash: token.hash(),
        correlation_id: None,
        vendor_time: None,
        received_at: SystemClock.now(),
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    };
    with_token(event, &token, &Secret::from(FLOW_SECRET))
}

/// [`Response::essence`] of the answer to a delivery that was taken: no body, and no type of one.
pub const ACKNOWLEDGED: &str = "204\nx-outer: seen\n\n";
/// The secret that deliveries carry or are signed with.
pub const SECRET: &str = "conformance-secret-0123456789";
/// The header of the secret.
pub const HEADER: &str = "x-incode-secret";
/// The header of the signature.
pub const SIGNATURE: &str = "x-incode-signature";
/// [`SECRET`], as Standard Webhooks has secrets.
pub const WHSEC: &str = "whsec_Y29uZm9ybWFuY2Utc2VjcmV0LTAxMjM0NTY3ODk=";
/// Who asks for tokens.
pub const CLIENT_ID: &str = "incode-conformance";
/// What correlation ids are sealed with, and tokens signed.
pub const FLOW_SECRET: &str = "conformance-flow-secret-0123456789abcdef";
