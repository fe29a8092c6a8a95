//! The hosted flow at its unkindest: checks that fail or stay pending return a token, and events and browsers come in
//! either order.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

mod common;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use common::{Receiver, ana, authenticate, client, got, soon};
use incode_sandbox::{Behaviour, DeliveryState, Outcome, RetryToken, Sandbox, Webhook, WebhookToken};
use serde_json::{Value, json};
use url::Url;

const EMAIL: &str = "ana@example.com";

async fn started(receiver: &Receiver) -> Sandbox {
    let builder = Sandbox::builder().api_key(common::API_KEY).client_id("client-1").time_scale(0.0);
    builder.webhook(Webhook::to(&receiver.url)).start().await.unwrap()
}

async fn submit(sandbox: &Sandbox, check: &str, outcome: &str, email: &str) -> reqwest::Response {
    let form = [
        ("client_id", "client-1"),
        ("redirect_url", "http://127.0.0.1:9/callback"),
        ("correlation_id", "flow-1"),
        ("name", "Ana Flores"),
        ("email", email),
        ("check", check),
        ("outcome", outcome),
    ];
    client().post(sandbox.web_url()).form(&form).send().await.unwrap()
}

/// The token that the browser returns with.
async fn token(sandbox: &Sandbox, check: &str, outcome: &str, email: &str) -> String {
    let response = submit(sandbox, check, outcome, email).await;
    assert_eq!(response.status(), 303);
    let back = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let query: Vec<(String, String)> = back.query_pairs().into_owned().collect();
    assert_eq!((query[0].0.as_str(), query[1].0.as_str(), query[1].1.as_str()), ("token", "correlation_id", "flow-1"));
    query[0].1.clone()
}

/// The event's object, as its own token reads it.
async fn object(sandbox: &Sandbox, event: &Value) -> Value {
    let path = format!("{}/{}", event["object"].as_str().unwrap(), event["id"].as_str().unwrap());
    got(sandbox, &path, event["token"].as_str().unwrap()).await.1
}

#[tokio::test]
async fn failed_and_pending_checks_return_a_token_of_the_person_named() {
    let receiver = Receiver::accepting().await;
    let sandbox = started(&receiver).await;
    let enrolled = ana(&sandbox).identity_id;
    for (email, status) in [(EMAIL, "ACTIVE"), ("new@example.com", "PENDING")] {
        let before = sandbox.deliveries().len();
        let failed = token(&sandbox, "verification", "fail", email).await;
        let (_, info) = got(&sandbox, "userinfo", &failed).await;
        assert_eq!((&info["email"], &info["status"]), (&json!(email), &json!(status)));
        assert_eq!(info["identityId"] == json!(enrolled), email == EMAIL);
        soon(sandbox.settled(before as u64 + 1)).await.unwrap();
        let event = receiver.got()[before].json();
        assert_eq!(object(&sandbox, &event).await["status"], "REJECTED");

        let pending = token(&sandbox, "verification", "pending", email).await;
        assert_eq!(got(&sandbox, "userinfo", &pending).await.1["identityId"], info["identityId"]);
        assert_eq!(got(&sandbox, "userinfo", &pending).await.1["status"], status);
        assert_eq!(sandbox.deliveries().len(), before + 1, "a pending check is not completed");
    }
    assert_eq!(sandbox.faces().iter().filter(|face| face.identity_id.is_some()).count(), 1, "Ana alone is enrolled");
}

