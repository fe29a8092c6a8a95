//! Values in and out of rows.
//!
//! A row that the server never looks into is one value: a JSON array of its columns in a fixed order. So it is compared
//! and replaced as a whole. Links and pending links begin with the identity and a space: scripts follow them.

use data_encoding::BASE64_NOPAD;
use incode_core::identity::transition::{JobCause, Refusal};
use incode_core::identity::{
    ActionHash, Checks, Confirmation, FaceOrigin, Field, FlowWindow, Identity, Link, LinkProof, PendingLink,
    RefusedLink, RetainedField, SessionHash,
};
use incode_core::model::{AttestationStatus, EventKind, IdentityStatus};
use incode_core::store::{EventId, EventRow, EventState, Reason};
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;

/// A row as a script returns it.
pub(crate) type Row = Vec<Option<Vec<u8>>>;

/// A column, or `None` if it is empty or missing.
pub(crate) fn bytes(row: &Row, column: usize) -> Option<&[u8]> {
    row.get(column)?.as_deref()
}

/// A column that must hold a text.
pub(crate) fn text(row: &Row, column: usize) -> Result<&str, Failure> {
    maybe_text(row, column)?.ok_or_else(|| Failure::unreadable("row"))
}

/// A column that may be empty.
pub(crate) fn maybe_text(row: &Row, column: usize) -> Result<Option<&str>, Failure> {
    bytes(row, column).map(utf8).transpose()
}

/// A number, written as text: Lua's own numbers are not exact above 2^53.
pub(crate) fn number<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, Failure> {
    text(row, column)?.parse().map_err(|_| Failure::unreadable("number"))
}

/// An instant, in milliseconds since 1970.
pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    number(row, column).map(Timestamp::from_millis)
}

/// An instant that may be missing.
pub(crate) fn maybe_time(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    bytes(row, column).map(|_| time(row, column)).transpose()
}

/// True for `1`. Missing is false: a flag that is not set takes no memory.
pub(crate) fn flag(row: &Row, column: usize) -> bool {
    bytes(row, column) == Some(b"1")
}

/// Ids are checked when they are read, as when they are written: another program may have changed a row.
pub(crate) fn object_id(text: &str) -> Result<ObjectId, Failure> {
    ObjectId::new(text).map_err(|_| Failure::unreadable("object id"))
}

/// See [`object_id`].
pub(crate) fn identity_id(text: &str) -> Result<IdentityId, Failure> {
    IdentityId::new(text).map_err(|_| Failure::unreadable("identity id"))
}

/// See [`object_id`].
pub(crate) fn subject(text: &str) -> Result<Subject, Failure> {
    Subject::new(text).map_err(|_| Failure::unreadable("subject"))
}

/// The subjects from a column on.
pub(crate) fn subjects(row: &Row, from: usize) -> Result<Vec<Subject>, Failure> {
    (from..row.len()).map(|column| subject(text(row, column)?)).collect()
}

/// The columns of [`event`].
pub(crate) const EVENT: [&str; 8] =
    ["kind", "object_id", "state", "reason", "attempts", "received_at", "due_at", "settled_at"];

/// A row of the columns [`EVENT`].
pub(crate) fn event(row: &Row, id: EventId) -> Result<EventRow, Failure> {
    Ok(EventRow {
        id,
        kind: EventKind::from(text(row, 0)?),
        object_id: maybe_text(row, 1)?.map(object_id).transpose()?,
        state: EventState::parse(text(row, 2)?).ok_or_else(|| Failure::unreadable("state"))?,
        reason: maybe_text(row, 3)?.map(Reason::parse),
        attempts: number(row, 4)?,
        received_at: time(row, 5)?,
        due_at: maybe_time(row, 6)?,
        settled_at: maybe_time(row, 7)?,
    })
}

/// All columns but the id, which is in the key. The order is that of `IdentityColumns`, and is part of
/// [`VERSION`](crate::schema::VERSION).
pub(crate) fn write_identity(identity: &Identity) -> Result<Vec<u8>, Failure> {
    let Identity { verified_at, face_authenticated_at, face_origin: face, checks, .. } = identity;
    pack(&(
        identity.status.as_str(),
        identity.checked_at.as_millis(),
        identity.verification_id.as_ref().map(ObjectId::as_str),
        verified_at.map(Timestamp::as_millis),
        face_authenticated_at.map(Timestamp::as_millis),
        face.verification_id.as_ref().map(ObjectId::as_str),
        face.source_id.as_deref(),
        identity.attestation.as_ref().map(AttestationStatus::as_str),
        checks.encode(),
    ))
}

