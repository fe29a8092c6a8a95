//! What members do: verify through the flow, confirm by face, are revoked at the vendor, and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use incode_sandbox::{FaceKind, Outcome};
use incode_tests::{get, post};
use url::Url;

use crate::courier::deliver;
use crate::random::Random;
use crate::town::{Class, Person, Town};
use crate::watch;

/// The life of one of them, until all is over.
pub(crate) async fn live(town: Arc<Town>, who: usize, mut random: Random) {
    let person = &town.people[who];
    let outcome = match person.class {
        Class::Member => "pass",
        Class::Refused => "fail",
        Class::Visitor => return,
    };
    while !flow(&town, person, outcome, &mut random).await {
        if town.is_over() {
            return;
        }
        town.pause(random.millis(50, 400)).await;
    }
    let identity = person.identity(&town.sandbox).unwrap();
    while !town.is_over() {
        town.pause(random.millis(20, 400)).await;
        if person.class == Class::Refused {
            flow(&town, person, outcome, &mut random).await;
            town.pause(random.millis(200, 2_000)).await;
            continue;
        }
        match random.below(10) {
            0 => {
                flow(&town, person, outcome, &mut random).await;
            }
            1..=3 => {
                face(&town, person, &identity, &mut random).await;
            }
            4 => {
                let verified = town.sandbox.verify(&identity).unwrap();
                deliver(&town, "verification.completed", &verified.verification_id, &verified.token).await;
            }
            _ => revoked(&town, person, &identity, &mut random).await,
        }
    }
}

/// Revoked at the vendor, which announces nothing: learned by an event or by a face. Then ACTIVE once more.
async fn revoked(town: &Town, person: &Person, identity: &str, random: &mut Random) {
    if learned(town, person, identity, "ACTIVE", random).await.is_none() {
        return;
    }
    town.sandbox.revoke(identity).unwrap();
    let settled = async {
        let settled = learned(town, person, identity, "REVOKED", random).await?;
        town.book.count("revocations");
        Some(settled)
    };
    watch::closing(town, person, settled).await;
    // From here on any replica may learn of it.
    person.close(None);
    town.sandbox.activate(identity).unwrap();
    learned(town, person, identity, "ACTIVE", random).await;
}

/// Sends events of the person until the store has this status; returns when that was seen, and `None` when all is over
/// before. An event may be in the hands of a replica that died, and is its until the lease ends.
async fn learned(town: &Town, person: &Person, identity: &str, status: &str, random: &mut Random) -> Option<Instant> {
    while !town.is_over() {
        if !random.chance(50) || !face(town, person, identity, random).await {
            let outcome = if random.chance(50) { Outcome::Pass } else { Outcome::Fail };
            let verified = town.sandbox.verify_as(identity, outcome).unwrap();
            deliver(town, "verification.completed", &verified.verification_id, &verified.token).await;
        }
        if let Some(settled) = town.settles(identity, status, random.millis(2_000, 6_000)).await {
            return Some(settled);
        }
    }
    None
}

/// Whether the face was confirmed.
async fn face(town: &Town, person: &Person, identity: &str, random: &mut Random) -> bool {
    let faces = town.sandbox.faces();
    let stranger = random.chance(20);
    let fits = |face: &&incode_sandbox::Face| match stranger {
        true => face.kind == FaceKind::Stranger,
        false => face.identity_id.as_deref() == Some(identity),
    };
    let Some(face) = faces.iter().find(fits) else { return false };
    let body = serde_json::json!({ "base64Image": face.base64_image }).to_string();
    let call = person.post("/face").header("content-type", "application/json").body(body);
    let Some(answer) = town.ask("a face", &call).await else { return false };
    town.book.count(&format!("faces/{}", answer.status));
    if answer.status == 200 && stranger {
        town.book.wrong("a stranger's face was confirmed".to_owned());
    }
    if answer.status == 200 && random.chance(30) {
        let transfer = town.ask("a transfer", &person.post("/transfer")).await;
        let status = transfer.map_or(0, |answer| answer.status);
        town.book.count(&format!("transfers/{status}"));
    }
    answer.status == 200
}

/// Through start, the vendor's page and the callback; whether the person was linked in the end.
pub(crate) async fn flow(town: &Town, person: &Person, outcome: &str, random: &mut Random) -> bool {
    let Some(start) = town.ask("start", &person.get("/incode/start?return_to=/vault")).await else { return false };
    let Some(page) = start.header("location") else { return false };
    let page = Url::parse(page).unwrap();
    let form = url::form_urlencoded::Serializer::new(page.query().unwrap().to_owned())
        .extend_pairs([("name", format!("Ana {}", crate::town::CANARY)), ("email", person.email())])
        .extend_pairs([("phone", "+521234567890"), ("date_of_birth", "1988-08-13"), ("outcome", outcome)])
        .finish();
    let form = post("/").header("content-type", "application/x-www-form-urlencoded").body(form);
    let passed = form.send(town.sandbox.address()).await;
    let back = Url::parse(passed.header("location").unwrap()).unwrap();
    let target = format!("{}?{}", back.path(), back.query().unwrap());
    town.book.count("flows/begun");
    let redeemed = redeem(town, person, &target, random).await;
    if redeemed {
        town.book.count("flows/linked");
        used_again(town, person, &target).await;
    }
    redeemed
}

/// The callback, reloaded while it says so. Now and then at two replicas at once: both may lead the person back, who is one
/// and the same.
async fn redeem(town: &Town, person: &Person, target: &str, random: &mut Random) -> bool {
    // It may have been spent by an answer that never arrived, from the store to the replica or from there to here.
    let mut lost = false;
    for _ in 0..60 {
        let call = person.get(target);
        let mut answers = Vec::new();
        let up = town.addresses();
        if random.chance(30) && up.len() > 1 {
            let first = random.below(up.len());
            let (one, other) = (up[first], up[(first + 1) % up.len()]);
            let both = tokio::join!(town.ask_at(one, "callback", &call), town.ask_at(other, "callback", &call));
            answers.extend([both.0, both.1]);
            town.book.count("flows/raced");
        } else {
            answers.push(town.ask("callback", &call).await);
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
                    town.book.wrong(format!("a flow of {} was used before it was used", person.user));
                }
                return true;
            }
            _ => return true,
        }
        if town.is_over() || answers.iter().flatten().any(|answer| answer.status == 403 || answer.status == 400) {
            return false;
        }
        town.pause(random.millis(100, 400)).await;
    }
    false
}

/// At each replica: a reload leads back the person whom the flow linked, and makes no other link.
async fn used_again(town: &Town, person: &Person, target: &str) {
    for address in town.addresses() {
        let Some(answer) = town.ask_at(address, "callback", &person.get(target)).await else { continue };
        match (answer.status, &*answer.code()) {
            (303, _) => town.book.count("flows/led back"),
            // Linked by an earlier flow.
            (409, "flow_used") => town.book.count("flows/refused as used"),
            // Before that is known the vendor is asked, and it stumbles; or the person has asked too often.
            (503 | 429, _) | (403, "flow_token_dead") => {}
            // The check of the flow became known, and did not pass.
            (403, "verification_not_passed") => town.book.count("flows/not passed"),
            _ => town.book.wrong(format!("a used correlation id of {} was answered {answer:?}", person.user)),
        }
    }
    let Some(other) = town.people.iter().find(|other| other.user != person.user) else { return };
    let answer = town.ask("callback", &other.get(target)).await;
    if answer.is_some_and(|answer| answer.status == 303) {
        town.book.wrong(format!("the flow of {} led {} back", person.user, other.user));
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
