//! The bank over real sockets: what is confirmed is made, once, by the right person, in time, and nothing else is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod below_a_path;
mod site;

use std::time::Duration;

use futures_util::future::join_all;
use incode_core::Subject;
use incode_sandbox::{Fault, Route};
use incode_tests::{eventually, get, post};
use site::{FORM, Site};

#[tokio::test]
async fn a_transfer_is_shown_again_and_made_by_the_face_of_its_owner() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.new_form().await;
    let sent = alice.send(&form, "1250.50", "Bob & Sons").await;
    assert_eq!((sent.status, sent.header("location").unwrap()), (303, form.confirm().as_str()));
    assert_eq!(alice.made().await, 0);

    let page = alice.get(&form.confirm()).await;
    assert!(page.status == 200 && page.text().contains("1,250.50") && page.text().contains("Bob &amp; Sons"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"), "no script at all");
    let masked = alice.refused(&form, &site.sample("Mask")).await;
    assert!(masked.contains("A mask covers the face.") && masked.contains("1,250.50"), "still what it was");
    assert_eq!(alice.made().await, 0);

    let done = alice.confirm(&form, &alice.face()).await;
    assert_eq!((done.status, done.header("location").unwrap()), (303, form.receipt().as_str()));
    let receipt = alice.get(&form.receipt()).await.text();
    assert!(receipt.contains("Transfer made") && receipt.contains("1,250.50") && receipt.contains("Bob &amp; Sons"));
    assert_eq!(alice.made().await, 1);
    assert!(!alice.get("/").await.text().contains("Waiting for your face"), "it waits no longer");
}

#[tokio::test]
async fn each_transfer_asks_for_a_face_of_its_own() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    alice.transfer_and_confirm().await;
    let form = alice.new_form().await;
    let both = join_all([alice.send(&form, "5", "Bob"), alice.send(&form, "5", "Bob")]).await;
    for sent in both {
        assert_eq!((sent.status, sent.header("location").unwrap()), (303, form.confirm().as_str()));
    }
    assert_eq!(alice.made().await, 1, "the face of a moment ago confirmed another transfer");
    alice.confirm(&form, &alice.face()).await;
    assert_eq!(alice.made().await, 2, "sent twice it is one");
}

#[tokio::test]
async fn a_second_session_of_the_account_gains_nothing() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    alice.transfer_and_confirm().await;
    let second = site.log_in("alice").await;
    let form = second.new_form().await;
    assert_eq!(second.send(&form, "1000000", "Eve").await.header("location").unwrap(), form.confirm());
    assert!(second.refused(&form, &site.sample("Stranger")).await.contains("not the face that was verified"));
    assert_eq!((alice.made().await, second.made().await), (1, 1), "one list of one account");
}

#[tokio::test]
async fn an_account_is_opened_once_its_owner_is_verified_and_a_revocation_drops_what_waits() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    eventually("the account is open", async || alice.get("/").await.text().contains("Your account is open since"))
        .await;
    alice.waiting("5", "Bob").await;
    let form = alice.waiting("6", "Bob").await;
    site.sandbox.revoke(&alice.identity()).unwrap();
    assert!(alice.confirm(&form, &alice.face()).await.text().contains("403 · identity_revoked"));
    eventually("what waits is dropped", async || !alice.get("/").await.text().contains("Waiting for your face")).await;
}

#[tokio::test]
async fn a_confirmation_sent_five_times_at_once_makes_one_transfer() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    let face = alice.face();
    for done in join_all((0..5).map(|_| alice.confirm(&form, &face))).await {
        assert_eq!((done.status, done.header("location").unwrap()), (303, form.receipt().as_str()));
    }
    assert_eq!(alice.made().await, 1);
}

#[tokio::test]
async fn replays_and_the_back_button_lead_to_the_receipt() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.transfer_and_confirm().await;
    for again in [
        alice.confirm(&form, &alice.face()).await,
        alice.get(&form.confirm()).await,
        alice.send(&form, "5", "Bob").await,
    ] {
        assert_eq!((again.status, again.header("location").unwrap()), (303, form.receipt().as_str()));
    }
    assert!(alice.send(&form, "6", "Bob").await.text().contains("409 · transfer_differs"));
    assert!(alice.send(&form, "5", "Eve").await.text().contains("409 · transfer_differs"));
    assert_eq!(alice.made().await, 1);
}

