//! What is sent, byte for byte.

use serde_json::json;

use super::vendor::{Recorded, Vendor, answer, ok};
use super::*;

fn assert_common_headers(request: &Recorded) {
    assert_eq!(request.header("api-version"), "1.0");
    assert_eq!(request.header("x-api-key"), API_KEY);
    assert_eq!(request.header("content-type"), "application/json", "on GET too");
    assert_eq!(request.header("accept"), "application/json");
    assert!(request.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("accept-encoding")));
}

#[tokio::test]
async fn every_call_carries_the_headers_and_its_own_token() {
    let vendor = Vendor::answering([
        ok(&active()),
        ok(&json!({ "id": "v-1", "status": "VERIFIED" })),
        ok(&json!({ "id": "a-1", "status": "pass" })),
        ok(&json!({ "status": "PASS" })),
        ok(&json!({ "status": "FAIL" })),
    ])
    .await;
    let client = client(&vendor);
    client.userinfo(&Token::new("token-1").unwrap()).await.unwrap();
    client.verification(&id("v-1"), &Token::new("token-2").unwrap()).await.unwrap();
    client.authentication(&id("a-1"), &Token::new("token-3").unwrap()).await.unwrap();
    assert!(client.authenticate(Some(&Token::new("token-4").unwrap()), &face()).await.unwrap().passed());
    assert!(!client.authenticate(None, &face()).await.unwrap().passed());

    let requests = vendor.requests();
    let lines: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /omni/incode-id/userinfo HTTP/1.1",
            "GET /omni/incode-id/verification/v-1 HTTP/1.1",
            "GET /omni/incode-id/authentication/a-1 HTTP/1.1",
            "POST /omni/incode-id/authenticate HTTP/1.1",
            "POST /omni/incode-id/authenticate HTTP/1.1",
        ]
    );
    let tokens: Vec<&str> = requests.iter().map(|request| request.header("x-incode-hardware-id")).collect();
    assert_eq!(tokens, ["token-1", "token-2", "token-3", "token-4", "server"]);
    requests.iter().for_each(assert_common_headers);
    let body: Value = serde_json::from_slice(&requests[3].body).unwrap();
    assert_eq!(body, json!({ "face": { "base64Image": "canary-image" }, "source": "kiosk" }));
    assert!(requests[..3].iter().all(|request| request.body.is_empty()));
}

#[tokio::test]
async fn the_hardware_id_of_a_call_without_token_is_a_setting() {
    let vendor = Vendor::answering([ok(&json!({ "status": "PASS" }))]).await;
    builder(&vendor).hardware_id("kiosk-7").build().unwrap().authenticate(None, &face()).await.unwrap();
    assert_eq!(vendor.requests()[0].header("x-incode-hardware-id"), "kiosk-7");
}

#[tokio::test]
async fn ids_are_one_path_segment_whatever_they_hold() {
    for (nasty, sent) in [
        ("a/b?c#d%2e", "a%2Fb%3Fc%23d%252e"),
        ("%2e%2e", "%252e%252e"),
        ("..;/x", "..%3B%2Fx"),
        ("..\\x", "..%5Cx"),
        ("...", "..."),
        ("aZ9-._~", "aZ9-._~"),
        ("\"<>`{}|^&=+:@!$'()*,", "%22%3C%3E%60%7B%7D%7C%5E%26%3D%2B%3A%40%21%24%27%28%29%2A%2C"),
    ] {
        let vendor = Vendor::answering([ok(&json!({ "id": "v", "status": "VERIFIED" }))]).await;
        client(&vendor).verification(&id(nasty), &token()).await.unwrap();
        assert_eq!(vendor.requests()[0].line, format!("GET /omni/incode-id/verification/{sent} HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_path_prefix_of_the_base_url_is_kept() {
    for prefix in ["/gateway/incode", "/gateway/incode/"] {
        let vendor = Vendor::answering([ok(&active())]).await;
        let client = Client::builder(&(vendor.url() + prefix), API_KEY).build().unwrap();
        userinfo(&client).await.unwrap();
        assert_eq!(vendor.requests()[0].line, "GET /gateway/incode/omni/incode-id/userinfo HTTP/1.1");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_takes_no_key_along() {
    let elsewhere = Vendor::answering([ok(&active())]).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("location: {}/omni/incode-id/userinfo\r\n", elsewhere.url());
        let vendor = Vendor::answering([answer(status, &location, ""), answer(status, &location, "")]).await;
        let error = userinfo(&client(&vendor)).await.unwrap_err();
        assert_eq!(error.kind(), crate::client::ErrorKind::UnexpectedStatus);
        let error = client(&vendor).authenticate(Some(&token()), &face()).await.unwrap_err();
        assert_eq!(error.status().unwrap().to_string(), status[..3]);
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// An answer of any status is given as it is, once.
#[tokio::test]
async fn an_exchange_is_given_as_it_was() {
    let vendor = Vendor::answering([answer("503 Away", "date: now\r\nx-kind: odd\r\n", "personal")]).await;
    let exchange = client(&vendor).exchange("userinfo", &Token::new("made-up").unwrap()).await.unwrap();
    assert_eq!((exchange.status(), exchange.header("date"), exchange.body()), (503, Some("now"), &b"personal"[..]));
    assert!(exchange.header_names().any(|name| name == "x-kind") && exchange.answered() >= exchange.sent());
    assert_eq!(format!("{exchange:?}"), "Exchange { status: 503, .. }");
    assert_eq!(vendor.requests().len(), 1, "it is not tried again");
    assert_common_headers(&vendor.requests()[0]);
}
