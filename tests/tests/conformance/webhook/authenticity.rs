//! Which deliveries are accepted: every policy, every way to fail it, and refused by the head where that is possible.

use std::process::Stdio;
use std::time::Duration;

use incode_core::testing::ManualClock;
use incode_core::testing::signer::{Signer, hmac_base64};
use incode_core::webhook::{Authenticity, HmacScheme};
use incode_core::{Secret, Timestamp};
use incode_tests::{ACKNOWLEDGED, Adapter, Auth, Call, HEADER, Plan, SECRET, SIGNATURE, WHSEC, World, post};
use tokio::io::AsyncWriteExt;

use crate::webhook::refusals::{UNAUTHENTIC, body, expected, stored};

on_every_adapter! {
    every_header_of_every_policy_is_needed_once_and_exactly,
    what_the_head_shows_is_answered_before_the_body,
    clocks_may_differ_by_the_tolerance_and_no_more,
    a_time_is_a_whole_number_of_seconds,
    a_signature_by_openssl_over_bytes_that_are_no_text,
    policies_compose,
}

fn hook() -> Call {
    post("/incode/webhook")
}

fn with(headers: &[(String, String)]) -> Call {
    headers.iter().fold(hook(), |call, (name, value)| call.header(name, value))
}

/// The headers that make `body` authentic.
fn proof(world: &World, body: &str) -> Vec<(String, String)> {
    let signed = String::from_utf8(world.authentic(hook(), body.as_bytes()).bytes()).unwrap();
    let lines = signed.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.filter(|(name, _)| *name != "host").map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn every_header_of_every_policy_is_needed_once_and_exactly(adapter: Adapter) {
    for auth in [Auth::Header, Auth::Hmac, Auth::StandardWebhooks, Auth::OAuth] {
        let world = Plan::new(adapter).auth(auth).start().await;
        let body = body();
        let right = proof(&world, &body);
        assert_eq!(right.len(), if auth == Auth::StandardWebhooks { 3 } else { 1 }, "{auth:?}");
        let refused = async |call: Call, what: &str| {
            let response = world.send(call.body(&body)).await;
            assert_eq!(response.essence(), expected(UNAUTHENTIC), "{auth:?}: {what}");
        };
        refused(hook(), "none").await;
        for (place, (name, value)) in right.iter().enumerate() {
            let others: Vec<_> = right.iter().filter(|(other, _)| other != name).cloned().collect();
            refused(with(&others), &format!("without {name}")).await;
            refused(with(&right).header(name, value), &format!("{name} twice")).await;
            refused(with(&right).header(name, "wrong"), &format!("{name}, and another")).await;
            let empty: &[u8] = b"";
            let longer = format!("{value}0");
            let (cut, quoted, doubled) =
                (&value[..value.len() - 1], format!("\"{value}\""), format!("{value}, {value}"));
            let signed = format!("+{value}");
            let spaced = format!("{} {}", &value[..2], &value[2..]);
            let accented = [b"\xc3\xa9".as_slice(), value.as_bytes()].concat();
            for wrong in [
                empty,
                b"wrong",
                b"\xff\xfe\x80",
                &accented,
                cut.as_bytes(),
                longer.as_bytes(),
                quoted.as_bytes(),
                doubled.as_bytes(),
                signed.as_bytes(),
                spaced.as_bytes(),
            ] {
                let (before, after) = (&right[..place], &right[place + 1..]);
                let call = with(before).header(name, wrong);
                let call = after.iter().fold(call, |call, (name, value)| call.header(name, value));
                refused(call, &format!("{name}: {}", String::from_utf8_lossy(wrong))).await;
            }
        }
        assert_eq!(stored(&world).await, 0, "{auth:?}");
        assert_eq!(world.send(with(&right).body(&body)).await.essence(), ACKNOWLEDGED, "{auth:?}");
    }
}

async fn what_the_head_shows_is_answered_before_the_body(adapter: Adapter) {
    for auth in [Auth::Header, Auth::Hmac, Auth::StandardWebhooks, Auth::OAuth] {
        // So long that an answer can't be the read deadline's.
        let world = Plan::new(adapter).auth(auth).incode(|builder| builder.webhook_read_deadline(AGES)).start().await;
        let right = proof(&world, &body());
        let (last, value) = right.last().unwrap();
        let wrong = with(&right[..right.len() - 1]).header(last, format!("{value}!"));
        for call in [hook(), wrong] {
            let response = world.send(call.announced(64 * 1024)).await;
            assert_eq!(response.essence(), expected(UNAUTHENTIC), "{auth:?}");
        }
    }
}

/// A world on a clock that stands still, and what signs for it.
async fn standing_still(adapter: Adapter) -> (World, Signer, Timestamp) {
    let now = Timestamp::from_secs(1_800_000_000);
    let clock = ManualClock::new(now);
    let plan = Plan::new(adapter).auth(Auth::StandardWebhooks).incode(|builder| builder.clock(clock));
    (plan.start().await, Signer::standard_webhooks(&WHSEC.into()), now)
}

async fn clocks_may_differ_by_the_tolerance_and_no_more(adapter: Adapter) {
    let (world, signer, now) = standing_still(adapter).await;
    for (skew, taken) in [(0, true), (-299, true), (-300, true), (-301, false), (299, true), (300, true), (301, false)]
    {
        let at = Timestamp::from_secs(now.as_millis() / 1000 + skew);
        let response = world.send(with(&signer.headers_at(body().as_bytes(), "msg_1", at)).body(body())).await;
        let answer = if taken { ACKNOWLEDGED.to_owned() } else { expected(UNAUTHENTIC) };
        assert_eq!(response.essence(), answer, "{skew} s");
    }
}

async fn a_time_is_a_whole_number_of_seconds(adapter: Adapter) {
    let (world, _, now) = standing_still(adapter).await;
    let key = Secret::new(SECRET);
    let sign = |time: &str| {
        let signature = hmac_base64(&key, format!("msg_1.{time}.{}", body()).as_bytes());
        let named = hook().header("webhook-id", "msg_1").header("webhook-timestamp", time);
        named.header("webhook-signature", format!("v1,{signature}")).body(body())
    };
    let now = now.as_millis() / 1000;
    assert_eq!(world.send(sign(&now.to_string())).await.essence(), ACKNOWLEDGED);
    for time in [
        "0".to_owned(),
        "-1".to_owned(),
        format!("-{now}"),
        format!("+{now}"),
        format!("{now}.0"),
        format!("{now}.9"),
        format!("{now}000"),
        format!("{now}e0"),
        format!("0x{now:x}"),
        format!("{} {}", now / 10, now % 10),
        "9223372036854775807".to_owned(),
        "9223372036854775808".to_owned(),
        "18446744073709551616".to_owned(),
        "9".repeat(400),
        String::new(),
        "now".to_owned(),
        "2027-01-15T08:00:00Z".to_owned(),
    ] {
        assert_eq!(world.send(sign(&time)).await.essence(), expected(UNAUTHENTIC), "{time}");
    }
}

async fn a_signature_by_openssl_over_bytes_that_are_no_text(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::Hmac).start().await;
    let bytes = b"{\"event\":\"\xff\xfe\x00\xc3\x28\"}";
    let key = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for arguments in [
        vec!["dgst".to_owned(), "-sha256".into(), "-hmac".into(), SECRET.into()],
        vec![
            "dgst".to_owned(),
            "-sha256".into(),
            "-mac".into(),
            "HMAC".into(),
            "-macopt".into(),
            format!("hexkey:{key}"),
        ],
    ] {
        let signature = openssl(&arguments, bytes).await;
        let deliver = async |body: &[u8]| world.send(hook().header(SIGNATURE, &signature).body(body)).await;
        let malformed = deliver(bytes).await;
        assert_eq!(
            (malformed.status, malformed.code().as_str()),
            (400, "delivery_malformed"),
            "authentic, and no event"
        );
        for place in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[place] ^= 1;
            assert_eq!(deliver(&changed).await.essence(), expected(UNAUTHENTIC), "byte {place}");
        }
    }
    assert_eq!(stored(&world).await, 0);
}

