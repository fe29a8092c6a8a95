//! The vocabulary of requirements: each gives its denial to the byte, over what is known at the request.

use std::time::Duration;

use incode_core::identity::Field;
use incode_core::testing::ManualClock;
use incode_core::{Secret, Timestamp};
use incode_tests::{Adapter, FLOW_SECRET, Plan, World, event, problem};
use serde_json::{Value, json};

on_every_adapter! {
    an_age_counts_birthdays_in_its_zone,
    what_is_no_birth_date_is_no_age,
    a_country_is_one_of_those_accepted,
    a_field_that_is_not_kept_shuts_the_gate_as_a_mistake,
    a_link_counts_by_its_proof,
    the_applications_own_rule,
    of_two_alternatives_the_one_that_can_be_met_is_named,
    the_smallest_named_requirement_is_reported,
    what_a_type_asks_for,
    a_raised_requirement_counts_for_old_approvals_at_once,
}

/// The reply, to the byte.
fn denied(row: (u16, &str, &str, &str), requirement: Option<&str>, verify: Option<&str>) -> String {
    let code = format!("\"code\":\"{}\"", row.1);
    let named = requirement.map_or(code.clone(), |name| format!("{code},\"requirement\":\"{name}\""));
    problem(row.0, row.1, row.2, row.3, verify, &[]).replace(&code, &named)
}

const TOO_YOUNG: (u16, &str, &str, &str) =
    (403, "age_insufficient", "Age not sufficient", "The identity does not show the age that this needs.");
const FOREIGN: (u16, &str, &str, &str) = (
    403,
    "country_not_accepted",
    "Country not accepted",
    "The identity does not show a country that is accepted here.",
);
const MISTAKE: (u16, &str, &str, &str) =
    (500, "requirement_not_set_up", "Server error", "The server is not set up to answer this.");
const ATTESTATION: (u16, &str, &str, &str) = (
    403,
    "attestation_insufficient",
    "Document check not passed",
    "The check of the identity document did not end with OK.",
);

/// Birth date and country are kept.
fn keeping(adapter: Adapter) -> Plan {
    Plan::new(adapter).incode(|builder| {
        let century = Duration::from_secs(100 * 366 * 86_400);
        builder.store_key(Secret::from(FLOW_SECRET)).retain(Field::BirthDate, century).retain(Field::Country, century)
    })
}

/// A user linked to a person of whom userinfo says this.
async fn linked(world: &World, user: &str, patch: Value) -> String {
    let person = world.person(&format!("Person of {user}"));
    world.sandbox.update_person(&person.identity_id, &patch).unwrap();
    world.link(user, &person.identity_id).await;
    person.identity_id
}

async fn an_age_counts_birthdays_in_its_zone(adapter: Adapter) {
    // 2026-11-24T06:00Z is midnight in Mexico City.
    let midnight = Timestamp::from_millis(1_795_500_000_000);
    let clock = ManualClock::new(midnight.before(Duration::from_millis(1)));
    let shown = clock.clone();
    let world = keeping(adapter).incode(|builder| builder.clock(shown)).start().await;
    linked(&world, "millis", json!({"dateOfBirth": "1227506400000"})).await; // 2008-11-24T06:00Z
    linked(&world, "number", json!({"dateOfBirth": 1_227_506_400_000_i64})).await;
    linked(&world, "text", json!({"dateOfBirth": "2008-11-24"})).await;
    linked(&world, "older", json!({"dateOfBirth": "-86378400000"})).await; // 1967-04-07T06:00Z, before 1970
    for user in ["millis", "number", "text"] {
        assert_eq!(world.get(user, "/adult").await.essence(), denied(TOO_YOUNG, Some("adult"), None), "{user}");
    }
    assert_eq!(world.status("older", "/adult").await, 200);
    clock.advance(Duration::from_millis(1));
    for user in ["millis", "number", "text", "older"] {
        assert_eq!(world.status(user, "/adult").await, 200, "{user}: from the first moment of the birthday on");
    }
    clock.set(midnight.before(Duration::from_secs(1)));
    assert_eq!(
        world.get("millis", "/adult").await.code(),
        "age_insufficient",
        "a clock that is set back changes no age"
    );
    assert_eq!(world.send(incode_tests::get("/adult")).await.status, 401, "the standing first");
}

async fn what_is_no_birth_date_is_no_age(adapter: Adapter) {
    let world = keeping(adapter).start().await;
    let texts = [
        json!(null),
        json!(""),
        json!("unknown"),
        json!("587455200"),    // seconds: as milliseconds a birth in 1970
        json!("19880813"),     // a date written as a number: in 1970 as well
        json!("587433600000"), // midnight of the same day, but in UTC
        json!("1988-08-13T06:00:00Z"),
        json!("13/08/1988"),
        json!("9999999999999999999999"),
    ];
    for (index, text) in texts.into_iter().enumerate() {
        let user = format!("user-{index}");
        linked(&world, &user, json!({"dateOfBirth": text})).await;
        assert_eq!(world.get(&user, "/adult").await.code(), "age_insufficient", "{text}");
        assert_eq!(world.status(&user, "/vault").await, 200);
    }
}

