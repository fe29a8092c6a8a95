//! A layer in the wrong place is said, once, by each framework's own way to put it there.

use std::convert::Infallible;

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response};
use incode_actix::{IncodeMiddleware, configure};
use incode_core::Incode;
use incode_core::client::Client;
use incode_core::webhook::Authenticity;
use incode_tower::IncodeLayer;
use tower::{Layer, ServiceExt, service_fn};

use super::{TRACED, line, lines};

async fn incode(webhook: &str) -> Incode {
    let _listening = &*TRACED;
    let client = Client::builder("http://127.0.0.1:9", "key").build().unwrap();
    let builder = Incode::builder().client(client).webhook_authenticity(Authenticity::fetch_back()).memory();
    builder.webhook_path(webhook).build().await.unwrap()
}

async fn own() -> &'static str {
    "the application's own"
}

fn ask(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// More visitors than the warning waits for.
const VISITORS: usize = 250;

async fn is_overdue(webhook: &str) {
    let words = ["no request has reached the webhook or another mounted route", webhook];
    let warning = line(&words).await;
    assert!(warning.contains("WARN") && warning.contains(&format!("routes=[\"{webhook}\"]")), "{warning}");
    assert_eq!(lines(&words).len(), 1, "once");
}

async fn is_nearly_missed(webhook: &str) {
    let words = ["nearly a mounted one", &format!("route=\"{webhook}\"")];
    let warning = line(&words).await;
    assert!(warning.contains("WARN") && warning.contains("differs_in=\"prefix\""), "{warning}");
    assert_eq!(lines(&words).len(), 1, "once");
}

/// axum puts a layer around the routes that are there already: a fallback that is added later is outside of it.
#[tokio::test]
async fn axum_with_the_layer_before_the_fallback() {
    let incode = incode("/axum-hook").await;
    let pages = Router::new().route("/vault", get(own)).route("/api/axum-hook", get(own));
    let app = pages.layer(IncodeLayer::new(incode)).fallback(own);
    for _ in 0..VISITORS {
        assert_eq!(app.clone().oneshot(ask("/axum-hook")).await.unwrap().status(), 200, "the fallback has it");
        assert_eq!(app.clone().oneshot(ask("/vault")).await.unwrap().status(), 200);
    }
    is_overdue("/axum-hook").await;
    for _ in 0..2 {
        assert_eq!(app.clone().oneshot(ask("/api/axum-hook")).await.unwrap().status(), 200);
    }
    is_nearly_missed("/axum-hook").await;
}

/// A nested router takes its prefix off, so the routes of a layer inside are below that prefix.
#[tokio::test]
async fn axum_with_the_layer_in_a_nested_router() {
    let incode = incode("/axum-nested-hook").await;
    let pages = Router::new().route("/vault", get(own)).fallback(own).layer(IncodeLayer::new(incode));
    let app = Router::new().nest("/api", pages);
    assert_eq!(app.clone().oneshot(ask("/axum-nested-hook")).await.unwrap().status(), 404);
    assert_eq!(app.oneshot(ask("/api/axum-nested-hook")).await.unwrap().status(), 405, "here it is");
    line(&["WARN", "the layer is inside a nested router"]).await;
}

/// A tower service that routes by itself, and has the layer around a part.
#[tokio::test]
async fn tower_with_the_layer_around_a_part() {
    let page = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let part = IncodeLayer::new(incode("/tower-hook").await).layer(page);
    for _ in 0..VISITORS {
        assert_eq!(part.clone().oneshot(ask("/part/vault")).await.unwrap().status(), 200);
    }
    is_overdue("/tower-hook").await;
    assert_eq!(part.oneshot(ask("/part/tower-hook")).await.unwrap().status(), 200);
    is_nearly_missed("/tower-hook").await;
}

#[actix_web::test]
async fn actix_with_the_middleware_on_a_scope() {
    let incode = incode("/actix-hook").await;
    let scope = web::scope("/members").wrap(IncodeMiddleware::new(incode)).default_service(web::to(own));
    let app = init_service(actix_web::App::new().service(scope).default_service(web::to(own))).await;
    let status = async |path: &str| call_service(&app, TestRequest::get().uri(path).to_request()).await.status();
    for _ in 0..VISITORS {
        assert_eq!(status("/actix-hook").await, 200, "the application has it");
        assert_eq!(status("/members/vault").await, 200);
    }
    is_overdue("/actix-hook").await;
    assert_eq!(status("/members/actix-hook").await, 200);
    is_nearly_missed("/actix-hook").await;
}

/// actix-web refuses no second service at a path, and asks the first.
#[actix_web::test]
async fn actix_with_a_service_of_its_own_before_the_routes() {
    let pages = |incode: &Incode| {
        web::scope("/pages").wrap(IncodeMiddleware::new(incode.clone())).default_service(web::to(own))
    };
    let ask = |path: &str| TestRequest::get().uri(path).to_request();
    for (webhook, before) in [("/taken-hook", "/taken-hook"), ("/caught/hook", "/caught/{tail:.*}")] {
        let incode = incode(webhook).await;
        let app =
            actix_web::App::new().route(before, web::to(own)).configure(configure(&incode)).service(pages(&incode));
        let app = init_service(app).await;
        for _ in 0..2 {
            assert_eq!(call_service(&app, ask("/pages/vault")).await.status(), 200);
        }
        assert_eq!(call_service(&app, ask(webhook)).await.status(), 200, "the application has it");
        let words = ["a service of the application takes the requests to a mounted route", webhook];
        let error = line(&words).await;
        assert!(error.contains("ERROR") && error.contains(&format!("route=\"{webhook}\"")), "{error}");
        assert_eq!(lines(&words).len(), 1, "once");
    }

    // Behind the routes, or with the middleware around everything, it takes nothing.
    let late = incode("/late-hook").await;
    let app = actix_web::App::new().configure(configure(&late)).route("/late-hook", web::to(own)).service(pages(&late));
    let app = init_service(app).await;
    assert_eq!(call_service(&app, ask("/pages/vault")).await.status(), 200);
    assert_eq!(call_service(&app, ask("/late-hook")).await.status(), 405, "the webhook");
    let around = incode("/around-hook").await;
    let app = actix_web::App::new().route("/around-hook", web::to(own)).configure(configure(&around));
    let app = init_service(app.wrap(IncodeMiddleware::new(around))).await;
    assert_eq!(call_service(&app, ask("/vault")).await.status(), 404);
    assert_eq!(call_service(&app, ask("/around-hook")).await.status(), 405, "the webhook");
    for quiet in ["/late-hook", "/around-hook"] {
        assert!(lines(&["takes the requests to a mounted route", quiet]).is_empty());
    }
}
