//! Clients that hold an Incode token and present it themselves.

use std::time::Duration;

use futures_util::future::join_all;
use incode_core::testing::ManualClock;
use incode_core::{BearerTokens, Timestamp};
use incode_sandbox::{Effect, Fault, NewToken, Route};
use incode_tests::identified::ACCOUNT;
use incode_tests::{Adapter, Call, Failing, Plan, Response, Shape, World, event, eventually, get, problem};

on_every_adapter! {
    a_token_is_its_persons_without_an_account,
    a_token_is_redeemed_once_however_many_bring_it,
    a_revoked_person_is_refused_and_so_is_their_account,
    a_revocation_learned_elsewhere_closes_the_door_for_the_token,
    a_token_without_an_identity_is_refused_as_such,
    what_is_no_token_is_not_sent,
    a_logged_in_user_needs_no_token,
    tokens_count_only_where_they_are_taken,
    a_token_ends,
    a_vendor_that_is_down_opens_nothing,
    a_store_that_is_down_opens_nothing,
    a_flood_of_junk_is_asked_about_a_few_at_a_time,
    a_token_that_is_answered_403_or_429_holds_up_no_other,
    many_odd_tokens_at_once_hold_up_no_genuine_one,
    a_token_of_another_issuer_is_not_sent,
    a_face_counts_only_when_it_was_recorded,
    what_no_gate_wants_is_not_asked_about,
    a_token_is_asked_about_beside_users_who_are_found_asynchronously,
}

fn plan(adapter: Adapter) -> Plan {
    Plan::new(adapter).incode(|builder| builder.bearer_tokens(BearerTokens::on_paths(["/"])))
}

fn with(target: &str, token: &str) -> Call {
    get(target).header("authorization", format!("Bearer {token}"))
}

async fn vault(world: &World, token: &str) -> Response {
    world.send(with("/vault", token)).await
}

fn asked(world: &World) -> usize {
    world.sandbox.calls().iter().filter(|call| call.path.ends_with("/userinfo")).count()
}

fn refused() -> String {
    let headers = [("www-authenticate", "Bearer error=\"invalid_token\"")];
    problem(401, "invalid_token", "Token not accepted", "The token is not valid, or no longer.", None, &headers)
}

async fn a_token_is_its_persons_without_an_account(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let ana = world.person("Ana Flores").identity_id;
    let token = world.sandbox.issue_token(&ana);
    assert_eq!(vault(&world, &token).await.status, 200);
    let open = world.send(with("/open", &token)).await.json();
    assert_eq!(open["standing"], "active");
    assert_eq!(open["identity"], ana.as_str());
    assert!(open["subject"].is_null() && open["proof"].is_null());
    // No account was linked, so nothing that asks for a link is met.
    assert_eq!(world.send(with("/by-flow", &token)).await.code(), "link_insufficient");
    assert_eq!(world.send(with("/active-extractor", &token)).await.text(), ana);
    let nobody = world.send(get("/vault")).await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")));
}

async fn a_token_is_redeemed_once_however_many_bring_it(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    world.fault(Fault::late(Duration::from_millis(300)).on(Route::Userinfo));
    let all = join_all((0..30).map(|_| vault(&world, &token))).await;
    assert!(all.iter().all(|response| response.status == 200));
    assert_eq!(vault(&world, &token).await.status, 200);
    assert_eq!(asked(&world), 1);
}

async fn a_revoked_person_is_refused_and_so_is_their_account(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let ana = world.person("Ana Flores").identity_id;
    world.link("ana", &ana).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    world.sandbox.revoke(&ana).unwrap();
    assert_eq!(world.status("ana", "/vault").await, 200, "no notice came");
    let token = world.sandbox.issue_token(&ana);
    assert_eq!(vault(&world, &token).await.code(), "identity_revoked");
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked", "seen through the token");
}

