//! The routes of the application, as far as the vendor uses them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use incode_core::adapter::Deployment;
use incode_core::webhook::TokenEndpoint;
use reqwest::Url;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::deliveries::Try;
use crate::failure::Failure;
use crate::http::{self, Head};
use crate::listen;

/// What came.
pub(super) enum Arrival {
    Return(Return),
    Try(Try),
}

/// A browser that came back from the vendor's page.
pub(super) struct Return {
    pub(super) at: Instant,
    pub(super) token: Option<String>,
    pub(super) correlation_id: Option<String>,
    /// The names of all parameters.
    pub(super) parameters: Vec<String>,
}

pub(super) struct Receiver {
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    server: JoinHandle<std::io::Result<()>>,
}

struct Shared {
    deployment: Arc<Deployment>,
    tokens: TokenEndpoint,
    refuse: u32,
    /// How often each object's event was refused. Locked to count.
    refused: Mutex<HashMap<String, u32>>,
    arrivals: mpsc::UnboundedSender<Arrival>,
}

impl Receiver {
    pub(super) async fn start(
        bind: SocketAddr,
        deployment: Deployment,
        refuse: u32,
    ) -> Result<(Self, Arc<Deployment>), Failure> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let (listener, _) = http::bind(bind).await?;
        let deployment = Arc::new(deployment);
        let shared = Shared {
            deployment: Arc::clone(&deployment),
            tokens: TokenEndpoint::new(),
            refuse,
            refused: Mutex::default(),
            arrivals: sender,
        };
        let app = Router::new().fallback(receive).with_state(Arc::new(shared));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok((Self { arrivals, server }, deployment))
    }

    /// The next arrival; pending where the server ended.
    pub(super) async fn next(&mut self) -> Arrival {
        match self.arrivals.recv().await {
            Some(arrival) => arrival,
            None => std::future::pending().await,
        }
    }

    /// What has come, without waiting.
    pub(super) fn ready(&mut self) -> Option<Arrival> {
        self.arrivals.try_recv().ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A proxy may have cut off the path of the public URL, or not: the end of the path decides.
async fn receive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let is_at = |route: Option<&str>| route.is_some_and(|route| path.ends_with(route));
    if parts.method == "GET" && is_at(shared.deployment.callback_path()) {
        let _ = shared.arrivals.send(Arrival::Return(returned(parts.uri.query().unwrap_or_default())));
        return "Thank you. You can close this page, and go back to the terminal.\n".into_response();
    }
    let Ok(body) = to_bytes(body, http::LONGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let head = Head { parts: &parts, peer: peer.ip() };
    let routes = shared.deployment.webhooks();
    if is_at(shared.deployment.token_path()) {
        return listen::token_answer(&shared.tokens, routes, &head, &body);
    }
    let Some((_, webhook)) = routes.iter().find(|(route, _)| is_at(Some(route))) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if parts.method != "POST" {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let verdict = match http::judge(webhook, &head, &body) {
        Ok((_, trust)) => format!("{trust:?}"),
        Err(rejection) => rejection.to_string(),
    };
    let mut arrived = Try::read(&parts, &body, verdict);
    arrived.is_refused = shared.refuses(&arrived.object);
    let status = if arrived.is_refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT };
    let _ = shared.arrivals.send(Arrival::Try(arrived));
    status.into_response()
}

impl Shared {
    fn refuses(&self, object: &str) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let count = refused.entry(object.to_owned()).or_default();
        *count += 1;
        *count <= self.refuse
    }
}

fn returned(query: &str) -> Return {
    let url = Url::parse(&format!("http://local/?{query}"));
    let pairs: Vec<(String, String)> = url.iter().flat_map(|url| url.query_pairs().into_owned()).collect();
    let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Return {
        at: Instant::now(),
        token: value("token").filter(|token| !token.is_empty()),
        correlation_id: value("correlation_id"),
        parameters: pairs.into_iter().map(|(name, _)| name).collect(),
    }
}
