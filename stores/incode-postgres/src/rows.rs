//! Values in and out of rows.

use incode_core::identity::transition::{JobCause, Refusal};
use incode_core::identity::{
    ActionHash, Checks, Confirmation, FaceOrigin, FlowWindow, Identity, Link, LinkProof, PendingLink, RefusedLink,
    SessionHash,
};
use incode_core::model::{AttestationStatus, EventKind, IdentityStatus};
use incode_core::store::EventId;
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::Failure;

/// The columns of [`identity`].
macro_rules! identity_columns {
    () => {
        "identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
        face_verification_id, face_source_id, checks"
    };
}

/// The columns of [`link`].
macro_rules! link_columns {
    () => {
        "subject, identity_id, proof, linked_at, active_since, verified_since"
    };
}

/// The columns of [`pending_link`].
macro_rules! pending_link_columns {
    () => {
        "subject, identity_id, began_at, vendor_began_at, vendor_returned_at, expires_at"
    };
}

/// The columns of [`refused_link`].
macro_rules! refused_link_columns {
    () => {
        "subject, refusal, event_id, refused_at"
    };
}

/// The columns of [`confirmation`].
macro_rules! confirmation_columns {
    () => {
        "subject, identity_id, session, action, passed_at"
    };
}

/// How many columns [`identity`] reads.
pub(crate) const IDENTITY_COLUMNS: usize = 10;

/// A column as a type. Another type in the database is an error, and never a default.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(|_| Failure::unreadable("column"))
}

/// An instant, in milliseconds since 1970.
pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    get(row, column).map(Timestamp::from_millis)
}

/// An instant that may be NULL.
pub(crate) fn maybe_time(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A count. PostgreSQL has no unsigned numbers; a negative one can't come from a count.
pub(crate) fn number(row: &Row, column: usize) -> Result<u64, Failure> {
    Ok(u64::try_from(get::<i64>(row, column)?).unwrap_or(0))
}

/// Attempts of an event or a job.
pub(crate) fn attempts(row: &Row, column: usize) -> Result<u32, Failure> {
    Ok(u32::try_from(get::<i32>(row, column)?).unwrap_or(0))
}

/// The kind of an event. An unknown one is kept as it is.
pub(crate) fn kind(row: &Row, column: usize) -> Result<EventKind, Failure> {
    Ok(EventKind::from(get::<&str>(row, column)?))
}

/// Ids are checked when they are read, as when they are written: another program may have changed a row.
pub(crate) fn maybe_object_id(row: &Row, column: usize) -> Result<Option<ObjectId>, Failure> {
    let text = get::<Option<&str>>(row, column)?;
    text.map(|text| ObjectId::new(text).map_err(|_| Failure::unreadable("object id"))).transpose()
}

/// An object id that must be there.
pub(crate) fn object_id(row: &Row, column: usize) -> Result<ObjectId, Failure> {
    maybe_object_id(row, column)?.ok_or_else(|| Failure::unreadable("object id"))
}

/// See [`maybe_object_id`].
pub(crate) fn identity_id(row: &Row, column: usize) -> Result<IdentityId, Failure> {
    IdentityId::new(get::<&str>(row, column)?).map_err(|_| Failure::unreadable("identity id"))
}

/// See [`maybe_object_id`].
pub(crate) fn subject(row: &Row, column: usize) -> Result<Subject, Failure> {
    Subject::new(get::<&str>(row, column)?).map_err(|_| Failure::unreadable("subject"))
}

/// Bytes of a fixed length: a hash or a key.
pub(crate) fn bytes<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], Failure> {
    get::<&[u8]>(row, column)?.try_into().map_err(|_| Failure::unreadable("bytes"))
}

/// An identity from the column `first` on.
pub(crate) fn identity(row: &Row, first: usize) -> Result<Identity, Failure> {
    let at = |column| first + column;
    let status = IdentityStatus::from(get::<&str>(row, at(1))?);
    let mut identity = Identity::new(identity_id(row, at(0))?, status, time(row, at(2))?);
    identity.verification_id = maybe_object_id(row, at(3))?;
    identity.verified_at = maybe_time(row, at(4))?;
    identity.face_authenticated_at = maybe_time(row, at(5))?;
    identity.attestation = get::<Option<&str>>(row, at(6))?.map(AttestationStatus::from);
    identity.face_origin = FaceOrigin { verification_id: maybe_object_id(row, at(7))?, source_id: get(row, at(8))? };
    identity.checks = Checks::decode(get(row, at(9))?).ok_or_else(|| Failure::unreadable("checks"))?;
    Ok(identity)
}

/// A link from the column `first` on.
pub(crate) fn link(row: &Row, first: usize) -> Result<Link, Failure> {
    let at = |column| first + column;
    let proof = LinkProof::parse(get(row, at(2))?).ok_or_else(|| Failure::unreadable("proof"))?;
    let mut link = Link::new(subject(row, at(0))?, identity_id(row, at(1))?, proof, time(row, at(3))?);
    link.active_since = maybe_time(row, at(4))?;
    link.verified_since = maybe_time(row, at(5))?;
    Ok(link)
}

/// The columns of `pending_link_columns`.
pub(crate) fn pending_link(row: &Row) -> Result<PendingLink, Failure> {
    Ok(PendingLink {
        subject: subject(row, 0)?,
        identity_id: identity_id(row, 1)?,
        window: FlowWindow {
            began_at: time(row, 2)?,
            vendor_began_at: time(row, 3)?,
            vendor_returned_at: time(row, 4)?,
        },
        expires_at: time(row, 5)?,
    })
}

/// The columns of `refused_link_columns`.
pub(crate) fn refused_link(row: &Row) -> Result<RefusedLink, Failure> {
    Ok(RefusedLink {
        subject: subject(row, 0)?,
        refusal: Refusal::parse(get(row, 1)?).ok_or_else(|| Failure::unreadable("refusal"))?,
        event: get::<Option<i64>>(row, 2)?.map(EventId),
        refused_at: time(row, 3)?,
    })
}

/// The columns of `confirmation_columns`.
pub(crate) fn confirmation(row: &Row) -> Result<Confirmation, Failure> {
    let action = get::<Option<&[u8]>>(row, 3)?;
    let action = action.map(|hash| hash.try_into().map_err(|_| Failure::unreadable("action"))).transpose()?;
    Ok(Confirmation {
        subject: subject(row, 0)?,
        identity_id: identity_id(row, 1)?,
        session: SessionHash(bytes(row, 2)?),
        action: action.map(ActionHash),
        passed_at: time(row, 4)?,
    })
}

/// The cause of a job: `cause, event_id, kind, object_id, subject, cause_at`, from the column `first` on. `None`: it
/// named a subject, which was erased.
pub(crate) fn cause(row: &Row, first: usize) -> Result<Option<JobCause>, Failure> {
    let at = |column| first + column;
    let of_subject = |make: fn(Subject, Timestamp) -> JobCause| {
        let has_subject = get::<Option<&str>>(row, at(4))?.is_some();
        has_subject.then(|| Ok(make(subject(row, at(4))?, time(row, at(5))?))).transpose()
    };
    match get(row, first)? {
        "event" => Ok(Some(JobCause::Event {
            event: EventId(get(row, at(1))?),
            kind: kind(row, at(2))?,
            object_id: object_id(row, at(3))?,
        })),
        "verified" => of_subject(|subject, linked_at| JobCause::Verified { subject, linked_at }),
        "revoked" => of_subject(|subject, checked_at| JobCause::Revoked { subject, checked_at }),
        _ => Err(Failure::unreadable("cause")),
    }
}
