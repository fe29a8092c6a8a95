//! The story of the example apps, run against the program itself over real sockets. Both apps include this file: they
//! keep one contract.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

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
        fn what_is_refused_is_told_apart() {
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
    };
}

/// The story, with every kind of delivery that the stand-in vendor is told of by settings alone.
pub(crate) fn every_authenticity(program: &str) {
    let secret = ("INCODE_WEBHOOK_SECRETS", "the newest of two secrets,the older one of two secrets");
    whole_story(program, &[("INCODE_WEBHOOK_AUTH", "fetch-back")]);
    whole_story(program, &[("INCODE_WEBHOOK_AUTH", "hmac"), secret]);
    whole_story(program, &[("INCODE_WEBHOOK_AUTH", "header"), ("INCODE_WEBHOOK_HEADER", "x-mine"), secret]);
    let secret = ("INCODE_WEBHOOK_SECRETS", "whsec_dGhlIG5ld2VzdCBvZiB0d28gc2VjcmV0cw==");
    whole_story(program, &[("INCODE_WEBHOOK_AUTH", "standard-webhooks"), secret]);
    let client = ("INCODE_OAUTH_CLIENT_ID", "incode");
    let secret = ("INCODE_OAUTH_CLIENT_SECRET", "the newest of two secrets,the older one of two secrets");
    whole_story(program, &[("INCODE_WEBHOOK_AUTH", "oauth"), client, secret]);
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
    let mut app = App::start(program, settings);
    let mut alice = Browser::default();
    assert_eq!(app.get(&alice, "/me").json(), json!({"subject": null, "standing": "no_subject", "identity": null}));
    app.get(&alice, "/vault").is_problem(401, "authentication_required");
    alice.session = app.log_in("alice");

    let no = app.get(&alice, "/vault");
    no.is_problem(403, "verification_required");
    assert_eq!(no.json()["verify_url"], "/incode/start?return_to=/vault");
    app.face(&alice, "aGk=").is_problem(403, "verification_required");

    let callback = app.verify(&alice);
    app.get(&alice, &callback).is_problem(409, "flow_used");
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
    assert_eq!(app.face(&alice, &face).json()["standing"], "revoked");
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
    assert!(denied.status == 403 && denied.body.contains("href=\"/incode/start?return_to=/vault\""));
    let page = app.get(&alice, "/?notice=%3Cscript%3E");
    assert!(page.body.contains("alice") && page.body.contains("Not verified") && !page.body.contains("script"));
    let mask = format!("base64Image={}", app.sample_face("mask").replace('+', "%2B"));
    assert_eq!(app.post(&alice, "/face", &mask, FORM).status, 403);
    let file = "--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"f.jpg\"\r\n\r\n\r\n--b--\r\n";
    assert_eq!(app.post(&alice, "/face", file, "multipart/form-data; boundary=b").status, 400);
    assert_eq!(app.post(&alice, "/logout", "", FORM).headers["set-cookie"].split(';').next(), Some("session="));
}

/// Whatever is not as it should be is told apart.
pub(crate) fn refusals(program: &str) {
    let app = App::start(program, &[("INCODE_ADMIN_TOKEN", "an admin token for this test")]);
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
    let prompted = [("authorization", "Basic YW5uYTphbiBhZG1pbiB0b2tlbiBmb3IgdGhpcyB0ZXN0")];
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
        command.env("INCODE_API_KEY", "key").env(name, value);
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {told}");
        let line = told.lines().find(|line| line.contains(name)).unwrap_or_default();
        assert!(!line.is_empty() && !told.contains("wrong-value"), "{name}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(output.stdout.is_empty());
    }
}

struct App {
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
    vendor: String,
}

#[derive(Default)]
struct Browser {
    session: String,
    html: bool,
}

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl App {
    fn start(program: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = clean(program);
        let mut child = command.envs(settings.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let mut urls = line.split([' ', ')']).filter(|word| word.starts_with("http://"));
        let url = urls.next().unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        let vendor = urls.next().unwrap().trim().strip_suffix("/control").unwrap().to_owned();
        Self { child, stdout, url, vendor }
    }

    fn get(&self, browser: &Browser, path: &str) -> Answer {
        self.ask("GET", browser, path, "", &[])
    }

    fn post(&self, browser: &Browser, path: &str, body: &str, media_type: &str) -> Answer {
        self.ask("POST", browser, path, body, &[("content-type", media_type)])
    }

    fn log_in(&self, user: &str) -> String {
        let answer = self.post(&Browser::default(), "/login", &format!("user={user}"), FORM);
        assert_eq!((answer.status, answer.headers["location"].as_str()), (303, "/"));
        answer.headers["set-cookie"].split(';').next().unwrap().to_owned()
    }

    /// Through the hosted flow and back; gives the callback that did it.
    fn verify(&self, browser: &Browser) -> String {
        let hosted = self.get(browser, "/incode/start?return_to=/vault").location();
        let person = "name=Ana&email=ana%40example.com&phone=%2B521234567890&date_of_birth=1988-08-13&outcome=pass";
        let form = format!("{}&{person}", hosted.split_once('?').unwrap().1);
        let back = self.vendor_post("/", &form, FORM).location();
        let callback = back.strip_prefix(&self.url).unwrap();
        assert_eq!(self.get(browser, callback).location(), "/vault");
        callback.to_owned()
    }

    /// As a supervisor does.
    fn terminate(&self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
    }

    fn face(&self, browser: &Browser, image: &str) -> Answer {
        self.post(browser, "/face", &json!({"base64Image": image}).to_string(), JSON)
    }

    fn me_when(&self, browser: &Browser, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..200 {
            let me = self.get(browser, "/me").json();
            if fits(&me) {
                return me;
            }
            sleep(Duration::from_millis(25));
        }
        panic!("/me never looked as asked");
    }

    fn sample_face(&self, kind: &str) -> String {
        let faces = exchange(&self.vendor, "GET", "/control/api/faces", "", &[]).json();
        let face = faces.as_array().unwrap().iter().find(|face| face["kind"] == kind).unwrap();
        face["base64Image"].as_str().unwrap().to_owned()
    }

    fn vendor_post(&self, path: &str, body: &str, media_type: &str) -> Answer {
        exchange(&self.vendor, "POST", path, body, &[("content-type", media_type)])
    }

    fn ask(&self, method: &str, browser: &Browser, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let accept = if browser.html { "text/html" } else { "*/*" };
        let mut all = vec![("accept", accept), ("cookie", browser.session.as_str())];
        all.extend(headers);
        exchange(&self.url, method, path, body, &all)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // In good order when it still runs, so that it removes what it made up for itself.
        if let Ok(None) = self.child.try_wait() {
            self.terminate();
        }
        let _ = self.child.wait();
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.body))
    }

    fn location(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.body);
        self.headers["location"].clone()
    }

    #[track_caller]
    fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["status"], status);
    }
}

/// One request on a connection of its own.
fn exchange(base: &str, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let authority = base.strip_prefix("http://").unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        request += &format!("content-length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

/// The program with no settings but a port of its own.
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INCODE_") || name == "PUBLIC_URL" || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.env("BIND", "127.0.0.1:0").stderr(Stdio::piped()).stdin(Stdio::null());
    command
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
