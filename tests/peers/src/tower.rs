use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::hint::black_box;
use std::sync::{Arc, RwLock};

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, login_required};
use http::{Request, Response, StatusCode};
use incode_tower::{GateLayer, IncodeLayer};
use tower::{Layer, Service};
use tower_http::auth::AsyncRequireAuthorizationLayer;
use tower_sessions::{MemoryStore, SessionManagerLayer};

use crate::{HEADERS, USER, clerk, ours};

pub(crate) const CASES: [&str; 5] = [
    "axum: bare",
    "axum: incode, layer and gate outside",
    "axum: tower-http AsyncRequireAuthorization, map behind a lock",
    "axum: axum-login, login_required, memory store",
    "axum: clerk-rs, session token",
];

pub(crate) fn repeat(way: &str, times: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sid = format!("theme=dark; sid={USER}; lang=en");
        match way {
            "bare" => send(router(), &sid, times).await,
            "incode, layer and gate outside" => {
                let layers = (IncodeLayer::new(ours::incode().await), GateLayer::active());
                send(layers.0.layer(layers.1.layer(router())), &sid, times).await;
            }
            "tower-http AsyncRequireAuthorization, map behind a lock" => {
                send(authorized().layer(router()), &sid, times).await;
            }
            "axum-login, login_required, memory store" => {
                let mut app = logged_in();
                let cookie = log_in(&mut app).await;
                send(app, &format!("theme=dark; {cookie}; lang=en"), times).await;
            }
            "clerk-rs, session token" => {
                let token = clerk::token();
                send(router().layer(clerk::layer()), &format!("theme=dark; __session={token}; lang=en"), times).await;
            }
            other => panic!("no such way: {other}"),
        }
    });
}

fn router() -> Router {
    Router::new().route("/account", get(async || "ok"))
}

async fn send<S, B>(mut service: S, cookie: &str, times: u32)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    for _ in 0..times {
        let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
        let mut request = Request::get("/account").header("cookie", cookie);
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        let Ok(response) = service.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        black_box(response);
    }
}

type Denied = Response<Body>;

/// The gate one writes by hand: the cookie, looked up in a map.
#[expect(clippy::type_complexity, reason = "a closure in a layer")]
fn authorized()
-> AsyncRequireAuthorizationLayer<impl Fn(Request<Body>) -> std::future::Ready<Result<Request<Body>, Denied>> + Clone> {
    let active = Arc::new(RwLock::new(HashMap::from([(USER.to_owned(), true)])));
    AsyncRequireAuthorizationLayer::new(move |mut request: Request<Body>| {
        let header = request.headers().get("cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let user = header.split(';').find_map(|pair| pair.trim().strip_prefix("sid="));
        let user = user.filter(|user| active.read().unwrap().get(*user) == Some(&true)).map(str::to_owned);
        ready(match user {
            Some(user) => {
                request.extensions_mut().insert(user);
                Ok(request)
            }
            None => {
                let mut denied = Response::new(Body::empty());
                *denied.status_mut() = StatusCode::FORBIDDEN;
                Err(denied)
            }
        })
    })
}

#[derive(Clone, Debug)]
struct User;

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        USER.to_owned()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"hash"
    }
}

/// Users in memory, so that nothing but the crate is measured.
#[derive(Clone)]
struct Backend;

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = ();
    type Error = Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<User>, Infallible> {
        Ok(Some(User))
    }

    async fn get_user(&self, _: &String) -> Result<Option<User>, Infallible> {
        Ok(Some(User))
    }
}

fn logged_in() -> Router {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    router()
        .route_layer(login_required!(Backend))
        .route("/login", post(async |mut auth: AuthSession<Backend>| auth.login(&User).await.unwrap()))
        .layer(AuthManagerLayerBuilder::new(Backend, sessions).build())
}

/// The session's cookie.
async fn log_in(app: &mut Router) -> String {
    let request = Request::post("/login").body(Body::empty()).unwrap();
    let Ok(response) = Service::<Request<Body>>::call(app, request).await;
    let cookie = response.headers().get("set-cookie").unwrap().to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}
