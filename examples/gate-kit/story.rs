//! The story of the example apps, run against the program itself over real sockets. Both apps include this file: they
//! keep one contract.

use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use app::{App, Browser, FORM, JSON, clean, is_one_line};
pub(crate) use below_a_path::below_a_path;
pub(crate) use pending::{a_failed_check, pending};
pub(crate) use trust::{half_a_head, link_by_webhook, ops_port, sandbox_refused, sessions};

#[path = "story/app.rs"]
mod app;
#[path = "story/below_a_path.rs"]
mod below_a_path;
#[path = "story/pending.rs"]
mod pending;
#[path = "story/trust.rs"]
mod trust;

/// Makes the tests of one app's program: the same names and the same story for each.
macro_rules! contract_of {
    ($program:expr) => {
        #[test]
        fn the_whole_story() {
            story::whole_story($program, &[]);
        }

        #[test]
        fn browsers_get_pages() {
            story::browsers_get_pages($program);
        }

        #[test]
        fn refusals_are_distinguished() {
            story::refusals($program);
        }

        #[test]
        fn a_wrong_setting_is_named_and_its_value_kept() {
            story::wrong_settings($program);
        }

        #[test]
        fn every_kind_of_delivery_is_taken() {
            story::every_authenticity($program);
        }

        #[test]
        fn what_was_verified_outlives_a_sudden_death() {
            story::sudden_death($program);
        }

        #[test]
        fn the_sandbox_starts_only_where_nothing_points_at_a_real_deployment() {
            story::sandbox_refused($program);
        }

        #[test]
        fn a_verification_is_pending_until_its_event_arrives() {
            story::pending($program);
        }

        #[test]
        fn a_check_that_failed_links_no_account_and_the_person_may_try_again() {
            story::a_failed_check($program);
        }

        #[test]
        fn with_a_real_vendor_an_event_links_only_where_that_is_set() {
            story::link_by_webhook($program);
        }

        #[test]
        fn a_session_ends_on_the_server_and_its_account_is_named_before_a_start() {
            story::sessions($program);
        }

        #[test]
        fn health_and_metrics_move_to_a_port_of_their_own() {
            story::ops_port($program);
        }

        #[test]
        fn the_path_of_the_public_url_is_in_every_link_redirect_and_cookie() {
            story::below_a_path($program);
        }

        #[test]
        fn a_connection_that_sends_no_whole_head_is_closed() {
            story::half_a_head($program);
        }
    };
}

/// The story, with every kind of delivery, and the sandbox of another process as the vendor.
pub(crate) fn every_authenticity(program: &str) {
    let two = "the newest of two secrets,the older one of two secrets";
    let newest = "the newest of two secrets";
    let whsec = "whsec_dGhlIG5ld2VzdCBvZiB0d28gc2VjcmV0cw==";
    let tell = |settings: &[(&str, &str)], auth: &dyn Fn(&App) -> Value| {
        let vendor = App::start(program, &[]);
        let app = App::at(&vendor, program, settings);
        app.deliver(&auth(&app));
        story_of(app, false);
    };
    tell(&[("INCODE_WEBHOOK_AUTH", "fetch-back")], &|_| json!({"kind": "none"}));
    let hmac = json!({"kind": "hmac", "header": "x-incode-signature", "secret": newest});
    tell(&[("INCODE_WEBHOOK_AUTH", "hmac"), ("INCODE_WEBHOOK_SECRETS", two)], &|_| hmac.clone());
    let header = json!({"kind": "header", "name": "x-mine", "secret": newest});
    let settings =
        [("INCODE_WEBHOOK_AUTH", "header"), ("INCODE_WEBHOOK_HEADER", "x-mine"), ("INCODE_WEBHOOK_SECRETS", two)];
    tell(&settings, &|_| header.clone());
    let standard = json!({"kind": "standard-webhooks", "secret": whsec});
    let settings = [("INCODE_WEBHOOK_AUTH", "standard-webhooks"), ("INCODE_WEBHOOK_SECRETS", whsec)];
    tell(&settings, &|_| standard.clone());
    let settings =
        [("INCODE_WEBHOOK_AUTH", "oauth"), ("INCODE_OAUTH_CLIENT_ID", "incode"), ("INCODE_OAUTH_CLIENT_SECRET", two)];
    tell(&settings, &|app| {
        let token_url = format!("{}/incode/token", app.url);
        json!({"kind": "oauth", "tokenUrl": token_url, "clientId": "incode", "clientSecret": newest})
    });
}

/// What was verified is known after a sudden death, and the session goes on.
pub(crate) fn sudden_death(program: &str) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sudden-death-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let store = format!("sqlite:{}", directory.join("incode.db").display());
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let settings = [("INCODE_STORE", store.as_str()), ("INCODE_FLOW_SECRET", secret)];
    let mut app = App::start(program, &settings);
    let alice = Browser { session: app.log_in("alice"), html: false };
    app.verify(&alice);
    let before = app.me_when(&alice, |me| me["identity"]["verifiedAt"].is_string());
    app.child.kill().unwrap();
    drop(app);
    let app = App::start(program, &settings);
    assert_eq!(app.get(&alice, "/me").json(), before);
    assert_eq!(app.get(&alice, "/vault").status, 200);
    drop(app);
    std::fs::remove_dir_all(directory).unwrap();
}

