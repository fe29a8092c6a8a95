//! JSON that is none, or no event: every cut, every damaged byte, every depth. Malformed, and distinguished from
//! unauthentic.

use incode_core::webhook::parse;
use incode_tests::{ACKNOWLEDGED, Adapter, Auth, Plan, Wire, World, post};

use crate::webhook::refusals::{MALFORMED, UNAUTHENTIC, expected, stored};

on_every_adapter! {
    cut_at_every_byte,
    damaged_at_every_byte,
    not_utf_8_at_any_byte,
    deep_long_and_numerous,
    malformed_is_not_unauthentic,
}

/// Each of another object, so that no bound on the events of one is met.
fn good(number: usize) -> String {
    format!(
        "{{\"event\":\"verification.completed\",\"id\":\"id-{number:05}\",\"token\":\"t\\u006fk\u{e9}n\",\
         \"object\":\"verification\",\"timestamp\":1688052828,\"x\":[-1.5e3,true,null,{{\"a\":\"\\n\"}}]}}"
    )
    .replace('\u{e9}', "e")
}

/// Over connections that are kept, as long as the server keeps them.
struct Sender<'a> {
    world: &'a World,
    wire: Option<Wire>,
}

impl Sender<'_> {
    async fn status(&mut self, body: &[u8]) -> u16 {
        let call = self.world.authentic(post("/incode/webhook"), body).body(body);
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::open(self.world.address).await,
        };
        wire.write(&call.bytes()).await;
        let response = wire.response(false).await;
        if response.header("connection") != Some("close") {
            self.wire = Some(wire);
        }
        match response.status {
            204 => assert_eq!(response.essence(), ACKNOWLEDGED),
            _ => assert_eq!(response.essence(), expected(MALFORMED), "{}", body.escape_ascii()),
        }
        response.status
    }
}

async fn sender(world: &World) -> Sender<'_> {
    Sender { world, wire: None }
}

async fn cut_at_every_byte(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let mut sender = sender(&world).await;
    let good = good(0);
    for end in 0..good.len() {
        assert_eq!(sender.status(&good.as_bytes()[..end]).await, 400, "cut at {end}");
        if end > 0 {
            assert_eq!(sender.status(&good.as_bytes()[end..]).await, 400, "without the first {end}");
        }
    }
    assert_eq!(stored(&world).await, 0);
    assert_eq!(sender.status(good.as_bytes()).await, 204);
}

async fn damaged_at_every_byte(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let mut sender = sender(&world).await;
    let mut taken = 0;
    for at in 0..good(0).len() {
        for (index, byte) in
            [0, b'"', b'\\', b'{', b'}', b',', b' ', b'\n', b'0', b'x', 0x7f, 0xff].into_iter().enumerate()
        {
            let mut damaged = good(at * 100 + index).into_bytes();
            damaged[at] = byte;
            let status = sender.status(&damaged).await;
            assert_eq!(status == 204, parse(&damaged).is_ok(), "{}", damaged.escape_ascii());
            if status == 204 {
                taken += 1;
                assert!(serde_json::from_slice::<serde_json::Value>(&damaged).is_ok(), "{}", damaged.escape_ascii());
            }
        }
    }
    // Another letter in an id is another id, and another letter in the name of an event is an unknown event.
    assert!((100..2_000).contains(&taken), "{taken}");
    assert!(stored(&world).await > 100);
}

async fn not_utf_8_at_any_byte(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let mut sender = sender(&world).await;
    let good = good(0);
    for at in 0..=good.len() {
        for bytes in [&b"\xff"[..], b"\x80", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb"] {
            let mut broken = good.clone().into_bytes();
            broken.splice(at..at, bytes.iter().copied());
            assert_eq!(sender.status(&broken).await, 400, "{bytes:x?} at {at}");
        }
    }
    assert_eq!(stored(&world).await, 0);
}

