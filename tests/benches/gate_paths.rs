//! What each way through layer and gate costs, in instructions: known, to be loaded, denied, by bearer token; on axum, a
//! bare tower service and actix-web.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod callgrind;
}

use std::convert::Infallible;
use std::future::poll_fn;
use std::hint::black_box;
use std::time::Duration;

use actix_web::dev::Service as _;
use actix_web::{App, HttpResponse, test, web};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use common::callgrind;
use http::{Request, Response};
use incode_actix::{GateMiddleware, IncodeMiddleware};
use incode_core::BearerTokens;
use incode_tests::{Adapter, Plan, World};
use incode_tower::{GateLayer, IncodeLayer};
use tower::{Layer, Service, service_fn};

fn main() {
    if callgrind::is_counted_child(repeat) {
        return;
    }
    println!("| layer and gate outside | instructions | over bare |\n|---|---|---|");
    for framework in ["axum", "tower", "actix"] {
        let mut bare = None;
        for way in WAYS {
            let case = format!("{framework}: {way}");
            let Some(count) = callgrind::instructions(&case) else { return println!("| {case} | no valgrind | |") };
            let added = count - *bare.get_or_insert(count);
            println!("| {case} | {count:.0} | {added:+.0} |");
        }
    }
}

/// What is asked, by whom, and the answer that is expected.
struct Asked {
    header: (&'static str, String),
    status: u16,
}

fn repeat(case: &str, times: u32) {
    let (framework, way) = case.split_once(": ").unwrap();
    if framework == "actix" {
        actix_web::rt::System::new().block_on(repeat_actix(way, times));
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(repeat_tower(framework, way, times));
    }
}

async fn repeat_tower(framework: &str, way: &str, times: u32) {
    let (world, asked) = prepare(way).await;
    let layers = (IncodeLayer::new(world.incode.clone()), GateLayer::active());
    let router = Router::new().route("/", get(async || "ok"));
    let plain = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::from("ok"))));
    match (framework, way) {
        ("axum", "bare") => send(router, &asked, times).await,
        ("axum", _) => send(layers.0.layer(layers.1.layer(router)), &asked, times).await,
        ("tower", "bare") => send(plain, &asked, times).await,
        ("tower", _) => send(layers.0.layer(layers.1.layer(plain)), &asked, times).await,
        other => panic!("no such case: {other:?}"),
    }
}

async fn send<S, B>(mut service: S, asked: &Asked, times: u32)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    for _ in 0..times {
        let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
        let request = Request::get("/").header("host", "app.example").header(asked.header.0, &asked.header.1);
        let Ok(response) = service.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), asked.status);
        black_box(response);
    }
}

async fn repeat_actix(way: &str, times: u32) {
    let (world, asked) = prepare(way).await;
    let request = || {
        let (name, value) = &asked.header;
        test::TestRequest::get().uri("/").insert_header(("host", "app.example")).insert_header((*name, value.as_str()))
    };
    let app = || App::new().route("/", web::get().to(async || HttpResponse::Ok().body("ok")));
    if way == "bare" {
        let service = test::init_service(app()).await;
        for _ in 0..times {
            let response = service.call(request().to_request()).await.unwrap();
            assert_eq!(response.status().as_u16(), asked.status);
            black_box(response);
        }
        return;
    }
    let app = app().wrap(GateMiddleware::active()).wrap(IncodeMiddleware::new(world.incode.clone()));
    let service = test::init_service(app).await;
    for _ in 0..times {
        let response = service.call(request().to_request()).await.unwrap();
        assert_eq!(response.status().as_u16(), asked.status);
        black_box(response);
    }
}

/// A vendor, with one person who is known, by account and by token; nothing else runs once it is ready.
async fn prepare(way: &str) -> (World, Asked) {
    let lifetime = if way == "to be loaded" { Duration::ZERO } else { Duration::from_secs(24 * 60 * 60) };
    let tokens = BearerTokens::on_paths(["/"]).believed_for(Duration::from_secs(60 * 60));
    let plan =
        Plan::new(Adapter::Tower).incode(move |builder| builder.near_cache_lifetime(lifetime).bearer_tokens(tokens));
    let world = plan.start().await;
    let person = world.person("Ana Flores").identity_id;
    world.link("ana", &person).await;
    let user = |user: &str| ("x-user", user.to_owned());
    let (header, status) = match way {
        "bare" | "known" | "to be loaded" => (user("ana"), 200),
        "denied" => (user("ben"), 403),
        "bearer token" => (("authorization", format!("Bearer {}", world.sandbox.issue_token(&person))), 200),
        other => panic!("no such way: {other}"),
    };
    (world, Asked { header, status })
}

const WAYS: [&str; 5] = ["bare", "known", "to be loaded", "denied", "bearer token"];
