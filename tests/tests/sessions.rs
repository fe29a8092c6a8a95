//! Apps that log in with the session crates of their framework, which find the user asynchronously.

#![allow(clippy::unwrap_used, reason = "tests; clippy spares only the functions marked as such")]

use incode_core::client::Client;
use incode_core::flow::HostedFlow;
use incode_core::identity::transition::{ChangeRequest, Command};
use incode_core::identity::{Checks, FaceOrigin, Link, LinkProof, Observation};
use incode_core::model::IdentityStatus;
use incode_core::store::{IdentityStore, MemoryStore};
use incode_core::webhook::Authenticity;
use incode_core::{Clock, IdentityId, Incode, Secret, Subject, SystemClock};

/// User 42 is linked and ACTIVE.
async fn incode() -> Incode {
    let (store, now) = (MemoryStore::new(), SystemClock.now());
    let identity_id = IdentityId::new("id-of-42").unwrap();
    let link = Link::new(Subject::new("42").unwrap(), identity_id.clone(), LinkProof::Application, now);
    let seen = Observation {
        identity_id,
        sent_at: now,
        status: IdentityStatus::from("ACTIVE"),
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    };
    for command in [Command::Observe(seen), Command::Link { link, by: None }] {
        store.change(ChangeRequest { command, rules: Default::default(), now }).await.unwrap();
    }
    let client = Client::builder("http://127.0.0.1:9", Secret::from("key")).build().unwrap();
    let flow = HostedFlow::new("client", "http://127.0.0.1:9/web", "http://127.0.0.1", Secret::new(vec![7; 32]));
    let builder = Incode::builder().client(client).webhook_authenticity(Authenticity::fetch_back());
    builder.store(store).hosted_flow(flow.unwrap()).build().await.unwrap()
}

mod tower_sessions_in_axum {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, Response, StatusCode, header};
    use axum::routing::{get, post};
    use incode_tower::{Active, GateLayer, IncodeLayer};
    use tower::ServiceExt;
    use tower_sessions::session::{Id, Record};
    use tower_sessions::session_store::{Error, Result};
    use tower_sessions::{MemoryStore, Session, SessionManagerLayer, SessionStore};

    use super::incode;

    /// A session store that counts its reads, and fails when a test says so.
    #[derive(Clone, Debug, Default)]
    struct Counted {
        store: MemoryStore,
        reads: Arc<AtomicUsize>,
        is_down: Arc<AtomicBool>,
    }

    #[async_trait]
    impl SessionStore for Counted {
        async fn create(&self, record: &mut Record) -> Result<()> {
            self.store.create(record).await
        }

        async fn save(&self, record: &Record) -> Result<()> {
            self.store.save(record).await
        }

        async fn load(&self, id: &Id) -> Result<Option<Record>> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if self.is_down.load(Ordering::Relaxed) {
                return Err(Error::Backend("down".to_owned()));
            }
            self.store.load(id).await
        }

        async fn delete(&self, id: &Id) -> Result<()> {
            self.store.delete(id).await
        }
    }

    async fn login(session: Session) {
        session.insert("user", 42).await.unwrap();
    }

    async fn app(sessions: Counted) -> Router {
        let incode = IncodeLayer::new(incode().await).identify(async |session: Session| {
            session.get::<i64>("user").await.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "try again"))
        });
        Router::new()
            .route("/vault", get(async || "open").route_layer(GateLayer::active()))
            .route("/person", get(async |_: Active| "known"))
            .route("/asset", get(async || "asset"))
            .route("/login", post(login))
            .layer(incode)
            .layer(SessionManagerLayer::new(sessions))
    }

    async fn ask(app: &Router, method: &str, path: &str, cookie: &str) -> Response<Body> {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn tower_sessions_finds_the_user_and_is_asked_only_where_it_matters() {
        let sessions = Counted::default();
        let app = app(sessions.clone()).await;
        assert_eq!(ask(&app, "GET", "/vault", "").await.status(), 401);
        assert_eq!(ask(&app, "GET", "/incode/start", "").await.status(), 401);
        let cookie = ask(&app, "POST", "/login", "").await.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        let cookie = cookie.split(';').next().unwrap();
        let reads = || sessions.reads.swap(0, Ordering::Relaxed);
        for (path, status) in [("/vault", 200), ("/person", 200), ("/incode/start", 303)] {
            reads();
            assert_eq!(ask(&app, "GET", path, cookie).await.status(), status, "{path}");
            assert_eq!(reads(), 1, "{path}");
        }
        sessions.is_down.store(true, Ordering::Relaxed);
        for path in ["/vault", "/person", "/incode/start", "/incode/callback?token=t"] {
            assert_eq!(ask(&app, "GET", path, cookie).await.status(), 503, "{path}");
        }
        reads();
        assert_eq!(ask(&app, "GET", "/asset", cookie).await.status(), 200);
        assert_eq!(ask(&app, "POST", "/incode/webhook", cookie).await.status(), 400);
        assert_eq!(reads(), 0, "an asset and a delivery");
    }

    #[tokio::test]
    async fn an_extractor_whose_layer_is_missing_shuts_the_gate() {
        let incode = IncodeLayer::new(incode().await).identify(async |_: Session| Some(42));
        let app = Router::new().route("/vault", get(async || "open").route_layer(GateLayer::active())).layer(incode);
        for path in ["/vault", "/incode/start"] {
            assert_eq!(ask(&app, "GET", path, "").await.status(), 500, "{path}");
        }
    }

    #[tokio::test]
    async fn the_state_of_the_app_is_at_hand() {
        use axum::extract::{FromRef, State};
        use axum::http::HeaderMap;

        #[derive(Clone)]
        struct Accounts(Arc<str>);
        #[derive(Clone)]
        struct App(Accounts);
        impl FromRef<App> for Accounts {
            fn from_ref(app: &App) -> Self {
                app.0.clone()
            }
        }
        let state = App(Accounts("42".into()));
        let layer = IncodeLayer::new(incode().await).identify_with_state(
            state.clone(),
            async |(State(accounts), headers): (State<Accounts>, HeaderMap)| {
                headers.contains_key("x-logged-in").then_some(accounts.0)
            },
        );
        let vault = Router::new().route("/vault", get(async || "open").route_layer(GateLayer::active()));
        // The layer's own routes, beside it.
        let app = vault.layer(layer.clone()).with_state(state).merge(layer.routes());
        for (path, status) in [("/vault", 200), ("/incode/start", 303)] {
            let request = Request::builder().uri(path).header("x-logged-in", "yes").body(Body::empty()).unwrap();
            assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status, "{path}");
            assert_eq!(ask(&app, "GET", path, "").await.status(), 401, "{path}");
        }
        assert_eq!(ask(&app, "POST", "/incode/token", "").await.status(), 404);
    }

    /// The app's code asks for the very visitor that waits for it.
    #[tokio::test]
    async fn code_that_waits_for_itself_is_refused() {
        let layer = IncodeLayer::new(incode().await).identify(async |person: incode_tower::Visitor| {
            person.subject().map(|subject| subject.as_str().to_owned())
        });
        let app = Router::new().route("/vault", get(async || "open").route_layer(GateLayer::active())).layer(layer);
        assert_eq!(ask(&app, "GET", "/vault", "").await.status(), 500);
    }
}

