//! The oddities of the vendor's samples and payloads, one by one.

use serde_json::{Value, json};

use super::{read, read_text, refused};
use crate::Timestamp;
use crate::model::*;

fn userinfo(field: &str, value: Value) -> UserInfo {
    read(json!({ "status": "ACTIVE", "identityId": "i-1", field: value }))
}

fn face(field: &str, value: Value) -> FaceAuthentication {
    read(json!({ "status": "PASS", field: value }))
}

#[test]
fn the_birth_date_is_kept_as_it_came() {
    for value in [json!("587455200000"), json!(587_455_200_000_i64)] {
        let date = userinfo("dateOfBirth", value).date_of_birth.unwrap();
        assert_eq!((date.raw(), date.epoch_millis()), ("587455200000", Some(587_455_200_000)));
    }
    let before_1970 = userinfo("dateOfBirth", json!("-587455200000")).date_of_birth.unwrap();
    assert_eq!(before_1970.epoch_millis(), Some(-587_455_200_000));
    for text in ["1988-08-13", "", "-", "--1", "+1", "1.5", "99999999999999999999"] {
        let date = userinfo("dateOfBirth", json!(text)).date_of_birth.unwrap();
        assert_eq!((date.raw(), date.epoch_millis()), (text, None));
    }
    for value in [json!(null), json!({}), json!([]), json!(false)] {
        assert_eq!(userinfo("dateOfBirth", value).date_of_birth, None);
    }
}

#[test]
fn the_country_is_read_under_both_spellings() {
    let country = |fields: Value| {
        let mut info = json!({ "status": "ACTIVE", "identityId": "i-1" });
        info.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        read::<UserInfo>(info).country
    };
    assert_eq!(country(json!({ "country": "MEX" })).as_deref(), Some("MEX"));
    assert_eq!(country(json!({ "country ": "MEX" })).as_deref(), Some("MEX"));
    assert_eq!(country(json!({ "country": "MEX", "country ": "USA" })).as_deref(), Some("MEX"));
    assert_eq!(country(json!({ "country": null, "country ": "USA" })).as_deref(), Some("USA"));
    assert_eq!(country(json!({ "country": " ", "country ": "USA" })).as_deref(), Some("USA"));
    assert_eq!(country(json!({ "country": {}, "country ": 7 })).as_deref(), Some("7"));
    assert_eq!(country(json!({})), None);
}

#[test]
fn the_email_preference_is_a_bool_or_its_word() {
    for (value, expected) in [
        (json!(true), Some(true)),
        (json!(false), Some(false)),
        (json!("true"), Some(true)),
        (json!("FALSE"), Some(false)),
        (json!("boolean"), None),
        (json!(1), None),
        (json!(null), None),
    ] {
        assert_eq!(userinfo("emailPreference", value.clone()).email_preference, expected, "{value}");
    }
}

#[test]
fn a_surprise_in_a_field_we_do_not_decide_by_costs_that_field_only() {
    let fields = ["name", "dateOfBirth", "phone", "sex", "email", "city", "country", "country ", "curp"];
    let more = ["emailPreference", "idImagesInfo", "idAttestation", "neverHeardOf"];
    for field in fields.into_iter().chain(more) {
        for value in [json!(null), json!([[1]]), json!({ "a": { "b": [] } }), json!(-0.5), json!(""), json!(true)] {
            assert_eq!(userinfo(field, value.clone()).status, IdentityStatus::Active, "{field}: {value}");
        }
    }
    let info = userinfo("idAttestation", json!({ "idValidation": 5, "overall": { "value": 95, "status": 3 } }));
    let attestation = info.id_attestation.unwrap();
    assert_eq!(attestation.id_validation, None);
    assert_eq!(attestation.overall, Some(AttestationVerdict { value: Some("95".into()), status: None }));
    let list = json!({ "idValidation": { "customFields": ["x", null, { "key": 1 }], "idSpecific": {} } });
    let validation = userinfo("idAttestation", list).id_attestation.unwrap().id_validation.unwrap();
    assert_eq!(validation.custom_fields.len(), 1);
    assert_eq!(validation.id_specific, vec![]);
    assert_eq!(userinfo("idAttestation", json!([])).id_attestation, None, "an object is not filled by position");
    assert_eq!(userinfo("name", json!(["x", "y", "z"])).name, None);
    assert_eq!(userinfo("phone", json!(521_234_567_890_i64)).phone.as_deref(), Some("521234567890"));
}

