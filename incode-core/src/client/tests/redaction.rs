use std::error::Error as _;

use super::vendor::{Vendor, answer, ok};
use super::*;

fn everything(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(" {source} {source:?}");
        next = source.source();
    }
    text
}

#[tokio::test]
async fn errors_repeat_neither_what_was_sent_nor_what_was_said() {
    let body = json!({ "status": 4010, "error": "canary", "message": "canary", "path": "/canary" });
    let mangled = r#"{"status":"ACTIVE","identityId":{"canary":1},"email":"canary"}"#;
    let answers = [
        answer("400 Bad Request", "", body.to_string()),
        answer("500 Oops", "x-canary: canary\r\n", "canary"),
        answer("302 Found", "location: https://canary.example/\r\n", ""),
        answer("200 OK", "", "canary"),
        answer("200 OK", "", mangled),
        ok(&body),
        b"HTTP/1.1 canary\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ncanary".to_vec(),
    ];
    for bytes in answers {
        let vendor = Vendor::answering([bytes]).await;
        let client = builder(&vendor).retries(0).build().unwrap();
        let error = client.verification(&id("canary-id"), &token()).await.unwrap_err();
        let text = everything(&error);
        assert!(!text.contains("canary") && !text.contains("incode-id"), "{text}");
    }
    let unreachable = Client::builder("http://127.0.0.1:1/canary", API_KEY).retries(0).build().unwrap();
    let error = unreachable.verification(&id("canary-id"), &token()).await.unwrap_err();
    let text = everything(&error);
    assert!(!text.contains("canary") && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn the_numeric_status_of_the_vendor_shows() {
    let vendor = Vendor::answering([answer("400 Bad Request", "", r#"{"status":4010,"message":"canary"}"#)]).await;
    let error = userinfo(&client(&vendor)).await.unwrap_err();
    assert_eq!(error.to_string(), "the vendor refused the request (HTTP 400)");
    assert!(format!("{error:?}").contains("4010"));
}

#[test]
fn neither_client_nor_builder_shows_a_secret() {
    let builder = Client::builder("https://incode.example", API_KEY).hardware_id("canary-hardware");
    let client = builder.clone().build().unwrap();
    let text = format!("{builder:?} {client:?} {:?}", client.shared.headers);
    assert!(!text.contains("canary"), "{text}");
    let with_password = Client::builder("https://user:canary@incode.example", "x");
    assert!(!format!("{with_password:?}").contains("canary"));
}
