//! The hosted web flow and the control page, as a browser without script uses them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so")]

mod common;

use common::{Receiver, ana, client, got, soon};
use incode_sandbox::{Builder, Sandbox, Webhook};
use serde_json::{Value, json};
use url::Url;

const BACK: &str = "http://127.0.0.1:9/callback?keep=a%26b#end";

async fn start(builder: impl FnOnce(Builder) -> Builder) -> (Sandbox, Receiver) {
    let receiver = Receiver::accepting().await;
    let set = Sandbox::builder().api_key(common::API_KEY).client_id("client-1").webhook(Webhook::to(&receiver.url));
    (builder(set).start().await.unwrap(), receiver)
}

/// Fills the form in; gives the parameters of the way back.
async fn visit(sandbox: &Sandbox, outcome: &str, email: &str) -> Vec<(String, String)> {
    let form = [
        ("client_id", "client-1"),
        ("redirect_url", BACK),
        ("correlation_id", "c/1 &x"),
        ("name", "Ana Flores"),
        ("email", email),
        ("date_of_birth", "1988-08-13"),
        ("outcome", outcome),
    ];
    let response = client().post(sandbox.web_url()).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 303);
    let back = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!((back.path(), back.fragment()), ("/callback", Some("end")));
    back.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_visitor_who_passes_comes_back_with_a_token() {
    let (sandbox, receiver) = start(|builder| builder).await;
    let query = visit(&sandbox, "pass", "ana@example.com").await;
    let names: Vec<_> = query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["keep", "token", "correlation_id"]);
    assert_eq!((query[0].1.as_str(), query[2].1.as_str()), ("a&b", "c/1 &x"));
    let (_, info) = got(&sandbox, "userinfo", &query[1].1).await;
    assert_eq!((&info["status"], &info["dateOfBirth"]), (&json!("ACTIVE"), &json!("587455200000")));

    soon(sandbox.settled(1)).await.unwrap();
    let event = receiver.got()[0].json();
    assert_eq!(event["event"], "verification.completed");
    assert!(event.get("correlation_id").is_none());
    let path = format!("verification/{}", event["id"].as_str().unwrap());
    assert_eq!(got(&sandbox, &path, event["token"].as_str().unwrap()).await.1["status"], "VERIFIED");

    // The same email is the same person, and a revoked one stays revoked.
    sandbox.revoke(info["identityId"].as_str().unwrap()).unwrap();
    let again = visit(&sandbox, "pass", " ANA@example.com").await;
    let (_, again) = got(&sandbox, "userinfo", &again[1].1).await;
    assert_eq!((&again["identityId"], &again["status"]), (&info["identityId"], &json!("REVOKED")));
}

#[tokio::test]
async fn a_visitor_who_fails_comes_back_too() {
    let (sandbox, receiver) = start(|builder| builder.echo_correlation_id(true)).await;
    let query = visit(&sandbox, "fail", "eve@example.com").await;
    assert_eq!(got(&sandbox, "userinfo", &query[1].1).await.1["status"], "PENDING");
    soon(sandbox.settled(1)).await.unwrap();
    let event = receiver.got()[0].json();
    assert_eq!((&event["event"], &event["correlation_id"]), (&json!("verification.completed"), &json!("c/1 &x")));
    let path = format!("verification/{}", event["id"].as_str().unwrap());
    assert_eq!(got(&sandbox, &path, &query[1].1).await.1["status"], "REJECTED");
    assert!(sandbox.faces().iter().all(|face| face.identity_id.is_none()), "a refused face is not enrolled");

    let query = visit(&sandbox, "pass", "eve@example.com").await;
    assert_eq!(got(&sandbox, "userinfo", &query[1].1).await.1["status"], "ACTIVE");
}

#[tokio::test]
async fn the_page_shows_a_form_or_says_why_not() {
    let (sandbox, _) = start(|builder| builder).await;
    let look = async |client_id: &str, back: &str| {
        let query = [("client_id", client_id), ("redirect_url", back), ("correlation_id", "\"><script>")];
        let url = Url::parse_with_params(&sandbox.web_url(), query).unwrap();
        let response = client().get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, page) = look("client-1", "https://app.example/back").await;
    assert_eq!(status, 200);
    assert!(page.contains("app.example") && page.contains("name=\"outcome\""));
    assert!(!page.contains("<script"));
    for (client_id, back) in
        [("other", BACK), ("client-1", ""), ("client-1", "javascript:alert(1)"), ("client-1", "/relative")]
    {
        let (status, page) = look(client_id, back).await;
        assert_eq!(status, 400, "{client_id} {back}");
        assert!(!page.contains("<form"));
    }
    assert_eq!(client().get(sandbox.web_url()).send().await.unwrap().status(), 400);
    assert!(sandbox.people().is_empty() && sandbox.deliveries().is_empty());
}

