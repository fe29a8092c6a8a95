//! Values in and out of rows.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::identity::{FaceOrigin, Identity};
use crate::model::{AttestationStatus, EventKind, IdentityStatus};
use crate::store::{EventId, EventRow, EventState, Reason};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

/// A row as a script returns it.
pub(super) type Row = Vec<Option<Vec<u8>>>;

pub(super) fn bytes(row: &Row, column: usize) -> Option<&[u8]> {
    row.get(column)?.as_deref()
}

pub(super) fn text(row: &Row, column: usize) -> Result<&str, Failure> {
    maybe_text(row, column)?.ok_or_else(|| Failure::unreadable("row"))
}

pub(super) fn maybe_text(row: &Row, column: usize) -> Result<Option<&str>, Failure> {
    bytes(row, column).map(|bytes| std::str::from_utf8(bytes).map_err(|_| Failure::unreadable("text"))).transpose()
}

pub(super) fn number<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, Failure> {
    text(row, column)?.parse().map_err(|_| Failure::unreadable("number"))
}

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    number(row, column).map(Timestamp::from_millis)
}

pub(super) fn maybe_time(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    bytes(row, column).map(|_| time(row, column)).transpose()
}

pub(super) fn flag(row: &Row, column: usize) -> bool {
    bytes(row, column) == Some(b"1")
}

pub(super) fn kind(row: &Row, column: usize) -> Result<EventKind, Failure> {
    text(row, column).map(EventKind::from)
}

pub(super) fn object_id(row: &Row, column: usize) -> Result<Option<ObjectId>, Failure> {
    let text = maybe_text(row, column)?;
    text.map(|text| ObjectId::new(text).map_err(|_| Failure::unreadable("object id"))).transpose()
}

pub(super) fn the_object_id(row: &Row, column: usize) -> Result<ObjectId, Failure> {
    object_id(row, column)?.ok_or_else(|| Failure::unreadable("object id"))
}

pub(super) fn identity_id(text: &str) -> Result<IdentityId, Failure> {
    IdentityId::new(text).map_err(|_| Failure::unreadable("identity id"))
}

/// The subjects from a column on.
pub(super) fn subjects(row: &Row, from: usize) -> Result<Vec<Subject>, Failure> {
    let subject = |column| Subject::new(text(row, column)?).map_err(|_| Failure::unreadable("subject"));
    (from..row.len()).map(subject).collect()
}

/// The columns of [`event`], with the id after them.
pub(super) const EVENT: [&str; 8] =
    ["kind", "object_id", "state", "reason", "attempts", "received_at", "due_at", "settled_at"];

pub(super) fn event(row: &Row, id: EventId) -> Result<EventRow, Failure> {
    Ok(EventRow {
        id,
        kind: kind(row, 0)?,
        object_id: object_id(row, 1)?,
        state: EventState::parse(text(row, 2)?).ok_or_else(|| Failure::unreadable("state"))?,
        reason: maybe_text(row, 3)?.map(Reason::parse),
        attempts: number(row, 4)?,
        received_at: time(row, 5)?,
        due_at: maybe_time(row, 6)?,
        settled_at: maybe_time(row, 7)?,
    })
}

/// An identity as it is kept: one value, so that it can be compared and replaced as one.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: String,
    checked_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verification_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    face_authenticated_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attestation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    face_verification_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    face_source_id: Option<String>,
}

pub(super) fn write_identity(identity: &Identity) -> Result<Vec<u8>, Failure> {
    let kept = Kept {
        status: identity.status.as_str().to_owned(),
        checked_at: identity.checked_at.as_millis(),
        verification_id: identity.verification_id.as_ref().map(|id| id.as_str().to_owned()),
        verified_at: identity.verified_at.map(Timestamp::as_millis),
        face_authenticated_at: identity.face_authenticated_at.map(Timestamp::as_millis),
        attestation: identity.attestation.as_ref().map(|status| status.as_str().to_owned()),
        face_verification_id: identity.face_origin.verification_id.as_ref().map(|id| id.as_str().to_owned()),
        face_source_id: identity.face_origin.source_id.clone(),
    };
    serde_json::to_vec(&kept).map_err(|_| Failure::unreadable("identity"))
}

pub(super) fn read_identity(id: &IdentityId, bytes: &[u8]) -> Result<Identity, Failure> {
    let kept: Kept = serde_json::from_slice(bytes).map_err(|_| Failure::unreadable("identity"))?;
    let object = |text: Option<String>| {
        text.map(|text| ObjectId::new(text).map_err(|_| Failure::unreadable("object id"))).transpose()
    };
    Ok(Identity {
        identity_id: id.clone(),
        status: IdentityStatus::from(kept.status.as_str()),
        checked_at: Timestamp::from_millis(kept.checked_at),
        verification_id: object(kept.verification_id)?,
        verified_at: kept.verified_at.map(Timestamp::from_millis),
        face_authenticated_at: kept.face_authenticated_at.map(Timestamp::from_millis),
        face_origin: FaceOrigin { verification_id: object(kept.face_verification_id)?, source_id: kept.face_source_id },
        attestation: kept.attestation.as_deref().map(AttestationStatus::from),
    })
}
