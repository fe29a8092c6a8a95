use proptest::prelude::*;

use super::*;

const START: i64 = 1_000_000;
const RETURN: i64 = START + 30;

fn secs(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// Our clock and the vendor's agree.
fn alice() -> Subject {
    Subject::new("alice").unwrap()
}

fn window() -> FlowWindow {
    FlowWindow { began_at: secs(START), vendor_began_at: secs(START), vendor_returned_at: secs(RETURN) }
}

fn passed(made_at: Option<i64>, received_at: i64) -> Check {
    let made_at = made_at.map(secs);
    Check { passed: true, made_at, received_at: secs(received_at), authenticated: true, flow: NamedFlow::Unnamed }
}

fn failed(made_at: Option<i64>, received_at: i64) -> Check {
    Check { passed: false, ..passed(made_at, received_at) }
}

#[test]
fn a_pass_was_made_within_the_flow_and_a_minute_of_tolerance() {
    for (made_at, belongs) in [
        (START - 61, false),
        (START - 60, true),
        (START, true),
        (RETURN, true),
        (RETURN + 60, true),
        (RETURN + 61, false),
        (START - 3_600, false),
    ] {
        // When its event was accepted makes no difference.
        for received_at in [START - 7_200, RETURN + 7_200] {
            assert_eq!(window().is_passed_by(&passed(Some(made_at), received_at), &alice()), belongs, "{made_at}");
        }
    }
    let millis = |at| Check { made_at: Some(Timestamp::from_millis(at)), ..passed(None, RETURN) };
    assert!(!window().is_passed_by(&millis(START * 1_000 - 60_001), &alice()));
    assert!(!window().is_passed_by(&millis(RETURN * 1_000 + 60_001), &alice()));
}

#[test]
fn the_vendors_clock_decides_about_what_it_made() {
    let ahead = 7_200;
    let window =
        FlowWindow { vendor_began_at: secs(START + ahead), vendor_returned_at: secs(RETURN + ahead), ..window() };
    assert!(window.is_passed_by(&passed(Some(START + ahead), RETURN), &alice()));
    assert!(!window.is_passed_by(&passed(Some(START), RETURN), &alice()));
    assert!(window.is_failed_by(&failed(Some(START + ahead), RETURN), &alice()));
    assert!(!window.is_failed_by(&failed(Some(START), RETURN), &alice()));
    assert!(window.is_passed_by(&passed(None, START), &alice()), "ours decides about what we received");
}

#[test]
fn a_pass_of_unknown_time_is_authenticated_and_received_since() {
    assert!(window().is_passed_by(&passed(None, START), &alice()));
    assert!(window().is_passed_by(&passed(None, RETURN + 600), &alice()));
    assert!(!window().is_passed_by(&passed(None, START - 1), &alice()));
    assert!(!window().is_passed_by(&Check { authenticated: false, ..passed(None, RETURN) }, &alice()));
    assert!(
        window().is_passed_by(&Check { authenticated: false, ..passed(Some(START), RETURN) }, &alice()),
        "a known time will do"
    );
}

#[test]
fn a_failure_was_received_since_and_not_made_before() {
    for (made_at, received_at, belongs) in [
        (Some(START), RETURN, true),
        (Some(START - 1), RETURN, true),
        (Some(START - 2), RETURN, false),
        (None, START, true),
        (None, START - 1, false),
        (Some(START), START - 1, false),
        (Some(RETURN + 600), RETURN + 600, true),
    ] {
        assert_eq!(
            window().is_failed_by(&failed(made_at, received_at), &alice()),
            belongs,
            "{made_at:?} {received_at}"
        );
        assert!(!window().is_passed_by(&failed(made_at, received_at), &alice()));
    }
    assert!(!window().is_failed_by(&passed(Some(START), RETURN), &alice()));
}

#[test]
fn a_person_who_failed_can_start_again_at_once() {
    let failure = Checks::default().with(&failed(Some(START - 5), START - 1));
    assert!(!window().has_failure(&failure, &alice()));
    let late = Checks::default().with(&failed(Some(START - 5), START + 5));
    assert!(!window().has_failure(&late, &alice()), "its event comes late");
}

/// A failure that names no flow.
fn any(at: i64) -> NewestFailures {
    NewestFailures::one(None, secs(at))
}

#[test]
fn each_check_moves_its_own_part() {
    let checks = |check: &Check| Checks::default().with(check);
    assert_eq!(checks(&passed(Some(1), 2)), Checks { passed_at: Some(secs(1)), ..Checks::default() });
    let untimed = Checks { untimed_pass_received_at: Some(secs(2)), ..Checks::default() };
    assert_eq!(checks(&passed(None, 2)), untimed);
    assert_eq!(checks(&Check { authenticated: false, ..passed(None, 2) }), Checks::default());
    let both = Checks { failed_at: any(1), failed_received_at: any(2), ..Checks::default() };
    assert_eq!(checks(&failed(Some(1), 2)), both);
    let untimed = Checks { untimed_failure_received_at: any(2), ..Checks::default() };
    assert_eq!(checks(&failed(None, 2)), untimed);
}

/// An older failure with a known time must not hide it.
#[test]
fn a_failure_at_an_unknown_time_counts_beside_an_older_one() {
    let old = failed(Some(START - 500), START - 490);
    let checks = Checks::default().with(&old).with(&failed(None, START + 5));
    assert!(window().has_failure(&checks, &alice()));
    assert!(!window().has_failure(&Checks::default().with(&old), &alice()));
}

#[test]
fn a_store_keeps_them_as_one_text() {
    let whole = Checks {
        passed_at: Some(secs(-1)),
        passed_for: Some(SubjectHash([7; 16])),
        untimed_pass_received_at: Some(secs(2)),
        untimed_pass_for: Some(SubjectHash([8; 16])),
        failed_received_at: any(3),
        failed_at: any(4).join(NewestFailures::one(Some(SubjectHash([9; 16])), secs(5))),
        untimed_failure_received_at: NewestFailures::one(Some(SubjectHash([10; 16])), secs(-6)),
    };
    for checks in [whole.clone(), Checks::default(), Checks { passed_for: None, ..whole }] {
        assert_eq!(Checks::decode(&checks.encode()), Some(checks));
    }
    for text in ["", ";", "1;2;3", ";;;;;;;", "x;;;;;;", ";zz;;;;;", ";07;;;;;", ";;;;1,;;", ";;;;1,07:2;;", ";;;;,:;;"]
    {
        assert_eq!(Checks::decode(text), None, "{text}");
    }
}

fn check() -> impl Strategy<Value = Check> {
    let made_at = proptest::option::of(START - 70..RETURN + 70);
    (proptest::bool::ANY, made_at, START - 70..RETURN + 70, proptest::bool::ANY, flow()).prop_map(
        |(has_passed, made_at, received_at, authenticated, flow)| Check {
            passed: has_passed,
            authenticated,
            flow,
            ..passed(made_at, received_at)
        },
    )
}

/// More subjects than are kept by name.
fn flow() -> impl Strategy<Value = NamedFlow> {
    prop_oneof![
        Just(NamedFlow::Unnamed),
        Just(NamedFlow::Foreign),
        Just(NamedFlow::Of(alice())),
        (0..10_u8).prop_map(|number| NamedFlow::Of(account(number))),
    ]
}

fn account(number: u8) -> Subject {
    Subject::new(format!("account-{number}")).unwrap()
}

fn all(checks: &[Check]) -> Checks {
    checks.iter().fold(Checks::default(), Checks::with)
}

proptest! {
    #[test]
    fn any_order_and_any_grouping_give_the_same_checks(
        (checks, shuffled) in proptest::collection::vec(check(), 0..24)
            .prop_flat_map(|checks| (Just(checks.clone()), Just(checks).prop_shuffle())),
        at in 0..24_usize,
    ) {
        let once = all(&checks);
        prop_assert_eq!(&once, &all(&shuffled));
        let (left, right) = shuffled.split_at(at.min(shuffled.len()));
        prop_assert_eq!(&once, &all(left).join(all(right)));
        prop_assert_eq!(&once, &all(right).join(all(left)));
        prop_assert_eq!(&once, &once.clone().join(once.clone()));
    }

    /// Whatever comes before or after: a failure of the flow is known, also when there is no place for its name.
    #[test]
    fn a_failure_is_never_forgotten(checks in proptest::collection::vec(check(), 0..24)) {
        if checks.iter().any(|check| window().is_failed_by(check, &alice())) {
            prop_assert!(window().has_failure(&all(&checks), &alice()));
        }
    }

    #[test]
    fn a_pass_is_never_made_up(checks in proptest::collection::vec(check(), 0..6)) {
        if window().has_pass(&all(&checks), &alice()) {
            prop_assert!(checks.iter().any(|check| window().is_passed_by(check, &alice())));
        }
    }
}

/// A check that names the flow of one subject is no pass of another's.
#[test]
fn a_pass_that_names_a_flow_is_of_that_flow_alone() {
    let mallory = Subject::new("mallory").unwrap();
    for made_at in [Some(START), None] {
        let named = Check { flow: NamedFlow::Of(alice()), ..passed(made_at, START) };
        assert!(window().is_passed_by(&named, &alice()), "{made_at:?}");
        assert!(!window().is_passed_by(&named, &mallory), "{made_at:?}");
        // The same check without its flow, earlier or later, changes nothing.
        let unnamed = Checks::default().with(&passed(made_at, START));
        for checks in [unnamed.clone().with(&named), Checks::default().with(&named).join(unnamed)] {
            assert!(!window().has_pass(&checks, &mallory), "{made_at:?}");
        }
        let forged = Check { authenticated: false, ..named };
        assert_eq!(Checks::default().with(&forged).passed_for, None);
    }
}

/// Eve fails under the name of another person: that stops her flow, and no other.
#[test]
fn a_failure_that_names_a_flow_counts_against_that_flow_alone() {
    let eve = Subject::new("eve").unwrap();
    for made_at in [Some(START), None] {
        let named = Check { flow: NamedFlow::Of(eve.clone()), ..failed(made_at, RETURN) };
        assert!(window().is_failed_by(&named, &eve), "{made_at:?}");
        assert!(!window().is_failed_by(&named, &alice()), "{made_at:?}");
        for flow in [NamedFlow::Unnamed, NamedFlow::Foreign] {
            let unknown = Check { flow, ..failed(made_at, RETURN) };
            assert!(window().is_failed_by(&unknown, &alice()), "it may be of any flow: {made_at:?}");
        }
        let forged = Check { authenticated: false, ..named };
        assert!(window().is_failed_by(&forged, &alice()), "anyone could have named a flow: {made_at:?}");
    }
}

/// An id that is not ours is no missing one.
#[test]
fn a_pass_that_names_a_foreign_flow_is_of_none_of_ours() {
    for made_at in [Some(START), None] {
        let foreign = Check { flow: NamedFlow::Foreign, ..passed(made_at, START) };
        assert!(!window().is_passed_by(&foreign, &alice()), "{made_at:?}");
        assert_eq!(Checks::default().with(&foreign), Checks::default());
        let own = Checks::default().with(&passed(made_at, START));
        assert!(window().has_pass(&own.with(&foreign), &alice()), "it hides nothing: {made_at:?}");
    }
}

/// The names are bounded. What has no place counts against everyone, so many failures hide none of them.
#[test]
fn a_displaced_failure_counts_against_everyone() {
    let named =
        |number, received_at| Check { flow: NamedFlow::Of(account(number)), ..failed(Some(START), received_at) };
    let most = u8::try_from(NewestFailures::MOST_NAMED).unwrap();
    let full = (0..most).fold(Checks::default(), |checks, number| checks.with(&named(number, RETURN)));
    assert!(!window().has_failure(&full, &alice()), "each of them counts for itself");
    assert!(window().has_failure(&full, &account(0)));
    let more = full.with(&named(most, RETURN + 1));
    assert!(window().has_failure(&more, &alice()));
    assert!(window().has_failure(&more, &account(0)));
    assert!(more.encode().len() < 1_500, "{}", more.encode().len());
}

/// Rows that were written before failures had names are read as they were meant.
#[test]
fn a_failure_without_a_name_is_read_back_for_everyone() {
    let checks = Checks::decode(&format!(";;;;{};{};", RETURN * 1_000, START * 1_000)).unwrap();
    assert!(window().has_failure(&checks, &alice()));
}
