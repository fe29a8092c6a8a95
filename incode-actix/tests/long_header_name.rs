//! What a header name of 65,536 bytes does. actix-http reads it before any middleware, so nothing here can refuse it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test fails by panicking; support is shared"
)]

mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;

use actix_web::rt::task::spawn_blocking;
use actix_web::{HttpResponse, Responder, web};
use incode_actix::core::store::MemoryStore;
use support::{Served, connect, incode};

fn routes(config: &mut web::ServiceConfig) {
    config.default_service(web::to(page));
}

async fn page() -> impl Responder {
    HttpResponse::Ok()
}

/// What comes back until the connection ends. One that is reset has said all that it says.
fn answer(address: SocketAddr, name_length: usize) -> Vec<u8> {
    let mut socket = connect(address);
    let head = format!("GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n{}: b\r\n\r\n", "a".repeat(name_length));
    let mut answer = Vec::new();
    if socket.write_all(head.as_bytes()).is_ok() {
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = socket.read(&mut piece) {
            answer.extend_from_slice(piece.get(..length).unwrap());
        }
    }
    answer
}

/// Today actix-http panics, and its connection is gone. Documents promise no more: see "What actix-web does not do" in
/// `docs/operations.md`.
#[actix_web::test]
async fn a_header_name_of_65536_bytes_ends_its_own_connection_and_no_other() {
    let served = Served::start(incode(MemoryStore::new()).await, routes).await;
    let address = served.address;
    for length in [65_536, 100_000] {
        let answer = spawn_blocking(move || answer(address, length)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            !answer.starts_with("HTTP/1.1 4"),
            "actix-http refuses a header name of {length} bytes by itself now. Good: remove this test, and what \
             docs/operations.md and docs/security.md say of it"
        );
        assert_eq!(answer, "", "{length}: neither refused nor gone");
        // Both workers.
        for _ in 0..4 {
            assert!(served.get("/", None).await.starts_with("http/1.1 200"), "the next request");
        }
    }
    // One byte less is a header as others are.
    let answer = spawn_blocking(move || answer(address, 65_535)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"), "the bound is where it was");
    served.stop().await;
}
