use crate::identity::transition::{ChangeRequest, Outcome};
use crate::identity::{Change, Identity, RefusedLink, RetainedField, SubjectState};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

use super::StoreFuture;

/// Identities, links and everything that hangs on them.
pub trait IdentityStore: Send + Sync {
    /// Runs a command: loads the rows that [`ChangeRequest::keys`] names, calls [`ChangeRequest::apply`], and writes what
    /// it returns, in one transaction.
    ///
    /// Every loaded row, and the absence of every row that was looked for, must hold until the write: under one writer,
    /// under row locks in a fixed order, or by a compare-and-set that starts again when a row changed.
    fn change(&self, request: ChangeRequest) -> StoreFuture<'_, Changed>;

    /// What is kept of a subject: its link with the identity, its pending link, its confirmations.
    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState>;

    /// The newest link of a subject that was refused. Kept until it is pruned, or the subject's identity is forgotten.
    fn refused_link(&self, subject: Subject) -> StoreFuture<'_, Option<RefusedLink>>;

    /// An identity by its id.
    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>>;

    /// The subjects linked to an identity, in any order.
    fn subjects(&self, id: IdentityId) -> StoreFuture<'_, Vec<Subject>>;

    /// The identity whose row names this verification ([`Identity::verification_id`]); the least id, should several.
    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>>;

    /// The fields retained of an identity that have not expired at `now`, in any order.
    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>>;
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What the rules decided.
    pub outcome: Outcome,
    /// What became stale in caches.
    pub change: Option<Change>,
}
