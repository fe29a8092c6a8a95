//! No framework: hyper serves, a tower `ServiceBuilder` stacks, [`IncodeLayer`] goes around everything and [`GateLayer`]
//! around one path.
//!
//! `gate_kit` has the rest: the settings, the sandbox where no vendor is named, a login.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use gate_kit::{RequestContext, Sessions, Start};
use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use incode_tower::core::gate::Visitor;
use incode_tower::{GateLayer, IncodeLayer};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    gate_kit::log_to_stderr();
    let start = Start::from_env().await?;
    start.announce("tower-hyper");
    let site = Site { sessions: start.sessions.clone(), origin: start.public_origin() };
    let incode = start.builder.subjects(start.sessions.subjects()).build().await?;
    let app = ServiceBuilder::new()
        .layer(IncodeLayer::new(incode.clone()))
        .service_fn(move |request| route(site.clone(), request));

    let listener = TcpListener::from_std(start.listener)?;
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(gate_kit::stopped());
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        // Out of sockets, perhaps: the next moment may be better, and spinning would not help.
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = TowerToHyperService::new(app.clone());
        let mut http = http1::Builder::new();
        // A client that sends no whole head in time is hung up on, or a few hundred of them would take all sockets.
        http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5));
        let connection = http.serve_connection(TokioIo::new(stream), service);
        // A client may hang up at any time.
        tokio::spawn(graceful.watch(connection));
    }
    // What is under way is answered, within reason; then the inbox gives back what it has in hand.
    if tokio::time::timeout(Duration::from_secs(10), graceful.shutdown()).await.is_err() {
        tracing::warn!("ended while a connection was open");
    }
    incode.shutdown().await;
    Ok(())
}

#[derive(Clone)]
struct Site {
    sessions: Sessions,
    origin: String,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn route(site: Site, request: Request<Incoming>) -> Result<Answer, Infallible> {
    match (request.method().as_str(), request.uri().path()) {
        ("GET" | "HEAD", "/") => Ok(match context(&request).public_address(&site.origin) {
            Some(there) => see_other(&there),
            None => home(request.extensions().get()),
        }),
        ("POST", "/login") => Ok(login(&site, request).await),
        ("GET" | "HEAD", "/vault") => {
            let vault = GateLayer::active().layer(service_fn(vault));
            Ok(vault.oneshot(request).await?.map(BodyExt::boxed))
        }
        _ => Ok(html(StatusCode::NOT_FOUND, "Nothing here. <a href=/>Back</a>")),
    }
}

/// Open to all: the layer lets every request pass, and adds the visitor.
fn home(visitor: Option<&Visitor>) -> Answer {
    let standing = visitor.map_or("no layer", |visitor| visitor.standing().as_str());
    let login = "<form method=post action=/login><label>User name <input name=user value=alice></label> \
                 <button>Log in</button></form>";
    let links = "<a href=/incode/start>Get verified</a>, then <a href=/vault>open the vault</a>.";
    html(StatusCode::OK, &format!("<p>Your standing: <b>{standing}</b></p>{login}<p>{links}"))
}

/// Behind the gate: only for people whose identity is ACTIVE.
async fn vault(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("The vault is open.")))
}

/// No password: this is an example. A page of another site may not log a browser in.
async fn login(site: &Site, request: Request<Incoming>) -> Answer {
    let is_from_here = context(&request).is_from_here(&site.origin);
    let form = Limited::new(request.into_body(), 4096).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let user = gate_kit::form_value(&form, "user").filter(|user| gate_kit::is_user_name(user));
    let cookie = user.and_then(|user| HeaderValue::try_from(site.sessions.begin(&user)).ok());
    let Some(cookie) = cookie.filter(|_| is_from_here) else {
        return html(StatusCode::BAD_REQUEST, "That is no user name. <a href=/>Back</a>");
    };
    let mut answer = see_other("/");
    answer.headers_mut().insert(SET_COOKIE, cookie);
    answer
}

fn context(request: &Request<Incoming>) -> RequestContext {
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    RequestContext::new(request.method().as_str(), request.uri().path(), request.uri().query(), header)
}

fn see_other(there: &str) -> Answer {
    let mut answer = html(StatusCode::SEE_OTHER, "");
    if let Ok(there) = HeaderValue::try_from(there) {
        answer.headers_mut().insert(LOCATION, there);
    }
    answer
}

fn html(status: StatusCode, content: &str) -> Answer {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>tower-hyper</title><main><h1>A vault on hyper</h1>{content}</main>"
    );
    let mut answer = Response::new(Full::from(page).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}