async fn a_revocation_learned_elsewhere_closes_the_door_for_the_token(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let ana = world.person("Ana Flores").identity_id;
    let token = world.sandbox.issue_token(&ana);
    assert_eq!(vault(&world, &token).await.status, 200);
    let verified = world.sandbox.verify(&ana).unwrap();
    world.sandbox.revoke(&ana).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    eventually("out", async || vault(&world, &token).await.code() == "identity_revoked").await;
}

async fn a_token_without_an_identity_is_refused_as_such(adapter: Adapter) {
    let world = plan(adapter).start().await;
    for _ in 0..5 {
        assert_eq!(vault(&world, "an-invented-token").await.essence(), refused());
    }
    assert_eq!(asked(&world), 1, "a refusal is remembered");
    let open = world.send(with("/open", "an-invented-token")).await;
    assert_eq!((open.status, open.json()["standing"].as_str()), (200, Some("no_subject")));
    assert_eq!(world.send(with("/in-handler", "an-invented-token")).await.essence(), refused());
}

async fn what_is_no_token_is_not_sent(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    for value in ["Bearer", "Bearer  ", "Bearer two words", &format!("Bearer {}", "x".repeat(5000))] {
        assert_eq!(world.send(get("/vault").header("authorization", value)).await.essence(), refused());
    }
    let twice = with("/vault", &token).header("authorization", format!("Bearer {token}"));
    assert_eq!(world.send(twice).await.essence(), refused(), "who knows which one another reader takes");
    for value in ["Basic YTpi", "", "Bearertoken"] {
        let response = world.send(get("/vault").header("authorization", value)).await;
        assert_eq!(response.code(), "authentication_required", "{value}");
    }
    assert_eq!(asked(&world), 0);
}

async fn a_logged_in_user_needs_no_token(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let response = world.send(with("/vault", &token).user("ben")).await;
    assert_eq!(response.code(), "verification_required", "ben is not whom the token is of");
    assert_eq!(asked(&world), 0);
}

async fn tokens_count_only_where_they_are_taken(adapter: Adapter) {
    let world = World::start(adapter).await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    assert_eq!(vault(&world, &token).await.code(), "authentication_required", "off unless turned on");
    assert_eq!(asked(&world), 0);
    let tokens = BearerTokens::only_where(|head| head.path() == "/vault");
    let world = Plan::new(adapter).incode(|builder| builder.bearer_tokens(tokens)).start().await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    assert_eq!(world.send(with("/verified", &token)).await.code(), "authentication_required");
    assert_eq!(asked(&world), 0);
    assert_eq!(vault(&world, &token).await.status, 200);
}

