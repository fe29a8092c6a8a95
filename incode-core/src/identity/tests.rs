use proptest::prelude::*;

use super::{Identity, Observation, Verified};
use crate::model::{AttestationStatus, IdentityStatus};
use crate::{IdentityId, ObjectId, Timestamp};

fn observation() -> impl Strategy<Value = Observation> {
    let status = prop_oneof![
        Just(IdentityStatus::Active),
        Just(IdentityStatus::Revoked),
        Just(IdentityStatus::Other("PENDING".into())),
        Just(IdentityStatus::Other("SUSPENDED".into())),
    ];
    let attestation = prop_oneof![Just(None), Just(Some(AttestationStatus::Ok)), Just(Some(AttestationStatus::Fail))];
    let verified = prop_oneof![
        Just(None),
        (0..3_i64, 0..3_u8).prop_map(|(at, id)| Some(Verified {
            id: ObjectId::new(format!("v{id}")).unwrap(),
            at: Timestamp::from_millis(at)
        })),
    ];
    (0..4_i64, status, attestation, verified, proptest::option::of(0..3_i64)).prop_map(
        |(sent_at, status, attestation, verified, face)| Observation {
            identity_id: IdentityId::new("person").unwrap(),
            sent_at: Timestamp::from_millis(sent_at),
            status,
            attestation,
            verified,
            face_authenticated_at: face.map(Timestamp::from_millis),
            face_origin: Default::default(),
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
    fn the_newest_sent_word_stands_and_revoked_wins_a_tie(all in proptest::collection::vec(observation(), 1..6)) {
        let identity = merged(&all).unwrap();
        let newest = all.iter().map(|seen| seen.sent_at).max().unwrap();
        let mut words = all.iter().filter(|seen| seen.sent_at == newest).map(|seen| &seen.status);
        prop_assert_eq!(identity.checked_at, newest);
        if words.clone().any(|status| *status == IdentityStatus::Revoked) {
            prop_assert_eq!(identity.status, IdentityStatus::Revoked);
        } else {
            prop_assert!(words.any(|status| *status == identity.status));
        }
    }
}

#[test]
fn a_clock_set_back_hides_no_revocation_and_grants_nothing() {
    let seen = |status: &str, sent_at| Observation {
        identity_id: IdentityId::new("person").unwrap(),
        sent_at: Timestamp::from_secs(sent_at),
        status: status.into(),
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: Default::default(),
        fields: Vec::new(),
    };
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
