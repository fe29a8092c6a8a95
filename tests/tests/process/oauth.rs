use std::process::Output;

use incode_tests::eventually;
use incode_tests::process::{App, Example};
use serde_json::Value;
use tokio::process::Command;

use crate::spec::Spec;

on_both_examples!(the_vendors_oauth_sequence_by_curl);

const SECRET: &str = "the-client-secret-0123456789abcdef";

/// What the vendor's products do: a token for Basic authorization and `grant_type=client_credentials`, nothing else;
/// then the webhook with the bearer token.
async fn the_vendors_oauth_sequence_by_curl(example: Example) {
    let spec = Spec::start().await;
    let settings = spec
        .settings()
        .with("INCODE_WEBHOOK_AUTH", "oauth")
        .without("INCODE_WEBHOOK_SECRETS")
        .with("INCODE_OAUTH_CLIENT_ID", "incode")
        .with("INCODE_OAUTH_CLIENT_SECRET", format!("{SECRET},an-older-client-secret-0123456789"));
    let app = App::start(example, &settings).await;
    let token_url = format!("http://{}/incode/token", app.address);
    let webhook_url = format!("http://{}/incode/webhook", app.address);
    let ask = async |user: &str| {
        curl(&["--user", user, "--data", "grant_type=client_credentials", "--include", &token_url]).await
    };

    let (head, body) = ask(&format!("incode:{SECRET}")).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&"Bearer".into(), &3600.into()));

    let event = concat!("@", env!("CARGO_MANIFEST_DIR"), "/../incode-core/fixtures/event-verification.json");
    let deliver = async |authorization: String| {
        let json = "Content-Type: application/json";
        curl(&["--header", &authorization, "--header", json, "--data-binary", event, "--include", &webhook_url]).await
    };
    let (head, body) = deliver(format!("Authorization: Bearer {token}")).await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!(body, "");
    eventually("applied", async || app.count("done").await == 1).await;

    let (head, body) = ask("incode:a-wrong-client-secret-0123456789").await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert!(head.to_ascii_lowercase().contains("www-authenticate: basic realm=\"incode\""), "{head}");
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(error["error"], "invalid_client");
    let (head, _) = deliver(format!("Authorization: Bearer {token}x")).await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let (head, _) = ask("incode:an-older-client-secret-0123456789").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// Head and body of the answer.
async fn curl(arguments: &[&str]) -> (String, String) {
    let mut curl = Command::new("curl");
    let curl = curl.args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*"]).args(arguments);
    let Output { status, stdout, stderr } = curl.output().await.expect("curl, which tests/run installs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let answer = String::from_utf8(stdout).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (format!("{head}\r\n"), body.to_owned())
}
