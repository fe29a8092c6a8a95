//! The hosted flow: what a callback and the events around it open.

use std::time::Duration;

use incode_sandbox::{Fault, FieldOverride, NewToken, Outcome, Route};
use serde_json::{Value, json};

use crate::Subject;
use crate::app::test_world::{Request, World, callback, header, is_sent_back, problem};

async fn world() -> World {
    World::start(|builder| builder).await
}

async fn assert_pending(world: &World, subject: &str) {
    let reply = world.vault(subject).await;
    assert_eq!(problem(&reply), (403, "verification_pending".to_owned()));
    assert_eq!(header(&reply, "retry-after"), Some("3"));
}

#[tokio::test]
async fn a_callback_alone_opens_nothing_and_the_event_opens_without_another_request() {
    let world = world().await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let check = world.sandbox.verify(&ana).unwrap();
    assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
    assert_pending(&world, "alice").await;
    let calls = world.userinfo_calls();
    assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await), "a reload while it is pending");
    assert_eq!(world.userinfo_calls(), calls, "asks the vendor no more");
    world.deliver_verification(&check.verification_id).await;
    assert!(world.is_open("alice").await);
}

#[tokio::test]
async fn an_event_before_the_callback_opens_at_the_callback() {
    let world = world().await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let check = world.sandbox.verify(&ana).unwrap();
    world.deliver_verification(&check.verification_id).await;
    assert!(!world.is_open("alice").await);
    assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
    assert!(world.is_open("alice").await);
}

#[tokio::test]
async fn a_check_that_did_not_pass_makes_no_link_and_the_person_may_start_again() {
    for (outcome, event_first) in
        [(Outcome::Fail, false), (Outcome::Pending, false), (Outcome::Fail, true), (Outcome::Pending, true)]
    {
        let world = world().await;
        let ana = world.person("ana");
        let id = world.begin("alice").await;
        let check = world.sandbox.verify_as(&ana, outcome).unwrap();
        if event_first {
            world.deliver_verification(&check.verification_id).await;
            let reply = world.come_back("alice", &id, &check.token).await;
            assert_eq!(problem(&reply), (403, "verification_not_passed".to_owned()));
        } else {
            assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
            assert_pending(&world, "alice").await;
            world.deliver_verification(&check.verification_id).await;
        }
        assert_eq!(problem(&world.vault("alice").await), (403, "verification_required".to_owned()), "{outcome:?}");
        // Another person passes: the failed attempt bound the account to no identity.
        let ben = world.person("ben");
        let id = world.begin("alice").await;
        let check = world.sandbox.verify(&ben).unwrap();
        assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
        world.deliver_verification(&check.verification_id).await;
        assert!(world.is_open("alice").await);
    }
}

#[tokio::test]
async fn a_verification_of_before_the_flow_confirms_nothing() {
    let world = world().await;
    let ana = world.person("ana");
    world.sandbox.set_clock_offset(-3600);
    let earlier = world.sandbox.verify(&ana).unwrap();
    world.sandbox.set_clock_offset(0);
    let id = world.begin("alice").await;
    assert!(is_sent_back(&world.come_back("alice", &id, &world.sandbox.issue_token(&ana)).await));
    world.deliver_verification(&earlier.verification_id).await;
    assert_pending(&world, "alice").await;
}

#[tokio::test]
async fn a_time_that_can_not_be_read_counts_by_the_authenticated_event_and_is_never_fresh() {
    for created_at in [FieldOverride::Absent, FieldOverride::value(Value::Null), FieldOverride::value("soon")] {
        let world = world().await;
        let ana = world.person("ana");
        world.sandbox.change_behaviour(|behaviour| behaviour.verification_created_at = created_at);
        let id = world.begin("alice").await;
        let check = world.sandbox.verify(&ana).unwrap();
        assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
        assert_pending(&world, "alice").await;
        world.deliver_verification(&check.verification_id).await;
        assert!(world.is_open("alice").await);
        let linked = world.incode.linked(&Subject::new("alice").unwrap()).await.unwrap().unwrap();
        assert!(linked.identity.verification_id.is_some() && linked.identity.verified_at.is_none());
    }
}