#[tokio::test]
async fn a_pending_verification_is_completed_later() {
    let receiver = Receiver::accepting().await;
    let sandbox = started(&receiver).await;
    let newcomer = sandbox.add_person(incode_sandbox::NewPerson::named("Bo").status("PENDING")).identity_id;
    let api = format!("{}/api", sandbox.control_url());
    let post = async |path: &str, body: Value| {
        let response = client().post(format!("{api}/{path}")).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (_, made) = post(&format!("people/{newcomer}/verify"), json!({"outcome": "pending"})).await;
    let (id, token) = (made["verificationId"].as_str().unwrap(), made["token"].as_str().unwrap());
    let path = format!("verification/{id}");
    let (_, before) = got(&sandbox, &path, token).await;
    assert_eq!((&before["status"], &made["delivery"]), (&json!("PENDING"), &json!(null)));
    assert_eq!(sandbox.person(&newcomer).unwrap().verification_id, None);

    let (status, done) = post(&format!("verifications/{id}/complete"), json!({"outcome": "pass"})).await;
    assert_eq!((status, &done["delivery"]), (200, &json!(1)));
    let (_, after) = got(&sandbox, &path, token).await;
    assert_eq!((&after["status"], &after["createdAt"]), (&json!("VERIFIED"), &before["createdAt"]));
    let person = sandbox.person(&newcomer).unwrap();
    assert_eq!((person.status.as_str(), person.verification_id.as_deref()), ("ACTIVE", Some(id)));
    soon(sandbox.settled(1)).await.unwrap();
    assert_eq!(receiver.got()[0].json()["id"], id);

    let second = sandbox.verify_as(&newcomer, Outcome::Pending).unwrap();
    sandbox.complete_verification(&second.verification_id, Outcome::Fail).unwrap();
    let path = format!("verification/{}", second.verification_id);
    assert_eq!(got(&sandbox, &path, &second.token).await.1["status"], "REJECTED");
    assert!(sandbox.complete_verification("none", Outcome::Pass).is_err());
    assert_eq!(post("verifications/none/complete", json!({})).await.0, 404);
}

#[tokio::test]
async fn an_enrolled_person_authenticates_in_the_hosted_flow() {
    let receiver = Receiver::accepting().await;
    let sandbox = started(&receiver).await;
    let verified = ana(&sandbox);
    for (number, outcome) in [(1, "pass"), (2, "fail")] {
        let token = token(&sandbox, "authentication", outcome, " ANA@example.com").await;
        assert_eq!(got(&sandbox, "userinfo", &token).await.1["identityId"], verified.identity_id);
        soon(sandbox.settled(number)).await.unwrap();
        let event = receiver.got()[number as usize - 1].json();
        assert_eq!((&event["event"], &event["object"]), (&json!("authentication.completed"), &json!("authentication")));
        assert!(event.get("correlation_id").is_none());
        let seen = object(&sandbox, &event).await;
        let enrolled = (outcome == "pass").then(|| json!(verified.verification_id));
        assert_eq!((&seen["status"], seen.get("verificationId")), (&json!(outcome), enrolled.as_ref()));
        assert!(seen["createdAt"].is_i64());
        let eve = sandbox.add_person(incode_sandbox::NewPerson::named("Eve")).identity_id;
        let path = format!("authentication/{}", event["id"].as_str().unwrap());
        assert_eq!(got(&sandbox, &path, &sandbox.issue_token(&eve)).await.0, 404, "it belongs to Ana");
    }
    let refused = [("pending", EMAIL), ("pass", "stranger@example.com"), ("fail", "eve@example.com"), ("pass", " ")];
    for (outcome, email) in refused {
        assert_eq!(submit(&sandbox, "authentication", outcome, email).await.status(), 400, "{outcome} {email}");
    }
    assert_eq!(sandbox.deliveries().len(), 2);
}

#[tokio::test]
async fn an_event_arrives_before_or_after_the_browsers_return() {
    let receiver = Receiver::accepting().await;
    let sandbox = started(&receiver).await;
    ana(&sandbox);
    let control = format!("{}/api/deliveries", sandbox.control_url());
    let post = async |path: &str| client().post(format!("{control}/{path}")).send().await.unwrap().status().as_u16();

    // After: held until the test lets go, one or all.
    assert_eq!(post("hold").await, 204);
    for check in ["verification", "authentication", "verification"] {
        token(&sandbox, check, "fail", EMAIL).await;
    }
    for number in 1..=3 {
        assert_eq!(sandbox.delivery(number).unwrap().state, DeliveryState::Held);
    }
    let page = client().get(sandbox.control_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("/control/deliveries/2/release"));
    assert_eq!(post("2/release").await, 204);
    assert_eq!(soon(sandbox.settled(2)).await.unwrap().state, DeliveryState::Accepted);
    assert_eq!(post("2/release").await, 404, "it is not held any more");
    assert_eq!((post("9/release").await, receiver.got().len()), (404, 1));
    assert_eq!(receiver.got()[0].json()["event"], "authentication.completed");
    let by_form = client().post(format!("{}/deliveries/1/release", sandbox.control_url())).send().await.unwrap();
    assert_eq!(by_form.status(), 303);
    soon(sandbox.settled(1)).await.unwrap();
    assert_eq!(post("release").await, 204);
    soon(sandbox.settled(3)).await.unwrap();
    token(&sandbox, "verification", "fail", EMAIL).await;
    soon(sandbox.settled(4)).await.unwrap();

    // Before: the browser returns only after the first try of its event.
    sandbox.change_behaviour(|behaviour| behaviour.return_after_event = true);
    for _ in 0..5 {
        let before = receiver.got().len();
        token(&sandbox, "verification", "fail", EMAIL).await;
        assert_eq!(receiver.got().len(), before + 1);
    }
    sandbox.hold_deliveries();
    let mut returning = std::pin::pin!(token(&sandbox, "verification", "pass", EMAIL));
    let held = async {
        while sandbox.deliveries().len() < 10 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut returning => panic!("it returned although the event is held"),
        () = held => {}
    }
    sandbox.release_deliveries();
    soon(returning).await;
    assert_eq!(sandbox.delivery(10).unwrap().attempts.len(), 1);
}

#[tokio::test]
async fn webhook_and_browser_carry_the_same_token_or_not() {
    let receiver = Receiver::accepting().await;
    let sandbox = started(&receiver).await;
    ana(&sandbox);
    let face = json!({"face": {"base64Image": sandbox.faces()[0].base64_image}});
    for same in [false, true] {
        sandbox.change_behaviour(|behaviour| {
            behaviour.webhook_token = if same { WebhookToken::SameAsBrowser } else { WebhookToken::Own };
            behaviour.return_after_event = true;
        });
        for check in ["verification", "authentication"] {
            for outcome in ["pass", "fail"] {
                let browser = token(&sandbox, check, outcome, EMAIL).await;
                let event = receiver.got().last().unwrap().json();
                assert_eq!(event["token"] == json!(browser), same, "{check} {outcome}");
                assert_eq!(got(&sandbox, "userinfo", event["token"].as_str().unwrap()).await.0, 200);
            }
        }
        let (_, answer) = authenticate(&sandbox, &face).await;
        soon(sandbox.settled(sandbox.deliveries().len() as u64)).await.unwrap();
        assert_eq!(receiver.got().last().unwrap().json()["token"] == answer["token"], same);
    }
}

#[tokio::test]
async fn events_repeat_the_correlation_id_or_not() {
    let receiver = Receiver::accepting().await;
    let sandbox = started(&receiver).await;
    ana(&sandbox);
    let mut number = 0;
    for echo in [false, true, false] {
        sandbox.change_behaviour(|behaviour| behaviour.echo_correlation_id = echo);
        for check in ["verification", "authentication"] {
            token(&sandbox, check, "pass", EMAIL).await;
            number += 1;
            soon(sandbox.settled(number)).await.unwrap();
            let event = receiver.got().last().unwrap().json();
            assert_eq!(event.get("correlation_id"), echo.then(|| json!("flow-1")).as_ref(), "{check}");
        }
    }
}

#[tokio::test]
async fn retries_carry_the_same_token_or_a_fresh_one() {
    let receiver = Receiver::start(|before, _| {
        if before % 3 < 2 { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT }.into_response()
    })
    .await;
    let mut behaviour = Behaviour::default();
    behaviour.retry_token = RetryToken::Fresh;
    let builder = Sandbox::builder().api_key(common::API_KEY).time_scale(0.0).behaviour(behaviour);
    let sandbox = builder.webhook(Webhook::to(&receiver.url)).start().await.unwrap();
    let id = ana(&sandbox).verification_id;
    for (round, retry, distinct) in [(0, RetryToken::Fresh, 3), (1, RetryToken::Same, 1)] {
        sandbox.change_behaviour(|behaviour| behaviour.retry_token = retry);
        let number = sandbox.send_verification(&id).unwrap();
        assert_eq!(soon(sandbox.settled(number)).await.unwrap().attempts.len(), 3);
        let tries: Vec<Value> = receiver.got()[round * 3..].iter().map(|one| one.json()).collect();
        let tokens: std::collections::BTreeSet<_> = tries.iter().map(|body| body["token"].as_str().unwrap()).collect();
        assert_eq!(tokens.len(), distinct);
        for body in &tries {
            assert_eq!((&body["id"], &body["event"]), (&json!(id), &json!("verification.completed")));
            assert_eq!(got(&sandbox, "userinfo", body["token"].as_str().unwrap()).await.0, 200);
        }
        let last: Value = serde_json::from_slice(&sandbox.delivery_body(number).unwrap()).unwrap();
        assert_eq!(last, tries[2]);
    }
    // A body without a known object can't get a fresh token.
    sandbox.change_behaviour(|behaviour| behaviour.retry_token = RetryToken::Fresh);
    let number = sandbox.send(&json!({"event": "odd", "id": "none", "token": "t"}));
    soon(sandbox.settled(number)).await.unwrap();
    assert!(receiver.got()[6..].iter().all(|one| one.json()["token"] == "t"));
}
