//! A callback shows whose token it brings, not that the check passed: what links, what waits, and what ends.

use std::time::Duration;

use incode_sandbox::{FieldOverride, NewToken, Outcome, Person, Verified};
use incode_tests::{Adapter, Auth, Plan, World, event, eventually};
use serde_json::{Value, json};

on_every_adapter! {
    a_callback_without_an_event_is_pending,
    the_event_of_the_check_opens_the_gate,
    an_event_before_the_callback_opens_it_at_the_callback,
    a_callback_waits_for_the_event_of_its_check,
    a_check_that_did_not_pass_links_no_one,
    a_failure_before_the_callback_links_no_one,
    a_failure_with_the_strangers_own_document_ends_the_flow,
    who_failed_can_pass_as_themselves,
    a_failed_check_under_another_name_opens_nothing,
    a_check_made_before_the_flow_links_no_one,
    a_check_at_an_unknown_time_links_and_is_not_fresh,
    a_check_of_the_future_is_one_of_unknown_time,
    an_authentication_links_who_is_enrolled,
    an_authentication_that_anyone_could_send_ends_no_flow,
    a_check_that_names_another_flow_links_no_one,
    a_token_from_before_the_flow_is_refused,
    the_time_of_issue_is_read_however_it_is_written,
    the_token_of_the_event_is_taken_by_the_callback,
    a_token_links_one_subject,
    the_same_callback_twice_leads_to_the_same_place,
    one_check_does_not_link_two,
}

async fn strict(adapter: Adapter) -> World {
    Plan::new(adapter).with_checks().start().await
}

fn completed(verified: &Verified) -> Value {
    event("verification.completed", &verified.verification_id, &verified.token)
}

fn check(world: &World, person: &Person, outcome: Outcome) -> Verified {
    world.sandbox.verify_as(&person.identity_id, outcome).unwrap()
}

/// Comes back with a token of this person, and finds the way back.
async fn come_back(world: &World, user: &str, correlation_id: &str, token: &str) {
    let back = world.come_back(user, correlation_id, token).await;
    assert_eq!((back.status, back.header("location")), (303, Some("/vault")), "{back:?}");
}

