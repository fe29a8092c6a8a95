//! `fetch-back`: anyone may deliver. Forged events come five times as fast as events are settled.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use incode_sandbox::{Effect, Fault, Route};
use incode_tests::{Adapter, Auth, Plan, World, event, eventually};
use serde_json::{Value, json};

on_every_adapter! {
    a_flood_of_forged_events_leaves_genuine_ones_their_turn,
}

/// The drain is the vendor's answers, a few at a time, each when the test says so. No time is measured: it is counted how
/// many events were settled.
async fn a_flood_of_forged_events_leaves_genuine_ones_their_turn(adapter: Adapter) {
    let plan = Plan::new(adapter).auth(Auth::FetchBack);
    let world = plan.incode(|builder| builder.worker_concurrency(IN_HAND)).start().await;
    let people: Vec<_> = (0..GENUINE).map(|n| world.person(&format!("Ana {n}")).identity_id).collect();
    hold(&world);
    let (mut forged, mut sent) = (0, 0);
    loop {
        while forged < 5 * (asked(&world) + IN_HAND as usize) {
            world.deliver(&forge(forged)).await;
            forged += 1;
        }
        if let Some(person) = people.get(sent)
            && asked(&world) >= sent * 5
        {
            let verified = world.sandbox.verify(person).unwrap();
            world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
            sent += 1;
        }
        if applied(&world, &people).await == GENUINE {
            break;
        }
        let last = GENUINE * 5 + MOST_MEANWHILE;
        assert!(
            asked(&world) < last,
            "{} of {GENUINE} after {} of {forged} forged",
            applied(&world, &people).await,
            last
        );
        let before = asked(&world);
        world.sandbox.release_held();
        hold(&world);
        eventually("more is asked about", async || asked(&world) > before).await;
    }
    let waiting = world.counts().await.pending;
    assert!(waiting as usize > forged / 2, "the flood is not over: {waiting} of {forged}");
    world.sandbox.clear_faults();
    world.sandbox.release_held();
}

/// The next calls wait for the test.
fn hold(world: &World) {
    world.fault(Fault::new(Effect::Delay).held().on(Route::Userinfo).times(IN_HAND));
}

fn asked(world: &World) -> usize {
    world.sandbox.calls().iter().filter(|call| call.path.ends_with("/userinfo")).count()
}

async fn applied(world: &World, people: &[String]) -> usize {
    let mut applied = 0;
    for person in people {
        let identity = world.identity(person).await;
        applied += usize::from(identity.is_some_and(|identity| identity.verification_id.is_some()));
    }
    applied
}

/// Four of five look like no token of the vendor's. One is made with care.
fn forge(number: usize) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = match number % 5 {
        0 => json!({"iat": now, "exp": now + 900, "n": number}),
        1 => json!({"n": number}),
        2 => json!({"iat": now - 9_000, "exp": now - 8_100, "n": number}),
        3 => json!("no claims"),
        _ => return event("verification.completed", &format!("forged-{number}"), &format!("no-jwt-{number}")),
    };
    let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    event("verification.completed", &format!("forged-{number}"), &format!("e30.{claims}.c2ln"))
}

/// How many events of the vendor's come meanwhile.
const GENUINE: usize = 12;
/// How many events the worker has in hand.
const IN_HAND: u32 = 4;
/// How many events may be settled between the last genuine one and its turn. In order of arrival it would be hundreds.
const MOST_MEANWHILE: usize = 120;
