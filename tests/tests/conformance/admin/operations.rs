//! What operations do, seen from the gate.

use incode_core::store::{DeadFilter, Reason, Replay};
use incode_core::{Actor, IdentityId, Subject};
use incode_tests::{ACKNOWLEDGED, Adapter, World, event};
use serde_json::json;

on_every_adapter! {
    who_is_forgotten_is_out_and_stays_out,
    who_is_unlinked_is_out_and_may_come_back,
    a_dead_letter_is_replayed_once_what_it_lacked_is_there,
    after_shutdown_nothing_is_acknowledged,
}

async fn who_is_forgotten_is_out_and_stays_out(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let body = event("verification.completed", &verified.verification_id, &verified.token);
    world.deliver(&body).await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    let id = IdentityId::new(&ana.identity_id).unwrap();
    assert!(world.incode.forget(&id, &Actor::unknown()).await.unwrap());
    for _ in 0..8 {
        assert_eq!(world.get("ana", "/vault").await.code(), "verification_required");
    }
    // The same event again is known, and brings nothing back.
    assert_eq!(world.send(world.delivery(body.to_string())).await.essence(), ACKNOWLEDGED);
    world.settles(1, 0, 0).await;
    assert_eq!(world.identity(&ana.identity_id).await, None);
    assert_eq!(world.standing("ana").await, "not_linked");
}

async fn who_is_unlinked_is_out_and_may_come_back(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    let subject = Subject::new("ana").unwrap();
    assert!(world.incode.unlink(&subject, &Actor::unknown()).await.unwrap());
    assert_eq!(world.get("ana", "/vault").await.code(), "verification_required");
    assert!(!world.incode.unlink(&subject, &Actor::unknown()).await.unwrap());
    world.link("another-account", &ana.identity_id).await;
    assert_eq!(world.status("another-account", "/vault").await, 200);
}

async fn a_dead_letter_is_replayed_once_what_it_lacked_is_there(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let token = world.sandbox.issue_token(&ana.identity_id);
    world.deliver(&event("verification.completed", "late", &token)).await;
    assert_eq!(world.died_of().await, "not_found");
    assert_eq!(
        world
            .incode
            .replay(
                Replay::Dead(DeadFilter { reason: Some(Reason::TokenDead), ..DeadFilter::default() }),
                &Actor::unknown()
            )
            .await
            .unwrap(),
        0
    );
    let body = json!({"id": "late", "createdAt": 1_688_059_847, "status": "VERIFIED", "data": {"email": ana.email}});
    world.sandbox.seed_verification("late", Some(&ana.identity_id), body);
    assert_eq!(world.incode.replay(Replay::Dead(DeadFilter::default()), &Actor::unknown()).await.unwrap(), 1);
    world.settles(1, 0, 0).await;
    assert_eq!(world.incode.replay(Replay::Dead(DeadFilter::default()), &Actor::unknown()).await.unwrap(), 0);
    assert!(world.identity(&ana.identity_id).await.unwrap().verified_at.is_some());
}

async fn after_shutdown_nothing_is_acknowledged(adapter: Adapter) {
    let world = World::start(adapter).await;
    assert!(world.incode.health().await.store);
    world.incode.shutdown().await;
    world.incode.shutdown().await;
    assert!(!world.incode.health().await.store);
    let body = event("verification.completed", "an-id", "a-token").to_string();
    let response = world.send(world.delivery(body)).await;
    assert_eq!((response.status, response.code().as_str()), (503, "inbox_unavailable"));
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_unavailable");
}
