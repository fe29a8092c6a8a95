//! Judging a signed delivery of 300 bytes, beside the bare HMAC and the bare serde_json that it can't do without.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod callgrind;
    pub(crate) mod events;
    pub(crate) mod figures;
}

use std::hint::black_box;
use std::time::Instant;

use common::figures::Figures;
use common::{callgrind, events};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, request};
use incode_core::testing::signer::hmac_hex;
use incode_core::webhook::{Authenticity, HmacScheme, Webhook, parse};
use incode_core::{Clock, Secret, SystemClock};
use incode_tower::HttpHead;
use serde::Deserialize;
use sha2::Sha256;

fn main() {
    if callgrind::is_counted_child(|case, times| {
        let mut call = prepared(case);
        (0..times).for_each(|_| call());
    }) {
        return;
    }
    println!("a delivery of {} bytes; {ROUNDS} rounds, median (range)\n", events::body(0).len());
    println!("| what | ns | of bare | instructions |\n|---|---|---|---|");
    let mut calls = CASES.map(prepared);
    let mut nanos = CASES.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (call, nanos) in calls.iter_mut().zip(&mut nanos) {
            nanos.push(time(call));
        }
    }
    let [bare, ..] = &nanos;
    for (case, times) in CASES.iter().zip(&nanos) {
        let ratios: Vec<_> = times.iter().zip(bare).map(|(own, bare)| own / bare).collect();
        let [times, ratios] = [times.clone(), ratios].map(Figures::from);
        let instructions =
            callgrind::instructions(case).map_or("no valgrind".to_owned(), |count| format!("{count:.0}"));
        println!("| {case} | {times} | {ratios} | {instructions} |");
    }
}

const CASES: [&str; 5] = ["bare HMAC + bare serde_json", "verify + parse", "bare HMAC", "bare serde_json", "parse"];

fn prepared(case: &str) -> Box<dyn FnMut()> {
    let secret = Secret::from("a published secret of a benchmark");
    let body = events::body(7);
    let keyed = Hmac::<Sha256>::new_from_slice(secret.expose()).unwrap();
    let signature: [u8; 32] = keyed.clone().chain_update(&body).finalize().into_bytes().into();
    let bare_hmac = {
        let body = body.clone();
        move || {
            keyed.clone().chain_update(black_box(&body)).verify_slice(black_box(&signature)).unwrap();
        }
    };
    let bare_json = {
        let body = body.clone();
        move || {
            black_box(serde_json::from_slice::<Bare<'_>>(black_box(&body)).unwrap());
        }
    };
    match case {
        "bare HMAC + bare serde_json" => Box::new(move || {
            bare_hmac();
            bare_json();
        }),
        "bare HMAC" => Box::new(bare_hmac),
        "bare serde_json" => Box::new(bare_json),
        "parse" => Box::new(move || {
            black_box(parse(black_box(&body)).unwrap());
        }),
        "verify + parse" => {
            let webhook =
                Webhook::new(Authenticity::hmac(HmacScheme::new("x-incode-signature", [secret.clone()]).unwrap()));
            let head = head(&hmac_hex(&secret, &body), body.len());
            let now = SystemClock.now();
            Box::new(move || {
                let delivery = webhook.begin(&HttpHead::from(black_box(&head)), now).unwrap();
                black_box(delivery.finish_with(black_box(&body)).unwrap());
            })
        }
        other => panic!("no such case: {other}"),
    }
}

fn time(call: &mut dyn FnMut()) -> f64 {
    let begun = Instant::now();
    (0..CALLS).for_each(|_| call());
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// The least that a typed reader of the spec's event reads.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read for its cost")]
struct Bare<'a> {
    token: &'a str,
    event: &'a str,
    object: &'a str,
    id: &'a str,
    timestamp: u64,
}

/// The head as axum hands it over.
fn head(signature: &str, length: usize) -> request::Parts {
    let request = Request::post("/incode/webhook")
        .header("host", "app")
        .header("user-agent", "vendor")
        .header("accept", "*/*")
        .header("content-type", "application/json")
        .header("x-incode-signature", signature)
        .header("content-length", length);
    request.body(()).unwrap().into_parts().0
}

const ROUNDS: usize = 31;
const CALLS: u32 = 20_000;
