//! Requests that are held open while the standing of who asked changes.

use incode_core::gate::Standing;
use incode_core::identity::Cause;
use incode_core::{BearerTokens, ChangeNotice};
use incode_tests::{Adapter, Call, Failing, GREETING, Plan, Wire, World, event, get};
use serde_json::Value;

on_every_adapter! {
    a_stream_ends_at_a_revocation,
    a_stream_ends_when_the_account_is_unlinked,
    a_stream_ends_when_the_person_is_forgotten,
    a_stream_ends_when_watching_does,
    a_waiting_request_learns_what_is_known_by_now,
    a_waiting_request_learns_of_a_store_that_fails,
    the_application_learns_who_changed_why_and_how_they_stood,
}

/// A stream that was opened, and has sent its greeting.
async fn open(world: &World, user: &str) -> Wire {
    greeted(world, get("/stream").user(user)).await
}

async fn greeted(world: &World, call: Call) -> Wire {
    let mut wire = Wire::open(world.address).await;
    wire.write(&call.bytes()).await;
    wire.until(GREETING.as_bytes()).await;
    wire
}

/// What came behind the greeting, when the answer is complete.
async fn behind_the_greeting(mut wire: Wire) -> String {
    let response = wire.response(false).await;
    assert_eq!(response.status, 200);
    response.text().strip_prefix(GREETING).unwrap().to_owned()
}

/// It ended, as a complete answer does, with nothing behind the greeting.
async fn ended(mut wire: Wire) {
    let response = wire.response(false).await;
    assert_eq!((response.status, response.text().as_str()), (200, GREETING));
}

async fn world_with_ana(adapter: Adapter) -> (World, String) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores").identity_id;
    world.link("ana", &ana).await;
    (world, ana)
}

async fn a_stream_ends_at_a_revocation(adapter: Adapter) {
    let (world, ana) = world_with_ana(adapter).await;
    let (first, second) = (open(&world, "ana").await, open(&world, "ana").await);
    let verified = world.sandbox.verify(&ana).unwrap();
    world.sandbox.revoke(&ana).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    ended(first).await;
    ended(second).await;
    assert_eq!(world.get("ana", "/stream").await.code(), "identity_revoked");
}

async fn a_stream_ends_when_the_account_is_unlinked(adapter: Adapter) {
    let (world, _) = world_with_ana(adapter).await;
    let ben = world.person("Ben Ochoa").identity_id;
    world.link("ben", &ben).await;
    let (anas, bens) = (open(&world, "ana").await, open(&world, "ben").await);
    world.incode.unlink(&incode_core::Subject::new("ana").unwrap(), &incode_core::Actor::unknown()).await.unwrap();
    ended(anas).await;
    world.incode.end_watches();
    ended(bens).await;
}

async fn a_stream_ends_when_the_person_is_forgotten(adapter: Adapter) {
    let (world, ana) = world_with_ana(adapter).await;
    let stream = open(&world, "ana").await;
    let id = incode_core::IdentityId::new(&ana).unwrap();
    world.incode.forget(&id, &incode_core::Actor::unknown()).await.unwrap();
    ended(stream).await;
}

async fn a_stream_ends_when_watching_does(adapter: Adapter) {
    let (world, _) = world_with_ana(adapter).await;
    let stream = open(&world, "ana").await;
    world.incode.shutdown().await;
    ended(stream).await;
}

async fn a_waiting_request_learns_what_is_known_by_now(adapter: Adapter) {
    let (world, ana) = world_with_ana(adapter).await;
    let waiting = async || greeted(&world, get("/changed").user("ana")).await;
    let learns = async |wire: Wire| serde_json::from_str::<Value>(&behind_the_greeting(wire).await).unwrap();
    let wire = waiting().await;
    let verified = world.sandbox.verify(&ana).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    let verified = learns(wire).await;
    assert_eq!((verified["standing"].as_str(), verified["subject"].as_str()), (Some("active"), Some("ana")));
    let wire = waiting().await;
    world.sandbox.revoke(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(learns(wire).await["standing"], "revoked");
    let nobody = greeted(&world, get("/changed")).await;
    world.incode.end_watches();
    assert_eq!(behind_the_greeting(nobody).await, "ended");
}

async fn a_waiting_request_learns_of_a_store_that_fails(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let lifetime = std::time::Duration::from_millis(200);
    let plan = Plan::new(adapter).incode(move |builder| builder.store(store).near_cache_lifetime(lifetime));
    let world = plan.start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    let stream = open(&world, "ana").await;
    // No notice of this comes: it shows at the end of the lifetime.
    switch.fail();
    ended(stream).await;
    assert_eq!(world.get("ana", "/stream").await.code(), "identity_unavailable");
}

async fn the_application_learns_who_changed_why_and_how_they_stood(adapter: Adapter) {
    let tokens = BearerTokens::on_paths(["/"]);
    let world = Plan::new(adapter).incode(|builder| builder.bearer_tokens(tokens)).start().await;
    let mut changes = world.incode.changes();
    let mut told = async || match changes.next().await {
        Some(ChangeNotice::Identity(news)) => {
            let subjects: Vec<_> = news.subjects.iter().map(|subject| subject.as_str().to_owned()).collect();
            (news.cause, subjects.concat(), news.before)
        }
        other => panic!("no change: {other:?}"),
    };
    let ana = world.person("Ana Flores").identity_id;
    assert_eq!(world.get("ana", "/vault").await.status, 403);
    world.link("ana", &ana).await;
    assert_eq!(told().await, (Cause::Flow, "ana".to_owned(), Some(Standing::NotLinked)));
    let verified = world.sandbox.verify(&ana).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    assert_eq!(told().await, (Cause::Event, "ana".to_owned(), None), "no request asked since");
    assert_eq!(world.get("ana", "/vault").await.status, 200);
    world.sandbox.revoke(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(told().await, (Cause::Face, "ana".to_owned(), Some(Standing::Active)));
    let now = world.identity(&ana).await.unwrap();
    assert_eq!(Standing::from(&now.status), Standing::Revoked, "asked after the notice");
    let token = world.sandbox.issue_token(&ana);
    assert_eq!(world.send(get("/vault").header("authorization", format!("Bearer {token}"))).await.status, 403);
    assert_eq!(told().await, (Cause::BearerToken, "ana".to_owned(), None));
    world.incode.unlink(&incode_core::Subject::new("ana").unwrap(), &incode_core::Actor::unknown()).await.unwrap();
    assert_eq!(told().await, (Cause::Unlinked, "ana".to_owned(), Some(Standing::Revoked)), "by the token");
    let id = incode_core::IdentityId::new(&ana).unwrap();
    world.incode.forget(&id, &incode_core::Actor::unknown()).await.unwrap();
    assert_eq!(told().await, (Cause::Forgotten, String::new(), None));
}
