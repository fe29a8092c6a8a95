//! The four vendor calls, each rule of the spec at a time, over a real socket.

mod common;

use std::time::Duration;

use common::{ana, authenticate, call, client, got, sandbox};
use incode_sandbox::{FaceKind, NewPerson, Outcome, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

/// Method, path, headers changed (or left out), the status expected.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, Option<&'a str>)], u16);

#[tokio::test]
async fn every_refusal_has_its_status_and_the_documented_body() {
    let sandbox = sandbox().await;
    let verified = ana(&sandbox);
    let url = |path: &str| format!("{}/omni/incode-id/{path}", sandbox.url());
    let verification = format!("verification/{}", verified.verification_id);
    let other = sandbox.add_person(NewPerson::named("Bo"));
    let others = format!("verification/{}", sandbox.verify(&other.identity_id).unwrap().verification_id);
    // Each row differs from a right call in one thing.
    let rows: &[Row<'_>] = &[
        ("GET", "userinfo", &[], 200),
        ("GET", &verification, &[], 200),
        ("GET", "userinfo", &[("api-version", None)], 400),
        ("GET", "userinfo", &[("api-version", Some("2.0"))], 400),
        ("GET", "userinfo", &[("x-api-key", None)], 403),
        ("GET", "userinfo", &[("x-api-key", Some("wrong"))], 403),
        ("GET", "userinfo", &[("x-incode-hardware-id", None)], 401),
        ("GET", "userinfo", &[("x-incode-hardware-id", Some("unknown"))], 401),
        ("GET", "verification/none", &[("x-incode-hardware-id", Some("unknown"))], 401),
        ("POST", "authenticate", &[("x-incode-hardware-id", None)], 401),
        ("POST", "authenticate", &[("x-incode-hardware-id", Some(""))], 401),
        ("GET", "verification/none", &[], 404),
        ("GET", "authentication/none", &[], 404),
        ("GET", &others, &[], 404),
        ("GET", "nowhere", &[], 404),
        ("GET", "verification/", &[], 404),
        ("POST", "userinfo", &[], 405),
        ("DELETE", &verification, &[], 405),
        ("GET", "authenticate", &[], 405),
        ("GET", "userinfo", &[("accept", Some("text/html"))], 406),
        ("GET", "userinfo", &[("accept", Some("application/json;q=0, */*"))], 406),
        ("GET", "userinfo", &[("accept", Some("text/html, */*;q=0.1"))], 200),
        ("GET", "userinfo", &[("accept", Some("application/*"))], 200),
        ("GET", "userinfo", &[("content-type", None)], 400),
        ("GET", "userinfo", &[("content-type", Some("text/plain"))], 400),
        ("GET", "userinfo", &[("content-type", Some("application/json; charset=utf-8"))], 200),
    ];
    for (method, path, changes, status) in rows {
        let mut headers = vec![
            ("api-version", "1.0"),
            ("x-api-key", common::API_KEY),
            ("content-type", "application/json"),
            ("x-incode-hardware-id", verified.token.as_str()),
        ];
        for (name, value) in *changes {
            headers.retain(|(header, _)| header != name);
            headers.extend(value.map(|value| (*name, value)));
        }
        let mut request = client().request(method.parse().unwrap(), url(path));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let row = format!("{method} {path} {changes:?}");
        assert_eq!(response.status().as_u16(), *status, "{row}");
        assert_eq!(response.headers()["content-type"], "application/json", "{row}");
        if *status == 405 {
            assert_eq!(response.headers()["allow"], if *path == "authenticate" { "POST" } else { "GET" }, "{row}");
        }
        if *status >= 400 {
            let body: Value = response.json().await.unwrap();
            let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, ["error", "message", "path", "status", "timestamp"], "{row}");
            assert_eq!(body["status"], *status, "{row}");
            assert_eq!(body["path"], format!("/omni/incode-id/{path}"), "{row}");
            assert!(body["timestamp"].as_i64().unwrap() > 100_000_000_000, "milliseconds: {row}");
        }
    }
    let twice = call(&sandbox, Method::GET, "userinfo", &verified.token).header("x-api-key", "b").send().await.unwrap();
    assert_eq!(twice.status(), 403);
    assert_eq!(sandbox.calls().len(), rows.len() + 1);
    let recorded = serde_json::to_string(&sandbox.calls()).unwrap();
    assert!(!recorded.contains(&verified.token) && !recorded.contains(common::API_KEY));
}

