//! What is actix-web's own: workers, extensions, wrapping order, payloads. Every behaviour that both adapters share is
//! held by the suite they share.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use actix_web::dev::Service;
use actix_web::http::StatusCode;
use actix_web::rt::{spawn, task::spawn_blocking};
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, Responder, test, web};
use incode_actix::core::store::MemoryStore;
use incode_actix::{
    Active, Denied, GateMiddleware, IncodeMiddleware, Requirement, Subject, SubjectSource, Visitor, extension,
};
use support::{Served, SlowStore, builder, connect, incode, link};

#[actix_web::test]
async fn standings_gates_and_extractors() {
    let store = MemoryStore::new();
    link(&store, "anna", "ACTIVE").await;
    link(&store, "rita", "REVOKED").await;
    link(&store, "olga", "FROZEN").await;
    let served = Served::start(incode(store).await, routes).await;

    let table = [
        (None, "no_subject", "401", "authentication_required"),
        (Some("nora"), "not_linked", "403", "verification_required"),
        (Some("rita"), "revoked", "403", "identity_revoked"),
        (Some("olga"), "other", "403", "identity_not_active"),
        (Some("anna"), "active", "200", "inside"),
    ];
    // Twice: first through the store, then known.
    for (user, standing, status, text) in table.iter().chain(&table) {
        let me = served.get("/me", *user).await;
        assert!(me.starts_with("http/1.1 200") && me.contains(&format!("standing={standing};")), "{me}");
        for path in ["/resource", "/scope/page", "/route", "/extractor", "/handler", "/alone"] {
            let response = served.get(path, *user).await;
            assert!(response.starts_with(&format!("http/1.1 {status}")), "{path} {user:?}: {response}");
            assert!(response.contains(text), "{path} {user:?}: {response}");
            assert!(response.contains("\r\nx-outer: saw\r\n"), "a denial is a response: {path} {user:?}: {response}");
        }
    }
    let step_up = served.get("/step-up", Some("anna")).await;
    assert!(step_up.starts_with("http/1.1 401") && step_up.contains("max_age=300"), "{step_up}");
    served.stop().await;
}

