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
    let ana = json!({
        "email": "ana@example.com", "phone": "+52 1 55 1234 5678", "dateOfBirth": 587_455_200_000_i64,
        "name": {"fullName": "Ana Flores"},
    });
    for (data, expected) in [
        (json!({"email": " ANA@example.com "}), Some(Fit::Agrees)),
        (json!({"phone": "+5215512345678"}), Some(Fit::Agrees)),
        (json!({"dateOfBirth": "587455200000"}), Some(Fit::Silent)),
        (json!({"dateOfBirth": "587455200000", "name": {"fullName": "ana  FLORES "}}), Some(Fit::Agrees)),
        (json!({"dateOfBirth": "587455200000", "name": {"firstName": "Ana", "lastName": "Flores"}}), Some(Fit::Agrees)),
        (json!({"dateOfBirth": "587455200000", "name": {"firstName": "Ana"}}), Some(Fit::Silent)),
        (json!({"dateOfBirth": "587455200000", "name": {"fullName": "Aña Flores"}}), Some(Fit::Silent)),
        (json!({"dateOfBirth": "587455200000", "name": {"fullName": " "}}), Some(Fit::Silent)),
        (json!({"dateOfBirth": "1988-08-14", "name": {"fullName": "Ana Flores"}}), None),
        (json!({"email": "ana@example.com", "phone": "", "dateOfBirth": null}), Some(Fit::Agrees)),
        (json!({"email": "ana@example.com", "phone": "+1"}), None),
        (json!({"dateOfBirth": "1988-08-13"}), Some(Fit::Silent)),
        (json!({"dateOfBirth": "1988-08-13", "name": {"fullName": "Ana Flores"}}), Some(Fit::Agrees)),
        (json!({"email": "ana@example.com", "dateOfBirth": "1988-08-14"}), None),
        (json!({"email": "ana@example.com", "dateOfBirth": "1988-08-12"}), None),
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
    let empty = json!({"dateOfBirth": "1988-08-13", "name": {"fullName": ""}});
    assert_eq!(fit(&empty, &empty), Some(Fit::Silent), "an empty name is none");
    let whole = json!({"email": "ana@example.com", "phone": "+1", "dateOfBirth": 0});
    assert_eq!(fit(&whole, &json!({})), Some(Fit::Silent), "what the person lacks");
}

/// The vendor is not known to write both in one form.
#[test]
fn two_forms_of_one_thing_are_no_contradiction() {
    // The same name beside it, so that an equal birth date shows.
    let named = |field: &str, value: Value| json!({field: value, "name": {"fullName": "Ana Flores"}});
    let one = |field: &str, one: Value, other: Value| fit(&named(field, one), &named(field, other));
    for (phone, other, expected) in [
        ("+52 55 1234 5678", "+52 1 55 1234 5678", Some(Fit::Silent)),
        ("55 1234 5678", "+5215512345678", Some(Fit::Silent)),
        ("+52 55 1234 5679", "+52 1 55 1234 5678", None),
        ("234 5678", "+5215512345678", None),
    ] {
        assert_eq!(one("phone", json!(phone), json!(other)), expected, "{phone}");
        assert_eq!(one("phone", json!(other), json!(phone)), expected, "{other}");
    }
    for (date, other, expected) in [
        // Midnight of that day in Mexico City, Tokyo, Kiritimati, and on Baker Island.
        ("1988-08-13", "587455200000", Some(Fit::Agrees)),
        ("1988-08-13", "587401200000", Some(Fit::Agrees)),
        ("1988-08-13", "587383200000", Some(Fit::Agrees)),
        ("1988-08-13", "587476800000", Some(Fit::Agrees)),
        ("1988-08-13", "587383199999", None),
        ("1988-08-13", "587476800001", None),
        ("1988-08-13", "9223372036854775807", None),
        ("1988-08-13", "-9223372036854775808", None),
        ("1988-08-13", "1988-08-14", None),
        ("1988-08-13", "13.08.1988", Some(Fit::Silent)),
        ("13.08.1988", "13.08.1988", Some(Fit::Agrees)),
        ("587455200000", "587455200", None),
        ("-9999-01-01", "0", Some(Fit::Silent)),
    ] {
        assert_eq!(one("dateOfBirth", json!(date), json!(other)), expected, "{date}, {other}");
        assert_eq!(one("dateOfBirth", json!(other), json!(date)), expected, "{other}, {date}");
    }
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