#[tokio::test]
async fn an_authentication_that_passed_since_the_start_opens_too() {
    for (status, opens) in [("pass", true), ("fail", false), ("odd", false)] {
        let world = world().await;
        let ana = world.person("ana");
        // Verified an hour ago: that confirms no flow of today.
        world.sandbox.set_clock_offset(-3600);
        let verified = world.sandbox.verify(&ana).unwrap();
        world.deliver_verification(&verified.verification_id).await;
        world.sandbox.set_clock_offset(0);
        let id = world.begin("alice").await;
        let created_at = crate::Timestamp::from(std::time::SystemTime::now()).as_millis() / 1000;
        let body = json!({"id": "a-check", "createdAt": created_at, "status": status,
                          "verificationId": verified.verification_id});
        world.sandbox.seed_authentication("a-check", Some(&ana), body);
        assert!(is_sent_back(&world.come_back("alice", &id, &world.sandbox.issue_token(&ana)).await));
        assert_pending(&world, "alice").await;
        world.deliver_authentication("a-check").await;
        assert_eq!(world.is_open("alice").await, opens, "{status}");
    }
}

#[tokio::test]
async fn a_token_of_before_the_flow_is_refused_by_the_vendors_clock() {
    let world = world().await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let old = world.sandbox.mint_token(NewToken::of(&*ana).issued_ago(Duration::from_secs(600)));
    let reply = world.come_back("alice", &id, &old).await;
    assert_eq!(problem(&reply), (403, "flow_token_foreign".to_owned()));
    assert_eq!(world.userinfo_calls(), 1, "the answer brings the vendor's clock");
    let undated = world.sandbox.mint_token(NewToken::of(&*ana).claim("iat", Value::Null));
    assert!(is_sent_back(&world.come_back("alice", &id, &undated).await), "the flow is not used up");
}

#[tokio::test]
async fn a_token_for_another_application_is_refused() {
    let world = World::start(|builder| builder.expect_claim("aud", "the-bank")).await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    for token in
        [world.sandbox.issue_token(&ana), world.sandbox.mint_token(NewToken::of(&*ana).claim("aud", "another"))]
    {
        assert_eq!(problem(&world.come_back("alice", &id, &token).await), (403, "flow_token_foreign".to_owned()));
    }
    let ours = world.sandbox.mint_token(NewToken::of(&*ana).claim("aud", "the-bank"));
    assert!(is_sent_back(&world.come_back("alice", &id, &ours).await));
}

#[tokio::test]
async fn the_token_that_the_event_brought_is_taken() {
    let world = world().await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let check = world.sandbox.verify(&ana).unwrap();
    let number = world.sandbox.send_verification(&check.verification_id).unwrap();
    let body = world.sandbox.delivery_body(number).unwrap();
    world.deliver(&body).await;
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert!(is_sent_back(&world.come_back("alice", &id, event["token"].as_str().unwrap()).await));
    assert!(world.is_open("alice").await);
}

#[tokio::test]
async fn a_token_that_linked_a_subject_links_no_other() {
    let world = World::start(crate::Builder::shared_identities).await;
    let ana = world.person("ana");
    let (alice, eve) = (world.begin("alice").await, world.begin("eve").await);
    let check = world.sandbox.verify(&ana).unwrap();
    world.deliver_verification(&check.verification_id).await;
    assert!(is_sent_back(&world.come_back("alice", &alice, &check.token).await));
    let reply = world.come_back("eve", &eve, &check.token).await;
    assert_eq!(problem(&reply), (409, "flow_token_used".to_owned()));
    assert!(world.is_open("alice").await && !world.is_open("eve").await);
}

