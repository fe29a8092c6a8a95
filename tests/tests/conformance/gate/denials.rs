//! Each standing and requirement gives its status, headers and body, on every adapter the same to the byte.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use incode_core::Timestamp;
use incode_core::testing::ManualClock;
use incode_sandbox::NewPerson;
use incode_tests::{Adapter, Call, Failing, Plan, Served, World, event, eventually, get, post, problem};
use serde_json::json;

on_every_adapter! {
    a_request_without_a_subject_is_asked_to_log_in,
    who_is_not_linked_is_sent_to_verify,
    the_way_back_is_encoded,
    a_way_back_that_start_would_refuse_is_left_out,
    revoked_and_other_statuses_are_distinguished,
    a_verification_grows_old,
    an_attestation_that_is_not_ok_is_not_enough,
    a_face_authentication_is_asked_for,
    a_store_that_is_down_closes_the_gate_and_comes_back,
    without_the_layer_everything_gated_is_500,
    what_a_client_claims_in_headers_is_ignored,
    the_application_renders_in_its_own_way,
    without_the_flow_there_is_no_way_to_verify,
    other_spellings_of_a_path_open_nothing,
}

const LOG_IN: (u16, &str, &str, &str) =
    (401, "authentication_required", "Log in first", "This needs a logged-in user.");
const VERIFY: (u16, &str, &str, &str) =
    (403, "verification_required", "Verify your identity", "This needs a verified identity.");

fn expected(row: (u16, &str, &str, &str), verify: Option<&str>) -> String {
    problem(row.0, row.1, row.2, row.3, verify, &[])
}

fn returning(path: &str) -> String {
    format!("/incode/start?return_to={path}")
}

async fn a_request_without_a_subject_is_asked_to_log_in(adapter: Adapter) {
    let world = World::start(adapter).await;
    for call in
        [get("/vault"), get("/verified"), get("/active-extractor"), get("/in-handler"), post("/transfer").body("")]
    {
        assert_eq!(world.send(call.clone()).await.essence(), expected(LOG_IN, None), "{call:?}");
    }
    let open = world.send(get("/open")).await;
    assert_eq!(open.json(), json!({"standing": "no_subject", "subject": null, "identity": null, "proof": null}));
    assert_eq!(open.header("x-outer"), Some("seen"));
}

async fn who_is_not_linked_is_sent_to_verify(adapter: Adapter) {
    let world = World::start(adapter).await;
    for path in ["/vault", "/verified", "/attested", "/active-extractor"] {
        // Twice: loaded first, then known.
        for _ in 0..2 {
            assert_eq!(world.get("ana", path).await.essence(), expected(VERIFY, Some(&returning(path))), "{path}");
        }
    }
    // Also from inside a handler, where the request is out of reach.
    assert_eq!(world.get("ana", "/in-handler").await.essence(), expected(VERIFY, Some(&returning("/in-handler"))));
    // What was posted is no page to come back to: the start route alone.
    let transfer = world.send(post("/transfer").user("ana").body("")).await;
    assert_eq!(transfer.essence(), expected(VERIFY, Some("/incode/start")));
    assert_eq!(world.standing("ana").await, "not_linked");
}

async fn the_way_back_is_encoded(adapter: Adapter) {
    let world = World::start(adapter).await;
    let response = world.get("ana", "/vault?a=1&b=%22x%22").await;
    let verify = returning("/vault%3Fa%3D1%26b%3D%2522x%2522");
    assert_eq!(response.essence(), expected(VERIFY, Some(&verify)));
    // And leads back.
    let start = world.get("ana", &verify).await;
    assert_eq!(start.status, 303, "{start:?}");
    let head = world.send(Call::new("HEAD", "/vault").user("ana")).await;
    assert_eq!((head.status, head.body.len()), (403, 0));
}

async fn a_way_back_that_start_would_refuse_is_left_out(adapter: Adapter) {
    let world = World::start(adapter).await;
    let long = format!("/vault?q={}", "a".repeat(600));
    for target in [long.as_str(), "/vault?next=%5Chome", "/vault?text=a%0Ab", "/vault?x=%00"] {
        let denied = world.get("ana", target).await;
        assert_eq!(denied.code(), "verification_required", "{target}");
        let verify = denied.json()["verify_url"].as_str().unwrap().to_owned();
        assert_eq!(world.get("ana", &verify).await.status, 303, "{target}: {verify}");
    }
}

