//! An actix-web app whose vault opens when Incode says so.
//!
//! [`IncodeMiddleware`] goes around everything, [`GateMiddleware`] around what only the right people may reach, and the
//! extractors [`Visitor`] and [`Active`] bring the person to the handlers. What the pages say is in `gate-kit`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use actix_web::guard;
use actix_web::http::Uri;
use actix_web::http::header::{COOKIE, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpServer, Resource};
use gate_kit::{BasePath, RequestContext, Site};
use incode_actix::{Active, AdminService, GateMiddleware, IncodeMiddleware, Visitor, response};

#[tokio::main]
async fn main() -> ExitCode {
    gate_kit::run("actix-gate", serve).await
}

async fn serve(listener: TcpListener, site: Arc<Site>) -> io::Result<()> {
    // Made once, outside the closure that every worker runs: all of them share one cache and one store.
    let incode = IncodeMiddleware::new(site.incode().clone());
    let admin = AdminService::behind_guard(site.incode().clone());
    let base = site.base().clone();
    let site = Data::from(site);
    let app = move || {
        let routes = |app: &mut ServiceConfig| routes(app, admin.clone());
        let base = base.clone();
        let app = App::new().wrap(incode.clone()).app_data(site.clone()).configure(routes);
        app.wrap_fn(move |mut request, service| {
            strip(&base, &mut request);
            service.call(request)
        })
    };
    HttpServer::new(app).listen(listener)?.shutdown_signal(gate_kit::stopped()).shutdown_timeout(10).run().await
}

/// Takes the path of `PUBLIC_URL` off, where a proxy has sent it along.
fn strip(base: &BasePath, request: &mut ServiceRequest) {
    let mut parts = request.uri().clone().into_parts();
    let target = parts.path_and_query.as_ref().and_then(|target| base.strip(target.as_str()));
    let Some(target) = target.and_then(|target| PathAndQuery::try_from(&*target).ok()) else { return };
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        // What the router reads, and what everything else reads.
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// The admin service is without a guard of its own, so behind ours.
fn routes(app: &mut ServiceConfig, admin: AdminService) {
    app.service(get("/").to(page))
        .service(post("/login").to(login))
        .service(post("/logout").to(logout))
        .service(get("/me").to(me))
        .service(get("/verify").to(verify))
        .service(get("/vault").wrap(GateMiddleware::active()).to(vault))
        .service(post("/transfer").wrap(GateMiddleware::new(Site::TRANSFER)).to(transfer))
        .service(post("/face").to(face))
        .service(get("/livez").to(livez))
        .service(get("/healthz").to(healthz))
        .service(get("/metrics").to(metrics))
        .service(web::scope("/admin").wrap(from_fn(guard)).default_service(admin))
        .default_service(web::to(unrouted));
}

/// With guards on the resource and not on its routes, the wrong method passes by its gate and ends in [`unrouted`].
fn get(path: &str) -> Resource {
    web::resource(path).guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn post(path: &str) -> Resource {
    web::resource(path).guard(guard::Post())
}

async fn page(site: Data<Site>, Visitor(visitor): Visitor, Context(context): Context) -> HttpResponse {
    response(site.page(&visitor, &context))
}

/// The last page before the vendor's own: it names the account.
async fn verify(site: Data<Site>, Visitor(visitor): Visitor, Context(context): Context) -> HttpResponse {
    response(site.verify(&visitor, &context))
}

async fn login(site: Data<Site>, Context(context): Context, body: web::Payload) -> HttpResponse {
    response(site.login(&context, body).await)
}

async fn logout(site: Data<Site>, Context(context): Context) -> HttpResponse {
    response(site.logout(&context))
}

async fn me(site: Data<Site>, visitor: Visitor) -> HttpResponse {
    response(site.me(&visitor))
}

/// The gate has let the visitor pass; taking an [`Active`] makes the compiler agree.
async fn vault(site: Data<Site>, active: Active, Context(context): Context) -> HttpResponse {
    response(site.vault(active.visitor(), active.identity(), &context))
}

async fn transfer(site: Data<Site>, Visitor(visitor): Visitor, Context(context): Context) -> HttpResponse {
    response(site.transfer(&visitor, &context))
}

async fn face(
    site: Data<Site>,
    Visitor(visitor): Visitor,
    Context(context): Context,
    body: web::Payload,
) -> HttpResponse {
    response(site.face(&visitor, &context, body).await)
}

async fn livez(site: Data<Site>) -> HttpResponse {
    response(site.livez())
}

async fn healthz(site: Data<Site>, Context(context): Context) -> HttpResponse {
    response(site.healthz(&context).await)
}

async fn metrics(site: Data<Site>, Context(context): Context) -> HttpResponse {
    response(site.metrics(&context))
}

async fn guard(
    site: Data<Site>,
    Context(context): Context,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match site.admit(&context) {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.call(request).await
        }
        Err(refusal) => Ok(request.into_response(response(refusal))),
    }
}

async fn unrouted(site: Data<Site>, Context(context): Context) -> HttpResponse {
    response(site.unrouted(&context))
}

/// Extractor: what the shared pages read of a request.
struct Context(RequestContext);

impl FromRequest for Context {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let uri = request.uri();
        let context = RequestContext::new(request.method().as_str(), uri.path(), uri.query(), header);
        ready(Ok(Self(context.with_cookies(request.headers().get_all(COOKIE).map(HeaderValue::as_bytes)))))
    }
}