/// Logs in, is sent away, gets verified, passes, confirms a face, makes a transfer, is revoked, stays out.
pub(crate) fn whole_story(program: &str, settings: &[(&str, &str)]) {
    story_of(App::start(program, settings), true);
}

/// `takes_a_picture_twice`: only where the sandbox runs in the same process, which has one picture of each face.
fn story_of(mut app: App, takes_a_picture_twice: bool) {
    let mut alice = Browser::default();
    assert_eq!(app.get(&alice, "/me").json(), json!({"subject": null, "standing": "no_subject", "identity": null}));
    app.get(&alice, "/vault").is_problem(401, "authentication_required");
    alice.session = app.log_in("alice");

    let no = app.get(&alice, "/vault");
    no.is_problem(403, "verification_required");
    assert_eq!(no.json()["verify_url"], "/incode/start?return_to=/vault");
    app.face(&alice, "aGk=").is_problem(403, "verification_required");

    let callback = app.verify(&alice);
    assert_eq!(app.get(&alice, &callback).location(), "/vault", "a reload of the callback leads to the same place");
    assert_eq!(app.get(&alice, "/vault").status, 200);
    let me = app.me_when(&alice, |me| me["identity"]["verifiedAt"].is_string());
    assert_eq!(me["standing"], "active");
    assert_eq!(me["identity"]["faceAuthenticatedAt"], Value::Null);

    let transfer = app.post(&alice, "/transfer", "", FORM);
    transfer.is_problem(401, "face_authentication_required");
    assert!(transfer.headers["www-authenticate"].contains("max_age=300"));
    app.face(&alice, &app.sample_face("mask")).is_problem(403, "face_has_mask");
    let face = app.sample_face("enrolled");
    let passed = app.face(&alice, &face).json();
    assert_eq!((&passed["passed"], &passed["standing"]), (&json!(true), &json!("active")));
    assert_eq!(app.post(&alice, "/transfer", "", FORM).status, 200);

    let id = me["identity"]["identityId"].as_str().unwrap();
    assert_eq!(app.vendor_post(&format!("/control/api/people/{id}/revoke"), "", JSON).status, 200);
    if takes_a_picture_twice {
        assert_eq!(app.face(&alice, &face).json()["standing"], "revoked");
    } else {
        app.face(&alice, &face).is_problem(409, "image_repeated");
        assert_eq!(app.vendor_post(&format!("/control/api/people/{id}/verify"), "{}", JSON).status, 200);
        app.me_when(&alice, |me| me["standing"] == "revoked");
    }
    app.get(&alice, "/vault").is_problem(403, "identity_revoked");
    assert_eq!(app.get(&alice, "/me").json()["standing"], "revoked");
    assert!(app.get(&alice, "/metrics").body.contains("incode_denials_total"));

    app.terminate();
    assert!(app.child.wait().unwrap().success());
    let mut rest = String::new();
    app.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line is all there is to read");
}

/// A person with a browser gets pages and redirects with the same status codes and headers.
pub(crate) fn browsers_get_pages(program: &str) {
    let app = App::start(program, &[]);
    let mut alice = Browser { html: true, session: String::new() };
    let denied = app.get(&alice, "/vault");
    assert_eq!((denied.status, denied.headers["content-type"].as_str()), (401, "text/html; charset=utf-8"));
    assert!(denied.headers["content-security-policy"].starts_with("default-src 'none'"));
    alice.session = app.log_in("alice");
    let denied = app.get(&alice, "/vault");
    assert!(denied.status == 403 && denied.body.contains("href=\"/verify?return_to=/vault\""));
    let page = app.get(&alice, "/?notice=%3Cscript%3E");
    assert!(page.body.contains("alice") && page.body.contains("Not verified") && !page.body.contains("script"));
    let mask = format!("base64Image={}", app.sample_face("mask").replace('+', "%2B"));
    assert_eq!(app.post(&alice, "/face", &mask, FORM).status, 403);
    let file = "--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"f.jpg\"\r\n\r\n\r\n--b--\r\n";
    assert_eq!(app.post(&alice, "/face", file, "multipart/form-data; boundary=b").status, 400);
    assert_eq!(app.post(&alice, "/logout", "", FORM).headers["set-cookie"].split(';').next(), Some("session="));
}

