//! The hosted flow, from start over the vendor's page to the callback.

use incode_core::flow::HostedFlow;
use incode_core::testing::ManualClock;
use incode_core::{Secret, Timestamp};
use incode_sandbox::Person;
use incode_tests::{Adapter, FLOW_SECRET, Plan, World, eventually, get, post, problem};
use std::time::Duration;
use url::Url;

on_every_adapter! {
    a_person_goes_and_comes_back_verified,
    start_needs_a_subject,
    start_refuses_ways_back_that_lead_away,
    start_takes_get_alone,
    a_webhook_that_repeats_the_correlation_id_links_without_a_callback,
    callback_and_webhook_of_one_flow_agree_in_either_order,
    a_foreign_or_old_correlation_id_in_a_webhook_makes_no_link,
    a_webhook_never_takes_an_identity_from_its_subject,
    mounted_elsewhere,
}

/// A token may stand in the URL of what shows the answer, or of what comes next.
const NO_REFERRER: (&str, &str) = ("referrer-policy", "no-referrer");

/// Fills in the vendor's page, and gives the target of the way back.
async fn visit(world: &World, page: &str, name: &str, outcome: &str) -> String {
    let page = Url::parse(page).unwrap();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(page.query_pairs())
        .append_pair("name", name)
        .append_pair("email", &format!("{}@example.com", name.to_lowercase()))
        .append_pair("outcome", outcome)
        .finish();
    let visit = post("/").header("content-type", "application/x-www-form-urlencoded").body(form);
    let response = visit.send(world.sandbox.address()).await;
    assert_eq!(response.status, 303, "{response:?}");
    let back = Url::parse(response.header("location").unwrap()).unwrap();
    assert_eq!(back.port(), Some(world.address.port()));
    format!("{}?{}", back.path(), back.query().unwrap())
}

fn only_person(world: &World) -> Person {
    let people = world.sandbox.people();
    assert_eq!(people.len(), 1);
    people[0].clone()
}

async fn a_person_goes_and_comes_back_verified(adapter: Adapter) {
    let world = World::start(adapter).await;
    let start = world.get("ana", "/incode/start?return_to=%2Fvault%3Fa%3D1").await;
    assert_eq!((start.status, start.body.len()), (303, 0));
    assert_eq!(start.header("cache-control"), Some("no-store"));
    assert_eq!(start.header("referrer-policy"), Some("no-referrer"));
    let location = Url::parse(start.header("location").unwrap()).unwrap();
    assert_eq!(location.port(), Some(world.sandbox.address().port()));
    let query: Vec<_> = location.query_pairs().collect();
    let names: Vec<_> = query.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["client_id", "redirect_url", "correlation_id"]);
    assert_eq!(query[0].1, world.sandbox.client_id());
    assert_eq!(query[1].1, format!("http://{}/incode/callback", world.address));
    assert!(!query[2].1.contains("ana"), "the id names no user");

    let back = visit(&world, location.as_str(), "Ana", "pass").await;
    assert_eq!(world.status("ana", "/vault").await, 403);
    let callback = world.get("ana", &back).await;
    let expected =
        "303\ncache-control: no-store\nlocation: /vault?a=1\nreferrer-policy: no-referrer\nx-outer: seen\n\n";
    assert_eq!(callback.essence(), expected);
    assert_eq!(world.status("ana", "/vault").await, 200);
    assert_eq!(world.get("ana", "/open").await.json()["identity"], only_person(&world).identity_id.as_str());
    // The vendor's page hands out a token to who failed, too.
    let start = world.get("ben", "/incode/start").await;
    let back = visit(&world, start.header("location").unwrap(), "Ben", "fail").await;
    assert_eq!(world.get("ben", &back).await.header("location"), Some("/"));
    assert_eq!(world.get("ben", "/vault").await.code(), "identity_not_active");
}

async fn start_needs_a_subject(adapter: Adapter) {
    let world = World::start(adapter).await;
    let expected = problem(
        401,
        "authentication_required",
        "Log in first",
        "Verification belongs to a logged-in user.",
        None,
        &[NO_REFERRER],
    );
    assert_eq!(world.send(get("/incode/start?return_to=/vault")).await.essence(), expected);
    assert_eq!(world.send(get("/incode/start").user("ana").user("ben")).await.essence(), expected);
}

async fn start_refuses_ways_back_that_lead_away(adapter: Adapter) {
    let world = World::start(adapter).await;
    let expected = problem(
        400,
        "return_to_refused",
        "Way back refused",
        "return_to must be one path on this site, such as /vault.",
        None,
        &[NO_REFERRER],
    );
    for away in [
        "//evil.test",
        "https://evil.test/",
        "https:evil.test",
        "http:/evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "%2F%2Fevil.test",
        "/%2Fevil.test",
        "/%5Cevil.test",
        "%2f%5cevil.test",
        "/%252fevil.test",
        "/%09/evil.test",
        "%09//evil.test",
        "/%0d%0aset-cookie:%20a=b",
        "javascript:alert(1)",
        "evil.test",
        "vault",
        "",
        "/a%5Cb",
        "%2F%2F%2Fevil.test",
        "/%0a/evil.test",
        "///evil.test",
        "%20//evil.test",
        "/%252e%252e//evil.test/%255c",
        "/%25252fevil.test",
        "/%25255cevil.test",
        "/%2509/evil.test",
        "/.//evil.test",
        "/..//evil.test",
        "/%252e//evil.test",
        "//vault@evil.test",
        "https://vault@evil.test/",
        "@evil.test",
        "%E3%80%82evil.test",
        "%EF%BC%8F%EF%BC%8Fevil.test",
        "/%C2%85/evil.test",
    ] {
        let response = world.get("ana", &format!("/incode/start?return_to={away}")).await;
        assert_eq!(response.essence(), expected, "{away}");
    }
    let twice = world.get("ana", "/incode/start?return_to=/vault&return_to=//evil.test").await;
    assert_eq!(twice.essence(), expected);
    let long = world.get("ana", &format!("/incode/start?return_to=/{}", "a".repeat(512))).await;
    assert_eq!(long.essence(), expected);
    for here in [
        "/",
        "/vault",
        "/vault?x=http%3A%2F%2Felsewhere",
        "/a/b%20c",
        "/vault%23part",
        "/%E2%98%83",
        "/@evil.test",
        "/%EF%BC%8Fevil.test",
    ] {
        assert_eq!(world.get("ana", &format!("/incode/start?return_to={here}")).await.status, 303, "{here}");
    }
}

