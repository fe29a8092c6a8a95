//! Deliveries that are refused for what they say, and in one voice.

use incode_core::model::EventKind;
use incode_tests::{ACKNOWLEDGED, Adapter, Auth, Call, HEADER, Plan, SIGNATURE, World, event, post, problem};
use serde_json::json;

use crate::webhook::refusals::{MALFORMED, UNAUTHENTIC, body, expected, stored};

on_every_adapter! {
    methods_other_than_post,
    every_unauthentic_delivery_gets_the_same_answer,
    a_signature_covers_the_body,
    malformed_json_of_every_kind,
    a_route_for_one_kind_refuses_the_other,
    unknown_kinds_are_acknowledged_and_ignored,
    the_content_type_does_not_matter,
}

async fn methods_other_than_post(adapter: Adapter) {
    let world = World::start(adapter).await;
    let expected = problem(
        405,
        "method_not_allowed",
        "Method not allowed",
        "Deliveries are sent with POST.",
        None,
        &[("allow", "POST")],
    );
    for method in ["GET", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE"] {
        let call = world.authentic(Call::new(method, "/incode/webhook"), body().as_bytes()).body(body());
        assert_eq!(world.send(call).await.essence(), expected, "{method}");
    }
    let head = world.send(Call::new("HEAD", "/incode/webhook")).await;
    assert_eq!((head.status, head.header("allow")), (405, Some("POST")));
    assert_eq!(stored(&world).await, 0);
}

async fn every_unauthentic_delivery_gets_the_same_answer(adapter: Adapter) {
    for (auth, name) in [(Auth::Header, HEADER), (Auth::Hmac, SIGNATURE)] {
        let world = Plan::new(adapter).auth(auth).start().await;
        let hook = || post("/incode/webhook");
        let mut right = None;
        let probe = world.delivery(body()).bytes();
        for line in String::from_utf8(probe).unwrap().lines() {
            if let Some(value) = line.strip_prefix(&format!("{name}: ")) {
                right = Some(value.to_owned());
            }
        }
        let right = right.unwrap();
        let cut = &right[..right.len() - 1];
        let calls = [
            hook(),
            hook().header(name, ""),
            hook().header(name, "wrong-secret-0123456789-wrong"),
            hook().header(name, "0".repeat(64)),
            hook().header(name, cut),
            hook().header(name, format!("{right}x")),
            hook().header(name, format!("{right}, {right}")),
            hook().header(name, &right).header(name, &right),
            hook().header(name, &right).header(name, "wrong"),
            hook().header(name, [b"\xc3\xa9".as_slice(), right.as_bytes()].concat()),
            hook().header(name, b"\xff\xfe\x80"),
            hook().header("x-other", &right),
            hook().header("authorization", format!("Bearer {right}")),
            hook().header(name, format!("\"{right}\"")),
        ];
        for call in calls {
            let response = world.send(call.clone().body(body())).await;
            assert_eq!(response.essence(), expected(UNAUTHENTIC), "{auth:?} {call:?}");
            // Whatever the body is, it changes nothing.
            let junk = world.send(call.body("{")).await;
            assert_eq!(junk.essence(), expected(UNAUTHENTIC));
        }
        assert_eq!(stored(&world).await, 0);
        assert_eq!(world.send(hook().header(&name.to_uppercase(), &right).body(body())).await.essence(), ACKNOWLEDGED);
    }
}

async fn a_signature_covers_the_body(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::Hmac).start().await;
    let other = event("verification.completed", "another-id", "a-token").to_string();
    for changed in [other.as_str(), "", &format!("{} ", body()), &body().replace("an-id", "an-ic")] {
        let call = world.authentic(post("/incode/webhook"), body().as_bytes()).body(changed);
        assert_eq!(world.send(call).await.essence(), expected(UNAUTHENTIC), "{changed}");
    }
    for size in [1, 7, 10_000] {
        let call = world.authentic(post("/incode/webhook"), body().as_bytes()).chunked(body(), size);
        assert_eq!(world.send(call).await.essence(), ACKNOWLEDGED, "in chunks of {size}");
    }
}

