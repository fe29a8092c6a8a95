use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use incode_core::Incode;

use crate::body;
use crate::head::ActixHead;

/// The routes that [`IncodeMiddleware`](crate::IncodeMiddleware) answers, as resources: webhook, start, callback and token.
///
/// With them the webhook arrives wherever the middleware is: configure them on the `App`, outside of every scope and before
/// its own routes. The middleware is still what attaches the visitor, and the login middleware goes around both.
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
    let incode = incode.clone();
    move |config| {
        for path in incode.mounts() {
            // Any method: core says which ones a route takes.
            config.service(web::resource(path).app_data(Data::new(incode.clone())).to(answer));
        }
    }
}

async fn answer(incode: Data<Incode>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let route = incode.open(&ActixHead::from(&request));
    match route {
        Some(route) => {
            let mut payload = payload.into_inner();
            let reply = route.answer(&mut payload).await;
            body::answer(reply, payload)
        }
        // The token endpoint of a policy that has no OAuth part.
        None => HttpResponse::NotFound().finish(),
    }
}
