//! What is open, and to which requests: the sandbox, links by webhook, sessions, ports.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::app::{App, Browser, FORM, clean, eventually, exchange, is_one_line};
use super::pending::{SECRET, deliver_of_flow};

/// The sandbox verifies every person, so any sign of a real deployment keeps it from starting.
pub(crate) fn sandbox_refused(program: &str) {
    for (name, value, named) in [
        ("INCODE_HOST", "", "INCODE_HOST"),
        ("INCODE_API_KEY", "", "INCODE_API_KEY"),
        ("INCODE_API_KEY", "wrong-value", "INCODE_HOST"),
        ("INCODE_CLIENT_ID", "wrong-value", "INCODE_HOST"),
        ("INCODE_WEB_URL", "wrong-value", "INCODE_HOST"),
        ("INCODE_WEBHOOK_AUTH", "wrong-value", "INCODE_HOST"),
        ("INCODE_WEBHOOK_SECRETS", "wrong-value", "INCODE_HOST"),
        ("INCODE_OAUTH_CLIENT_ID", "wrong-value", "INCODE_HOST"),
        ("INCODE_STORE", "postgres://wrong-value.invalid/app", "INCODE_STORE"),
        ("INCODE_STORE", "redis://wrong-value.invalid", "INCODE_STORE"),
        ("BIND", "0.0.0.0:0", "BIND"),
        ("PUBLIC_URL", "https://wrong-value.invalid", "PUBLIC_URL"),
        ("PUBLIC_URL", "http://wrong-value.invalid", "PUBLIC_URL"),
    ] {
        let mut command = clean(program);
        is_one_line(command.env(name, value), named);
    }
}

/// An event links the user whose start link was opened, and a link can be mailed. So with a real vendor only a callback links,
/// unless the settings say otherwise.
pub(crate) fn link_by_webhook(program: &str) {
    let settings = [
        ("INCODE_WEBHOOK_AUTH", "header"),
        ("INCODE_WEBHOOK_SECRETS", SECRET),
        ("INCODE_ADMIN_TOKEN", "an admin token for this test"),
    ];
    let vendor = App::start(program, &[]);
    let mut app = App::at(&vendor, program, &settings);
    let alice = Browser { session: app.log_in("alice"), html: false };
    let callback = deliver_of_flow(&app, &alice);
    let admin = [("authorization", "Bearer an admin token for this test")];
    eventually("the event is applied", || {
        app.ask("GET", &alice, "/admin/inbox", "", &admin).json()["counts"]["done"] == 1
    });
    assert_eq!(app.get(&alice, "/me").json()["standing"], "not_linked");
    assert_eq!(app.get(&alice, &callback).location(), "/vault");
    assert_eq!(app.get(&alice, "/me").json()["standing"], "active");
    assert_eq!(app.complaints(), "");

    let vendor = App::start(program, &[]);
    let mut on = App::at(&vendor, program, &[&settings[..], &[("INCODE_LINK_BY_WEBHOOK", "on")]].concat());
    let bob = Browser { session: on.log_in("bob"), html: false };
    deliver_of_flow(&on, &bob);
    on.me_when(&bob, |me| me["standing"] == "active");
    let complaints = on.complaints();
    assert!(complaints.contains("WARN") && complaints.contains("INCODE_LINK_BY_WEBHOOK is on"), "{complaints}");
}

pub(crate) fn sessions(program: &str) {
    let app = App::start(program, &[]);
    let alice = Browser { session: app.log_in("alice"), html: true };
    let page = app.get(&alice, "/verify?return_to=/vault");
    assert!(page.status == 200 && page.body.contains("<strong>alice</strong>"), "{}", page.body);
    assert!(page.body.contains("href=\"/incode/start?return_to=%2Fvault\""), "{}", page.body);
    let elsewhere = app.get(&alice, "/verify?return_to=//evil.example");
    assert!(elsewhere.body.contains("href=\"/incode/start?return_to=%2F\"") && !elsewhere.body.contains("evil"));
    assert_eq!(app.get(&Browser::default(), "/verify").location(), "/");

    let other = Browser { session: app.log_in("alice"), html: false };
    let owner = Browser { session: alice.session.clone(), html: false };
    app.verify(&owner);
    assert_eq!(app.face(&owner, &app.sample_face("enrolled")).status, 200);
    assert_eq!(app.post(&owner, "/transfer", "", FORM).status, 200);
    assert_eq!(app.get(&other, "/me").json()["standing"], "active");
    app.post(&other, "/transfer", "", FORM).is_problem(401, "face_authentication_required");
    assert_eq!(app.post(&alice, "/logout", "", FORM).status, 303);
    assert_eq!(app.get(&alice, "/me").json()["standing"], "no_subject", "a copy of the cookie is worth nothing");
    assert_eq!(app.get(&other, "/me").json()["subject"], "alice", "the other session goes on");
    assert_eq!(app.post(&other, "/login", "user=bob", FORM).status, 303);
    assert_eq!(app.get(&other, "/me").json()["standing"], "no_subject", "a login ends the session before");

    let port = app.url.rsplit(':').next().unwrap();
    let localhost = [("host", format!("localhost:{port}"))];
    let host = localhost.each_ref().map(|(name, value)| (*name, value.as_str()));
    for path in ["/?notice=x", "/verify?return_to=/vault"] {
        assert_eq!(app.ask("GET", &other, path, "", &host).location(), format!("{}{path}", app.url));
    }

    let bind = own_address(9912);
    let settings =
        [("BIND", bind.as_str()), ("PUBLIC_URL", "https://app.example.com"), ("INCODE_WEBHOOK_AUTH", "fetch-back")];
    let mut proxied = App::at(&app, program, &settings);
    proxied.url = format!("http://{bind}");
    let cookie = proxied.log_in("alice");
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    assert_eq!(proxied.get(&Browser { session: cookie, html: false }, "/me").json()["subject"], "alice");
}

pub(crate) fn ops_port(program: &str) {
    let ops = own_address(9911);
    let app = App::start(program, &[("OPS_BIND", ops.as_str())]);
    let (browser, base) = (Browser::default(), format!("http://{ops}"));
    for path in ["/healthz", "/metrics"] {
        app.get(&browser, path).is_problem(404, "not_found");
        app.post(&browser, path, "", FORM).is_problem(404, "not_found");
        assert_eq!(exchange(&base, "GET", path, "", &[]).status, 200, "{path}");
    }
    assert_eq!(exchange(&base, "GET", "/healthz", "", &[]).json(), json!({"status": "ok", "store": "ok"}));
    assert!(exchange(&base, "GET", "/metrics", "", &[]).body.contains("incode_"));
    for path in ["/", "/me", "/vault", "/admin/inbox"] {
        exchange(&base, "GET", path, "", &[]).is_problem(404, "not_found");
    }
    for base in [&base, &app.url] {
        assert_eq!(exchange(base, "GET", "/livez", "", &[]).json(), json!({"status": "ok"}));
    }
    let mut wrong = clean(program);
    is_one_line(wrong.env("OPS_BIND", "wrong-value.invalid:http"), "OPS_BIND");
}

pub(crate) fn half_a_head(program: &str) {
    let app = App::start(program, &[]);
    for sent in ["", "GET / HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
        // Far longer than the deadline of either app; the test waits for the close, however late it comes.
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "), "{sent:?}");
    }
}

/// An address of this test process alone: no other listens there.
pub(crate) fn own_address(port: u16) -> String {
    let id = std::process::id();
    format!("127.{}.{}.1:{port}", 1 + (id >> 8) % 250, id % 256)
}
