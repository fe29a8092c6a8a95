//! [`Incode`]: everything behind one cheap handle.

mod admin;
mod bearer;
mod builder;
mod changes;
mod confirmations;
mod denials;
mod handlers;
mod identify;
mod inspection;
mod links;
mod listeners;
mod people;
mod placement;
mod reconcile;
mod replicas;
mod route_request;
mod settings;

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::flow::{ExpectedClaims, FaceError, FaceOutcome, FaceScope, Flow, FlowLimits};
use crate::gate::{Audience, CacheKey, CacheKeyRef, Context, NearCache, PendingVisitor, SubjectSource, Visitor};
use crate::http::{Problem, Reply, RequestHead};
use crate::identity::{Directory, Observer};
use crate::inbox::{Applier, Handlers, Inbox};
use crate::model::FaceAuthenticationRequest;
use crate::store::Store;
use crate::task::to_the_end;
use crate::webhook::{AddressSource, Authenticity, TokenEndpoint, Webhook};
use crate::{Clock, ConfigError, Subject, flow};

use listeners::Listeners;
use placement::Placement;

pub use admin::Health;
pub use bearer::{BearerTokens, OnDemandVisitor};
pub use builder::{Builder, Deployment};
pub use changes::{ChangeEvent, ChangeNotice, Changes};
pub use identify::{IdentifiedVisitor, LazyVisitor, OWN_ANSWER_CAP, OWN_ANSWER_HEADERS, unreadable_answer};
pub use inspection::{Inspection, TokenState};
pub use links::{LinkError, LinkErrorKind};
pub use reconcile::{Diff, Reconciled};
pub use route_request::RouteRequest;
pub use settings::{Engine, StoreUrl, store_keys};

/// Client, store, worker, near cache and flow behind one `Arc`: cloning is cheap, and every clone is the same.
///
/// Made by [`Incode::builder`], or by an adapter's `builder_from_env`; handed to the layer of an adapter. Dropping the last
/// clone stops the worker; [`Incode::shutdown`] does so in good order.
///
/// ```
/// use incode_core::{Actor, Incode, Subject};
///
/// /// For support: is this user linked, and to an identity of which status?
/// async fn status_of(incode: &Incode, user: &str) -> Result<Option<String>, Box<dyn std::error::Error>> {
///     let linked = incode.linked(&Subject::new(user)?).await?;
///     Ok(linked.map(|linked| linked.identity.status.as_str().to_owned()))
/// }
///
/// /// For a request of erasure: the person, their links and their retained fields go.
/// async fn erase(incode: &Incode, user: &str, by: &Actor) -> Result<bool, Box<dyn std::error::Error>> {
///     match incode.linked(&Subject::new(user)?).await? {
///         Some(linked) => Ok(incode.forget(&linked.identity.identity_id, by).await?),
///         None => Ok(false),
///     }
/// }
/// # let _ = (status_of, erase);
/// ```
#[derive(Clone)]
pub struct Incode(Arc<Shared>);