mod actix_session_in_actix_web {
    use actix_session::storage::CookieSessionStore;
    use actix_session::{Session, SessionMiddleware};
    use actix_web::cookie::{Cookie, Key};
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, web};
    use incode_actix::{Active, GateMiddleware, IncodeMiddleware};

    use super::incode;

    /// The status of the answer to one request.
    macro_rules! status {
        ($app:expr, $path:expr $(, $cookie:expr)?) => {
            call_service(&$app, TestRequest::get().uri($path)$(.cookie($cookie.clone()))?.to_request()).await.status().as_u16()
        };
    }

    fn logged_in(session: &Session, user: impl serde::Serialize) -> HttpResponse {
        session.insert("user", user).unwrap();
        HttpResponse::Ok().finish()
    }

    fn routes(config: &mut web::ServiceConfig) {
        config
            .service(
                // Routing goes on inside of the gate, and needs the request for itself.
                web::scope("/vault").wrap(GateMiddleware::active()).route("/{room}", web::get().to(async || "open")),
            )
            .route("/person", web::get().to(async |_: Active| "known"))
            .route("/asset", web::get().to(async || "asset"))
            .route("/login", web::get().to(async |session: Session| logged_in(&session, "42")))
            .route("/odd", web::get().to(async |session: Session| logged_in(&session, [1])));
    }

    #[actix_web::test]
    async fn actix_session_finds_the_user() {
        let middleware =
            IncodeMiddleware::new(incode().await).identify(async |session: Session| session.get::<String>("user"));
        let sessions = SessionMiddleware::new(CookieSessionStore::default(), Key::generate());
        let app = init_service(App::new().configure(routes).wrap(middleware).wrap(sessions)).await;
        for path in ["/vault/1", "/person", "/incode/start"] {
            assert_eq!(status!(app, path), 401, "{path}");
        }
        let cookie = |answer: actix_web::dev::ServiceResponse<_>| -> Cookie<'static> {
            let _: &actix_web::body::EitherBody<_> = answer.response().body();
            answer.response().cookies().next().unwrap().into_owned()
        };
        let login = cookie(call_service(&app, TestRequest::get().uri("/login").to_request()).await);
        for (path, expected) in [("/vault/1", 200), ("/person", 200), ("/incode/start", 303), ("/asset", 200)] {
            assert_eq!(status!(app, path, login), expected, "{path}");
        }
        // A session that can't be read is not a session without a user.
        let odd = cookie(call_service(&app, TestRequest::get().uri("/odd").to_request()).await);
        for (path, expected) in [("/vault/1", 500), ("/person", 500), ("/incode/start", 500), ("/asset", 200)] {
            assert_eq!(status!(app, path, odd), expected, "{path}");
        }
    }

    #[actix_web::test]
    async fn the_routes_of_the_middleware_find_the_user_too() {
        let middleware = IncodeMiddleware::new(incode().await).identify(async |request: actix_web::HttpRequest| {
            request.headers().contains_key("x-logged-in").then_some(42)
        });
        let app = App::new().configure(middleware.configure());
        let app = init_service(
            app.service(web::scope("/in").wrap(middleware).route("/person", web::get().to(async |_: Active| "known"))),
        )
        .await;
        for (path, expected) in [("/in/person", 200), ("/incode/start", 303)] {
            let request = TestRequest::get().uri(path).insert_header(("x-logged-in", "yes"));
            assert_eq!(call_service(&app, request.to_request()).await.status(), expected, "{path}");
            assert_eq!(status!(app, path), 401, "{path}");
        }
        let token = TestRequest::post().uri("/incode/token").to_request();
        assert_eq!(call_service(&app, token).await.status(), 404);
    }

    /// The app's code asks for the very visitor that waits for it.
    #[actix_web::test]
    async fn code_that_waits_for_itself_is_refused() {
        let middleware = IncodeMiddleware::new(incode().await).identify(async |person: incode_actix::Visitor| {
            person.subject().map(|subject| subject.as_str().to_owned())
        });
        let app = init_service(App::new().configure(routes).wrap(middleware)).await;
        for path in ["/vault/1", "/person"] {
            assert_eq!(status!(app, path), 500, "{path}");
        }
    }
}