async fn a_country_is_one_of_those_accepted(adapter: Adapter) {
    let world = keeping(adapter).start().await;
    for (index, (country, passes)) in [
        (json!("MEX"), true),
        (json!(" mex "), true),
        (json!("MÉXICO"), true),
        (json!("MEXICO"), false),
        (json!("MX"), false),
        (json!("USA"), false),
        (json!("MEX,USA"), false),
        (json!(""), false),
        (json!(null), false),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("user-{index}");
        linked(&world, &user, json!({"country ": country})).await;
        let answer = world.get(&user, "/at-home").await;
        if passes {
            assert_eq!(answer.status, 200, "{country}");
        } else {
            assert_eq!(answer.essence(), denied(FOREIGN, None, None), "{country}");
        }
    }
    // What the vendor says next counts at the next request.
    let id = linked(&world, "mover", json!({"country ": "USA"})).await;
    assert_eq!(world.status("mover", "/at-home").await, 403);
    world.sandbox.update_person(&id, &json!({"country ": "MEX"})).unwrap();
    let verified = world.sandbox.verify(&id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.status("mover", "/at-home").await, 200);
}

async fn a_field_that_is_not_kept_shuts_the_gate_as_a_mistake(adapter: Adapter) {
    let traced = &*crate::gate::privacy::TRACED;
    let world = World::start(adapter).await;
    linked(&world, "ana", json!({"dateOfBirth": "587455200000", "country ": "MEX"})).await;
    assert_eq!(world.get("ana", "/adult").await.essence(), denied(MISTAKE, Some("adult"), None));
    assert_eq!(world.get("ana", "/at-home").await.essence(), denied(MISTAKE, None, None));
    let text = traced.text();
    for field in ["birth_date", "country"] {
        let line = text.lines().find(|line| line.contains("ERROR") && line.contains(field));
        assert!(line.is_some_and(|line| line.contains("Builder::retain")), "{field}");
    }
    assert_eq!(world.send(incode_tests::get("/adult")).await.status, 401);
    assert_eq!(world.status("ben", "/adult").await, 403);
}

async fn a_link_counts_by_its_proof(adapter: Adapter) {
    let world = World::start(adapter).await;
    linked(&world, "ana", json!({})).await;
    assert_eq!(world.status("ana", "/by-flow").await, 200);
    let row = (
        403,
        "link_insufficient",
        "Link not sufficient",
        "The way this account was linked to the identity is not enough here.",
    );
    assert_eq!(world.get("ana", "/by-webhook").await.essence(), denied(row, None, None));
}

async fn the_applications_own_rule(adapter: Adapter) {
    let world = World::start(adapter).await;
    for user in ["ana", "ben"] {
        linked(&world, user, json!({})).await;
    }
    assert_eq!(world.status("ana", "/staff").await, 200);
    let row = (403, "requirement_not_met", "Not allowed", "The identity does not meet what this needs.");
    assert_eq!(world.get("ben", "/staff").await.essence(), denied(row, Some("staff"), None));
}

async fn of_two_alternatives_the_one_that_can_be_met_is_named(adapter: Adapter) {
    let world = World::start(adapter).await;
    let id = linked(&world, "ana", json!({"idAttestation": {"overall": {"status": "WARN"}}})).await;
    let answer = world.get("ana", "/attested-or-face").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "face_authentication_required"));
    assert_eq!(answer.json()["requirement"], "face");
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=3600";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    world.sandbox.verify(&id).unwrap();
    world.authenticate("ana", &world.face_of(&id)).await;
    assert_eq!(world.status("ana", "/attested-or-face").await, 200, "by face");
    assert_eq!(world.status("ana", "/attested").await, 403);
    linked(&world, "ben", json!({"idAttestation": {"overall": {"status": "OK"}}})).await;
    assert_eq!(world.status("ben", "/attested-or-face").await, 200, "by document");
}

async fn the_smallest_named_requirement_is_reported(adapter: Adapter) {
    let world = keeping(adapter).start().await;
    linked(&world, "child", json!({"dateOfBirth": "2020-02-29"})).await;
    assert_eq!(world.get("child", "/wine").await.essence(), denied(TOO_YOUNG, Some("adult"), None));
    linked(&world, "adult", json!({"dateOfBirth": "1988-08-13"})).await;
    let verify = (403, "verification_required", "Verify your identity", "This needs a verified identity.");
    let there = Some("/incode/start?return_to=/wine");
    assert_eq!(world.get("adult", "/wine").await.essence(), denied(verify, Some("wine"), there));
    assert_eq!(world.get("nora", "/wine").await.essence(), denied(verify, Some("wine"), there), "not linked");
}

async fn what_a_type_asks_for(adapter: Adapter) {
    let world = World::start(adapter).await;
    let id = linked(&world, "ana", json!({})).await;
    let face = world.get("ana", "/met").await;
    assert_eq!((face.status, face.code().as_str()), (401, "face_authentication_required"));
    assert_eq!(world.send(incode_tests::get("/met")).await.code(), "authentication_required");
    assert_eq!(world.get("nora", "/met").await.code(), "verification_required");
    world.sandbox.verify(&id).unwrap();
    world.authenticate("ana", &world.face_of(&id)).await;
    let met = world.get("ana", "/met").await;
    assert_eq!((met.status, met.text()), (200, id));
}

/// The same approval, known to the near cache, at gates that ask for more and more.
async fn a_raised_requirement_counts_for_old_approvals_at_once(adapter: Adapter) {
    let world = World::start(adapter).await;
    linked(&world, "ana", json!({"idAttestation": {"overall": {"status": "WARN"}}})).await;
    for _ in 0..2 {
        assert_eq!(world.status("ana", "/vault").await, 200);
        assert_eq!(world.get("ana", "/verified").await.code(), "verification_required");
        assert_eq!(world.get("ana", "/attested").await.essence(), {
            denied(ATTESTATION, None, Some("/incode/start?return_to=/attested"))
        });
        assert_eq!(world.get("ana", "/step-up").await.json()["requirement"], "step-up");
    }
}
