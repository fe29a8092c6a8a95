//! Webhooks: what is sent, how it is signed, what counts as acknowledged, when it is sent again.

mod common;

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use common::{API_KEY, Receiver, ana, authenticate, client, got, sandbox, soon};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use incode_sandbox::{DeliveryState, EventKind, FaceKind, Sandbox, StartErrorKind, Webhook, WebhookAuth};
use serde_json::json;
use sha2::Sha256;

const SECRET: &str = "a secret of at least 24 bytes";

#[expect(clippy::unwrap_used, reason = "HMAC takes a key of any length")]
fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test]
async fn an_event_has_the_documented_shape_and_its_own_url() {
    let (sandbox, receiver) = (sandbox().await, Receiver::accepting().await);
    let to = |path: &str| format!("{}/{path}", receiver.url);
    sandbox.set_webhook(Webhook::default().verification_to(to("v")).authentication_to(to("a"))).unwrap();
    let verified = ana(&sandbox);
    let number = sandbox.send_verification(&verified.verification_id).unwrap();
    let delivery = soon(sandbox.settled(number)).await.unwrap();
    assert_eq!((delivery.state, delivery.attempts.len()), (DeliveryState::Accepted, 1));
    assert_eq!(delivery.attempts[0].status, Some(204));

    let got_one = &receiver.got()[0];
    let body = got_one.json();
    assert_eq!((got_one.path.as_str(), got_one.header("content-type")), ("/v", "application/json"));
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["event", "id", "object", "timestamp", "token"]);
    assert_eq!((&body["event"], &body["object"]), (&json!("verification.completed"), &json!("verification")));
    assert_eq!(body["id"], verified.verification_id);
    assert!(body["timestamp"].as_i64().unwrap() < 100_000_000_000, "seconds");
    let token = body["token"].as_str().unwrap();
    assert_ne!(token, verified.token, "each event has a token of its own");
    assert_eq!(got(&sandbox, "userinfo", token).await.1["identityId"], verified.identity_id);

    let listed = client().get(format!("{}/control/api/deliveries", sandbox.url())).send().await.unwrap();
    assert!(!listed.text().await.unwrap().contains(token));
    assert!(!format!("{:?}", sandbox.deliveries()).contains(token));
}

#[tokio::test]
async fn face_authentications_announce_themselves_pass_and_fail() {
    let (sandbox, receiver) = (sandbox().await, Receiver::accepting().await);
    sandbox.set_webhook(Webhook::to(&receiver.url)).unwrap();
    let verified = ana(&sandbox);
    for (place, face) in sandbox.faces().into_iter().enumerate() {
        let (_, answer) = authenticate(&sandbox, &json!({"face": {"base64Image": face.base64_image}})).await;
        soon(sandbox.settled(place as u64 + 1)).await.unwrap();
        let body = receiver.got()[place].json();
        assert_eq!(body["event"], "authentication.completed");
        assert_eq!(body["id"], answer["authenticationId"]);
        assert!(body.get("verificationId").is_none());
        let token = body["token"].as_str().unwrap();
        let path = format!("authentication/{}", body["id"].as_str().unwrap());
        let passed = face.kind == FaceKind::Enrolled;
        assert_eq!(got(&sandbox, &path, token).await.1["status"], if passed { "pass" } else { "fail" });
        assert_eq!(got(&sandbox, "userinfo", token).await.0, if passed { 200 } else { 404 });
    }
    assert!(sandbox.send_authentication(&verified.verification_id).is_err(), "that is no authentication");
}

#[tokio::test]
async fn only_204_and_json_200_stop_the_retries() {
    // Each try gets the next of these; the last one is right.
    let receiver = Receiver::start(|before, _| match before {
        0 => StatusCode::CREATED.into_response(),
        1 => (StatusCode::OK, "text").into_response(),
        2 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        3 => Redirect::temporary("/elsewhere").into_response(),
        4 => StatusCode::ACCEPTED.into_response(),
        _ => axum::Json(json!({})).into_response(),
    })
    .await;
    let sandbox = Sandbox::builder().time_scale(0.0002).webhook(Webhook::to(&receiver.url)).start().await.unwrap();
    let number = sandbox.send(&json!({"event": "unknown.kind", "id": "x"}));
    let delivery = soon(sandbox.settled(number)).await.unwrap();
    let answers: Vec<_> = delivery.attempts.iter().filter_map(|attempt| attempt.status).collect();
    assert_eq!(answers, [201, 200, 500, 307, 202, 200]);
    assert_eq!((delivery.state, delivery.next_at), (DeliveryState::Accepted, None));
    let bodies: Vec<_> = receiver.got().into_iter().map(|one| one.body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "a retry carries the same body");
    assert!(receiver.got().iter().all(|one| one.path == "/"), "redirects are not followed");
    let waits: Vec<_> = delivery.attempts.windows(2).map(|two| two[1].at - two[0].at).collect();
    for (wait, least) in waits.iter().zip([6, 15, 37, 93, 234]) {
        assert!(*wait >= least - 1, "{waits:?}");
    }
}

