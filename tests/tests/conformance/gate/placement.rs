//! Where gates, layer and extractors may stand: nothing gated is reached by another road.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use incode_core::gate::Visitor;
use incode_tests::{Adapter, Call, Failing, Plan, Shape, World, foreign, get, problem};
use serde_json::json;

on_every_adapter! {
    what_is_nested_is_behind_both_gates,
    no_spelling_of_a_path_gets_past_a_gate,
    a_gate_outside_the_layer_is_a_mistake_and_shut,
    a_gate_without_the_layer_says_so_in_the_log,
    a_visitor_of_foreign_code_is_replaced,
    an_extractor_distinguishes_not_active_from_not_known,
}

/// Behind the gate of the nest; and behind a second one that asks for more.
const NESTED: [&str; 3] = ["/members/page", "/members/ana/page", "/members/of/no/route"];
const INNER: [&str; 2] = ["/members/inner/page", "/members/inner/of/no/route"];

async fn what_is_nested_is_behind_both_gates(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    world
        .sandbox
        .update_person(&person.identity_id, &json!({"idAttestation": {"overall": {"status": "WARN"}}}))
        .unwrap();
    world.link("ana", &person.identity_id).await;
    world.link("ben", &world.person("Ben Soto").identity_id).await;
    for path in NESTED.into_iter().chain(INNER) {
        assert_eq!(world.send(get(path)).await.status, 401, "{path}");
        let denied = world.get("nora", path).await;
        assert_eq!(denied.code(), "verification_required", "{path}");
        // Back to where the browser was, not to what the nested router saw of it.
        assert_eq!(denied.json()["verify_url"], format!("/incode/start?return_to={path}"));
        let passed = world.get("ben", path).await;
        assert_eq!((passed.status, passed.text().as_str()), (200, "passed"), "{path}");
    }
    for path in NESTED {
        assert_eq!(world.status("ana", path).await, 200, "{path}");
    }
    for path in INNER {
        assert_eq!(world.get("ana", path).await.code(), "attestation_insufficient", "{path}");
    }
}

/// G1: whatever a router makes of a path, what answers without the gate is not the gated handler.
async fn no_spelling_of_a_path_gets_past_a_gate(adapter: Adapter) {
    let world = World::start(adapter).await;
    let mut spellings = Vec::new();
    for path in ["/vault", "/members/page", "/members/inner/page", "/members/of/no/route"] {
        let (first, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let encoded: String = path.bytes().map(|byte| format!("%{byte:02x}")).collect();
        spellings.extend([
            path.to_owned(),
            format!("/{path}"),
            format!("{path}/"),
            format!("{path}//"),
            format!("/.{path}"),
            format!("/x/..{path}"),
            format!("{path}/."),
            format!("{path}/../{first}"),
            format!("/open/..{path}"),
            format!("/open/%2e%2e{path}"),
            format!("/open%2f..{path}"),
            format!("/open/..%2f{first}"),
            format!("/{first}//{rest}"),
            format!("/{first}/./{rest}"),
            format!("/{first}%2f{rest}"),
            format!("/{first}%2F{rest}"),
            format!("/{first}%5c{rest}"),
            format!("/{first}\\{rest}"),
            format!("/{first}/%2e/{rest}"),
            path.to_uppercase(),
            format!("{}{}", path[..2].to_uppercase(), &path[2..]),
            path.replacen('a', "%61", 1),
            path.replacen('a', "%41", 1),
            path.replacen('a', "%2561", 1),
            format!("/{}", &encoded[3..]),
            encoded.clone(),
            format!("{path};jsessionid=1"),
            format!("{path}%00"),
            format!("{path}%20"),
            format!("{path}%3f"),
            format!("{path}?/open"),
            format!("{path}%23/open"),
            format!("http://app.test{path}"),
            format!("http://other.test{path}"),
        ]);
    }
    let mut denied = 0;
    for spelling in &spellings {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            for user in [None, Some("nora")] {
                let call = Call::new(method, spelling);
                let response = world.send(user.into_iter().fold(call, Call::user)).await;
                assert!((400..500).contains(&response.status), "{method} {spelling}: {response:?}");
                assert_ne!(response.body, b"passed", "{method} {spelling}");
                denied += usize::from(matches!(
                    response.code().as_str(),
                    "authentication_required" | "verification_required"
                ));
            }
        }
    }
    assert!(denied > 100, "the gates were asked: {denied}");
}

async fn a_gate_outside_the_layer_is_a_mistake_and_shut(adapter: Adapter) {
    let world = Plan::new(adapter).shape(Shape::GateOutside).start().await;
    let expected = problem(500, "layer_missing", "Server error", "The server is not set up to answer this.", None, &[]);
    for call in [get("/vault"), get("/open"), get("/members/page"), get("/no/route"), get("/incode/start")] {
        assert_eq!(world.send(call.clone().user("ana")).await.essence(), expected, "{call:?}");
    }
}

async fn a_gate_without_the_layer_says_so_in_the_log(adapter: Adapter) {
    let traced = &*crate::gate::privacy::TRACED;
    let served = adapter.serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), None).await;
    let paths =
        ["/vault", "/active-extractor", "/maybe", "/met", "/in-handler", "/members/page", "/open-to-preflights"];
    for path in paths {
        let before = traced.text().len();
        let answer = get(path).user("ana").send(served.address).await;
        assert_eq!((answer.status, answer.code().as_str()), (500, "layer_missing"), "{path}");
        let text = traced.text();
        let line = text[before..].lines().find(|line| line.contains("without the incode layer outside it"));
        let line = line.unwrap_or_else(|| panic!("nothing in the log of {path}"));
        assert!(line.contains("ERROR") && line.contains("IncodeLayer") && line.contains("IncodeMiddleware"), "{line}");
    }
}

/// G3: a foreign `Visitor`, ACTIVE, in the extensions before the layer: from another `Incode` of the same program.
async fn a_visitor_of_foreign_code_is_replaced(adapter: Adapter) {
    let world = World::start(adapter).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    let active: Visitor = foreign::visitor_of(&world.incode, "ana").await;
    assert_eq!(active.standing().as_str(), "active");
    foreign::leave(active);
    for (path, nobody, nora) in [("/vault", 401, 403), ("/active-extractor", 401, 403), ("/members/page", 401, 403)] {
        let call = get(path).header(foreign::HEADER, "1");
        assert_eq!(world.send(call.clone()).await.status, nobody, "{path}");
        assert_eq!(world.send(call.clone().user("nora")).await.status, nora, "{path}");
        assert_eq!(world.send(call.user("ana")).await.status, 200, "{path}");
    }
}

async fn an_extractor_distinguishes_not_active_from_not_known(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let plan = Plan::new(adapter).incode(|builder| builder.store(store).near_cache_lifetime(Duration::ZERO));
    let world = plan.start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    let unavailable = problem(
        503,
        "identity_unavailable",
        "Try again soon",
        "Identity status can't be read right now.",
        None,
        &[("retry-after", "1")],
    );
    for path in ["/maybe", "/option"] {
        assert_eq!(world.get("ana", path).await.text(), "welcome back");
        assert_eq!(world.get("nora", path).await.text(), "welcome");
        assert_eq!(world.send(get(path)).await.text(), "welcome");
        switch.fail();
        assert_eq!(world.get("ana", path).await.essence(), unavailable, "{path}");
        assert_eq!(world.send(get(path)).await.text(), "welcome", "a request without a subject needs no store");
        switch.mend();
    }
}