async fn deep_long_and_numerous(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let mut sender = sender(&world).await;
    let mut taken = 0;
    // Each of another object, for only one that is applied suppresses the next.
    let mut with = |value: &str, good: bool| {
        taken += u64::from(good);
        format!(r#"{{"event":"verification.completed","id":"id-{taken}","token":"t","x":{value}}}"#)
    };
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for (open, close, levels) in [("[", "]", 1), ("{\"a\":", "}", 1), ("[{\"a\":", "}]", 2), ("{\"a\":[1,", "]}", 2)] {
        let most = 126 / levels;
        assert_eq!(sender.status(with(&nested(open, close, most), true).as_bytes()).await, 204, "{open} {most} deep");
        for depth in [most + 1, 1_000, 60_000 / (open.len() + close.len())] {
            assert_eq!(
                sender.status(with(&nested(open, close, depth), false).as_bytes()).await,
                400,
                "{open} {depth} deep"
            );
            let unclosed = format!("{{\"x\":{}", open.repeat(depth));
            assert_eq!(sender.status(unclosed.as_bytes()).await, 400, "{open} {depth} deep, never closed");
        }
    }
    let long = 60_000;
    // The field is not read, so it may hold what JSON allows and Rust has no value for.
    for (value, status) in [
        ("9".repeat(300), 204),
        ("9".repeat(long), 204),
        (format!("0.{}", "9".repeat(long)), 204),
        (format!("1e-{}", "9".repeat(long)), 204),
        (format!("1e{}", "9".repeat(long)), 204),
        ("-".repeat(long), 400),
        (format!("\"{}\"", "a".repeat(long)), 204),
        (format!("\"{}\"", "\\n".repeat(long / 2)), 204),
        (format!("\"{}\"", "\\ud83d\\ude00".repeat(long / 12)), 204),
        (format!("\"{}\"", "\\ud83d".repeat(long / 6)), 204),
        ("\"\\ude00\"".into(), 204),
        ("\"\\u00\"".into(), 400),
        ("\"\\x41\"".into(), 400),
        ("\"\u{0}\"".into(), 400),
        (format!("[{}1]", "1,".repeat(long / 2)), 204),
        (format!("{{{}\"z\":1}}", (0..5_000).map(|key| format!("\"{key}\":1,")).collect::<String>()), 204),
        (format!("{{{}\"z\":1}}", "\"a\":1,".repeat(10_000)), 400),
        (" ".repeat(long) + "1", 204),
        ("\u{feff}1".into(), 400),
        ("\u{a0}1".into(), 400),
    ] {
        let shown = value.chars().take(40).collect::<String>();
        assert_eq!(
            sender.status(with(&value, status == 204).as_bytes()).await,
            status,
            "{shown}, {} long",
            value.len()
        );
    }
    for body in
        [vec![0; long], vec![b'['; long], vec![b'"'; long], vec![b'\\'; long], vec![b' '; long], vec![0xff; long]]
    {
        assert_eq!(sender.status(&body).await, 400, "{}", body[..4].escape_ascii());
    }
    assert_eq!(stored(&world).await, taken, "and nothing of the others");
}

async fn malformed_is_not_unauthentic(adapter: Adapter) {
    for auth in [Auth::Header, Auth::Hmac] {
        let world = Plan::new(adapter).auth(auth).start().await;
        let other = good(1);
        for body in ["", "{", "[]", "\u{feff}{}", "\0", &good(0)[1..], &format!("{}x", good(0))] {
            let right = world.authentic(post("/incode/webhook"), body.as_bytes()).body(body);
            assert_eq!(world.send(right).await.essence(), expected(MALFORMED), "{auth:?} {body:?}");
            let none = post("/incode/webhook").body(body);
            assert_eq!(world.send(none).await.essence(), expected(UNAUTHENTIC), "{auth:?} {body:?}");
            if auth == Auth::Hmac {
                let wrong = world.authentic(post("/incode/webhook"), other.as_bytes()).body(body);
                assert_eq!(world.send(wrong).await.essence(), expected(UNAUTHENTIC), "{body:?}");
            }
        }
        assert_eq!(stored(&world).await, 0);
    }
}