async fn revoked_and_other_statuses_are_distinguished(adapter: Adapter) {
    let world = World::start(adapter).await;
    let revoked = (403, "identity_revoked", "Identity revoked", "The verified identity was revoked.");
    let other = (403, "identity_not_active", "Identity not active", "The identity is known, but not active.");
    let rows = [
        ("REVOKED", "revoked", revoked),
        ("PENDING", "other", other),
        ("active ", "other", other),
        ("", "other", other),
    ];
    for (index, (status, standing, row)) in rows.into_iter().enumerate() {
        let name = format!("Person {index}");
        let person = world.sandbox.add_person(NewPerson::named(&name).status(status));
        let user = format!("user-{index}");
        world.link(&user, &person.identity_id).await;
        assert_eq!(world.standing(&user).await, standing, "{status}");
        for path in ["/vault", "/verified", "/attested", "/active-extractor"] {
            // A revoked person is not sent to be verified: another check does not change what the vendor revoked.
            let verify = (status != "REVOKED").then(|| returning(path));
            assert_eq!(world.get(&user, path).await.essence(), expected(row, verify.as_deref()), "{status} {path}");
        }
        assert_eq!(world.status(&user, "/transfer").await, 403);
    }
}

async fn a_verification_grows_old(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()).after(Duration::from_secs(5)));
    let shown = clock.clone();
    let world = Plan::new(adapter).incode(|builder| builder.clock(shown)).start().await;
    let person = world.person("Ana Flores");
    world.link("ana", &person.identity_id).await;
    let lately = returning("/verified-lately");
    assert_eq!(world.get("ana", "/verified-lately").await.essence(), expected(VERIFY, Some(&lately)));
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    eventually("verified", async || world.status("ana", "/verified-lately").await == 200).await;
    let at = world.identity(&person.identity_id).await.unwrap().verified_at.unwrap();
    clock.set(at.after(Duration::from_secs(3600)));
    assert_eq!(world.status("ana", "/verified-lately").await, 200, "the bound itself is fresh");
    clock.advance(Duration::from_millis(1));
    let row = (403, "verification_expired", "Verify again", "The last verification is too long ago.");
    assert_eq!(world.get("ana", "/verified-lately").await.essence(), expected(row, Some(&lately)));
    assert_eq!(world.status("ana", "/verified").await, 200);
    // A clock set back makes nothing fresh that is not.
    clock.set(at.before(Duration::from_secs(61)));
    assert_eq!(world.get("ana", "/verified-lately").await.essence(), expected(row, Some(&lately)));
}

async fn an_attestation_that_is_not_ok_is_not_enough(adapter: Adapter) {
    let world = World::start(adapter).await;
    let row = (
        403,
        "attestation_insufficient",
        "Document check not passed",
        "The check of the identity document did not end with OK.",
    );
    for (index, (verdict, enough)) in [
        ("OK", true),
        ("MANUAL_OK", true),
        ("WARN", false),
        ("FAIL", false),
        ("UNKNOWN", false),
        ("MANUAL_FAIL", false),
        ("MANUAL_PENDING", false),
        ("FINE", false),
    ]
    .into_iter()
    .enumerate()
    {
        let person = world.person(&format!("Person {index}"));
        let patch = json!({"idAttestation": {"overall": {"status": verdict}}});
        world.sandbox.update_person(&person.identity_id, &patch).unwrap();
        let user = format!("user-{index}");
        world.link(&user, &person.identity_id).await;
        let response = world.get(&user, "/attested").await;
        if enough {
            assert_eq!(response.status, 200, "{verdict}");
        } else {
            assert_eq!(response.essence(), expected(row, Some(&returning("/attested"))), "{verdict}");
        }
    }
    let person = world.person("No Attestation");
    world.sandbox.update_person(&person.identity_id, &json!({"idAttestation": null})).unwrap();
    world.link("none", &person.identity_id).await;
    assert_eq!(world.get("none", "/attested").await.code(), "attestation_insufficient");
    assert_eq!(world.status("none", "/vault").await, 200);
}

async fn a_face_authentication_is_asked_for(adapter: Adapter) {
    let world = World::start(adapter).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    let response = world.send(post("/transfer").user("ana").body("{}")).await;
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=300";
    let expected = problem(
        401,
        "face_authentication_required",
        "Confirm by face",
        "This needs a recent face authentication.",
        None,
        &[("www-authenticate", challenge)],
    );
    assert_eq!(response.essence(), expected);
}

async fn a_store_that_is_down_closes_the_gate_and_comes_back(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world =
        Plan::new(adapter).incode(|builder| builder.store(store).near_cache_lifetime(Duration::ZERO)).start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    switch.fail();
    let expected = problem(
        503,
        "identity_unavailable",
        "Try again soon",
        "Identity status can't be read right now.",
        None,
        &[("retry-after", "1")],
    );
    for call in
        [get("/vault"), get("/verified"), get("/active-extractor"), get("/in-handler"), post("/transfer").body("")]
    {
        assert_eq!(world.send(call.clone().user("ana")).await.essence(), expected, "{call:?}");
    }
    assert_eq!(world.standing("ana").await, "unavailable");
    assert_eq!(world.send(get("/vault")).await.status, 401, "a request without a subject needs no store");

    let refused = problem(
        503,
        "inbox_unavailable",
        "Try again soon",
        "The event was not stored. Send it again.",
        None,
        &[("retry-after", "5")],
    );
    let event = event("verification.completed", "an-id", "a-token").to_string();
    assert_eq!(world.send(world.delivery(&event)).await.essence(), refused);

    switch.mend();
    assert_eq!(world.status("ana", "/vault").await, 200, "a failure is not remembered");
}

