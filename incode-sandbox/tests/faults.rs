//! Faults on demand, as a caller meets them.

mod common;

use std::time::{Duration, Instant};

use common::{ana, call, client, got, sandbox, soon};
use incode_sandbox::{Effect, Fault, NewPerson, RetryAfter, Route, Sandbox};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn userinfo(sandbox: &Sandbox, token: &str) -> reqwest::Result<reqwest::Response> {
    soon(call(sandbox, Method::GET, "userinfo", token).send()).await
}

#[tokio::test]
async fn faults_come_in_order_for_their_route_and_run_out() {
    let sandbox = sandbox().await;
    let token = ana(&sandbox).token;
    let faults = format!("{}/control/api/faults", sandbox.url());
    let fault = json!({"route": "userinfo", "kind": "status", "status": 429, "retryAfter": "7", "times": 2});
    assert_eq!(client().post(&faults).json(&fault).send().await.unwrap().status(), 204);
    sandbox.add_fault(Fault::status(503).on(Route::Userinfo));
    assert_eq!(got(&sandbox, "verification/none", &token).await.0, 404, "another route");
    for status in [429, 429, 503, 200] {
        let response = userinfo(&sandbox, &token).await.unwrap();
        assert_eq!(response.status(), status);
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(retry_after, (status == 429).then_some("7"));
    }
    sandbox.add_fault(Fault::status(500).times(9));
    assert_eq!(client().get(format!("{}/favicon.ico", sandbox.url())).send().await.unwrap().status(), 404);
    assert_eq!(client().delete(&faults).send().await.unwrap().status(), 204);
    assert_eq!(userinfo(&sandbox, &token).await.unwrap().status(), 200);
    let met: Vec<_> = sandbox.calls().iter().filter_map(|call| call.fault).collect();
    assert_eq!(met, ["status", "status", "status"]);
}

#[tokio::test]
async fn retry_after_is_seconds_a_date_or_any_text() {
    let sandbox = sandbox().await;
    let token = ana(&sandbox).token;
    let faults = format!("{}/control/api/faults", sandbox.url());
    let retry_after = async |value: serde_json::Value| {
        let fault = json!({"kind": "too_many_requests", "retryAfter": value});
        assert_eq!(client().post(&faults).json(&fault).send().await.unwrap().status(), 204);
        let response = userinfo(&sandbox, &token).await.unwrap();
        assert_eq!(response.status(), 429);
        let text = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (text("retry-after"), text("date").unwrap())
    };
    assert_eq!(retry_after(json!({"kind": "absent"})).await.0, None);
    assert_eq!(retry_after(json!({"kind": "seconds", "seconds": 7})).await.0.as_deref(), Some("7"));
    for text in ["99999999999999999999", "-1", "soon", "1.5"] {
        assert_eq!(retry_after(json!({"kind": "text", "text": text})).await.0.as_deref(), Some(text));
    }
    let seconds = |date: &str| jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_second();
    for (offset, ahead) in [(0, 60), (-7200, 60), (0, -60)] {
        sandbox.change_behaviour(|behaviour| behaviour.date = incode_sandbox::DateHeader::Offset { seconds: offset });
        let (until, date) = retry_after(json!({"kind": "date", "seconds": ahead})).await;
        // The two are written one after the other, so the second may change in between.
        let difference = seconds(&until.unwrap()) - seconds(&date);
        assert!((ahead - 30..=ahead).contains(&difference), "{difference}");
    }
}

#[tokio::test]
async fn a_fault_can_be_for_one_token_or_one_person_only() {
    let sandbox = sandbox().await;
    let ana = ana(&sandbox);
    let bo = sandbox.add_person(NewPerson::named("Bo"));
    let (first, second, bos) = (ana.token, sandbox.issue_token(&ana.identity_id), sandbox.issue_token(&bo.identity_id));
    let status = async |token: &str| userinfo(&sandbox, token).await.unwrap().status().as_u16();

    sandbox.add_fault(Fault::status(403).for_token(&first).times(2));
    let faults = format!("{}/control/api/faults", sandbox.url());
    let fault = json!({"kind": "too_many_requests", "token": first, "retryAfter": {"kind": "seconds", "seconds": 9}});
    assert_eq!(client().post(&faults).json(&fault).send().await.unwrap().status(), 204);
    for (token, expected) in
        [(&second, 200), (&first, 403), (&bos, 200), (&first, 403), (&second, 200), (&first, 429), (&first, 200)]
    {
        assert_eq!(status(token).await, expected);
    }
    sandbox.add_fault(Fault::too_many_requests(RetryAfter::Absent).for_person(&ana.identity_id).times(2));
    for (token, expected) in [(&bos, 200), (&second, 429), (&first, 429), (&second, 200)] {
        assert_eq!(status(token).await, expected);
    }
    // A dead token has no person.
    sandbox.add_fault(Fault::status(500).for_person(&ana.identity_id));
    sandbox.expire_tokens();
    assert_eq!(status(&second).await, 401);

    sandbox.add_fault(Fault::status(500).for_token(&first));
    let listed = client().get(&faults).send().await.unwrap().text().await.unwrap();
    assert!(listed.contains(&ana.identity_id) && !listed.contains(&first));
    assert!(!format!("{:?}", Fault::status(500).for_token(&first)).contains(&first));
}

