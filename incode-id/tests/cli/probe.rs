//! `probe` against the sandbox, whose every answer is known. The test is the person at the keyboard.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use incode_sandbox::{
    Behaviour, DateHeader, Effect, Fault, FieldOverride, NewPerson, NewToken, OthersObjects, RetryToken, Route,
    Sandbox, Webhook, WebhookAuth, WebhookToken,
};
use reqwest::Url;
use serde_json::Value;

use crate::application::{SECRET, Settings};
use crate::postgres::PATIENCE;
use crate::world::Killed;
use incode_test_servers::free_port;

/// Both clients of the test need a provider of TLS, although they only use http.
fn http() -> reqwest::Client {
    // Another test may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// The report: answers by question, and settings with their reasons.
struct Report {
    code: Option<i32>,
    answers: BTreeMap<String, String>,
    settings: BTreeMap<String, String>,
}

impl Report {
    fn assert(&self, question: &str, answer: &str) {
        let found = self.answers.get(question).unwrap_or_else(|| panic!("{question}: {:#?}", self.answers));
        assert!(found.contains(answer), "{question}: {found}, not {answer}");
    }
}

/// A vendor whose refused deliveries come again at once.
async fn vendor(port: u16) -> Sandbox {
    let auth = WebhookAuth::Header { name: "x-incode-secret".to_owned(), secret: SECRET.to_owned() };
    let target = Webhook::to(format!("http://127.0.0.1:{port}/incode/webhook")).auth(auth);
    let builder = Sandbox::builder().time_scale(0.001);
    builder.webhook(target).start().await.unwrap()
}

/// Opens a link and makes the check; gives the URL to go back to, with its token.
async fn check(link: &str, outcome: &str) -> Url {
    let link = Url::parse(link).unwrap();
    let mut form = link.clone();
    form.query_pairs_mut()
        .append_pair("name", "Ana")
        .append_pair("email", "ana@example.com")
        .append_pair("outcome", outcome);
    let body = form.query().unwrap().to_owned();
    let mut page = link;
    page.set_query(None);
    let request = http().post(page).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap()
}

/// Runs it. `on_way_back` sees the token of the first check before the browser brings it.
async fn probe(settings: &Settings, port: u16, arguments: &[&str], on_way_back: impl Fn(&str)) -> Report {
    let bind = format!("127.0.0.1:{port}");
    let all = [&["probe", "--json", "--every", "1", "--wait", "120", "--bind", &bind], arguments].concat();
    let child = settings.command(&all).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = Killed(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let (mut answers, mut known) = (BTreeMap::new(), BTreeMap::new());
    // Reading waits: the sandbox lives on other threads of the runtime.
    while let Some(line) = tokio::task::block_in_place(|| lines.next()) {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert!(!line.to_string().contains("canary"), "{line}");
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        if let Some(link) = text("open") {
            let back = check(&link, &text("check").unwrap()).await;
            let token = back.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned();
            on_way_back(&token);
            http().get(back).send().await.unwrap();
        } else if let Some(question) = text("question") {
            answers.insert(question, text("answer").unwrap());
        } else {
            known.insert(text("setting").unwrap(), text("because").unwrap());
        }
    }
    Report { code: child.0.wait().unwrap().code(), answers, settings: known }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_vendor() {
    let port = free_port();
    let vendor = vendor(port).await;
    let settings = Settings::of(&vendor, &format!("http://127.0.0.1:{port}"), "memory:");
    let other = vendor.add_person(NewPerson::named("Ben Roth"));
    let other = vendor.verify(&other.identity_id).unwrap().verification_id;
    // The token of the first check ends when it has been tried a few times.
    let sandbox = vendor.clone();
    let ending = std::thread::spawn(move || {
        let begun = Instant::now();
        while sandbox.call_counts().get("/omni/incode-id/userinfo").is_none_or(|count| *count < 5) {
            assert!(begun.elapsed() < PATIENCE, "the token is not watched");
            std::thread::sleep(Duration::from_millis(20));
        }
        sandbox.expire_tokens();
    });
    let report = probe(&settings, port, &["--failed", "--refuse", "2", "--other-id", &other], |_| {}).await;
    ending.join().unwrap();
    report.assert("what comes back with the browser", "token, correlation_id; repeats the correlation id");
    report.assert("userinfo", "HTTP 200, status ACTIVE, with the browser's token");
    report.assert("does a token count more than once", "yes");
    report.assert("claims that a token shows", "exp, iat, jti");
    report.assert("life of a token", "declared 900 s");
    let life = &report.answers["life of a token"];
    let bounds: Vec<f64> = life.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(life.starts_with("between ") && bounds[0] < bounds[1], "{life}");
    report.assert("the check itself", "HTTP 200, status VERIFIED");
    report.assert("an id that does not exist", "HTTP 404");
    report.assert("the check of another person", "HTTP 404");
    report.assert("a token of another client", "not tried");
    report.assert("the event of the check", "verification.completed");
    report.assert("form of a delivery", "HTTP/1.1, content-type application/json, content-encoding none");
    report.assert("headers of a delivery", "x-incode-secret");
    report.assert("form of the vendor's answers", "content-encoding none, with Date");
    report.assert("is it authentic", "yes");
    report.assert("is the event's token the browser's", "no");
    report.assert("userinfo with the event's token", "HTTP 200");
    report.assert("does an event repeat the correlation id", "no");
    let again = &report.answers["does a refused delivery come again"];
    assert!(again.starts_with("yes") && again.matches(" s").count() == 2, "{again}");
    report.assert("the token of a repeated delivery", "the same");
    report.assert("the body of a repeated delivery", "the same bytes");
    report
        .assert("what a failed check gives back", "a token; userinfo HTTP 200, status ACTIVE; verification.completed");
    report.assert("the failed check itself", "status REJECTED");
    assert!(report.settings.contains_key("INCODE_LINK_BY_WEBHOOK=off"), "{:#?}", report.settings);
    assert!(report.settings.contains_key("never trust_userinfo_alone"), "{:#?}", report.settings);
    assert_eq!(report.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_vendor() {
    let port = free_port();
    let vendor = vendor(port).await;
    vendor.change_behaviour(|behaviour: &mut Behaviour| {
        behaviour.others_objects = OthersObjects::Answered;
        behaviour.echo_correlation_id = true;
        behaviour.retry_token = RetryToken::Fresh;
        behaviour.webhook_token = WebhookToken::SameAsBrowser;
        behaviour.date = DateHeader::Absent;
        behaviour.verification_created_at = FieldOverride::value("2026-01-01T00:00:00Z");
        behaviour.token_claims.insert("aud".to_owned(), "app".into());
    });
    let ben = vendor.add_person(NewPerson::named("Ben Roth"));
    let other = vendor.verify(&ben.identity_id).unwrap().verification_id;
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("token");
    std::fs::write(&foreign, vendor.mint_token(NewToken::of(&ben.identity_id).claim("aud", "another"))).unwrap();
    // It expects another secret than the vendor sends.
    let settings = Settings::of(&vendor, &format!("http://127.0.0.1:{port}"), "memory:")
        .with("INCODE_WEBHOOK_SECRETS", "another-webhook-secret-0123456789");
    let arguments = ["--refuse", "1", "--other-id", &other, "--foreign-token-file", foreign.to_str().unwrap()];
    let report = probe(&settings, port, &arguments, |token| {
        // The first call of userinfo is answered, every later one refused.
        let of = |fault: Fault| fault.on(Route::Userinfo).for_token(token);
        vendor.add_fault(of(Fault::new(Effect::Delay)));
        vendor.add_fault(of(Fault::status(401).times(1000)));
    })
    .await;
    report.assert("does a token count more than once", "no");
    report.assert("life of a token", "not watched, because it was refused before; declared 900 s");
    report.assert("the check of another person", "HTTP 200, status VERIFIED");
    report.assert("a token of another client", "HTTP 200, status ACTIVE");
    report.assert("createdAt of the check", "\"2026-01-01T00:00:00Z\"");
    report.assert("form of the vendor's answers", "without Date");
    report.assert("is it authentic", "unauthentic");
    report.assert("is the event's token the browser's", "yes");
    report.assert("does an event repeat the correlation id", "yes, as correlation");
    report.assert("the token of a repeated delivery", "a fresh one");
    report.assert("the body of a repeated delivery", "another body");
    for setting in
        ["Builder::expect_claim(\"aud\", ..)", "INCODE_WEBHOOK_AUTH and its secrets", "keep the checks of incode on"]
    {
        assert!(report.settings.contains_key(setting), "{setting}: {:#?}", report.settings);
    }
    assert_eq!(report.code, Some(0));
}

/// A vendor that refuses tokens of other clients, and one whose event never comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_come_has_no_answer() {
    let port = free_port();
    let vendor = vendor(port).await;
    vendor.set_webhook(Webhook::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let foreign = vendor.mint_token(NewToken::of_no_person());
    std::fs::write(&file, &foreign).unwrap();
    vendor.add_fault(Fault::status(403).for_token(&foreign));
    let settings = Settings::of(&vendor, &format!("http://127.0.0.1:{port}"), "memory:");
    let arguments = ["--event-wait", "1", "--life", "1", "--foreign-token-file", file.to_str().unwrap()];
    let report = probe(&settings, port, &arguments, |_| {}).await;
    report.assert("the event of the check", "no answer: none came");
    report.assert("a token of another client", "HTTP 403");
    report.assert("life of a token", "as long as it was watched; declared 900 s");
    assert_eq!(report.code, Some(1));
}
