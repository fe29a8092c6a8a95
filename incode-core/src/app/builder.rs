mod deployment;
mod linking;
mod mount_at;
mod near_cache;
mod runtime;
mod secrets;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::Client;
use crate::flow::{ExpectedClaims, Flow, FlowLimits, HostedFlow, LimitSettings};
use crate::gate::{
    Audience, Context, LoginOrder, MonotonicAge, NearCache, NearSettings, Pages, SessionSource, SubjectSource,
};
use crate::http::{Problem, Reply};
use crate::identity::transition::Rules;
use crate::identity::{Directory, Field, Observer, Time};
use crate::inbox::{
    Applier, AtRest, ErasedRule, HandlerRunner, Handlers, IllegalHandler, Inbox, JobSettings, LateAttempts, Runner,
    Watchers, Worker, WorkerSettings,
};
use crate::model::EventKind;
use crate::store::{MemoryStore, OpenStore, Store};
use crate::webhook::{AddressSource, Authenticity, TokenEndpoint, Webhook};
use crate::{Clock, Secret, SystemClock};

use super::bearer::{self, Bearer, BearerTokens};
use super::changes::Feed;
use super::denials::Denials;
use super::listeners::{FlowCorrelations, Listeners};
use super::placement::Placement;
use super::{ConfigError, Incode, Mount, Shared, replicas};

pub use deployment::Deployment;

use secrets::{at_rest_keys, check_secrets};

