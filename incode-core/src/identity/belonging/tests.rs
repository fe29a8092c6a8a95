use serde_json::{Value, json};

use super::{Fit, check_authentication, check_owner, check_verification};
use crate::model::{Authentication, UserInfo, Verification};
use crate::{IdentityId, ObjectId};

fn fit(data: &Value, person: &Value) -> Option<Fit> {
    let verification: Verification =
        serde_json::from_value(json!({"id": "v", "status": "VERIFIED", "data": data})).unwrap();
    let mut userinfo = json!({"status": "ACTIVE", "identityId": "person"});
    userinfo.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
    let userinfo: UserInfo = serde_json::from_value(userinfo).unwrap();
    check_verification(&ObjectId::new("v").unwrap(), &verification, &userinfo).ok()
}

#[test]
fn everything_that_both_repeat_must_agree() {
    let ana = json!({"email": "ana@example.com", "phone": "+52 1 55 1234 5678", "dateOfBirth": 587_455_200_000_i64});
    for (data, expected) in [
        (json!({"email": " ANA@example.com "}), Some(Fit::Agrees)),
        (json!({"phone": "+5215512345678"}), Some(Fit::Agrees)),
        (json!({"dateOfBirth": "587455200000"}), Some(Fit::Agrees)),
        (json!({"email": "ana@example.com", "phone": "", "dateOfBirth": null}), Some(Fit::Agrees)),
        (json!({"email": "ana@example.com", "phone": "+1"}), None),
        (json!({"email": "ana@example.com", "dateOfBirth": "1988-08-13"}), None),
        (json!({"email": "ben@example.com"}), None),
        (json!({"phone": "+1"}), None),
        (json!({"dateOfBirth": 0}), None),
    ] {
        assert_eq!(fit(&data, &ana), expected, "{data}");
    }
}

#[test]
fn what_can_not_be_compared_shows_nothing() {
    let ana = json!({"email": "ana@example.com", "name": {"fullName": "Ana Flores"}});
    for data in [
        Value::Null,
        json!({}),
        json!({"email": "", "phone": "+1", "dateOfBirth": 0}),
        json!({"email": null, "phone": "no digits"}),
        json!({"name": {"fullName": "Ana Flores"}}),
    ] {
        assert_eq!(fit(&data, &ana), Some(Fit::Silent), "{data}");
    }
    let whole = json!({"email": "ana@example.com", "phone": "+1", "dateOfBirth": 0});
    assert_eq!(fit(&whole, &json!({})), Some(Fit::Silent), "what the person lacks");
}

#[test]
fn an_object_answers_under_its_own_id() {
    let id = |text| ObjectId::new(text).unwrap();
    let verification: Verification =
        serde_json::from_value(json!({"id": "v", "status": "VERIFIED", "data": {"email": "a"}})).unwrap();
    let person: UserInfo =
        serde_json::from_value(json!({"status": "ACTIVE", "identityId": "person", "email": "a"})).unwrap();
    assert!(check_verification(&id("v"), &verification, &person).is_ok());
    assert!(check_verification(&id("V"), &verification, &person).is_err());
    let authentication: Authentication = serde_json::from_value(json!({"id": "a", "status": "pass"})).unwrap();
    assert!(check_authentication(&id("a"), &authentication).is_ok());
    assert!(check_authentication(&id("A"), &authentication).is_err());
}

#[test]
fn a_verification_stays_with_its_owner() {
    let [ana, ben] = ["ana", "ben"].map(|name| IdentityId::new(name).unwrap());
    assert!(check_owner(None, &ana).is_ok() && check_owner(Some(&ana), &ana).is_ok());
    assert!(check_owner(Some(&ben), &ana).is_err());
}
