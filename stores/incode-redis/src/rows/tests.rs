#![allow(clippy::unwrap_used, reason = "a test: a panic is how it fails")]

use incode_core::identity::transition::JobCause;
use incode_core::identity::{
    ActionHash, Confirmation, FaceOrigin, Field, FlowWindow, Identity, Link, LinkProof, NewestFailures, PendingLink,
    RetainedField, SessionHash, SubjectHash,
};
use incode_core::model::{AttestationStatus, EventKind, IdentityStatus};
use incode_core::store::EventId;
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn person() -> IdentityId {
    IdentityId::new("person").unwrap()
}

fn alice() -> Subject {
    Subject::new("José \"Ñ\" O'Neil, with spaces").unwrap()
}

#[test]
fn an_identity_is_read_as_it_was_written() {
    let mut whole = Identity::new(person(), IdentityStatus::from("SOMETHING_NEW"), at(1));
    whole.verification_id = Some(ObjectId::new("verification").unwrap());
    whole.verified_at = Some(at(2));
    whole.face_authenticated_at = Some(at(3));
    whole.face_origin =
        FaceOrigin { verification_id: Some(ObjectId::new("enrolled").unwrap()), source_id: Some("kiosk".to_owned()) };
    whole.attestation = Some(AttestationStatus::from("OK"));
    whole.checks.passed_at = Some(at(4));
    whole.checks.untimed_pass_received_at = Some(at(5));
    whole.checks.failed_received_at = NewestFailures::one(None, at(6));
    whole.checks.failed_at = NewestFailures::one(Some(SubjectHash([7; 16])), at(-7));
    whole.checks.passed_for = Some(SubjectHash([9; 16]));
    whole.checks.untimed_failure_received_at = NewestFailures::one(None, at(8));
    let bare = Identity::new(person(), IdentityStatus::Active, at(i64::MAX));
    for identity in [whole, bare] {
        assert_eq!(read_identity(&person(), &write_identity(&identity).unwrap()).unwrap(), identity);
    }
}

#[test]
fn links_are_read_as_they_were_written() {
    let mut link = Link::new(alice(), person(), LinkProof::Webhook, at(1));
    for [active_since, verified_since] in [[None, None], [Some(at(2)), None], [Some(at(2)), Some(at(3))]] {
        (link.active_since, link.verified_since) = (active_since, verified_since);
        let row = write_link(&link).unwrap();
        assert!(row.starts_with(b"person "), "scripts follow it");
        assert_eq!(read_link(alice(), &row).unwrap(), link);
    }
    let window = FlowWindow { began_at: at(1), vendor_began_at: at(2), vendor_returned_at: at(3) };
    let pending = PendingLink { subject: alice(), identity_id: person(), window, expires_at: at(4) };
    assert_eq!(read_pending(alice(), &write_pending(&pending).unwrap()).unwrap(), pending);
}

#[test]
fn confirmations_and_causes_are_read_as_they_were_written() {
    for action in [None, Some(ActionHash::of(b"transfer"))] {
        let session = SessionHash::of(b"session");
        let confirmation = Confirmation { subject: alice(), identity_id: person(), session, action, passed_at: at(1) };
        assert_eq!(read_confirmation(&alice(), &write_confirmation(&confirmation).unwrap()).unwrap(), confirmation);
    }
    for (cause, column) in [
        (
            JobCause::Event {
                event: EventId(i64::MAX),
                kind: EventKind::from("unknown.kind"),
                object_id: ObjectId::new("object").unwrap(),
            },
            "cause",
        ),
        (JobCause::Verified { subject: alice(), linked_at: at(1) }, "person"),
        (JobCause::Revoked { subject: alice(), checked_at: at(2) }, "person"),
    ] {
        let (kept_in, row) = write_cause(&cause).unwrap();
        assert_eq!((kept_in, read_cause(&row).unwrap()), (column, cause));
    }
}

/// Sealed bytes may hold anything, spaces among it.
#[test]
fn fields_are_read_as_they_were_written() {
    let field = RetainedField { field: Field::Email, sealed: b" \0 1 2 \xff".to_vec(), expires_at: at(2) };
    let known = [Some(b"email".to_vec()), Some(write_field(&field, at(1)))];
    let newer = [Some(b"of a newer version".to_vec()), Some(b"?".to_vec())];
    assert_eq!(fields(&[known, newer].concat()).unwrap(), [(field, at(1))]);
}

#[test]
fn damaged_rows_are_errors_and_not_repeated() {
    for row in [&b""[..], b" ", b"canary", b"canary [", b"\xff []", b"canary [\"canary\"]"] {
        for failure in [
            read_identity(&person(), row).unwrap_err(),
            read_link(alice(), row).unwrap_err(),
            read_pending(alice(), row).unwrap_err(),
            read_confirmation(&alice(), row).unwrap_err(),
            read_cause(row).unwrap_err(),
        ] {
            assert!(!failure.cause.contains("canary"), "{failure:?}");
        }
    }
}
