//! What the tests share: a caller that does everything right, and a receiver that records.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that can't go on says so"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use incode_sandbox::{NewPerson, Sandbox, Verified};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

pub(crate) const API_KEY: &str = "a-test-key";

pub(crate) fn client() -> Client {
    // Some provider has to be the process's default for a client built without one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

pub(crate) async fn sandbox() -> Sandbox {
    Sandbox::builder().api_key(API_KEY).client_id("client-1").time_scale(0.0).start().await.unwrap()
}

pub(crate) fn ana(sandbox: &Sandbox) -> Verified {
    let person = sandbox.add_person(NewPerson::named("Ana Flores").email("ana@example.com"));
    sandbox.verify(&person.identity_id).unwrap()
}

/// A call with every header the vendor asks for.
pub(crate) fn call(sandbox: &Sandbox, method: Method, path: &str, token: &str) -> RequestBuilder {
    client()
        .request(method, format!("{}/omni/incode-id/{path}", sandbox.url()))
        .header("api-version", "1.0")
        .header("x-api-key", API_KEY)
        .header("content-type", "application/json")
        .header("x-incode-hardware-id", token)
}

pub(crate) async fn got(sandbox: &Sandbox, path: &str, token: &str) -> (u16, Value) {
    let response = call(sandbox, Method::GET, path, token).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

pub(crate) async fn authenticate(sandbox: &Sandbox, body: &Value) -> (u16, Value) {
    let response = call(sandbox, Method::POST, "authenticate", "any").json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// One request a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

type Reply = Arc<dyn Fn(usize, &Received) -> Response + Send + Sync>;

/// A webhook receiver; `reply` is given how many requests came before.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<Received>>>,
    reply: Reply,
}

impl Receiver {
    pub(crate) async fn start(reply: impl Fn(usize, &Received) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { url, got: Arc::default(), reply: Arc::new(reply) };
        let app = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub(crate) async fn accepting() -> Self {
        Self::start(|_, _| StatusCode::NO_CONTENT.into_response()).await
    }

    pub(crate) fn got(&self) -> Vec<Received> {
        self.got.lock().unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let received = Received { path: uri.path().to_owned(), headers, body };
    let before = {
        let mut got = receiver.got.lock().unwrap();
        got.push(received.clone());
        got.len() - 1
    };
    (receiver.reply)(before, &received)
}

/// A limit for what must not hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("this should have happened by now")
}