#[tokio::test]
async fn tokens_look_like_the_vendors_and_expire() {
    let sandbox =
        Sandbox::builder().api_key(common::API_KEY).token_lifetime(Duration::from_secs(900)).start().await.unwrap();
    let verified = ana(&sandbox);
    let parts: Vec<_> = verified.token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let claims = data_encoding::BASE64URL_NOPAD.decode(parts[1].as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);

    sandbox.advance_clock(Duration::from_secs(890));
    assert_eq!(got(&sandbox, "userinfo", &verified.token).await.0, 200);
    sandbox.advance_clock(Duration::from_secs(10));
    assert_eq!(got(&sandbox, "userinfo", &verified.token).await.0, 401);

    let fresh = sandbox.issue_token(&verified.identity_id);
    assert_eq!(got(&sandbox, "userinfo", &fresh).await.0, 200);
    sandbox.expire_tokens();
    assert_eq!(got(&sandbox, "userinfo", &fresh).await.0, 401);
}

#[tokio::test]
async fn userinfo_keeps_the_spec_s_odd_names_and_follows_the_status() {
    let sandbox = sandbox().await;
    let verified = ana(&sandbox);
    let (_, info) = got(&sandbox, "userinfo", &verified.token).await;
    assert_eq!((&info["status"], &info["identityId"]), (&json!("ACTIVE"), &json!(verified.identity_id)));
    assert_eq!(info["dateOfBirth"], "587455200000", "a string of milliseconds, midnight in Mexico City");
    assert!(info.get("country ").is_some() && info.get("country").is_none());
    let (_, verification) = got(&sandbox, &format!("verification/{}", verified.verification_id), &verified.token).await;
    assert_eq!(verification["status"], "VERIFIED");
    assert!(verification["createdAt"].as_i64().unwrap() < 100_000_000_000, "seconds");
    for key in ["email", "phone", "dateOfBirth"] {
        assert_eq!(verification["data"][key], info[key], "{key}");
    }

    sandbox.revoke(&verified.identity_id).unwrap();
    sandbox.verify(&verified.identity_id).unwrap();
    assert_eq!(got(&sandbox, "userinfo", &verified.token).await.1["status"], "REVOKED");
    sandbox.update_person(&verified.identity_id, &json!({"status": "SUSPENDED", "sex": null})).unwrap();
    let (_, info) = got(&sandbox, "userinfo", &verified.token).await;
    assert_eq!((info["status"].as_str(), info.get("sex")), (Some("SUSPENDED"), None));

    let refused = sandbox.verify_as(&verified.identity_id, Outcome::Fail).unwrap();
    let (_, refused) = got(&sandbox, &format!("verification/{}", refused.verification_id), &verified.token).await;
    assert_eq!(refused["status"], "REJECTED");

    let clean = Sandbox::builder().api_key(common::API_KEY).clean_names(true).start().await.unwrap();
    let (_, info) = got(&clean, "userinfo", &ana(&clean).token).await;
    assert!(info.get("country ").is_none() && info.get("country").is_some());
}

