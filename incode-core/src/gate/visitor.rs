use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_core::Stream;

use crate::http::RequestHead;
use crate::identity::{Field, Identity, LinkProof};
use crate::{SessionHash, Subject, Timestamp};

use super::cached_standing::CachedStanding;
use super::request_context::RequestContext;
use super::requirement::Unmet;
use super::{Denial, DenialKind, Guarded, Requirement, Standing};

/// The request extension: the subject with its standing. What handlers and extractors receive.
///
/// Cloning it is cheap. It shows what was known when the request came in.
///
/// Only the layer makes one, so an extension of this type can be trusted.
///
/// ```
/// use std::time::Duration;
///
/// use incode_core::gate::{Denial, Requirement, Visitor};
///
/// /// A rule that depends on the request: large transfers need a face of the last five minutes.
/// fn may_transfer(visitor: &Visitor, cents: u64) -> Result<(), Denial> {
///     let active = Requirement::active();
///     if cents < 100_000 {
///         return visitor.require(&active);
///     }
///     visitor.require(&active.face_authenticated_within(Duration::from_secs(300)))
/// }
/// # let _ = may_transfer;
/// ```
#[derive(Clone)]
pub struct Visitor {
    known: Arc<CachedStanding>,
    /// Made at the first call that needs it.
    unpacked: OnceLock<Arc<Unpacked>>,
    asked: Option<Arc<RequestContext>>,
    is_stale: bool,
}

#[derive(Clone)]
struct Unpacked {
    subject: Option<Subject>,
    identity: Option<Identity>,
}

impl Visitor {
    /// What the gate knows of the request.
    #[inline]
    pub fn standing(&self) -> Standing {
        self.known.standing()
    }

    /// The application's user, when the request has one.
    pub fn subject(&self) -> Option<&Subject> {
        self.unpacked().subject.as_ref()
    }

    /// The identity the subject is linked to, whatever its status.
    pub fn identity(&self) -> Option<&Identity> {
        self.unpacked().identity.as_ref()
    }

    /// What showed that subject and identity are one person.
    pub fn link_proof(&self) -> Option<LinkProof> {
        self.known.proof()
    }

    /// How long ago the standing was read from the store. Without meaning for a request without a subject, and when the
    /// store did not answer.
    pub fn age(&self) -> Duration {
        self.known.loaded_when().age(self.known.context()).unwrap_or_default()
    }

    /// The store did not answer, and this is what it said last: see
    /// [`Builder::serve_stale`](crate::Builder::serve_stale), without which no visitor is stale.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Checks a requirement inside a handler.
    ///
    /// # Errors
    /// The [`Denial`] to answer with; both adapters turn it into a response.
    pub fn require(&self, requirement: &Requirement) -> Result<(), Denial> {
        requirement.check(self, None).map_err(|unmet| self.denial(unmet))
    }

    /// The session of the request. [`SessionHash::NONE`] where the application names no sessions
    /// ([`Builder::sessions`](crate::Builder::sessions)); `None` where it does and this request has none.
    pub fn session(&self) -> Option<SessionHash> {
        self.session_in(None)
    }

    /// Waits until something else is known of this person than this visitor shows, and returns it: revoked, unlinked,
    /// forgotten, verified anew, confirmed by face, or [`Unavailable`](Standing::Unavailable) while the store does not
    /// answer. `None` once watching has ended, at [`Incode::end_watches`](crate::Incode::end_watches) or `shutdown`.
    ///
    /// For a WebSocket or a stream that is held open. What changed since the request came in is seen at once. A notice that
    /// got lost is made up for when the standing's lifetime in the near cache ends, at the cost of one read of the store for
    /// each person who is watched, however many of their requests do. While notices of other processes don't arrive, there
    /// is such a read every second. The end of a bearer token is no change: the standing is what is watched. Nothing is
    /// watched until the future is polled, and nothing any longer once it is dropped.
    ///
    /// ```
    /// # use incode_core::gate::{Requirement, Visitor};
    /// # async fn talk(mut visitor: Visitor) {
    /// while let Some(now) = visitor.changed().await {
    ///     if now.require(&Requirement::active()).is_err() {
    ///         break; // say good-bye and hang up
    ///     }
    ///     visitor = now;
    /// }
    /// # }
    /// ```
    pub fn changed(&self) -> impl Future<Output = Option<Self>> + Send + use<> {
        let (known, asked) = (Arc::clone(&self.known), self.asked.clone());
        async move {
            let now = super::watch::changed(known).await?;
            // The same request, in the same session.
            Some(Self { asked, ..now })
        }
    }

    /// Lets a stream go on for as long as the visitor meets the requirement, and ends it then; also when watching ends.
    /// See [`changed`](Self::changed) for what is noticed and when. A requirement that time alone ends, as that of a
    /// recent face authentication, is looked at whenever the stream is polled.
    ///
    /// The stream is what a response's body is made of: it ends as if it were complete, so let it say so itself when
    /// that makes a difference.
    pub fn guard<S: Stream>(&self, requirement: Requirement, stream: S) -> Guarded<S> {
        Guarded::new(stream, requirement, self.clone())
    }

    /// With what a denial has to know of the request, for where that is out of reach later.
    pub(super) fn asked_by(&self, head: &dyn RequestHead) -> Self {
        let sessions = self.known.context().sessions.as_ref();
        Self { asked: Some(Arc::new(RequestContext::of(head, sessions))), ..self.clone() }
    }

    /// As [`session`](Self::session): read from the head if it is given, else as read when the request came.
    pub(super) fn session_in(&self, head: Option<&dyn RequestHead>) -> Option<SessionHash> {
        match (&self.known.context().sessions, head) {
            (None, _) => Some(SessionHash::NONE),
            (Some(source), Some(head)) => source.find(head),
            (Some(_), None) => self.asked.as_deref()?.session,
        }
    }

    pub(super) fn names_sessions(&self) -> bool {
        self.known.context().sessions.is_some()
    }

    /// A denial of this visitor for a reason that no requirement found.
    pub(crate) fn denied(&self, kind: DenialKind) -> Denial {
        self.denial(Unmet { kind, requirement: None })
    }

    pub(super) fn denial(&self, unmet: Unmet) -> Denial {
        Denial::new(unmet, self.known.has_identity(), Arc::clone(self.known.context()), self.asked.clone())
    }

    pub(super) fn stale(known: Arc<CachedStanding>) -> Self {
        Self { is_stale: true, ..known.into() }
    }

    pub(super) fn known(&self) -> &CachedStanding {
        &self.known
    }

    pub(super) fn keeps(&self, field: Field) -> bool {
        self.known.context().observer.keeps(field)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.known.context().clock.now()
    }

    fn unpacked(&self) -> &Unpacked {
        self.unpacked
            .get_or_init(|| Arc::new(Unpacked { subject: self.known.subject(), identity: self.known.identity() }))
    }
}

/// No subject and no identity: a `Debug` of request extensions often ends in a log.
impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor")
            .field("standing", &self.standing())
            .field("is_stale", &self.is_stale)
            .finish_non_exhaustive()
    }
}

impl From<Arc<CachedStanding>> for Visitor {
    fn from(known: Arc<CachedStanding>) -> Self {
        Self { known, unpacked: OnceLock::new(), asked: None, is_stale: false }
    }
}
