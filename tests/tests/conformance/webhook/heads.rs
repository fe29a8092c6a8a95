//! Heads that are legal and rare, or not legal: answered or hung up on, never with a fault of ours, and the next
//! connection is served.

use incode_tests::{ACKNOWLEDGED, Adapter, HEADER, SECRET, Wire, World};

use crate::webhook::refusals::{UNAUTHENTIC, body, expected, stored};

on_every_adapter! {
    rare_headers_change_nothing,
    heads_that_servers_refuse,
    a_secret_is_read_from_its_own_header_alone,
    a_user_is_read_from_its_own_header_alone,
}

async fn world(adapter: Adapter) -> World {
    let world = World::start(adapter).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    world
}

/// Status of the answer to these bytes; zero when the server hangs up without one.
async fn send(world: &World, bytes: &[u8]) -> u16 {
    let mut wire = Wire::open(world.address).await;
    wire.write(bytes).await;
    wire.answer().await.map_or(0, |response| response.status)
}

/// A delivery and a gated request, both good but for these lines.
async fn statuses(world: &World, lines: &[u8]) -> [u16; 2] {
    let delivery = format!("content-length: {}\r\n\r\n{}", body().len(), body());
    let delivery = [
        b"POST /incode/webhook HTTP/1.1\r\nhost: app.test\r\nx-incode-secret: ",
        SECRET.as_bytes(),
        b"\r\n",
        lines,
        delivery.as_bytes(),
    ]
    .concat();
    let page = [b"GET /vault HTTP/1.1\r\nhost: app.test\r\nx-user: ana\r\n", lines, b"\r\n"].concat();
    [send(world, &delivery).await, send(world, &page).await]
}

async fn rare_headers_change_nothing(adapter: Adapter) {
    let world = world(adapter).await;
    let long = format!("x-long: {}\r\n", "a".repeat(8_000));
    let many: String = (0..60).map(|number| format!("x-{number}: y\r\n")).collect();
    for lines in [
        &b""[..],
        b"x-empty:\r\n",
        b"x-empty: \t \r\n",
        b"x_under_score: y\r\n",
        b"x-latin: caf\xe9\r\n",
        "x-script: \u{7530}\u{4e2d}\r\n".as_bytes(),
        b"x-high: \x80\xff\r\n",
        b"x-twice: a\r\nx-twice: b\r\n",
        b"X-CAPITALS: A\r\n",
        b"x-!#$%&'*+.^_`|~: y\r\n",
        b"cookie: \xff=\xfe; =; ;;; a\r\n",
        b"accept: \xff, text/html\r\n",
        b"accept:\r\naccept: ,,,;;q=\r\n",
        b"connection: x-user\r\n",
        b"expect: the worst\r\n",
        b"range: bytes=0-0\r\n",
        b"if-none-match: *\r\n",
        b"forwarded: for=\"\r\n",
        b"x-forwarded-for: \xff, 1.2.3.4, ::, nonsense\r\n",
        b"traceparent: \xff\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let [delivery, page] = statuses(&world, lines).await;
        // An expectation that can't be met is the one thing here that a server may refuse.
        let may_refuse = lines.starts_with(b"expect");
        let fine = |status: u16, good: u16| status == good || may_refuse && status == 417;
        assert!(fine(delivery, 204) && fine(page, 200), "{} {delivery} {page}", lines.escape_ascii());
    }
}

