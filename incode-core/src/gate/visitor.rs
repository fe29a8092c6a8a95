use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::http::Head;
use crate::identity::{Field, Identity, LinkProof, LinkedIdentity};
use crate::store::{Store, StoreError};
use crate::{Subject, Timestamp};

use super::asked::Asked;
use super::context::Context;
use super::facts::Facts;
use super::{Denial, Requirement, Standing};

/// The request extension: the subject with its standing. What handlers and extractors receive.
///
/// Cloning it is cheap. It shows what was known when the request came in.
///
/// Nobody but the layer makes one, so an extension of this type can be believed.
#[derive(Clone)]
pub struct Visitor(Arc<Snapshot>, Option<Arc<Asked>>);

/// What was known of one subject at one instant. Shared by the near cache and every request of that subject.
pub(crate) struct Snapshot {
    pub(crate) standing: Standing,
    pub(crate) subject: Option<Subject>,
    pub(crate) linked: Option<(Identity, LinkProof)>,
    /// Only of applications that keep a field which requirements read.
    pub(crate) facts: Option<Box<Facts>>,
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
            .check(self)
            .map_err(|unmet| Denial::new(unmet, self.0.linked.is_some(), Arc::clone(&self.0.context), self.1.clone()))
    }

    /// With what a denial has to know of the request, for where that is out of reach later.
    pub(super) fn asked_by(&self, head: &dyn Head) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::new(Asked::of(head))))
    }

    pub(super) fn facts(&self) -> Option<&Facts> {
        self.0.facts.as_deref()
    }

    pub(super) fn keeps(&self, field: Field) -> bool {
        self.0.context.observer.keeps(field)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.context.clock.now()
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
        Self(snapshot, None)
    }
}

impl Snapshot {
    pub(crate) fn nobody(context: Arc<Context>) -> Self {
        Self {
            standing: Standing::NoSubject,
            subject: None,
            linked: None,
            facts: None,
            loaded: Duration::ZERO,
            context,
        }
    }

    pub(crate) fn unavailable(subject: Subject, context: Arc<Context>) -> Self {
        let standing = Standing::Unavailable;
        Self { standing, subject: Some(subject), linked: None, facts: None, loaded: Duration::ZERO, context }
    }

    /// Asks the store: for the identity, and for the fields that requirements read when the application keeps any.
    pub(crate) async fn load(
        store: &dyn Store,
        subject: Subject,
        loaded: Duration,
        context: Arc<Context>,
    ) -> Result<Self, StoreError> {
        let linked = store.linked(subject.clone()).await?;
        let facts = match &linked {
            Some(linked) if Facts::FIELDS.into_iter().any(|field| context.observer.keeps(field)) => {
                let id = &linked.identity.identity_id;
                let kept = store.fields(id.clone(), context.clock.now()).await?;
                Some(Box::new(Facts::of(&context.observer.reveal(id, &kept))))
            }
            _ => None,
        };
        Ok(Self { facts, ..Self::loaded(subject, linked, loaded, context) })
    }

    pub(crate) fn loaded(
        subject: Subject,
        linked: Option<LinkedIdentity>,
        loaded: Duration,
        context: Arc<Context>,
    ) -> Self {
        let standing = linked.as_ref().map_or(Standing::NotLinked, |linked| Standing::from(&linked.identity.status));
        let linked = linked.map(|linked| (linked.identity, linked.link.proof));
        Self { standing, subject: Some(subject), linked, facts: None, loaded, context }
    }
}
