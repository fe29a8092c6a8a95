//! What members do: verify through the flow, confirm by face, are revoked at the vendor, and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use incode_sandbox::{FaceKind, Outcome};
use incode_tests::{get, post};
use url::Url;

use crate::cluster::{Class, Cluster, Person};
use crate::random::Random;
use crate::sender::deliver;
use crate::watch;

/// The life of one of them, until all is over.
pub(crate) async fn live(cluster: Arc<Cluster>, who: usize, mut random: Random) {
    let person = &cluster.people[who];
    let outcome = match person.class {
        Class::Member => "pass",
        Class::Refused => "fail",
        Class::Visitor => return,
    };
    while !flow(&cluster, person, outcome, &mut random).await {
        if cluster.is_over() {
            return;
        }
        cluster.pause(random.millis(50, 400)).await;
    }
    let identity = person.identity(&cluster.sandbox).unwrap();
    while !cluster.is_over() {
        cluster.pause(random.millis(20, 400)).await;
        if person.class == Class::Refused {
            flow(&cluster, person, outcome, &mut random).await;
            cluster.pause(random.millis(200, 2_000)).await;
            continue;
        }
        match random.below(10) {
            0 => {
                flow(&cluster, person, outcome, &mut random).await;
            }
            1..=3 => {
                face(&cluster, person, &identity, &mut random).await;
            }
            4 => {
                let verified = cluster.sandbox.verify(&identity).unwrap();
                deliver(&cluster, "verification.completed", &verified.verification_id, &verified.token).await;
            }
            _ => revoked(&cluster, person, &identity, &mut random).await,
        }
    }
}

/// Revoked at the vendor, which announces nothing: learned by an event or by a face. Then ACTIVE once more.
async fn revoked(cluster: &Cluster, person: &Person, identity: &str, random: &mut Random) {
    if learned(cluster, person, identity, "ACTIVE", random).await.is_none() {
        return;
    }
    cluster.sandbox.revoke(identity).unwrap();
    let settled = async {
        let settled = learned(cluster, person, identity, "REVOKED", random).await?;
        cluster.expectations.count("revocations");
        Some(settled)
    };
    watch::closing(cluster, person, settled).await;
    // From here on any replica may learn of it.
    person.close(None);
    cluster.sandbox.activate(identity).unwrap();
    learned(cluster, person, identity, "ACTIVE", random).await;
}

/// Sends events of the person until the store has this status; returns when that was seen, and `None` when all is over
/// before. An event may be in the hands of a replica that died, and is its until the lease ends.
async fn learned(
    cluster: &Cluster,
    person: &Person,
    identity: &str,
    status: &str,
    random: &mut Random,
) -> Option<Instant> {
    while !cluster.is_over() {
        if !random.chance(50) || !face(cluster, person, identity, random).await {
            let outcome = if random.chance(50) { Outcome::Pass } else { Outcome::Fail };
            let verified = cluster.sandbox.verify_as(identity, outcome).unwrap();
            deliver(cluster, "verification.completed", &verified.verification_id, &verified.token).await;
        }
        if let Some(settled) = cluster.settles(identity, status, random.millis(2_000, 6_000)).await {
            return Some(settled);
        }
    }
    None
}

/// Whether the face was confirmed.
async fn face(cluster: &Cluster, person: &Person, identity: &str, random: &mut Random) -> bool {
    let faces = cluster.sandbox.faces();
    let stranger = random.chance(20);
    let fits = |face: &&incode_sandbox::Face| match stranger {
        true => face.kind == FaceKind::Stranger,
        false => face.identity_id.as_deref() == Some(identity),
    };
    let Some(face) = faces.iter().find(fits) else { return false };
    let body = serde_json::json!({ "base64Image": face.base64_image }).to_string();
    let call = person.post("/face").header("content-type", "application/json").body(body);
    let Some(answer) = cluster.ask("a face", &call).await else { return false };
    cluster.expectations.count(&format!("faces/{}", answer.status));
    if answer.status == 200 && stranger {
        cluster.expectations.wrong("a stranger's face was confirmed".to_owned());
    }
    if answer.status == 200 && random.chance(30) {
        let transfer = cluster.ask("a transfer", &person.post("/transfer")).await;
        let status = transfer.map_or(0, |answer| answer.status);
        cluster.expectations.count(&format!("transfers/{status}"));
    }
    answer.status == 200
}

