use super::MemoryStore;
use crate::identity::transition::ChangeRequest;
use crate::identity::{Identity, LinkedIdentity, RefusedLink, RetainedField, SubjectState};
use crate::store::{Changed, IdentityStore, StoreFuture};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

impl IdentityStore for MemoryStore {
    fn change(&self, request: ChangeRequest) -> StoreFuture<'_, Changed> {
        self.locked(|rows| Ok(rows.change(&request).0))
    }

    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        self.locked(|rows| {
            let link = rows.links.get(&subject).cloned();
            let linked = link.and_then(|link| {
                let identity = rows.identities.get(&link.identity_id).cloned()?;
                Some(LinkedIdentity { link, identity })
            });
            let pending = rows.pending_links.get(&subject).cloned();
            let confirmations = rows.confirmations.get(&subject).cloned().unwrap_or_default();
            Ok(SubjectState { linked, pending, confirmations })
        })
    }

    fn refused_link(&self, subject: Subject) -> StoreFuture<'_, Option<RefusedLink>> {
        self.locked(|rows| Ok(rows.refused_links.get(&subject).cloned()))
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        self.locked(|rows| Ok(rows.identities.get(&id).cloned()))
    }

    fn subjects(&self, id: IdentityId) -> StoreFuture<'_, Vec<Subject>> {
        self.locked(|rows| Ok(rows.linked.get(&id).into_iter().flatten().cloned().collect()))
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        self.locked(|rows| Ok(rows.verified.get(&verification).and_then(|ids| ids.first()).cloned()))
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        self.locked(|rows| {
            let fields = rows.fields.get(&id).into_iter().flat_map(|fields| fields.values());
            Ok(fields.filter(|(field, _)| field.expires_at > now).map(|(field, _)| field.clone()).collect())
        })
    }
}
