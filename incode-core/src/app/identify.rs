//! Users that the application's asynchronous code finds: a session store or a database is asked, and only for requests
//! that need the user.

use std::fmt;

use tokio::sync::OnceCell;

use crate::gate::{CacheKey, CacheKeyRef, FoundUser, Visitor};
use crate::http::{Problem, Reply, RequestHead};
use crate::{InvalidValue, SessionHash, Subject};

use super::{Incode, Mount, OnDemandVisitor, Resolved, RouteRequest};

impl Incode {
    /// Whether the answer to this request depends on its user: start and callback, unless the request is refused before.
    pub fn asks_for_user(&self, head: &dyn RequestHead) -> bool {
        let mount = self.mount_of(head).map(|(_, mount)| mount);
        self.0.flow.is_some() && matches!(mount, Some(Mount::Start | Mount::Callback)) && RouteRequest::may_begin(head)
    }

    /// As [`open`](Self::open), for a user that the application found. The [`SubjectSource`](crate::gate::SubjectSource)
    /// is not asked.
    pub fn open_as(&self, found: FoundUser, head: &dyn RequestHead) -> Option<RouteRequest> {
        let mount = self.mount_of(head)?;
        self.open_at(mount, head, |_| found.map(|user| user.map(|user| user.subject)).map_err(refused_key))
    }

    /// As [`visit`](Self::visit), for a user that the application found. The
    /// [`SubjectSource`](crate::gate::SubjectSource) is not asked. `token` is what [`visit_later`](Self::visit_later)
    /// gave: it counts where there is no user.
    ///
    /// # Errors
    /// The reply to send when the application named a key that is no [`Subject`].
    pub fn visit_as(
        &self,
        found: &FoundUser,
        token: Option<&OnDemandVisitor>,
        head: &dyn RequestHead,
    ) -> Result<Resolved, Reply> {
        match (found, token) {
            (Ok(None), Some(visitor)) => Ok(Resolved::OnDemand(visitor.clone())),
            (Ok(None), None) => Ok(Resolved::Ready(self.0.near.no_subject())),
            (Ok(Some(user)), _) => Ok(self.visit_subject(&user.subject)),
            (Err(error), _) => Err(self.reply(&refused_key(*error), head)),
        }
    }

    /// Call for each request whose user will be asked for later, if at all: the layer saw it, and it is no mounted route.
    ///
    /// Gives the bearer token of the request, where tokens are taken.
    pub fn visit_later(&self, head: &dyn RequestHead) -> Option<OnDemandVisitor> {
        self.0.placement.visitor_came(head);
        self.0.bearer.as_ref()?.on_demand(head)
    }

    pub(super) fn visit_subject(&self, subject: &Subject) -> Resolved {
        match self.0.near.hit(CacheKeyRef::Subject(subject.as_str())) {
            Some(visitor) => Resolved::Ready(visitor),
            None => Resolved::Pending(self.0.near.load(CacheKey::Subject(subject.clone()))),
        }
    }
}

/// The visitor of one request, resolved when a gate or an extractor first needs it. `A` is an adapter's response.
pub struct LazyVisitor<A> {
    incode: Incode,
    /// Set once. A gate and an extractor that ask at the same time wait for the same answer, and an answer of the
    /// application's own is kept too: a session store that failed is not asked again for the same request.
    resolved: OnceCell<Result<IdentifiedVisitor, A>>,
}

/// A visitor, and the session that the application named with its user.
pub type IdentifiedVisitor = (Visitor, Option<SessionHash>);

impl<A: Clone> LazyVisitor<A> {
    /// Asks nothing yet.
    pub fn new(incode: Incode) -> Self {
        Self { incode, resolved: OnceCell::new() }
    }

    /// Whose layer it is.
    pub fn incode(&self) -> &Incode {
        &self.incode
    }

    /// The visitor. `resolve` runs unless another call has resolved it; where that call is dropped before its end, the
    /// next one begins anew.
    ///
    /// # Errors
    /// The answer to send instead.
    pub async fn get_or_resolve(
        &self,
        resolve: impl Future<Output = Result<IdentifiedVisitor, A>>,
    ) -> Result<IdentifiedVisitor, A> {
        self.resolved.get_or_init(|| resolve).await.clone()
    }
}

impl<A> fmt::Debug for LazyVisitor<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyVisitor").field("is_resolved", &self.resolved.initialized()).finish_non_exhaustive()
    }
}

/// The answer where the body of the application's own could not be read to its end.
pub fn unreadable_answer() -> Reply {
    tracing::error!("the application's own answer to a request without a usable user failed, or is longer than 1 MiB");
    Reply::new(500)
}

/// Headers of an application's own answer that has none of that name: it stands in the place of a gated page, or of a
/// callback, whose URL holds a token.
pub const OWN_ANSWER_HEADERS: [(&str, &str); 2] = [("cache-control", "no-store"), ("referrer-policy", "no-referrer")];

/// The longest body of an application's own answer, in bytes. It is kept in memory, for each extractor of the request.
pub const OWN_ANSWER_CAP: usize = 1024 * 1024;

/// Never taken for "no user": a page for visitors without a login would be shown to a user whose key is wrong.
fn refused_key(_: InvalidValue) -> Problem {
    tracing::error!(
        "the application named a user by a key that is no subject, and the request was refused: a key has 1 to 256 bytes \
         and no control characters"
    );
    Problem::new(500, "subject_refused", "Server error", "The server is not set up to answer this.")
}
