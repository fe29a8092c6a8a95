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
/// axum refuses a second service at a path. actix-web does not, and asks the one that was registered first: a service of the
/// application's own that comes before these, at one of their paths or at a wildcard, gets the vendor's deliveries. The
/// middleware logs an ERROR at its first request then.
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
            // Any method: core says which ones a route takes. The name tells the resource from one of the application.
            let resource = web::resource(path).name(&name(path));
            config.service(resource.to(move |request, payload| answer(routes.clone(), request, payload)));
        }
        config.app_data(Configured);
    }
}

/// In the data of an application whose routes are resources.
struct Configured;

/// The mounted path whose requests another service of the application gets, because it was registered before.
///
/// actix-web refuses no second service at a path, and asks the first. A middleware that is around the whole application
/// answers the routes before it asks any service.
pub(crate) fn shadowed<'i>(incode: &'i Incode, request: &HttpRequest) -> Option<&'i str> {
    request.app_data::<Configured>()?;
    if request.match_info().unprocessed() == request.path() {
        return None;
    }
    let resources = request.resource_map();
    incode.mounts().find(|path| resources.match_name(path) != Some(&*name(path)))
}

fn name(path: &str) -> String {
    format!("incode {path}")
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
