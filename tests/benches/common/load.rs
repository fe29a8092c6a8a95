//! A load generator that costs little: one thread, keep-alive, one request under way on each connection, a request
//! rendered once and its number patched in. A process of its own: the program started again.

use std::env;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::events;
use super::figures::Figures;

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    pub(crate) p50_millis: f64,
    pub(crate) p99_millis: f64,
}

/// Runs what the program was started for as a child of [`deliver`], if it was; true then.
pub(crate) fn is_load_child() -> bool {
    let arguments: Vec<String> = env::args().collect();
    let [_, flag, address, connections, secs] = arguments.as_slice() else { return false };
    if flag != FLAG {
        return false;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let secs = Duration::from_secs(secs.parse().unwrap());
    let outcome = runtime.block_on(generate(address.parse().unwrap(), connections.parse().unwrap(), secs));
    println!("{} {} {}", outcome.per_second, outcome.p50_millis, outcome.p99_millis);
    true
}

/// Delivers unique events to `/incode/webhook` over so many connections: a second to warm up, then so many that count.
/// Anything but a 204 is a panic.
pub(crate) async fn deliver(address: SocketAddr, connections: u64, secs: u64) -> Outcome {
    let arguments = [FLAG.to_owned(), address.to_string(), connections.to_string(), secs.to_string()];
    let child = move || Command::new(env::current_exe().unwrap()).args(arguments).output().unwrap();
    let output = tokio::task::spawn_blocking(child).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [per_second, p50_millis, p99_millis] = figures[..] else { panic!("{text}") };
    Outcome { per_second, p50_millis, p99_millis }
}

async fn generate(address: SocketAddr, connections: u64, time: Duration) -> Outcome {
    let counts_from = Instant::now() + WARM_UP;
    let until = counts_from + time;
    let clients = (0..connections).map(|client| tokio::spawn(keep_delivering(address, client, counts_from, until)));
    let mut waits = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        waits.extend(client.await.unwrap());
    }
    let delivered = waits.len();
    let millis = |wait: Duration| wait.as_secs_f64() * 1000.0;
    let waits = Figures::from(waits.into_iter().map(millis).collect::<Vec<_>>());
    Outcome {
        per_second: delivered as f64 / time.as_secs_f64(),
        p50_millis: waits.median(),
        p99_millis: waits.quantile(0.99),
    }
}

async fn keep_delivering(address: SocketAddr, client: u64, counts_from: Instant, until: Instant) -> Vec<Duration> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let body = String::from_utf8(events::body(PLACEHOLDER)).unwrap();
    let length = body.len();
    let head = format!(
        "POST /incode/webhook HTTP/1.1\r\nhost: app\r\nuser-agent: vendor\r\naccept: */*\r\n\
         content-type: application/json\r\nx-incode-secret: {SECRET}\r\ncontent-length: {length}\r\n\r\n"
    );
    let request = format!("{head}{body}");
    let digits = format!("{PLACEHOLDER:020}");
    let places: Vec<_> = request.match_indices(&digits).map(|(at, _)| at).collect();
    let mut request = request.into_bytes();
    let mut answer = [0; 1024];
    let mut waits = Vec::new();
    for number in 0.. {
        let number = format!("{:020}", client * 1_000_000_000 + number);
        for at in &places {
            request[*at..*at + number.len()].copy_from_slice(number.as_bytes());
        }
        let sent = Instant::now();
        if sent >= until {
            break;
        }
        socket.write_all(&request).await.unwrap();
        let mut read = 0;
        while !answer[..read].ends_with(b"\r\n\r\n") {
            let more = socket.read(&mut answer[read..]).await.unwrap();
            assert!(more > 0, "the server hung up");
            read += more;
        }
        assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer[..read]));
        if sent >= counts_from {
            waits.push(sent.elapsed());
        }
    }
    waits
}

/// The secret that deliveries carry in `x-incode-secret`.
pub(crate) const SECRET: &str = "a published secret of a benchmark";

const FLAG: &str = "--load";
const WARM_UP: Duration = Duration::from_secs(1);
const PLACEHOLDER: u64 = 12_345_678_901_234_567_890;
