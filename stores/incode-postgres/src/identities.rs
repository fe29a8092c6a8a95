//! Identities, links and what hangs on them.

use incode_core::identity::transition::ChangeRequest;
use incode_core::identity::{Field, Identity, LinkedIdentity, RefusedLink, RetainedField, SubjectState};
use incode_core::store::{Changed, IdentityStore, StoreFuture};
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};
use tokio_postgres::Row;

use super::change;
use super::connection::Answer;
use super::error::Failure;
use super::load::{CONFIRMATIONS, IDENTITY};
use super::rows::{self, get, time};
use super::store::PostgresStore;

impl IdentityStore for PostgresStore {
    fn change(&self, request: ChangeRequest) -> StoreFuture<'_, Changed> {
        Box::pin(async move {
            let changed = change::run(&self.pool, &request, None).await?;
            Ok(changed.ok_or_else(|| Failure::unreadable("answer"))?)
        })
    }

    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        Box::pin(async move {
            let key = || params![&subject];
            let statements = [(LINKED, key()), (PENDING, key()), (CONFIRMATIONS, key())];
            let answers = self.pool.read(&statements).await?;
            let [linked, pending, confirmations] = &*answers else {
                return Err(Failure::unreadable("answers").into());
            };
            let mut state = SubjectState::default();
            if let Some(row) = linked.rows.first() {
                let identity = rows::identity(row, LINK_COLUMNS)?;
                state.linked = Some(LinkedIdentity { link: rows::link(row, 0)?, identity });
            }
            state.pending = pending.rows.first().map(rows::pending_link).transpose()?;
            state.confirmations = confirmations.rows.iter().map(rows::confirmation).collect::<Result<_, _>>()?;
            Ok(state)
        })
    }

    fn refused_link(&self, subject: Subject) -> StoreFuture<'_, Option<RefusedLink>> {
        Box::pin(async move {
            let answers = self.pool.read(&[(REFUSED, params![&subject])]).await?;
            Ok(all(&answers).next().map(rows::refused_link).transpose()?)
        })
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        Box::pin(async move {
            let answers = self.pool.read(&[(IDENTITY, params![&id])]).await?;
            Ok(all(&answers).next().map(|row| rows::identity(row, 0)).transpose()?)
        })
    }

    fn subjects(&self, id: IdentityId) -> StoreFuture<'_, Vec<Subject>> {
        Box::pin(async move {
            let sql = "SELECT subject FROM incode.link WHERE identity_id = $1";
            let answers = self.pool.read(&[(sql, params![&id])]).await?;
            Ok(all(&answers).map(|row| rows::subject(row, 0)).collect::<Result<_, _>>()?)
        })
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        Box::pin(async move {
            // Byte by byte, whatever the database's own order of letters is.
            let sql = "SELECT identity_id FROM incode.identity WHERE verification_id = $1
                ORDER BY identity_id COLLATE \"C\" LIMIT 1";
            let answers = self.pool.read(&[(sql, params![Some(&verification)])]).await?;
            Ok(all(&answers).next().map(|row| rows::identity_id(row, 0)).transpose()?)
        })
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        Box::pin(async move {
            let sql = "SELECT field, sealed, expires_at FROM incode.field WHERE identity_id = $1 AND expires_at > $2";
            let answers = self.pool.read(&[(sql, params![&id, now])]).await?;
            let mut fields = Vec::new();
            for row in all(&answers) {
                // A field that only a newer version knows is left out.
                if let Some(field) = Field::parse(get(row, 0)?) {
                    fields.push(RetainedField { field, sealed: get(row, 1)?, expires_at: time(row, 2)? });
                }
            }
            Ok(fields)
        })
    }
}

/// The rows of all answers, for calls with one statement.
fn all(answers: &[Answer]) -> impl Iterator<Item = &Row> {
    answers.iter().flat_map(|answer| &answer.rows)
}

/// The link, then its identity: one row, so that both are of one instant.
const LINKED: &str = concat!(
    "SELECT link.subject, link.identity_id, proof, linked_at, active_since, verified_since, ",
    "identity.* FROM incode.link JOIN (SELECT ",
    identity_columns!(),
    " FROM incode.identity) AS identity USING (identity_id) WHERE link.subject = $1"
);
/// How many columns of [`LINKED`] are the link's.
const LINK_COLUMNS: usize = 6;
/// At most one row: a subject has one pending link.
const PENDING: &str = concat!("SELECT ", pending_link_columns!(), " FROM incode.pending_link WHERE subject = $1");
const REFUSED: &str = concat!("SELECT ", refused_link_columns!(), " FROM incode.refused_link WHERE subject = $1");
