//! Answers that are given before the body was read arrive through a proxy, and no refused request takes the application
//! out of service.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use incode_tests::servers::{Front, FrontServer, Variant};
use incode_tests::{Adapter, Call, HEADER, SECRET, Wire, World, event, post};

use crate::in_front_of;

behind_every_proxy! {
    refusals_of_large_deliveries_arrive,
    denials_of_uploads_arrive,
}

async fn refusals_of_large_deliveries_arrive(front: Front) {
    for adapter in Adapter::ALL {
        let world = World::start(adapter).await;
        let Some(server) = in_front_of(&world, front).await else { return };
        let authentic = post(WEBHOOK).header(HEADER, SECRET);
        let forged = post(WEBHOOK).header(HEADER, "conformance-secret-9876543210");
        let body = vec![b'x'; MIB];
        let cases = [
            (authentic, 413, "delivery_too_large"),
            (post(WEBHOOK), 401, "delivery_unauthentic"),
            (forged.header("content-type", "text/plain"), 401, "delivery_unauthentic"),
            (Call::new("PUT", WEBHOOK), 405, "method_not_allowed"),
        ];
        for (call, status, code) in cases {
            arrives(adapter, &server, call.clone().body(&body), status, code).await;
            arrives(adapter, &server, call.chunked(&body, 16 * 1024), status, code).await;
        }
        is_in_service(&world, server.address, &server.log()).await;
    }
}

/// By a gate and by an extractor, of a user who is not known and of one who is not verified.
async fn denials_of_uploads_arrive(front: Front) {
    for adapter in Adapter::ALL {
        let world = World::start(adapter).await;
        let Some(server) = in_front_of(&world, front).await else { return };
        let body = vec![b'x'; if front.reads_while_it_writes() { 5 * MIB } else { MIB }];
        for path in ["/transfer", "/upload"] {
            for (call, status, code) in
                [(post(path), 401, "authentication_required"), (post(path).user("ana"), 403, "verification_required")]
            {
                arrives(adapter, &server, call.clone().body(&body), status, code).await;
                arrives(adapter, &server, call.chunked(&body, 64 * 1024), status, code).await;
            }
        }
        is_in_service(&world, server.address, &server.log()).await;
    }
}

/// Two servers of one application, each out of service after one error. A stranger posts large bodies.
#[tokio::test]
async fn a_refused_sender_takes_no_server_out() {
    for adapter in Adapter::ALL {
        let world = World::start(adapter).await;
        let second = TcpListener::bind("127.0.0.1:0").unwrap();
        let second = adapter.serve(second, Some(world.incode.clone())).await;
        let both = |text: String| {
            let line = text.lines().find(|line| line.trim_start().starts_with("server 127.")).unwrap();
            text.replace(
                line,
                &format!("{line}\n{}", line.replace(&world.address.to_string(), &second.address.to_string())),
            )
        };
        let address = Front::free_address();
        let Some(server) = Front::Nginx.start(Variant::Whole, address, world.address, both).await else { return };
        for round in 0..6 {
            let body = vec![b'x'; MIB];
            arrives(adapter, &server, post(WEBHOOK).body(&body), 401, "delivery_unauthentic").await;
            arrives(adapter, &server, post("/upload").body(&body), 401, "authentication_required").await;
            let delivery =
                world.delivery(event("verification.completed", &format!("id-{round}"), "a-token").to_string());
            assert_eq!(delivery.send(server.address).await.status, 204);
        }
        let log = server.log();
        assert!(!log.contains("temporarily disabled") && !log.contains("upstream prematurely"), "{adapter:?}: {log}");
    }
}

async fn is_in_service(world: &World, front: SocketAddr, log: &str) {
    let delivery = world.delivery(event("verification.completed", "an-id", "a-token").to_string());
    assert_eq!(delivery.send(front).await.status, 204, "{log}");
}

/// Sends it until the answer is the application's own. Another one counts if it came within the second that is promised: a
/// machine that is busier than that may lose an answer.
async fn arrives(adapter: Adapter, front: &FrontServer, call: Call, status: u16, code: &str) {
    let bytes = call.header("connection", "close").bytes();
    for _ in 0..MOST {
        let begun = Instant::now();
        let answer = Wire::open(front.address).await.exchange(&bytes).await;
        let expected = answer.as_ref().is_some_and(|answer| answer.status == status && answer.code() == code);
        if expected {
            return;
        }
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        assert!(
            begun.elapsed() >= Duration::from_secs(1),
            "{adapter:?}, {status} {code} to {head:?}: {answer:?}\n{}",
            front.log()
        );
    }
    panic!("{status} {code}: not once in {MOST} attempts");
}

const WEBHOOK: &str = "/incode/webhook";
const MIB: usize = 1024 * 1024;
/// More than a busy machine can lose.
const MOST: usize = 60;
