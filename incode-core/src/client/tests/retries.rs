use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::vendor::Step::{Reset, Send, Stall};
use super::vendor::{Vendor, answer, ok};
use super::*;
use crate::Timestamp;
use crate::client::ErrorKind;
use crate::time::{TimeFuture, TimeSource};

fn oops() -> Vec<u8> {
    answer("500 Internal Server Error", "", "")
}

#[tokio::test]
async fn a_get_survives_two_server_errors() {
    let vendor = Vendor::answering([oops(), answer("503 Busy", "", ""), ok(&active())]).await;
    userinfo(&client(&vendor)).await.unwrap();
    assert_eq!(vendor.requests().len(), 3);
}

#[tokio::test]
async fn a_get_survives_lost_connections() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{".to_vec();
    let vendor = Vendor::start(vec![vec![Reset], vec![Send(half)], vec![Send(ok(&active()))]]).await;
    userinfo(&client(&vendor)).await.unwrap();
    assert_eq!(vendor.requests().len(), 3);
}

/// An ACTIVE that another caller asked for between two attempts is older than the REVOKED of the second.
#[tokio::test]
async fn the_time_is_that_of_the_request_that_was_answered() {
    struct Ticking(AtomicI64);
    impl TimeSource for Ticking {
        fn ask(&self) -> TimeFuture<'_> {
            let now = Timestamp::from_secs(self.0.fetch_add(1, Ordering::SeqCst));
            Box::pin(std::future::ready(Some(now)))
        }
    }
    for retries in 0..3 {
        let answers = std::iter::repeat_n(oops(), retries).chain([ok(&active())]);
        let vendor = Vendor::answering(answers).await;
        let clock = Ticking(AtomicI64::new(0));
        let sent_at = client(&vendor).userinfo_at(&clock, &token()).await.unwrap().sent_at;
        assert_eq!(sent_at, Timestamp::from_secs(i64::try_from(retries).unwrap()));
        let asked = clock.0.load(Ordering::SeqCst);
        assert_eq!(asked, i64::try_from(retries).unwrap() + 1, "asked for before each attempt, and not after");
    }
}

#[tokio::test]
async fn retries_end() {
    let vendor = Vendor::answering([oops(), oops(), oops(), ok(&active())]).await;
    assert_eq!(userinfo(&client(&vendor)).await.unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(vendor.requests().len(), 3);
}

#[tokio::test]
async fn what_a_retry_would_not_mend_is_asked_once() {
    let answers = [
        answer("400 Bad Request", "", ""),
        answer("401 Unauthorized", "", ""),
        answer("403 Forbidden", "", ""),
        answer("404 Not Found", "", ""),
        answer("429 Too Many Requests", "", ""),
        answer("302 Found", "location: /\r\n", ""),
        answer("200 OK", "", "<html>"),
        answer("503 Busy", "retry-after: 30\r\n", ""),
    ];
    for bytes in answers {
        let vendor = Vendor::answering([bytes.clone(), ok(&active())]).await;
        userinfo(&client(&vendor)).await.unwrap_err();
        assert_eq!(vendor.requests().len(), 1, "{}", String::from_utf8_lossy(&bytes));
    }
    let vendor = Vendor::start(vec![vec![Stall], vec![Send(ok(&active()))]]).await;
    let client = builder(&vendor).attempt_timeout(Duration::from_secs(1)).build().unwrap();
    assert_eq!(userinfo(&client).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(vendor.requests().len(), 1);
}

#[tokio::test]
async fn no_retry_outlives_the_call() {
    let vendor = Vendor::answering([oops(), ok(&active())]).await;
    let client =
        builder(&vendor).retry_wait(Duration::from_secs(600)).call_timeout(Duration::from_secs(300)).build().unwrap();
    let start = Instant::now();
    assert_eq!(userinfo(&client).await.unwrap_err().kind(), ErrorKind::Server);
    assert!(start.elapsed() < Duration::from_secs(300), "it gave up at once");
    assert_eq!(vendor.requests().len(), 1);

    let vendor = Vendor::start(vec![vec![Send(oops())], vec![Stall]]).await;
    let client = builder(&vendor).call_timeout(Duration::from_millis(200)).build().unwrap();
    assert_eq!(userinfo(&client).await.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_face_is_never_authenticated_twice() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{".to_vec();
    for script in [vec![Send(oops())], vec![Reset], vec![], vec![Send(half)], vec![Send(answer("503 Busy", "", ""))]] {
        let pass = vec![Send(ok(&json!({ "status": "PASS" })))];
        let vendor = Vendor::start(vec![script, pass]).await;
        client(&vendor).authenticate(Some(&token()), &face()).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(vendor.requests().len(), 1);
    }
}

#[test]
fn waits_grow_and_are_jittered() {
    let policy = crate::client::retry::RetryPolicy::default();
    let error = Error::refused(500, None, None);
    for (done, middle) in [(0, 100), (1, 300)] {
        let waits: Vec<Duration> = (0..50).map(|_| policy.wait(done, &error).unwrap()).collect();
        assert!(waits.iter().all(|wait| (middle / 2..=middle * 3 / 2).contains(&(wait.as_millis()))), "{waits:?}");
        assert!(waits.iter().any(|wait| wait != &waits[0]));
    }
    assert_eq!(policy.wait(2, &error), None);
    assert!(policy.wait(0, &Error::refused(503, Some(Duration::ZERO), None)).is_some());
    let greedy = crate::client::retry::RetryPolicy { retries: u32::MAX, first_wait: Duration::MAX };
    assert!(greedy.wait(u32::MAX - 1, &error).is_some(), "no overflow");
}