/// Through start, the vendor's page and the callback; whether the person was linked in the end.
pub(crate) async fn flow(cluster: &Cluster, person: &Person, outcome: &str, random: &mut Random) -> bool {
    let Some(start) = cluster.ask("start", &person.get("/incode/start?return_to=/vault")).await else { return false };
    let Some(page) = start.header("location") else { return false };
    let page = Url::parse(page).unwrap();
    let form = url::form_urlencoded::Serializer::new(page.query().unwrap().to_owned())
        .extend_pairs([("name", format!("Ana {}", crate::cluster::CANARY)), ("email", person.email())])
        .extend_pairs([("phone", "+521234567890"), ("date_of_birth", "1988-08-13"), ("outcome", outcome)])
        .finish();
    let form = post("/").header("content-type", "application/x-www-form-urlencoded").body(form);
    let passed = form.send(cluster.sandbox.address()).await;
    let back = Url::parse(passed.header("location").unwrap()).unwrap();
    let target = format!("{}?{}", back.path(), back.query().unwrap());
    cluster.expectations.count("flows/begun");
    let redeemed = redeem(cluster, person, &target, random).await;
    if redeemed {
        cluster.expectations.count("flows/linked");
        used_again(cluster, person, &target).await;
    }
    redeemed
}

/// The callback, reloaded while it says so. Now and then at two replicas at once: both may lead the person back, who is one
/// and the same.
async fn redeem(cluster: &Cluster, person: &Person, target: &str, random: &mut Random) -> bool {
    // It may have been spent by an answer that never arrived, from the store to the replica or from there to here.
    let mut lost = false;
    for _ in 0..60 {
        let call = person.get(target);
        let mut answers = Vec::new();
        let up = cluster.addresses();
        if random.chance(30) && up.len() > 1 {
            let first = random.below(up.len());
            let (one, other) = (up[first], up[(first + 1) % up.len()]);
            let both = tokio::join!(cluster.ask_at(one, "callback", &call), cluster.ask_at(other, "callback", &call));
            answers.extend([both.0, both.1]);
            cluster.expectations.count("flows/raced");
        } else {
            answers.push(cluster.ask("callback", &call).await);
        }
        let taken = answers.iter().flatten().filter(|answer| answer.status == 303).count();
        let spent = answers.iter().flatten().any(|answer| answer.code() == "flow_used");
        // Of two at once the first ends a flow whose check did not pass, and the other finds it used.
        lost |= answers.iter().flatten().any(|answer| answer.code() == "verification_not_passed");
        lost |= answers.iter().any(|answer| answer.as_ref().is_none_or(|answer| answer.status >= 500));
        match (taken, spent) {
            (0, false) => {}
            (0, true) => {
                if !lost {
                    cluster.expectations.wrong(format!("a flow of {} was used before it was used", person.user));
                }
                return true;
            }
            _ => return true,
        }
        if cluster.is_over() || answers.iter().flatten().any(|answer| answer.status == 403 || answer.status == 400) {
            return false;
        }
        cluster.pause(random.millis(100, 400)).await;
    }
    false
}

/// At each replica: a reload leads back the person whom the flow linked, and makes no other link.
async fn used_again(cluster: &Cluster, person: &Person, target: &str) {
    for address in cluster.addresses() {
        let Some(answer) = cluster.ask_at(address, "callback", &person.get(target)).await else { continue };
        match (answer.status, &*answer.code()) {
            (303, _) => cluster.expectations.count("flows/led back"),
            // Linked by an earlier flow.
            (409, "flow_used") => cluster.expectations.count("flows/refused as used"),
            // Before that is known the vendor is asked, and it stumbles; or the person has asked too often.
            (503 | 429, _) | (403, "flow_token_dead") => {}
            // The check of the flow became known, and did not pass.
            (403, "verification_not_passed") => cluster.expectations.count("flows/not passed"),
            _ => {
                cluster.expectations.wrong(format!("a used correlation id of {} was answered {answer:?}", person.user));
            }
        }
    }
    let Some(other) = cluster.people.iter().find(|other| other.user != person.user) else { return };
    let answer = cluster.ask("callback", &other.get(target)).await;
    if answer.is_some_and(|answer| answer.status == 303) {
        cluster.expectations.wrong(format!("the flow of {} led {} back", person.user, other.user));
    }
}

/// Logs in at any replica.
pub(crate) async fn log_in(balancer: SocketAddr, user: &str) -> String {
    let form = post("/login").header("content-type", "application/x-www-form-urlencoded");
    let answer = crate::net::ask(balancer, &form.body(format!("user={user}"))).await.unwrap();
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// Waits until a page opens, or not, at this replica.
pub(crate) async fn shows(address: SocketAddr, person: &Person, status: u16) -> bool {
    for _ in 0..600 {
        let call = get("/vault").header("cookie", &person.cookie);
        if crate::net::ask(address, &call).await.is_some_and(|answer| answer.status == status) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}
