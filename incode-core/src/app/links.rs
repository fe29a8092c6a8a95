use std::error::Error;
use std::fmt;

use crate::identity::{Cause, Link, LinkProof, LinkedIdentity, Observation};
use crate::inbox::Surroundings;
use crate::store::{Linked, NewLink, StoreError};
use crate::{IdentityId, Subject};

use super::{Incode, to_the_end};

/// Links, made and undone by the application itself.
impl Incode {
    /// Links a subject to an identity that is known already, because the application says so. What the gate asks for is
    /// still asked for: an identity that is not ACTIVE opens nothing.
    ///
    /// Linking the same two again does nothing. Nobody is moved: unlink first.
    ///
    /// # Errors
    /// [`LinkErrorKind::UnknownIdentity`], [`LinkErrorKind::SubjectTaken`], [`LinkErrorKind::IdentityTaken`] unless
    /// identities may be shared, or [`LinkErrorKind::Store`].
    pub async fn link(&self, subject: &Subject, identity: &IdentityId) -> Result<(), LinkError> {
        let (incode, subject, identity) = (self.clone(), subject.clone(), identity.clone());
        to_the_end(async move {
            let shared = &*incode.0;
            let known = shared.store.identity(identity).await?.ok_or(LinkErrorKind::UnknownIdentity)?;
            let link = Link {
                subject,
                identity_id: known.identity_id.clone(),
                proof: LinkProof::Application,
                linked_at: shared.clock.now(),
            };
            let new = NewLink { link, seen: Observation::again(&known), spend: None, shared: shared.shared_identities };
            let refusal = match shared.store.link(new).await? {
                Linked::Done(change) => {
                    shared.joined.changed(&change, Cause::Linked);
                    metrics::counter!("incode_links_total", "proof" => LinkProof::Application.as_str()).increment(1);
                    return Ok(());
                }
                // Without a correlation id: it was forgotten in between.
                Linked::AlreadySpent => LinkErrorKind::UnknownIdentity,
                Linked::IdentityTaken => LinkErrorKind::IdentityTaken,
                Linked::SubjectTaken => LinkErrorKind::SubjectTaken,
            };
            metrics::counter!("incode_links_refused_total", "proof" => LinkProof::Application.as_str()).increment(1);
            Err(refusal.into())
        })
        .await
    }

    /// The identity a subject is linked to, past every cache.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn linked(&self, subject: &Subject) -> Result<Option<LinkedIdentity>, StoreError> {
        self.0.store.linked(subject.clone()).await
    }

    /// Removes the link of a subject; the identity stays. Returns the link's end: false when there was none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unlink(&self, subject: &Subject) -> Result<bool, StoreError> {
        let (incode, subject) = (self.clone(), subject.clone());
        to_the_end(async move {
            let change = incode.0.store.unlink(subject).await?;
            if let Some(change) = &change {
                incode.0.joined.changed(change, Cause::Unlinked);
            }
            Ok(change.is_some())
        })
        .await
    }
}

/// A link that was not made. Nothing was written.
pub struct LinkError {
    kind: LinkErrorKind,
    source: Option<StoreError>,
}

/// The cause of a [`LinkError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkErrorKind {
    /// Nothing is known of the identity.
    UnknownIdentity,
    /// Another subject is linked to the identity, and identities are not shared.
    IdentityTaken,
    /// The subject is linked to another identity.
    SubjectTaken,
    /// The store did not answer.
    Store,
}

impl LinkError {
    /// The cause.
    pub fn kind(&self) -> LinkErrorKind {
        self.kind
    }
}

impl From<LinkErrorKind> for LinkError {
    fn from(kind: LinkErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        Self { kind: LinkErrorKind::Store, source: Some(error) }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            LinkErrorKind::UnknownIdentity => "nothing is known of the identity",
            LinkErrorKind::IdentityTaken => "the identity belongs to another subject",
            LinkErrorKind::SubjectTaken => "the subject belongs to another identity",
            LinkErrorKind::Store => "the store did not answer",
        })
    }
}

impl fmt::Debug for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkError").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl Error for LinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
