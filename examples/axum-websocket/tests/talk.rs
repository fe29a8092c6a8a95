//! The program and a real WebSocket client: who may open one, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use incode_tests::process::{App, Settings};
use incode_tests::{get, post, verify};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn start() -> App {
    App::launch(env!("CARGO_BIN_EXE_axum-websocket"), &Settings::none()).await
}

async fn open(app: &App, cookie: &str, origin: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{}/talk", app.address).into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request.headers_mut().insert("origin", origin.parse().unwrap());
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn verified(app: &App, user: &str) -> String {
    let cookie = app.log_in(user).await;
    verify(app.address, &cookie, user).await;
    cookie
}

async fn talk(app: &App, cookie: &str) -> Socket {
    let mut socket = open(app, cookie, &format!("http://{}", app.address)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(heard(&mut socket).await, Message::text("hello"));
    socket
}

async fn heard(socket: &mut Socket) -> Message {
    timeout(Duration::from_secs(10), socket.next()).await.expect("nothing was said").unwrap().unwrap()
}

/// Past what was said before, to the close and what it says.
async fn farewell(socket: &mut Socket) -> (CloseCode, String) {
    loop {
        if let Message::Close(frame) = heard(socket).await {
            let frame = frame.unwrap();
            return (frame.code, frame.reason.to_string());
        }
    }
}

/// At the vendor, and with an event for the app.
async fn revoke(app: &App, name: &str) {
    let control = app.line.rsplit("http://").next().unwrap();
    let vendor: SocketAddr = control.trim_end().trim_end_matches("/control)").parse().unwrap();
    let host = vendor.to_string();
    let people = get("/control/api/people").host(&host).send(vendor).await.json();
    let person = people.as_array().unwrap().iter().find(|person| person["name"] == name).unwrap();
    let path = |what: &str| format!("/control/api/people/{}/{what}", person["identityId"].as_str().unwrap());
    assert_eq!(post(&path("revoke")).host(&host).send(vendor).await.status, 200);
    let fail = post(&path("verify")).host(&host).header("content-type", "application/json");
    let told: Value = fail.body(r#"{"outcome":"fail","send":true}"#).send(vendor).await.json();
    assert!(told.is_object(), "{told}");
}

#[tokio::test]
async fn only_the_verified_open_one_and_only_from_our_own_page() {
    let app = start().await;
    let own = format!("http://{}", app.address);
    assert_eq!(open(&app, "", &own).await.err(), Some(401));
    let cookie = app.log_in("alice").await;
    assert_eq!(open(&app, &cookie, &own).await.err(), Some(403));
    verify(app.address, &cookie, "alice").await;
    assert_eq!(open(&app, &cookie, "https://evil.example").await.err(), Some(403));
    let mut socket = talk(&app, &cookie).await;
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_revoked_user_is_disconnected_and_no_other_is() {
    let app = start().await;
    let alice = verified(&app, "alice").await;
    let (mut first, mut second) = (talk(&app, &alice).await, talk(&app, &alice).await);
    let mut bobs = talk(&app, &verified(&app, "bob").await).await;
    revoke(&app, "alice").await;
    for socket in [&mut first, &mut second] {
        assert_eq!(farewell(socket).await, (CloseCode::Policy, "identity_revoked".to_owned()));
    }
    let own = format!("http://{}", app.address);
    assert_eq!(open(&app, &alice, &own).await.err(), Some(403), "and may not come back");
    bobs.send(Message::text("still here")).await.unwrap();
    assert_eq!(heard(&mut bobs).await, Message::text("still here"));
}

#[tokio::test]
async fn who_reads_nothing_is_hung_up_on_too() {
    let app = start().await;
    let alice = verified(&app, "alice").await;
    let mut socket = talk(&app, &alice).await;
    // Until neither side takes any more: the app waits for its echo to be read.
    let long = Message::text("x".repeat(4000));
    while timeout(Duration::from_millis(500), socket.send(long.clone())).await.is_ok() {}
    revoke(&app, "alice").await;
    assert_eq!(farewell(&mut socket).await, (CloseCode::Policy, "identity_revoked".to_owned()));
}

#[tokio::test]
async fn a_server_that_ends_says_so() {
    let app = start().await;
    let mut socket = talk(&app, &verified(&app, "alice").await).await;
    app.terminate().await;
    assert_eq!(farewell(&mut socket).await, (CloseCode::Away, "the server is going away".to_owned()));
    drop(socket);
    assert_eq!(app.ended().await.code, Some(0));
}
