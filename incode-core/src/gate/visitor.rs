use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Subject;
use crate::identity::{Identity, LinkProof, LinkedIdentity};

use super::context::Context;
use super::{Denial, Requirement, Standing};

/// The request extension: the subject with its standing. What handlers and extractors receive.
///
/// One pointer; cloning it is cheap. It shows what was known when the request came in.
#[derive(Clone)]
pub struct Visitor(Arc<Snapshot>);

/// What was known of one subject at one instant. Shared by the near cache and every request of that subject.
pub(crate) struct Snapshot {
    pub(crate) standing: Standing,
    pub(crate) subject: Option<Subject>,
    pub(crate) linked: Option<(Identity, LinkProof)>,
    /// [`Clock::elapsed`](crate::Clock::elapsed) when it was loaded: what the cache's lifetime counts from.
    pub(crate) loaded: Duration,
    pub(crate) context: Arc<Context>,
}

impl Visitor {
    /// What the gate knows of the request.
    pub fn standing(&self) -> Standing {
        self.0.standing
    }

    /// The application's user, when somebody is logged in.
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// The identity the subject is linked to, whatever its status.
    pub fn identity(&self) -> Option<&Identity> {
        self.0.linked.as_ref().map(|(identity, _)| identity)
    }

    /// What showed that subject and identity are one person.
    pub fn link_proof(&self) -> Option<LinkProof> {
        self.0.linked.as_ref().map(|(_, proof)| *proof)
    }

    /// Checks a requirement inside a handler.
    ///
    /// # Errors
    /// The [`Denial`] to answer with; both adapters turn it into a response.
    pub fn require(&self, requirement: &Requirement) -> Result<(), Denial> {
        requirement
            .check(self.standing(), self.identity(), || self.0.context.clock.now())
            .map_err(|kind| Denial::new(kind, Arc::clone(&self.0.context)))
    }
}

/// No subject and no identity: a `Debug` of request extensions often ends in a log.
impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("standing", &self.0.standing).finish_non_exhaustive()
    }
}

impl From<Arc<Snapshot>> for Visitor {
    fn from(snapshot: Arc<Snapshot>) -> Self {
        Self(snapshot)
    }
}

impl Snapshot {
    pub(crate) fn nobody(context: Arc<Context>) -> Self {
        Self { standing: Standing::NoSubject, subject: None, linked: None, loaded: Duration::ZERO, context }
    }

    pub(crate) fn unavailable(subject: Subject, context: Arc<Context>) -> Self {
        Self { standing: Standing::Unavailable, subject: Some(subject), linked: None, loaded: Duration::ZERO, context }
    }

    pub(crate) fn loaded(
        subject: Subject,
        linked: Option<LinkedIdentity>,
        loaded: Duration,
        context: Arc<Context>,
    ) -> Self {
        let standing = linked.as_ref().map_or(Standing::NotLinked, |linked| Standing::from(&linked.identity.status));
        let linked = linked.map(|linked| (linked.identity, linked.link.proof));
        Self { standing, subject: Some(subject), linked, loaded, context }
    }
}