async fn a_token_ends(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let world = plan(adapter).incode(|builder| builder.clock(shown)).start().await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    assert_eq!(vault(&world, &token).await.status, 200);
    world.sandbox.expire_tokens();
    clock.advance(Duration::from_secs(5 * 60 - 1));
    assert_eq!(vault(&world, &token).await.status, 200, "believed for so long");
    assert_eq!(asked(&world), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(vault(&world, &token).await.essence(), refused());
}

async fn a_vendor_that_is_down_opens_nothing(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let ana = world.person("Ana Flores").identity_id;
    let (token, late) = (world.sandbox.issue_token(&ana), world.sandbox.issue_token(&ana));
    assert_eq!(vault(&world, &token).await.status, 200);
    let faults = [Effect::Reset, Effect::Html, Effect::Truncated, Effect::Empty].map(Fault::new);
    for fault in faults.into_iter().chain([Fault::status(500)]) {
        let effect = format!("{fault:?}");
        world.fault(fault.on(Route::Userinfo).times(u32::MAX));
        let response = vault(&world, &late).await;
        assert_eq!((response.status, response.code().as_str()), (503, "identity_unavailable"), "{effect}");
        assert_eq!(vault(&world, &token).await.status, 200, "known before");
        world.sandbox.clear_faults();
    }
    assert_eq!(vault(&world, &late).await.status, 200, "and nothing of it is remembered");
}

async fn a_store_that_is_down_opens_nothing(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world = plan(adapter).incode(|builder| builder.store(store)).start().await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    switch.fail();
    assert_eq!(vault(&world, &token).await.code(), "identity_unavailable", "what can't be recorded does not count");
    switch.mend();
    assert_eq!(vault(&world, &token).await.status, 200);
}

async fn a_flood_of_junk_is_asked_about_a_few_at_a_time(adapter: Adapter) {
    let tokens = BearerTokens::on_paths(["/"]).asking_at_most(4);
    let world = Plan::new(adapter).incode(|builder| builder.bearer_tokens(tokens)).start().await;
    world.fault(Fault::late(Duration::from_millis(20)).on(Route::Userinfo).times(u32::MAX));
    let junk: Vec<_> = (0..200).map(|number| format!("junk-{number}")).collect();
    let answers = join_all(junk.iter().chain(&junk).map(|token| vault(&world, token))).await;
    for answer in &answers {
        assert!(matches!(answer.code().as_str(), "invalid_token" | "identity_unavailable"), "{answer:?}");
    }
    let calls: Vec<_> = world.sandbox.calls().into_iter().filter(|call| call.path.ends_with("/userinfo")).collect();
    assert!(calls.len() <= junk.len(), "{} for {}", calls.len(), junk.len());
    for call in &calls {
        let beside =
            |other: &&incode_sandbox::Call| other.at <= call.at && other.ended_at.is_none_or(|end| end > call.at);
        assert!(calls.iter().filter(beside).count() <= 4);
    }
}

async fn a_token_that_is_answered_403_or_429_holds_up_no_other(adapter: Adapter) {
    for effect in [403, 429].map(|status| Effect::Status { status, retry_after: Some("60".to_owned()) }) {
        let world = plan(adapter).start().await;
        let ana = world.person("Ana Flores").identity_id;
        world.fault(Fault::new(effect).on(Route::Userinfo).for_token("odd").times(u32::MAX));
        for _ in 0..5 {
            assert_eq!(vault(&world, "odd").await.code(), "identity_unavailable");
        }
        assert_eq!(asked(&world), 1, "this one token is not asked about again for a while");
        for _ in 0..3 {
            assert_eq!(vault(&world, &world.sandbox.issue_token(&ana)).await.status, 200);
        }
    }
}

/// More than there are turns and places, each asked about for as long as the vendor takes.
async fn many_odd_tokens_at_once_hold_up_no_genuine_one(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let ana = world.person("Ana Flores").identity_id;
    let odd: Vec<_> = (0..300).map(|number| format!("odd-{number}")).collect();
    for token in &odd {
        world.fault(Fault::status(403).held().on(Route::Userinfo).for_token(token).times(u32::MAX));
    }
    let flood = join_all(odd.iter().map(|token| vault(&world, token)));
    let genuine = async {
        eventually("odd ones are asked about", async || asked(&world) >= 4).await;
        for _ in 0..20 {
            assert_eq!(vault(&world, &world.sandbox.issue_token(&ana)).await.status, 200);
        }
        world.sandbox.release_held();
        for _ in 0..20 {
            assert_eq!(vault(&world, &world.sandbox.issue_token(&ana)).await.status, 200);
        }
    };
    let (answers, ()) = tokio::join!(flood, genuine);
    assert!(answers.iter().all(|answer| answer.code() == "identity_unavailable"));
}

async fn a_token_of_another_issuer_is_not_sent(adapter: Adapter) {
    let tokens = BearerTokens::on_paths(["/vault"]);
    let plan = Plan::new(adapter).incode(|builder| builder.bearer_tokens(tokens).expect_claim("aud", "kiosk"));
    let world = plan.start().await;
    let ana = world.person("Ana Flores").identity_id;
    for foreign in [
        "the-admin-token-of-the-application".to_owned(),
        world.sandbox.mint_token(NewToken::of(&ana)),
        world.sandbox.mint_token(NewToken::of(&ana).claim("aud", "another")),
    ] {
        assert_eq!(vault(&world, &foreign).await.essence(), refused());
    }
    let elsewhere = world.sandbox.mint_token(NewToken::of(&ana).claim("aud", "kiosk"));
    assert_eq!(world.send(with("/verified", &elsewhere)).await.code(), "authentication_required", "not on this path");
    assert_eq!(asked(&world), 0);
    for aud in [serde_json::json!("kiosk"), serde_json::json!(["web", "kiosk"])] {
        let own = world.sandbox.mint_token(NewToken::of(&ana).claim("aud", aud));
        assert_eq!(vault(&world, &own).await.status, 200);
    }
}

async fn a_face_counts_only_when_it_was_recorded(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let ana = world.person("Ana Flores").identity_id;
    world.link("ana", &ana).await;
    world.sandbox.verify(&ana).unwrap();
    let token = world.sandbox.issue_token(&ana);
    let seen = || with("/seen", &token);
    assert_eq!(world.send(seen()).await.code(), "face_authentication_required", "a token says nothing of a face");
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(world.send(seen()).await.status, 200);
    // It was confirmed by the user, and no user is here.
    assert_eq!(world.send(with("/step-up", &token)).await.code(), "face_authentication_required");
}

/// Tokens are taken everywhere, and each request brings one: of an admin, of another issuer, of a person.
async fn what_no_gate_wants_is_not_asked_about(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let ana = world.person("Ana Flores").identity_id;
    let genuine = world.sandbox.issue_token(&ana);
    let foreign = ["the-admin-token-of-the-application", &genuine];
    for token in foreign {
        let delivery = world.delivery(event("verification.completed", "object", "token").to_string());
        let delivery = delivery.header("authorization", format!("Bearer {token}"));
        assert_eq!(world.send(delivery).await.status, 204);
    }
    eventually("settled", async || world.counts().await.pending == 0).await;
    let calls = asked(&world);
    assert!(calls <= foreign.len(), "about the event's own token: {calls}");
    for token in foreign {
        assert_eq!(world.send(with("/asset", token)).await.status, 200);
        assert_eq!(world.send(with("/no-such-page", token)).await.status, 404);
        assert_eq!(world.send(with("/incode/start", token)).await.status, 401, "a flow is a user's");
        assert_eq!(world.send(with("/incode/callback?token=a&correlation_id=b", token)).await.status, 400);
    }
    assert_eq!(asked(&world), calls);
    for path in ["/vault", "/both", "/active-extractor", "/open", "/members/page"] {
        assert_eq!(world.send(with(path, &genuine)).await.status, 200, "{path}");
    }
    assert_eq!(asked(&world), calls + 1, "once, when the first gate wants it");
    // Other schemes are none of ours, gate or not.
    let basic = get("/vault").header("authorization", "Basic YWRtaW46c2VjcmV0");
    assert_eq!(world.send(basic).await.code(), "authentication_required");
    assert_eq!(asked(&world), calls + 1);
}

async fn a_token_is_asked_about_beside_users_who_are_found_asynchronously(adapter: Adapter) {
    let tokens = BearerTokens::on_paths(["/vault", "/members", "/asset"]);
    let world =
        Plan::new(adapter).shape(Shape::Identified).incode(|builder| builder.bearer_tokens(tokens)).start().await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    assert_eq!(world.send(with("/asset", &token)).await.status, 200);
    assert_eq!(world.send(with("/vault", &token).header(ACCOUNT, "ana")).await.code(), "verification_required");
    assert_eq!(world.send(with("/both", &token)).await.code(), "authentication_required", "not on this path");
    assert_eq!(asked(&world), 0, "a logged-in user needs no token");
    assert_eq!(world.send(with("/members/page", &token)).await.status, 200, "by the path that the layer saw");
    assert_eq!(world.send(with("/vault", &token)).await.status, 200);
    assert_eq!(asked(&world), 1);
}