#[tokio::test]
async fn answers_can_be_wrong_in_every_way() {
    let sandbox = sandbox().await;
    let token = ana(&sandbox).token;
    let whole = userinfo(&sandbox, &token).await.unwrap().bytes().await.unwrap();

    sandbox.add_fault(Fault::new(Effect::Html));
    let page = userinfo(&sandbox, &token).await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()), (200, "text/html"));

    sandbox.add_fault(Fault::new(Effect::Empty));
    let empty = userinfo(&sandbox, &token).await.unwrap();
    assert_eq!((empty.status().as_u16(), empty.bytes().await.unwrap().len()), (200, 0));

    sandbox.add_fault(Fault::new(Effect::Redirect { location: "http://elsewhere.invalid/".to_owned() }));
    let away = userinfo(&sandbox, &token).await.unwrap();
    assert_eq!(
        (away.status().as_u16(), away.headers()["location"].to_str().unwrap()),
        (302, "http://elsewhere.invalid/")
    );

    sandbox.add_fault(Fault::new(Effect::Huge { bytes: 3_000_000 }));
    assert!(userinfo(&sandbox, &token).await.unwrap().bytes().await.unwrap().len() > 3_000_000);

    sandbox.add_fault(Fault::new(Effect::Truncated));
    let cut = userinfo(&sandbox, &token).await.unwrap();
    assert_eq!(cut.content_length(), Some(whole.len() as u64));
    assert!(cut.bytes().await.is_err());

    sandbox.add_fault(Fault::new(Effect::Trickle { interval_ms: 0 }));
    assert_eq!(userinfo(&sandbox, &token).await.unwrap().bytes().await.unwrap(), whole);

    sandbox.add_fault(Fault::late(Duration::from_millis(60)));
    let before = Instant::now();
    assert_eq!(userinfo(&sandbox, &token).await.unwrap().bytes().await.unwrap(), whole);
    assert!(before.elapsed() >= Duration::from_millis(60));

    let bytes = [0, 159, 146, 150];
    sandbox.add_fault(Fault::new(Effect::Answer {
        status: 203,
        headers: [("content-encoding".to_owned(), "x-odd".to_owned())].into(),
        body: data_encoding::BASE64.encode(&bytes),
        base64: true,
    }));
    let odd = userinfo(&sandbox, &token).await.unwrap();
    assert_eq!((odd.status().as_u16(), odd.headers()["content-encoding"].to_str().unwrap()), (203, "x-odd"));
    assert_eq!(odd.bytes().await.unwrap(), bytes.as_slice());
}

#[tokio::test]
async fn a_held_answer_comes_when_it_is_released() {
    let sandbox = sandbox().await;
    let token = ana(&sandbox).token;
    sandbox.add_fault(Fault::new(Effect::Delay).on(Route::Userinfo).times(2).held());
    let held = tokio::spawn(call(&sandbox, Method::GET, "userinfo", &token).send());
    while sandbox.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!held.is_finished() && sandbox.calls()[0].status.is_none());
    sandbox.release_held();
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    let later = call(&sandbox, Method::GET, "userinfo", &token).send().await.unwrap();
    assert_eq!(later.status(), 200, "the fault was there before the release");
}

#[tokio::test]
async fn connections_are_reset_or_left_hanging() {
    let sandbox = sandbox().await;
    let token = ana(&sandbox).token;
    sandbox.add_fault(Fault::new(Effect::Reset));
    let mut stream = tokio::net::TcpStream::connect(sandbox.address()).await.unwrap();
    stream.write_all(b"GET /omni/incode-id/userinfo HTTP/1.1\r\nhost: sandbox\r\n\r\n").await.unwrap();
    let error = soon(stream.read(&mut [0; 64])).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    sandbox.add_fault(Fault::new(Effect::Stall));
    let stalled = call(&sandbox, Method::GET, "userinfo", &token).timeout(Duration::from_secs(1)).send().await;
    assert!(stalled.unwrap_err().is_timeout());
    assert!(sandbox.calls().iter().all(|call| call.status.is_none()));

    // A call that hangs does not keep the sandbox from stopping, and its connection is closed.
    sandbox.add_fault(Fault::new(Effect::Stall));
    let mut hanging = tokio::net::TcpStream::connect(sandbox.address()).await.unwrap();
    hanging.write_all(b"GET /omni/incode-id/userinfo HTTP/1.1\r\nhost: sandbox\r\n\r\n").await.unwrap();
    while sandbox.calls().len() < 3 {
        tokio::task::yield_now().await;
    }
    let address = sandbox.address();
    drop(sandbox);
    assert!(matches!(soon(hanging.read(&mut [0; 64])).await, Ok(0) | Err(_)));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