#[tokio::test]
async fn it_gives_up_after_six_tries_and_can_be_sent_again() {
    let receiver = Receiver::start(|before, _| {
        if before < 6 { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT }.into_response()
    })
    .await;
    let sandbox = sandbox().await;
    let number = sandbox.send_verification(&ana(&sandbox).verification_id).unwrap();
    assert_eq!(soon(sandbox.settled(number)).await.unwrap().state, DeliveryState::NoTarget);
    sandbox.set_webhook(Webhook::to(&receiver.url)).unwrap();

    let number = sandbox.resend(number).unwrap();
    let delivery = soon(sandbox.settled(number)).await.unwrap();
    assert_eq!((delivery.state, delivery.attempts.len()), (DeliveryState::GivenUp, 6));

    for number in [sandbox.resend(number).unwrap(), sandbox.resend_with_fresh_token(number).unwrap()] {
        let delivery = soon(sandbox.settled(number)).await.unwrap();
        assert_eq!((delivery.state, delivery.resend_of), (DeliveryState::Accepted, Some(2)));
    }
    let (first, same) = (sandbox.delivery_body(2).unwrap(), sandbox.delivery_body(3).unwrap());
    let fresh: serde_json::Value = serde_json::from_slice(&sandbox.delivery_body(4).unwrap()).unwrap();
    assert_eq!(first, same);
    assert_eq!(got_status(&sandbox, fresh["token"].as_str().unwrap()).await, 200);
    assert_ne!(serde_json::from_slice::<serde_json::Value>(&first).unwrap()["token"], fresh["token"]);
}

async fn got_status(sandbox: &Sandbox, token: &str) -> u16 {
    got(sandbox, "userinfo", token).await.0
}

#[tokio::test]
async fn a_receiver_that_is_gone_or_silent_is_tried_again() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It accepts connections (the backlog does) and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let webhook = Webhook::default()
        .verification_to(format!("http://{closed}"))
        .authentication_to(format!("http://{}", silent.local_addr().unwrap()));
    let builder = Sandbox::builder().time_scale(0.0).delivery_timeout(Duration::from_millis(500));
    let sandbox = builder.webhook(webhook).start().await.unwrap();
    for (kind, failure) in [(EventKind::Verification, "connect"), (EventKind::Authentication, "timeout")] {
        let number = sandbox.send_bytes(kind, "not json");
        let delivery = soon(sandbox.settled(number)).await.unwrap();
        assert_eq!(delivery.attempts.len(), 6);
        assert!(delivery.attempts.iter().all(|attempt| attempt.failure == Some(failure)), "{delivery:?}");
    }
}

#[tokio::test]
async fn deliveries_prove_where_they_come_from() {
    let (sandbox, receiver) = (sandbox().await, Receiver::accepting().await);
    let key = b"0123456789abcdef0123456789abcdef";
    let auths = [
        WebhookAuth::None,
        WebhookAuth::Header { name: "X-Incode-Secret".to_owned(), secret: SECRET.to_owned() },
        WebhookAuth::Hmac { header: "X-Incode-Signature".to_owned(), secret: SECRET.to_owned() },
        WebhookAuth::StandardWebhooks { secret: format!("whsec_{}", BASE64.encode(key)) },
    ];
    for auth in auths {
        assert!(!format!("{auth:?}").contains(SECRET));
        sandbox.set_webhook(Webhook::to(&receiver.url).auth(auth)).unwrap();
        let number = sandbox.send(&json!({"event": "verification.completed"}));
        soon(sandbox.settled(number)).await.unwrap();
    }
    let got = receiver.got();
    assert!(got[0].headers.keys().all(|name| !name.as_str().contains("signature") && name != "x-incode-secret"));
    assert_eq!(got[1].header("x-incode-secret"), SECRET);
    assert_eq!(got[2].header("x-incode-signature"), HEXLOWER.encode(&mac(SECRET.as_bytes(), &got[2].body)));
    let signed = format!("{}.{}.", got[3].header("webhook-id"), got[3].header("webhook-timestamp"));
    let expected = BASE64.encode(&mac(key, &[signed.as_bytes(), &got[3].body].concat()));
    assert_eq!(got[3].header("webhook-signature"), format!("v1,{expected}"));

    let refused = |webhook: Webhook| sandbox.set_webhook(webhook).unwrap_err().kind();
    assert_eq!(refused(Webhook::to("ftp://example.com")), StartErrorKind::WebhookUrl);
    let bad = WebhookAuth::Header { name: "two words".to_owned(), secret: SECRET.to_owned() };
    assert_eq!(refused(Webhook::default().auth(bad)), StartErrorKind::WebhookHeader);
    let bad = WebhookAuth::StandardWebhooks { secret: SECRET.to_owned() };
    assert_eq!(refused(Webhook::default().auth(bad)), StartErrorKind::WebhookSecret);
}

#[tokio::test]
async fn client_credentials_are_asked_for_once_and_again_after_401() {
    let receiver = Receiver::start(|before, received| match received.path.as_str() {
        "/token" => axum::Json(json!({"access_token": format!("t{before}"), "expires_in": 60})).into_response(),
        _ if before == 3 => StatusCode::UNAUTHORIZED.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    let sandbox = Sandbox::builder().api_key(API_KEY).time_scale(0.0).start().await.unwrap();
    let webhook = json!({
        "url": format!("{}/hook", receiver.url),
        "auth": {"kind": "oauth", "tokenUrl": format!("{}/token", receiver.url),
            "clientId": "incode", "clientSecret": SECRET}
    });
    let put = client().put(format!("{}/control/api/webhook", sandbox.url())).json(&webhook).send().await.unwrap();
    assert_eq!(put.status(), 204);
    for _ in 0..3 {
        let number = sandbox.send(&json!({}));
        assert_eq!(soon(sandbox.settled(number)).await.unwrap().state, DeliveryState::Accepted);
    }
    let got = receiver.got();
    let paths: Vec<_> = got.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["/token", "/hook", "/hook", "/hook", "/token", "/hook"]);
    assert_eq!(
        got[0].header("authorization"),
        format!("Basic {}", BASE64.encode(format!("incode:{SECRET}").as_bytes()))
    );
    assert_eq!(got[0].header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(got[0].body, "grant_type=client_credentials");
    for (place, token) in [(1, "t0"), (2, "t0"), (3, "t0"), (5, "t4")] {
        assert_eq!(got[place].header("authorization"), format!("Bearer {token}"));
    }
}