#[actix_web::test]
async fn one_load_serves_the_requests_of_every_worker() {
    let store = MemoryStore::new();
    link(&store, "anna", "ACTIVE").await;
    let loads = Arc::new(AtomicUsize::new(0));
    let slow = SlowStore { store, loads: Arc::clone(&loads), wait: Duration::from_millis(500) };
    let served = Arc::new(Served::start(incode(slow).await, routes).await);

    let requests: Vec<_> = (0..16)
        .map(|_| {
            let served = Arc::clone(&served);
            spawn(async move { served.get("/me", Some("anna")).await })
        })
        .collect();
    let mut workers = HashSet::new();
    for request in requests {
        let me = request.await.unwrap();
        assert!(me.contains("standing=active;"), "{me}");
        workers.insert(me.split("thread=").nth(1).unwrap().to_owned());
    }
    assert_eq!(workers.len(), 2);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn without_the_middleware_nothing_is_open() {
    let app = test::init_service(App::new().configure(routes)).await;
    for path in ["/resource", "/scope/page", "/route", "/extractor", "/handler", "/me"] {
        let response = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let body = test::read_body(response).await;
        assert!(String::from_utf8_lossy(&body).contains("layer_missing"), "{path}");
    }
}

#[actix_web::test]
async fn a_mounted_route_is_answered_outside_the_application() {
    let served = Served::start(incode(MemoryStore::new()).await, routes).await;
    let webhook = served.get("/incode/webhook", None).await;
    assert!(webhook.starts_with("http/1.1 4") && webhook.contains("application/problem+json"), "{webhook}");
    assert!(webhook.contains("\r\nx-outer: saw\r\n"), "{webhook}");
    // Core sees the path as it came, not as actix-web's router decodes it.
    for path in ["/incode/%77ebhook", "/incode/webhook/", "//incode/webhook", "/incode/start"] {
        let other = served.get(path, None).await;
        assert!(other.starts_with("http/1.1 404") && !other.contains("problem+json"), "{path}: {other}");
    }
    served.stop().await;
}

#[actix_web::test]
async fn a_refused_sender_is_not_read_for_ever() {
    let served = Served::start(incode(MemoryStore::new()).await, routes).await;
    let address = served.address;
    let (taken, response) = spawn_blocking(move || {
        let mut socket = connect(address);
        socket.write_all(b"POST /incode/webhook HTTP/1.1\r\nhost: app\r\n").unwrap();
        socket.write_all(b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        let mut reader = socket.try_clone().unwrap();
        let response = thread::spawn(move || {
            let mut response = Vec::new();
            // A reset may follow the answer.
            let _ = reader.read_to_end(&mut response);
            String::from_utf8_lossy(&response).to_ascii_lowercase()
        });
        let taken = (0..2000).take_while(|_| {
            thread::sleep(Duration::from_millis(2));
            socket.write_all(chunk.as_bytes()).is_ok()
        });
        (taken.count(), response)
    })
    .await
    .unwrap();
    assert!(taken < 2000, "still reading");
    let response = response.join().unwrap();
    assert!(response.starts_with("http/1.1 4") && response.contains("connection: close"), "{response}");
    served.stop().await;
}

#[actix_web::test]
async fn resolvers_see_what_outer_middleware_left() {
    struct Claims(String);

    let claims = SubjectSource::from_fn(|head| extension::<Claims>(head).map(|claims| claims.0.as_str().into()));
    for source in [claims, SubjectSource::extension()] {
        let store = MemoryStore::new();
        link(&store, "anna", "ACTIVE").await;
        let incode = builder(store).subjects(source).build().await.unwrap();
        let app = App::new().configure(routes).wrap(IncodeMiddleware::new(incode)).wrap_fn(|request, service| {
            request.extensions_mut().insert(Claims("anna".to_owned()));
            request.extensions_mut().insert(Subject::new("anna").unwrap());
            service.call(request)
        });
        let app = test::init_service(app).await;
        let response = test::call_service(&app, test::TestRequest::get().uri("/resource").to_request()).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

fn routes(config: &mut web::ServiceConfig) {
    let step_up = Requirement::active().face_authenticated_within(Duration::from_secs(300));
    config
        .route("/me", web::get().to(me))
        .service(web::resource("/resource").wrap(GateMiddleware::active()).to(inside))
        .service(web::scope("/scope").wrap(GateMiddleware::active()).route("/page", web::get().to(inside)))
        .route("/route", web::get().to(inside).wrap(GateMiddleware::active()))
        .service(web::resource("/step-up").wrap(GateMiddleware::new(step_up)).to(inside))
        .route("/extractor", web::get().to(extractor))
        .route("/handler", web::get().to(handler))
        .route("/alone", web::get().to(alone));
}

async fn me(visitor: Visitor) -> String {
    format!("standing={};thread={:?}", visitor.standing().as_str(), thread::current().id())
}

/// Holds the extensions while it answers, as handlers may.
async fn inside(request: HttpRequest) -> impl Responder {
    let extensions = request.extensions();
    assert!(extensions.get::<incode_actix::core::gate::Visitor>().is_some());
    HttpResponse::Ok().body("inside")
}

async fn extractor(person: Active) -> String {
    format!("inside: {}", person.identity().identity_id.as_str())
}

async fn handler(visitor: Visitor) -> Result<&'static str, Denied> {
    visitor.require(&Requirement::active()).map_err(Denied::from)?;
    Ok("inside")
}

async fn alone(visitor: Visitor, request: HttpRequest) -> HttpResponse {
    match visitor.require(&Requirement::active()) {
        Ok(()) => HttpResponse::Ok().body("inside"),
        Err(denial) => Denied::from(denial).respond_to(&request),
    }
}
