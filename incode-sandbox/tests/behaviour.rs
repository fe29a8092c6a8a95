//! Lasting behaviour: each knob as a caller or a receiver meets it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

mod common;

use common::{ana, authenticate, call, client, got, sandbox};
use incode_sandbox::{DateHeader, FieldOverride, NewPerson, OthersObjects, RateLimit, Route, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

/// Changes the behaviour by the JSON API.
async fn patch(sandbox: &Sandbox, fields: &Value) -> (u16, Value) {
    let request = client().patch(format!("{}/control/api/behaviour", sandbox.url())).json(fields);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn userinfo(sandbox: &Sandbox, token: &str) -> reqwest::Response {
    call(sandbox, Method::GET, "userinfo", token).send().await.unwrap()
}

#[tokio::test]
async fn created_at_is_whatever_the_test_says() {
    let sandbox = sandbox().await;
    let person = ana(&sandbox).identity_id;
    let face = json!({"face": {"base64Image": sandbox.faces()[0].base64_image}});
    let overrides = [
        (json!({"kind": "absent"}), None),
        (json!({"kind": "value", "value": null}), Some(json!(null))),
        (json!({"kind": "value", "value": "2019-01-01T00:00:00Z"}), Some(json!("2019-01-01T00:00:00Z"))),
        (json!({"kind": "value", "value": 1_546_300_800.5}), Some(json!(1_546_300_800.5))),
        (json!({"kind": "value", "value": 1_546_300_800_000_000_i64}), Some(json!(1_546_300_800_000_000_i64))),
        (json!({"kind": "value", "value": -1}), Some(json!(-1))),
        (json!({"kind": "value", "value": {"seconds": 1}}), Some(json!({"seconds": 1}))),
    ];
    for (field, expected) in overrides {
        let fields = json!({"verificationCreatedAt": field, "authenticationCreatedAt": field});
        assert_eq!(patch(&sandbox, &fields).await.0, 200);
        let verified = sandbox.verify(&person).unwrap();
        let path = format!("verification/{}", verified.verification_id);
        let (_, verification) = got(&sandbox, &path, &verified.token).await;
        assert_eq!(verification.get("createdAt"), expected.as_ref());
        let (_, answer) = authenticate(&sandbox, &face).await;
        let path = format!("authentication/{}", answer["authenticationId"].as_str().unwrap());
        let (_, authentication) = got(&sandbox, &path, answer["token"].as_str().unwrap()).await;
        assert_eq!((&authentication["status"], authentication.get("createdAt")), (&json!("pass"), expected.as_ref()));
    }
    // One kind of object alone, and what was made before stays as it is.
    sandbox.change_behaviour(|behaviour| {
        behaviour.verification_created_at = FieldOverride::Usual;
        behaviour.authentication_created_at = FieldOverride::Absent;
    });
    let verified = sandbox.verify(&person).unwrap();
    sandbox.change_behaviour(|behaviour| behaviour.verification_created_at = FieldOverride::Absent);
    let (_, usual) = got(&sandbox, &format!("verification/{}", verified.verification_id), &verified.token).await;
    assert!(usual["createdAt"].as_i64().unwrap() > 1_600_000_000);
}

#[tokio::test]
async fn objects_of_another_person_are_refused_or_answered() {
    let sandbox = sandbox().await;
    let (ana, bo) = (ana(&sandbox), sandbox.add_person(NewPerson::named("Bo")));
    let seeded = json!({"id": "face-of-ana", "status": "pass"});
    sandbox.seed_authentication("face-of-ana", Some(&ana.identity_id), seeded.clone());
    let token = sandbox.issue_token(&bo.identity_id);
    let verification = format!("verification/{}", ana.verification_id);
    for (access, status) in
        [(OthersObjects::NotFound, 404), (OthersObjects::Forbidden, 403), (OthersObjects::Answered, 200)]
    {
        sandbox.change_behaviour(|behaviour| behaviour.others_objects = access);
        assert_eq!(got(&sandbox, &verification, &token).await.0, status);
        assert_eq!(got(&sandbox, "authentication/face-of-ana", &token).await.0, status);
        // Own objects are read as ever; unknown ones and dead tokens are refused as ever.
        assert_eq!(got(&sandbox, &verification, &ana.token).await.0, 200);
        assert_eq!(got(&sandbox, "verification/none", &token).await.0, 404);
        assert_eq!(got(&sandbox, &verification, "dead").await.0, 401);
    }
    assert_eq!(got(&sandbox, "authentication/face-of-ana", &token).await.1, seeded);
    assert_eq!(got(&sandbox, "userinfo", &token).await.1["identityId"], bo.identity_id);
    assert_eq!(patch(&sandbox, &json!({"othersObjects": "not_found"})).await.1["othersObjects"], "not_found");
    assert_eq!(got(&sandbox, &verification, &token).await.0, 404);
}

#[tokio::test]
async fn identity_ids_can_be_anything_or_nothing() {
    let sandbox = sandbox().await;
    for id in ["undefined", "null", "0", ""] {
        let person = sandbox.add_person(NewPerson::named("Odd").identity_id(id));
        let token = sandbox.verify(&person.identity_id).unwrap().token;
        let (status, info) = got(&sandbox, "userinfo", &token).await;
        assert_eq!((status, &info["identityId"]), (200, &json!(id)));
    }
    let token = ana(&sandbox).token;
    for value in [json!("undefined"), json!(""), json!(null), json!(0), json!(["a"])] {
        let field = json!({"kind": "value", "value": value});
        assert_eq!(patch(&sandbox, &json!({"identityId": field})).await.0, 200);
        assert_eq!(got(&sandbox, "userinfo", &token).await.1.get("identityId"), Some(&value));
    }
    sandbox.change_behaviour(|behaviour| behaviour.identity_id = FieldOverride::Absent);
    assert_eq!(got(&sandbox, "userinfo", &token).await.1.get("identityId"), None);
}

#[tokio::test]
async fn calls_over_a_rate_limit_get_429_until_the_bucket_fills() {
    let sandbox = sandbox().await;
    let (ana, bo) = (ana(&sandbox).token, sandbox.add_person(NewPerson::named("Bo")));
    let bo = sandbox.issue_token(&bo.identity_id);
    // So slow that the bucket fills only when the clock is moved.
    let limit = json!({"route": "userinfo", "perSecond": 0.001, "burst": 2});
    assert_eq!(patch(&sandbox, &json!({"rateLimits": [limit]})).await.0, 200);
    for (token, status) in [(&ana, 200), (&bo, 200), (&ana, 429), (&bo, 429)] {
        let response = userinfo(&sandbox, token).await;
        assert_eq!(response.status(), status);
        let wait = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(wait.is_some(), status == 429);
        assert!(wait.is_none_or(|seconds| (900..=1000).contains(&seconds)), "{wait:?}");
        if status == 429 {
            let body: Value = response.json().await.unwrap();
            assert_eq!((&body["status"], &body["path"]), (&json!(429), &json!("/omni/incode-id/userinfo")));
        }
    }
    assert_eq!(got(&sandbox, "verification/none", &ana).await.0, 404, "another route");
    assert_eq!(sandbox.calls().iter().filter(|call| call.fault == Some("rate_limit")).count(), 2);
    sandbox.advance_clock(std::time::Duration::from_secs(1000));
    let fresh = sandbox.issue_token(&sandbox.people()[0].identity_id);
    assert_eq!(userinfo(&sandbox, &fresh).await.status(), 200);
    assert_eq!(userinfo(&sandbox, &fresh).await.status(), 429, "one call in a thousand seconds");

    sandbox.change_behaviour(|behaviour| behaviour.rate_limits = vec![RateLimit::new(0.0, 1).per_token()]);
    let other = sandbox.issue_token(&sandbox.people()[1].identity_id);
    for (token, status) in [(&fresh, 200), (&fresh, 429), (&other, 200), (&other, 429)] {
        let response = userinfo(&sandbox, token).await;
        assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (status, false));
    }
    sandbox.change_behaviour(|behaviour| {
        behaviour.rate_limits = vec![RateLimit::new(0.0, 1).on(Route::Authenticate)];
    });
    let face = json!({"face": {"base64Image": sandbox.faces()[0].base64_image}});
    assert_eq!(authenticate(&sandbox, &face).await.0, 200);
    assert_eq!(authenticate(&sandbox, &face).await.0, 429);
    assert_eq!(userinfo(&sandbox, &other).await.status(), 200);
}

#[tokio::test]
async fn every_answer_waits_for_the_latency() {
    let sandbox = sandbox().await;
    let token = ana(&sandbox).token;
    sandbox.change_behaviour(|behaviour| behaviour.latency_ms = 40);
    for (path, status) in [("userinfo", 200), ("nowhere", 404)] {
        let before = std::time::Instant::now();
        assert_eq!(got(&sandbox, path, &token).await.0, status);
        assert!(before.elapsed() >= std::time::Duration::from_millis(40));
    }
}

#[tokio::test]
async fn the_date_header_is_the_vendors_clock_or_what_the_test_says() {
    let sandbox = sandbox().await;
    let date = async || {
        let response = client().get(format!("{}/omni/incode-id/userinfo", sandbox.url())).send().await.unwrap();
        response.headers().get("date").map(|value| value.to_str().unwrap().to_owned())
    };
    let seconds = |date: &str| jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_second();
    // Between the machine's time before and after, moved by what is expected.
    let expect = async |ahead: i64| {
        let before = jiff::Timestamp::now().as_second();
        let shown = seconds(&date().await.unwrap());
        let after = jiff::Timestamp::now().as_second();
        assert!((before + ahead..=after + ahead).contains(&shown), "{before} {shown} {after}");
    };
    expect(0).await;
    for offset in [600, -600] {
        patch(&sandbox, &json!({"date": {"kind": "offset", "seconds": offset}})).await;
        expect(offset).await;
    }
    sandbox.set_clock_offset(-3600);
    expect(-4200).await;
    let claims = claims(&sandbox.issue_token("any"));
    assert!(claims["iat"].as_i64().unwrap() <= jiff::Timestamp::now().as_second() - 3600);
    sandbox.change_behaviour(|behaviour| behaviour.date = DateHeader::Clock);
    expect(-3600).await;
    let clock = format!("{}/control/api/clock", sandbox.url());
    assert_eq!(client().post(&clock).json(&json!({"offsetSeconds": 0})).send().await.unwrap().status(), 204);
    expect(0).await;
    sandbox.change_behaviour(|behaviour| behaviour.date = DateHeader::Text { text: "yesterday".to_owned() });
    assert_eq!(date().await.as_deref(), Some("yesterday"));
    sandbox.change_behaviour(|behaviour| behaviour.date = DateHeader::Absent);
    assert_eq!(date().await, None);
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn tokens_are_minted_with_times_and_claims_of_the_test() {
    let sandbox = sandbox().await;
    let id = ana(&sandbox).identity_id;
    let mint = async |body: Value| {
        let request = client().post(format!("{}/control/api/tokens", sandbox.url())).json(&body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["token"].as_str().unwrap().to_owned()
    };
    let usual = claims(&sandbox.issue_token(&id));
    assert_eq!(usual.as_object().unwrap().keys().collect::<Vec<_>>(), ["exp", "iat", "jti"]);
    let now = usual["iat"].as_i64().unwrap();

    let earlier = mint(json!({"identityId": id, "issuedSecondsAgo": 600})).await;
    let seen = claims(&earlier);
    assert!((now - 600..=now - 570).contains(&seen["iat"].as_i64().unwrap()));
    assert_eq!(seen["exp"].as_i64().unwrap() - seen["iat"].as_i64().unwrap(), 900);
    assert_eq!(got(&sandbox, "userinfo", &earlier).await.0, 200);

    let exact = mint(json!({"identityId": id, "issuedAt": 5, "expiresAt": now + 60})).await;
    assert_eq!((&claims(&exact)["iat"], &claims(&exact)["exp"]), (&json!(5), &json!(now + 60)));
    assert_eq!(got(&sandbox, "userinfo", &exact).await.0, 200);
    let dead = mint(json!({"identityId": id, "issuedSecondsAgo": 901})).await;
    assert_eq!(got(&sandbox, "userinfo", &dead).await.0, 401);

    // Of another client, without a time, and with a wrong one. The vendor's document names no refusal.
    let foreign = incode_sandbox::NewToken::of(&id).claim("aud", "another-client").claim("client_id", "another-client");
    let foreign = sandbox.mint_token(foreign);
    assert_eq!(claims(&foreign)["aud"], "another-client");
    assert_eq!(got(&sandbox, "userinfo", &foreign).await.1["identityId"], id);
    let odd = mint(json!({"identityId": id, "claims": {"iat": null, "exp": "soon"}})).await;
    assert_eq!((claims(&odd).get("iat"), &claims(&odd)["exp"]), (None, &json!("soon")));
    assert_eq!(got(&sandbox, "userinfo", &odd).await.0, 200);
    assert_eq!(got(&sandbox, "userinfo", &sandbox.mint_token(incode_sandbox::NewToken::of_no_person())).await.0, 404);

    // Every token of the vendor's own, from now on.
    patch(&sandbox, &json!({"tokenClaims": {"aud": "client-1"}})).await;
    assert_eq!(claims(&sandbox.verify(&id).unwrap().token)["aud"], "client-1");
    assert_eq!(claims(&mint(json!({"identityId": id, "claims": {"aud": "b"}})).await)["aud"], "b");
}

#[tokio::test]
async fn a_change_replaces_the_fields_it_names_and_no_others() {
    let sandbox = sandbox().await;
    let (_, usual) = patch(&sandbox, &json!({})).await;
    // The documentation shows this very JSON.
    let shown = include_str!("../src/behaviour.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("/// "))
        .collect::<Vec<_>>()
        .join("\n");
    let shown = shown.split("```json").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), usual);
    let fields = json!({"echoCorrelationId": true, "tokenClaims": {"aud": "a"}});
    let (status, changed) = patch(&sandbox, &fields).await;
    assert_eq!((status, &changed["echoCorrelationId"], &changed["webhookToken"]), (200, &json!(true), &json!("own")));
    let (_, changed) = patch(&sandbox, &json!({"tokenClaims": {"client_id": "b"}})).await;
    assert_eq!((&changed["tokenClaims"], &changed["echoCorrelationId"]), (&json!({"client_id": "b"}), &json!(true)));
    for wrong in [json!({"latency": 1}), json!({"othersObjects": "maybe"}), json!({"identityId": {"kind": "value"}})] {
        let (status, answer) = patch(&sandbox, &wrong).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(answer["error"].is_string());
    }
    let behaviour = format!("{}/control/api/behaviour", sandbox.url());
    assert_eq!(client().get(&behaviour).send().await.unwrap().json::<Value>().await.unwrap(), changed);
    assert_eq!(client().delete(&behaviour).send().await.unwrap().status(), 204);
    assert_eq!(client().get(&behaviour).send().await.unwrap().json::<Value>().await.unwrap(), usual);
}
