use std::future::{Ready, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use incode_core::Incode;

use super::IncodeService;

/// Answers the webhook, start and callback routes, and leaves a [`Visitor`](incode_core::gate::Visitor) in the
/// extensions of every other request. Lets everybody through: closing doors is the work of
/// [`GateMiddleware`](crate::GateMiddleware).
///
/// Goes around a whole `App`, and outside every gate. What was wrapped last runs first: the application's own
/// authentication, which finds the [`Subject`](incode_core::Subject), is wrapped *after* this one, and so are CORS,
/// tracing and compression.
///
/// Build [`Incode`] once, outside of the closure that makes the `App`. actix-web runs that closure on each of its
/// workers: an `Incode` made inside it would be one per thread, each with a store, a near cache and a worker of its
/// own, and a revocation seen by one would be unknown to the others. Clones are cheap, and all are the same.
///
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use incode_actix::core::client::Client;
/// use incode_actix::core::webhook::Authenticity;
/// use incode_actix::{Active, GateMiddleware, Incode, IncodeMiddleware, SubjectSource};
///
/// #[actix_web::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let incode = Incode::builder()
///         .client(Client::builder("https://api.example.com", "api key").build()?)
///         .webhook_authenticity(Authenticity::fetch_back())
///         .subjects(SubjectSource::trusted_header("x-user"))
///         .memory()
///         .build()
///         .await?;
///     HttpServer::new(move || {
///         App::new()
///             .service(web::resource("/vault").wrap(GateMiddleware::active()).to(vault))
///             .wrap(IncodeMiddleware::new(incode.clone()))
///     })
///     .bind(("127.0.0.1", 3000))?
///     .run()
///     .await?;
///     Ok(())
/// }
///
/// async fn vault(person: Active) -> String {
///     format!("Hello, {}", person.identity().identity_id.as_str())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct IncodeMiddleware {
    incode: Incode,
}

impl IncodeMiddleware {
    /// Clones of the middleware share everything.
    pub fn new(incode: Incode) -> Self {
        Self { incode }
    }
}

impl<S, B> Transform<S, ServiceRequest> for IncodeMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Transform = IncodeService<S>;
    type InitError = ();
    type Future = Ready<Result<IncodeService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(IncodeService::new(inner, self.incode.clone())))
    }
}