async fn start_takes_get_alone(adapter: Adapter) {
    let world = World::start(adapter).await;
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        for route in ["/incode/start", "/incode/callback"] {
            let response = world.send(incode_tests::Call::new(method, route).user("ana").body("")).await;
            assert_eq!((response.status, response.header("allow")), (405, Some("GET")), "{method} {route}");
        }
    }
}

fn linking(adapter: Adapter) -> Plan {
    Plan::new(adapter).incode(|builder| builder.link_by_webhook())
}

fn echoing(adapter: Adapter) -> Plan {
    linking(adapter).sandbox(|sandbox| sandbox.automatic_events(true).echo_correlation_id(true))
}

async fn a_webhook_that_repeats_the_correlation_id_links_without_a_callback(adapter: Adapter) {
    let world = echoing(adapter).start().await;
    assert_eq!(world.status("ana", "/verified").await, 403);
    let start = world.get("ana", "/incode/start").await;
    visit(&world, start.header("location").unwrap(), "Ana", "pass").await;
    eventually("linked by the webhook", async || world.status("ana", "/verified").await == 200).await;
    assert_eq!(world.get("ana", "/open").await.json()["proof"], "webhook");
}

async fn callback_and_webhook_of_one_flow_agree_in_either_order(adapter: Adapter) {
    let world = echoing(adapter).start().await;
    // The webhook first: it is sent while the page is submitted.
    let start = world.get("ana", "/incode/start").await;
    let back = visit(&world, start.header("location").unwrap(), "Ana", "pass").await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.get("ana", &back).await.status, 303);
    assert_eq!(world.status("ana", "/verified").await, 200);
    let again = world.get("ana", &back).await;
    assert_eq!((again.status, again.header("location")), (303, Some("/")), "a reload leads to the same place");

    // The callback first: the webhook waits for its vendor.
    let start = world.get("ben", "/incode/start").await;
    world.fault(incode_sandbox::Fault::late(Duration::from_millis(300)).on(incode_sandbox::Route::Verification));
    let back = visit(&world, start.header("location").unwrap(), "Ben", "pass").await;
    assert_eq!(world.get("ben", &back).await.status, 303);
    world.settles(2, 0, 0).await;
    eventually("verified", async || world.status("ben", "/verified").await == 200).await;
}

async fn a_foreign_or_old_correlation_id_in_a_webhook_makes_no_link(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let world = linking(adapter).incode(|builder| builder.clock(shown)).start().await;
    let old = world.start_flow("old").await;
    let person = world.person("Ana Flores");
    clock.advance(Duration::from_secs(30 * 60));
    for (count, id) in [old.as_str(), "nonsense", "", &"A".repeat(900), "null"].into_iter().enumerate() {
        let verified = world.sandbox.verify(&person.identity_id).unwrap();
        let mut event = incode_tests::event("verification.completed", &verified.verification_id, &verified.token);
        event["correlation_id"] = id.into();
        world.deliver(&event).await;
        world.settles(count as u64 + 1, 0, 0).await;
    }
    assert_eq!(world.standing("old").await, "not_linked");
    assert!(world.identity(&person.identity_id).await.unwrap().verified_at.is_some());
}

async fn a_webhook_never_takes_an_identity_from_its_subject(adapter: Adapter) {
    let world = linking(adapter).start().await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let mut event = incode_tests::event("verification.completed", &verified.verification_id, &verified.token);
    event["correlation_id"] = world.start_flow("eve").await.into();
    world.deliver(&event).await;
    // The verification is Ana's and counts for her; Eve gains nothing by it.
    world.settles(1, 0, 0).await;
    eventually("verified", async || world.status("ana", "/verified").await == 200).await;
    assert_eq!(world.standing("eve").await, "not_linked");
}

async fn mounted_elsewhere(adapter: Adapter) {
    let world = Plan::new(adapter)
        .incode(|builder| {
            let flow =
                HostedFlow::new("me", "https://v.test/go?x=1", "https://app.test/base/", Secret::from(FLOW_SECRET));
            builder.hosted_flow(flow.unwrap()).flow_paths("/go", "/back").webhook_path("/hook")
        })
        .start()
        .await;
    let start = world.get("ana", "/go").await;
    let location = start.header("location").unwrap();
    let query = "&client_id=me&redirect_url=https%3A%2F%2Fapp.test%2Fbase%2Fback&correlation_id=";
    assert!(location.starts_with(&format!("https://v.test/go?x=1{query}")), "{location}");
    assert_eq!(world.get("ana", "/incode/start").await.status, 404);
    assert_eq!(world.send(post("/incode/webhook").body("{}")).await.status, 404);
    assert_eq!(world.send(post("/hook").body("{}")).await.status, 401);
    let denied = world.get("ana", "/vault").await.json();
    // The way that the browser takes: below the path of the public URL.
    assert_eq!(denied["verify_url"], "/base/go?return_to=/base/vault");
}
