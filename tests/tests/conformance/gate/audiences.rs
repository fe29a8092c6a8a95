//! One denial for each kind of client: a browser, a program, a gRPC client, a HEAD; and what caches may keep of it.

use std::time::Duration;

use incode_core::http::{Problem, Reply};
use incode_core::testing::ManualClock;
use incode_core::{Builder, Timestamp};
use incode_tests::{Adapter, Call, Failing, HEADER, Plan, SECRET, Wire, World, event, eventually, get, post};
use serde_json::json;

on_every_adapter! {
    a_browser_is_sent_to_where_it_can_do_something,
    a_start_without_a_subject_logs_in_and_comes_back,
    a_known_user_gets_the_problem_in_place,
    only_a_page_is_redirected,
    programs_get_the_applications_pages,
    the_way_back_stays_here,
    the_challenge_is_the_applications,
    a_grpc_call_is_answered_in_its_own_way,
    a_mounted_route_is_no_grpc_call,
    one_rendering_for_all_of_them,
    head_is_answered_as_get_without_a_body,
    nothing_of_a_gate_is_cached_for_another_user,
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn pages(builder: Builder) -> Builder {
    builder.redirect_browsers().login_at("/login").step_up_at("/confirm")
}

fn browser(call: Call) -> Call {
    call.header("accept", BROWSER)
}

/// A redirect that no cache keeps and that hands no referrer on.
fn redirect(to: &str) -> String {
    format!("303\ncache-control: no-store\nlocation: {to}\nreferrer-policy: no-referrer\nx-outer: seen\n\n")
}

async fn a_browser_is_sent_to_where_it_can_do_something(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()).after(Duration::from_secs(5)));
    let shown = clock.clone();
    let world = Plan::new(adapter).incode(pages).incode(|builder| builder.clock(shown)).start().await;
    for method in ["GET", "HEAD"] {
        let ask = |target| browser(Call::new(method, target));
        for (path, back) in
            [("/active-extractor", "/active-extractor"), ("/in-handler?a=1&b=2", "/in-handler%3Fa%3D1%26b%3D2")]
        {
            // HEAD of a route that takes GET alone is no page of some frameworks.
            if method == "GET" {
                let to = format!("/login?return_to={back}");
                assert_eq!(world.send(ask(path)).await.essence(), redirect(&to), "{path}");
                let to = format!("/incode/start?return_to={back}");
                assert_eq!(world.send(ask(path).user("nora")).await.essence(), redirect(&to), "{path}");
            }
        }
        assert_eq!(world.send(ask("/vault")).await.essence(), redirect("/login?return_to=/vault"));
        let nora = world.send(ask("/vault").user("nora")).await;
        assert_eq!(nora.essence(), redirect("/incode/start?return_to=/vault"));
    }
    let person = world.person("Ana Flores");
    world.link("ana", &person.identity_id).await;
    let step_up = world.send(browser(get("/step-up?amount=10").user("ana"))).await;
    assert_eq!(step_up.essence(), redirect("/confirm?return_to=/step-up%3Famount%3D10"));

    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    eventually("verified", async || world.status("ana", "/verified-lately").await == 200).await;
    clock.advance(Duration::from_secs(2 * 3600));
    let expired = world.send(browser(get("/verified-lately").user("ana"))).await;
    assert_eq!(expired.essence(), redirect("/incode/start?return_to=/verified-lately"));
}

/// A small page for a person, with the stable code.
#[track_caller]
fn shows(page: &incode_tests::Response, status: u16, code: &str) {
    assert_eq!((page.status, page.header("content-type")), (status, Some("text/html; charset=utf-8")), "{page:?}");
    assert!(page.text().contains(&format!("<small>{code}</small>")), "{}", page.text());
}

