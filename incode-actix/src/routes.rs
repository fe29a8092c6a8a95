use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use incode_core::Incode;

use crate::head::ActixHead;
use crate::identify::{Identify, Route};

/// The routes that [`IncodeMiddleware`](crate::IncodeMiddleware) answers, as resources: webhook, start, callback and token.
///
/// With them the webhook arrives wherever the middleware is: configure them on the `App`, outside of every scope and before
/// its own routes. The middleware is still what attaches the visitor, and the login middleware goes around both. Where the
/// middleware finds the user by [`identify`](crate::IncodeMiddleware::identify), use the middleware's own
/// [`configure`](crate::IncodeMiddleware::configure).
///
/// If the public URL has a path, each route is there twice, with and without it: some proxies take the path off.
///
/// ```
/// use actix_web::{App, web};
/// use incode_actix::{Active, Incode, IncodeMiddleware, configure};
///
/// fn routes(config: &mut web::ServiceConfig, incode: &Incode) {
///     config.configure(configure(incode)).service(
///         web::scope("/members").wrap(IncodeMiddleware::new(incode.clone())).route("/vault", web::get().to(vault)),
///     );
/// }
///
/// async fn vault(_: Active) -> &'static str {
///     "verified"
/// }
/// ```
pub fn configure(incode: &Incode) -> impl FnOnce(&mut ServiceConfig) {
    resources(incode.clone(), None)
}

pub(crate) fn resources(incode: Incode, identify: Option<Identify>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        for path in incode.mounts() {
            let routes = Routes { incode: incode.clone(), identify: identify.clone() };
            // Any method: core says which ones a route takes.
            config.service(web::resource(path).to(move |request, payload| answer(routes.clone(), request, payload)));
        }
    }
}

#[derive(Clone)]
struct Routes {
    incode: Incode,
    identify: Option<Identify>,
}

async fn answer(Routes { incode, identify }: Routes, request: HttpRequest, payload: Payload) -> HttpResponse {
    let route = match identify {
        Some(identify) => identify.begin(&incode, &request),
        None => incode.open(&ActixHead::from(&request)).map(Route::Open),
    };
    match route {
        Some(route) => route.answer(&request, payload.into_inner()).await,
        // The token endpoint of a policy that has no OAuth part.
        None => HttpResponse::NotFound().finish(),
    }
}
