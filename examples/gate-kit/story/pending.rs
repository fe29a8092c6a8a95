//! Between the callback and the event of its check.

use serde_json::json;

use super::app::{App, Browser, JSON, exchange};

/// The callback shows who was in front of the vendor's page, the event that the check passed. Until then the gate is shut, and
/// a page looks again by itself.
pub(crate) fn pending(program: &str) {
    let (_vendor, app) = apart(program);
    let alice = Browser { session: app.log_in("alice"), html: false };
    let callback = app.hosted(&alice);
    assert_eq!(app.get(&alice, &callback).location(), "/vault");
    assert_eq!(app.get(&alice, "/me").json()["standing"], "verification_pending");
    let shut = app.get(&alice, "/vault");
    shut.is_problem(403, "verification_pending");
    assert!(shut.headers["retry-after"].parse::<u32>().unwrap() > 0);
    let browser = Browser { session: alice.session.clone(), html: true };
    for path in ["/", "/vault"] {
        let page = app.get(&browser, path).body;
        assert!(page.contains("http-equiv=\"refresh\"") && page.contains("being confirmed"), "{page}");
    }
    deliver_of(&app, &alice, &callback);
    app.me_when(&alice, |me| me["standing"] == "active");
    assert_eq!(app.get(&alice, "/vault").status, 200);
    assert!(!app.get(&browser, "/").body.contains("http-equiv=\"refresh\""));
    assert_eq!(app.get(&alice, &callback).location(), "/vault", "a reload leads to the same place");
}

pub(crate) fn a_failed_check(program: &str) {
    let (_vendor, app) = apart(program);
    let alice = Browser { session: app.log_in("alice"), html: false };
    let callback = app.hosted_with(&alice, "fail");
    deliver_of(&app, &alice, &callback);
    // Whichever of event and callback the worker sees first: the account stays without an identity.
    let answer = app.get(&alice, &callback);
    assert!(answer.status == 403 || answer.status == 303, "{}", answer.body);
    app.me_when(&alice, |me| me["standing"] == "not_linked");
    app.get(&alice, "/vault").is_problem(403, "verification_required");
    let callback = app.hosted(&alice);
    deliver_of(&app, &alice, &callback);
    assert_eq!(app.get(&alice, &callback).location(), "/vault");
    app.me_when(&alice, |me| me["standing"] == "active");
}

/// A vendor that delivers nothing by itself, and an app that names it.
fn apart(program: &str) -> (App, App) {
    let vendor = App::start(program, &[]);
    let app = App::at(&vendor, program, &[("INCODE_WEBHOOK_AUTH", "header"), ("INCODE_WEBHOOK_SECRETS", SECRET)]);
    (vendor, app)
}

/// A person goes through the hosted flow, and the vendor's event arrives with the flow's correlation id, as sibling products
/// send it. Gives the callback that the browser was not sent to yet.
pub(crate) fn deliver_of_flow(app: &App, browser: &Browser) -> String {
    let callback = app.hosted(browser);
    deliver_of(app, browser, &callback);
    callback
}

/// The event of the newest check at the vendor, with the token and the correlation id of this callback.
fn deliver_of(app: &App, browser: &Browser, callback: &str) {
    let query = |name: &str| {
        let pairs = callback.split_once('?').unwrap().1.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).unwrap().1.to_owned()
    };
    let deliveries = exchange(&app.vendor, "GET", "/control/api/deliveries", "", &[]).json();
    let newest = deliveries.as_array().unwrap().iter().max_by_key(|delivery| delivery["number"].as_u64()).unwrap();
    let event = json!({
        "event": "verification.completed",
        "object": "verification",
        "id": newest["objectId"],
        "token": query("token"),
        "correlation_id": query("correlation_id"),
    });
    let headers = [("content-type", JSON), ("x-incode-secret", SECRET)];
    assert_eq!(app.ask("POST", browser, "/incode/webhook", &event.to_string(), &headers).status, 204, "{event}");
}

/// Of the webhook's header.
pub(crate) const SECRET: &str = "a webhook secret for this test";