#[tokio::test]
async fn what_a_page_shows_stands_although_the_form_is_sent_again_with_other_details() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    let other = alice.send(&form, "500", "Eve").await;
    assert!(other.text().contains("409 · transfer_differs"));
    assert_eq!(alice.send(&form, "5", "Bob").await.header("location").unwrap(), form.confirm(), "the same again");
    alice.confirm(&form, &alice.face()).await;
    let receipt = alice.get(&form.receipt()).await.text();
    assert!(receipt.contains("5.00") && receipt.contains("Bob"));
    assert_eq!(alice.made().await, 1);
}

#[tokio::test]
async fn no_other_subject_and_no_other_session_meets_what_waits() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let bob = site.verified("bob").await;
    let form = alice.waiting("5", "Eve").await;
    let elsewhere = site.log_in("alice").await;
    for other in [&bob, &elsewhere] {
        let theirs = form.with(&other.new_form().await);
        for answer in [
            other.get(&form.confirm()).await,
            other.confirm(&theirs, &other.face()).await,
            other.get(&form.receipt()).await,
        ] {
            assert!(answer.status == 404 && answer.text().contains("transfer_unknown"));
        }
        other.cancel(&theirs).await;
    }
    assert_eq!((alice.made().await, bob.made().await), (0, 0));
    assert_eq!(alice.confirm(&form, &alice.face()).await.header("location").unwrap(), form.receipt(), "it still waits");
    let bobs_own = form.with(&bob.new_form().await);
    assert_eq!(bob.send(&bobs_own, "7", "Eve").await.header("location").unwrap(), form.confirm(), "his own, not hers");
    assert!(bob.get(&form.confirm()).await.text().contains("7.00"));
    assert!(bob.get(&form.receipt()).await.status == 404);
}

#[tokio::test]
async fn the_next_person_at_a_browser_does_not_meet_what_waits() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Eve").await;
    let login = post("/login").header("content-type", FORM).header("cookie", &alice.cookie).body("user=bob");
    assert_eq!(login.send(site.address).await.status, 303);
    assert_eq!(alice.get(&form.confirm()).await.code(), "authentication_required", "that session is over");
    let alice = site.log_in("alice").await;
    assert!(!alice.get("/").await.text().contains("Waiting for your face"));
    let form = alice.waiting("5", "Eve").await;
    alice.post("/logout", &format!("form={}", form.secret)).await;
    assert_eq!(alice.get(&form.confirm()).await.code(), "authentication_required");
}

#[tokio::test]
async fn what_waited_too_long_is_not_made() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    site.clock.advance(Duration::from_secs(10 * 60 - 1));
    assert_eq!(alice.get(&form.confirm()).await.status, 200);
    site.clock.advance(Duration::from_secs(1));
    assert!(alice.get(&form.confirm()).await.text().contains("410 · transfer_expired"));
    assert!(alice.confirm(&form, &alice.face()).await.text().contains("410 · transfer_expired"));
    assert!(site.sandbox.calls().iter().all(|call| !call.path.ends_with("/authenticate")), "no face was asked for");
    assert_eq!(alice.made().await, 0);
}

#[tokio::test]
async fn what_waited_too_long_while_the_vendor_looked_is_not_made() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    let late = async { site.clock.advance(Duration::from_secs(10 * 60)) };
    let answer = alice.confirm_while(&form, late).await;
    assert!(answer.text().contains("410 · transfer_expired"), "{answer:?}");
    assert_eq!(alice.made().await, 0);
}

#[tokio::test]
async fn what_takes_the_place_of_a_transfer_while_the_vendor_looks_is_not_made() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("1", "Bob").await;
    let replaced = async {
        alice.cancel(&form).await;
        assert_eq!(alice.send(&form, "1000000", "Eve").await.header("location").unwrap(), form.confirm());
    };
    let answer = alice.confirm_while(&form, replaced).await;
    assert!(answer.text().contains("409 · transfer_differs"), "{answer:?}");
    assert_eq!(alice.made().await, 0);
    alice.confirm(&form, &alice.face()).await;
    assert!(alice.get(&form.receipt()).await.text().contains("1,000,000.00"), "made by a face of its own");
}

