//! Bodies that are too large, too slow, unfinished or unwanted, and connections that carry them.

use std::time::{Duration, Instant};

use incode_tests::{ACKNOWLEDGED, Adapter, Call, HEADER, Plan, SECRET, Wire, World, get, post, problem};
use serde_json::json;

use crate::webhook::refusals::{UNAUTHENTIC, body, expected, stored};

on_every_adapter! {
    the_body_cap_by_length_and_by_chunk,
    an_unsigned_body_is_not_waited_for,
    a_body_over_the_cap_is_not_waited_for,
    a_chunked_body_without_end_is_cut_off,
    a_slow_body_is_given_up,
    a_body_that_breaks_off_stores_nothing,
    a_refused_sender_leaves_the_server_in_good_health,
    a_sender_that_asks_before_it_sends,
    an_unread_body_is_never_the_next_request,
}

const TOO_LARGE: (u16, &str, &str, &str) =
    (413, "delivery_too_large", "Delivery too large", "The body is longer than is accepted.");

async fn the_body_cap_by_length_and_by_chunk(adapter: Adapter) {
    for (cap, set) in [(64 * 1024, false), (1000, true)] {
        let world = Plan::new(adapter)
            .incode(move |builder| if set { builder.webhook_body_cap(cap) } else { builder })
            .start()
            .await;
        for (number, (length, answer)) in
            [(cap - 1, ACKNOWLEDGED.to_owned()), (cap, ACKNOWLEDGED.to_owned()), (cap + 1, expected(TOO_LARGE))]
                .into_iter()
                .enumerate()
        {
            let id = format!("id-{number}");
            let frame = json!({"event": "verification.completed", "id": id, "token": "t", "pad": ""}).to_string();
            let body = frame.replace("\"pad\":\"\"", &format!("\"pad\":\"{}\"", "p".repeat(length - frame.len())));
            assert_eq!(body.len(), length);
            assert_eq!(world.send(world.delivery(&body)).await.essence(), answer, "{length} of {cap}");
            for size in [length, 999, 16 * 1024] {
                let call = world.authentic(post("/incode/webhook"), body.as_bytes()).chunked(&body, size);
                assert_eq!(world.send(call).await.essence(), answer, "{length} of {cap} in chunks of {size}");
            }
        }
        let events = world.events().await;
        assert!(events.iter().all(|event| event.object_id.as_ref().unwrap().as_str() != "id-2"), "stored all the same");
    }
}

async fn an_unsigned_body_is_not_waited_for(adapter: Adapter) {
    // So long that an answer can't be the read deadline's.
    let world = Plan::new(adapter).incode(|builder| builder.webhook_read_deadline(AGES)).start().await;
    let response = world.send(post("/incode/webhook").announced(256 << 20)).await;
    assert_eq!(response.essence(), expected(UNAUTHENTIC));
}

async fn a_body_over_the_cap_is_not_waited_for(adapter: Adapter) {
    let world = World::start(adapter).await;
    for length in [64 * 1024 + 1, 256 << 20, u64::MAX / 2] {
        let response = world.send(post("/incode/webhook").header(HEADER, SECRET).announced(length)).await;
        assert_eq!(response.essence(), expected(TOO_LARGE), "{length}");
    }
}

/// No client may keep the server busy with a body that never ends. After the answer the tower adapter
/// throws away 1 MiB, for a second at most, and actix-web what comes in its `client_disconnect_timeout` of a second, so that
/// the answer is read.
async fn a_chunked_body_without_end_is_cut_off(adapter: Adapter) {
    let world = World::start(adapter).await;
    for authentic in [false, true] {
        let mut wire = Wire::open(world.address).await;
        let secret = if authentic { format!("{HEADER}: {SECRET}\r\n") } else { String::new() };
        let head = format!("POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{secret}transfer-encoding: chunked\r\n\r\n");
        wire.write(head.as_bytes()).await;
        let sent = wire.flood().await;
        let sent = sent.unwrap_or_else(|sent| panic!("authentic: {authentic}; still reading after {sent} bytes"));
        // What was on the way in socket buffers counts here, too.
        assert!(adapter == Adapter::Actix || sent < 32 << 20, "authentic: {authentic}; took {sent} bytes");
    }
    assert_eq!(stored(&world).await, 0);
}