/// The columns of [`write_identity`] as they are read.
type IdentityColumns =
    (String, i64, Option<String>, Option<i64>, Option<i64>, Option<String>, Option<String>, Option<String>, String);

/// The reverse of [`write_identity`].
pub(crate) fn read_identity(id: &IdentityId, row: &[u8]) -> Result<Identity, Failure> {
    let columns: IdentityColumns = unpack(row)?;
    let (
        status,
        checked_at,
        verification_id,
        verified_at,
        face_at,
        face_verification,
        face_source,
        attestation,
        checks,
    ) = columns;
    let object = |text: Option<String>| text.as_deref().map(object_id).transpose();
    let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let mut identity =
        Identity::new(id.clone(), IdentityStatus::from(status.as_str()), Timestamp::from_millis(checked_at));
    identity.verification_id = object(verification_id)?;
    identity.verified_at = time(verified_at);
    identity.face_authenticated_at = time(face_at);
    identity.face_origin = FaceOrigin { verification_id: object(face_verification)?, source_id: face_source };
    identity.attestation = attestation.as_deref().map(AttestationStatus::from);
    identity.checks = Checks::decode(&checks).ok_or_else(|| Failure::unreadable("checks"))?;
    Ok(identity)
}

/// A link without its subject, which is in the key.
pub(crate) fn write_link(link: &Link) -> Result<Vec<u8>, Failure> {
    let since = [link.active_since, link.verified_since].map(|at| at.map(Timestamp::as_millis));
    lead(&link.identity_id, &(link.proof.as_str(), link.linked_at.as_millis(), since))
}

/// The reverse of [`write_link`].
pub(crate) fn read_link(subject: Subject, row: &[u8]) -> Result<Link, Failure> {
    let (identity, (proof, linked_at, since)) = follow::<(String, i64, [Option<i64>; 2])>(row)?;
    let proof = LinkProof::parse(&proof).ok_or_else(|| Failure::unreadable("proof"))?;
    let mut link = Link::new(subject, identity, proof, Timestamp::from_millis(linked_at));
    [link.active_since, link.verified_since] = since.map(|at| at.map(Timestamp::from_millis));
    Ok(link)
}

/// A pending link without its subject, which is in the key.
pub(crate) fn write_pending(pending: &PendingLink) -> Result<Vec<u8>, Failure> {
    let FlowWindow { began_at, vendor_began_at, vendor_returned_at } = pending.window;
    let times = [began_at, vendor_began_at, vendor_returned_at, pending.expires_at].map(Timestamp::as_millis);
    lead(&pending.identity_id, &times)
}

/// The reverse of [`write_pending`].
pub(crate) fn read_pending(subject: Subject, row: &[u8]) -> Result<PendingLink, Failure> {
    let (identity_id, times) = follow::<[i64; 4]>(row)?;
    let [began_at, vendor_began_at, vendor_returned_at, expires_at] = times.map(Timestamp::from_millis);
    let window = FlowWindow { began_at, vendor_began_at, vendor_returned_at };
    Ok(PendingLink { subject, identity_id, window, expires_at })
}

/// Why a link was refused: the name of the refusal, the event, the time.
pub(crate) fn write_refused(refused: &RefusedLink) -> Result<Vec<u8>, Failure> {
    pack(&(refused.refusal.as_str(), refused.event.map(|event| event.0), refused.refused_at.as_millis()))
}

pub(crate) fn read_refused(subject: Subject, row: &[u8]) -> Result<RefusedLink, Failure> {
    let (refusal, event, at): (String, Option<i64>, i64) = unpack(row)?;
    let refusal = Refusal::parse(&refusal).ok_or_else(|| Failure::unreadable("refusal"))?;
    Ok(RefusedLink { subject, refusal, event: event.map(EventId), refused_at: Timestamp::from_millis(at) })
}

/// A confirmation. The bytes of equal confirmations are equal: a sorted set holds each once.
pub(crate) fn write_confirmation(confirmation: &Confirmation) -> Result<Vec<u8>, Failure> {
    let session = BASE64_NOPAD.encode(&confirmation.session.0);
    let action = confirmation.action.map(|action| BASE64_NOPAD.encode(&action.0));
    pack(&(confirmation.identity_id.as_str(), session, action, confirmation.passed_at.as_millis()))
}

/// The reverse of [`write_confirmation`].
pub(crate) fn read_confirmation(subject: &Subject, row: &[u8]) -> Result<Confirmation, Failure> {
    let (identity, session, action, passed_at): (String, String, Option<String>, i64) = unpack(row)?;
    let hash = |text: &str| {
        let bytes = BASE64_NOPAD.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| Failure::unreadable("confirmation"))
    };
    Ok(Confirmation {
        subject: subject.clone(),
        identity_id: identity_id(&identity)?,
        session: SessionHash(hash(&session)?),
        action: action.as_deref().map(hash).transpose()?.map(ActionHash),
        passed_at: Timestamp::from_millis(passed_at),
    })
}