async fn malformed_json_of_every_kind(adapter: Adapter) {
    let world = World::start(adapter).await;
    let good = body();
    let deep = format!(
        "{}{}{}",
        r#"{"event":"verification.completed","id":"i","token":"t","x":"#,
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    let texts: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "{}",
        "[]",
        "null",
        "true",
        "1",
        "\"text\"",
        "nul",
        "{\"event\":",
        "{'event':1}",
        &format!("{good}x"),
        &format!("{good}{good}"),
        &format!("[{good}]"),
        &format!("{good}\0"),
        &deep,
        &format!("\u{feff}{good}"),
        r#"{"event":"verification.completed","event":"verification.completed","id":"i","token":"t"}"#,
        r#"{"event":"verification.completed","id":"i","id":"j","token":"t"}"#,
        r#"{"event":"verification.completed","id":"i","token":"t","token":"u"}"#,
        r#"{"event":"verification.completed","id":"i","token":"t","x":{"a":1,"a":2}}"#,
        r#"{"event":"verification.completed","id":"i"}"#,
        r#"{"event":"verification.completed","token":"t"}"#,
        r#"{"id":"i","token":"t"}"#,
        r#"{"event":1,"id":"i","token":"t"}"#,
        r#"{"event":null,"id":"i","token":"t"}"#,
        r#"{"event":"","id":"i","token":"t"}"#,
        r#"{"event":"verification.completed","id":1,"token":"t"}"#,
        r#"{"event":"verification.completed","id":"i","token":{}}"#,
        r#"{"event":"verification.completed","id":"","token":"t"}"#,
        r#"{"event":"verification.completed","id":"..","token":"t"}"#,
        r#"{"event":"verification.completed","id":"i","token":""}"#,
        r#"{"event":"verification.completed","id":"i","token":"a b"}"#,
        r#"{"event":"verification.completed","id":"i","token":"a\r\nx-api-key: b"}"#,
        r#"{"event":"verification.completed","id":"i\u0000","token":"t"}"#,
        r#"{"event":"verification.completed","id":"i","token":"\ud800"}"#,
        "{\"event\":\"verification.completed\",\"id\":\"i\",\"token\":\"a\nb\"}",
        r#"{"event":"verification.completed","id":"i","token":"t",}"#,
        r#"{"event":"verification.completed","id":"i","token":"t","n":01}"#,
        r#"{"event":"verification.completed","id":"i","token":"t","n":NaN}"#,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([b"\xff\xfe{}".to_vec(), b"{\"event\":\"\xc3\x28\"}".to_vec(), vec![0; 100], vec![b'['; 60_000]])
    .chain([
        format!("{{\"event\":\"verification.completed\",\"id\":\"{}\",\"token\":\"t\"}}", "i".repeat(129)).into_bytes()
    ])
    .chain([format!("{{\"event\":\"verification.completed\",\"id\":\"i\",\"token\":\"{}\"}}", "t".repeat(4097))
        .into_bytes()])
    .collect();
    for text in texts {
        let shown = String::from_utf8_lossy(&text[..text.len().min(100)]).into_owned();
        assert_eq!(world.send(world.delivery(&text)).await.essence(), expected(MALFORMED), "{shown}");
    }
    assert_eq!(stored(&world).await, 0);
    assert_eq!(world.send(world.delivery(&good)).await.essence(), ACKNOWLEDGED);
}

async fn a_route_for_one_kind_refuses_the_other(adapter: Adapter) {
    let plan = Plan::new(adapter).incode(|builder| {
        builder
            .webhook_path_for(EventKind::Verification, "/hook/verification")
            .webhook_path_for(EventKind::Authentication, "/hook/authentication")
            .webhook_path("/hook/both")
    });
    let world = plan.start().await;
    let row =
        (400, "delivery_wrong_kind", "Wrong kind of event", "Events of this kind are not accepted at this address.");
    let kinds = ["verification.completed", "authentication.completed"];
    for (path, fitting) in [("/hook/verification", 0), ("/hook/authentication", 1)] {
        for (index, kind) in kinds.into_iter().enumerate() {
            let body = event(kind, &format!("id-{index}-{fitting}"), "t").to_string();
            let response = world.send(world.authentic(post(path), body.as_bytes()).body(&body)).await;
            let answer = if index == fitting { ACKNOWLEDGED.to_owned() } else { expected(row) };
            assert_eq!(response.essence(), answer, "{kind} at {path}");
        }
    }
    for kind in kinds {
        let body = event(kind, "id-both", "t").to_string();
        let response = world.send(world.authentic(post("/hook/both"), body.as_bytes()).body(&body)).await;
        assert_eq!(response.essence(), ACKNOWLEDGED);
    }
    assert_eq!(stored(&world).await, 4);
}

async fn unknown_kinds_are_acknowledged_and_ignored(adapter: Adapter) {
    let world = World::start(adapter).await;
    for (index, body) in [
        json!({"event": "identity.enrolled", "id": "x", "token": "t"}),
        json!({"event": "verification.started"}),
        json!({"event": "VERIFICATION.COMPLETED", "id": "x", "token": "t"}),
        json!({"onboardingStatus": "ONBOARDING_FINISHED", "interviewId": "x"}),
        json!({"eventType": "verification.failed", "nested": {"any": [1, 2, {"thing": null}]}}),
    ]
    .into_iter()
    .enumerate()
    {
        world.deliver(&body).await;
        assert_eq!(world.counts().await.ignored, index as u64 + 1, "{body}");
    }
    world.settles(0, 0, 5).await;
    assert_eq!(world.sandbox.calls().len(), 0);
}

async fn the_content_type_does_not_matter(adapter: Adapter) {
    let world = World::start(adapter).await;
    for kind in
        ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", ""]
    {
        assert_eq!(world.send(world.delivery(body()).header("content-type", kind)).await.essence(), ACKNOWLEDGED);
    }
}