struct Shared {
    /// Whether the layer sees its routes.
    placement: Placement,
    mounts: Vec<(Box<str>, Mount)>,
    /// Shares its policy with those that are mounted.
    webhook: Webhook,
    tokens: TokenEndpoint,
    /// For a policy to come.
    addresses: Option<AddressSource>,
    client: Client,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    observer: Arc<Observer>,
    inbox: Arc<Inbox>,
    applier: Arc<Applier>,
    near: Arc<NearCache>,
    context: Arc<Context>,
    subjects: SubjectSource,
    /// Asked where the subject source finds no subject.
    bearer: Option<Arc<bearer::Bearer>>,
    flow: Option<Arc<Flow>>,
    /// Longest face image sent, in characters of base64.
    face_image_cap: usize,
    /// What callback tokens have to say of themselves.
    claims: ExpectedClaims,
    /// Counts what makes a call to the vendor: one count for all clones.
    limits: Arc<FlowLimits>,
    /// Writes and publishes; the only way to change what is known of people.
    directory: Directory,
    listeners: Arc<Listeners>,
    handlers: Arc<Handlers>,
    /// Dropped or set to true: the runners drain and end.
    stop: watch::Sender<bool>,
    /// The worker and a runner for each handler; empty once they were stopped.
    runners: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

/// What the layer answers itself.
#[derive(Clone)]
enum Mount {
    Webhook(Arc<Webhook>),
    Start,
    Callback,
    Token,
}

impl Mount {
    /// What the layer's own watch needs of a mounted path: the vendor sends to webhooks, people come to the others.
    fn watched((path, mount): &(Box<str>, Self)) -> (&str, bool) {
        (path, matches!(mount, Self::Webhook(_)))
    }
}

/// A visitor, known or on the way.
#[derive(Debug)]
#[must_use]
pub enum Resolved {
    /// Known: the hit path.
    Ready(Visitor),
    /// Being loaded. Adapters keep the request until it resolves.
    Pending(PendingVisitor),
    /// The vendor would have to be asked. Adapters let the request go on, and ask when a gate or an extractor needs the
    /// visitor.
    OnDemand(OnDemandVisitor),
}

impl Resolved {
    /// The visitor, loaded where need be, for a caller that needs it now.
    pub async fn visitor(self) -> Visitor {
        match self {
            Self::Ready(visitor) => visitor,
            Self::Pending(load) => load.await,
            Self::OnDemand(visitor) => visitor.load().await,
        }
    }
}

impl Incode {
    /// Starts with safe defaults and nothing configured: vendor, webhook authenticity and store must be named.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Answers a request to a mounted route (webhook, start, callback, token); `None` when the path is the application's.
    ///
    /// Looks at the head only. [`RouteRequest::answer`] reads the body, if one is to be read at all.
    #[inline]
    pub fn open(&self, head: &dyn RequestHead) -> Option<RouteRequest> {
        let mount = self.mount_of(head)?;
        self.open_at(mount, head, |incode| Ok(incode.subject(head)))
    }

    #[inline]
    fn mount_of(&self, head: &dyn RequestHead) -> Option<&(Box<str>, Mount)> {
        let path = head.path();
        self.mounted_at(path).or_else(|| self.mounted_at(self.0.placement.below_base(path)?))
    }

    #[inline]
    fn mounted_at(&self, path: &str) -> Option<&(Box<str>, Mount)> {
        self.0.mounts.iter().find(|(mounted, _)| **mounted == *path)
    }

    /// The paths that [`open`](Self::open) answers, for an adapter's own routes: each as it is, and below the path of the
    /// public URL, which some proxies take off and others do not. Made once, before the server starts: the token endpoint is
    /// among them although [`open`](Self::open) answers it only while the policy of authenticity has an OAuth part.
    pub fn mounts(&self) -> impl Iterator<Item = &str> {
        self.0.mounts.iter().map(|(path, _)| &**path).chain(self.0.placement.below_public_url())
    }

    /// A service of the application's own takes the requests to a mounted route: where a framework does not refuse that at
    /// start, the adapter notices it. Logged once.
    pub fn notice_shadowed(&self, path: &str) {
        self.0.placement.is_shadowed(path);
    }

    /// Notes whether something outside of this layer has left a visitor in the request already: another layer, which is
    /// one too many. Logged once. The visitor is resolved again and replaces the other, so a visitor of foreign code
    /// opens no gate.
    #[inline]
    pub fn notice_outer(&self, attached: Option<&Visitor>) {
        if attached.is_some() {
            self.0.placement.has_outer();
        }
    }

    fn open_at(
        &self,
        (path, mount): &(Box<str>, Mount),
        head: &dyn RequestHead,
        subject: impl FnOnce(&Self) -> Result<Option<Subject>, Problem>,
    ) -> Option<RouteRequest> {
        if matches!(mount, Mount::Token) && !self.0.webhook.authenticity().has_clients() {
            return None;
        }
        self.0.placement.route_reached(path, head);
        Some(RouteRequest::open(self.clone(), mount, head, subject))
    }

