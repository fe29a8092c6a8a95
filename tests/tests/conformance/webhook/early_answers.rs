//! Answers that are given before the body was read: who sends the body all the same can read them, and is read no further
//! than a bounded amount.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use incode_tests::{Adapter, Call, HEADER, SECRET, Wire, World, post};

use crate::webhook::refusals::{UNAUTHENTIC, expected};

on_every_adapter! {
    a_refusal_is_read_by_who_wrote_the_whole_body_first,
    a_denial_is_read_by_who_wrote_the_whole_body_first,
    a_flood_at_a_gate_is_cut_off,
    who_asks_before_sending_is_not_invited,
    a_connection_whose_body_was_short_goes_on,
}

async fn a_refusal_is_read_by_who_wrote_the_whole_body_first(adapter: Adapter) {
    let world = World::start(adapter).await;
    let body = vec![b'x'; MIB - 1024];
    let refused = |call: Call| call.header("connection", "close");
    let unauthentic = refused(post("/incode/webhook"));
    let too_large = refused(post("/incode/webhook").header(HEADER, SECRET));
    let wrong_method = refused(Call::new("PUT", "/incode/webhook"));
    every_one_is_read(world.address, unauthentic.clone().body(&body), 401, "delivery_unauthentic").await;
    every_one_is_read(world.address, unauthentic.chunked(&body, 16 * 1024), 401, "delivery_unauthentic").await;
    every_one_is_read(world.address, too_large.clone().body(&body), 413, "delivery_too_large").await;
    every_one_is_read(world.address, too_large.chunked(&body, 16 * 1024), 413, "delivery_too_large").await;
    every_one_is_read(world.address, wrong_method.body(&body), 405, "method_not_allowed").await;
}

async fn a_denial_is_read_by_who_wrote_the_whole_body_first(adapter: Adapter) {
    let world = World::start(adapter).await;
    let body = vec![b'x'; MIB / 2];
    let denied = post("/transfer").header("connection", "close");
    every_one_is_read(world.address, denied.clone().body(&body), 401, "authentication_required").await;
    every_one_is_read(world.address, denied.clone().chunked(&body, 16 * 1024), 401, "authentication_required").await;
    let unverified = denied.user("ana").body(&body);
    every_one_is_read(world.address, unverified, 403, "verification_required").await;
}

/// No client that is refused may keep the server busy.
async fn a_flood_at_a_gate_is_cut_off(adapter: Adapter) {
    let world = World::start(adapter).await;
    for framing in ["content-length: 1099511627776", "transfer-encoding: chunked"] {
        let mut wire = Wire::open(world.address).await;
        wire.write(format!("POST /transfer HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").as_bytes()).await;
        let sent = wire.flood().await;
        let sent = sent.unwrap_or_else(|sent| panic!("{framing}; still reading after {sent} bytes"));
        // What was on the way in socket buffers counts here, too. actix-web has a limit of time alone.
        assert!(adapter == Adapter::Actix || sent < 32 << 20, "{framing}; took {sent} bytes");
    }
}

/// `100 Continue` would ask for a body that is not wanted. actix-web sends it by itself, before it calls the
/// application.
async fn who_asks_before_sending_is_not_invited(adapter: Adapter) {
    let world = World::start(adapter).await;
    for path in ["/incode/webhook", "/transfer"] {
        let mut wire = Wire::open(world.address).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
        wire.write(head.as_bytes()).await;
        wire.until(b"HTTP/1.1 401 ").await;
        assert_eq!(wire.interim(), adapter == Adapter::Actix, "{path}");
    }
}

/// A body that was read to its end after all leaves nothing in the way of the next request. actix-web hangs up instead.
async fn a_connection_whose_body_was_short_goes_on(adapter: Adapter) {
    let world = World::start(adapter).await;
    let body = vec![b'x'; 16 * 1024];
    let mut wire = Wire::open(world.address).await;
    for _ in 0..3 {
        wire.write(&post("/incode/webhook").body(&body).bytes()).await;
        assert_eq!(wire.response(false).await.essence(), expected(UNAUTHENTIC));
        if adapter == Adapter::Actix {
            return;
        }
    }
}

/// Sends it until as many answers as shall be were read in the time that is promised, and not for ever.
async fn every_one_is_read(address: SocketAddr, call: Call, status: u16, code: &str) {
    let bytes = call.bytes();
    let mut read = 0;
    for _ in 0..MOST {
        let begun = Instant::now();
        let mut wire = Wire::open_narrow(address).await;
        let written = wire.write(&bytes).await;
        let ended_well = wire.ends_well(b"}").await;
        // Who is slower than the second that is promised may be cut off.
        if begun.elapsed() >= Duration::from_secs(1) {
            continue;
        }
        assert!(written && ended_well, "reset after {read} answers: {status} {code}");
        let answer = wire.response(false).await;
        assert_eq!((answer.status, &*answer.code()), (status, code));
        read += 1;
        if read == TIMES {
            return;
        }
    }
    // Fewer than that took less than a second: this machine is too busy to measure more.
}

const MIB: usize = 1024 * 1024;
const TIMES: usize = 10;
/// Each takes a second on a machine that is so busy that none counts.
const MOST: usize = 25;
