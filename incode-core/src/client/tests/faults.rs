//! Answers that never came, or not whole.

use std::time::Duration;

use super::vendor::Step::{Pause, Reset, Send, Stall};
use super::vendor::{Step, Vendor, answer};
use super::*;
use crate::client::ErrorKind;

const SHORT: Duration = Duration::from_millis(150);

/// The error of a call whose deadline is far away.
async fn error_after(script: Vec<Step>) -> Error {
    error_within(Duration::from_secs(300), script).await
}

async fn error_within(deadline: Duration, script: Vec<Step>) -> Error {
    let vendor = Vendor::start(vec![script]).await;
    let client = builder(&vendor).retries(0).attempt_timeout(deadline).build().unwrap();
    userinfo(&client).await.unwrap_err()
}

#[tokio::test]
async fn silence_is_a_time_out() {
    assert_eq!(error_within(SHORT, vec![Stall]).await.kind(), ErrorKind::TimedOut);
    let half_a_head = b"HTTP/1.1 200 OK\r\ncontent-".to_vec();
    assert_eq!(error_within(SHORT, vec![Send(half_a_head), Stall]).await.kind(), ErrorKind::TimedOut);
    let half_a_body = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{\"status\"".to_vec();
    assert_eq!(error_within(SHORT, vec![Send(half_a_body), Stall]).await.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_trickle_does_not_stretch_the_deadline() {
    let bytes = answer("200 OK", "", active().to_string());
    let script = bytes.into_iter().flat_map(|byte| [Send(vec![byte]), Pause(SHORT / 10)]).collect();
    assert_eq!(error_within(SHORT, script).await.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_lost_connection_is_a_transport_error() {
    assert_eq!(error_after(vec![]).await.kind(), ErrorKind::Transport, "closed without a word");
    assert_eq!(error_after(vec![Reset]).await.kind(), ErrorKind::Transport, "reset without a word");
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{\"status\":".to_vec();
    assert_eq!(error_after(vec![Send(half), Pause(SHORT / 10), Reset]).await.kind(), ErrorKind::Transport);
    assert_eq!(error_after(vec![Send(b"SSH-2.0-OpenSSH\r\n".to_vec())]).await.kind(), ErrorKind::Transport);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = Client::builder(&format!("http://{free}"), API_KEY).retries(0).build().unwrap();
    assert_eq!(userinfo(&unreachable).await.unwrap_err().kind(), ErrorKind::Transport);
}

#[tokio::test]
async fn a_truncated_answer_is_not_trusted_even_when_it_parses() {
    let whole = active().to_string();
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{whole}", whole.len() + 1);
    assert_eq!(error_after(vec![Send(cut.into_bytes())]).await.kind(), ErrorKind::Transport);
    let chunk = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{whole}\r\n", whole.len());
    assert_eq!(error_after(vec![Send(chunk.into_bytes())]).await.kind(), ErrorKind::Transport, "no last chunk");
}

#[tokio::test]
async fn a_status_that_came_counts_though_its_body_never_does() {
    let head = |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 400\r\n\r\n{{").into_bytes();
    let error = error_within(Duration::from_secs(2), vec![Send(head("401 Unauthorized")), Stall]).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));
    let error = error_after(vec![Send(head("403 Forbidden")), Pause(SHORT / 10), Reset]).await;
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}