    /// Puts another policy in the place of the webhook's: with the secrets of a rotation, for instance, or another OAuth
    /// client. Deliveries under way are judged by the policy they began with, all later ones by the new. Each
    /// process is changed by itself, so let secrets overlap: first all take old and new, then the vendor changes over, then
    /// the old one is removed.
    pub fn replace_webhook_authenticity(&self, authenticity: Authenticity) {
        self.0.webhook.replace_authenticity(builder::found_by(authenticity, self.0.addresses.as_ref()));
    }

    /// The visitor of a request, with its standing. Without I/O when the near cache has it.
    #[inline]
    pub fn visit(&self, head: &dyn RequestHead) -> Resolved {
        self.0.placement.visitor_came(head);
        let Some(subject) = self.0.subjects.find(head) else {
            return self.visit_without_subject(head);
        };
        match self.0.near.hit(CacheKeyRef::Subject(&subject)) {
            Some(visitor) => Resolved::Ready(visitor),
            None => self.load(&subject),
        }
    }

    fn visit_without_subject(&self, head: &dyn RequestHead) -> Resolved {
        match &self.0.bearer {
            Some(bearer) => bearer.visit(head),
            None => Resolved::Ready(self.0.near.no_subject()),
        }
    }

    fn load(&self, subject: &str) -> Resolved {
        match Subject::new(subject) {
            Ok(subject) => Resolved::Pending(self.0.near.load(CacheKey::Subject(subject))),
            // No account has such a key.
            Err(_) => Resolved::Ready(self.0.near.no_subject()),
        }
    }

    /// Face authentication of a subject through the vendor's authenticate call (spec: "Face Authentication").
    ///
    /// A pass counts only when userinfo of the answer's token names the identity the subject is linked to, and the
    /// verification it refers to is not known as another identity's. It is recorded for the session and the action of
    /// `scope`, and counts there alone. The image is checked before anything is sent, neither kept nor logged, and
    /// overwritten in memory as far as it is ours.
    ///
    /// # Errors
    /// [`FaceError`] when there was no outcome; [`FaceError::problem`] says it to the person.
    pub async fn authenticate(
        &self,
        scope: FaceScope,
        request: &FaceAuthenticationRequest,
    ) -> Result<FaceOutcome, FaceError> {
        let (incode, request) = (self.clone(), flow::Wiped(request.clone()));
        to_the_end(async move {
            let shared = &*incode.0;
            let parts = flow::FaceParts {
                client: &shared.client,
                directory: &shared.directory,
                observer: &shared.observer,
                limits: &shared.limits,
                image_cap: shared.face_image_cap,
            };
            let authenticated = flow::authenticate(parts, scope, &request.0).await;
            let outcome = authenticated.as_ref().map_or("none", FaceOutcome::as_str);
            metrics::counter!("incode_face_outcomes_total", "outcome" => outcome).increment(1);
            authenticated.map_err(|error| {
                let pages = &shared.context.pages;
                error.verify_at(pages.start.as_deref().map(|path| pages.public(path)).as_deref())
            })
        })
        .await
    }

    /// A problem of the application's own as the reply to a request, rendered like those of the gate; see
    /// [`Builder::render`].
    pub fn reply(&self, problem: &Problem, head: &dyn RequestHead) -> Reply {
        self.0.context.reply(problem, Audience::of(head))
    }

    /// Changes of identities from now on, whatever caused them: an event, a callback, a face authentication, `unlink`,
    /// `forget`; and changes of other processes, when the store they share has a feed. A reader that is too slow misses some:
    /// what must not be missed belongs into a [`Handler`](crate::Handler).
    pub fn changes(&self) -> Changes {
        self.0.listeners.feed.subscribe()
    }

    /// The client of the vendor's API, for calls of your own.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    fn subject(&self, head: &dyn RequestHead) -> Option<Subject> {
        Subject::new(self.0.subjects.find(head)?).ok()
    }
}

impl fmt::Debug for Incode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.0.webhook.authenticity().has_clients();
        let mounts = self.0.mounts.iter().filter(|(_, mount)| tokens || !matches!(mount, Mount::Token));
        let mounts: Vec<_> = mounts.map(|(path, _)| path).collect();
        f.debug_struct("Incode").field("mounts", &mounts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod test_world;
