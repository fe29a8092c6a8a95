//! Gated requests, all along, at each replica: no user gets in who may not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use incode_tests::{Call, get};

use crate::cluster::{Class, Cluster, Person};
use crate::net::Line;
use crate::random::Random;

/// Asks this replica for the vault as one and the other, until all is over.
pub(crate) async fn poll(cluster: Arc<Cluster>, which: usize, mut random: Random) {
    let mut line = Line::default();
    while !cluster.is_over() {
        tokio::time::sleep(random.millis(2, 12)).await;
        let Some(address) = cluster.fleet.slots[which].address() else {
            cluster.expectations.count("gated/replica down");
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if random.chance(5) {
            let answer = line.ask(address, &get("/vault")).await;
            if answer.is_some_and(|answer| answer.status == 200) {
                cluster.expectations.wrong(format!("replica {which} is open without a login"));
            }
            continue;
        }
        visit(&cluster, which, &mut line, address, random.pick(&cluster.people)).await;
    }
}

/// One gated request; whether it was let through, when it was not cut off.
async fn visit(cluster: &Cluster, which: usize, line: &mut Line, address: SocketAddr, person: &Person) -> Option<bool> {
    let closed_since = person.closed_since();
    let sent = Instant::now();
    let answer = line.ask(address, &vault(person)).await;
    let Some(answer) = answer else {
        cluster.expectations.count("gated/cut off");
        return None;
    };
    cluster.expectations.answered("the vault", &answer);
    let open = answer.status == 200;
    let code = answer.code();
    cluster.expectations.count(&format!("gated/{}{}{code}", answer.status, if code.is_empty() { "" } else { " " }));
    if !open {
        return Some(false);
    }
    person.let_in();
    let user = &person.user;
    if person.class != Class::Member {
        cluster.expectations.wrong(format!("replica {which} let {user} in, who was never ACTIVE"));
    }
    if answer.json()["subject"] != **user {
        cluster.expectations.wrong(format!("replica {which} took {user} for another user"));
    }
    // Not when it was opened again meanwhile.
    if let Some(since) = closed_since.filter(|since| person.closed_since() == Some(*since)) {
        let late = sent.saturating_duration_since(since);
        let bound = bound(cluster, which, since);
        if late > bound {
            cluster
                .expectations
                .wrong(format!("replica {which} let {user} in {late:?} after the revocation, more than {bound:?}"));
        }
    }
    Some(true)
}

/// Asks each replica all the while until it is shut, and on until a second has passed since the settlement, whose moment
/// `learned` gives. Enters how long each was open after it.
pub(crate) async fn closing(cluster: &Cluster, person: &Person, learned: impl Future<Output = Option<Instant>>) {
    let given_up = AtomicBool::new(false);
    let settlement = async {
        match learned.await {
            Some(settled) => person.close(Some(settled)),
            None => given_up.store(true, Ordering::SeqCst),
        }
    };
    let replicas = (0..cluster.fleet.slots.len()).map(|which| until_shut(cluster, which, person, &given_up));
    tokio::join!(settlement, futures_util::future::join_all(replicas));
}

async fn until_shut(cluster: &Cluster, which: usize, person: &Person, given_up: &AtomicBool) {
    let (mut line, mut last_open, mut is_shut) = (Line::default(), None, false);
    let settled = loop {
        match person.closed_since() {
            Some(settled) if settled.elapsed() > LONGEST || is_shut && settled.elapsed() > FEED_BOUND => break settled,
            None if given_up.load(Ordering::SeqCst) => return,
            _ => {}
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let Some(address) = cluster.fleet.slots[which].address() else { continue };
        match visit(cluster, which, &mut line, address, person).await {
            Some(true) => (last_open, is_shut) = (Some(Instant::now()), false),
            Some(false) => is_shut = true,
            None => {}
        }
    };
    if let Some(last) = last_open {
        let slot = &cluster.fleet.slots[which];
        cluster.expectations.closed(last.saturating_duration_since(settled), slot.was_disturbed(settled));
    }
}

/// How long a replica may stay open after a revocation: while notices arrive, and while they may not. How fast notices
/// arrive depends on the machine, so the short form, which runs beside other tests, holds the lifetime alone.
fn bound(cluster: &Cluster, which: usize, since: Instant) -> Duration {
    if cluster.is_short || cluster.fleet.slots[which].was_disturbed(since) { LIFETIME } else { FEED_BOUND }
}

fn vault(person: &Person) -> Call {
    person.get("/vault")
}

/// What is published: within a second by the feed, and by the near cache's lifetime whatever becomes of it.
const FEED_BOUND: Duration = Duration::from_secs(1);
const LIFETIME: Duration = Duration::from_secs(10);
/// When a replica that does not answer is no longer waited for; one that is open is wrong long before.
const LONGEST: Duration = Duration::from_secs(15);
const BETWEEN_LOOKS: Duration = Duration::from_millis(8);