#[tokio::test]
async fn another_persons_face_confirms_nothing() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let bob = site.verified("bob").await;
    let form = alice.waiting("5", "Bob").await;
    assert!(alice.refused(&form, &bob.face()).await.contains("belongs to another person"));
    assert!(alice.refused(&form, &site.sample("Stranger")).await.contains("not the face that was verified"));
    assert_eq!(alice.made().await, 0);
    let next = alice.new_form().await;
    assert_eq!(alice.send(&next, "6", "Bob").await.header("location").unwrap(), next.confirm(), "nor is the next");
}

#[tokio::test]
async fn after_five_faces_the_transfer_is_dropped() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    let stranger = site.sample("Stranger");
    for _ in 0..5 {
        alice.refused(&form, &stranger).await;
    }
    assert!(alice.confirm(&form, &alice.face()).await.text().contains("403 · transfer_dropped"));
    assert!(alice.confirm(&form, &alice.face()).await.text().contains("404 · transfer_unknown"));
    assert_eq!((site.asked_for_faces(), alice.made().await), (5, 0));
}

#[tokio::test]
async fn who_was_revoked_makes_nothing_with_the_right_face() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    let face = alice.face();
    site.sandbox.revoke(&alice.identity()).unwrap();
    let answer = alice.confirm(&form, &face).await;
    assert!(answer.text().contains("403 · identity_revoked"), "{answer:?}");
    assert_eq!(alice.made().await, 0);
    assert_eq!(alice.get(&form.confirm()).await.code(), "identity_revoked", "and the gate is shut");
    let next = alice.new_form_of_the_page_before(&form);
    assert_eq!(alice.send(&next, "5", "Bob").await.code(), "identity_revoked");
}

#[tokio::test]
async fn what_becomes_known_while_the_vendor_looks_counts() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    let unlinked = async {
        assert!(site.incode.unlink(&Subject::new("alice").unwrap(), &incode_core::Actor::unknown()).await.unwrap());
    };
    let answer = alice.confirm_while(&form, unlinked).await;
    assert!(answer.text().contains("403 · verification_required"), "{answer:?}");
    assert_eq!(alice.made().await, 0);
}

#[tokio::test]
async fn a_vendor_that_is_down_makes_nothing_and_the_transfer_waits_on() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    site.sandbox.add_fault(Fault::status(503).on(Route::Authenticate));
    let answer = alice.confirm(&form, &alice.face()).await;
    assert!(answer.text().contains("503 · vendor_unavailable"), "{answer:?}");
    assert_eq!(alice.made().await, 0);
    alice.confirm(&form, &alice.face()).await;
    assert_eq!(alice.made().await, 1);
}

#[tokio::test]
async fn forms_of_other_sites_do_nothing() {
    let site = Site::build().await;
    let alice = site.verified("alice").await;
    let form = alice.waiting("5", "Bob").await;
    for secret in ["", "00000000000000000000000000000000"] {
        let forged = site::Form { secret: secret.to_owned(), ..form.clone() };
        assert!(alice.confirm(&forged, &alice.face()).await.text().contains("403 · form_refused"));
        assert!(alice.send(&forged, "5", "Eve").await.text().contains("403 · form_refused"));
        assert!(alice.cancel(&forged).await.text().contains("403 · form_refused"));
        assert_eq!(alice.post("/logout", &format!("form={secret}")).await.status, 403);
    }
    assert_eq!((site.asked_for_faces(), alice.made().await), (0, 0));
    let login = post("/login").header("content-type", FORM).header("sec-fetch-site", "cross-site").body("user=mallory");
    let refused = login.send(site.address).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (403, None));
    alice.cancel(&form).await;
    assert!(alice.get(&form.confirm()).await.text().contains("404 · transfer_unknown"));
}

#[tokio::test]
async fn only_verified_people_get_as_far_as_a_form() {
    let site = Site::build().await;
    let denied = get("/confirm/0123456789abcdef0123456789abcdef").send(site.address).await;
    assert_eq!((denied.status, denied.code().as_str()), (401, "authentication_required"));
    let alice = site.log_in("alice").await;
    assert!(alice.get("/").await.text().contains("Verify your identity first"));
    let denied = alice.post("/transfer", "form=x&id=x&amount=5&recipient=Bob").await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "verification_required"));
    let cookie = format!("{}; {}", alice.cookie, alice.cookie);
    let twice = get("/").header("cookie", cookie).send(site.address).await;
    assert!(twice.text().contains("Log in"), "two cookies are no login");
}
