//! The four vendor calls (spec: Access Data ... Via API): recorded, faulted, checked, answered.

mod authenticate;
mod checks;
mod play;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::errors::ApiError;
use crate::faults::Route;
use crate::vendor::Vendor;
use crate::world::{Object, World};

/// Answers whatever no page claims; under `/omni/`, a path that is no vendor call is the vendor's 404.
pub(crate) async fn call(State(vendor): State<Arc<Vendor>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if !path.starts_with("/omni/") {
        // A stray request of a browser should neither use up a fault nor be listed.
        return NOT_FOUND.response(&path, vendor.now());
    }
    let target = Target::of(&path);
    let fault = vendor.faults().take(target.as_ref().map(Target::route));
    let name = fault.as_ref().map(|fault| fault.effect.name());
    let number = vendor.calls().begin(vendor.now(), request.method().as_str(), &path, name);
    let usual = async {
        let answer = usual(&vendor, target, request).await;
        answer.unwrap_or_else(|error| error.response(&path, vendor.now()))
    };
    let response = match fault {
        Some(fault) => play::play(fault, usual, &path, vendor.now()).await,
        None => usual.await,
    };
    if response.extensions().get::<crate::server::Reset>().is_none() {
        vendor.calls().end(number, vendor.now(), response.status().as_u16());
    }
    response
}

/// What a path asks for.
enum Target {
    Userinfo,
    Verification(String),
    Authentication(String),
    Authenticate,
}

impl Target {
    fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/omni/incode-id/")?;
        let id = |id: &str| {
            let id = percent_decode_str(id).decode_utf8().ok()?;
            (!id.is_empty()).then(|| id.into_owned())
        };
        match rest.split_once('/') {
            None if rest == "userinfo" => Some(Self::Userinfo),
            None if rest == "authenticate" => Some(Self::Authenticate),
            Some(("verification", rest)) if !rest.contains('/') => id(rest).map(Self::Verification),
            Some(("authentication", rest)) if !rest.contains('/') => id(rest).map(Self::Authentication),
            _ => None,
        }
    }

    fn route(&self) -> Route {
        match self {
            Self::Userinfo => Route::Userinfo,
            Self::Verification(_) => Route::Verification,
            Self::Authentication(_) => Route::Authentication,
            Self::Authenticate => Route::Authenticate,
        }
    }
}

async fn usual(vendor: &Arc<Vendor>, target: Option<Target>, request: Request) -> Result<Response, ApiError> {
    let target = target.ok_or(NOT_FOUND)?;
    let (method, allow) = match target {
        Target::Authenticate => (Method::POST, "POST"),
        _ => (Method::GET, "GET"),
    };
    if request.method() != method {
        return Err(ApiError::wrong_method(allow));
    }
    checks::headers(request.headers(), &vendor.settings.api_key)?;
    let token = checks::token(request.headers())?.to_owned();
    let body = match target {
        Target::Authenticate => authenticate::authenticate(vendor, request).await?,
        Target::Userinfo => userinfo(vendor, &token)?,
        Target::Verification(id) => object(vendor, &token, &id, |world, id| world.verifications.get(id))?,
        Target::Authentication(id) => object(vendor, &token, &id, |world, id| world.authentications.get(id))?,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from(body.to_string())).into_response())
}

fn userinfo(vendor: &Vendor, token: &str) -> Result<Value, ApiError> {
    let now = vendor.now();
    let world = vendor.world();
    let owner = world.owner(token, now).map_err(|_| checks::BAD_TOKEN)?.ok_or(NOT_FOUND)?;
    let row = world.row(&owner).map_err(|_| NOT_FOUND)?;
    let mut userinfo = row.userinfo.clone();
    if vendor.settings.clean_names
        && !row.verbatim
        && let Some(fields) = userinfo.as_object_mut()
        && let Some(country) = fields.remove("country ")
    {
        fields.insert("country".to_owned(), country);
    }
    Ok(userinfo)
}

fn object(
    vendor: &Vendor,
    token: &str,
    id: &str,
    find: impl for<'a> FnOnce(&'a World, &str) -> Option<&'a Object>,
) -> Result<Value, ApiError> {
    let now = vendor.now();
    let world = vendor.world();
    let owner = world.owner(token, now).map_err(|_| checks::BAD_TOKEN)?;
    let found = find(&world, id).filter(|object| object.owner.is_none() || object.owner == owner);
    found.map(|object| object.body.clone()).ok_or(NOT_FOUND)
}

const NOT_FOUND: ApiError = ApiError::new(StatusCode::NOT_FOUND, "The requested resource doesn't exist");