#[test]
fn what_we_decide_by_is_required() {
    assert!(refused::<UserInfo>(json!({ "identityId": "i-1" })));
    assert!(refused::<UserInfo>(json!({ "status": "ACTIVE" })));
    assert!(refused::<UserInfo>(json!({ "status": null, "identityId": "i-1" })));
    assert!(refused::<UserInfo>(json!({ "status": "ACTIVE", "identityId": "" })));
    assert!(refused::<UserInfo>(json!({ "status": "ACTIVE", "identityId": 7 })));
    for placeholder in
        ["undefined", "null", " NULL ", "0", "None", "nil", "NaN", "00000000-0000-0000-0000-000000000000"]
    {
        assert!(refused::<UserInfo>(json!({ "status": "ACTIVE", "identityId": placeholder })), "{placeholder}");
    }
    for id in ["0a", "nullified", "undefined-1", "1"] {
        assert!(!refused::<UserInfo>(json!({ "status": "ACTIVE", "identityId": id })), "{id}");
    }
    assert!(refused::<UserInfo>(json!({ "status": "ACTIVE", "identityId": "a\nb" })));
    assert!(refused::<UserInfo>(json!({ "status": 500, "error": "Internal Server Error" })));
    assert!(refused::<UserInfo>(json!(["ACTIVE", "i-1"])));
    assert!(serde_json::from_str::<UserInfo>(r#"{"status":"REVOKED","status":"ACTIVE","identityId":"i-1"}"#).is_err());
    for id in [json!(null), json!(""), json!("."), json!(".."), json!("a b"), json!("x".repeat(129)), json!(1)] {
        assert!(refused::<Verification>(json!({ "id": id, "status": "VERIFIED" })), "{id}");
        assert!(refused::<Authentication>(json!({ "id": id, "status": "pass" })), "{id}");
    }
    assert!(refused::<Verification>(json!({ "id": "v-1" })));
    assert!(refused::<FaceAuthentication>(json!({ "token": "t" })));
}

#[test]
fn an_id_to_compare_by_is_legal_or_absent() {
    let with = |id: Value| json!({ "id": "a-1", "status": "pass", "verificationId": id });
    assert_eq!(read::<Authentication>(with(json!(null))).verification_id, None);
    assert_eq!(read::<Authentication>(with(json!(""))).verification_id, None);
    assert!(read::<Authentication>(with(json!("v-1"))).verification_id.is_some());
    assert!(refused::<Authentication>(with(json!("a b"))));
    assert!(refused::<Authentication>(with(json!(5))));
}

#[test]
fn source_and_id_are_read_under_both_names() {
    let source_id = |json: &str| read_text::<Authentication>(json).source_id;
    assert_eq!(source_id(r#"{"id":"a","status":"pass","source":"kiosk"}"#).as_deref(), Some("kiosk"));
    assert_eq!(source_id(r#"{"id":"a","status":"pass","source":"x","sourceId":"y"}"#).as_deref(), Some("y"));
    assert_eq!(face("sourceId", json!("kiosk")).source.as_deref(), Some("kiosk"));
    assert_eq!(face("source", json!("kiosk")).source.as_deref(), Some("kiosk"));
    assert_eq!(face("id", json!("a-1")).authentication_id.unwrap().as_str(), "a-1");
    let both: FaceAuthentication = read(json!({ "status": "PASS", "id": "a-1", "authenticationId": "a-2" }));
    assert_eq!(both.authentication_id.unwrap().as_str(), "a-2");
}

#[test]
fn a_pass_is_a_pass_without_an_error() {
    let nothing = [json!(null), json!({}), json!(""), json!([]), json!({ "status": null, "message": " " })];
    for error in nothing {
        assert!(face("error", error.clone()).passed(), "{error}");
    }
    let something = [
        json!({ "status": 0 }),
        json!({ "message": "spoof" }),
        json!({ "neverHeardOf": 1 }),
        json!("spoof"),
        json!(["spoof"]),
        json!(false),
        json!(405),
    ];
    for error in something {
        assert!(!face("error", error.clone()).passed(), "{error}");
    }
    for status in ["FAIL", "PASSED", "", "OK"] {
        assert!(!read::<FaceAuthentication>(json!({ "status": status })).passed(), "{status}");
    }
    let failed: FaceAuthentication = read(json!({ "status": "FAIL", "failureReason": "spoofAttempt" }));
    assert_eq!(failed.failure_reason, Some(FailureReason::SpoofAttempt));
}

#[test]
fn an_error_has_its_time_as_text_and_its_status_as_a_code() {
    let error = face("error", json!({ "timestamp": "1688044216480", "status": "4010", "path": null })).error.unwrap();
    assert_eq!(error.timestamp, Some(Timestamp::from_millis(1_688_044_216_480)));
    assert_eq!((error.status, error.path), (Some(4010), None));
}

#[test]
fn a_token_that_could_not_be_sent_is_absent() {
    for token in [json!(null), json!(""), json!("a\r\nx-api-key: b"), json!(5), json!("x".repeat(5000))] {
        assert!(face("token", token).token.is_none());
    }
}

#[test]
fn unknown_fields_and_deep_trees_do_no_harm() {
    let deep = format!(r#"{{"status":"ACTIVE","identityId":"i","x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(serde_json::from_str::<UserInfo>(&deep).is_err(), "refused by the parser's own depth limit");
    let known = deep.replace("\"x\"", "\"name\"");
    assert!(serde_json::from_str::<UserInfo>(&known).is_err());
}
