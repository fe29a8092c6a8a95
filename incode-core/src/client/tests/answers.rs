//! Answers that came whole: which error each one is.

use std::time::{Duration, SystemTime};

use super::vendor::{Step, Vendor, answer, ok};
use super::*;
use crate::client::ErrorKind;

async fn error_to(bytes: Vec<u8>) -> Error {
    let vendor = Vendor::answering([bytes]).await;
    userinfo(&builder(&vendor).retries(0).build().unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn the_status_line_alone_decides() {
    let misleading = json!({ "status": 405, "error": "x", "message": "y", "timestamp": 1_688_044_216_480_i64 });
    for (line, kind) in [
        ("400 Bad Request", ErrorKind::BadRequest),
        ("401 Unauthorized", ErrorKind::Unauthorized),
        ("403 Forbidden", ErrorKind::Forbidden),
        ("404 Not Found", ErrorKind::NotFound),
        ("405 Method Not Allowed", ErrorKind::MethodNotAllowed),
        ("406 Not Acceptable", ErrorKind::NotAcceptable),
        ("429 Too Many Requests", ErrorKind::TooManyRequests),
        ("500 Internal Server Error", ErrorKind::Server),
        ("599 Odd", ErrorKind::Server),
        ("418 Teapot", ErrorKind::UnexpectedStatus),
        ("304 Not Modified", ErrorKind::UnexpectedStatus),
    ] {
        let body = if line.starts_with("304") { String::new() } else { misleading.to_string() };
        let error = error_to(answer(line, "", body)).await;
        assert_eq!(error.kind(), kind, "{line}");
        assert_eq!(error.status().unwrap().to_string(), line[..3]);
        if kind != ErrorKind::UnexpectedStatus {
            let body = error.body().unwrap();
            assert_eq!((body.status, body.message.as_deref()), (Some(405), Some("y")));
        }
    }
}

#[tokio::test]
async fn an_error_body_may_be_anything() {
    for body in ["", "<html>", "[1]", "null", "{}", "{\"status\":", &"x".repeat(100_000)] {
        let error = error_to(answer("401 Unauthorized", "", body)).await;
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert!(error.body().is_none());
    }
    let error = error_to(answer("400 Bad Request", "", r#"{"message":"no face"}"#)).await;
    assert_eq!(error.body().unwrap().message.as_deref(), Some("no face"));
    let error = error_to(answer("401 Unauthorized", "content-encoding: gzip\r\n", "{}")).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_200_is_trusted_only_in_the_documented_shape() {
    let bodies = [
        "",
        " \r\n",
        "<!doctype html><title>maintenance</title>",
        "null",
        "true",
        "[]",
        r#"["ACTIVE","i-1"]"#,
        "{}",
        r#"{"status":"ACTIVE"}"#,
        r#"{"status":"ACTIVE","identityId":"i-1"#,
        r#"{"status":"ACTIVE","identityId":"i-1"}{}"#,
        r#"{"status":"ACTIVE","identityId":"i-1"} trailing"#,
        r#"{"status":"ACTIVE","status":"ACTIVE","identityId":"i-1"}"#,
        "\u{feff}{}",
    ];
    for body in bodies {
        let error = error_to(answer("200 OK", "content-type: application/json\r\n", body)).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Malformed, Some(200)), "{body}");
    }
    let not_utf8 = [b"{\"status\":\"ACTIVE\",\"identityId\":\"i-1\",\"city\":\"".as_slice(), b"\xff\"}"].concat();
    assert_eq!(error_to(answer("200 OK", "", not_utf8)).await.kind(), ErrorKind::Malformed);
    let error = error_to(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec()).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Malformed, Some(204)));
}

#[tokio::test]
async fn an_error_that_rides_in_a_200_is_an_error() {
    let whole = json!({ "timestamp": 1_688_044_216_480_i64, "status": 401, "error": "Unauthorized", "message": "m" });
    let error = error_to(ok(&whole)).await;
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(error.body().unwrap().status, Some(401));

    let beside = |error| json!({ "status": "ACTIVE", "identityId": "i-1", "error": error });
    let error = error_to(ok(&beside(json!({ "status": 4010, "message": "m" })))).await;
    assert_eq!(error.body().unwrap().status, Some(4010));
    assert_eq!(error_to(ok(&beside(json!("spoof")))).await.kind(), ErrorKind::Malformed);

    let vendor = Vendor::answering([ok(&beside(json!(null))), ok(&beside(json!({})))]).await;
    let client = client(&vendor);
    userinfo(&client).await.unwrap();
    userinfo(&client).await.unwrap();
}

#[tokio::test]
async fn an_encoded_answer_is_not_decoded() {
    for encoding in ["gzip", "GZIP", "br", "identity, gzip", "x"] {
        let header = format!("content-encoding: {encoding}\r\n");
        let error = error_to(answer("200 OK", &header, active().to_string())).await;
        assert_eq!(error.kind(), ErrorKind::Malformed, "{encoding}");
    }
    let vendor = Vendor::answering([answer("200 OK", "content-encoding: identity\r\n", active().to_string())]).await;
    userinfo(&client(&vendor)).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_capped_by_length_and_in_chunks() {
    let padded = |pad: usize| json!({ "status": "ACTIVE", "identityId": "i-1", "pad": "x".repeat(pad) }).to_string();
    let cap = padded(1000).len();
    let chunked = |body: &str| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.as_bytes().chunks(100) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    };
    let fits = [answer("200 OK", "", padded(1000)), chunked(&padded(1000))];
    let over = [answer("200 OK", "", padded(1001)), chunked(&padded(1001)), chunked(&padded(4_000_000))];
    for bytes in fits {
        let vendor = Vendor::answering([bytes]).await;
        userinfo(&builder(&vendor).max_answer_bytes(cap).build().unwrap()).await.unwrap();
    }
    for bytes in over {
        let vendor = Vendor::answering([bytes, ok(&active())]).await;
        let error = userinfo(&builder(&vendor).max_answer_bytes(cap).build().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::TooLarge, Some(200)));
    }
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_not_even_read() {
    for length in ["1048577", "9223372036854775807"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{{");
        let vendor = Vendor::start(vec![vec![Step::Send(head.into_bytes()), Step::Stall]]).await;
        let client = builder(&vendor).attempt_timeout(Duration::from_secs(2)).build().unwrap();
        assert_eq!(userinfo(&client).await.unwrap_err().kind(), ErrorKind::TooLarge, "{length}");
    }
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms_on_429_and_503() {
    let hour = Duration::from_secs(3600);
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
    let past = httpdate::fmt_http_date(SystemTime::now() - hour);
    for (value, low, high) in [
        ("7", Duration::from_secs(7), Duration::from_secs(7)),
        ("0", Duration::ZERO, Duration::ZERO),
        ("86400", hour, hour),
        ("99999999999999999999999999", hour, hour),
        (date.as_str(), Duration::from_secs(80), Duration::from_secs(90)),
        (past.as_str(), Duration::ZERO, Duration::ZERO),
        ("Fri, 31 Dec 9999 23:59:59 GMT", hour, hour),
    ] {
        for line in ["429 Too Many Requests", "503 Service Unavailable"] {
            let error = error_to(answer(line, &format!("retry-after: {value}\r\n"), "")).await;
            let wait = error.retry_after().unwrap();
            assert!((low..=high).contains(&wait), "{value}: {wait:?}");
        }
    }
    for value in ["-1", "1.5", "soon", "", "1e3", "+5"] {
        let error = error_to(answer("429 Too Many Requests", &format!("retry-after: {value}\r\n"), "")).await;
        assert_eq!(error.retry_after(), None, "{value}");
    }
    assert_eq!(error_to(answer("500 Oops", "retry-after: 7\r\n", "")).await.retry_after(), None);
}
