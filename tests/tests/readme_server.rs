//! The server of the README, run: a connection that sends no head is closed, and everything else is served.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use axum::Router;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, sleep};

/// To the letter as the README has it: [`it_is_the_code_of_the_readme`].
async fn serve(listener: TcpListener, app: Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await; // no socket is free: try again
            continue;
        };
        let app = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5));
            http.serve_connection(TokioIo::new(stream), app).with_upgrades().await
        });
    }
}

/// The function in a text that holds it once, from its first line to its closing brace.
fn function(text: &str) -> &str {
    let begin = text.find("\nasync fn serve(listener: TcpListener, app: Router) {\n").unwrap();
    let rest = text.get(begin..).unwrap();
    rest.get(..rest.find("\n}\n").unwrap()).unwrap()
}

#[test]
fn it_is_the_code_of_the_readme() {
    assert_eq!(function(include_str!("../../README.md")), function(include_str!("readme_server.rs")));
}

#[tokio::test]
async fn the_readmes_server_closes_a_connection_that_sends_no_head() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, Router::new().route("/", get(async || "served"))));
    let ask = async |sent: &str| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Ends when the server closes it, however late that is. A reset is an end too.
        let _ = socket.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    for sent in ["", "G", "GET / HTTP/1.1\r\nhost: app\r\n"] {
        let answer = ask(sent).await;
        assert!(!answer.contains(" 200 "), "{sent:?}: {answer}");
    }
    assert!(ask("GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n").await.ends_with("served"));
    // Kept open for a second request, and closed when none comes.
    assert!(ask("GET / HTTP/1.1\r\nhost: app\r\n\r\n").await.ends_with("served"));
    server.abort();
}
