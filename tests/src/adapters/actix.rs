use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::{ServerHandle, Service};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, HttpServer, Responder, web};
use incode_actix::{Active, Denied, GateMiddleware, IncodeMiddleware, MaybeActive, Satisfies, Visitor};
use incode_core::gate::Requirement;
use incode_core::{Incode, SessionHash, Subject};

use crate::foreign;
use crate::identified::{Login, OWN_ANSWER, StoreDown};

use super::{
    ASSET, CACHED, ORIGIN, OUTER, PASSED, SESSION, Shape, Transfer, gated, greeting, held_open, next_change, page,
};

/// Stops the server and does not wait: its thread ends by itself.
pub(super) struct SystemGuard(ServerHandle);

impl Drop for SystemGuard {
    fn drop(&mut self) {
        drop(self.0.stop(false));
    }
}

impl std::fmt::Debug for SystemGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemGuard")
    }
}

macro_rules! app {
    ($($middleware:expr),*) => {
        App::new()
            .configure(routes)
            $(.wrap($middleware))*
            .wrap_fn(|request, next| {
                let subject = request.headers().get(SESSION).and_then(|value| Subject::new(value.to_str().ok()?).ok());
                if let Some(subject) = subject {
                    request.extensions_mut().insert(subject);
                }
                if let Some(visitor) = foreign::left().filter(|_| request.headers().contains_key(foreign::HEADER)) {
                    request.extensions_mut().insert(visitor);
                }
                next.call(request)
            })
            .wrap(DefaultHeaders::new().add(OUTER))
    };
}

/// Serves the app in these middlewares, the innermost first.
macro_rules! server {
    ($listener:expr $(, $middleware:expr)*) => {
        HttpServer::new(move || app!($($middleware),*)).workers(2).disable_signals().listen($listener).unwrap().run()
    };
}

pub(super) async fn serve(listener: TcpListener, shape: Shape) -> SystemGuard {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let layer = |incode: &Incode| IncodeMiddleware::new(incode.clone());
            let server = match shape {
                Shape::Bare => server!(listener),
                Shape::Layered(incode) => server!(listener, layer(&incode)),
                Shape::Identified(incode) => server!(listener, layer(&incode).identify(user)),
                Shape::GateOutside(incode) => server!(listener, layer(&incode), GateMiddleware::active()),
                Shape::Cors(incode) => server!(listener, layer(&incode), cors()),
            };
            let _ = tell.send(server.handle());
            server.await.unwrap();
        });
    });
    SystemGuard(told.await.unwrap())
}

/// Takes the whole request, of which routing needs the only one.
async fn user(request: HttpRequest) -> Result<Option<(String, SessionHash)>, actix_web::Error> {
    let login = Login::of(|name| request.headers().get(name).map(HeaderValue::as_bytes));
    let (status, header, content_type, body) = OWN_ANSWER;
    login.user().await.map_err(|StoreDown| {
        let own = HttpResponse::build(StatusCode::from_u16(status).unwrap());
        let own = { own }.insert_header(header).content_type(content_type).body(body);
        InternalError::from_response("sessions", own).into()
    })
}

fn cors() -> Cors {
    Cors::default().allowed_origin(ORIGIN).allowed_methods(["GET", "POST"]).supports_credentials()
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/open", web::get().to(async |visitor: Visitor| page(&visitor)))
        .route(
            "/active-extractor",
            web::get().to(async |person: Active| person.identity().identity_id.as_str().to_owned()),
        )
        .route("/upload", web::post().to(async |_: Active| PASSED))
        .route("/maybe", web::get().to(async |MaybeActive(person): MaybeActive| greeting(person.is_some())))
        .route("/option", web::get().to(async |MaybeActive(person): MaybeActive| greeting(person.is_some())))
        .route(
            "/met",
            web::get().to(async |person: Satisfies<Transfer>| person.identity().identity_id.as_str().to_owned()),
        )
        .route("/in-handler", web::get().to(in_handler))
        .route("/changed", web::get().to(changed))
        .route("/stream", web::get().to(streamed).wrap(GateMiddleware::active()))
        .route("/cached", web::get().to(cached).wrap(GateMiddleware::active()))
        .route("/socket", web::get().to(socket).wrap(GateMiddleware::active()))
        .service(web::resource("/shut-to-preflights").wrap(GateMiddleware::active()).to(method))
        .service(web::resource("/open-to-preflights").wrap(GateMiddleware::active().passing_preflights()).to(method))
        .route("/asset", web::get().to(async || ASSET))
        .route("/both", web::get().to(both).wrap(GateMiddleware::active()))
        .service(members());
    for (path, requirement) in gated() {
        let method = if path == "/transfer" { web::post() } else { web::get() };
        let resource = web::resource(path).route(method.to(async || PASSED));
        config.service(resource.wrap(GateMiddleware::new(requirement)));
    }
}

/// A scope behind a gate, with a default of its own, and another inside that asks for more.
fn members() -> impl actix_web::dev::HttpServiceFactory {
    let inner = web::scope("/inner")
        .route("/page", web::get().to(async || PASSED))
        .default_service(web::to(async || PASSED))
        .wrap(GateMiddleware::new(Requirement::active().attested()));
    web::scope("/members")
        .route("/page", web::get().to(async || PASSED))
        .service(inner)
        .route("/{name}/page", web::get().to(async || PASSED))
        .default_service(web::to(async || PASSED))
        .wrap(GateMiddleware::active())
}

async fn changed(Visitor(visitor): Visitor) -> HttpResponse {
    HttpResponse::Ok().streaming(next_change(visitor))
}

async fn streamed(visitor: Visitor) -> HttpResponse {
    HttpResponse::Ok().streaming(held_open(&visitor))
}

/// Two extractors behind a gate, which are asked for at the same time.
async fn both(_: Visitor, _: MaybeActive) -> &'static str {
    PASSED
}

async fn cached() -> impl Responder {
    PASSED.customize().insert_header((CACHE_CONTROL, CACHED))
}

async fn method(request: HttpRequest) -> String {
    request.method().to_string()
}

async fn socket(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.recv().await {
            let sent = match message {
                actix_ws::Message::Text(text) => session.text(text).await,
                _ => return,
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}

async fn in_handler(visitor: Visitor) -> Result<&'static str, Denied> {
    visitor.require(&Requirement::active())?;
    Ok(PASSED)
}
