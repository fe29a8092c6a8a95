//! Which flow the event of a check names by a correlation id, and what that decides.

use std::time::Duration;

use incode_sandbox::{Outcome, Person, Verified};
use incode_tests::{Adapter, Plan, World, event, eventually};
use serde_json::{Value, json};

on_every_adapter! {
    a_strangers_failure_stops_no_one_else,
    a_failure_that_names_no_flow_of_ours_stops_everyone,
    a_pass_under_a_foreign_id_links_no_one,
    an_expired_id_names_its_flow_and_links_by_no_webhook,
}

pub(super) fn completed(verified: &Verified) -> Value {
    event("verification.completed", &verified.verification_id, &verified.token)
}

pub(super) fn check(world: &World, person: &Person, outcome: Outcome) -> Verified {
    world.sandbox.verify_as(&person.identity_id, outcome).unwrap()
}

pub(super) async fn come_back(world: &World, user: &str, flow: &str, token: &str) {
    let back = world.come_back(user, flow, token).await;
    assert_eq!((back.status, back.header("location")), (303, Some("/vault")), "{back:?}");
}

pub(super) async fn is_pending(world: &World, user: &str) {
    assert_eq!(world.standing(user).await, "verification_pending");
}

pub(super) async fn standing_becomes(world: &World, user: &str, standing: &str) {
    eventually(standing, async || world.standing(user).await == standing).await;
}

/// The event of a check that names this flow.
fn of_flow(verified: &Verified, flow: impl Into<Value>) -> Value {
    let mut event = completed(verified);
    event["correlation_id"] = flow.into();
    event
}

async fn strict(adapter: Adapter) -> World {
    Plan::new(adapter).with_checks().start().await
}

/// Eve types Ana's name and fails, before Ana comes back and after.
async fn a_strangers_failure_stops_no_one_else(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let token = || world.sandbox.issue_token(&ana.identity_id);
    let (anas, eves) = (world.start_flow("ana").await, world.start_flow("eve").await);
    world.deliver(&of_flow(&check(&world, &ana, Outcome::Fail), eves.clone())).await;
    world.settles(1, 0, 0).await;
    come_back(&world, "ana", &anas, &token()).await;
    is_pending(&world, "ana").await;
    let back = world.come_back("eve", &eves, &token()).await;
    assert_eq!((back.status, back.code()), (403, "verification_not_passed".to_owned()), "her own flow is over");

    let eves = world.start_flow("eve").await;
    come_back(&world, "eve", &eves, &token()).await;
    world.deliver(&of_flow(&check(&world, &ana, Outcome::Fail), eves.clone())).await;
    world.settles(2, 0, 0).await;
    standing_becomes(&world, "eve", "not_linked").await;
    is_pending(&world, "ana").await;
    world.deliver(&of_flow(&check(&world, &ana, Outcome::Pass), anas)).await;
    standing_becomes(&world, "ana", "active").await;
    assert_eq!(world.standing("eve").await, "not_linked");
}

/// It may be of any flow: a person can change the id on the way to the vendor.
async fn a_failure_that_names_no_flow_of_ours_stops_everyone(adapter: Adapter) {
    for id in [json!(null), json!("an-id-of-their-own"), json!(["a", "list"])] {
        let world = strict(adapter).await;
        let ana = world.person("Ana");
        let flow = world.start_flow("ana").await;
        come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
        world.deliver(&of_flow(&check(&world, &ana, Outcome::Fail), id.clone())).await;
        world.settles(1, 0, 0).await;
        assert_eq!(world.standing("ana").await, "not_linked", "{id}");
    }
}

async fn a_pass_under_a_foreign_id_links_no_one(adapter: Adapter) {
    let world = strict(adapter).await;
    let ana = world.person("Ana");
    let flow = world.start_flow("ana").await;
    let mut edited = flow.clone();
    edited.replace_range(30..31, if &flow[30..31] == "A" { "B" } else { "A" });
    let foreign = [
        json!("another-applications-id"),
        json!(edited),
        json!("x".repeat(5_000)),
        json!("a b"),
        json!(["a"]),
        json!(7),
    ];
    let [before, after @ ..] = &foreign;
    world.deliver(&of_flow(&check(&world, &ana, Outcome::Pass), before.clone())).await;
    world.settles(1, 0, 0).await;
    come_back(&world, "ana", &flow, &world.sandbox.issue_token(&ana.identity_id)).await;
    is_pending(&world, "ana").await;
    for (settled, id) in (2..).zip(after) {
        world.deliver(&of_flow(&check(&world, &ana, Outcome::Pass), id.clone())).await;
        world.settles(settled, 0, 0).await;
        is_pending(&world, "ana").await;
    }
    assert!(world.identity(&ana.identity_id).await.unwrap().verification_id.is_some(), "they are verifications still");
    world.deliver(&of_flow(&check(&world, &ana, Outcome::Pass), flow)).await;
    standing_becomes(&world, "ana", "active").await;
}

/// The vendor delivers for half an hour, which is longer than a correlation id lives.
async fn an_expired_id_names_its_flow_and_links_by_no_webhook(adapter: Adapter) {
    let plan = Plan::new(adapter).with_checks().stopped_clock().incode(|builder| builder.link_by_webhook());
    let world = plan.start().await;
    let ana = world.person("Ana");
    let (anas, eves) = (world.start_flow("ana").await, world.start_flow("eve").await);
    come_back(&world, "ana", &anas, &world.sandbox.issue_token(&ana.identity_id)).await;
    let [first, second] = [(); 2].map(|()| check(&world, &ana, Outcome::Pass));
    world.pass(Duration::from_secs(31 * 60));
    world.deliver(&of_flow(&first, eves)).await;
    world.settles(1, 0, 0).await;
    is_pending(&world, "ana").await;
    assert_eq!(world.standing("eve").await, "not_linked", "too late to link without a callback");
    world.deliver(&of_flow(&second, anas)).await;
    standing_becomes(&world, "ana", "active").await;
    assert_eq!(world.get("ana", "/open").await.json()["proof"], "flow");
}
