use proptest::prelude::*;

use super::{Checks, FaceOrigin, Identity, NewestFailures, Observation, SubjectHash, Verified};
use crate::model::{AttestationStatus, IdentityStatus};
use crate::{IdentityId, ObjectId, Timestamp};

fn checks() -> impl Strategy<Value = Checks> {
    let time = || proptest::option::of((0..3_i64).prop_map(Timestamp::from_millis));
    (time(), time(), time(), time()).prop_map(|(passed_at, untimed, failed_received_at, failed_at)| Checks {
        passed_at,
        untimed_pass_received_at: untimed,
        failed_received_at: failure(failed_received_at),
        failed_at: failure(failed_at),
        ..Checks::default()
    })
}

/// One that names no flow.
fn failure(at: Option<Timestamp>) -> NewestFailures {
    at.map_or_else(NewestFailures::default, |at| NewestFailures::one(None, at))
}

fn observation() -> impl Strategy<Value = Observation> {
    let status = prop_oneof![
        Just(IdentityStatus::Active),
        Just(IdentityStatus::Revoked),
        Just(IdentityStatus::Other("PENDING".into())),
        Just(IdentityStatus::Other("SUSPENDED".into())),
    ];
    let attestation = prop_oneof![Just(None), Just(Some(AttestationStatus::Ok)), Just(Some(AttestationStatus::Fail))];
    let verified = proptest::option::of((proptest::option::of(0..3_i64), 0..3_u8).prop_map(|(at, id)| Verified {
        id: ObjectId::new(format!("v{id}")).unwrap(),
        at: at.map(Timestamp::from_millis),
    }));
    let face = proptest::option::of((0..3_i64, proptest::option::of("[ab]")));
    (0..4_i64, status, attestation, verified, face, checks()).prop_map(
        |(sent_at, status, attestation, verified, face, checks)| Observation {
            identity_id: IdentityId::new("person").unwrap(),
            sent_at: Timestamp::from_millis(sent_at),
            status,
            attestation,
            verified,
            face_authenticated_at: face.as_ref().map(|(at, _)| Timestamp::from_millis(*at)),
            face_origin: FaceOrigin { verification_id: None, source_id: face.and_then(|(_, source)| source) },
            checks,
            fields: Vec::new(),
        },
    )
}

fn merged<'a>(all: impl IntoIterator<Item = &'a Observation>) -> Option<Identity> {
    all.into_iter().fold(None, |known, seen| Some(Identity::merge(known, seen)))
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_give_the_same_row(
        (all, shuffled) in proptest::collection::vec(observation(), 1..6)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let once = merged(&all);
        prop_assert_eq!(&once, &merged(&shuffled));
        prop_assert_eq!(&once, &merged(all.iter().chain(&shuffled)));
    }

    #[test]
    fn the_newest_sent_status_stands_and_revoked_wins_a_tie(all in proptest::collection::vec(observation(), 1..6)) {
        let identity = merged(&all).unwrap();
        let newest = all.iter().map(|seen| seen.sent_at).max().unwrap();
        let mut statuses = all.iter().filter(|seen| seen.sent_at == newest).map(|seen| &seen.status);
        prop_assert_eq!(identity.checked_at, newest);
        if statuses.clone().any(|status| *status == IdentityStatus::Revoked) {
            prop_assert_eq!(identity.status, IdentityStatus::Revoked);
        } else {
            prop_assert!(statuses.any(|status| *status == identity.status));
        }
    }

    #[test]
    fn the_newest_verification_face_and_checks_are_kept(all in proptest::collection::vec(observation(), 1..6)) {
        let identity = merged(&all).unwrap();
        let verified = all.iter().filter_map(|seen| seen.verified.as_ref());
        let newest = verified.clone().map(|verified| (verified.at, Some(&verified.id))).max();
        let (verified_at, verification_id) = newest.unwrap_or_default();
        prop_assert_eq!((identity.verified_at, identity.verification_id.as_ref()), (verified_at, verification_id));
        let face = all.iter().map(|seen| (seen.face_authenticated_at, &seen.face_origin)).max().unwrap();
        prop_assert_eq!((identity.face_authenticated_at, &identity.face_origin), face);
        let newest = |part: fn(&Checks) -> Option<Timestamp>| all.iter().filter_map(|seen| part(&seen.checks)).max();
        let anyone = SubjectHash([0; 16]);
        let of_anyone = |part: fn(&Checks) -> &NewestFailures| {
            failure(all.iter().filter_map(|seen| part(&seen.checks).of(anyone)).max())
        };
        prop_assert_eq!(identity.checks, Checks {
            passed_at: newest(|checks| checks.passed_at),
            untimed_pass_received_at: newest(|checks| checks.untimed_pass_received_at),
            failed_received_at: of_anyone(|checks| &checks.failed_received_at),
            failed_at: of_anyone(|checks| &checks.failed_at),
            ..Checks::default()
        });
    }
}

