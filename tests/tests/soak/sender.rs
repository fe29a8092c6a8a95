//! Deliveries by clients of their own: tried until they are acknowledged, as the vendor does, once more now and then, and
//! among them forged ones.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use incode_sandbox::{DeliveryState, Outcome};
use incode_tests::process::{App, WEBHOOK_HEADER};
use incode_tests::{event, post};

use crate::cluster::{Class, Cluster};
use crate::random::Random;

/// What was sent, by kind and object.
#[derive(Default)]
pub(crate) struct Sent {
    /// Acknowledged with 204, and meant.
    pub(crate) acknowledged: Mutex<BTreeSet<Object>>,
    /// With another person's token, or one that was never issued: never to be applied.
    pub(crate) forged: Mutex<BTreeSet<Object>>,
    /// Genuine, and beside it there was one that is not.
    pub(crate) shadowed: Mutex<BTreeSet<Object>>,
}

/// Kind and id.
pub(crate) type Object = (String, String);

/// One of three, until all is over; each begins with another kind of forgery, so that the shortest soak has seen them.
pub(crate) async fn work(cluster: Arc<Cluster>, which: usize, mut random: Random) {
    let mut first = Some(which * 5);
    while !cluster.is_over() {
        cluster.pause(random.millis(20, 250)).await;
        let identity = random.pick(&cluster.crowd).clone();
        match first.take().unwrap_or_else(|| random.below(100)) {
            0..5 => wrong_secret(&cluster, &identity).await,
            5..10 => swapped(&cluster, &identity, &mut random).await,
            10..15 => junk(&cluster, &identity, &mut random).await,
            _ => genuine(&cluster, &identity, &mut random).await,
        }
    }
}

async fn genuine(cluster: &Cluster, identity: &str, random: &mut Random) {
    let outcome = if random.chance(90) { Outcome::Pass } else { Outcome::Fail };
    let verified = cluster.sandbox.verify_as(identity, outcome).unwrap();
    let (id, token) = (&verified.verification_id, &verified.token);
    if !deliver(cluster, KIND, id, token).await {
        return;
    }
    if random.chance(20) {
        for _ in 0..=random.below(3) {
            cluster.expectations.count("deliveries/sent once more");
            deliver(cluster, KIND, id, token).await;
        }
    }
    if random.chance(5) {
        cluster.expectations.count("deliveries/sent once more with a fresh token");
        deliver(cluster, KIND, id, &cluster.sandbox.issue_token(identity)).await;
    }
}

/// Until it is acknowledged; false when that took too long after the end.
pub(crate) async fn deliver(cluster: &Cluster, kind: &str, object: &str, token: &str) -> bool {
    if !post_until_taken(cluster, kind, object, token).await {
        return false;
    }
    cluster.sent.acknowledged.lock().unwrap().insert((kind.to_owned(), object.to_owned()));
    true
}

async fn post_until_taken(cluster: &Cluster, kind: &str, object: &str, token: &str) -> bool {
    let call = App::delivery(event(kind, object, token).to_string());
    let mut waits = WAITS.into_iter().chain(std::iter::repeat(LAST_WAIT));
    for _ in 0..200 {
        cluster.expectations.count("deliveries/sent");
        match cluster.ask("a delivery", &call).await.map(|answer| answer.status) {
            Some(204) => {
                cluster.expectations.count("deliveries/acknowledged");
                return true;
            }
            Some(503) => cluster.expectations.count("deliveries/sent away"),
            Some(502) | None => cluster.expectations.count("deliveries/cut off"),
            Some(other) => cluster.expectations.wrong(format!("a genuine delivery was answered {other}")),
        }
        tokio::time::sleep(waits.next().unwrap()).await;
    }
    cluster.expectations.wrong(format!("a delivery of {object} was never taken"));
    false
}