#[tokio::test]
async fn authenticate_knows_faces_by_their_bytes() {
    let sandbox = sandbox().await;
    let verified = ana(&sandbox);
    for face in sandbox.faces() {
        let body = json!({"face": {"base64Image": face.base64_image}, "source": "lobby"});
        let (status, answer) = authenticate(&sandbox, &body).await;
        assert_eq!((status, &answer["source"]), (200, &json!("lobby")));
        let reason = answer.get("failureReason").and_then(Value::as_str);
        let expected = match face.kind {
            FaceKind::Enrolled => None,
            FaceKind::Mask => Some("hasFaceMask"),
            FaceKind::Lenses => Some("hasLenses"),
            FaceKind::Spoof => Some("spoofAttempt"),
            _ => Some("faceMatchFailed"),
        };
        assert_eq!(reason, expected, "{}", face.label);
        let id = answer["authenticationId"].as_str().unwrap();
        let token = answer["token"].as_str().unwrap_or(&verified.token);
        let (_, seen) = got(&sandbox, &format!("authentication/{id}"), token).await;
        assert_eq!((&seen["id"], &seen["sourceId"]), (&json!(id), &json!("lobby")));
        if face.kind == FaceKind::Enrolled {
            assert_eq!((&answer["status"], &seen["status"]), (&json!("PASS"), &json!("pass")));
            assert_eq!(answer["verificationId"], verified.verification_id);
            assert_eq!(seen["verificationId"], verified.verification_id);
            assert_eq!(got(&sandbox, "userinfo", token).await.1["identityId"], verified.identity_id);
        } else {
            assert_eq!((&answer["status"], &seen["status"]), (&json!("FAIL"), &json!("fail")));
            assert!(answer.get("token").is_none() && answer.get("verificationId").is_none());
            assert!(seen.get("verificationId").is_none());
        }
    }
    sandbox.revoke(&verified.identity_id).unwrap();
    let own = json!({"face": {"base64Image": sandbox.faces()[0].base64_image}});
    let (_, answer) = authenticate(&sandbox, &own).await;
    assert_eq!(answer["status"], "PASS", "revocation shows in userinfo only");

    for (body, status) in [
        (json!({}), 400),
        (json!([]), 400),
        (json!({"face": {"imageUrl": "https://images.invalid/a.jpg"}}), 400),
        (json!({"face": {"base64Image": "%%%"}}), 400),
        (json!({"face": {"base64Image": ""}}), 400),
        (json!({"face": {"base64Image": "AAAA"}, "source": 1}), 400),
        (json!({"face": {"base64Image": "AAAA"}, "source": null}), 200),
        (json!({"face": {"base64Image": "A".repeat(10 * 1024 * 1024)}}), 413),
    ] {
        assert_eq!(authenticate(&sandbox, &body).await.0, status);
    }
    let garbage = call(&sandbox, Method::POST, "authenticate", "any").body("{").send().await.unwrap();
    assert_eq!(garbage.status(), 400);
}

#[tokio::test]
async fn the_spec_s_samples_are_served_as_they_are() {
    let sandbox = sandbox().await;
    let api = format!("{}/control/api", sandbox.url());
    let post = async |path: &str, body: &Value| {
        let status = client().post(format!("{api}/{path}")).json(body).send().await.unwrap().status();
        assert!(status.is_success(), "{path}: {status}");
    };
    let token = "ecyCI6MTY4Nzk2MzIyNiwiaWF0IjoxNjg3OTYyMzI2fQ.kaw-iQC7U3E3JB6NrxxcP7hp4Zs9123ABC";
    let userinfo = json!({
        "status": "ACTIVE", "identityId": "string",
        "name": {"fullName": "string", "firstName": "string", "lastName": "string"},
        "dateOfBirth": "string", "phone": "string", "sex": "string", "email": "string", "city": "string",
        "country ": "string", "curp": "string", "emailPreference": "boolean",
        "idImagesInfo": {"frontIdImageUrl": "string", "backIdImageUrl": "string"},
        "idAttestation": {"overall": {"value": "string", "status": "OK"}}
    });
    let verification = json!({
        "id": "64bb17ff915ccccb85bb45b7", "createdAt": 1_688_059_847, "status": "VERIFIED",
        "data": {"name": {"fullName": "John Doe"}, "email": "john.doe@gmail.com", "phone": "+521234567890",
            "dateOfBirth": "587455200000"}
    });
    let authentication = json!({
        "id": "196c69e0-5566-4f51-9432-dde8e225aAbc3", "createdAt": 1_688_059_847, "status": "pass",
        "sourceId": "source-name", "verificationId": "196c69e0-5566-4f51-9432-dde8e225aAbc3"
    });
    post("people", &json!({"userinfo": userinfo})).await;
    post("tokens", &json!({"token": token, "identityId": "string", "lifetimeSeconds": 60})).await;
    post("verifications", &json!({"identityId": "string", "body": verification})).await;
    post("authentications", &json!({"id": "elsewhere", "body": authentication})).await;
    assert_eq!(got(&sandbox, "userinfo", token).await, (200, userinfo));
    assert_eq!(got(&sandbox, "verification/64bb17ff915ccccb85bb45b7", token).await, (200, verification));
    assert_eq!(got(&sandbox, "authentication/elsewhere", token).await, (200, authentication));
    assert_eq!(sandbox.person("string").unwrap().verification_id.as_deref(), Some("64bb17ff915ccccb85bb45b7"));
    post("people/string/revoke", &json!(null)).await;
    assert_eq!(got(&sandbox, "userinfo", token).await.1["status"], "REVOKED");
    post("tokens/expire", &json!(null)).await;
    assert_eq!(got(&sandbox, "userinfo", token).await.0, 401);
}
