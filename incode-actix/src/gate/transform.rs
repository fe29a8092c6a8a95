use std::future::{Ready, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use incode_core::gate::{GatePolicy, Requirement};

use super::Gate;

/// Lets a request through if its visitor meets the requirement, and answers every other request with a denial.
///
/// Goes on a route, a resource, a scope or an `App`, inside [`IncodeMiddleware`](crate::IncodeMiddleware). There is no
/// gate without a requirement. What it lets through and whose handler says nothing of caching is marked
/// [`private, no-cache`](incode_core::gate::GRANTED_CACHE_CONTROL).
///
/// ```no_run
/// use std::time::Duration;
/// use actix_web::{HttpResponse, web};
/// use incode_actix::{GateMiddleware, Requirement};
///
/// fn routes(config: &mut web::ServiceConfig) {
///     let step_up = Requirement::active().face_authenticated_within(Duration::from_secs(300));
///     config
///         .service(web::resource("/transfer").wrap(GateMiddleware::new(step_up)).post(HttpResponse::NoContent))
///         .service(
///             web::scope("/members").wrap(GateMiddleware::active()).route("/posts", web::get().to(HttpResponse::Ok)),
///         );
/// }
/// # let _ = actix_web::App::new().configure(routes);
/// ```
/// A gate without a requirement does not compile:
/// ```compile_fail,E0061
/// let anything = incode_actix::GateMiddleware::new();
/// ```
#[derive(Clone, Debug)]
pub struct GateMiddleware {
    policy: GatePolicy,
}

impl GateMiddleware {
    /// A gate that asks for `requirement`.
    pub fn new(requirement: Requirement) -> Self {
        Self { policy: GatePolicy::new(requirement) }
    }

    /// A gate that asks for ACTIVE.
    pub fn active() -> Self {
        Self::new(Requirement::active())
    }

    /// Lets CORS preflights by, for a CORS middleware *inside* of this gate. The better place for one is outside, where
    /// it answers preflights itself and marks denials too; [`is_preflight`](incode_core::gate::is_preflight) says what
    /// else this lets in.
    #[must_use]
    pub fn passing_preflights(self) -> Self {
        Self { policy: self.policy.passing_preflights() }
    }
}

impl<S, B> Transform<S, ServiceRequest> for GateMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Transform = Gate<S>;
    type InitError = ();
    type Future = Ready<Result<Gate<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Gate::new(inner, self.policy.clone())))
    }
}
