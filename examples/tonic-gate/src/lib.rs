//! A tonic service behind the incode layer and a gate. A call that may not pass gets a gRPC status, with the stable code
//! and what to do in its metadata: 16 without a login, 7 without a verified identity, 14 while identity status can't be
//! read.

use axum::Router;
use axum::extract::{Form, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use gate_kit::{RequestContext, Sessions};
use http::{HeaderValue, StatusCode};
use incode_tower::core::gate::Visitor;
use incode_tower::{GateLayer, Incode, IncodeLayer, SubjectSource};
use serde::Deserialize;
use tonic::service::Routes;
use tonic::{Request, Status};

use vault::vault_server::{Vault, VaultServer};

/// What `build.rs` wrote.
#[allow(warnings, clippy::all, clippy::restriction, reason = "generated")]
pub mod vault {
    include!(concat!(env!("OUT_DIR"), "/example.Vault.rs"));
}

/// Nothing to say: the caller is known.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpenRequest {}

/// What is in the vault.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpenReply {
    /// For the caller.
    #[prost(string, tag = "1")]
    pub message: String,
}

/// gRPC and the pages, each where it belongs: the gate around the calls, the layer around everything.
pub fn app(incode: Incode, site: Site) -> Router {
    let calls = Routes::new(VaultServer::new(OpenVault)).into_axum_router().route_layer(GateLayer::active());
    let pages = Router::new().route("/", get(page)).route("/login", post(login)).with_state(site);
    calls.merge(pages).layer(IncodeLayer::new(incode))
}

struct OpenVault;

#[tonic::async_trait]
impl Vault for OpenVault {
    /// The gate has let the caller pass. The layer's [`Visitor`] is in the extensions of every call.
    async fn open(&self, request: Request<OpenRequest>) -> Result<tonic::Response<OpenReply>, Status> {
        let visitor = request.extensions().get::<Visitor>().ok_or_else(|| Status::internal("no incode layer"))?;
        let name = visitor.subject().map_or("you", |subject| subject.as_str());
        Ok(tonic::Response::new(OpenReply { message: format!("the vault is open for {name}") }))
    }
}

/// Finds the subject: a session as a browser's cookie, or as bearer token in a call's metadata.
pub fn subjects(sessions: &Sessions) -> SubjectSource {
    let known = sessions.clone();
    sessions.subjects().or(SubjectSource::from_fn(move |head| {
        let value = std::str::from_utf8(head.header("authorization").one()?).ok()?;
        known.user(value.strip_prefix("Bearer ")?).map(Into::into)
    }))
}

/// What the pages work with.
#[derive(Clone, Debug)]
pub struct Site {
    /// Makes sessions.
    pub sessions: Sessions,
    /// Scheme, host and port, as browsers send it in `Origin`.
    pub origin: String,
}

async fn page(
    State(site): State<Site>,
    incode_tower::Visitor(visitor): incode_tower::Visitor,
    headers: HeaderMap,
) -> Response {
    if let Some(there) = context(&headers).public_address(&site.origin) {
        return Redirect::to(&there).into_response();
    }
    let standing = visitor.standing().as_str();
    let Some(user) = visitor.subject().map(|subject| subject.as_str()) else {
        return Html("<form method=post action=/login><input name=user value=alice><button>Log in</button></form>")
            .into_response();
    };
    let (origin, token) = (&site.origin, site.sessions.token(user));
    Html(format!(
        "<p>{user}: <b>{standing}</b>. <a href=/incode/start>Get verified</a>, and call before and after:</p>\
         <pre>cargo run -p tonic-gate --bin ask {origin} {token}</pre>"
    ))
    .into_response()
}

fn context(headers: &HeaderMap) -> RequestContext {
    RequestContext::new("", "/", None, |name| headers.get(name).map(HeaderValue::as_bytes))
}

/// No password: this is an example. A page of another site may not log a browser in.
async fn login(State(site): State<Site>, headers: HeaderMap, Form(form): Form<Login>) -> Response {
    if !context(&headers).is_from_here(&site.origin) || !gate_kit::is_user_name(&form.user) {
        return (StatusCode::BAD_REQUEST, "That is no user name.").into_response();
    }
    ([(SET_COOKIE, site.sessions.begin(&form.user))], Redirect::to("/")).into_response()
}

#[derive(Deserialize)]
struct Login {
    user: String,
}
