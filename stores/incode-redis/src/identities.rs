//! Identities and what hangs on them.

use incode_core::identity::transition::ChangeRequest;
use incode_core::identity::{Identity, LinkedIdentity, RefusedLink, RetainedField, SubjectState};
use incode_core::store::{Changed, IdentityStore, StoreFuture};
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};

use crate::error::Failure;
use crate::rows::{self, Row};
use crate::store::RedisStore;
use crate::{change, scripts};

impl IdentityStore for RedisStore {
    fn change(&self, request: ChangeRequest) -> StoreFuture<'_, Changed> {
        self.with(async move {
            let decided = change::run(&self.server, &self.hub, &request, None).await?;
            let (outcome, change) = decided.ok_or_else(|| Failure::unreadable("answer"))?;
            Ok(Changed { outcome, change })
        })
    }

    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        self.with(async move {
            let call = self.server.script(&scripts::SUBJECT).arg(subject.as_str());
            let (link, identity, pending, confirmations): (Cell, Cell, Cell, Row) = self.server.run(call).await?;
            let mut state = SubjectState::default();
            if let (Some(link), Some(identity)) = (link, identity) {
                let link = rows::read_link(subject.clone(), &link)?;
                let identity = rows::read_identity(&link.identity_id, &identity)?;
                state.linked = Some(LinkedIdentity { link, identity });
            }
            state.pending = pending.map(|row| rows::read_pending(subject.clone(), &row)).transpose()?;
            state.confirmations = rows::confirmations(&subject, &confirmations)?;
            Ok(state)
        })
    }

    fn refused_link(&self, subject: Subject) -> StoreFuture<'_, Option<RefusedLink>> {
        self.with(async move {
            let mut get = redis::cmd("GET");
            get.arg(self.server.key(&format!("d:{}", subject.as_str())));
            let row: Cell = self.server.ask(&get).await?;
            row.map(|row| rows::read_refused(subject.clone(), &row)).transpose()
        })
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        self.with(async move {
            let mut get = redis::cmd("GET");
            get.arg(self.server.key(&format!("i:{}", id.as_str())));
            let row: Cell = self.server.ask(&get).await?;
            row.map(|row| rows::read_identity(&id, &row)).transpose()
        })
    }

    fn subjects(&self, id: IdentityId) -> StoreFuture<'_, Vec<Subject>> {
        self.with(async move {
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.server.key(&format!("il:{}", id.as_str()))).arg(0).arg(-1);
            rows::subjects(&self.server.ask(&range).await?, 0)
        })
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        self.with(async move {
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.server.key(&format!("v:{}", verification.as_str()))).arg(0).arg(0);
            let first: Row = self.server.ask(&range).await?;
            rows::maybe_text(&first, 0)?.map(rows::identity_id).transpose()
        })
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        self.with(async move {
            let mut all = redis::cmd("HGETALL");
            all.arg(self.server.key(&format!("f:{}", id.as_str())));
            let pairs: Vec<(Vec<u8>, Vec<u8>)> = self.server.ask(&all).await?;
            let flat: Row = pairs.into_iter().flat_map(|(name, value)| [Some(name), Some(value)]).collect();
            let fields = rows::fields(&flat)?.into_iter().map(|(field, _)| field);
            Ok(fields.filter(|field| now < field.expires_at).collect())
        })
    }
}

/// One value, or none.
type Cell = Option<Vec<u8>>;