/// Each wrong request gets its own status and code.
pub(crate) fn refusals(program: &str) {
    let tokens = "an admin token for this test,anna:annas token for this test";
    let app = App::start(program, &[("INCODE_ADMIN_TOKEN", tokens)]);
    let nobody = Browser::default();
    app.get(&nobody, "/nowhere").is_problem(404, "not_found");
    for (path, allow) in [("/", "GET, HEAD"), ("/vault", "GET, HEAD"), ("/incode/webhook", "POST")] {
        let refused = app.ask("DELETE", &nobody, path, "", &[]);
        refused.is_problem(405, "method_not_allowed");
        assert_eq!(refused.headers["allow"], allow);
    }
    app.get(&nobody, "/transfer").is_problem(405, "method_not_allowed");
    app.post(&nobody, "/login", "user=a%20b", FORM).is_problem(400, "user_invalid");
    app.post(&nobody, "/login", "{}", JSON).is_problem(415, "unsupported_media_type");
    let elsewhere = ("origin", "https://evil.example");
    app.ask("POST", &nobody, "/login", "user=alice", &[elsewhere, ("content-type", FORM)])
        .is_problem(403, "cross_site_request");
    app.post(&nobody, "/incode/webhook", "{}", JSON).is_problem(401, "delivery_unauthentic");

    let alice = Browser { session: app.log_in("alice"), html: false };
    let forged = Browser { session: alice.session.replace("alice", "admin"), html: false };
    assert_eq!(app.get(&forged, "/me").json()["standing"], "no_subject");
    app.face(&nobody, "aGk=").is_problem(401, "authentication_required");
    app.face(&alice, "not base64!").is_problem(400, "image_malformed");
    app.post(&alice, "/face", "{", JSON).is_problem(400, "body_malformed");
    let huge = [("content-type", JSON), ("content-length", "10485761")];
    app.ask("POST", &alice, "/face", "", &huge).is_problem(413, "body_too_large");

    let stranger = app.get(&alice, "/admin/inbox");
    stranger.is_problem(401, "admin_token_required");
    assert!(stranger.headers["www-authenticate"].starts_with("Basic "), "for the prompt of a browser");
    let wrong = [("authorization", "Bearer an admin token for this tes")];
    for (method, path) in [("DELETE", "/admin/inbox"), ("POST", "/admin/inbox/replay"), ("GET", "/admin/nowhere")] {
        app.ask(method, &nobody, path, "", &wrong).is_problem(401, "admin_token_required");
    }
    let admin = [("authorization", "Bearer an admin token for this test")];
    let inbox = app.ask("GET", &nobody, "/admin/inbox?state=dead", "", &admin).json();
    assert_eq!(inbox["counts"], json!({"pending": 0, "done": 0, "dead": 0, "ignored": 0}));
    assert_eq!(inbox["events"], json!([]));
    assert_eq!(app.ask("POST", &nobody, "/admin/inbox/replay", "", &admin).json(), json!({"replayed": 0}));
    app.ask("GET", &nobody, "/admin/identities/nobody", "", &admin).is_problem(404, "not_found");
    app.ask("DELETE", &nobody, "/admin/inbox", "", &admin).is_problem(405, "method_not_allowed");
    // As `ben`, with Anna's token: the trail names whose token it is.
    let prompted = [("authorization", "Basic YmVuOmFubmFzIHRva2VuIGZvciB0aGlzIHRlc3Q=")];
    let forgotten = app.ask("POST", &nobody, "/admin/identities/nobody/forget", "", &prompted).json();
    assert_eq!(forgotten, json!({"forgotten": false}));
    let trail = app.ask("GET", &nobody, "/admin/audit", "", &prompted).json();
    let who = |at: usize| (trail["audits"][at]["actor"].clone(), trail["audits"][at]["action"].clone());
    assert_eq!((who(0), who(1)), ((json!("anna"), json!("forget")), (json!("admin"), json!("replay"))));
    assert_eq!(app.get(&nobody, "/livez").json(), json!({"status": "ok"}));
    assert_eq!(app.get(&nobody, "/healthz").json(), json!({"status": "ok", "store": "ok"}));
    let without = App::start(program, &[]);
    for method in ["GET", "POST", "DELETE", "PUT"] {
        without.ask(method, &nobody, "/admin/inbox", "", &admin).is_problem(404, "not_found");
    }
}

/// A wrong setting ends the program with 2 and one line, which names it and keeps its value to itself.
pub(crate) fn wrong_settings(program: &str) {
    for (name, value) in [
        ("BIND", "nowhere.invalid:wrong-value"),
        ("PUBLIC_URL", "wrong-value"),
        ("INCODE_STORE", "wrong-value:"),
        ("INCODE_FLOW_SECRET", "wrong-value"),
        ("INCODE_HOST", "ftp://wrong-value"),
        ("INCODE_WEBHOOK_AUTH", "wrong-value"),
    ] {
        let mut command = clean(program);
        command.envs([("INCODE_HOST", "http://127.0.0.1:9"), ("INCODE_API_KEY", "key"), ("INCODE_STORE", "memory:")]);
        command.env("INCODE_WEBHOOK_AUTH", "fetch-back");
        is_one_line(command.env(name, value), name);
    }
}
