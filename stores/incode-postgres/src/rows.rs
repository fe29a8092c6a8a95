//! Values in and out of rows.

use std::borrow::Cow;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::failure::Failure;
use crate::identity::{FaceOrigin, Identity};
use crate::model::{AttestationStatus, EventKind, IdentityStatus};
use crate::store::{EventId, EventRow, EventState, Reason};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(|_| Failure::unreadable("column"))
}

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    get(row, column).map(Timestamp::from_millis)
}

pub(super) fn maybe_time(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

pub(super) fn number(row: &Row, column: usize) -> Result<u64, Failure> {
    Ok(u64::try_from(get::<i64>(row, column)?).unwrap_or(0))
}

pub(super) fn attempts(row: &Row, column: usize) -> Result<u32, Failure> {
    Ok(u32::try_from(get::<i32>(row, column)?).unwrap_or(0))
}

pub(super) fn kind(row: &Row, column: usize) -> Result<EventKind, Failure> {
    Ok(EventKind::from(get::<&str>(row, column)?))
}

pub(super) fn object_id(row: &Row, column: usize) -> Result<Option<ObjectId>, Failure> {
    let text = get::<Option<&str>>(row, column)?;
    text.map(|text| ObjectId::new(text).map_err(|_| Failure::unreadable("object id"))).transpose()
}

/// Of a row that always has one.
pub(super) fn the_object_id(row: &Row, column: usize) -> Result<ObjectId, Failure> {
    object_id(row, column)?.ok_or_else(|| Failure::unreadable("object id"))
}

pub(super) fn identity_id(text: &str) -> Result<IdentityId, Failure> {
    IdentityId::new(text).map_err(|_| Failure::unreadable("identity id"))
}

pub(super) fn subject(row: &Row, column: usize) -> Result<Subject, Failure> {
    Subject::new(get::<&str>(row, column)?).map_err(|_| Failure::unreadable("subject"))
}

/// `identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
/// face_verification_id, face_source_id`, from the first column on.
pub(super) fn identity(row: &Row) -> Result<Identity, Failure> {
    Ok(Identity {
        identity_id: identity_id(get(row, 0)?)?,
        status: IdentityStatus::from(get::<&str>(row, 1)?),
        checked_at: time(row, 2)?,
        verification_id: object_id(row, 3)?,
        verified_at: maybe_time(row, 4)?,
        face_authenticated_at: maybe_time(row, 5)?,
        attestation: get::<Option<&str>>(row, 6)?.map(AttestationStatus::from),
        face_origin: FaceOrigin { verification_id: object_id(row, 7)?, source_id: get(row, 8)? },
    })
}

/// `id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at`, from the first column on.
pub(super) fn event(row: &Row) -> Result<EventRow, Failure> {
    Ok(EventRow {
        id: EventId(get(row, 0)?),
        kind: kind(row, 1)?,
        object_id: object_id(row, 2)?,
        state: EventState::parse(get(row, 3)?).ok_or_else(|| Failure::unreadable("state"))?,
        reason: get::<Option<&str>>(row, 4)?.map(Reason::parse),
        attempts: attempts(row, 5)?,
        received_at: time(row, 6)?,
        due_at: maybe_time(row, 7)?,
        settled_at: maybe_time(row, 8)?,
    })
}

/// A word of the vendor's as a text may hold it: PostgreSQL takes every character but one.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

pub(super) fn limit(rows: u32) -> i64 {
    i64::from(rows)
}
