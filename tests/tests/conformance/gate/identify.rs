//! The user whom the app's asynchronous code finds: asked only where it matters, once, and never guessed.

use std::sync::atomic::{AtomicUsize, Ordering};

use incode_core::flow::FaceScope;
use incode_core::gate::SessionSource;
use incode_core::model::{Face, FaceAuthenticationRequest};
use incode_core::{SessionHash, Subject};
use incode_tests::identified::{ACCOUNT, COUNTED, DOWN, OWN_ANSWER, SESSION, STORE, times_asked};
use incode_tests::{Adapter, Call, Plan, Shape, Wire, World, event, get, post, problem};

on_every_adapter! {
    a_user_that_is_found_asynchronously_passes_and_no_user_does_not,
    the_hosted_flow_belongs_to_the_user_that_was_found,
    the_apps_own_answer_is_sent_where_the_user_was_needed,
    a_key_that_is_no_subject_is_refused_and_logged,
    only_what_needs_the_user_asks_for_it,
    a_request_asks_once,
    the_session_that_was_named_with_the_user_counts,
    a_visitor_of_another_layer_opens_nothing,
    streams_and_bodies_pass_as_ever,
}

async fn start(adapter: Adapter) -> World {
    Plan::new(adapter).shape(Shape::Identified).start().await
}

/// `subject`, linked to an ACTIVE identity by start and callback.
async fn link(world: &World, account: &str) -> String {
    let id = world.person("Ana Flores").identity_id;
    let start = world.send(get("/incode/start").header(ACCOUNT, account)).await;
    assert_eq!(start.status, 303, "{start:?}");
    let callback = world.send(callback(world, &correlation(&start), &id).header(ACCOUNT, account)).await;
    assert_eq!(callback.status, 303, "{callback:?}");
    id
}

fn correlation(start: &incode_tests::Response) -> String {
    let page = url::Url::parse(start.header("location").unwrap()).unwrap();
    let (_, id) = page.query_pairs().find(|(name, _)| name == "correlation_id").unwrap();
    id.into_owned()
}

fn callback(world: &World, correlation_id: &str, identity: &str) -> Call {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("token", &world.sandbox.issue_token(identity))
        .append_pair("correlation_id", correlation_id)
        .finish();
    get(&format!("/incode/callback?{query}"))
}

/// All that is gated or extracted.
const NEEDING: [&str; 5] = ["/vault", "/active-extractor", "/both", "/in-handler", "/members/page"];

