use crate::store::{Store, StoreError};
use crate::{IdentityId, ObjectId, Subject};

/// Under which key a person is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundPerson {
    /// A subject with a link, a pending link or a refused link.
    Subject(Subject),
    /// An identity.
    Identity(IdentityId),
}

impl FoundPerson {
    /// Looks for a subject of this name, then for an identity, then for the identity that the verification of this id
    /// belongs to: a subject is what an application has at hand.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(store: &dyn Store, name: &str) -> Result<Option<Self>, StoreError> {
        if let Ok(subject) = Subject::new(name) {
            let state = store.subject(subject.clone()).await?;
            let is_known = state.linked.is_some() || state.pending.is_some();
            if is_known || store.refused_link(subject.clone()).await?.is_some() {
                return Ok(Some(Self::Subject(subject)));
            }
        }
        if let Ok(id) = IdentityId::new(name)
            && store.identity(id.clone()).await?.is_some()
        {
            return Ok(Some(Self::Identity(id)));
        }
        let Ok(verification) = ObjectId::new(name) else { return Ok(None) };
        Ok(store.verified_as(verification).await?.map(Self::Identity))
    }
}
