use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, RwLock};

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};
use actix_web_httpauth::extractors::bearer::BearerAuth;
use actix_web_httpauth::middleware::HttpAuthentication;
use incode_actix::{GateMiddleware, IncodeMiddleware};

use crate::{HEADERS, USER, ours};

pub(crate) const CASES: [&str; 4] = [
    "actix-web: bare",
    "actix-web: incode, layer and gate around the app",
    "actix-web: actix-web-httpauth, bearer, map behind a lock",
    "actix-web: actix-identity, cookie session",
];

pub(crate) fn repeat(way: &str, times: u32) {
    actix_web::rt::System::new().block_on(async {
        let sid = format!("theme=dark; sid={USER}; lang=en");
        match way {
            "bare" => send(init_service(app()).await, || asked("cookie", &sid).to_request(), times).await,
            "incode, layer and gate around the app" => {
                let app = app().wrap(GateMiddleware::active()).wrap(IncodeMiddleware::new(ours::incode().await));
                send(init_service(app).await, || asked("cookie", &sid).to_request(), times).await;
            }
            "actix-web-httpauth, bearer, map behind a lock" => {
                let active = Arc::new(RwLock::new(HashMap::from([(USER.to_owned(), true)])));
                let check = move |request: ServiceRequest, bearer: BearerAuth| {
                    let is_active = active.read().unwrap().get(bearer.token()) == Some(&true);
                    std::future::ready(if is_active {
                        request.extensions_mut().insert(bearer.token().to_owned());
                        Ok(request)
                    } else {
                        Err((actix_web::error::ErrorForbidden("no"), request))
                    })
                };
                let (app, bearer) = (app().wrap(HttpAuthentication::bearer(check)), format!("Bearer {USER}"));
                send(init_service(app).await, || asked("authorization", &bearer).to_request(), times).await;
            }
            "actix-identity, cookie session" => {
                let app = App::new()
                    .route("/account", web::get().to(async |_: Identity| HttpResponse::Ok().body("ok")))
                    .route("/login", web::post().to(log_in))
                    .wrap(IdentityMiddleware::default())
                    .wrap(SessionMiddleware::new(CookieSessionStore::default(), Key::from(&[7; 64])));
                let service = init_service(app).await;
                let response = service.call(TestRequest::post().uri("/login").to_request()).await.unwrap();
                let cookie = response.headers().get("set-cookie").unwrap().to_str().unwrap().to_owned();
                let cookie = format!("theme=dark; {}; lang=en", cookie.split(';').next().unwrap());
                send(service, || asked("cookie", &cookie).to_request(), times).await;
            }
            other => panic!("no such way: {other}"),
        }
    });
}

fn app() -> App<
    impl actix_web::dev::ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    App::new().route("/account", web::get().to(async || HttpResponse::Ok().body("ok")))
}

async fn log_in(request: HttpRequest) -> HttpResponse {
    Identity::login(&request.extensions(), USER.to_owned()).unwrap();
    HttpResponse::Ok().finish()
}

async fn send<S, R, B>(service: S, request: impl Fn() -> R, times: u32)
where
    S: Service<R, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    for _ in 0..times {
        let response = service.call(request()).await.unwrap();
        assert_eq!(response.status(), 200);
        black_box(response);
    }
}

fn asked(name: &'static str, value: &str) -> TestRequest {
    let request = TestRequest::get().uri("/account").insert_header((name, value));
    HEADERS.into_iter().fold(request, |request, header| request.insert_header(header))
}
