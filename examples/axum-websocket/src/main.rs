//! A WebSocket for people whose identity is ACTIVE. One that is open when its owner is revoked is closed, with a code that
//! says why.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Form, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use gate_kit::{RequestContext, Sessions, Start};
use incode_tower::core::gate::{DenialKind, Visitor};
use incode_tower::{Active, GateLayer, IncodeLayer, Requirement};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    gate_kit::log_to_stderr();
    let start = Start::from_env().await?;
    start.announce("axum-websocket");
    let (open, mut closed) = mpsc::channel(1);
    let site = Site { sessions: start.sessions.clone(), origin: start.public_origin(), open };
    let incode = start.builder.subjects(start.sessions.subjects()).build().await?;
    let app = Router::new()
        .route("/talk", get(talk).route_layer(GateLayer::active()))
        .route("/", get(page))
        .route("/login", post(login))
        .with_state(site)
        .layer(IncodeLayer::new(incode.clone()));
    let watching = incode.clone();
    let stopped = async move {
        gate_kit::stopped().await;
        watching.end_watches(); // ends each open socket, with a close frame that says why
    };
    gate_kit::serve(start.listener, app, stopped).await?;
    // Sockets live on tasks of their own, which the server does not wait for. Each holds an `open`.
    let _ = timeout(PATIENCE * 2, closed.recv()).await;
    incode.shutdown().await;
    Ok(())
}

#[derive(Clone)]
struct Site {
    sessions: Sessions,
    /// Scheme, host and port, as browsers send it in `Origin`.
    origin: String,
    /// Held by each open socket; nothing is ever sent.
    open: mpsc::Sender<()>,
}

impl Site {
    fn is_from_here(&self, headers: &HeaderMap) -> bool {
        context(headers).is_from_here(&self.origin)
    }
}

/// The gate has let the person pass. Browsers let pages of any site open a socket here, cookies and all, so the handshake
/// is refused unless our own page asks.
async fn talk(State(site): State<Site>, person: Active, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !site.is_from_here(&headers) {
        return (StatusCode::FORBIDDEN, "This was asked from another site.").into_response();
    }
    let visitor = person.visitor().clone();
    upgrade.max_message_size(4096).on_upgrade(move |socket| converse(socket, visitor, site.open))
}

/// Until the client closes, or the visitor may not stay. Both are awaited at once, so a client that sends nothing, or reads
/// nothing, is closed as well.
async fn converse(mut socket: WebSocket, visitor: Visitor, _open: mpsc::Sender<()>) {
    let farewell = tokio::select! {
        () = echo(&mut socket) => return,
        farewell = denied(visitor) => farewell,
    };
    // The other side answers a close with its own; only then has it surely read why.
    let close = async {
        let _ = socket.send(Message::Close(Some(farewell))).await;
        while let Some(Ok(_)) = socket.recv().await {}
    };
    let _ = timeout(PATIENCE, close).await;
}

async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}

/// Waits until the visitor no longer meets what the route asked for, and says what to close with.
async fn denied(mut visitor: Visitor) -> CloseFrame {
    while let Some(now) = visitor.changed().await {
        if let Err(denial) = now.require(&Requirement::active()) {
            let code = match denial.kind() {
                DenialKind::IdentityUnavailable => close_code::AGAIN,
                _ => close_code::POLICY,
            };
            return CloseFrame { code, reason: denial.kind().code().into() };
        }
        visitor = now;
    }
    CloseFrame { code: close_code::AWAY, reason: "the server is going away".into() }
}

async fn page(
    State(site): State<Site>,
    incode_tower::Visitor(visitor): incode_tower::Visitor,
    headers: HeaderMap,
) -> Response {
    match context(&headers).public_address(&site.origin) {
        Some(there) => Redirect::to(&there).into_response(),
        None => Html(PAGE.replace("STANDING", visitor.standing().as_str())).into_response(),
    }
}

fn context(headers: &HeaderMap) -> RequestContext {
    RequestContext::new("", "/", None, |name| headers.get(name).map(HeaderValue::as_bytes))
}

/// No password: this is an example. A page of another site may not log a browser in.
async fn login(State(site): State<Site>, headers: HeaderMap, Form(form): Form<Login>) -> Response {
    if !site.is_from_here(&headers) || !gate_kit::is_user_name(&form.user) {
        return (StatusCode::BAD_REQUEST, "That is no user name.").into_response();
    }
    ([(SET_COOKIE, site.sessions.begin(&form.user))], Redirect::to("/")).into_response()
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

const PAGE: &str = include_str!("page.html");

/// How long a client may take to close after we did.
const PATIENCE: Duration = Duration::from_secs(5);
