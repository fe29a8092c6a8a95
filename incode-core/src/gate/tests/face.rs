//! A face counts in the session that confirmed it.

use std::sync::Arc;
use std::time::Duration;

use super::near::{Setup, setup, whose};
use super::{TestHead, identity};
use crate::gate::cached_standing::{CachedStanding, Loaded};
use crate::gate::near::NearSettings;
use crate::gate::{
    CacheKey, CacheKeyRef, Context, DenialKind, Requirement, SessionSource, Visitor, active, check, visitor,
};
use crate::http::Reply;
use crate::identity::{ActionHash, Confirmation, LinkProof};
use crate::testing::ManualClock;
use crate::{IdentityId, SessionHash, Subject, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn confirmation(session: SessionHash, passed_at: Timestamp) -> Confirmation {
    Confirmation {
        subject: Subject::new("alice").unwrap(),
        identity_id: IdentityId::new("person").unwrap(),
        session,
        action: None,
        passed_at,
    }
}

fn session(id: &str) -> SessionHash {
    SessionHash::of(id.as_bytes())
}

/// Of an ACTIVE subject, as the layer leaves it in the request.
fn alice(sessions: Option<SessionSource>, confirmations: &[Confirmation], clock: &ManualClock) -> Visitor {
    let context = Context { sessions, ..Context::plain(Arc::new(clock.clone())) };
    let (context, whose) = (Arc::new(context), CacheKey::Subject(Subject::new("alice").unwrap()));
    let link = (Some(LinkProof::Flow), confirmations);
    CachedStanding::linked(&whose, &identity("ACTIVE"), link, None, Loaded::now(&context), context).into()
}

fn in_session(cookie: &'static [u8]) -> TestHead {
    TestHead { headers: vec![("cookie", cookie)], ..TestHead::default() }
}

fn code(refused: Result<(), Reply>) -> String {
    let body = refused.expect_err("refused").body;
    serde_json::from_slice::<serde_json::Value>(&body).unwrap()["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_session_of_the_account_gains_nothing() {
    let clock = ManualClock::new(NOW);
    let alice = alice(Some(SessionSource::cookie("sid")), &[confirmation(session("one"), NOW)], &clock);
    let transfer = Requirement::active().face_authenticated_within(MINUTE);
    assert!(check(Some(&alice), &transfer, &in_session(b"sid=one")).is_ok());
    for cookie in [b"sid=two".as_slice(), b"", b"sid=", b"sid=one; sid=two", b"other=one"] {
        let head = TestHead { headers: vec![("cookie", cookie)], ..TestHead::default() };
        assert_eq!(code(check(Some(&alice), &transfer, &head)), "face_authentication_required", "{cookie:?}");
    }
    assert!(check(Some(&alice), &Requirement::active(), &in_session(b"sid=two")).is_ok());
    // And inside of a handler, which has the head no longer.
    for (cookie, is_met) in [(b"sid=one".as_slice(), true), (b"sid=two", false)] {
        let head = TestHead { headers: vec![("cookie", cookie)], ..TestHead::default() };
        let inside = visitor(Some(&alice), &head).unwrap();
        assert_eq!(inside.require(&transfer).is_ok(), is_met);
        assert_eq!(active(Some(&alice), &head).unwrap().visitor().require(&transfer).is_ok(), is_met);
    }
    assert!(alice.require(&transfer).is_err(), "in an unknown session");
}

#[test]
fn composed_requirements_know_the_session_too() {
    let clock = ManualClock::new(NOW);
    let alice = alice(Some(SessionSource::cookie("sid")), &[confirmation(session("one"), NOW)], &clock);
    let face = || Requirement::active().face_authenticated_within(MINUTE);
    let no = || Requirement::active().satisfying("no", |_| false);
    let by_rule = Requirement::active().satisfying("face", move |visitor| visitor.require(&face()).is_ok());
    for requirement in [face().and(Requirement::active()), no().or(face()), by_rule, no().or(no().or(face()))] {
        assert!(check(Some(&alice), &requirement, &in_session(b"sid=one")).is_ok(), "{requirement:?}");
        assert!(check(Some(&alice), &requirement, &in_session(b"sid=two")).is_err(), "{requirement:?}");
    }
}

#[test]
fn where_no_sessions_are_named_a_face_counts_for_the_subject() {
    let clock = ManualClock::new(NOW);
    let transfer = Requirement::active().face_authenticated_within(MINUTE);
    let confirmed = alice(None, &[confirmation(SessionHash::NONE, NOW)], &clock);
    assert!(check(Some(&confirmed), &transfer, &TestHead::default()).is_ok());
    assert!(confirmed.require(&transfer).is_ok());
    // Sessions were named when it was made, or are now: neither counts for the other.
    let before = alice(None, &[confirmation(session("one"), NOW)], &clock);
    assert!(check(Some(&before), &transfer, &in_session(b"sid=one")).is_err());
    let after = alice(Some(SessionSource::cookie("sid")), &[confirmation(SessionHash::NONE, NOW)], &clock);
    assert!(check(Some(&after), &transfer, &in_session(b"sid=one")).is_err());
    assert!(check(Some(&after), &transfer, &TestHead::default()).is_err());
}

#[test]
fn sessions_are_found_as_the_application_says() {
    let clock = ManualClock::new(NOW);
    let transfer = Requirement::active().face_authenticated_within(MINUTE);
    let confirmed = [confirmation(session("one"), NOW)];
    let by_extension = alice(Some(SessionSource::extension()), &confirmed, &clock);
    let own = TestHead { session: Some(session("one")), ..TestHead::default() };
    assert!(check(Some(&by_extension), &transfer, &own).is_ok());
    assert!(check(Some(&by_extension), &transfer, &TestHead::default()).is_err());
    let source = SessionSource::from_fn(|head| {
        head.header("x-session").one().and_then(|value| std::str::from_utf8(value).ok()).map(Into::into)
    });
    let by_function = alice(Some(source), &confirmed, &clock);
    let head = TestHead { headers: vec![("x-session", b"one")], ..TestHead::default() };
    assert!(check(Some(&by_function), &transfer, &head).is_ok());
    assert!(check(Some(&by_function), &transfer, &TestHead::default()).is_err());
}

#[test]
fn a_confirmation_ends_exactly_at_its_bound_and_no_clock_makes_it_younger() {
    let max_age = MINUTE;
    let transfer = Requirement::active().face_authenticated_within(max_age);
    let decide = |passed_at| {
        let clock = ManualClock::new(NOW);
        alice(None, &[confirmation(SessionHash::NONE, passed_at)], &clock).require(&transfer).is_ok()
    };
    assert!(decide(NOW.before(MINUTE)));
    assert!(!decide(NOW.before(MINUTE + Duration::from_millis(1))));
    assert!(decide(NOW.after(MINUTE)), "clocks may differ a little");
    assert!(!decide(NOW.after(MINUTE + Duration::from_millis(1))), "the clock was set back");
    let none = alice(None, &[], &ManualClock::new(NOW)).require(&transfer).unwrap_err();
    assert_eq!(none.kind(), DenialKind::FaceAuthenticationRequired { max_age });
}

#[test]
fn of_several_in_one_session_the_newest_counts_and_none_of_another_identity() {
    let clock = ManualClock::new(NOW);
    let transfer = Requirement::active().face_authenticated_within(MINUTE);
    let old = NOW.before(2 * MINUTE);
    let new = || confirmation(SessionHash::NONE, NOW);
    for confirmations in [[confirmation(SessionHash::NONE, old), new()], [new(), confirmation(SessionHash::NONE, old)]]
    {
        assert!(alice(None, &confirmations, &clock).require(&transfer).is_ok());
    }
    let for_action = Confirmation { action: Some(ActionHash::of(b"transfer")), ..new() };
    assert!(alice(None, &[for_action], &clock).require(&transfer).is_err(), "a face for one action is for that alone");
    let foreign =
        Confirmation { identity_id: IdentityId::new("other").unwrap(), ..confirmation(SessionHash::NONE, NOW) };
    assert!(alice(None, &[foreign], &clock).require(&transfer).is_err());
}

#[test]
fn what_the_vendor_saw_is_another_weaker_requirement() {
    let clock = ManualClock::new(NOW);
    let (confirmed, seen) = (
        Requirement::active().face_authenticated_within(MINUTE),
        Requirement::active().face_seen_by_vendor_within(MINUTE),
    );
    let both = confirmed.clone().face_seen_by_vendor_within(MINUTE / 2);
    let context = Arc::new(Context::plain(Arc::new(clock)));
    let whose = CacheKey::Subject(Subject::new("alice").unwrap());
    let mut person = identity("ACTIVE");
    person.face_authenticated_at = Some(NOW);
    let visitor = |confirmations: &[Confirmation], person: &_| -> Visitor {
        let loaded = Loaded::now(&context);
        CachedStanding::linked(&whose, person, (None, confirmations), None, loaded, Arc::clone(&context)).into()
    };
    // A kiosk's `authentication.completed`: seen, and confirmed nowhere here.
    let kiosk = visitor(&[], &person);
    assert!(kiosk.require(&seen).is_ok() && kiosk.require(&confirmed).is_err() && kiosk.require(&both).is_err());
    let here = visitor(&[confirmation(SessionHash::NONE, NOW)], &person);
    assert!(here.require(&seen).is_ok() && here.require(&confirmed).is_ok() && here.require(&both).is_ok());
    person.face_authenticated_at = None;
    let unseen = visitor(&[confirmation(SessionHash::NONE, NOW)], &person);
    let unmet = unseen.require(&both).unwrap_err().kind();
    assert_eq!(unmet, DenialKind::FaceAuthenticationRequired { max_age: MINUTE / 2 });
    let nothing = visitor(&[], &person).require(&both).unwrap_err().kind();
    assert_eq!(nothing, DenialKind::FaceAuthenticationRequired { max_age: MINUTE / 2 }, "one face for both");
}

#[tokio::test]
async fn the_near_cache_reads_confirmations_and_notifies_watchers() {
    let Setup { store, near, clock } = setup(NearSettings::default());
    store.permits.add_permits(100);
    let transfer = Requirement::active().face_authenticated_within(MINUTE);
    let before = near.load(whose("alice")).await;
    assert!(before.require(&transfer).is_err());
    store.confirm(confirmation(SessionHash::NONE, crate::Clock::now(&clock)));
    near.invalidate(&super::near::change("alice"));
    let now = before.changed().await.unwrap();
    assert!(now.require(&transfer).is_ok());
    assert!(near.hit(CacheKeyRef::Subject("alice")).unwrap().require(&transfer).is_ok());
}
