//! `listen`: receives deliveries, shows them with their secrets masked, checks them, and passes them on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use clap::Args;
use incode_core::adapter::Deployment;
use incode_core::webhook::{Event, RejectionKind, TokenEndpoint, Trust, Webhook};
use incode_core::{Clock, SystemClock};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::http::{self, Head};
use crate::output::Output;
use crate::{sandbox, settings};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Passes every request on to this URL, with its headers and its body, and gives back what is answered. A URL without
    /// a path keeps the path of the request. Without it a delivery is answered here: 204, or as the application would.
    #[arg(long, value_name = "URL")]
    to: Option<Url>,
    /// The address to listen on; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4100")]
    bind: SocketAddr,
    /// Ends after so many deliveries.
    #[arg(long, value_name = "DELIVERIES")]
    count: Option<usize>,
}

/// What every request needs.
struct Listener {
    to: Option<Url>,
    http: reqwest::Client,
    /// `None`: `INCODE_WEBHOOK_AUTH` is not set, so nothing is checked.
    deployment: Option<Deployment>,
    /// Counts the failures of callers, so there is one for all requests.
    tokens: TokenEndpoint,
    /// To the one that writes: lines of different requests don't mix.
    seen: mpsc::UnboundedSender<(String, Value)>,
}

/// Serves until an interrupt, or the number of deliveries.
pub(crate) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let deployment = deployment()?;
    let (seen, mut shown) = mpsc::unbounded_channel();
    let mut interrupt = sandbox::interrupt();
    let (listener, address) = http::bind(arguments.bind).await?;
    let checks = if deployment.is_some() {
        "deliveries are checked"
    } else {
        "INCODE_WEBHOOK_AUTH is not set: nothing is checked"
    };
    let line = format!("listening on http://{address}: {checks}");
    output.event(&line, &json!({"listening": format!("http://{address}"), "checks": deployment.is_some()}))?;
    let state = Listener { to: arguments.to, http: http::client()?, deployment, tokens: TokenEndpoint::new(), seen };
    let app = Router::new().fallback(receive).with_state(Arc::new(state));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async { stopped.await.unwrap_or_default() });
    let server = tokio::spawn(server.into_future());
    let mut left = arguments.count;
    while left != Some(0) {
        tokio::select! {
            interrupted = &mut interrupt => {
                interrupted.map_err(Failure::system)?;
                break;
            }
            Some((line, object)) = shown.recv() => {
                output.event(&line, &object)?;
                left = left.map(|left| left - 1);
            }
        }
    }
    // The answer of the last delivery is on its way; a connection that stays open is not waited for.
    drop(stop);
    let _ = tokio::time::timeout(LAST_ANSWER, server).await;
    Ok(())
}

/// The application's policy. Settings that it needs and this command does not are filled in.
fn deployment() -> Result<Option<Deployment>, Failure> {
    if settings::variable("INCODE_WEBHOOK_AUTH")?.is_none() {
        return Ok(None);
    }
    let mut variables = settings::variables();
    for (name, value) in
        [("INCODE_HOST", "http://127.0.0.1:9"), ("INCODE_API_KEY", "not-needed"), ("INCODE_STORE", "memory:")]
    {
        let file = format!("{name}_FILE");
        if !variables.iter().any(|(known, _)| known == name || known == file.as_str()) {
            variables.push((name.into(), value.into()));
        }
    }
    settings::deployment(variables).map(Some).map_err(|error| Failure::arguments(error.to_string()))
}

async fn receive(
    State(listener): State<Arc<Listener>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, http::LONGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let head = Head { parts: &parts, peer: peer.ip() };
    let is_token_request = listener.deployment.as_ref().and_then(Deployment::token_path) == Some(parts.uri.path());
    let judged = if is_token_request { None } else { judge(&listener, &head, &body) };
    let answer = match &listener.to {
        Some(to) => forward(&listener, to, &parts, body.clone(), is_token_request).await,
        None if is_token_request => {
            let routes = listener.deployment.as_ref().map(Deployment::webhooks).unwrap_or_default();
            token_answer(&listener.tokens, routes, &head, &body)
        }
        None => judged.as_ref().map_or(StatusCode::NO_CONTENT, |judged| judged.status).into_response(),
    };
    let (line, object) = describe(&parts, &body, is_token_request, judged.as_ref(), answer.status());
    // The writer is gone when the command ends.
    let _ = listener.seen.send((line, object));
    answer
}

/// What the application would find.
struct Judged {
    verdict: String,
    status: StatusCode,
    event: Option<Event>,
}

fn judge(listener: &Listener, head: &Head<'_>, body: &Bytes) -> Option<Judged> {
    let routes = listener.deployment.as_ref()?.webhooks();
    // All routes have one policy; a path that is none of them is the tunnel's.
    let route = routes.iter().find(|(path, _)| **path == *head.parts.uri.path()).or(routes.first());
    let (_, webhook) = route?;
    Some(match http::judge(webhook, head, body) {
        Ok((event, trust)) => {
            let verdict = match trust {
                Trust::Authenticated => "authenticated",
                Trust::Address => "the address is right, the sender is not proven",
                _ => "not authenticated: fetch-back takes it",
            };
            Judged { verdict: verdict.to_owned(), status: StatusCode::NO_CONTENT, event: Some(event) }
        }
        Err(rejection) => {
            let status = match rejection.kind() {
                RejectionKind::Unauthentic => StatusCode::UNAUTHORIZED,
                RejectionKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
                _ => StatusCode::BAD_REQUEST,
            };
            // Judged in this order: a body that can't be read was authenticated before.
            Judged { verdict: rejection.to_string(), status, event: None }
        }
    })
}

