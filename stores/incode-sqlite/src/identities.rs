//! What the gate reads, and the way for commands to the writer.

use incode_core::identity::transition::ChangeRequest;
use incode_core::identity::{Identity, LinkedIdentity, RefusedLink, RetainedField, SubjectState};
use incode_core::store::{Changed, IdentityStore, StoreFuture};
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::store::SqliteStore;
use crate::{change, people, rows};

impl IdentityStore for SqliteStore {
    fn change(&self, request: ChangeRequest) -> StoreFuture<'_, Changed> {
        Box::pin(self.write(move |tx| change::run(tx, &request).map(|(changed, _)| changed)))
    }

    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        Box::pin(self.read(move |conn| Ok(state(conn, &subject)?)))
    }

    fn refused_link(&self, subject: Subject) -> StoreFuture<'_, Option<RefusedLink>> {
        Box::pin(self.read(move |conn| Ok(people::refused_link(conn, &subject)?)))
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        Box::pin(self.read(move |conn| Ok(people::identity(conn, &id)?)))
    }

    fn subjects(&self, id: IdentityId) -> StoreFuture<'_, Vec<Subject>> {
        Box::pin(self.read(move |conn| Ok(people::subjects_of(conn, &id)?)))
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        Box::pin(self.read(move |conn| Ok(verified_as(conn, &verification)?)))
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        Box::pin(self.read(move |conn| {
            let fields = people::fields(conn, &id)?.into_iter().map(|(field, _)| field);
            Ok(fields.filter(|field| field.expires_at > now).collect())
        }))
    }
}

/// In one transaction, so that link, identity and confirmations are of one moment.
fn state(conn: &Connection, subject: &Subject) -> rusqlite::Result<SubjectState> {
    let snapshot = conn.unchecked_transaction()?;
    let mut state = SubjectState::default();
    if let Some(link) = people::link(&snapshot, subject)? {
        let identity = people::identity(&snapshot, &link.identity_id)?;
        state.linked = identity.map(|identity| LinkedIdentity { link, identity });
    }
    state.pending = people::pending_link(&snapshot, subject)?;
    state.confirmations = people::confirmations(&snapshot, subject)?;
    snapshot.finish()?;
    Ok(state)
}

/// The least id if several identities name the verification: the same answer in every engine.
fn verified_as(conn: &Connection, verification: &ObjectId) -> rusqlite::Result<Option<IdentityId>> {
    let sql = "SELECT identity_id FROM identity INDEXED BY identity_verification
        WHERE verification_id = ? ORDER BY identity_id LIMIT 1";
    conn.prepare_cached(sql)?.query_row([verification.as_str()], |row| rows::identity_id(row, 0)).optional()
}
