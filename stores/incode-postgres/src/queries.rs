use super::failure::Failure;
use super::link::Link;
use super::rows::{self, get, maybe_time, time};
use crate::identity::{Identity, Link as SubjectLink, LinkProof, LinkedIdentity};
use crate::model::EventKind;
use crate::store::{EventDetail, EventFilter, EventId, EventState, InboxCounts, Reason};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

pub(super) async fn next_due(link: &Link) -> Result<Option<Timestamp>, Failure> {
    let sql = "SELECT due_at FROM event WHERE state = 'pending' ORDER BY due_at LIMIT 1";
    link.query_opt(sql, &[]).await?.map(|row| time(&row, 0)).transpose()
}

pub(super) async fn linked(link: &Link, subject: &Subject) -> Result<Option<LinkedIdentity>, Failure> {
    let sql =
        "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
            face_verification_id, face_source_id, proof, linked_at
        FROM link JOIN identity USING (identity_id) WHERE subject = $1";
    let Some(row) = link.query_opt(sql, &[&subject.as_str()]).await? else { return Ok(None) };
    let identity = rows::identity(&row)?;
    let link = SubjectLink {
        subject: subject.clone(),
        identity_id: identity.identity_id.clone(),
        proof: LinkProof::parse(get(&row, 9)?).ok_or_else(|| Failure::unreadable("proof"))?,
        linked_at: time(&row, 10)?,
    };
    Ok(Some(LinkedIdentity { link, identity }))
}

pub(super) async fn identity(link: &Link, id: &IdentityId) -> Result<Option<Identity>, Failure> {
    let sql =
        "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
            face_verification_id, face_source_id
        FROM identity WHERE identity_id = $1";
    link.query_opt(sql, &[&id.as_str()]).await?.map(|row| rows::identity(&row)).transpose()
}

pub(super) async fn verified_as(link: &Link, verification: &ObjectId) -> Result<Option<IdentityId>, Failure> {
    // Byte by byte, whatever the database's own order of letters is.
    let sql = "SELECT identity_id FROM identity WHERE verification_id = $1 ORDER BY identity_id COLLATE \"C\" LIMIT 1";
    let row = link.query_opt(sql, &[&verification.as_str()]).await?;
    row.map(|row| rows::identity_id(get(&row, 0)?)).transpose()
}

pub(super) async fn counts(link: &Link) -> Result<InboxCounts, Failure> {
    let sql = "SELECT
            (SELECT count(*) FROM event WHERE state = 'pending'),
            (SELECT count(*) FROM event WHERE state <> 'pending' AND state = 'done'),
            (SELECT count(*) FROM event WHERE state <> 'pending' AND state = 'dead'),
            (SELECT count(*) FROM event WHERE state <> 'pending' AND state = 'ignored'),
            (SELECT received_at FROM event WHERE state = 'pending' ORDER BY id LIMIT 1)";
    let row = link.query_one(sql, &[]).await?;
    Ok(InboxCounts {
        pending: rows::number(&row, 0)?,
        done: rows::number(&row, 1)?,
        dead: rows::number(&row, 2)?,
        ignored: rows::number(&row, 3)?,
        oldest_pending: maybe_time(&row, 4)?,
    })
}

pub(super) async fn events(link: &Link, filter: &EventFilter) -> Result<Vec<crate::store::EventRow>, Failure> {
    // Each index holds the ids in order, so that a page is read from its end. The conditions are spelled out so that
    // the planner sees which of them is meant.
    let sql = match (filter.state, filter.reason) {
        (_, Some(_)) => {
            "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at FROM event
            WHERE id < $1 AND ($2::text IS NULL OR state = $2) AND reason = $3 AND ($4::text IS NULL OR kind = $4)
            ORDER BY id DESC LIMIT $5"
        }
        (Some(EventState::Pending), None) => {
            "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at FROM event
            WHERE id < $1 AND state = 'pending' AND $2::text IS NOT NULL AND $3::text IS NULL
            AND ($4::text IS NULL OR kind = $4) ORDER BY id DESC LIMIT $5"
        }
        (Some(_), None) => {
            "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at FROM event
            WHERE id < $1 AND state <> 'pending' AND state = $2 AND $3::text IS NULL
            AND ($4::text IS NULL OR kind = $4) ORDER BY id DESC LIMIT $5"
        }
        (None, None) => {
            "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at FROM event
            WHERE id < $1 AND $2::text IS NULL AND $3::text IS NULL AND ($4::text IS NULL OR kind = $4)
            ORDER BY id DESC LIMIT $5"
        }
    };
    let before = filter.before.map_or(i64::MAX, |id| id.0);
    let (state, reason) = (filter.state.map(EventState::as_str), filter.reason.map(Reason::as_str));
    let kind = filter.kind.as_ref().map(EventKind::as_str).map(rows::word);
    let rows = link.query(sql, &[&before, &state, &reason, &kind.as_deref(), &rows::limit(filter.limit)]).await?;
    rows.iter().map(rows::event).collect()
}

pub(super) async fn event(link: &Link, id: EventId) -> Result<Option<EventDetail>, Failure> {
    let sql = "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at, vendor_time,
            token IS NOT NULL, EXISTS (SELECT 1 FROM event other
                WHERE other.object_key = event.object_key AND other.state <> 'dead' AND other.state = 'done')
        FROM event WHERE id = $1";
    let Some(row) = link.query_opt(sql, &[&id.0]).await? else { return Ok(None) };
    Ok(Some(EventDetail {
        row: rows::event(&row)?,
        vendor_time: maybe_time(&row, 9)?,
        has_token: get(&row, 10)?,
        object_done: get(&row, 11)?,
    }))
}

/// Of the wall clock, not of the transaction's start.
pub(super) async fn time_now(link: &Link) -> Result<Timestamp, Failure> {
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    time(&link.query_one(sql, &[]).await?, 0)
}

/// Reads a row of a table, so that a schema that went away does not pass for a store that answers.
pub(super) async fn ping(link: &Link) -> Result<(), Failure> {
    link.query_one("SELECT version FROM version", &[]).await.map(drop)
}

pub(super) async fn is_fsync_on(link: &Link) -> Result<bool, Failure> {
    let row = link.query_one("SELECT current_setting('fsync') = 'on'", &[]).await?;
    get(&row, 0)
}
