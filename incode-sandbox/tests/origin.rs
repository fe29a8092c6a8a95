//! Cross-site requests: the control page and API have no password, so only their own pages and local programs may use
//! them.

#![allow(clippy::unwrap_used, reason = "a test: a panic is how it fails")]

mod common;

use common::{ana, client, got, sandbox, soon};
use incode_sandbox::{Builder, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The status of a request with exactly these headers.
async fn status(sandbox: &Sandbox, request_line: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = format!("{request_line} HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let mut stream = tokio::net::TcpStream::connect(sandbox.address()).await.unwrap();
    stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn control_answers_to_known_hosts_only() {
    let sandbox = Sandbox::builder().allowed_host("vendor.test").start().await.unwrap();
    let port = sandbox.address().port();
    let local = format!("127.0.0.1:{port}");
    for (host, expected) in [
        (local.as_str(), 200),
        ("127.0.0.2", 200),
        ("localhost:9", 200),
        ("LOCALHOST", 200),
        ("vendor.localhost.", 200),
        ("[::1]:4000", 200),
        ("vendor.test:4000", 200),
        ("Vendor.Test", 200),
        ("rebound.example", 403),
        ("rebound.example:4000", 403),
        ("127.0.0.1.rebound.example", 403),
        ("localhost.rebound.example", 403),
        ("notlocalhost", 403),
        ("sub.vendor.test", 403),
        ("192.0.2.1", 403),
        ("127.0.0.1@rebound.example", 403),
        ("", 403),
    ] {
        for path in ["/control", "/control/api/people", "/control/faces/mask.svg"] {
            assert_eq!(status(&sandbox, &format!("GET {path}"), &[("host", host)]).await, expected, "{host} {path}");
        }
    }
    assert_eq!(status(&sandbox, "GET /control", &[]).await, 403, "no host");
    let two = [("host", local.as_str()), ("host", "rebound.example")];
    assert!(matches!(status(&sandbox, "GET /control", &two).await, 400 | 403));
    let absolute = "GET http://rebound.example/control";
    assert_eq!(status(&sandbox, absolute, &[("host", &local)]).await, 403);
    // The bound address needs no setting; the vendor's API answers under every name, as it has a key.
    assert_eq!(status(&sandbox, "GET /omni/incode-id/userinfo", &[("host", "vendor.internal")]).await, 400);
    let named = Builder::from_env(|name| (name == "SANDBOX_ALLOWED_HOSTS").then(|| "a.test, ::2".to_owned())).unwrap();
    let named = named.bind(([127, 0, 0, 1], 0)).start().await.unwrap();
    for (host, expected) in [("a.test", 200), ("[::2]:80", 200), ("b.test", 403)] {
        assert_eq!(status(&named, "GET /control", &[("host", host)]).await, expected, "{host}");
    }
}

#[tokio::test]
async fn control_refuses_the_forms_and_scripts_of_other_origins() {
    let sandbox = sandbox().await;
    let id = ana(&sandbox).identity_id;
    let local = sandbox.address().to_string();
    let (own, secure) = (format!("http://{local}"), format!("https://{local}"));
    let neighbour = format!("http://127.0.0.1:{}", sandbox.address().port().wrapping_add(1));
    for (origin, passes) in [
        (None, true),
        (Some(own.as_str()), true),
        (Some(secure.as_str()), true),
        (Some(neighbour.as_str()), false),
        (Some("http://127.0.0.1"), false),
        (Some("https://attacker.example"), false),
        (Some("null"), false),
        (Some(""), false),
        (Some("file://127.0.0.1"), false),
    ] {
        let mut headers = vec![("host", local.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let page = status(&sandbox, &format!("POST /control/people/{id}/revoke"), &headers).await;
        assert_eq!(page, if passes { 303 } else { 403 }, "{origin:?}");
        assert_eq!(sandbox.person(&id).unwrap().status, if passes { "REVOKED" } else { "ACTIVE" }, "{origin:?}");
        let api = status(&sandbox, &format!("POST /control/api/people/{id}/activate"), &headers).await;
        assert_eq!(api, if passes { 200 } else { 403 }, "{origin:?}");
        assert_eq!(sandbox.person(&id).unwrap().status, "ACTIVE", "{origin:?}");
        let read = status(&sandbox, "GET /control/api/faces", &headers).await;
        assert_eq!(read, if passes { 200 } else { 403 }, "{origin:?}");
        // The hosted flow: a form that can't be read is refused only after the origin.
        let flow = status(&sandbox, "POST /", &headers).await;
        assert_eq!(flow, if passes { 400 } else { 403 }, "{origin:?}");
    }
    let two = [("host", local.as_str()), ("origin", own.as_str()), ("origin", own.as_str())];
    assert_eq!(status(&sandbox, "POST /control/api/tokens/expire", &two).await, 403);
    let rebound = [("host", "rebound.example"), ("origin", "http://rebound.example")];
    assert_eq!(status(&sandbox, "POST /control/api/tokens/expire", &rebound).await, 403);
    assert_eq!(got(&sandbox, "userinfo", &sandbox.issue_token(&id)).await.0, 200);
    assert_eq!(client().get(sandbox.control_url()).send().await.unwrap().status(), 200);
}
