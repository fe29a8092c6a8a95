use serde_json::json;

use super::read;
use crate::model::*;

const CANARY: &str = "canary";

#[test]
fn personal_data_never_shows_in_debug() {
    let check = json!({ "key": CANARY, "name": CANARY, "value": CANARY, "status": "OK" });
    let verdict = json!({ "value": CANARY, "status": "WARN" });
    let name = json!({ "fullName": CANARY, "firstName": CANARY, "lastName": CANARY });
    let info: UserInfo = read(json!({
        "status": "ACTIVE", "identityId": "0123456789-canary", "name": name, "dateOfBirth": CANARY,
        "phone": CANARY, "sex": CANARY, "email": CANARY, "city": CANARY, "country": CANARY, "curp": CANARY,
        "emailPreference": true,
        "idImagesInfo": { "frontIdImageUrl": CANARY, "backIdImageUrl": CANARY },
        "idAttestation": {
            "idValidation": {
                "photoSecurityAndQuality": [check], "idSpecific": [check], "customFields": [check],
                "appliedRule": verdict, "overall": verdict,
            },
            "overall": verdict,
        },
    }));
    let verification: Verification = read(json!({
        "id": "0123456789-canary", "status": "VERIFIED",
        "data": { "name": name, "email": CANARY, "phone": CANARY, "dateOfBirth": CANARY },
    }));
    let authentication: Authentication =
        read(json!({ "id": "0123456789-canary", "status": "pass", "sourceId": CANARY }));
    let error = json!({ "status": 405, "error": CANARY, "message": CANARY, "path": CANARY });
    let face: FaceAuthentication = read(json!({
        "status": "PASS", "token": CANARY, "correlationId": CANARY, "authenticationId": "0123456789-canary",
        "error": error, "source": CANARY, "verificationId": "0123456789-canary",
    }));
    let requests = [Face::Base64Image(CANARY.into()), Face::ImageUrl(CANARY.into()), Face::Template(CANARY.into())]
        .map(|face| FaceAuthenticationRequest { face, source: Some(CANARY.into()) });

    let shown = [
        format!("{info:#?}"),
        format!("{:?} {:?} {:?}", info.name, info.date_of_birth, info.id_images_info),
        format!("{:?}", info.id_attestation),
        format!("{verification:?} {:?}", verification.data),
        format!("{authentication:?} {face:?} {requests:?}"),
    ];
    for text in shown {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn debug_shows_which_fields_are_present() {
    let info: UserInfo = read(json!({ "status": "REVOKED", "identityId": "0123456789", "email": "a@b.example" }));
    assert_eq!(
        format!("{info:?}"),
        "UserInfo { status: Revoked, identity_id: IdentityId(0123..), id_attestation: None, email: .. }"
    );
    let error: ErrorBody = read(json!({ "status": 405, "message": "x" }));
    assert_eq!(format!("{error:?}"), "ErrorBody { status: Some(405), message: .. }");
}
