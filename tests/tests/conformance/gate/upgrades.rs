//! What is more than a request and an answer: preflights of browsers, and connections that become WebSockets.

use std::time::Duration;

use incode_tests::{Adapter, Call, ORIGIN, Plan, Response, Shape, World, get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_every_adapter! {
    cors_outside_answers_preflights_and_marks_denials,
    a_gate_lets_genuine_preflights_by_where_that_is_set,
    a_websocket_is_upgraded_behind_the_gate,
}

fn preflight(path: &str) -> Call {
    Call::new("OPTIONS", path).header("origin", ORIGIN).header("access-control-request-method", "GET")
}

async fn cors_outside_answers_preflights_and_marks_denials(adapter: Adapter) {
    let world = Plan::new(adapter).shape(Shape::Cors).start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    let allowed = |response: &Response| response.header("access-control-allow-origin").map(str::to_owned);
    for path in ["/vault", "/members/page", "/shut-to-preflights"] {
        let answer = world.send(preflight(path)).await;
        assert_eq!((answer.status, allowed(&answer).as_deref()), (200, Some(ORIGIN)), "{path}: {answer:?}");
        assert_ne!(answer.text(), "OPTIONS", "the handler was not reached");
        for (user, status) in [(None, 401), (Some("nora"), 403), (Some("ana"), 200)] {
            let call = user.into_iter().fold(get(path).header("origin", ORIGIN), Call::user);
            let answer = world.send(call).await;
            assert_eq!((answer.status, allowed(&answer).as_deref()), (status, Some(ORIGIN)), "{path} {user:?}");
            if status != 200 {
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                assert!(!answer.code().is_empty(), "scripts of that site can read why");
            }
        }
    }
}

async fn a_gate_lets_genuine_preflights_by_where_that_is_set(adapter: Adapter) {
    let world = World::start(adapter).await;
    for user in [None, Some("nora")] {
        let send = async |call: Call| world.send(user.into_iter().fold(call, Call::user)).await;
        let passed = send(preflight("/open-to-preflights")).await;
        assert_eq!((passed.status, passed.text().as_str()), (200, "OPTIONS"), "{user:?}");
        let shut = send(preflight("/shut-to-preflights")).await;
        assert!(matches!(shut.status, 401 | 403), "{user:?}: {shut:?}");
        for call in [
            Call::new("OPTIONS", "/open-to-preflights"),
            Call::new("OPTIONS", "/open-to-preflights").header("origin", ORIGIN),
            Call::new("OPTIONS", "/open-to-preflights").header("access-control-request-method", "GET"),
            get("/open-to-preflights").header("origin", ORIGIN).header("access-control-request-method", "GET"),
            post("/open-to-preflights")
                .header("origin", ORIGIN)
                .header("access-control-request-method", "GET")
                .body(""),
            Call::new("options", "/open-to-preflights")
                .header("origin", ORIGIN)
                .header("access-control-request-method", "GET"),
        ] {
            let shut = send(call.clone()).await;
            assert!((400..500).contains(&shut.status), "{call:?}: {shut:?}");
            assert!(!shut.code().is_empty() || adapter != Adapter::Tower, "{call:?}: {shut:?}");
        }
    }
}

async fn a_websocket_is_upgraded_behind_the_gate(adapter: Adapter) {
    let world = World::start(adapter).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    for user in [None, Some("nora")] {
        let (head, _) = handshake(&world, user).await;
        let status = if user.is_some() { "403" } else { "401" };
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        assert!(!head.to_ascii_lowercase().contains("upgrade:"), "{head}");
    }
    // Loaded first, then known: the upgrade outlasts the wait.
    for _ in 0..2 {
        let (head, mut socket) = handshake(&world, Some("ana")).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let lower = head.to_ascii_lowercase();
        assert!(lower.contains("upgrade: websocket") && lower.contains("x-outer: seen"), "{head}");
        if adapter != Adapter::Tower {
            assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        }
        // "hi" in a masked text frame (RFC 6455, 5.7), and back unmasked; the bare service sends back what came.
        let masked = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
        socket.write_all(&masked).await.unwrap();
        let expected: &[u8] = if adapter == Adapter::Tower { &masked } else { &[0x81, 0x02, b'h', b'i'] };
        let mut echo = vec![0; expected.len()];
        tokio::time::timeout(DEADLINE, socket.read_exact(&mut echo)).await.expect("no echo").unwrap();
        assert_eq!(echo, expected);
    }
}

/// The head of the answer, and the connection behind it. The sample key of RFC 6455, 1.3.
async fn handshake(world: &World, user: Option<&str>) -> (String, TcpStream) {
    let call = get("/socket")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    socket.write_all(&user.into_iter().fold(call, Call::user).bytes()).await.unwrap();
    let mut head = Vec::new();
    let read = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(DEADLINE, read).await.expect("no answer");
    (String::from_utf8(head).unwrap(), socket)
}

const DEADLINE: Duration = Duration::from_secs(15);
