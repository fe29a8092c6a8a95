use http::request::Parts;
use incode_core::Incode;
use incode_core::adapter::{IdentifyOutcome, Reply};
use tower_layer::Layer;

use super::IncodeService;
use crate::identify::Identify;

/// Answers the webhook, start and callback routes, and leaves a [`Visitor`](incode_core::gate::Visitor) in the
/// extensions of every other request. Refuses no request: that is the work of [`GateLayer`](crate::GateLayer).
///
/// Goes around a whole `Router` or service, and outside every gate: with `Router::layer`, or
/// `IncodeLayer::new(incode).layer(service)`.
///
/// ```
/// use incode_tower::{GateLayer, Incode, IncodeLayer};
/// use tower::{Layer, ServiceBuilder};
///
/// /// Around a service of your own. Outside of it comes the layer that leaves a `Subject` in the request extensions.
/// fn stack<S: Clone>(incode: Incode, service: S) -> impl Clone {
///     ServiceBuilder::new().layer(IncodeLayer::new(incode)).layer(GateLayer::active()).service(service)
/// }
/// # let _ = stack::<()>;
/// ```
#[derive(Clone, Debug)]
pub struct IncodeLayer {
    incode: Incode,
    identify: Option<Identify>,
}

impl IncodeLayer {
    /// Clones of the layer share everything.
    pub fn new(incode: Incode) -> Self {
        Self { incode, identify: None }
    }

    /// Finds the user by an extractor of axum's, for instance the session of tower-sessions or axum-login. Takes the place
    /// of the [`SubjectSource`](crate::SubjectSource). Several extractors are one tuple.
    ///
    /// `find` is called where start, callback, a gate or an extractor needs the user, and at most once for a request.
    /// Assets, the webhook and ungated pages cost no look-up. It returns:
    ///
    /// | value | meaning |
    /// |---|---|
    /// | `Some(key)` | the key of the user: see [`UserKey`](incode_core::gate::UserKey) |
    /// | `Some((key, session))` | and the [`SessionHash`](incode_core::SessionHash), for `SessionSource::extension()` |
    /// | `None` | the request has no user |
    /// | `Err(response)` | the application's own answer, sent instead |
    ///
    /// A rejection of the extractor is an answer of the application's own, too. A key that is no
    /// [`Subject`](crate::Subject) is logged and answered with 500.
    ///
    /// The layer that the extractor needs goes around this one, because start and callback are answered here. The visitor
    /// is not in the request extensions before a gate or an extractor needs it: see
    /// [`resolve_visitor`](crate::resolve_visitor).
    ///
    /// ```
    /// use axum::Router;
    /// use axum::http::StatusCode;
    /// use axum::routing::get;
    /// use incode_tower::{GateLayer, Incode, IncodeLayer};
    /// # #[derive(Clone)] struct Session;
    /// # impl Session { async fn get(&self, _: &str) -> Result<Option<i64>, ()> { Ok(Some(42)) } }
    /// # impl<S: Sync> axum::extract::FromRequestParts<S> for Session {
    /// #     type Rejection = StatusCode;
    /// #     async fn from_request_parts(_: &mut axum::http::request::Parts, _: &S) -> Result<Self, StatusCode> { Ok(Session) }
    /// # }
    ///
    /// fn app(incode: Incode) -> Router {
    ///     // The user's id in the session. While the session store fails, the gate answers 503.
    ///     let incode = IncodeLayer::new(incode).identify(async |session: Session| {
    ///         session.get("user").await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
    ///     });
    ///     Router::new().route("/vault", get(async || "open").route_layer(GateLayer::active())).layer(incode)
    /// }
    /// ```
    #[cfg(feature = "axum")]
    #[must_use]
    pub fn identify<E, F, Fut>(self, find: F) -> Self
    where
        E: axum_core::extract::FromRequestParts<()> + 'static,
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IdentifyOutcome<Answer: axum_core::response::IntoResponse>,
    {
        self.identify_with_state((), find)
    }

    /// As [`identify`](Self::identify), for extractors that need the state of the application: `State<S>`, for instance.
    #[cfg(feature = "axum")]
    #[must_use]
    pub fn identify_with_state<S, E, F, Fut>(self, state: S, find: F) -> Self
    where
        S: Send + Sync + 'static,
        E: axum_core::extract::FromRequestParts<S> + 'static,
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IdentifyOutcome<Answer: axum_core::response::IntoResponse>,
    {
        Self { identify: Some(Identify::by_extractor(state, find)), ..self }
    }

    /// As `identify`, for services without extractors. `find` reads the head, and returns a future that owns what it
    /// needs. An answer of the application's own is a [`Reply`](incode_core::http::Reply).
    ///
    /// ```
    /// use http::request::Parts;
    /// use incode_tower::core::http::Reply;
    /// use incode_tower::{Incode, IncodeLayer};
    /// # async fn look_up(_: Vec<u8>) -> Result<Option<i64>, ()> { Ok(None) }
    ///
    /// fn layer(incode: Incode) -> IncodeLayer {
    ///     IncodeLayer::new(incode).identify_by_head(|head: &Parts| {
    ///         let token = head.headers.get("authorization").map(|value| value.as_bytes().to_vec());
    ///         async move {
    ///             let Some(token) = token else { return Ok(None) };
    ///             look_up(token).await.map_err(|()| Reply::new(503))
    ///         }
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn identify_by_head<F, Fut>(self, find: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IdentifyOutcome<Answer: Into<Reply>>,
    {
        Self { identify: Some(Identify::by_head(find)), ..self }
    }

    /// As [`routes`](crate::routes()), for a layer that finds the user by [`identify`](Self::identify): start and callback
    /// find it the same way.
    #[cfg(feature = "axum")]
    pub fn routes(&self) -> axum::Router {
        crate::routes::router(&self.incode, self.identify.clone())
    }
}

impl<S> Layer<S> for IncodeLayer {
    type Service = IncodeService<S>;

    fn layer(&self, inner: S) -> IncodeService<S> {
        IncodeService::new(inner, self.incode.clone(), self.identify.clone())
    }
}
