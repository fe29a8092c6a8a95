use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::inbox::read_keys;
use crate::identity::{FaceOrigin, Identity, Link, LinkProof, LinkedIdentity};
use crate::model::{AttestationStatus, EventKind, IdentityStatus};
use crate::store::dedupe::Keys;
use crate::store::{EventDetail, EventFilter, EventId, EventRow, EventState, Reason};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

pub(super) fn next_due(conn: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT due_at FROM event INDEXED BY event_due WHERE state = 'pending' AND due_at IS NOT NULL
        ORDER BY due_at LIMIT 1";
    conn.prepare_cached(sql)?.query_row([], |row| time(row, 0)).optional()
}

pub(super) fn oldest_pending(conn: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT received_at FROM event INDEXED BY event_state WHERE state = 'pending' ORDER BY id LIMIT 1";
    conn.prepare_cached(sql)?.query_row([], |row| time(row, 0)).optional()
}

pub(super) fn linked(conn: &Connection, subject: &Subject) -> rusqlite::Result<Option<LinkedIdentity>> {
    let sql =
        "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
            face_verification_id, face_source_id,
        proof, linked_at FROM link JOIN identity USING (identity_id) WHERE subject = ?";
    conn.prepare_cached(sql)?
        .query_row([subject.as_str()], |row| {
            let identity = read_identity(row)?;
            let proof = LinkProof::parse(row.get_ref(9)?.as_str()?).ok_or_else(|| unreadable(9, "proof"))?;
            let link = Link {
                subject: subject.clone(),
                identity_id: identity.identity_id.clone(),
                proof,
                linked_at: time(row, 10)?,
            };
            Ok(LinkedIdentity { link, identity })
        })
        .optional()
}

pub(super) fn identity(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Option<Identity>> {
    let sql =
        "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
            face_verification_id, face_source_id
        FROM identity WHERE identity_id = ?";
    conn.prepare_cached(sql)?.query_row([id.as_str()], read_identity).optional()
}

pub(super) fn verified_as(conn: &Connection, verification: &ObjectId) -> rusqlite::Result<Option<IdentityId>> {
    let sql = "SELECT identity_id FROM identity INDEXED BY identity_verification
        WHERE verification_id = ? ORDER BY identity_id LIMIT 1";
    conn.prepare_cached(sql)?
        .query_row([verification.as_str()], |row| {
            IdentityId::new(row.get_ref(0)?.as_str()?).map_err(|_| unreadable(0, "identity id"))
        })
        .optional()
}

pub(super) fn events(conn: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<EventRow>> {
    // Each index holds the ids in order, so that a page is read from its end and nothing is sorted. A reason is the
    // rarer of the two: no event that fares well has one.
    let (from, state, reason) = match (filter.state, filter.reason) {
        (_, Some(_)) => ("INDEXED BY event_reason", "(?2 IS NULL OR state = ?2)", "reason = ?3"),
        (Some(_), None) => ("INDEXED BY event_state", "state = ?2", "?3 IS NULL"),
        (None, None) => ("NOT INDEXED", "?2 IS NULL", "?3 IS NULL"),
    };
    let sql = format!(
        "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at FROM event {from}
        WHERE id < ?1 AND {state} AND {reason} AND (?4 IS NULL OR kind = ?4) ORDER BY id DESC LIMIT ?5"
    );
    let params = params![
        filter.before.map_or(i64::MAX, |id| id.0),
        filter.state.map(EventState::as_str),
        filter.reason.map(Reason::as_str),
        filter.kind.as_ref().map(EventKind::as_str),
        filter.limit
    ];
    conn.prepare_cached(&sql)?.query_map(params, read_event)?.collect()
}

/// The row of an event and what is told beside it, but whether its object is done: the ledger knows that.
pub(super) fn event(conn: &Connection, id: EventId) -> rusqlite::Result<Option<(EventDetail, Keys)>> {
    let sql = "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at,
        vendor_time, token IS NOT NULL, object_key, delivery_key FROM event WHERE id = ?";
    conn.prepare_cached(sql)?
        .query_row([id.0], |row| {
            let detail = EventDetail {
                row: read_event(row)?,
                vendor_time: maybe_time(row, 9)?,
                has_token: row.get(10)?,
                object_done: false,
            };
            Ok((detail, read_keys(row, 11)?))
        })
        .optional()
}

/// Reads a row of a table, so that a file that went bad or away does not pass for a store that answers.
pub(super) fn ping(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("SELECT last_id FROM inbox")?.query_row([], |_| Ok(()))
}

pub(super) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<EventKind> {
    Ok(EventKind::from(row.get_ref(column)?.as_str()?))
}

pub(super) fn object_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ObjectId>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| ObjectId::new(text).map_err(|_| unreadable(column, "object id"))).transpose()
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

pub(super) fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<EventState> {
    EventState::parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(column, "state"))
}

/// A value that no version of this program wrote. Says which, never what it held.
pub(super) fn unreadable(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("unreadable {what}").into())
}

pub(super) fn read_identity(row: &Row<'_>) -> rusqlite::Result<Identity> {
    let attestation = row.get_ref(6)?.as_str_or_null()?;
    Ok(Identity {
        identity_id: IdentityId::new(row.get_ref(0)?.as_str()?).map_err(|_| unreadable(0, "identity id"))?,
        status: IdentityStatus::from(row.get_ref(1)?.as_str()?),
        checked_at: time(row, 2)?,
        verification_id: object_id(row, 3)?,
        verified_at: maybe_time(row, 4)?,
        face_authenticated_at: maybe_time(row, 5)?,
        face_origin: FaceOrigin { verification_id: object_id(row, 7)?, source_id: row.get(8)? },
        attestation: attestation.map(AttestationStatus::from),
    })
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        id: EventId(row.get(0)?),
        kind: kind(row, 1)?,
        object_id: object_id(row, 2)?,
        state: state(row, 3)?,
        reason: row.get_ref(4)?.as_str_or_null()?.map(Reason::parse),
        attempts: row.get(5)?,
        received_at: time(row, 6)?,
        due_at: maybe_time(row, 7)?,
        settled_at: maybe_time(row, 8)?,
    })
}