/// From a link to the start route, which an application may show to every visitor.
async fn a_start_without_a_subject_logs_in_and_comes_back(adapter: Adapter) {
    let world = Plan::new(adapter).incode(pages).start().await;
    let start = "/incode/start?return_to=/vault";
    let to = "/login?return_to=/incode/start%3Freturn_to%3D/vault";
    assert_eq!(world.send(browser(get(start))).await.essence(), redirect(to));
    let told = world.send(get(start)).await;
    assert_eq!((told.status, told.code().as_str()), (401, "authentication_required"));
    assert_eq!(told.json()["login_url"], to);
    // The way back of a callback would hold its token.
    let id = world.start_flow("ana").await;
    let lost = world.send(browser(get(&format!("/incode/callback?token=x&correlation_id={id}")))).await;
    shows(&lost, 401, "authentication_required");
    assert!(!lost.text().contains("/login"), "{}", lost.text());
    let world = Plan::new(adapter).incode(Builder::redirect_browsers).start().await;
    let told = world.send(browser(get(start))).await;
    // There is no page to log in.
    shows(&told, 401, "authentication_required");
}

/// A redirect would lead them in a circle without a reason.
async fn a_known_user_gets_the_problem_in_place(adapter: Adapter) {
    let world = Plan::new(adapter).incode(pages).start().await;
    let person = world.person("Ana Flores");
    world
        .sandbox
        .update_person(&person.identity_id, &json!({"idAttestation": {"overall": {"status": "FAIL"}}}))
        .unwrap();
    world.link("ana", &person.identity_id).await;
    for (path, code) in [
        ("/attested", "attestation_insufficient"),
        ("/verified", "verification_required"),
        ("/by-webhook", "link_insufficient"),
        ("/adult", "requirement_not_set_up"),
    ] {
        let told = world.send(browser(get(path).user("ana"))).await;
        shows(&told, if code == "requirement_not_set_up" { 500 } else { 403 }, code);
    }
    let revoked = world.sandbox.add_person(incode_sandbox::NewPerson::named("Rita Luna").status("REVOKED"));
    world.link("rita", &revoked.identity_id).await;
    let told = world.send(browser(get("/vault").user("rita"))).await;
    shows(&told, 403, "identity_revoked");
    // The vendor revoked them, and another check does not change that.
    assert!(!told.text().contains("/incode/start"), "{}", told.text());
}

async fn only_a_page_is_redirected(adapter: Adapter) {
    let world = Plan::new(adapter).incode(pages).start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    // What was posted would be lost on the way.
    let posted = world.send(browser(post("/transfer").user("ana").body("amount=10"))).await;
    shows(&posted, 401, "face_authentication_required");
    // The page to come back to is the application's to know.
    assert!(posted.text().contains("href=\"/confirm\""), "{}", posted.text());
    for accept in [
        "*/*",
        "",
        "application/json, text/plain, */*",
        "application/json",
        "text/html;q=0.5, application/json",
        "application/problem+json, text/html;q=0.9",
        "text/html, application/json",
        "text/html;q=0",
        "text/*",
        "image/avif,image/webp,*/*",
    ] {
        let told = world.send(get("/vault").header("accept", accept)).await;
        assert_eq!((told.status, told.code().as_str()), (401, "authentication_required"), "{accept}");
    }
    for accept in ["text/html", "text/html, */*;q=0.01", "application/json;q=0.2, TEXT/HTML;q=0.3"] {
        assert_eq!(world.send(get("/vault").header("accept", accept)).await.status, 303, "{accept}");
    }
    // Without opting in no client is redirected.
    let world = Plan::new(adapter).incode(|builder| builder.login_at("/login")).start().await;
    assert_eq!(world.send(browser(get("/vault"))).await.status, 401);
    assert_eq!(world.send(browser(get("/vault").user("nora"))).await.status, 403);
    // Without a page of the application's there is nowhere to be sent to.
    let world = Plan::new(adapter).incode(Builder::redirect_browsers).start().await;
    shows(&world.send(browser(get("/vault"))).await, 401, "authentication_required");
    assert_eq!(world.send(browser(get("/vault").user("nora"))).await.status, 303);
}

async fn programs_get_the_applications_pages(adapter: Adapter) {
    let world = Plan::new(adapter).incode(pages).start().await;
    let login = world.send(get("/vault?page=2")).await.json();
    assert_eq!(login["login_url"], "/login?return_to=/vault%3Fpage%3D2");
    assert_eq!((login.get("verify_url"), login.get("step_up_url")), (None, None));
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    let step_up = world.get("ana", "/step-up").await.json();
    assert_eq!(step_up["step_up_url"], "/confirm?return_to=/step-up");
    assert_eq!((step_up.get("verify_url"), step_up.get("login_url")), (None, None));
}