/// Builds an [`Incode`]. Setters take what they are given; [`Builder::build`] says what does not work together.
///
/// ```
/// use std::time::Duration;
///
/// use incode_core::webhook::Authenticity;
/// use incode_core::{Builder, Incode, Secret, VerifiedSubject};
///
/// fn settings(webhook: Secret) -> Result<Builder, Box<dyn std::error::Error>> {
///     Ok(Incode::builder()
///         .webhook_authenticity(Authenticity::header("x-incode-secret", [webhook])?)
///         .webhook_path("/hooks/incode-5f2c91e07ab4")
///         .on_verified("open-account", async |person: VerifiedSubject| {
///             println!("open the account of {}", person.subject.as_str()); // called at least once
///             Ok(())
///         })
///         .inbox_retention(Duration::from_secs(7 * 24 * 3600))
///         .login_at("/login"))
/// }
/// # let _ = settings;
/// ```
#[must_use]
pub struct Builder {
    client: Option<Client>,
    authenticity: Option<Authenticity>,
    addresses: Option<AddressSource>,
    store: Option<StoreChoice>,
    store_keys: Vec<Secret>,
    keep: BTreeMap<Field, Duration>,
    subjects: SubjectSource,
    flow: Option<HostedFlow>,
    shared_identities: bool,
    link_by_webhook: bool,
    link_rule: Option<Box<dyn ErasedRule>>,
    pub(super) face_image_cap: usize,
    webhook_paths: Vec<(Box<str>, Option<EventKind>)>,
    start_path: Box<str>,
    callback_path: Box<str>,
    token_path: Box<str>,
    body_cap: Option<usize>,
    read_deadline: Option<Duration>,
    accept_deadline: Duration,
    near: NearSettings,
    worker: WorkerSettings,
    pub(super) handlers: Handlers,
    pub(super) jobs: JobSettings,
    claims: ExpectedClaims,
    trust_userinfo_alone: bool,
    callback_wait: Duration,
    clock: Option<Arc<dyn Clock>>,
    render: Option<Arc<crate::gate::Render>>,
    pub(super) denials: Denials,
    pub(super) bearer: Option<BearerTokens>,
    pub(super) sessions: Option<SessionSource>,
    pub(super) limits: LimitSettings,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            client: None,
            authenticity: None,
            addresses: None,
            store: None,
            store_keys: Vec::new(),
            keep: BTreeMap::new(),
            subjects: SubjectSource::extension(),
            flow: None,
            shared_identities: false,
            link_by_webhook: false,
            link_rule: None,
            face_image_cap: DEFAULT_FACE_IMAGE_CAP,
            webhook_paths: Vec::new(),
            start_path: "/incode/start".into(),
            callback_path: "/incode/callback".into(),
            token_path: "/incode/token".into(),
            body_cap: None,
            read_deadline: None,
            accept_deadline: Duration::from_secs(5),
            near: NearSettings::default(),
            worker: WorkerSettings::default(),
            handlers: Handlers::default(),
            jobs: JobSettings::default(),
            claims: ExpectedClaims::default(),
            trust_userinfo_alone: false,
            callback_wait: CALLBACK_WAIT,
            clock: None,
            render: None,
            denials: Denials::default(),
            bearer: None,
            sessions: None,
            limits: LimitSettings::default(),
        }
    }

    /// The client of the vendor's API. Required. Its [`call_timeout`](crate::client::ClientBuilder::call_timeout) is 90 s at
    /// most: a worker holds an event for two minutes.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// What shows that a delivery comes from the vendor. Required: no default would be safe for every application.
    pub fn webhook_authenticity(mut self, authenticity: Authenticity) -> Self {
        self.authenticity = Some(authenticity);
        self
    }

    /// How the address of a sender is found. It applies to every part of the authenticity policy, also of one that
    /// replaces it, and to the failures at the token endpoint, which are then counted for each address
    /// ([`TokenEndpoint`]). Unless set, a policy uses its own source, and the endpoint knows no address.
    pub fn addresses(mut self, source: AddressSource) -> Self {
        self.addresses = Some(source);
        self
    }

    /// A store of your own, or one that is open already. A store is required: this, `open_store` or `memory`.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(StoreChoice::Opened(Arc::new(store)));
        self
    }

    /// As [`store`](Self::store), for a store that the application goes on using itself.
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(StoreChoice::Opened(store));
        self
    }

    /// A store that is opened by [`Builder::build`], when everything else is known to be right: the options of an engine.
    pub fn open_store(mut self, options: impl OpenStore) -> Self {
        self.store = Some(StoreChoice::Options(Box::new(options)));
        self
    }

    /// Everything in memory, gone with the process: for tests.
    pub fn memory(self) -> Self {
        self.store(MemoryStore::default())
    }

    /// Seals tokens and retained personal fields at rest with this key, 32 bytes or more. Call it again for each older key,
    /// newest first: the first seals, each of them opens. Without it tokens are sealed with a key derived from the flow
    /// secret, or from the API key where there is no hosted flow.
    pub fn store_key(mut self, key: Secret) -> Self {
        self.store_keys.push(key);
        self
    }

    /// Keeps a personal field of every identity the vendor is asked about, sealed, for so long after it was last asked
    /// for; [`Incode::personal`] reads it. Call it once for each field: none is kept unless named. Needs a `store_key`.
    pub fn retain(mut self, field: Field, retention: Duration) -> Self {
        self.keep.insert(field, retention);
        self
    }

    /// Who asks. Unless set: the [`Subject`](crate::Subject) in the request extensions.
    pub fn subjects(mut self, source: SubjectSource) -> Self {
        self.subjects = source;
        self
    }

    /// Mounts start and callback of the hosted web flow.
    pub fn hosted_flow(mut self, flow: HostedFlow) -> Self {
        self.flow = Some(flow);
        self
    }

    /// Mounts the webhook route for both kinds of event here instead of at `/incode/webhook`. May be called again, for more.
    pub fn webhook_path(mut self, path: &str) -> Self {
        self.webhook_paths.push((path.into(), None));
        self
    }

    /// Mounts a webhook route that takes one kind of event and refuses the other, as the vendor may be given one URL for each.
    pub fn webhook_path_for(mut self, kind: EventKind, path: &str) -> Self {
        self.webhook_paths.push((path.into(), Some(kind)));
        self
    }

    /// Mounts start and callback elsewhere than at `/incode/start` and `/incode/callback`.
    pub fn flow_paths(mut self, start: &str, callback: &str) -> Self {
        self.start_path = start.into();
        self.callback_path = callback.into();
        self
    }

    /// Mounts the token endpoint elsewhere than at `/incode/token`. It is there while the policy of authenticity has an
    /// OAuth part ([`Authenticity::oauth`]).
    pub fn token_path(mut self, path: &str) -> Self {
        self.token_path = path.into();
        self
    }

    /// Largest delivery read, in bytes. 64 KiB unless set.
    pub fn webhook_body_cap(mut self, bytes: usize) -> Self {
        self.body_cap = Some(bytes);
        self
    }

    /// How long a delivery may take to arrive. 10 s unless set.
    pub fn webhook_read_deadline(mut self, deadline: Duration) -> Self {
        self.read_deadline = Some(deadline);
        self
    }

    /// How long the store may take to keep an event before the sender is answered "try again". 5 s unless set.
    pub fn accept_deadline(mut self, deadline: Duration) -> Self {
        self.accept_deadline = deadline;
        self
    }

    /// How long settled events are kept, and known as done: 30 days unless set, far beyond the vendor's own retries. A
    /// replay that is older meets a dead token.
    pub fn inbox_retention(mut self, retention: Duration) -> Self {
        self.worker.retention = retention;
        self
    }

    /// Most events asked about at the same time, in this process: 256 unless set. How many of them are depends on the
    /// vendor: the rate is raised until it answers 429 or slows down. Each event is two calls.
    pub fn worker_concurrency(mut self, events: u32) -> Self {
        self.worker.concurrency = events.max(1);
        self
    }

    /// The clock; tests bring their own. Unless set: the store's, if several processes share it and it has one, otherwise
    /// the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Renders rejections, denials and failed flows in the application's own way, wherever they arise; `None` keeps
    /// problem+json. Headers of the problem that the reply does not name are added to it: `Cache-Control: no-store`, and
    /// where they apply `Referrer-Policy`, `Retry-After`, `Allow`, `WWW-Authenticate`.
    pub fn render(mut self, render: impl Fn(&Problem, Audience) -> Option<Reply> + Send + Sync + 'static) -> Self {
        self.render = Some(Arc::new(render));
        self
    }

    pub(super) fn store_choice(mut self, choice: StoreChoice) -> Self {
        self.store = Some(choice);
        self
    }

    /// Opens the store and starts the worker on the current tokio runtime, which has to run as long as the server. Build
    /// once, before the server starts, and clone into it.
    ///
    /// # Errors
    /// [`ConfigError`] for what is missing or does not work.
    pub async fn build(self) -> Result<Incode, ConfigError> {
        let runtime = runtime::current()?;
        let client = self.client.ok_or(ConfigError::missing("client", "no API client is set"))?;
        if client.call_timeout() > LONGEST_CALL {
            return Err(ConfigError::new(
                "client",
                "a call may take over 90 s; another worker may have its event by then",
            ));
        }
        let authenticity = self
            .authenticity
            .ok_or(ConfigError::missing("webhook_authenticity", "not set; without it any sender could post events"))?;
        let choice = self.store.ok_or(ConfigError::missing("store", "no store is set"))?;
        if self.store_keys.iter().any(|key| key.expose().len() < 32) {
            return Err(ConfigError::insecure("store_key", "shorter than 32 bytes"));
        }
        let observer = Arc::new(observer(&self.store_keys, self.keep)?);
        let flow_secrets = self.flow.as_ref().map(|flow| flow.secrets.clone()).unwrap_or_default();
        let keys = at_rest_keys(&self.store_keys, &flow_secrets, &client);
        let at_rest = AtRest::new(&keys);
        if self.bearer.as_ref().is_some_and(|tokens| !tokens.is_legal()) {
            return Err(ConfigError::new(
                "bearer_tokens",
                "name at least one path; each begins with / and has no query",
            ));
        }
        let (pages, challenge, brand) = self.denials.check(self.bearer.is_some())?;
        self.handlers.check().map_err(|IllegalHandler(problem)| ConfigError::new("handler", problem))?;
        let mut webhook = Webhook::new(found_by(authenticity, self.addresses.as_ref()));
        if let Some(bytes) = self.body_cap {
            webhook = webhook.with_body_cap(bytes);
        }
        if let Some(deadline) = self.read_deadline {
            webhook = webhook.with_read_deadline(deadline);
        }
        let routes = webhook_routes(self.webhook_paths, &webhook).into_iter();
        let mut mounts: Vec<_> = routes.map(|(path, webhook)| (path, Mount::Webhook(Arc::new(webhook)))).collect();
        mounts.push((self.token_path, Mount::Token));
        let tokens = self.addresses.iter().cloned().fold(TokenEndpoint::new(), TokenEndpoint::with_address_source);
        let flow = self.flow.map(|hosted| Flow::new(hosted, &self.callback_path, self.callback_wait));
        if flow.is_some() {
            mounts.push((self.start_path.clone(), Mount::Start));
            mounts.push((self.callback_path.clone(), Mount::Callback));
        }
        check_paths(&mounts)?;
        let base = flow.as_ref().map(|flow| flow.base().to_owned()).unwrap_or_default();

        let store = choice.open().await?;
        check_secrets(&*store, &self.store_keys, &flow_secrets, &client).await?;
        let (stop, stopped) = watch::channel(false);
        let clock: Arc<dyn Clock> = self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock));
        let (time, received) = Time::of(self.clock);
        let context = Arc::new(Context {
            clock: Arc::clone(&clock),
            observer: Arc::clone(&observer),
            pages: Pages { base: base.clone(), start: flow.is_some().then(|| self.start_path.into()), ..pages },
            sessions: self.sessions,
            render: self.render,
            brand,
            challenge,
            aging: MonotonicAge::new(&clock),
            login_order: LoginOrder::new(self.subjects.reads_extension()),
            near: Default::default(),
        });
        let near = NearCache::new(Arc::clone(&store), Arc::clone(&context), self.near, runtime.clone());
        let inbox = Inbox::new(Arc::clone(&store), received, at_rest.clone(), self.accept_deadline);
        let handlers = Arc::new(self.handlers);
        let listeners =
            Arc::new(Listeners { near: Arc::clone(&near), feed: Feed::new(), handlers: Arc::clone(&handlers) });
        let rules = Rules {
            shared_identities: self.shared_identities,
            trust_userinfo_alone: self.trust_userinfo_alone,
            handlers_unknown: false,
            handlers: handlers.names(),
        };
        let directory = Directory::new(Arc::clone(&store), Arc::new(rules), time, Arc::clone(&listeners) as _);
        directory.learn_time().await;
        if let Some(feed) = store.feed() {
            near.bypass(true);
            runtime.spawn(replicas::follow(feed, Arc::clone(&listeners), stopped.clone()));
        }
        let bearer = self.bearer.map(|tokens| {
            let parts = bearer::Parts {
                client: client.clone(),
                directory: directory.clone(),
                observer: Arc::clone(&observer),
                context: Arc::clone(&context),
                near: Arc::clone(&near),
                claims: self.claims.clone(),
            };
            Bearer::new(tokens, parts)
        });
        let applier = Arc::new(Applier {
            client: client.clone(),
            directory: directory.clone(),
            observer: Arc::clone(&observer),
            correlations: Arc::new(FlowCorrelations { flow: flow.clone(), may_link: self.link_by_webhook }),
            link_rule: self.link_rule,
            at_rest,
            watchers: Watchers::default(),
            late: LateAttempts::default(),
        });
        let worker = Worker::new(Arc::clone(&inbox), Arc::clone(&applier), Arc::clone(&clock), self.worker);
        let worker = Runner { work: Arc::new(worker), settings: self.worker.runner, stop: stopped.clone() };
        let jobs = HandlerRunner::runners(&handlers, &directory, self.jobs, &stopped);
        let mut runners = vec![runtime.spawn(worker.run())];
        runners.extend(jobs.into_iter().map(|runner| runtime.spawn(runner.run())));
        Ok(Incode(Arc::new(Shared {
            placement: Placement::new(mounts.iter().map(Mount::watched), &base),
            mounts,
            webhook,
            tokens,
            addresses: self.addresses,
            client,
            store,
            clock: Arc::clone(&clock),
            observer,
            inbox,
            applier,
            near,
            context,
            subjects: self.subjects,
            bearer,
            flow,
            face_image_cap: self.face_image_cap,
            claims: self.claims,
            limits: Arc::new(FlowLimits::new(self.limits, Arc::clone(&clock))),
            directory,
            listeners,
            handlers,
            stop,
            runners: Mutex::new(runners),
        })))
    }
}

