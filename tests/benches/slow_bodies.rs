//! What a thousand bodies that trickle cost a gated request: the same load of GETs before, during and after, against the
//! conformance suite's little app on each adapter. `tests/long/slow-bodies` runs it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod figures;
}

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use common::figures::Figures;
use futures_util::future::join_all;
use incode_tests::{Adapter, HEADER, Plan, SECRET, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let arguments: Vec<String> = env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, ASK, address] => return alone(ask(address)),
        [_, TRICKLE, address] => return alone(trickle(address)),
        _ => {}
    }
    let runs: usize = env::var("RUNS").map_or(5, |runs| runs.parse().unwrap());
    println!(
        "{CONNECTIONS} connections ask {} times a second in all for {} s; {TRICKLES} others send a byte a second each; \
         {runs} runs, median (range)\n",
        CONNECTIONS as u128 * 1000 / PACE.as_millis(),
        SPAN.as_secs()
    );
    println!("| adapter | | p50 ms | p99 ms |\n|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for adapter in Adapter::ALL {
        let rounds: Vec<_> = (0..runs).map(|_| runtime.block_on(measure(adapter))).collect();
        for (at, when) in ["before", "while they trickle", "after"].into_iter().enumerate() {
            let [p50, p99] = [0, 1]
                .map(|which| Figures::from(rounds.iter().map(|round| round.waits[at][which]).collect::<Vec<_>>()));
            println!("| {adapter:?} | {when} | {p50} | {p99} |");
        }
        let ratio = |round: &Round| round.waits[1][1] / ((round.waits[0][1] + round.waits[2][1]) / 2.0);
        let ratios = Figures::from(rounds.iter().map(ratio).collect::<Vec<_>>());
        let memory = Figures::from(rounds.iter().map(|round| round.kib_each).collect::<Vec<_>>());
        println!("| {adapter:?} | p99, of without | | {ratios} |");
        println!("| {adapter:?} | KiB of memory for each | | {memory} |");
    }
}

struct Round {
    /// p50 and p99 in milliseconds: before, during, after.
    waits: [[f64; 2]; 3],
    kib_each: f64,
}

async fn measure(adapter: Adapter) -> Round {
    // Longer than a round takes, so that all of them trickle to its end.
    let plan = Plan::new(adapter).incode(|builder| builder.webhook_read_deadline(Duration::from_secs(3600)));
    let world = plan.start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    waits(&world);
    let before = waits(&world);
    let memory = resident_kib();
    let (mut trickles, stdin) = start_trickles(&world);
    let kib_each = (resident_kib() - memory) / TRICKLES as f64;
    let during = waits(&world);
    assert!(trickles.try_wait().unwrap().is_none(), "they did not trickle to the end");
    // They stop when they can read no more.
    drop(stdin);
    assert!(trickles.wait().unwrap().success());
    let after = waits(&world);
    Round { waits: [before, during, after], kib_each }
}

fn waits(world: &World) -> [f64; 2] {
    let output = Command::new(env::current_exe().unwrap()).args([ASK, &world.address.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (p50, p99) = text.trim().split_once(' ').unwrap();
    [p50, p99].map(|number| number.parse().unwrap())
}

fn start_trickles(world: &World) -> (Child, ChildStdin) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([TRICKLE, &world.address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "all of them trickle\n");
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

fn resident_kib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4.0
}

fn alone(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

/// Each connection asks at a pace of its own, whether or not the answer before was late.
async fn ask(address: &str) {
    let one = async |number: u32| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut waits, mut answer) = (Vec::new(), vec![0; 4096]);
        tokio::time::sleep(PACE * number / CONNECTIONS as u32).await;
        let mut next = Instant::now();
        let end = next + SPAN;
        while next < end {
            // An answer that was late delays the next request, which then counts from when it was to be sent.
            let mut due = next;
            if Instant::now() < next {
                tokio::time::sleep_until(next.into()).await;
                due = Instant::now();
            }
            stream.write_all(b"GET /vault HTTP/1.1\r\nhost: a\r\nx-user: ana\r\n\r\n").await.unwrap();
            let mut length = 0;
            while !answer[..length].ends_with(b"passed") {
                let read = stream.read(&mut answer[length..]).await.unwrap();
                assert!(read > 0, "hung up");
                length += read;
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 "));
            waits.push(due.elapsed().as_secs_f64() * 1000.0);
            next += PACE;
        }
        waits
    };
    let waits = join_all((0..CONNECTIONS as u32).map(one)).await.concat();
    let waits = Figures::from(waits);
    println!("{} {}", waits.median(), waits.quantile(0.99));
}

/// Half of them by length, half in chunks; a byte a second from each, spread over the second.
async fn trickle(address: &str) {
    let mut streams = Vec::new();
    for number in 0..TRICKLES {
        let (framing, piece) = match number % 2 {
            0 => ("content-length: 60000", " "),
            _ => ("transfer-encoding: chunked", "1\r\n \r\n"),
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head =
            format!("POST /incode/webhook HTTP/1.1\r\nhost: a\r\n{HEADER}: {SECRET}\r\n{framing}\r\n\r\n{piece}");
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push((stream, piece));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("all of them trickle");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    let mut turn = tokio::time::interval(Duration::from_secs(1) / (TRICKLES / GROUP) as u32);
    loop {
        for group in streams.chunks_mut(GROUP) {
            turn.tick().await;
            for (stream, piece) in group {
                stream.write_all(piece.as_bytes()).await.unwrap();
            }
        }
    }
}

const ASK: &str = "--ask";
const TRICKLE: &str = "--trickle";
const TRICKLES: usize = 1_000;
/// So many are written to at once: a timer of a thousandth of a second is too fine.
const GROUP: usize = 10;
const CONNECTIONS: usize = 8;
const PACE: Duration = Duration::from_millis(4);
const SPAN: Duration = Duration::from_secs(4);