async fn a_slow_body_is_given_up(adapter: Adapter) {
    let deadline = Duration::from_millis(300);
    let world = Plan::new(adapter).incode(move |builder| builder.webhook_read_deadline(deadline)).start().await;
    let expected =
        problem(408, "delivery_too_slow", "Delivery too slow", "The body did not arrive in time.", None, &[]);
    // Nothing at all, by length and in chunks; and a byte now and then, which must not push the deadline back.
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut wire = Wire::open(world.address).await;
        let head = format!("POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}: {SECRET}\r\n{framing}\r\n\r\n");
        wire.write(head.as_bytes()).await;
        let begun = Instant::now();
        assert_eq!(wire.response(false).await.essence(), expected, "{framing}");
        assert!(begun.elapsed() >= deadline);
    }
    let mut wire = Wire::open(world.address).await;
    let head = format!("POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}: {SECRET}\r\ncontent-length: 100\r\n\r\n");
    wire.write(head.as_bytes()).await;
    let begun = Instant::now();
    for _ in 0..40 {
        if !wire.write(b" ").await || begun.elapsed() > deadline * 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(wire.response(false).await.essence(), expected, "trickling");
    assert_eq!(stored(&world).await, 0);
}

async fn a_body_that_breaks_off_stores_nothing(adapter: Adapter) {
    let world = World::start(adapter).await;
    for _ in 0..3 {
        let mut wire = Wire::open(world.address).await;
        let length = body().len() + 10;
        let head = format!(
            "POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}: {SECRET}\r\ncontent-length: {length}\r\n\r\n"
        );
        wire.write(head.as_bytes()).await;
        wire.write(body().as_bytes()).await;
    }
    // Bad framing is for the server to refuse, before or after it is ours.
    let mut wire = Wire::open(world.address).await;
    let head = format!(
        "POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}: {SECRET}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    );
    wire.write(head.as_bytes()).await;
    assert_eq!(wire.response(false).await.status, 400);
    assert_eq!(stored(&world).await, 0);
}

async fn a_refused_sender_leaves_the_server_in_good_health(adapter: Adapter) {
    let world = World::start(adapter).await;
    let refused = (0..60).map(|index| async move {
        match index % 3 {
            0 => post("/incode/webhook").announced(1 << 30),
            1 => post("/incode/webhook").header(HEADER, SECRET).announced(1 << 30),
            _ => post("/incode/webhook").header(HEADER, SECRET).body("{"),
        }
    });
    let world = &world;
    let all =
        futures_util::future::join_all(refused.map(|call| async move { world.send(call.await).await.status })).await;
    assert!(all.iter().all(|status| (400..500).contains(status)), "{all:?}");
    assert_eq!(world.send(world.delivery(body())).await.essence(), ACKNOWLEDGED);
    assert_eq!(world.standing("ana").await, "not_linked");
}

async fn a_sender_that_asks_before_it_sends(adapter: Adapter) {
    let world = World::start(adapter).await;
    let body = body();
    let head = |secret: &str| {
        let length = body.len();
        format!(
            "POST /incode/webhook HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n{secret}\r\n"
        )
    };
    let mut wire = Wire::open(world.address).await;
    wire.write(head("").as_bytes()).await;
    assert_eq!(wire.response(false).await.essence(), expected(UNAUTHENTIC));
    let mut wire = Wire::open(world.address).await;
    wire.write(head(&format!("{HEADER}: {SECRET}\r\n")).as_bytes()).await;
    wire.write(body.as_bytes()).await;
    assert_eq!(wire.response(false).await.essence(), ACKNOWLEDGED);
}

/// A body that was refused unread, or that a gate never looked at, must not be taken for a request of its own.
async fn an_unread_body_is_never_the_next_request(adapter: Adapter) {
    let world = World::start(adapter).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    let hidden = get("/vault").user("ana").bytes();
    let next = get("/open").user("ben").bytes();
    let calls = [
        post("/transfer").user("ana").body(&hidden),
        post("/transfer").body(&hidden),
        post("/transfer").chunked(&hidden, 10),
        post("/incode/webhook").body(&hidden),
        post("/incode/webhook").chunked(&hidden, 10),
        Call::new("PUT", "/incode/webhook").body(&hidden),
        post("/incode/start").user("ana").body(&hidden),
    ];
    for call in calls {
        let mut wire = Wire::open(world.address).await;
        wire.write(&[call.bytes(), next.clone()].concat()).await;
        let first = wire.response(false).await;
        assert!((400..500).contains(&first.status), "{call:?} {first:?}");
        // Servers may hang up after a refusal; what they may not do is to answer what was hidden.
        if first.header("connection") != Some("close") && !wire.hangs_up().await {
            let second = wire.response(false).await;
            assert_eq!(second.json()["standing"], "not_linked", "{call:?} {second:?}");
        }
    }
}

/// Longer than any answer takes on a busy machine.
const AGES: Duration = Duration::from_secs(600);