/// The token endpoint of the policy that these routes share.
pub(crate) fn token_answer(
    endpoint: &TokenEndpoint,
    routes: &[(Box<str>, Webhook)],
    head: &Head<'_>,
    body: &Bytes,
) -> Response {
    let Some((_, webhook)) = routes.first() else { return StatusCode::NOT_FOUND.into_response() };
    let issued = endpoint.begin(&webhook.authenticity(), head, &SystemClock).and_then(|mut request| {
        request.push(body)?;
        request.finish()
    });
    let reply = issued.unwrap_or_else(|refusal| refusal.reply());
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &reply.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// Passes a request on as it came, but for what belongs to the connection.
async fn forward(listener: &Listener, to: &Url, parts: &Parts, body: Bytes, is_token_request: bool) -> Response {
    let mut url = to.clone();
    // The token endpoint is beside the webhook.
    if url.path() == "/" || is_token_request {
        url.set_path(parts.uri.path());
        url.set_query(parts.uri.query());
    }
    let mut headers = parts.headers.clone();
    OF_CONNECTION.iter().for_each(|name| drop(headers.remove(*name)));
    let request = listener.http.request(parts.method.clone(), url).headers(headers).body(body);
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    OF_CONNECTION.iter().for_each(|name| drop(headers.remove(*name)));
    let Ok(bytes) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::new(Body::from(bytes));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

fn describe(
    parts: &Parts,
    body: &Bytes,
    is_token_request: bool,
    judged: Option<&Judged>,
    answered: StatusCode,
) -> (String, Value) {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let verdict = match judged {
        Some(judged) => &*judged.verdict,
        None if is_token_request => "asks for a bearer token",
        None => "not checked",
    };
    let event = judged.and_then(|judged| judged.event.as_ref());
    let object = json!({
        "at": SystemClock.now(),
        "method": method,
        "path": path,
        "headers": masked_headers(parts),
        "body": masked_body(body),
        "bytes": body.len(),
        "event": event.map(|event| event.kind.as_str()),
        "objectId": event.and_then(|event| event.object_id.as_ref()).map(|id| id.masked()),
        "repeatsCorrelationId": event.map(|event| event.correlation_id.is_some()),
        "verdict": verdict,
        "answered": answered.as_u16(),
    });
    let what = event.map_or(String::new(), |event| format!(" {}", event.kind.as_str()));
    let shown = |value: Option<&Value>| value.map(Value::to_string).unwrap_or_default();
    let (headers, shown_body) = (shown(object.get("headers")), shown(object.get("body")));
    let line = format!(
        "{method} {path}{what}: {verdict}; answered {}; headers {headers}; body {shown_body}",
        answered.as_u16()
    );
    (line, object)
}

/// The values that tell how a request was made. Any other may be a secret, and is shown by its length.
fn masked_headers(parts: &Parts) -> Value {
    let shown = |name: &HeaderName| SHOWN_HEADERS.contains(&name.as_str());
    let one = |(name, value): (&HeaderName, &axum::http::HeaderValue)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let value = if shown(name) { text.into_owned() } else { format!("({} characters)", text.chars().count()) };
        (name.to_string(), json!(value))
    };
    parts.headers.iter().map(one).collect::<serde_json::Map<_, _>>().into()
}

/// The members that the vendor's document names are shown, the token and ids by their length; of any other the name.
fn masked_body(body: &[u8]) -> Value {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return Value::Null };
    let masked = members.into_iter().map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("event" | "object" | "timestamp", value @ (Value::String(_) | Value::Number(_))) => value,
            (_, Value::String(text)) => json!(format!("({} characters)", text.chars().count())),
            (_, _) => json!("(not shown)"),
        };
        (name, value)
    });
    masked.collect::<serde_json::Map<_, _>>().into()
}

const SHOWN_HEADERS: [&str; 9] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
];
/// RFC 9110, section 7.6.1, and what the client writes anew.
const OF_CONNECTION: [&str; 8] =
    ["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// More than an answer takes to be written.
const LAST_ANSWER: Duration = Duration::from_secs(2);

pub(crate) const HELP: &str = "\
Deliveries are checked with INCODE_WEBHOOK_AUTH and its secrets, as the application does; nothing is checked where it is not
set. Secrets, tokens and ids are shown by their length. With INCODE_WEBHOOK_AUTH=oauth and without --to, /incode/token
answers here.

Exit codes: 0 ended by an interrupt or by --count; 1 the address can't be used; 2 wrong arguments or settings.

Example:
  incode-id --env-file incode.env listen --to http://127.0.0.1:3000/incode/webhook";