#[tokio::test]
async fn the_same_callback_again_leads_to_the_same_place_and_asks_the_vendor_no_more() {
    let world = world().await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let check = world.sandbox.verify(&ana).unwrap();
    world.deliver_verification(&check.verification_id).await;
    assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
    let calls = world.userinfo_calls();
    for _ in 0..20 {
        assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
    }
    assert_eq!(world.userinfo_calls(), calls);
    let other = world.come_back("eve", &id, &check.token).await;
    assert_eq!(problem(&other), (403, "flow_other_subject".to_owned()));
}

#[tokio::test]
async fn a_prefetch_uses_up_nothing() {
    let world = world().await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let check = world.sandbox.verify(&ana).unwrap();
    world.deliver_verification(&check.verification_id).await;
    let calls = world.userinfo_calls();
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("sec-purpose", "Prefetch ; anonymous-client-ip"),
        ("x-moz", "prefetch"),
    ] {
        let reply = world.answer(&callback("alice", &id, &check.token).with(name, value), b"").await;
        assert_eq!(problem(&reply), (425, "prefetch_refused".to_owned()), "{name}: {value}");
        assert_eq!(header(&reply, "cache-control"), Some("no-store"));
    }
    assert_eq!(world.userinfo_calls(), calls);
    assert!(!world.is_open("alice").await);
    let real = callback("alice", &id, &check.token).with("sec-purpose", "navigate");
    assert!(is_sent_back(&world.answer(&real, b"").await));
    assert!(world.is_open("alice").await);
}

#[tokio::test]
async fn junk_tokens_on_one_flow_make_a_few_calls() {
    let world = world().await;
    let id = world.begin("alice").await;
    let mut limited = Vec::new();
    for number in 0..60 {
        let reply = world.come_back("alice", &id, &format!("junk-{number}")).await;
        match problem(&reply).1.as_str() {
            "flow_token_dead" => {}
            _ => limited.push(reply),
        }
    }
    assert_eq!((world.userinfo_calls(), limited.len()), (4, 56));
    for reply in &limited {
        assert_eq!(problem(reply), (429, "too_many_requests".to_owned()));
        let seconds: u64 = header(reply, "retry-after").unwrap().parse().unwrap();
        assert!((1..=15).contains(&seconds), "{seconds}");
    }
    let ben = world.begin("ben").await;
    assert_eq!(problem(&world.come_back("ben", &ben, "junk").await).1, "flow_token_dead", "others are not held up");
}

#[tokio::test]
async fn a_vendor_that_does_not_answer_uses_up_nothing() {
    let world = world().await;
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let check = world.sandbox.verify(&ana).unwrap();
    world.sandbox.add_fault(Fault::status(429).on(Route::Userinfo).times(100));
    let reply = world.come_back("alice", &id, &check.token).await;
    assert_eq!(problem(&reply), (503, "vendor_unavailable".to_owned()));
    world.sandbox.clear_faults();
    assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
    assert_pending(&world, "alice").await;
}

#[tokio::test]
async fn an_identity_id_that_is_a_placeholder_is_no_identity() {
    for placeholder in ["undefined", "null", "0", ""] {
        let world = world().await;
        let ana = world.person("ana");
        world.sandbox.change_behaviour(|behaviour| behaviour.identity_id = FieldOverride::value(placeholder));
        let id = world.begin("alice").await;
        let reply = world.come_back("alice", &id, &world.sandbox.issue_token(&ana)).await;
        assert_eq!(problem(&reply), (503, "vendor_unavailable".to_owned()), "{placeholder:?}");
    }
}

#[tokio::test]
async fn a_browser_whose_callback_failed_is_shown_a_page() {
    let world = world().await;
    let head = Request::get("/incode/callback?token=a&correlation_id=b").of("alice");
    let browser = head.clone().with("accept", "text/html").with("accept-language", "es");
    let reply = world.answer(&browser, b"").await;
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert_eq!((reply.status, header(&reply, "referrer-policy")), (400, Some("no-referrer")));
    assert!(text.contains("Verificación desconocida"), "{text}");
    assert_eq!(problem(&world.answer(&head, b"").await), (400, "flow_unknown".to_owned()));
}