#[test]
fn a_verification_of_unknown_time_never_hides_a_known_one() {
    let seen = |id: &str, at: Option<i64>, sent_at| Observation {
        verified: Some(Verified { id: ObjectId::new(id).unwrap(), at: at.map(Timestamp::from_secs) }),
        ..seen("ACTIVE", sent_at)
    };
    for all in [
        [seen("known", Some(5), 10), seen("unknown", None, 20)],
        [seen("unknown", None, 20), seen("known", Some(5), 10)],
    ] {
        let identity = merged(&all).unwrap();
        assert_eq!(identity.verified_at, Some(Timestamp::from_secs(5)));
        assert_eq!(identity.verification_id.unwrap().as_str(), "known");
    }
    let identity = merged(&[seen("unknown", None, 20)]).unwrap();
    assert_eq!((identity.verified_at, identity.verification_id.unwrap().as_str()), (None, "unknown"));
}

#[test]
fn a_clock_set_back_hides_no_revocation_and_grants_nothing() {
    let after = |all: &[(&str, i64)]| {
        let all: Vec<_> = all.iter().map(|(status, sent_at)| seen(status, *sent_at)).collect();
        merged(&all).unwrap().status.as_str().to_owned()
    };
    assert_eq!(after(&[("ACTIVE", 4000), ("REVOKED", 400)]), "REVOKED");
    assert_eq!(after(&[("ACTIVE", 4000), ("PENDING", 400)]), "PENDING");
    assert_eq!(after(&[("ACTIVE", 4000), ("REVOKED", 400), ("ACTIVE", 401)]), "ACTIVE", "the clock is right again");
    assert_eq!(after(&[("REVOKED", 4000), ("ACTIVE", 400)]), "REVOKED");
    assert_eq!(after(&[("ACTIVE", 580), ("REVOKED", 400)]), "ACTIVE", "this one may have come late");
}

fn seen(status: &str, sent_at: i64) -> Observation {
    Observation {
        identity_id: IdentityId::new("person").unwrap(),
        sent_at: Timestamp::from_secs(sent_at),
        status: status.into(),
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    }
}