async fn is_pending(world: &World, user: &str) {
    assert_eq!(world.standing(user).await, "verification_pending");
    let denied = world.get(user, "/vault").await;
    assert_eq!((denied.status, denied.code()), (403, "verification_pending".to_owned()));
    assert!(denied.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}

async fn is_not_linked(world: &World, user: &str) {
    assert_eq!(world.standing(user).await, "not_linked");
    assert_eq!(world.status(user, "/vault").await, 403);
}

async fn opens(world: &World, user: &str) {
    eventually("the vault opens", async || world.status(user, "/vault").await == 200).await;
}

async fn a_callback_without_an_event_is_pending(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    is_pending(&world, "ana").await;
}

async fn the_event_of_the_check_opens_the_gate(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let passed = check(&world, &ana, Outcome::Pass);
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    is_pending(&world, "ana").await;
    world.sandbox.clear_calls();
    world.deliver(&completed(&passed)).await;
    opens(&world, "ana").await;
    assert_eq!(world.get("ana", "/open").await.json()["proof"], "flow");
}

async fn an_event_before_the_callback_opens_it_at_the_callback(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    world.deliver(&completed(&check(&world, &ana, Outcome::Pass))).await;
    world.settles(1, 0, 0).await;
    is_not_linked(&world, "ana").await;
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
}

async fn a_callback_waits_for_the_event_of_its_check(adapter: Adapter) {
    let plan = Plan::new(adapter).with_checks().incode(|builder| builder.callback_wait(Duration::from_secs(60)));
    let world = plan.start().await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let passed = check(&world, &ana, Outcome::Pass);
    let token = world.sandbox.issue_token(&ana.identity_id);
    let deliver = async {
        eventually("the callback is waiting", async || world.standing("ana").await == "verification_pending").await;
        world.deliver(&completed(&passed)).await;
    };
    let (back, ()) = tokio::join!(world.come_back("ana", &flow, &token), deliver);
    assert_eq!(back.status, 303);
    assert_eq!(world.status("ana", "/vault").await, 200, "the browser lands in the open vault");
}

async fn a_check_that_did_not_pass_links_no_one(adapter: Adapter) {
    for outcome in [Outcome::Fail, Outcome::Pending] {
        let world = strict(adapter).await;
        let ana = world.person("Ana");
        let flow = world.start_flow("ana").await;
        let ended = check(&world, &ana, outcome);
        come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
        world.deliver(&completed(&ended)).await;
        world.settles(1, 0, 0).await;
        is_not_linked(&world, "ana").await;
    }
}

async fn a_failure_before_the_callback_links_no_one(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    world.deliver(&completed(&check(&world, &ana, Outcome::Fail))).await;
    world.settles(1, 0, 0).await;
    let back = world.come_back("ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    assert_eq!((back.status, back.code()), (403, "verification_not_passed".to_owned()));
    is_not_linked(&world, "ana").await;
}

/// Eve types Ana's name and shows her own document. The pieces contradict each other, which a failure may.
async fn a_failure_with_the_strangers_own_document_ends_the_flow(adapter: Adapter) {
    for auth in [Auth::Header, Auth::FetchBack] {
        let world = Plan::new(adapter).with_checks().auth(auth).start().await;
        let ana = world.person("Ana");
        let flow = world.start_flow("eve").await;
        let token = world.sandbox.issue_token(&ana.identity_id);
        come_back(&world, "eve", &flow, &token).await;
        is_pending(&world, "eve").await;
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let data = json!({"email": "eve@elsewhere.test", "dateOfBirth": "0"});
        let body = json!({"id": "failed", "createdAt": now, "status": "REJECTED", "data": data});
        world.sandbox.seed_verification("failed", Some(&ana.identity_id), body);
        world.deliver(&event("verification.completed", "failed", &token)).await;
        world.settles(1, 0, 0).await;
        is_not_linked(&world, "eve").await;
        assert_eq!(world.identity(&ana.identity_id).await.unwrap().verification_id, None);
    }
}

/// An enrolled person's name is typed by another user, who fails: neither is the user let in as that person, nor bound to
/// that identity for ever.
async fn who_failed_can_pass_as_themselves(adapter: Adapter) {
    let world = strict(adapter).await;
    let (ana, eve) = (world.person("Ana"), world.person("Eve"));
    let flow = world.start_flow("eve").await;
    let failed = check(&world, &ana, Outcome::Fail);
    come_back(&world, "eve", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    is_pending(&world, "eve").await;
    world.deliver(&completed(&failed)).await;
    world.settles(1, 0, 0).await;
    is_not_linked(&world, "eve").await;

    let flow = world.start_flow("eve").await;
    let passed = check(&world, &eve, Outcome::Pass);
    come_back(&world, "eve", &flow, &world.sandbox.issue_token(&eve.identity_id)).await;
    world.deliver(&completed(&passed)).await;
    opens(&world, "eve").await;
    let linked = world.incode.linked(&incode_core::Subject::new("eve").unwrap()).await.unwrap().unwrap();
    assert_eq!(linked.identity.identity_id.as_str(), eve.identity_id);
}

async fn a_failed_check_under_another_name_opens_nothing(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    // Ana is verified, and linked to her own account.
    let flow = world.start_flow("ana").await;
    world.deliver(&completed(&check(&world, &ana, Outcome::Pass))).await;
    world.settles(1, 0, 0).await;
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    assert_eq!(world.status("ana", "/vault").await, 200);

    let flow = world.start_flow("eve").await;
    let failed = check(&world, &ana, Outcome::Fail);
    let taken = world.come_back("eve", &flow, &failed.token).await;
    assert_eq!((taken.status, taken.code()), (409, "identity_taken".to_owned()));
    world.deliver(&completed(&failed)).await;
    world.settles(2, 0, 0).await;
    is_not_linked(&world, "eve").await;
    assert_eq!(world.status("ana", "/vault").await, 200);
}

async fn a_check_made_before_the_flow_links_no_one(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    world.sandbox.set_clock_offset(-3600);
    let old = check(&world, &ana, Outcome::Pass);
    world.sandbox.set_clock_offset(0);
    let flow = world.start_flow("ana").await;
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    // With a token that lives still, as a late delivery has it.
    let token = world.sandbox.issue_token(&ana.identity_id);
    world.deliver(&event("verification.completed", &old.verification_id, &token)).await;
    world.settles(1, 0, 0).await;
    is_pending(&world, "ana").await;
}

async fn a_check_at_an_unknown_time_links_and_is_not_fresh(adapter: Adapter) {
    for created_at in [FieldOverride::Absent, FieldOverride::value("soon"), FieldOverride::value(-1)] {
        let world = strict(adapter).await;
        world.sandbox.change_behaviour(|behaviour| behaviour.verification_created_at = created_at.clone());
        let ana = world.person("Ana");
        let flow = world.start_flow("ana").await;
        let passed = check(&world, &ana, Outcome::Pass);
        come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
        world.deliver(&completed(&passed)).await;
        opens(&world, "ana").await;
        let identity = world.identity(&ana.identity_id).await.unwrap();
        assert_eq!(identity.verified_at, None, "an unknown time is no freshness");
        assert_eq!(identity.verification_id.unwrap().as_str(), passed.verification_id);
    }
}

/// It would be newer than every check to come, and belong to no flow.
async fn a_check_of_the_future_is_one_of_unknown_time(adapter: Adapter) {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for created_at in [serde_json::json!(now + 240), serde_json::json!("9999-12-31T23:59:59Z")] {
        let world = strict(adapter).await;
        let odd = FieldOverride::value(created_at);
        world.sandbox.change_behaviour(|behaviour| behaviour.verification_created_at = odd);
        let ana = world.person("Ana");
        let flow = world.start_flow("ana").await;
        let passed = check(&world, &ana, Outcome::Pass);
        come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
        world.deliver(&completed(&passed)).await;
        opens(&world, "ana").await;
        assert_eq!(world.identity(&ana.identity_id).await.unwrap().verified_at, None, "and is not fresh");

        // A later flow of that person, whose event comes before the callback.
        assert!(
            world
                .incode
                .unlink(&incode_core::Subject::new("ana").unwrap(), &incode_core::Actor::unknown())
                .await
                .unwrap()
        );
        let usual = incode_sandbox::Behaviour::default().verification_created_at;
        world.sandbox.change_behaviour(|behaviour| behaviour.verification_created_at = usual);
        let flow = world.start_flow("ana2").await;
        world.deliver(&completed(&check(&world, &ana, Outcome::Pass))).await;
        world.settles(2, 0, 0).await;
        come_back(&world, "ana2", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
        assert_eq!(world.status("ana2", "/vault").await, 200);
    }
}

async fn an_authentication_links_who_is_enrolled(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    check(&world, &ana, Outcome::Pass);
    let flow = world.start_flow("ana").await;
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let body = serde_json::json!({"id": "authentication-1", "createdAt": now, "status": "pass"});
    world.sandbox.seed_authentication("authentication-1", Some(&ana.identity_id), body);
    let token = world.sandbox.issue_token(&ana.identity_id);
    come_back(&world, "ana", &flow, &token).await;
    is_pending(&world, "ana").await;
    world.deliver(&event("authentication.completed", "authentication-1", &token)).await;
    opens(&world, "ana").await;
}

/// Fetch-back: a pass whose sender is unknown proves nothing, and is no failure.
async fn an_authentication_that_anyone_could_send_ends_no_flow(adapter: Adapter) {
    let world = Plan::new(adapter).with_checks().auth(Auth::FetchBack).start().await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let body = json!({"id": "authentication-1", "createdAt": now, "status": "pass"});
    world.sandbox.seed_authentication("authentication-1", Some(&ana.identity_id), body);
    let token = world.sandbox.issue_token(&ana.identity_id);
    come_back(&world, "ana", &flow, &token).await;
    world.deliver(&event("authentication.completed", "authentication-1", &token)).await;
    world.settles(1, 0, 0).await;
    is_pending(&world, "ana").await;
    world.deliver(&completed(&check(&world, &ana, Outcome::Pass))).await;
    opens(&world, "ana").await;
}

/// An authenticated event that repeats the correlation id of one flow says nothing of another.
async fn a_check_that_names_another_flow_links_no_one(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let (eves, anas) = (world.start_flow("eve").await, world.start_flow("ana").await);
    come_back(&world, "eve", &eves, &world.sandbox.issue_token(&ana.identity_id)).await;
    let mut passed = completed(&check(&world, &ana, Outcome::Pass));
    passed["correlation_id"] = anas.clone().into();
    world.deliver(&passed).await;
    world.settles(1, 0, 0).await;
    is_pending(&world, "eve").await;
    come_back(&world, "ana", &anas, &world.sandbox.issue_token(&ana.identity_id)).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    assert_ne!(world.status("eve", "/vault").await, 200);
}

async fn a_token_from_before_the_flow_is_refused(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let old = NewToken::of(&ana.identity_id).issued_ago(Duration::from_secs(600));
    let back = world.come_back("ana", &flow, &world.sandbox.mint_token(old)).await;
    assert_eq!((back.status, back.code()), (403, "flow_token_foreign".to_owned()));
    is_not_linked(&world, "ana").await;
    // The flow is not used up: its own token still counts.
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    is_pending(&world, "ana").await;
}

/// A fraction, digits in a text, RFC 3339, or a claim twice: an old token does not pass for one that shows no time.
async fn the_time_of_issue_is_read_however_it_is_written(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let old = now - 600;
    let minted = |iat: Value| world.sandbox.mint_token(NewToken::of(&ana.identity_id).claim("iat", iat));
    let rfc3339 = incode_core::Timestamp::from_secs(i64::try_from(old).unwrap()).to_string();
    let twice = format!(r#"{{"iat":{now},"iat":{old},"exp":{}}}"#, now + 600);
    let twice = format!("e30.{}.c2ln", data_encoding::BASE64URL_NOPAD.encode(twice.as_bytes()));
    world.sandbox.seed_token(&*twice, Some(&ana.identity_id), Duration::from_secs(600));
    let texts = [json!(old as f64 + 0.5), json!(old.to_string()), json!(rfc3339)].map(minted);
    for token in texts.into_iter().chain([twice]) {
        let back = world.come_back("ana", &flow, &token).await;
        assert_eq!((back.status, back.code()), (403, "flow_token_foreign".to_owned()), "{token}");
    }
    is_not_linked(&world, "ana").await;
    // A flow of its own: each may come back a few times only.
    let flow = world.start_flow("ben").await;
    come_back(&world, "ben", &flow, &minted(json!(now as f64 + 0.5))).await;
    is_pending(&world, "ben").await;
}

async fn the_token_of_the_event_is_taken_by_the_callback(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let passed = check(&world, &ana, Outcome::Pass);
    world.deliver(&completed(&passed)).await;
    world.settles(1, 0, 0).await;
    come_back(&world, "ana", &flow, &passed.token).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
}

async fn a_token_links_one_subject(adapter: Adapter) {
    let plan = Plan::new(adapter).with_checks().incode(|builder| builder.shared_identities());
    let world = plan.start().await;
    let ana = world.person("Ana");
    let token = world.sandbox.issue_token(&ana.identity_id);
    let (first, second) = (world.start_flow("ana").await, world.start_flow("eve").await);
    world.deliver(&completed(&check(&world, &ana, Outcome::Pass))).await;
    world.settles(1, 0, 0).await;
    come_back(&world, "ana", &first, &token).await;
    let back = world.come_back("eve", &second, &token).await;
    assert_eq!((back.status, back.code()), (409, "flow_token_used".to_owned()));
    is_not_linked(&world, "eve").await;
}

async fn the_same_callback_twice_leads_to_the_same_place(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let passed = check(&world, &ana, Outcome::Pass);
    let token = world.sandbox.issue_token(&ana.identity_id);
    for _ in 0..2 {
        come_back(&world, "ana", &flow, &token).await;
        is_pending(&world, "ana").await;
    }
    world.deliver(&completed(&passed)).await;
    opens(&world, "ana").await;
    come_back(&world, "ana", &flow, &token).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
}

/// Two users came back with tokens of one person, and one check passed in both flows: nothing shows which of them it
/// was.
async fn one_check_does_not_link_two(adapter: Adapter) {
    let world = Plan::new(adapter).with_checks().auth(Auth::Header).start().await;
    let ana = world.person("Ana");
    let (anas, eves) = (world.start_flow("ana").await, world.start_flow("eve").await);
    let passed = check(&world, &ana, Outcome::Pass);
    for (user, flow) in [("ana", &anas), ("eve", &eves)] {
        come_back(&world, user, flow, &world.sandbox.issue_token(&ana.identity_id)).await;
        is_pending(&world, user).await;
    }
    world.deliver(&completed(&passed)).await;
    world.settles(1, 0, 0).await;
    is_not_linked(&world, "ana").await;
    is_not_linked(&world, "eve").await;
}
