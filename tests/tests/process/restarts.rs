use incode_sandbox::{Effect, Fault};
use incode_tests::eventually;
use incode_tests::process::{App, Example};
use incode_tests::{fixture, get};
use serde_json::json;

use crate::spec::Spec;

on_both_examples!(
    the_specs_own_event_becomes_an_identity_that_survives_a_restart,
    killed_right_after_the_acknowledgement,
    killed_while_the_vendor_was_being_asked,
);

async fn the_specs_own_event_becomes_an_identity_that_survives_a_restart(example: Example) {
    let spec = Spec::start().await;
    let app = App::start(example, &spec.settings()).await;
    let alice = app.log_in("alice").await;
    let me = async |app: &App| app.send(get("/me").header("cookie", &alice)).await;
    assert_eq!(me(&app).await.json()["standing"], "not_linked");
    spec.link(&app, &alice).await;

    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    eventually("the verification shows", async || me(&app).await.json()["identity"]["verificationId"].is_string())
        .await;
    let before = me(&app).await;
    let shown = before.json();
    assert_eq!((&shown["subject"], &shown["standing"]), (&json!("alice"), &json!("active")));
    assert_eq!(shown["identity"]["status"], "ACTIVE");
    assert_eq!(shown["identity"]["identityId"], fixture("userinfo-filled.json")["identityId"]);
    assert_eq!(shown["identity"]["verificationId"], fixture("event-verification.json")["id"]);
    assert!(!shown["identity"]["verifiedAt"].is_null());
    assert_eq!(shown["identity"]["attestation"], "MANUAL_OK");
    assert_eq!(app.send(get("/vault").header("cookie", &alice)).await.status, 200);

    assert_eq!(app.stop().await.code, Some(0));
    let app = App::start(example, &spec.settings()).await;
    assert_eq!(me(&app).await.body, before.body);
    assert_eq!(app.send(get("/vault").header("cookie", &alice)).await.status, 200);
    // Delivered once more, as vendors do: known, and nothing moves.
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    assert_eq!((app.count("done").await, app.count("pending").await), (1, 0));
    assert_eq!(me(&app).await.body, before.body);
}

async fn killed_right_after_the_acknowledgement(example: Example) {
    let spec = Spec::start().await;
    spec.sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    let app = App::start(example, &spec.settings()).await;
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    app.kill().await;
    spec.is_applied_after_a_restart(example).await;
}

/// The worker's lease dies with it: no other worker waits for its end.
async fn killed_while_the_vendor_was_being_asked(example: Example) {
    let spec = Spec::start().await;
    spec.sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    let app = App::start(example, &spec.settings()).await;
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    eventually("the vendor is asked", async || !spec.sandbox.calls().is_empty()).await;
    app.kill().await;
    spec.is_applied_after_a_restart(example).await;
}
