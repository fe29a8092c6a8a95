use std::error::Error;
use std::fmt;

use crate::identity::transition::{Command, Outcome, Refusal};
use crate::identity::{Cause, Link, LinkProof, LinkedIdentity};
use crate::store::StoreError;
use crate::{Actor, IdentityId, Subject};

use super::Incode;

/// Links, made and undone by the application itself.
impl Incode {
    /// Links a subject to an identity that is known already, because the application says so. What the gate asks for is
    /// still asked for: an identity that is not ACTIVE opens nothing.
    ///
    /// Linking the same two again does nothing. No link is moved: unlink first. The audit trail keeps who asked.
    ///
    /// # Errors
    /// [`LinkErrorKind::UnknownIdentity`], [`LinkErrorKind::SubjectTaken`], [`LinkErrorKind::IdentityTaken`] unless
    /// identities may be shared, or [`LinkErrorKind::Store`].
    pub async fn link(&self, subject: &Subject, identity: &IdentityId, by: &Actor) -> Result<(), LinkError> {
        let directory = &self.0.directory;
        let now = directory.now().await?;
        let link = Link::new(subject.clone(), identity.clone(), LinkProof::Application, now);
        let changed = directory.change(Command::Link { link, by: Some(by.clone()) }, Cause::Linked).await?;
        let refusal = match changed.outcome {
            Outcome::Refused(Refusal::SubjectTaken) => LinkErrorKind::SubjectTaken,
            Outcome::Refused(Refusal::IdentityTaken) => LinkErrorKind::IdentityTaken,
            Outcome::Refused(_) => LinkErrorKind::UnknownIdentity,
            _ => {
                metrics::counter!("incode_links_total", "proof" => LinkProof::Application.as_str()).increment(1);
                return Ok(());
            }
        };
        // A mistake of the application is no sign of two accounts or an attack.
        if refusal != LinkErrorKind::UnknownIdentity {
            metrics::counter!("incode_links_refused_total", "proof" => LinkProof::Application.as_str()).increment(1);
        }
        Err(refusal.into())
    }

    /// The identity a subject is linked to, past every cache.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn linked(&self, subject: &Subject) -> Result<Option<LinkedIdentity>, StoreError> {
        Ok(self.0.store.subject(subject.clone()).await?.linked)
    }

    /// The subjects linked to an identity, past every cache.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn subjects(&self, identity: &IdentityId) -> Result<Vec<Subject>, StoreError> {
        self.0.store.subjects(identity.clone()).await
    }

    /// Removes the link of a subject, a pending link and its face confirmations; the identity stays. False when there was
    /// no link. The audit trail keeps who asked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unlink(&self, subject: &Subject, by: &Actor) -> Result<bool, StoreError> {
        let command = Command::Unlink { subject: subject.clone(), by: Some(by.clone()) };
        let changed = self.0.directory.change(command, Cause::Unlinked).await?;
        Ok(changed.outcome == Outcome::Unlinked(true))
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