/// A12: a target that a browser might read as another host is no way back.
async fn the_way_back_stays_here(adapter: Adapter) {
    let world = Plan::new(adapter).incode(pages).start().await;
    for target in
        ["/open-to-preflights?x=%5C", "/open-to-preflights?x=%0d%0aset-cookie:a=b", "/open-to-preflights?x=%00"]
    {
        let answer = world.send(browser(get(target))).await;
        assert_eq!(answer.essence(), redirect("/login"), "{target}");
    }
    for path in ["//evil.example/..//open-to-preflights", "/%5cevil.example", "http://evil.example/open-to-preflights"]
    {
        let answer = world.send(browser(get(path))).await;
        let location = answer.header("location").unwrap_or("/login");
        assert!(location.starts_with("/login"), "{path}: {location}");
        assert!(!location.contains("evil"), "{path}: {location}");
    }
}

async fn the_challenge_is_the_applications(adapter: Adapter) {
    let plan = Plan::new(adapter).incode(|builder| builder.challenge("Bearer realm=\"app\""));
    let world = plan.start().await;
    for path in ["/vault", "/active-extractor", "/in-handler", "/incode/start"] {
        let answer = world.send(get(path)).await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"app\""), "{path}");
    }
    let delivery = world.send(post("/incode/webhook").body("{}")).await;
    assert_eq!((delivery.status, delivery.header("www-authenticate")), (401, Some("Webhook")));
}

async fn a_grpc_call_is_answered_in_its_own_way(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let plan = Plan::new(adapter).incode(pages);
    let world = plan.incode(|builder| builder.store(store).near_cache_lifetime(Duration::ZERO)).start().await;
    let call = |path: &str, kind: &str| post(path).header("content-type", kind).header("te", "trailers").body("");
    let answer = |kind: &str, status: u8, code: &str, message: &str, rest: &str| {
        format!(
            "200\ncache-control: no-store\ncontent-type: {kind}\ngrpc-message: {message}\ngrpc-status: {status}\n\
             incode-code: {code}\n{rest}x-outer: seen\n\n"
        )
    };
    let path = "/shut-to-preflights";
    for kind in ["application/grpc", "application/grpc+proto", "Application/gRPC;charset=x"] {
        let nobody = world.send(call(path, kind)).await;
        let login = "incode-login-url: /login\n";
        let expected = answer("application/grpc", 16, "authentication_required", "This needs a logged-in user.", login);
        assert_eq!(nobody.essence(), expected, "{kind}");
    }
    let web = world.send(call(path, "application/grpc-web+proto").user("nora")).await;
    let verify = "incode-verify-url: /incode/start\n";
    let needs = "This needs a verified identity.";
    assert_eq!(web.essence(), answer("application/grpc-web", 7, "verification_required", needs, verify));
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    assert_eq!(world.send(call(path, "application/grpc").user("ana")).await.text(), "POST");
    let step_up = world.send(call("/transfer", "application/grpc").user("ana")).await;
    assert_eq!((step_up.status, step_up.header("grpc-status")), (200, Some("16")));
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=300";
    assert_eq!(step_up.header("www-authenticate"), Some(challenge));
    // Of an extractor and a handler alike.
    for path in ["/active-extractor", "/in-handler", "/maybe", "/met"] {
        let ask = get(path).header("content-type", "application/grpc");
        if path != "/maybe" {
            assert_eq!(world.send(ask.clone()).await.header("grpc-status"), Some("16"), "{path}");
        }
        switch.fail();
        let down = world.send(ask.user("ana")).await;
        switch.mend();
        assert_eq!((down.status, down.header("grpc-status")), (200, Some("14")), "{path}");
        assert_eq!(down.header("grpc-message"), Some("Identity status can't be read right now."), "{path}");
    }
    // What is no gRPC is not answered as such.
    for kind in ["application/grp", "text/plain; application/grpc", "application/json"] {
        assert_eq!(world.send(call(path, kind)).await.status, 401, "{kind}");
    }
    let bare = adapter.serve(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), None).await;
    let missing = call(path, "application/grpc").send(bare.address).await;
    assert_eq!((missing.status, missing.header("grpc-status")), (200, Some("13")));
    assert_eq!(missing.header("incode-code"), Some("layer_missing"));
}