mod known_times {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Authentication, UserInfo, Verification};

    /// When the vendor was asked: years after the events of these tests.
    const ASKED: Timestamp = Timestamp::from_secs(1_700_000_000);
    /// 2019-01-01T00:00:00Z.
    const NEW_YEAR: i64 = 1_546_300_800_000;

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn person() -> Observation {
        Observation::of(&read::<UserInfo>(json!({ "status": "ACTIVE", "identityId": "person" })), ASKED)
    }

    /// The times of a verification and of a face authentication that were made at this `createdAt`.
    fn times(created_at: &Value) -> (Option<Timestamp>, Option<Timestamp>) {
        let verification = json!({ "id": "v-1", "status": "VERIFIED", "createdAt": created_at });
        let face = json!({ "id": "a-1", "status": "pass", "createdAt": created_at, "verificationId": "v-0" });
        let verified = person().with_verification(&read::<Verification>(verification), None).verified.unwrap();
        assert_eq!(verified.id.as_str(), "v-1", "the id is kept: {created_at}");
        let seen = person().with_authentication(&read::<Authentication>(face), None);
        assert_eq!(seen.face_origin.verification_id.unwrap().as_str(), "v-0", "the origin is kept: {created_at}");
        (verified.at, seen.face_authenticated_at)
    }

    #[test]
    fn a_known_time_is_the_vendors() {
        let known = [
            (json!("2019-01-01T00:00:00Z"), 0),
            (json!("2019-01-01T01:00:00.250+01:00"), 250),
            (json!(1_546_300_800), 0),
            (json!("1546300800"), 0),
            (json!(NEW_YEAR), 0),
            (json!(1_546_300_800.5), 500),
        ];
        for (created_at, millis) in known {
            let at = Some(Timestamp::from_millis(NEW_YEAR + millis));
            assert_eq!(times(&created_at), (at, at), "{created_at}");
        }
    }

    #[test]
    fn an_unknown_time_is_no_freshness() {
        let unknown = [json!(null), json!(""), json!({}), json!(-1), json!("soon"), json!(1_546_300_800_000_000_i64)];
        for created_at in unknown {
            assert_eq!(times(&created_at), (None, None), "{created_at}");
        }
        let absent = person().with_verification(&read(json!({ "id": "v-1", "status": "VERIFIED" })), Some(ASKED));
        assert_eq!(absent.verified.unwrap().at, None);
        let absent = person().with_authentication(&read(json!({ "id": "a-1", "status": "pass" })), Some(ASKED));
        assert_eq!(absent.face_authenticated_at, None);
    }

    #[test]
    fn a_time_ahead_of_us_is_unknown_past_a_minute() {
        let ahead = |secs: i64| times(&json!(ASKED.as_millis() + secs * 1_000));
        assert_eq!(ahead(120), (None, None));
        assert_eq!(ahead(61), (None, None));
        assert_eq!(ahead(60), (Some(ASKED), Some(ASKED)), "within the tolerance it is the instant of the question");
        assert_eq!(ahead(0), (Some(ASKED), Some(ASKED)));
        let before = Some(Timestamp::from_millis(ASKED.as_millis() - 1_000));
        assert_eq!(ahead(-1), (before, before));
    }

    #[test]
    fn of_several_known_times_the_oldest_counts() {
        let at = |secs: i64| Timestamp::from_millis(ASKED.as_millis() + secs * 1_000);
        for (created, reported, counts) in [(-10, -20, -20), (-20, -10, -20), (-10, 20, -10), (30, 20, 0)] {
            let created_at = at(created).as_millis();
            let verification = json!({ "id": "v-1", "status": "VERIFIED", "createdAt": created_at });
            let verified = person().with_verification(&read(verification), Some(at(reported))).verified.unwrap();
            let face = json!({ "id": "a-1", "status": "pass", "createdAt": created_at });
            let seen = person().with_authentication(&read(face), Some(at(reported)));
            assert_eq!((verified.at, seen.face_authenticated_at), (Some(at(counts)), Some(at(counts))));
        }
    }

    #[test]
    fn what_did_not_pass_has_no_time() {
        for status in ["REJECTED", "PENDING_REVIEW", "UNHEARD_OF"] {
            let verification = json!({ "id": "v-1", "status": status, "createdAt": NEW_YEAR });
            assert_eq!(person().with_verification(&read(verification), None).verified, None, "{status}");
        }
        let face = json!({ "id": "a-1", "status": "fail", "createdAt": NEW_YEAR });
        let seen = person().with_authentication(&read(face), None);
        assert_eq!((seen.face_authenticated_at, seen.face_origin), (None, FaceOrigin::default()));
    }
}
