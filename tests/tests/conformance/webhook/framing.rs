//! How long a body is, said wrongly, twice, or in a way that two readers could read differently; and how little is read
//! of an unsigned one.

use std::time::Duration;

use incode_tests::{ACKNOWLEDGED, Adapter, Auth, HEADER, Plan, SECRET, Wire, World, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::webhook::refusals::{UNAUTHENTIC, body, expected, stored};

on_every_adapter! {
    lengths_that_are_none,
    a_length_beside_chunks,
    a_length_that_is_wrong,
    an_endless_remark_on_a_chunk_is_cut_off,
    a_compressed_body_is_never_unpacked,
    next_to_nothing_is_read_of_an_unsigned_body,
}

/// A good delivery in all but what is said of its length.
fn framed(framing: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let lines: String = framing.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("POST /incode/webhook HTTP/1.1\r\nhost: app.test\r\n{HEADER}: {SECRET}\r\n{lines}\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

fn in_chunks(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Status of the answer; zero when the server hangs up without one.
async fn send(world: &World, bytes: &[u8]) -> u16 {
    let mut wire = Wire::open(world.address).await;
    wire.write(bytes).await;
    wire.answer().await.map_or(0, |response| response.status)
}

/// Whether the server refuses such a request itself or leaves it to us is its own affair; that it is refused is not.
async fn refuses(world: &World, framing: &[&str], body: &str) {
    let status = send(world, &framed(framing, body)).await;
    assert!(status == 0 || (400..500).contains(&status), "{framing:?}: {status}");
    assert_eq!(stored(world).await, 0, "{framing:?}");
}

async fn stands(world: &World) {
    assert_eq!(world.send(world.delivery(body())).await.essence(), ACKNOWLEDGED);
}

async fn quick(adapter: Adapter) -> World {
    Plan::new(adapter).incode(|builder| builder.webhook_read_deadline(Duration::from_millis(200))).start().await
}

async fn lengths_that_are_none(adapter: Adapter) {
    let world = quick(adapter).await;
    let good = body();
    let n = good.len();
    for value in [
        String::new(),
        format!("+{n}"),
        format!("-{n}"),
        "-1".into(),
        format!("{n:#x}"),
        format!("{n}.0"),
        format!("{n}e0"),
        format!("{n} {n}"),
        format!("{n}, {n}"),
        format!("{n};"),
        format!("\"{n}\""),
        format!("{}", u64::MAX),
        "9".repeat(40),
        "9".repeat(4000),
        "one hundred".into(),
    ] {
        refuses(&world, &[&format!("content-length: {value}")], &good).await;
    }
    for framing in [
        [format!("content-length: {n}"), format!("content-length: {}", n + 1)],
        [format!("content-length: {}", n + 1), format!("content-length: {n}")],
        [format!("content-length: {n}"), "content-length: 0".into()],
        [format!("content-length: {n}"), "content-length: x".into()],
        [format!("content-length : {n}"), "x: y".into()],
    ] {
        refuses(&world, &framing.each_ref().map(String::as_str), &good).await;
    }
    stands(&world).await;
}

/// actix-web refuses them all. hyper goes by the chunks and removes the length before the application sees it, as RFC
/// 9112 (6.3) allows: then what is taken is what the chunks hold, to which the signature belongs, and nothing else.
async fn a_length_beside_chunks(adapter: Adapter) {
    let world = quick(adapter).await;
    let good = body();
    let (length, chunked) = (format!("content-length: {}", good.len()), "transfer-encoding: chunked");
    let both = [
        [&length, chunked],
        [chunked, &length],
        ["content-length: 0", chunked],
        [chunked, "content-length: 0"],
        ["transfer-encoding: gzip", chunked],
    ];
    for framing in both {
        refuses(&world, &framing, &good).await;
    }
    for framing in both {
        let status = send(&world, &framed(&framing, in_chunks(&good))).await;
        assert!((400..500).contains(&status) || status == 204 && adapter != Adapter::Actix, "{framing:?}: {status}");
    }
    for event in world.events().await {
        assert_eq!(event.object_id.unwrap().as_str(), "an-id");
    }
    let world = quick(adapter).await;
    for framing in [
        [chunked, "transfer-encoding: identity"],
        ["transfer-encoding: xchunked", "content-length: 0"],
        ["transfer-encoding: identity", &length],
        ["transfer-encoding: chunked, gzip", "content-length: 0"],
        ["transfer-encoding: \"chunked\"", "content-length: 0"],
        ["transfer-encoding : chunked", "content-length: 0"],
    ] {
        for body in [in_chunks(&good), good.clone()] {
            refuses(&world, &framing, &body).await;
        }
    }
    stands(&world).await;
}

async fn a_length_that_is_wrong(adapter: Adapter) {
    let world = quick(adapter).await;
    let good = body();
    let n = good.len();
    // Nothing is said: then there is no body. Too much: it never comes. Too little: what is left is no event.
    for (framing, status) in [
        ("x: y".to_owned(), 400),
        (format!("content-length: {}", n + 1), 408),
        (format!("content-length: {}", n - 1), 400),
    ] {
        assert_eq!(send(&world, &framed(&[&framing], &good)).await, status, "{framing}");
    }
    let chunks = in_chunks(&good);
    for (wrong, status) in [
        (chunks.replace("\r\n0\r\n\r\n", "\r\n0\r\n"), 408),
        (chunks.replacen(&format!("{n:x}"), &format!("{:x}", n + 1), 1), 400),
        (chunks.replacen(&format!("{n:x}"), &format!("-{n:x}"), 1), 400),
        (chunks.replacen(&format!("{n:x}"), &"f".repeat(17), 1), 400),
    ] {
        let shown = wrong.chars().take(40).collect::<String>();
        assert_eq!(send(&world, &framed(&["transfer-encoding: chunked"], &wrong)).await, status, "{shown}");
    }
    assert_eq!(stored(&world).await, 0);
    stands(&world).await;
}

/// What a chunk says beside its length is no part of the body, and so under no cap: the deadline ends it.
async fn an_endless_remark_on_a_chunk_is_cut_off(adapter: Adapter) {
    let world = quick(adapter).await;
    let mut wire = Wire::open(world.address).await;
    wire.write(&framed(&["transfer-encoding: chunked"], "1;")).await;
    let remark = [b'e'; 0x4000];
    let cut = tokio::time::timeout(Duration::from_secs(10), async { while wire.write(&remark).await {} }).await;
    assert!(cut.is_ok(), "still reading");
    assert_eq!(stored(&world).await, 0);
    stands(&world).await;
}

/// `{"event":"verification.completed","id":"an-id","token":"a-token"}`, by `gzip -9n`.
const GZIPPED: &str =
    "H4sIAAAAAAACA6tWSi1LzStRslIqSy3KTMtMTizJzM/TS87PLchJLUlNUdJRykwByibm6WaCOCX52al5IL4uhFULAO6OMnZBAAAA";

async fn a_compressed_body_is_never_unpacked(adapter: Adapter) {
    let gzipped = data_encoding::BASE64.decode(GZIPPED.as_bytes()).unwrap();
    for auth in [Auth::Header, Auth::Hmac, Auth::FetchBack] {
        let world = Plan::new(adapter).auth(auth).start().await;
        for encoding in ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip"] {
            // What is signed is what is sent. Unpacked it would be an event.
            let call = world.authentic(post("/incode/webhook"), &gzipped).header("content-encoding", encoding);
            let response = world.send(call.clone().body(&gzipped)).await;
            assert_eq!((response.status, &*response.code()), (400, "delivery_malformed"), "{auth:?} {encoding}");
            assert_eq!(world.send(call.chunked(&gzipped, 7)).await.status, 400, "{auth:?} {encoding}");
        }
        assert_eq!(stored(&world).await, 0);
        // The header is not even looked at.
        let plain = world.delivery(body()).header("content-encoding", "gzip");
        assert_eq!(world.send(plain).await.essence(), ACKNOWLEDGED, "{auth:?}");
    }
}

/// The sender pushes as hard as it can, and notes how much it got rid of before it knew: that is what socket buffers
/// hold, and no share of the 256 MiB it wants to send.
async fn next_to_nothing_is_read_of_an_unsigned_body(adapter: Adapter) {
    let world = World::start(adapter).await;
    for framing in ["content-length: 268435456", "transfer-encoding: chunked"] {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        let (mut read, mut write) = socket.connect(world.address).await.unwrap().into_split();
        let head = format!("POST /incode/webhook HTTP/1.1\r\nhost: app.test\r\n{framing}\r\n\r\n");
        write.write_all(head.as_bytes()).await.unwrap();
        let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
        let mut answer = vec![0; 4096];
        let mut sent = 0_usize;
        let length = loop {
            tokio::select! {
                biased;
                length = read.read(&mut answer) => break length.unwrap(),
                written = write.write(&chunk) => sent += written.unwrap_or_default(),
            }
            assert!(sent < 256 << 20, "took it all");
        };
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with(expected(UNAUTHENTIC).lines().last().unwrap()));
        assert!(sent < 4 << 20, "{framing}: took {sent} bytes before it answered");
    }
    assert_eq!(stored(&world).await, 0);
}