async fn openssl(arguments: &[String], input: &[u8]) -> String {
    let mut openssl = tokio::process::Command::new("openssl");
    let openssl = openssl.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut openssl = openssl.expect("openssl, which tests/run installs");
    openssl.stdin.take().unwrap().write_all(input).await.unwrap();
    let output = openssl.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let line = String::from_utf8(output.stdout).unwrap();
    line.trim().rsplit(' ').next().unwrap().to_owned()
}

async fn policies_compose(adapter: Adapter) {
    let header = || Authenticity::header(HEADER, [SECRET.into()]).unwrap();
    let hmac = || Authenticity::hmac(HmacScheme::incode_signature([SECRET.into()]).unwrap());
    let by_header = Signer::header(HEADER, SECRET.into()).headers(body().as_bytes());
    let by_hmac = Signer::hmac(SIGNATURE, SECRET.into()).headers(body().as_bytes());
    let both = [by_header.clone(), by_hmac.clone()].concat();
    let of_another_body = Signer::hmac(SIGNATURE, SECRET.into()).headers(b"{}");
    let half = [by_header.clone(), of_another_body].concat();
    for (policy, taken) in [
        (Authenticity::any_of([header(), hmac()]), [true, true, true, true]),
        (Authenticity::all_of([header(), hmac()]), [false, false, true, false]),
        (Authenticity::all_of([Authenticity::fetch_back(), header()]), [true, false, true, true]),
    ] {
        let policy = policy.unwrap();
        let world = Plan::new(adapter).incode(|builder| builder.webhook_authenticity(policy)).start().await;
        for (headers, taken) in [&by_header, &by_hmac, &both, &half].into_iter().zip(taken) {
            let answer = if taken { ACKNOWLEDGED.to_owned() } else { expected(UNAUTHENTIC) };
            assert_eq!(world.send(with(headers).body(body())).await.essence(), answer);
        }
        assert_eq!(world.send(hook().body(body())).await.essence(), expected(UNAUTHENTIC));
    }
}

/// Longer than any answer takes on a busy machine.
const AGES: Duration = Duration::from_secs(600);