async fn a_user_that_is_found_asynchronously_passes_and_no_user_does_not(adapter: Adapter) {
    let world = start(adapter).await;
    let id = link(&world, "ana").await;
    let log_in = problem(401, "authentication_required", "Log in first", "This needs a logged-in user.", None, &[]);
    for path in NEEDING {
        let passed = world.send(get(path).header(ACCOUNT, "ana")).await;
        assert_eq!(passed.status, 200, "{path}: {passed:?}");
        assert_eq!(world.send(get(path).header(ACCOUNT, "nora")).await.code(), "verification_required", "{path}");
        assert_eq!(world.send(get(path)).await.essence(), log_in, "{path}");
        // The source of the builder is not asked: `identify` takes its place.
        assert_eq!(world.send(get(path).user("ana")).await.essence(), log_in, "{path}");
    }
    let open = world.send(get("/open").header(ACCOUNT, "ana")).await.json();
    assert_eq!((open["standing"].as_str(), open["subject"].as_str()), (Some("active"), Some("ana")));
    assert_eq!(world.send(get("/open")).await.json()["standing"], "no_subject");
    for path in ["/maybe", "/option"] {
        assert_eq!(world.send(get(path).header(ACCOUNT, "ana")).await.text(), "welcome back");
        assert_eq!(world.send(get(path)).await.text(), "welcome");
    }
    // A revocation is known at the next request.
    let verified = world.sandbox.verify(&id).unwrap();
    world.sandbox.revoke(&id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    for path in NEEDING {
        assert_eq!(world.send(get(path).header(ACCOUNT, "ana")).await.code(), "identity_revoked", "{path}");
    }
}

async fn the_hosted_flow_belongs_to_the_user_that_was_found(adapter: Adapter) {
    let world = start(adapter).await;
    let id = world.person("Ana Flores").identity_id;
    assert_eq!(world.send(get("/incode/start")).await.status, 401);
    assert_eq!(world.send(get("/incode/start").user("ana")).await.status, 401);
    let begun = world.send(get("/incode/start").header(ACCOUNT, "ana")).await;
    assert_eq!(begun.status, 303, "{begun:?}");
    for other in [
        callback(&world, &correlation(&begun), &id),
        callback(&world, &correlation(&begun), &id).header(ACCOUNT, "ben"),
    ] {
        let refused = world.send(other).await;
        assert!((400..500).contains(&refused.status), "{refused:?}");
    }
    for user in ["ana", "ben"] {
        assert!(world.incode.linked(&Subject::new(user).unwrap()).await.unwrap().is_none(), "{user}");
    }
    let back = world.send(callback(&world, &correlation(&begun), &id).header(ACCOUNT, "ana")).await;
    assert_eq!(back.status, 303, "{back:?}");
    assert!(world.incode.linked(&Subject::new("ana").unwrap()).await.unwrap().is_some());
}

async fn the_apps_own_answer_is_sent_where_the_user_was_needed(adapter: Adapter) {
    let world = start(adapter).await;
    let id = link(&world, "ana").await;
    let (status, (name, value), content_type, body) = OWN_ANSWER;
    let expected = format!(
        "{status}\ncache-control: no-store\ncontent-type: {content_type}\nreferrer-policy: no-referrer\n{name}: \
         {value}\nx-outer: seen\n\n{body}"
    );
    let begun = world.send(get("/incode/start").header(ACCOUNT, "ana")).await;
    let callback = callback(&world, &correlation(&begun), &id);
    let down = |call: Call| call.header(ACCOUNT, "ana").header(STORE, DOWN);
    let paths = NEEDING.into_iter().chain(["/open", "/maybe", "/option", "/incode/start"]).map(get);
    for call in paths.chain([callback.clone(), get("/vault").header("accept", "text/html")]) {
        assert_eq!(world.send(down(call.clone())).await.essence(), expected, "{call:?}");
    }
    // What needs no user does not suffer.
    assert_eq!(world.send(down(get("/asset"))).await.text(), "asset");
    // The callback that could not ask has used nothing up.
    assert_eq!(world.send(callback.header(ACCOUNT, "ana")).await.status, 303);
}

async fn a_key_that_is_no_subject_is_refused_and_logged(adapter: Adapter) {
    let traced = &*crate::gate::privacy::TRACED;
    let world = start(adapter).await;
    let refused = |extra: &[(&str, &str)]| {
        problem(500, "subject_refused", "Server error", "The server is not set up to answer this.", None, extra)
    };
    let long = format!("canary{}", "x".repeat(Subject::MAX_LEN));
    let paths = NEEDING.into_iter().chain(["/open", "/maybe", "/option", "/incode/start", "/incode/callback?token=t"]);
    for path in paths {
        for key in ["", long.as_str()] {
            let before = traced.text().len();
            let answer = world.send(get(path).header(ACCOUNT, key)).await;
            let is_mounted = path.starts_with("/incode/");
            let expected = if is_mounted { refused(&[("referrer-policy", "no-referrer")]) } else { refused(&[]) };
            assert_eq!(answer.essence(), expected, "{path}");
            let text = traced.text();
            assert!(text[before..].lines().any(|line| line.contains("ERROR") && line.contains("no subject")), "{path}");
            assert!(!text.contains("canaryx"), "the key is not logged");
        }
    }
}

/// Counts what one request asked.
async fn asked_by(world: &World, call: Call) -> (usize, incode_tests::Response) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let id = format!("{:?}-{}", std::thread::current().id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let answer = world.send(call.header(COUNTED, &id)).await;
    (times_asked(&id), answer)
}

async fn only_what_needs_the_user_asks_for_it(adapter: Adapter) {
    let world = start(adapter).await;
    let delivery = event("verification.completed", "v-1", "token");
    let preflight = |path| {
        let call = Call::new("OPTIONS", path).header("origin", "https://app.example");
        call.header("access-control-request-method", "GET").header(ACCOUNT, "ana")
    };
    for (call, status) in [
        (world.delivery(delivery.to_string()), 204),
        (post("/incode/webhook").body("{}"), 401),
        (get("/incode/webhook"), 405),
        (get("/asset"), 200),
        (get("/no/route"), 404),
        (post("/incode/start").body(""), 405),
        (Call::new("HEAD", "/incode/start"), 405),
        (post("/incode/callback").body(""), 405),
        (get("/incode/start").header("sec-purpose", "prefetch"), 425),
        (get("/incode/callback?token=t").header("purpose", "prefetch"), 425),
        (preflight("/open-to-preflights"), 200),
    ] {
        let (asked, answer) = asked_by(&world, call.clone().header(ACCOUNT, "ana")).await;
        assert_eq!((asked, answer.status), (0, status), "{call:?}: {answer:?}");
    }
    for path in NEEDING.into_iter().chain(["/open", "/maybe", "/incode/start", "/incode/callback?token=t"]) {
        assert_eq!(asked_by(&world, get(path)).await.0, 1, "{path}");
    }
    assert_eq!(asked_by(&world, preflight("/shut-to-preflights")).await.0, 1);
}

async fn a_request_asks_once(adapter: Adapter) {
    let world = start(adapter).await;
    link(&world, "ana").await;
    // A gate and two extractors; two gates; a gate and an extractor.
    for path in ["/both", "/members/page", "/members/inner/page", "/active-extractor", "/incode/start"] {
        let (asked, answer) = asked_by(&world, get(path).header(ACCOUNT, "ana")).await;
        assert!(answer.status < 400, "{path}: {answer:?}");
        assert_eq!(asked, 1, "{path}");
    }
    for path in ["/both", "/members/inner/page"] {
        let (asked, answer) = asked_by(&world, get(path).header(ACCOUNT, "ana").header(STORE, DOWN)).await;
        assert_eq!((asked, answer.status), (1, 503), "{path}");
    }
}

async fn the_session_that_was_named_with_the_user_counts(adapter: Adapter) {
    let plan = Plan::new(adapter).shape(Shape::Identified);
    let world = plan.incode(|builder| builder.sessions(SessionSource::extension())).start().await;
    let id = link(&world, "ana").await;
    world.sandbox.verify(&id).unwrap();
    let request = FaceAuthenticationRequest { face: Face::Base64Image(world.face_of(&id)), source: None };
    let scope = FaceScope::new(Subject::new("ana").unwrap()).in_session(SessionHash::of(b"one"));
    world.incode.authenticate(scope, &request).await.unwrap();
    let step_up = |session| get("/step-up").header(ACCOUNT, "ana").header(SESSION, session);
    assert_eq!(world.send(step_up("one")).await.status, 200);
    assert_eq!(world.send(step_up("two")).await.code(), "face_authentication_required");
}

/// An ACTIVE visitor in the extensions before the layer sees the request.
async fn a_visitor_of_another_layer_opens_nothing(adapter: Adapter) {
    use incode_tests::foreign;
    let world = start(adapter).await;
    link(&world, "ana").await;
    let active = foreign::visitor_of(&world.incode, "ana").await;
    assert_eq!(active.standing().as_str(), "active");
    foreign::leave(active);
    for path in NEEDING {
        let call = get(path).header(foreign::HEADER, "1");
        assert_eq!(world.send(call.clone()).await.status, 401, "{path}");
        assert_eq!(world.send(call.clone().header(ACCOUNT, "nora")).await.status, 403, "{path}");
        assert_eq!(world.send(call.header(ACCOUNT, "ana")).await.status, 200, "{path}");
    }
}

async fn streams_and_bodies_pass_as_ever(adapter: Adapter) {
    let world = start(adapter).await;
    link(&world, "ana").await;
    let head = world.send(Call::new("HEAD", "/shut-to-preflights").header(ACCOUNT, "ana")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("cache-control"), Some("private, no-cache"));
    let denied = world.send(Call::new("HEAD", "/shut-to-preflights")).await;
    assert_eq!((denied.status, denied.body.len()), (401, 0));
    let mut wire = Wire::open(world.address).await;
    wire.write(&get("/stream").header(ACCOUNT, "ana").bytes()).await;
    wire.until(incode_tests::GREETING.as_bytes()).await;
    // The connection of the stream ends with the standing, as for every source.
    world.incode.unlink(&Subject::new("ana").unwrap(), &incode_core::Actor::unknown()).await.unwrap();
    let response = wire.response(false).await;
    assert_eq!((response.status, response.text().as_str()), (200, incode_tests::GREETING));
}