async fn bare(adapter: Adapter) -> Served {
    adapter.serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), None).await
}

async fn without_the_layer_everything_gated_is_500(adapter: Adapter) {
    let served = bare(adapter).await;
    let expected = problem(500, "layer_missing", "Server error", "The server is not set up to answer this.", None, &[]);
    let calls = [
        get("/vault"),
        get("/verified"),
        get("/attested"),
        get("/open"),
        get("/active-extractor"),
        get("/in-handler"),
        post("/transfer").body(""),
    ];
    for call in calls {
        let response = call.clone().user("ana").header("x-session", "ana").send(served.address).await;
        assert_eq!(response.essence(), expected, "{call:?}");
    }
}

async fn what_a_client_claims_in_headers_is_ignored(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    world.link("ana", &person.identity_id).await;
    for (name, value) in [
        ("visitor", "active"),
        ("x-incode-visitor", "active"),
        ("x-identity-id", person.identity_id.as_str()),
        ("x-incode-hardware-id", "token"),
        ("x-session", "ana"),
        ("x-original-user", "ana"),
        ("authorization", "Bearer ana"),
        ("cookie", "session=ana; x-user=ana"),
    ] {
        assert_eq!(world.send(get("/vault").header(name, value)).await.status, 401, "{name}");
        assert_eq!(world.send(get("/vault").user("ben").header(name, value)).await.status, 403, "{name}");
    }
    assert_eq!(world.send(get("/vault?x-user=ana")).await.status, 401);
}

async fn the_application_renders_in_its_own_way(adapter: Adapter) {
    use incode_core::http::Reply;
    let plan = Plan::new(adapter).incode(|builder| {
        builder.render(|problem, audience| {
            audience.html.then(|| {
                let page = format!("<p>{}</p>", problem.code);
                Reply::new(problem.status).body("text/html", page).header("x-own", "a").header("x-own", "b")
            })
        })
    });
    let world = plan.start().await;
    // The problem's headers for caches and referrers, and its further headers, are kept whatever renders it.
    let page = |status: u16, code: &str, further: &str| {
        format!(
            "{status}\ncache-control: no-store\ncontent-type: text/html\n{further}x-outer: seen\nx-own: a\nx-own: b\n\n\
             <p>{code}</p>"
        )
    };
    let browser = |call: Call| call.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for path in ["/vault", "/active-extractor", "/in-handler"] {
        let login = page(401, "authentication_required", "www-authenticate: Login\n");
        assert_eq!(world.send(browser(get(path))).await.essence(), login);
        assert_eq!(world.send(get(path).header("accept", "*/*")).await.essence(), expected(LOG_IN, None));
    }
    let callback = world.send(browser(get("/incode/callback")).user("ana")).await;
    assert_eq!(callback.essence(), page(400, "flow_incomplete", "referrer-policy: no-referrer\n"));
    let delivery = world.send(browser(post("/incode/webhook")).body("{}")).await;
    assert_eq!(delivery.essence(), page(401, "delivery_unauthentic", "www-authenticate: Webhook\n"));
}

async fn without_the_flow_there_is_no_way_to_verify(adapter: Adapter) {
    use incode_core::Incode;
    use incode_core::client::Client;
    use incode_core::gate::SubjectSource;
    use incode_core::webhook::Authenticity;
    let incode = Incode::builder()
        .client(Client::builder("http://127.0.0.1:9", "key").build().unwrap())
        .webhook_authenticity(Authenticity::fetch_back())
        .subjects(SubjectSource::trusted_header("x-user"))
        .memory()
        .build()
        .await
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let served = adapter.serve(listener, Some(incode)).await;
    let denied = get("/vault").user("ana").send(served.address).await;
    assert_eq!(denied.essence(), expected(VERIFY, None));
    assert_eq!(get("/incode/start").user("ana").send(served.address).await.status, 404);
    assert_eq!(get("/incode/callback").user("ana").send(served.address).await.status, 404);
}

async fn other_spellings_of_a_path_open_nothing(adapter: Adapter) {
    let world = World::start(adapter).await;
    for path in
        ["//vault", "/./vault", "/x/../vault", "/%76ault", "/vault/", "/VAULT", "/vault%2f", "/vault;a=b", "/vault%00"]
    {
        let response = world.get("ana", path).await;
        assert_ne!(response.status, 200, "{path}");
        assert_ne!(response.text(), "passed", "{path}");
    }
}
