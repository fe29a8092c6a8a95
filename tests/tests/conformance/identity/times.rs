//! The vendor's times: one that is unknown is no freshness.

use incode_core::Timestamp;
use incode_sandbox::FieldOverride;
use incode_tests::{Adapter, Auth, Plan, World, event};
use serde_json::{Value, json};

on_every_adapter! {
    a_verification_at_an_unknown_time_is_not_fresh,
    an_authentication_at_an_unknown_time_is_not_fresh,
    a_time_that_can_be_read_is_the_vendors,
    of_several_known_times_the_oldest_counts,
}

/// Nothing that shows when it was.
fn unknown() -> Vec<FieldOverride> {
    let soon = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 125;
    let values = [json!(null), json!(""), json!({}), json!(-1), json!("soon"), json!(soon)];
    [FieldOverride::Absent].into_iter().chain(values.map(FieldOverride::value)).collect()
}

/// The first instant of 2019, and how much later it is.
fn readable() -> [(Value, u64); 7] {
    [
        (json!("2019-01-01T00:00:00Z"), 0),
        (json!("2019-01-01T01:00:00.250+01:00"), 250),
        (json!(1_546_300_800), 0),
        (json!("1546300800"), 0),
        (json!(1_546_300_800_000_i64), 0),
        (json!(1_546_300_800.5), 500),
        (json!(1_546_300_800_000_000_i64), 0),
    ]
}

fn start_of_2019() -> Timestamp {
    Timestamp::from_secs(1_546_300_800)
}

/// A person whose verification and face are of this time, as their events say.
async fn verified_at(world: &World, number: usize, created_at: &FieldOverride) -> (String, String) {
    let person = world.person(&format!("Ana {number}")).identity_id;
    world.sandbox.change_behaviour(|behaviour| behaviour.verification_created_at = created_at.clone());
    let verified = world.sandbox.verify(&person).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    (person, verified.verification_id)
}

async fn authenticated_at(world: &World, number: usize, created_at: Option<Value>) -> String {
    let person = world.person(&format!("Ben {number}")).identity_id;
    let id = format!("authentication-{number}");
    let mut body = json!({"id": id, "status": "pass", "type": "FACE"});
    if let Some(created_at) = created_at {
        body["createdAt"] = created_at;
    }
    world.sandbox.seed_authentication(&id, Some(&person), body);
    world.deliver(&event("authentication.completed", &id, &world.sandbox.issue_token(&person))).await;
    person
}

async fn a_verification_at_an_unknown_time_is_not_fresh(adapter: Adapter) {
    let world = World::start(adapter).await;
    for (number, created_at) in unknown().into_iter().enumerate() {
        let (person, verification) = verified_at(&world, number, &created_at).await;
        world.settles(number as u64 + 1, 0, 0).await;
        let identity = world.identity(&person).await.unwrap();
        assert_eq!(identity.verified_at, None, "{created_at:?}");
        assert_eq!(identity.verification_id.unwrap().as_str(), verification, "{created_at:?}: the object id is kept");
        let user = format!("user-{number}");
        world.link(&user, &person).await;
        assert_eq!(world.status(&user, "/verified").await, 200, "{created_at:?}: verified, at some time");
        assert_eq!(world.get(&user, "/verified-lately").await.code(), "verification_expired", "{created_at:?}");
    }
}

async fn an_authentication_at_an_unknown_time_is_not_fresh(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::Header).start().await;
    for (number, created_at) in unknown().into_iter().enumerate() {
        let value = match &created_at {
            FieldOverride::Value { value } => Some(value.clone()),
            _ => None,
        };
        let person = authenticated_at(&world, number, value).await;
        world.settles(number as u64 + 1, 0, 0).await;
        assert_eq!(world.identity(&person).await.unwrap().face_authenticated_at, None, "{created_at:?}");
        let user = format!("user-{number}");
        world.link(&user, &person).await;
        assert_eq!(world.get(&user, "/seen").await.code(), "face_authentication_required", "{created_at:?}");
    }
}

async fn a_time_that_can_be_read_is_the_vendors(adapter: Adapter) {
    let world = World::start(adapter).await;
    for (number, (value, millis)) in readable().into_iter().enumerate() {
        let (verified, _) = verified_at(&world, number, &FieldOverride::value(value.clone())).await;
        let seen = authenticated_at(&world, number, Some(value.clone())).await;
        world.settles(2 * (number as u64 + 1), 0, 0).await;
        let expected = start_of_2019().after(std::time::Duration::from_millis(millis));
        let times = [
            world.identity(&verified).await.unwrap().verified_at,
            world.identity(&seen).await.unwrap().face_authenticated_at,
        ];
        for time in times {
            // Microseconds are unknown, or read as what they are; never now.
            let may_be_unknown = value == json!(1_546_300_800_000_000_i64);
            assert!(time == Some(expected) || (may_be_unknown && time.is_none()), "{value}: {time:?}");
        }
    }
}

/// `createdAt` is of now, and the vendor's own event says that it was long ago. An event that anyone could have sent ages
/// nothing.
async fn of_several_known_times_the_oldest_counts(adapter: Adapter) {
    for (auth, ages) in [(Auth::Header, true), (Auth::FetchBack, false)] {
        let world = Plan::new(adapter).auth(auth).start().await;
        let ana = world.person("Ana Flores").identity_id;
        world.link("ana", &ana).await;
        let old = |kind: &str, id: &str, token: &str| {
            let mut event = event(kind, id, token);
            event["timestamp"] = json!(1_546_300_800);
            event
        };
        let verified = world.sandbox.verify(&ana).unwrap();
        world.deliver(&old("verification.completed", &verified.verification_id, &verified.token)).await;
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let face = json!({"id": "face-1", "createdAt": now, "status": "pass", "type": "FACE"});
        world.sandbox.seed_authentication("face-1", Some(&ana), face);
        world.deliver(&old("authentication.completed", "face-1", &world.sandbox.issue_token(&ana))).await;
        world.settles(2, 0, 0).await;
        let identity = world.identity(&ana).await.unwrap();
        if ages {
            assert_eq!(identity.verified_at, Some(start_of_2019()));
            assert_eq!(identity.face_authenticated_at, Some(start_of_2019()));
            assert_eq!(world.get("ana", "/verified-lately").await.code(), "verification_expired");
            assert_eq!(world.get("ana", "/seen").await.code(), "face_authentication_required");
        } else {
            assert!(identity.verified_at > Some(start_of_2019()));
            assert_eq!(world.status("ana", "/verified-lately").await, 200);
        }
    }
}
