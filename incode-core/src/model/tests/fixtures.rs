//! Every payload of the vendor's document that is an answer or a request of ours.

use serde_json::{Value, json};

use super::read_text;
use crate::Timestamp;
use crate::model::*;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/", $name))
    };
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn userinfo() {
    let info: UserInfo = read_text(fixture!("userinfo.json"));
    assert_eq!(info.status, IdentityStatus::Active);
    assert_eq!(info.identity_id.as_str(), "string");
    let name = info.name.unwrap();
    assert_eq!([name.full_name, name.first_name, name.last_name], [some("string"), some("string"), some("string")]);
    let date = info.date_of_birth.unwrap();
    assert_eq!((date.raw(), date.epoch_millis()), ("string", None));
    let texts = [info.phone, info.sex, info.email, info.city, info.country, info.curp];
    assert!(texts.iter().all(|text| *text == some("string")), "the country's key ends in a blank");
    assert_eq!(info.email_preference, None, "the sample holds the word boolean");
    let images = info.id_images_info.unwrap();
    assert_eq!([images.front_id_image_url, images.back_id_image_url], [some("string"), some("string")]);

    let check = AttestationCheck {
        key: some("string"),
        name: some("string"),
        value: some("string"),
        status: Some(AttestationStatus::Ok),
    };
    let verdict = Some(AttestationVerdict { value: some("string"), status: Some(AttestationStatus::Ok) });
    let validation = IdValidation {
        photo_security_and_quality: vec![check.clone()],
        id_specific: vec![check.clone()],
        custom_fields: vec![check],
        applied_rule: verdict.clone(),
        overall: verdict.clone(),
    };
    assert_eq!(info.id_attestation, Some(IdAttestation { id_validation: Some(validation), overall: verdict }));
}

#[test]
fn userinfo_as_seen_in_the_wild() {
    let info: UserInfo = read_text(fixture!("userinfo-filled.json"));
    let verification: VerificationData = read_text::<Verification>(fixture!("verification.json")).data.unwrap();
    assert_eq!(info.email, verification.email);
    assert_eq!(info.phone, verification.phone);
    assert_eq!(info.date_of_birth, verification.date_of_birth, "a number here, a string there");
    assert_eq!(info.email_preference, Some(true));
    assert_eq!(info.country, some("MEX"));
    assert_eq!(info.id_images_info.unwrap().back_id_image_url, None);

    let attestation = info.id_attestation.unwrap();
    assert_eq!(attestation.overall.unwrap().status, Some(AttestationStatus::ManualOk));
    let validation = attestation.id_validation.unwrap();
    assert_eq!(validation.id_specific, vec![], "null");
    assert_eq!(validation.applied_rule, None, "null");
    let [first, second] = validation.photo_security_and_quality.as_slice() else { panic!("two checks") };
    assert_eq!((&first.key, &first.name), (&None, &None));
    assert_eq!((second.value.as_deref(), &second.status), (Some("87.5"), &Some(AttestationStatus::Warn)));
    let custom = validation.custom_fields.first().unwrap();
    assert_eq!(custom.value.as_deref(), Some("true"));
    assert_eq!(custom.status, Some(AttestationStatus::Other("QUEUED".into())));
}

#[test]
fn verification() {
    let verification: Verification = read_text(fixture!("verification.json"));
    assert_eq!(verification.id.as_str(), "64bb17ff915ccccb85bb45b7");
    assert_eq!(verification.created_at, Some(Timestamp::from_secs(1_688_059_847)));
    assert_eq!(verification.status, VerificationStatus::Verified);
    let data = verification.data.unwrap();
    assert_eq!(data.name.unwrap(), Name { full_name: some("John Doe"), first_name: None, last_name: None });
    assert_eq!((data.email, data.phone), (some("john.doe@gmail.com"), some("+521234567890")));
    let date = data.date_of_birth.unwrap();
    assert_eq!((date.raw(), date.epoch_millis()), ("587455200000", Some(587_455_200_000)));
}

#[test]
fn authentication() {
    let authentication: Authentication = read_text(fixture!("authentication.json"));
    assert_eq!(authentication.id.as_str(), "196c69e0-5566-4f51-9432-dde8e225aAbc3", "37 characters, no UUID");
    assert_eq!(authentication.created_at, Some(Timestamp::from_secs(1_688_059_847)));
    assert_eq!(authentication.status, AuthenticationStatus::Pass);
    assert_eq!(authentication.source_id, some("source-name"));
    assert_eq!(authentication.verification_id.unwrap().as_str(), "196c69e0-5566-4f51-9432-dde8e225aAbc3");
}

#[test]
fn face_authentication_request() {
    let sample: Value = read_text(fixture!("authenticate-request.json"));
    let faces = [Face::Base64Image("string".into()), Face::ImageUrl("string".into()), Face::Template("string".into())];
    let mut keys = serde_json::Map::new();
    for face in faces {
        let request = FaceAuthenticationRequest { face, source: some("string") };
        let sent = serde_json::to_value(&request).unwrap();
        assert_eq!(sent["source"], sample["source"]);
        keys.extend(sent["face"].as_object().unwrap().clone());
    }
    assert_eq!(Value::Object(keys), sample["face"], "one variant per key of the sample");

    let bare = FaceAuthenticationRequest { face: Face::Base64Image("aGk=".into()), source: None };
    assert_eq!(serde_json::to_value(&bare).unwrap(), json!({ "face": { "base64Image": "aGk=" } }));
}

#[test]
fn face_authentication() {
    let answer: FaceAuthentication = read_text(fixture!("authenticate.json"));
    assert_eq!(answer.status, AuthenticationStatus::Pass);
    assert!(!answer.passed(), "an error rides beside the PASS");
    let error = answer.error.unwrap();
    assert_eq!((error.timestamp, error.status), (None, Some(0)));
    assert_eq!((error.error, error.message, error.path), (some("string"), some("string"), some("string")));
    assert_eq!(answer.token.unwrap().expose(), "string");
    assert_eq!(answer.authentication_id.unwrap().as_str(), "string");
    assert_eq!((answer.correlation_id, answer.source), (some("string"), some("string")));
    assert_eq!(answer.failure_reason, Some(FailureReason::Other("string".into())));
    assert_eq!(answer.verification_id.unwrap().as_str(), "string");

    let answer: FaceAuthentication = read_text(fixture!("authenticate-passed.json"));
    assert!(answer.passed());
    assert!(answer.token.is_some());
    assert_eq!(answer.failure_reason, None);
}

#[test]
fn error_body() {
    let error: ErrorBody = read_text(fixture!("error.json"));
    assert_eq!(error.timestamp, Some(Timestamp::from_millis(1_688_044_216_480)));
    assert_eq!(error.status, Some(500));
    assert_eq!(error.error, some("Internal Server Error"));
    assert_eq!(error.message, some("Unexpected error occured"));
    assert_eq!(error.path, some("/omni/incode-id/authenticate"));
}