/// Whatever a sender says that it sends: a delivery that was not kept is never answered with 2xx.
async fn a_mounted_route_is_no_grpc_call(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world = Plan::new(adapter).incode(|builder| builder.store(store)).start().await;
    for kind in ["application/grpc", "application/grpc-web"] {
        for (call, status, code) in [
            (post("/incode/webhook").body("{}"), 401, "delivery_unauthentic"),
            (post("/incode/webhook").header(HEADER, SECRET).body("{"), 400, "delivery_malformed"),
            (get("/incode/webhook"), 405, "method_not_allowed"),
            (get("/incode/start"), 401, "authentication_required"),
            (get("/incode/callback"), 400, "flow_incomplete"),
        ] {
            let answer = world.send(call.clone().header("content-type", kind)).await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{kind}: {call:?}");
            assert_eq!(answer.header("grpc-status"), None);
        }
        switch.fail();
        let event = event("verification.completed", "an-object", "a-token").to_string();
        let delivery = post("/incode/webhook").header(HEADER, SECRET).header("content-type", kind).body(event);
        let answer = world.send(delivery).await;
        switch.mend();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{kind}");
    }
}

async fn one_rendering_for_all_of_them(adapter: Adapter) {
    fn code(problem: &Problem) -> Reply {
        Reply::new(418).body("text/x-own", problem.code)
    }
    let plan = Plan::new(adapter).incode(|builder| builder.render(|problem, _| Some(code(problem))));
    let world = plan.start().await;
    for (call, code) in [
        (get("/vault"), "authentication_required"),
        (get("/members/page"), "authentication_required"),
        (get("/active-extractor"), "authentication_required"),
        (get("/in-handler"), "authentication_required"),
        (get("/met"), "authentication_required"),
        (get("/vault").user("nora"), "verification_required"),
        (get("/vault").header("content-type", "application/grpc"), "authentication_required"),
        (get("/incode/start"), "authentication_required"),
        (get("/incode/callback"), "flow_incomplete"),
        (get("/incode/webhook"), "method_not_allowed"),
        (post("/incode/webhook").body("{}"), "delivery_unauthentic"),
    ] {
        let answer = world.send(call.clone()).await;
        assert_eq!((answer.status, answer.text().as_str()), (418, code), "{call:?}");
        assert_eq!(answer.header("content-type"), Some("text/x-own"), "{call:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{call:?}");
    }
}

async fn head_is_answered_as_get_without_a_body(adapter: Adapter) {
    let world = World::start(adapter).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    for (path, user) in
        [("/vault", "nora"), ("/members/page", "nora"), ("/shut-to-preflights", "nora"), ("/shut-to-preflights", "ana")]
    {
        // On one connection, so that a body too much would be read as the next answer.
        let mut wire = Wire::open(world.address).await;
        wire.write(&Call::new("HEAD", path).user(user).bytes()).await;
        let head = wire.response(true).await;
        wire.write(&get(path).user(user).bytes()).await;
        let get = wire.response(false).await;
        assert!(head.body.is_empty() && !get.body.is_empty());
        let without_length =
            |response: &incode_tests::Response| response.essence().split("\n\n").next().map(str::to_owned);
        assert_eq!(without_length(&head), without_length(&get), "{path} {user}");
    }
}

/// G9: denials are kept nowhere; what was granted only by the browser that asked, which has to ask again.
async fn nothing_of_a_gate_is_cached_for_another_user(adapter: Adapter) {
    let world = Plan::new(adapter).incode(pages).start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    for path in ["/vault", "/members/page", "/members/inner/page", "/staff"] {
        assert_eq!(world.get("ana", path).await.header("cache-control"), Some("private, no-cache"), "{path}");
    }
    assert_eq!(world.get("ana", "/cached").await.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(world.get("ana", "/open").await.header("cache-control"), None, "no gate, no word of ours");
    for path in ["/vault", "/members/page", "/active-extractor", "/in-handler", "/met", "/cached", "/verified"] {
        for user in [None, Some("nora")] {
            for call in [get(path), browser(get(path)), get(path).header("content-type", "application/grpc")] {
                let call = user.into_iter().fold(call, Call::user);
                let denied = world.send(call.clone()).await;
                assert_eq!(denied.header("cache-control"), Some("no-store"), "{call:?}");
                assert_eq!(denied.header("etag"), None);
            }
        }
    }
}