async fn wrong_secret(cluster: &Cluster, identity: &str) {
    let verified = cluster.sandbox.verify(identity).unwrap();
    cluster.sent.forged.lock().unwrap().insert((KIND.to_owned(), verified.verification_id.clone()));
    let body = event(KIND, &verified.verification_id, &verified.token).to_string();
    let call = post("/incode/webhook").header("content-type", "application/json").body(body);
    let secret = "process-secret-0123456789abcdeg";
    let answer = cluster.ask("a delivery", &call.header(WEBHOOK_HEADER, secret)).await;
    cluster.expectations.count("forged/wrong secret");
    if answer.is_some_and(|answer| !matches!(answer.status, 401 | 502)) {
        cluster.expectations.wrong("a delivery with a wrong secret was not refused".to_owned());
    }
}

/// A verification of one person with the token of another, one of whom may never have been ACTIVE.
async fn swapped(cluster: &Cluster, identity: &str, random: &mut Random) {
    let refused = cluster.people.iter().filter(|person| person.class == Class::Refused);
    let refused: Vec<_> = refused.filter_map(|person| person.identity(&cluster.sandbox)).collect();
    let others: Vec<_> = cluster.crowd.iter().filter(|other| *other != identity).cloned().collect();
    let other = if random.chance(50) && !refused.is_empty() { &refused } else { &others };
    let other = random.pick(other).clone();
    let (one, other) = if random.chance(50) { (identity, &*other) } else { (&*other, identity) };
    let outcome = if refused.iter().any(|refused| refused == one) { Outcome::Fail } else { Outcome::Pass };
    let verified = cluster.sandbox.verify_as(one, outcome).unwrap();
    cluster.sent.forged.lock().unwrap().insert((KIND.to_owned(), verified.verification_id.clone()));
    cluster.expectations.count("forged/token of another");
    post_until_taken(cluster, KIND, &verified.verification_id, &cluster.sandbox.issue_token(other)).await;
}

/// A token that was never issued. The genuine one may follow, and counts.
async fn junk(cluster: &Cluster, identity: &str, random: &mut Random) {
    let verified = cluster.sandbox.verify(identity).unwrap();
    let object = (KIND.to_owned(), verified.verification_id.clone());
    cluster.expectations.count("forged/token of nobody");
    let follows = random.chance(70);
    let set = if follows { &cluster.sent.shadowed } else { &cluster.sent.forged };
    set.lock().unwrap().insert(object);
    let token = format!("eyJhbGciOiJIUzI1NiJ9.junk.{}", random.below(1 << 30));
    post_until_taken(cluster, KIND, &verified.verification_id, &token).await;
    if follows {
        deliver(cluster, KIND, &verified.verification_id, &verified.token).await;
    }
}

/// What the vendor itself has sent, once it is through with it: sent again where it gave up, and entered.
pub(crate) async fn collect(cluster: &Cluster) {
    let mut numbers: Vec<u64> = cluster.sandbox.deliveries().iter().map(|delivery| delivery.number).collect();
    while let Some(number) = numbers.pop() {
        let delivery = tokio::time::timeout(Duration::from_secs(120), cluster.sandbox.settled(number)).await;
        let delivery = delivery.expect("the vendor is through with it").unwrap();
        cluster.expectations.add("deliveries/sent", delivery.attempts.len() as u64);
        for attempt in &delivery.attempts {
            match attempt.status {
                Some(204) => cluster.expectations.count("deliveries/acknowledged"),
                Some(503) => cluster.expectations.count("deliveries/sent away"),
                Some(502) | None => cluster.expectations.count("deliveries/cut off"),
                Some(other) => cluster.expectations.wrong(format!("a delivery of the vendor was answered {other}")),
            }
        }
        if delivery.state == DeliveryState::Accepted {
            let object = (delivery.event.clone(), delivery.object_id.clone());
            cluster.sent.acknowledged.lock().unwrap().insert(object);
        } else {
            numbers.push(cluster.sandbox.resend_with_fresh_token(number).unwrap());
        }
    }
}

/// What members verify by.
pub(crate) const KIND: &str = "verification.completed";
/// The vendor's own schedule, a hundred times as fast, and without its end.
const WAITS: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(750), Duration::from_millis(1_875)];
const LAST_WAIT: Duration = Duration::from_millis(4_700);