#[tokio::test]
async fn the_control_page_works_by_its_forms() {
    let (sandbox, receiver) = start(|builder| builder).await;
    let control = sandbox.control_url();
    let post = async |path: &str, form: &[(&str, &str)]| {
        let response = client().post(format!("{control}/{path}")).form(form).send().await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(post("people", &[("name", "<b>Bo</b>"), ("email", "")]).await, 303);
    let id = sandbox.people()[0].identity_id.clone();
    for (action, status) in [("revoke", "REVOKED"), ("verify", "REVOKED"), ("activate", "ACTIVE"), ("send", "ACTIVE")] {
        assert_eq!(post(&format!("people/{id}/{action}"), &[]).await, 303);
        assert_eq!(sandbox.person(&id).unwrap().status, status, "{action}");
    }
    assert_eq!(post("people/no-person/revoke", &[]).await, 404);
    assert_eq!(post("deliveries/1/resend", &[("fresh", "1")]).await, 303);
    for number in 1..=3 {
        soon(sandbox.settled(number)).await.unwrap();
    }
    assert_eq!(receiver.got().len(), 3);
    let page = client().get(&control).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&id) && page.contains("verification.completed") && page.contains("again, after #1"));
    assert!(page.contains("&lt;b&gt;Bo") && !page.contains("<b>Bo") && !page.contains("<script"));

    let face = client().get(format!("{control}/faces/{id}.svg")).send().await.unwrap();
    let listed: Value = client().get(format!("{control}/api/faces")).send().await.unwrap().json().await.unwrap();
    assert_eq!(listed[0]["base64Image"], data_encoding::BASE64.encode(&face.bytes().await.unwrap()));
    assert_eq!(listed.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn the_json_api_mirrors_the_handle() {
    let (sandbox, _receiver) = start(|builder| builder).await;
    let verified = ana(&sandbox);
    let api = format!("{}/api", sandbox.control_url());
    let post = async |path: &str, body: Value| {
        let response = client().post(format!("{api}/{path}")).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap_or_default())
    };
    let (status, bo) = post("people", json!({"identityId": "bo/1", "name": "Bo", "status": "PENDING"})).await;
    assert_eq!((status, &bo["identityId"], &bo["status"]), (201, &json!("bo/1"), &json!("PENDING")));
    let (_, done) = post("people/bo%2F1/verify", json!({"outcome": "fail"})).await;
    assert_eq!((sandbox.person("bo/1").unwrap().status.as_str(), &done["delivery"]), ("PENDING", &json!(1)));
    let (_, done) = post("people/bo%2F1/verify", json!({"send": false})).await;
    assert_eq!((sandbox.person("bo/1").unwrap().status.as_str(), &done["delivery"]), ("ACTIVE", &json!(null)));
    assert_eq!(post("people/bo%2F1/verify", json!({"outcome": "maybe"})).await.0, 400);
    assert_eq!(post("people/no-person/verify", json!({})).await.0, 404);
    let (_, sent) = post("deliveries", json!({"verificationId": verified.verification_id})).await;
    assert_eq!(sent["number"], 2);
    assert_eq!(post("deliveries", json!({"raw": {"event": "odd"}})).await.1["number"], 3);
    assert_eq!(post("deliveries/3/resend", json!({"freshToken": true})).await.1["number"], 4);
    assert_eq!(post("deliveries", json!({"authenticationId": "none"})).await.0, 404);
    assert_eq!(post("clock", json!({"advanceSeconds": 900})).await.0, 204);
    assert_eq!(got(&sandbox, "userinfo", &verified.token).await.0, 401);
}

#[tokio::test]
async fn pages_have_the_landmarks_and_names_that_assistive_technology_needs() {
    let (sandbox, _receiver) = start(|builder| builder).await;
    let id = ana(&sandbox).identity_id;
    got(&sandbox, "userinfo", "dead").await;
    let number = sandbox.send_verification(&sandbox.verify(&id).unwrap().verification_id).unwrap();
    soon(sandbox.settled(number)).await.unwrap();
    let hosted = [("client_id", "client-1"), ("redirect_url", BACK)];
    let hosted = Url::parse_with_params(&sandbox.web_url(), hosted).unwrap().to_string();
    let missing = client().post(format!("{}/people/none/revoke", sandbox.control_url())).send().await.unwrap();
    let mut pages = vec![missing.text().await.unwrap()];
    for url in [sandbox.control_url(), sandbox.web_url(), hosted] {
        let response = client().get(url).send().await.unwrap();
        // Any stricter policy makes a browser send `Origin: null` with the page's forms.
        assert_eq!(response.headers()["referrer-policy"], "same-origin");
        pages.push(response.text().await.unwrap());
    }
    for page in &pages {
        let count = |text: &str| page.matches(text).count();
        assert_eq!((count("<main>"), count("</main></body>"), count("<h1>")), (1, 1, 1), "{page}");
        assert_eq!((count("<th></th>"), count("<dl"), count("lang=\"en\"")), (0, 0, 1), "{page}");
        assert_eq!(count("class=\"scroll\""), count("class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label="));
    }
    assert_eq!(pages[1].matches("class=\"scroll\"").count(), 2, "deliveries and calls");
    assert!(pages[3].contains("<fieldset><legend>") && pages[3].contains("value=\"authentication\""));
}
