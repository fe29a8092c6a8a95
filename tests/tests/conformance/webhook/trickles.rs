//! Bodies that come a byte now and then, on hundreds of connections: no other request waits for them, and each is given
//! up at the read deadline. `tests/long/slow-bodies` measures what a thousand of them cost the gate.

use std::net::SocketAddr;
use std::time::Duration;

use incode_tests::{ACKNOWLEDGED, Adapter, HEADER, Plan, SECRET};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::webhook::refusals::{body, stored};

on_every_adapter! {
    two_hundred_slow_bodies_delay_no_other,
}

/// One adapter at a time: together they would need more sockets than some systems give a process.
static TURN: Mutex<()> = Mutex::const_new(());
const TRICKLES: usize = 200;

/// Sends a body's bytes slowly until it is answered, and gives the answer.
async fn trickle(address: SocketAddr, framing: &'static str, piece: &'static str) -> String {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let head = format!("POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}: {SECRET}\r\n{framing}\r\n\r\n");
    write.write_all(head.as_bytes()).await.unwrap();
    let answer = async {
        let mut answer = Vec::new();
        // Whether the end is in good order is the server's affair.
        let _ = read.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let mut answer = std::pin::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            () = tokio::time::sleep(Duration::from_millis(50)) => drop(write.write_all(piece.as_bytes()).await),
        }
    }
}

async fn two_hundred_slow_bodies_delay_no_other(adapter: Adapter) {
    let _turn = TURN.lock().await;
    let deadline = Duration::from_secs(10);
    let world = Plan::new(adapter).incode(move |builder| builder.webhook_read_deadline(deadline)).start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;

    let mut trickles = JoinSet::new();
    for number in 0..TRICKLES {
        let (framing, piece) = match number % 2 {
            0 => ("content-length: 60000", " "),
            _ => ("transfer-encoding: chunked", "1\r\n \r\n"),
        };
        trickles.spawn(trickle(world.address, framing, piece));
    }
    let mut answered = 0_u64;
    let first = loop {
        assert_eq!(world.status("ana", "/vault").await, 200);
        assert_eq!(world.get("ben", "/vault").await.code(), "verification_required");
        assert_eq!(world.send(world.delivery(body())).await.essence(), ACKNOWLEDGED);
        match trickles.try_join_next() {
            None => answered += 1,
            Some(first) => break first.unwrap(),
        }
    };
    assert!(answered > 0, "no round while all of them trickled");
    let mut answers = trickles.join_all().await;
    answers.push(first);
    assert_eq!(answers.len(), TRICKLES);
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("delivery_too_slow"), "{answer}");
    }
    assert!(stored(&world).await <= answered + 1, "nothing but what was sent at a good pace");
}
