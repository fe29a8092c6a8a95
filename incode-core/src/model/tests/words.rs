use serde_json::json;

use super::{read, refused};
use crate::model::*;

#[test]
fn words_are_read_in_any_case() {
    for text in ["pass", "PASS", "Pass"] {
        assert_eq!(read::<AuthenticationStatus>(json!(text)), AuthenticationStatus::Pass);
    }
    assert_eq!(AuthenticationStatus::from("FAIL"), AuthenticationStatus::Fail);
    assert_eq!(IdentityStatus::from("revoked"), IdentityStatus::Revoked);
    assert_eq!(VerificationStatus::from("Verified"), VerificationStatus::Verified);
}

#[test]
fn listed_words_round_trip_in_the_vendors_spelling() {
    let attestation = ["OK", "WARN", "FAIL", "UNKNOWN", "MANUAL", "MANUAL_OK", "MANUAL_FAIL", "MANUAL_PENDING"];
    for word in attestation {
        let status = AttestationStatus::from(word);
        assert!(!matches!(status, AttestationStatus::Other(_)), "{word}");
        assert_eq!(serde_json::to_value(&status).unwrap(), json!(word));
    }
    for word in ["hasFaceMask", "hasLenses", "spoofAttempt", "faceMatchFailed", "otherError"] {
        let reason = FailureReason::from(word);
        assert!(!matches!(reason, FailureReason::Other(_)), "{word}");
        assert_eq!(reason.to_string(), word);
    }
    for word in ["ACTIVE", "REVOKED"] {
        assert_eq!(IdentityStatus::from(word).as_str(), word);
    }
    assert_eq!(AuthenticationStatus::Pass.as_str(), "pass");
    assert_eq!(AuthenticationStatus::Fail.as_str(), "fail");
}

#[test]
fn anything_else_is_kept_verbatim_and_is_not_a_good_word() {
    for word in ["", " ACTIVE", "ACTIVE ", "ACTİVE", "ACTIVE\0", "Suspended", "PASSED"] {
        assert_eq!(IdentityStatus::from(word), IdentityStatus::Other(word.into()));
        assert_eq!(AuthenticationStatus::from(word).as_str(), word);
    }
    assert_eq!(VerificationStatus::from("NOT_VERIFIED"), VerificationStatus::Other("NOT_VERIFIED".into()));
}

#[test]
fn a_hostile_word_is_cut_between_characters() {
    let long = "é".repeat(100_000);
    let IdentityStatus::Other(kept) = IdentityStatus::from(long.as_str()) else { panic!("not a known word") };
    assert_eq!(kept, "é".repeat(128));
}

#[test]
fn a_word_must_be_a_string() {
    for value in [json!(1), json!(null), json!(true), json!(["ACTIVE"]), json!({"Active": null})] {
        assert!(refused::<IdentityStatus>(value.clone()), "{value}");
    }
}
