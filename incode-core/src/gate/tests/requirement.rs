use std::sync::Arc;
use std::time::Duration;

use super::identity;
use crate::gate::cached_standing::{CachedStanding, Loaded};
use crate::gate::{CacheKey, Context, DenialKind, Requirement, Standing};
use crate::identity::Identity;
use crate::model::AttestationStatus;
use crate::testing::ManualClock;
use crate::{ObjectId, Subject, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn check(requirement: &Requirement, identity: &Identity) -> Result<(), DenialKind> {
    decide(requirement, Standing::from(&identity.status), Some(identity))
}

fn decide(requirement: &Requirement, standing: Standing, identity: Option<&Identity>) -> Result<(), DenialKind> {
    let context = Arc::new(Context::plain(Arc::new(ManualClock::new(NOW))));
    let (whose, loaded) = (CacheKey::Subject(Subject::new("ana").unwrap()), Loaded::now(&context));
    let known = match (identity, standing) {
        (Some(identity), _) => {
            CachedStanding::linked(&whose, identity, (Some(super::PROOF), &[]), None, loaded, context)
        }
        (None, Standing::NoSubject) => CachedStanding::no_subject(context),
        (None, Standing::Unavailable) => CachedStanding::unavailable(&whose, loaded, context),
        (None, _) => CachedStanding::unlinked(&whose, Standing::NotLinked, loaded, context),
    };
    assert_eq!(known.standing(), standing);
    requirement.check(&known.into(), None).map_err(|unmet| unmet.kind)
}

#[test]
fn each_standing_has_its_denial() {
    let active = Requirement::active();
    let none = |standing| decide(&active, standing, None).unwrap_err();
    assert_eq!(none(Standing::NoSubject), DenialKind::AuthenticationRequired);
    assert_eq!(none(Standing::NotLinked), DenialKind::VerificationRequired);
    assert_eq!(none(Standing::Unavailable), DenialKind::IdentityUnavailable);
    assert_eq!(check(&active, &identity("ACTIVE")), Ok(()));
    assert_eq!(check(&active, &identity("REVOKED")), Err(DenialKind::IdentityRevoked));
    assert_eq!(check(&active, &identity("PENDING")), Err(DenialKind::IdentityNotActive));
}

#[test]
fn nothing_else_counts_for_who_is_not_active() {
    let all = Requirement::active().verified().attested().face_authenticated_within(MINUTE);
    let mut person = identity("REVOKED");
    person.verified_at = Some(NOW);
    person.face_authenticated_at = Some(NOW);
    assert_eq!(check(&all, &person), Err(DenialKind::IdentityRevoked));
}

#[test]
fn freshness_ends_exactly_at_its_bound() {
    let requirement = Requirement::active().verified_within(MINUTE);
    let mut person = identity("ACTIVE");
    person.verified_at = Some(NOW);
    assert_eq!(check(&requirement, &person), Err(DenialKind::VerificationRequired));
    person.verification_id = Some(ObjectId::new("a-verification").unwrap());
    person.verified_at = None;
    assert_eq!(check(&requirement, &person), Err(DenialKind::VerificationExpired), "an unknown time is not fresh");
    assert_eq!(check(&Requirement::active().verified(), &person), Ok(()));
    person.verified_at = Some(NOW.before(MINUTE));
    assert_eq!(check(&requirement, &person), Ok(()));
    person.verified_at = Some(NOW.before(MINUTE + Duration::from_millis(1)));
    assert_eq!(check(&requirement, &person), Err(DenialKind::VerificationExpired));
}

#[test]
fn a_clock_set_back_keeps_no_proof_alive() {
    let max_age = MINUTE;
    let requirement = Requirement::active().face_seen_by_vendor_within(max_age);
    let mut person = identity("ACTIVE");
    assert_eq!(check(&requirement, &person), Err(DenialKind::FaceAuthenticationRequired { max_age }));
    person.face_authenticated_at = Some(NOW.after(MINUTE));
    assert_eq!(check(&requirement, &person), Ok(()), "clocks may differ a little");
    person.face_authenticated_at = Some(NOW.after(MINUTE + Duration::from_millis(1)));
    assert_eq!(check(&requirement, &person), Err(DenialKind::FaceAuthenticationRequired { max_age }));
}

#[test]
fn attestation_must_be_ok_by_machine_or_by_hand() {
    let requirement = Requirement::active().attested();
    let mut person = identity("ACTIVE");
    for (status, passes) in [("OK", true), ("MANUAL_OK", true), ("WARN", false), ("UNKNOWN", false), ("odd", false)] {
        person.attestation = Some(AttestationStatus::from(status));
        assert_eq!(check(&requirement, &person).is_ok(), passes, "{status}");
    }
    person.attestation = None;
    assert_eq!(check(&requirement, &person), Err(DenialKind::AttestationInsufficient));
}
