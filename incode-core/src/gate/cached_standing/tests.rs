use std::sync::Arc;

use super::{CacheKey, CacheKeyRef, CachedStanding, LONGEST, Loaded};
use crate::gate::Standing;
use crate::gate::context::Context;
use crate::gate::policy_fields::{BirthDate, PolicyFields};
use crate::gate::tests::context;
use crate::identity::{FaceOrigin, Identity, LinkProof};
use crate::model::{AttestationStatus, IdentityStatus};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

fn known(whose: &CacheKey, identity: &Identity, context: &Arc<Context>) -> Arc<CachedStanding> {
    let proof = matches!(whose, CacheKey::Subject(_)).then_some(LinkProof::Flow);
    CachedStanding::linked(whose, identity, (proof, &[]), None, Loaded::now(context), Arc::clone(context))
}

fn subject(name: &str) -> CacheKey {
    CacheKey::Subject(Subject::new(name).unwrap())
}

fn bare(id: &str, status: &str) -> Identity {
    let (id, status) = (IdentityId::new(id).unwrap(), IdentityStatus::from(status));
    Identity::new(id, status, Timestamp::from_millis(1))
}

fn full(id: &str, status: &str, attestation: &str) -> Identity {
    Identity {
        verification_id: Some(ObjectId::new("a-verification").unwrap()),
        verified_at: Some(Timestamp::from_millis(-5)),
        face_authenticated_at: Some(Timestamp::from_millis(i64::MAX)),
        face_origin: FaceOrigin {
            verification_id: Some(ObjectId::new("another-verification").unwrap()),
            source_id: Some("kiosk-7".into()),
        },
        attestation: Some(AttestationStatus::from(attestation)),
        ..bare(id, status)
    }
}

#[test]
fn what_is_packed_is_unpacked_the_same() {
    let context = context();
    let longest = "ü".repeat(Subject::MAX_LEN / 2);
    for whose in [subject("alice"), subject("é, and all of Unicode"), subject(&longest)] {
        for identity in [
            bare("an-identity", "ACTIVE"),
            bare("an-identity", "REVOKED"),
            full("an-identity", "ACTIVE", "OK"),
            full("an-identity", "PENDING", "MANUAL_OK"),
            full(&"i".repeat(IdentityId::MAX_LEN), &"ß".repeat(128), &"𝄞".repeat(128)),
        ] {
            let known = known(&whose, &identity, &context);
            assert_eq!(known.identity(), Some(identity.clone()));
            assert_eq!(known.whose(), Some(whose.clone()));
            assert_eq!(known.standing(), Standing::from(&identity.status));
            assert_eq!(known.proof(), Some(LinkProof::Flow));
            assert_eq!(known.verified_at(), identity.verified_at);
            assert_eq!(known.face_authenticated_at(), identity.face_authenticated_at);
        }
    }
}

#[test]
fn the_longest_of_everything_fits() {
    let context = context();
    let long = |length| "x".repeat(length);
    let id = || Some(ObjectId::new(long(ObjectId::MAX_LEN)).unwrap());
    let mut identity = full(&long(IdentityId::MAX_LEN), &"𝄞".repeat(128), &"𝄞".repeat(128));
    identity.verification_id = id();
    identity.face_origin = FaceOrigin { verification_id: id(), source_id: Some(long(64)) };
    let facts = PolicyFields { born: Some(BirthDate::At(i64::MIN)), country: Some(long(128).into()) };
    let whose = subject(&long(Subject::MAX_LEN));
    let known = CachedStanding::linked(
        &whose,
        &identity,
        (None, &[]),
        Some(&facts),
        Loaded::now(&context),
        Arc::clone(&context),
    );
    assert_eq!(known.text.len(), LONGEST);
    assert_eq!(known.identity(), Some(identity));
    assert_eq!(known.facts().country, facts.country);
    assert!(matches!(known.facts().born, Some(BirthDate::At(i64::MIN))));
}

/// What the model would have cut or dropped, a store of the application's own may bring.
#[test]
fn words_too_long_for_the_model_are_cut_as_the_model_cuts() {
    let context = context();
    let mut identity = bare("an-identity", "ACTIVE");
    identity.status = IdentityStatus::Other("x".repeat(100_000));
    identity.attestation = Some(AttestationStatus::Other("y".repeat(100_000)));
    identity.face_origin.source_id = Some("z".repeat(100_000));
    let seen = known(&subject("alice"), &identity, &context).identity().unwrap();
    assert_eq!(seen.status.as_str(), "x".repeat(128));
    assert_eq!(seen.attestation.unwrap().as_str(), "y".repeat(128));
    assert_eq!(seen.face_origin.source_id, None);
}

#[test]
fn a_subject_and_an_identity_of_one_name_are_two() {
    let context = context();
    let identity = full("same", "ACTIVE", "OK");
    let person = CacheKey::Identity(identity.identity_id.clone());
    let (by_subject, by_id) = (known(&subject("same"), &identity, &context), known(&person, &identity, &context));
    assert_eq!(by_id.identity(), Some(identity));
    assert!(by_subject.is_about(CacheKeyRef::Subject("same")) && !by_subject.is_about(CacheKeyRef::Identity("same")));
    assert!(by_id.is_about(CacheKeyRef::Identity("same")) && !by_id.is_about(CacheKeyRef::Subject("same")));
    assert_eq!((by_id.subject(), by_id.proof()), (None, None));
    assert!(!by_subject.is_about(CacheKeyRef::Subject("sam")) && !by_subject.is_about(CacheKeyRef::Subject("samee")));
}

#[test]
fn a_user_without_a_link_has_no_identity() {
    let context = context();
    let nobody = CachedStanding::no_subject(Arc::clone(&context));
    assert_eq!((nobody.whose(), nobody.identity(), nobody.standing()), (None, None, Standing::NoSubject));
    assert!(!nobody.is_about(CacheKeyRef::Subject("")) && !nobody.is_about(CacheKeyRef::Identity("")));
    let stranger =
        CachedStanding::unlinked(&subject("alice"), Standing::NotLinked, Loaded::now(&context), Arc::clone(&context));
    assert_eq!((stranger.identity(), stranger.standing()), (None, Standing::NotLinked));
    assert_eq!(stranger.subject().unwrap().as_str(), "alice");
}

#[test]
fn saying_the_same_does_not_depend_on_when() {
    let context = context();
    let identity = full("an-identity", "ACTIVE", "OK");
    let first = known(&subject("alice"), &identity, &context);
    let asked_again = Identity { checked_at: Timestamp::from_millis(99), ..identity.clone() };
    assert!(first.says_the_same(&known(&subject("alice"), &asked_again, &context)));
    let changed = |change: fn(&mut Identity)| {
        let mut identity = identity.clone();
        change(&mut identity);
        !first.says_the_same(&known(&subject("alice"), &identity, &context))
    };
    assert!(changed(|identity| identity.status = IdentityStatus::Revoked));
    assert!(changed(|identity| identity.verified_at = Some(Timestamp::from_millis(7))));
    assert!(changed(|identity| identity.face_authenticated_at = None));
    assert!(changed(|identity| identity.attestation = Some(AttestationStatus::Fail)));
    assert!(changed(|identity| identity.verification_id = None));
    // The same text, cut at other places.
    assert!(changed(|identity| {
        identity.verification_id = Some(ObjectId::new("a-verificationa").unwrap());
        identity.face_origin.verification_id = Some(ObjectId::new("nother-verification").unwrap());
    }));
}