/// All confirmations of a subject, in the order of the answer.
pub(crate) fn confirmations(subject: &Subject, rows: &[Option<Vec<u8>>]) -> Result<Vec<Confirmation>, Failure> {
    rows.iter().flatten().map(|row| read_confirmation(subject, row)).collect()
}

/// The sealed bytes come last and as they are: in JSON they would be four times as long.
pub(crate) fn write_field(field: &RetainedField, sent_at: Timestamp) -> Vec<u8> {
    let head = format!("{} {} ", sent_at.as_millis(), field.expires_at.as_millis());
    [head.as_bytes(), &field.sealed].concat()
}

/// Names and values in turn. Fields that only a newer version knows are passed over.
pub(crate) fn fields(rows: &[Option<Vec<u8>>]) -> Result<Vec<(RetainedField, Timestamp)>, Failure> {
    let mut fields = Vec::new();
    for pair in rows.chunks(2) {
        let [Some(name), Some(value)] = pair else { return Err(Failure::unreadable("field")) };
        let Some(field) = Field::parse(utf8(name)?) else { continue };
        let mut parts = value.splitn(3, |byte| *byte == b' ');
        let mut part = || parts.next().ok_or_else(|| Failure::unreadable("field"));
        let [sent_at, expires_at] = [millis(part()?)?, millis(part()?)?];
        fields.push((RetainedField { field, sealed: part()?.to_vec(), expires_at }, sent_at));
    }
    Ok(fields)
}

/// The column of a job that keeps its cause, and the cause. A cause that names a person is in the column that is erased
/// when the job is done.
pub(crate) fn write_cause(cause: &JobCause) -> Result<(&'static str, Vec<u8>), Failure> {
    let name = cause.as_str();
    Ok(match cause {
        JobCause::Event { event, kind, object_id } => {
            ("cause", pack(&(name, event.0, [kind.as_str(), object_id.as_str()]))?)
        }
        JobCause::Verified { subject, linked_at: at } | JobCause::Revoked { subject, checked_at: at } => {
            ("person", pack(&(name, at.as_millis(), [subject.as_str()]))?)
        }
        _ => return Err(Failure::failed("a cause that this version of the engine does not know")),
    })
}

/// The reverse of [`write_cause`].
pub(crate) fn read_cause(row: &[u8]) -> Result<JobCause, Failure> {
    let (name, number, texts): (String, i64, Vec<String>) = unpack(row)?;
    match (name.as_str(), texts.as_slice()) {
        ("event", [kind, object]) => Ok(JobCause::Event {
            event: EventId(number),
            kind: EventKind::from(kind.as_str()),
            object_id: object_id(object)?,
        }),
        ("verified", [of]) => {
            Ok(JobCause::Verified { subject: subject(of)?, linked_at: Timestamp::from_millis(number) })
        }
        ("revoked", [of]) => {
            Ok(JobCause::Revoked { subject: subject(of)?, checked_at: Timestamp::from_millis(number) })
        }
        _ => Err(Failure::unreadable("cause")),
    }
}

/// The identity and a space, then the columns: a script reads the identity of a link without a JSON parser.
fn lead(identity: &IdentityId, columns: &impl Serialize) -> Result<Vec<u8>, Failure> {
    Ok([identity.as_str().as_bytes(), b" ", &pack(columns)?].concat())
}

/// The reverse of [`lead`].
fn follow<T: DeserializeOwned>(row: &[u8]) -> Result<(IdentityId, T), Failure> {
    let space = row.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let (identity, columns) = row.split_at_checked(space).ok_or_else(|| Failure::unreadable("link"))?;
    Ok((identity_id(utf8(identity)?)?, unpack(columns)?))
}

/// Columns as JSON.
pub(crate) fn pack(columns: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(columns).map_err(|_| Failure::unreadable("columns"))
}

/// The reverse of [`pack`].
pub(crate) fn unpack<T: DeserializeOwned>(row: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(row).map_err(|_| Failure::unreadable("row"))
}

/// Text of the server that must be UTF-8, as all that was written is.
fn utf8(bytes: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| Failure::unreadable("text"))
}

/// An instant, in milliseconds since 1970.
pub(crate) fn millis(bytes: &[u8]) -> Result<Timestamp, Failure> {
    utf8(bytes)?.parse().map(Timestamp::from_millis).map_err(|_| Failure::unreadable("time"))
}

#[cfg(test)]
mod tests;
