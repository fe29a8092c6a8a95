//! Where the middleware goes in actix-web: it works, or it is said.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test fails by panicking; support is shared"
)]

mod support;

use actix_web::dev::{Service, ServiceRequest};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpMessage, web};
use incode_actix::core::Secret;
use incode_actix::core::flow::HostedFlow;
use incode_actix::core::store::MemoryStore;
use incode_actix::{Active, GateMiddleware, IncodeMiddleware, Subject, SubjectSource, Visitor, configure};
use support::{builder, incode, link};

async fn anna() -> MemoryStore {
    let store = MemoryStore::new();
    link(&store, "anna", "ACTIVE").await;
    store
}

async fn vault(_: Active) -> &'static str {
    "inside"
}

async fn own() -> &'static str {
    "the application's own"
}

/// Status and body of the answer to one request.
macro_rules! ask {
    ($app:expr, $request:expr) => {{
        let response = call_service(&$app, $request.to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
    }};
}

fn get(path: &str, user: Option<&'static str>) -> TestRequest {
    let request = TestRequest::get().uri(path);
    user.into_iter().fold(request, |request, user| request.insert_header(("x-user", user)))
}

#[actix_web::test]
async fn the_routes_arrive_wherever_the_middleware_is() {
    let incode = incode(anna().await).await;
    let scope =
        || web::scope("/members").wrap(IncodeMiddleware::new(incode.clone())).route("/vault", web::get().to(vault));
    let app = App::new().configure(configure(&incode)).service(scope()).default_service(web::to(own));
    let app = init_service(app).await;
    let delivery = || TestRequest::post().uri("/incode/webhook").insert_header(("content-type", "application/json"));
    let (status, body) = ask!(app, delivery());
    assert!((400..500).contains(&status) && body.contains("\"code\""), "{status} {body}");
    assert_eq!(ask!(app, get("/members/vault", Some("anna"))), (200, "inside".to_owned()));
    assert_eq!(ask!(app, get("/members/vault", None)).0, 401);
    assert_eq!(ask!(app, get("/incode/webhook", None)).0, 405);
    assert_eq!(ask!(app, TestRequest::post().uri("/incode/token")).0, 404, "there is no OAuth part");
    assert_eq!(ask!(app, get("/other", None)).1, "the application's own");
}

/// Behind a proxy that takes the path off, and one that does not.
#[actix_web::test]
async fn the_routes_are_also_below_the_path_of_the_public_url() {
    let secret = Secret::new(vec![7; 32]);
    let flow = HostedFlow::new("client", "http://127.0.0.1:9/web", "https://site.example/app", secret).unwrap();
    let incode = builder(anna().await).hosted_flow(flow).build().await.unwrap();
    let scope =
        web::scope("/members").wrap(IncodeMiddleware::new(incode.clone())).route("/vault", web::get().to(vault));
    let app = App::new().configure(configure(&incode)).service(scope).default_service(web::to(own));
    let app = init_service(app).await;
    for base in ["", "/app"] {
        let webhook = format!("{base}/incode/webhook");
        let delivery = TestRequest::post().uri(&webhook).insert_header(("content-type", "application/json"));
        let (status, body) = ask!(app, delivery);
        assert!((400..500).contains(&status) && body.contains("\"code\""), "{status} {body}");
        assert_eq!(ask!(app, get(&webhook, None)).0, 405);
        let started = call_service(&app, get(&format!("{base}/incode/start"), Some("bert")).to_request()).await;
        let location = started.headers().get("location").unwrap().to_str().unwrap();
        assert!(location.contains("site.example%2Fapp%2Fincode%2Fcallback"), "{location}");
    }
    assert_eq!(ask!(app, TestRequest::post().uri("/apps/incode/webhook")), (200, "the application's own".to_owned()));
}

#[actix_web::test]
async fn what_another_middleware_resolved_opens_nothing() {
    let outer = incode(anna().await).await;
    let source = SubjectSource::trusted_header("x-other");
    let inner = builder(MemoryStore::new()).subjects(source).build().await.unwrap();
    for (inner, known, unknown) in [(inner, 401, 403), (outer.clone(), 200, 401)] {
        let app = App::new().route("/vault", web::get().to(vault)).wrap(IncodeMiddleware::new(inner));
        let app = init_service(app.wrap(IncodeMiddleware::new(outer.clone()))).await;
        assert_eq!(ask!(app, get("/vault", Some("anna"))).0, known);
        let other = TestRequest::get().uri("/vault").insert_header(("x-other", "anna"));
        assert_eq!(ask!(app, other).0, unknown);
    }
}

#[actix_web::test]
async fn a_login_middleware_inside_of_ours_is_a_mistake_of_the_program() {
    fn login(request: &ServiceRequest) {
        if request.headers().contains_key("x-user") {
            request.extensions_mut().insert(Subject::new("anna").unwrap());
        }
    }
    async fn standing(visitor: Visitor) -> String {
        visitor.standing().as_str().to_owned()
    }
    fn routes(config: &mut web::ServiceConfig) {
        config
            .route("/vault", web::get().to(vault))
            .route("/me", web::get().to(standing))
            .service(web::resource("/gated").wrap(GateMiddleware::active()).to(own));
    }
    let incode = builder(anna().await).subjects(SubjectSource::extension()).build().await.unwrap();
    let middleware = || IncodeMiddleware::new(incode.clone());
    let right = App::new().configure(routes).wrap(middleware()).wrap_fn(|request, service| {
        login(&request);
        service.call(request)
    });
    let wrong = App::new().configure(routes).wrap_fn(|request, service| {
        login(&request);
        service.call(request)
    });
    let (right, wrong) = (init_service(right).await, init_service(wrong.wrap(middleware())).await);
    for path in ["/vault", "/gated"] {
        assert_eq!(ask!(right, get(path, Some("anna"))).0, 200, "{path}");
        let (status, body) = ask!(wrong, get(path, Some("anna")));
        assert!(status == 500 && body.contains("layer_order"), "{path}: {status} {body}");
        assert_eq!(ask!(wrong, get(path, None)).0, 401, "{path}: without a login nothing is in a wrong order");
    }
    assert_eq!(ask!(right, get("/me", Some("anna"))).1, "active");
    assert_eq!(ask!(wrong, get("/me", Some("anna"))).1, "no_subject");
}

#[actix_web::test]
async fn a_gate_outside_of_the_middleware_is_never_open() {
    let incode = incode(anna().await).await;
    let app =
        App::new().default_service(web::to(own)).wrap(IncodeMiddleware::new(incode)).wrap(GateMiddleware::active());
    let (status, body) = ask!(init_service(app).await, get("/vault", Some("anna")));
    assert!(status == 500 && body.contains("layer_missing"), "{status} {body}");
}

/// Behind a proxy that takes the path off, and one that does not.
#[actix_web::test]
async fn the_path_of_the_public_url_is_in_every_link() {
    let secret = Secret::new(vec![7; 32]);
    let flow = HostedFlow::new("client", "http://127.0.0.1:9/web", "https://site.example/app", secret).unwrap();
    let incode = builder(anna().await).hosted_flow(flow).login_at("/login").build().await.unwrap();
    let app = App::new().route("/vault", web::get().to(vault)).route("/app/vault", web::get().to(vault));
    let app = init_service(app.wrap(IncodeMiddleware::new(incode))).await;
    for path in ["/vault", "/app/vault"] {
        let (status, body) = ask!(app, get(path, Some("bert")));
        assert!(status == 403 && body.contains("\"/app/incode/start?return_to=/app/vault\""), "{status} {body}");
        let (status, body) = ask!(app, get(path, None));
        assert!(status == 401 && body.contains("\"/app/login?return_to=/app/vault\""), "{status} {body}");
    }
    for path in ["/incode/start", "/app/incode/start"] {
        let response = call_service(&app, get(path, Some("bert")).to_request()).await;
        let location = response.headers().get("location").unwrap().to_str().unwrap();
        assert!(location.contains("redirect_url=https%3A%2F%2Fsite.example%2Fapp%2Fincode%2Fcallback"), "{location}");
    }
}