async fn heads_that_servers_refuse(adapter: Adapter) {
    let world = world(adapter).await;
    let hundred: String = (0..100).map(|number| format!("x-{number}: y\r\n")).collect();
    let thousand: String = (0..1_000).map(|number| format!("x-{number}: y\r\n")).collect();
    let block = format!("x-long: {}\r\n", "a".repeat(64 * 1024));
    let endless = format!("x-long: {}\r\n", "a".repeat(2 << 20));
    for lines in [
        &b"x-folded: a\r\n b\r\n"[..],
        b"x-folded:\r\n\tb\r\n",
        b" x-space-before: y\r\n",
        b"x-space-after : y\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"x-nul: a\0b\r\n",
        b"x-control: a\x01b\r\n",
        b"x-del: a\x7fb\r\n",
        b"x-cr: a\rb\r\n",
        b"x-lf: a\nb\n",
        b"\xff\xfe: y\r\n",
        b"x\0: y\r\n",
        b"host: other.test\r\n",
        b"host:\r\n",
        b"upgrade: websocket\r\nconnection: upgrade\r\n",
        b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        hundred.as_bytes(),
        thousand.as_bytes(),
        block.as_bytes(),
        endless.as_bytes(),
    ] {
        for status in statuses(&world, lines).await {
            let shown = lines[..lines.len().min(60)].escape_ascii();
            assert!(status < 500, "{shown}: {status}");
        }
        assert_eq!(statuses(&world, b"").await, [204, 200], "the next one is served");
    }
    for start in [
        &b"GET /vault\r\n\r\n"[..],
        b"GET /vault HTTP/1.0\r\nx-user: ana\r\n\r\n",
        b"GET /vault HTTP/0.9\r\n\r\n",
        b"GET /vault HTTP/2.0\r\nhost: a\r\n\r\n",
        // No preface of HTTP/2, which a server may speak, but nearly one.
        b"PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n",
        b"GET  /vault HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET vault HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET http://other.test/vault HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET http://user:pass@other.test:0/incode/start HTTP/1.1\r\nhost: a\r\nx-user: ana\r\n\r\n",
        b"GET /vault\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /vault%ff%00 HTTP/1.1\r\nhost: a\r\nx-user: ana\r\n\r\n",
        b"GET /incode/start?return_to=%ff&return_to HTTP/1.1\r\nhost: a\r\nx-user: ana\r\n\r\n",
        b"GET /incode/callback?token=%00&correlation_id=%f0 HTTP/1.1\r\nhost: a\r\nx-user: ana\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\nGET /vault HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client hello\r\n\r\n",
        b"{\"event\":\"verification.completed\"}\r\n\r\n",
    ] {
        let status = send(&world, start).await;
        assert!(status < 500, "{}: {status}", start.escape_ascii());
        assert_eq!(statuses(&world, b"").await, [204, 200], "the next one is served");
    }
    let path = format!("GET /{} HTTP/1.1\r\nhost: a\r\nx-user: ana\r\n\r\n", "a".repeat(70_000));
    assert!(send(&world, path.as_bytes()).await < 500);
}

async fn a_secret_is_read_from_its_own_header_alone(adapter: Adapter) {
    let world = World::start(adapter).await;
    for line in [
        format!("x_incode_secret: {SECRET}"),
        format!("x-incode_secret: {SECRET}"),
        format!("x-incode-secret.: {SECRET}"),
        format!("xincodesecret: {SECRET}"),
        format!("{HEADER}: {SECRET}\r\nx_incode_secret: other\r\n{HEADER}: other"),
        format!("{HEADER}:"),
        format!("{HEADER}: {SECRET}\u{a0}"),
    ] {
        let head =
            format!("POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{line}\r\ncontent-length: {}\r\n\r\n", body().len());
        let mut wire = Wire::open(world.address).await;
        wire.write(&[head.as_bytes(), body().as_bytes()].concat()).await;
        assert_eq!(wire.response(false).await.essence(), expected(UNAUTHENTIC), "{line}");
    }
    // Folded over two lines it is no header of ours, or no header at all.
    let folded =
        format!("POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}:\r\n {SECRET}\r\ncontent-length: 0\r\n\r\n");
    let status = send(&world, folded.as_bytes()).await;
    assert!(status == 0 || (400..500).contains(&status), "{status}");
    assert_eq!(stored(&world).await, 0);
    // Blanks around a value are not part of it.
    let padded = format!(
        "POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}: \t {SECRET} \t\r\ncontent-length: {}\r\n\r\n{}",
        body().len(),
        body()
    );
    let mut wire = Wire::open(world.address).await;
    wire.write(padded.as_bytes()).await;
    assert_eq!(wire.response(false).await.essence(), ACKNOWLEDGED);
}

async fn a_user_is_read_from_its_own_header_alone(adapter: Adapter) {
    let world = world(adapter).await;
    for lines in [
        &b"x_user: ana\r\n"[..],
        b"xuser: ana\r\n",
        b"x-user: ana\r\nx-user: ana\r\n",
        b"x-user: ana\r\nX-User: ben\r\n",
        b"x-user:\r\n",
        b"x-user: \xff\r\n",
        b"x-user: ana\xff\r\n",
        b"cookie: x-user=ana\r\n",
    ] {
        let page = [b"GET /vault HTTP/1.1\r\nhost: a\r\n", lines, b"\r\n"].concat();
        let mut wire = Wire::open(world.address).await;
        wire.write(&page).await;
        let response = wire.response(false).await;
        assert_eq!((response.status, &*response.code()), (401, "authentication_required"), "{}", lines.escape_ascii());
    }
}