/// A store that was chosen.
pub(super) enum StoreChoice {
    Opened(Arc<dyn Store>),
    Options(Box<dyn OpenStore>),
}

impl StoreChoice {
    async fn open(self) -> Result<Arc<dyn Store>, ConfigError> {
        match self {
            Self::Opened(store) => Ok(store),
            Self::Options(options) => options
                .open()
                .await
                .map_err(|error| ConfigError::store("INCODE_STORE", "the store can't be opened").with_source(error)),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

pub(super) fn found_by(authenticity: Authenticity, addresses: Option<&AddressSource>) -> Authenticity {
    addresses.cloned().into_iter().fold(authenticity, Authenticity::with_address_source)
}

/// Each path with its webhook. Clones share the policy, so that it can be replaced in all at once.
fn webhook_routes(mut paths: Vec<(Box<str>, Option<EventKind>)>, webhook: &Webhook) -> Vec<(Box<str>, Webhook)> {
    if paths.is_empty() {
        paths.push(("/incode/webhook".into(), None));
    }
    let of_kind = |kind| match kind {
        Some(kind) => webhook.clone().only(kind),
        None => webhook.clone(),
    };
    paths.into_iter().map(|(path, kind)| (path, of_kind(kind))).collect()
}

fn observer(keys: &[Secret], keep: BTreeMap<Field, Duration>) -> Result<Observer, ConfigError> {
    if keep.is_empty() {
        return Ok(Observer::new());
    }
    if keep.values().any(|retention| retention.as_millis() == 0) {
        return Err(ConfigError::new("retain", "a field can't be kept for no time at all"));
    }
    if keys.is_empty() {
        return Err(ConfigError::missing("retain", "retaining personal fields needs a store key"));
    }
    Ok(Observer::retaining(keys, keep))
}

fn check_paths(mounts: &[(Box<str>, Mount)]) -> Result<(), ConfigError> {
    for (at, (path, _)) in mounts.iter().enumerate() {
        if !path.starts_with('/') || path.contains(['?', '#']) {
            return Err(ConfigError::new("webhook_path", "a mounted path must start with / and hold no query"));
        }
        if mounts.iter().take(at).any(|(other, _)| other == path) {
            return Err(ConfigError::new("webhook_path", "a path is mounted twice"));
        }
    }
    Ok(())
}

/// With room for the rest of the request within the vendor's 10 MB.
const DEFAULT_FACE_IMAGE_CAP: usize = 8 * 1024 * 1024;

/// With room for a link rule and the store within the lease of an event.
const LONGEST_CALL: Duration = Duration::from_secs(90);

/// A person waits this long for the event of the check: in the normal case it comes within a second.
const CALLBACK_WAIT: Duration = Duration::from_secs(3);
