use std::future::{Ready, ready};

use actix_web::FromRequest;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::web::ServiceConfig;
use incode_core::Incode;
use incode_core::adapter::IdentifyOutcome;

use super::IncodeService;
use crate::identify::Identify;

/// Answers the webhook, start and callback routes, and leaves a [`Visitor`](incode_core::gate::Visitor) in the
/// extensions of every other request. Refuses no request: that is the work of
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
    identify: Option<Identify>,
}

impl IncodeMiddleware {
    /// Clones of the middleware share everything.
    pub fn new(incode: Incode) -> Self {
        Self { incode, identify: None }
    }

    /// Finds the user by an extractor of actix-web's, for instance the session of actix-session or the identity of
    /// actix-identity. Takes the place of the [`SubjectSource`](crate::SubjectSource). Several extractors are one tuple.
    ///
    /// `find` is called where start, callback, a gate or an extractor needs the user, and at most once for a request.
    /// Assets, the webhook and ungated pages cost no look-up. It returns:
    ///
    /// | value | meaning |
    /// |---|---|
    /// | `Some(key)` | the key of the user: see [`UserKey`](incode_core::gate::UserKey) |
    /// | `Some((key, session))` | and the [`SessionHash`](incode_core::SessionHash), for `SessionSource::extension()` |
    /// | `None` | the request has no user |
    /// | `Err(error)` | the application's own answer, sent instead |
    ///
    /// An error of the extractor is an answer of the application's own, too. Where no user is no error, take an `Option`
    /// or a `Result` of the extractor. A key that is no [`Subject`](crate::Subject) is logged and answered with 500. The
    /// body is the handler's: an extractor of a body finds none.
    ///
    /// The middleware that the extractor needs goes around this one, because start and callback are answered here. The
    /// visitor is not in the request extensions before a gate or an extractor needs it: see
    /// [`resolve_visitor`](crate::resolve_visitor).
    ///
    /// ```
    /// use actix_web::error::ErrorServiceUnavailable;
    /// use incode_actix::{Incode, IncodeMiddleware};
    /// # use actix_web::{FromRequest, HttpRequest, dev::Payload};
    /// # struct Session;
    /// # impl Session { async fn get(&self, _: &str) -> Result<Option<i64>, std::io::Error> { Ok(Some(42)) } }
    /// # impl FromRequest for Session {
    /// #     type Error = actix_web::Error;
    /// #     type Future = std::future::Ready<Result<Self, actix_web::Error>>;
    /// #     fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future { std::future::ready(Ok(Session)) }
    /// # }
    ///
    /// fn middleware(incode: Incode) -> IncodeMiddleware {
    ///     // The user's id in the session. While the session store fails, the gate answers 503.
    ///     IncodeMiddleware::new(incode)
    ///         .identify(async |session: Session| session.get("user").await.map_err(ErrorServiceUnavailable))
    /// }
    /// ```
    #[must_use]
    pub fn identify<E, F, Fut>(self, find: F) -> Self
    where
        E: FromRequest + 'static,
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future + 'static,
        Fut::Output: IdentifyOutcome<Answer: Into<actix_web::Error>>,
    {
        Self { identify: Some(Identify::by_extractor(find)), ..self }
    }

    /// As [`configure`](crate::configure()), for a middleware that finds the user by [`identify`](Self::identify): start
    /// and callback find it the same way.
    pub fn configure(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        crate::routes::resources(self.incode.clone(), self.identify.clone())
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
        ready(Ok(IncodeService::new(inner, self.incode.clone(), self.identify.clone())))
    }
}
