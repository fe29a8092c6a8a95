//! What requirements make of one another, and what each asks of a snapshot.

use std::sync::Arc;
use std::time::Duration;

use super::identity;
use crate::gate::cached_standing::{CachedStanding, Loaded};
use crate::gate::requirement::Unmet;
use crate::gate::{CacheKey, Context, DenialKind, Requirement, TimeZone, Visitor};
use crate::identity::{Identity, LinkProof};
use crate::model::AttestationStatus;
use crate::testing::ManualClock;
use crate::{Subject, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn visitor(person: &Identity, proof: LinkProof) -> Visitor {
    let context = context();
    let (whose, loaded) = (CacheKey::Subject(Subject::new("ana").unwrap()), Loaded::now(&context));
    CachedStanding::linked(&whose, person, (Some(proof), &[]), None, loaded, context).into()
}

fn context() -> Arc<Context> {
    Arc::new(Context::plain(Arc::new(ManualClock::new(NOW))))
}

/// ACTIVE, and nothing else.
fn ana() -> Visitor {
    let mut person = identity("ACTIVE");
    person.attestation = Some(AttestationStatus::Warn);
    visitor(&person, LinkProof::Application)
}

fn unmet(requirement: &Requirement) -> Unmet {
    requirement.check(&ana(), None).unwrap_err()
}

fn active() -> Requirement {
    Requirement::active()
}

fn no(name: &'static str) -> Requirement {
    active().satisfying(name, |_| false)
}

fn yes() -> Requirement {
    active().satisfying("yes", |_| true)
}

#[test]
fn and_needs_both_and_or_needs_one() {
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let of = |met| if met { yes() } else { no("no") };
        assert_eq!(of(first).and(of(second)).check(&ana(), None).is_ok(), first && second);
        assert_eq!(of(first).or(of(second)).check(&ana(), None).is_ok(), first || second);
    }
    let deep = no("a").or(no("b").or(yes().and(yes()))).and(no("c").or(yes()));
    assert_eq!(deep.check(&ana(), None), Ok(()));
    assert!(no("a").or(yes()).verified().check(&ana(), None).is_err(), "what is added counts for both alternatives");
}

#[test]
fn or_names_what_the_person_can_act_on_best_whichever_comes_first() {
    // From the easiest to the hardest.
    let ladder = [
        active().face_authenticated_within(MINUTE),
        active().verified(),
        active().attested(),
        active().linked_by(LinkProof::Flow),
        no("rule"),
        active().country(["MEX"]),
    ];
    let kinds: Vec<_> = ladder.iter().map(|requirement| unmet(requirement).kind).collect();
    assert_eq!(kinds[5], DenialKind::RequirementNotSetUp, "not kept here; it ranks behind everything");
    for (at, easier) in ladder.iter().enumerate() {
        for harder in &ladder[at..] {
            assert_eq!(unmet(&easier.clone().or(harder.clone())).kind, kinds[at]);
            assert_eq!(unmet(&harder.clone().or(easier.clone())).kind, kinds[at]);
        }
    }
    let alike =
        |one, other| unmet(&active().face_authenticated_within(one).or(active().face_authenticated_within(other)));
    assert_eq!(alike(MINUTE, HOUR).kind, DenialKind::FaceAuthenticationRequired { max_age: MINUTE }, "the first");
    assert_eq!(alike(HOUR, MINUTE).kind, DenialKind::FaceAuthenticationRequired { max_age: HOUR });
}

#[test]
fn a_face_is_asked_for_last_and_young_enough_for_all() {
    let face = |age| active().face_authenticated_within(age);
    assert_eq!(unmet(&face(MINUTE).and(no("rule"))).requirement, Some("rule"));
    assert_eq!(unmet(&no("rule").and(face(MINUTE))).requirement, Some("rule"));
    for requirement in [
        face(HOUR).and(face(MINUTE)),
        face(MINUTE).and(face(HOUR)),
        face(HOUR).face_authenticated_within(MINUTE),
        face(MINUTE).face_authenticated_within(HOUR),
    ] {
        assert_eq!(unmet(&requirement).kind, DenialKind::FaceAuthenticationRequired { max_age: MINUTE });
    }
}

#[test]
fn what_is_added_is_only_ever_stricter() {
    let mut person = identity("ACTIVE");
    person.verification_id = Some(crate::ObjectId::new("a-verification").unwrap());
    person.verified_at = Some(NOW.before(HOUR));
    let person = visitor(&person, LinkProof::Flow);
    assert_eq!(active().verified_within(HOUR).verified().check(&person, None), Ok(()));
    for requirement in
        [active().verified_within(HOUR).verified_within(MINUTE), active().verified_within(MINUTE).verified_within(HOUR)]
    {
        assert_eq!(requirement.check(&person, None).unwrap_err().kind, DenialKind::VerificationExpired);
    }
}

#[test]
fn the_smallest_name_is_reported() {
    let named = |requirement: Requirement| unmet(&requirement).requirement;
    assert_eq!(named(active().verified()), None);
    assert_eq!(named(active().verified().named("inner").and(yes()).named("outer")), Some("inner"));
    assert_eq!(named(yes().named("other").and(active().verified()).named("outer")), Some("outer"));
    assert_eq!(named(no("rule").named("outer")), Some("rule"));
    assert_eq!(
        named(yes().or(yes()).and(active().attested().or(active().verified().named("v"))).named("o")),
        Some("v")
    );
    let denied = active().named("door").check(&CachedStanding::no_subject(context()).into(), None).unwrap_err();
    assert_eq!((denied.kind, denied.requirement), (DenialKind::AuthenticationRequired, Some("door")));
}

#[test]
fn a_link_is_judged_by_its_proof() {
    for (asked, made) in [
        (LinkProof::Flow, LinkProof::Webhook),
        (LinkProof::Webhook, LinkProof::Application),
        (LinkProof::Application, LinkProof::Flow),
    ] {
        let of = |made| active().linked_by(asked).check(&visitor(&identity("ACTIVE"), made), None);
        assert_eq!(of(asked), Ok(()));
        assert_eq!(of(made).unwrap_err().kind, DenialKind::LinkInsufficient);
        let either = active().linked_by(asked).or(active().linked_by(made));
        assert_eq!(either.check(&visitor(&identity("ACTIVE"), made), None), Ok(()));
    }
}

#[test]
fn a_rule_is_not_asked_about_who_is_not_active() {
    let revoked = visitor(&identity("REVOKED"), LinkProof::Flow);
    let rule = active().satisfying("never asked", |_| panic!("asked"));
    assert_eq!(rule.check(&revoked, None).unwrap_err().kind, DenialKind::IdentityRevoked);
}

#[test]
fn only_zones_that_exist_are_zones() {
    for name in ["America/Mexico_City", "Europe/Berlin", "Etc/GMT+6", "UTC"] {
        assert!(TimeZone::new(name).is_ok(), "{name}");
    }
    for name in ["", "Mexico", "America/Atlantis", "-06:00", "../etc/passwd"] {
        assert!(TimeZone::new(name).is_err(), "{name}");
    }
}

#[test]
fn debug_shows_what_is_asked_for() {
    let zone = TimeZone::new("Europe/Berlin").unwrap();
    let text = format!("{:?}", active().minimum_age(18, zone).and(no("rule")).named("door"));
    for part in ["MinimumAge(18, TimeZone(\"Europe/Berlin\"))", "Rule(\"rule\")", "door"] {
        assert!(text.contains(part), "{text}");
    }
}
