//! The four vendor calls (spec: Access Data ... Via API). Each is recorded, then meets faults and rate limits, then the
//! checks, then its answer.

mod authenticate;
mod checks;
mod inject;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::behaviour::OthersObjects;
use crate::errors::ApiError;
use crate::faults::{Fault, FaultScope, Route};
use crate::vendor::Vendor;
use crate::world::{StoredObject, World};

/// Answers every path that no page has. Under `/omni/`, a path that is no vendor call is the vendor's 404.
pub(crate) async fn call(State(vendor): State<Arc<Vendor>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if !path.starts_with("/omni/") {
        // A browser asks for icons by itself. Such a request neither uses up a fault nor is recorded.
        return NOT_FOUND.response(&path, vendor.now());
    }
    let endpoint = Endpoint::of(&path);
    let route = endpoint.as_ref().map(Endpoint::route);
    let token = checks::token(request.headers()).ok().map(str::to_owned);
    let fault = take_fault(&vendor, route, token.as_deref());
    // A call that meets a fault never reaches the limiter.
    let over_limit = if fault.is_none() { vendor.admit(route, token.as_deref()).err() } else { None };
    let name = fault.as_ref().map(|fault| fault.effect.name()).or_else(|| over_limit.map(|_| "rate_limit"));
    let number = vendor.calls().begin(vendor.now(), request.method().as_str(), &path, name);
    let latency = vendor.behaviour().latency_ms;
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let usual = async {
        let answer = match over_limit {
            Some(over_limit) => Err(ApiError::too_many_requests(over_limit.retry_after)),
            None => answer(&vendor, endpoint, request).await,
        };
        answer.unwrap_or_else(|error| error.response(&path, vendor.now()))
    };
    let response = match fault {
        Some(fault) => inject::inject(&vendor, fault, usual, &path).await,
        None => usual.await,
    };
    if response.extensions().get::<crate::server::Reset>().is_none() {
        vendor.calls().end(number, vendor.now(), response.status().as_u16());
    }
    response
}

/// The fault that this call meets, if any. It reads the token's person first, as a fault may be for one person only.
fn take_fault(vendor: &Vendor, route: Option<Route>, token: Option<&str>) -> Option<Fault> {
    let now = vendor.now();
    let owner = token.and_then(|token| vendor.world().owner(token, now).ok().flatten());
    vendor.faults().take(&FaultScope { route, token, identity_id: owner.as_deref() })
}

/// The call that a path names.
enum Endpoint {
    /// `GET userinfo`.
    Userinfo,
    /// `GET verification/{id}`, with the id.
    Verification(String),
    /// `GET authentication/{id}`, with the id.
    Authentication(String),
    /// `POST authenticate`.
    Authenticate,
}

impl Endpoint {
    /// The endpoint of a path. Ids are percent-decoded; an empty id and a further slash are no endpoint.
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

    /// The route of faults and rate limits.
    fn route(&self) -> Route {
        match self {
            Self::Userinfo => Route::Userinfo,
            Self::Verification(_) => Route::Verification,
            Self::Authentication(_) => Route::Authentication,
            Self::Authenticate => Route::Authenticate,
        }
    }
}

/// The answer of a call that met no fault and no limit: checks first, then the body.
///
/// # Errors
/// The vendor's refusal, in the order of the crate's documentation.
async fn answer(vendor: &Arc<Vendor>, endpoint: Option<Endpoint>, request: Request) -> Result<Response, ApiError> {
    let endpoint = endpoint.ok_or(NOT_FOUND)?;
    let (method, allow) = match endpoint {
        Endpoint::Authenticate => (Method::POST, "POST"),
        _ => (Method::GET, "GET"),
    };
    if request.method() != method {
        return Err(ApiError::wrong_method(allow));
    }
    checks::headers(request.headers(), &vendor.settings.api_key)?;
    let token = checks::token(request.headers())?.to_owned();
    let body = match endpoint {
        Endpoint::Authenticate => authenticate::authenticate(vendor, request).await?,
        Endpoint::Userinfo => userinfo(vendor, &token)?,
        Endpoint::Verification(id) => object(vendor, &token, &id, |world, id| world.verifications.get(id))?,
        Endpoint::Authentication(id) => object(vendor, &token, &id, |world, id| world.authentications.get(id))?,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from(body.to_string())).into_response())
}

/// `GET userinfo` (spec: Get User Info). A token of no person, or of a person who was never added, gets 404.
fn userinfo(vendor: &Vendor, token: &str) -> Result<Value, ApiError> {
    let (now, behaviour) = (vendor.now(), vendor.behaviour());
    let world = vendor.world();
    let owner = world.owner(token, now).map_err(|_| checks::BAD_TOKEN)?.ok_or(NOT_FOUND)?;
    let (mut userinfo, verbatim) = world.userinfo(&owner, &behaviour.identity_id).map_err(|_| NOT_FOUND)?;
    if vendor.settings.clean_names
        && !verbatim
        && let Some(fields) = userinfo.as_object_mut()
        && let Some(country) = fields.remove("country ")
    {
        fields.insert("country".to_owned(), country);
    }
    Ok(userinfo)
}

/// `GET verification/{id}` and `GET authentication/{id}` (spec: Get Verification Data, Get Authentication Data).
fn object(
    vendor: &Vendor,
    token: &str,
    id: &str,
    find: impl for<'a> FnOnce(&'a World, &str) -> Option<&'a StoredObject>,
) -> Result<Value, ApiError> {
    let (now, others) = (vendor.now(), vendor.behaviour().others_objects);
    let world = vendor.world();
    let owner = world.owner(token, now).map_err(|_| checks::BAD_TOKEN)?;
    let object = find(&world, id).ok_or(NOT_FOUND)?;
    let own = object.owner.is_none() || object.owner == owner;
    match others {
        OthersObjects::NotFound if !own => Err(NOT_FOUND),
        OthersObjects::Forbidden if !own => Err(OTHERS),
        _ => Ok(object.body.clone()),
    }
}

const NOT_FOUND: ApiError = ApiError::new(StatusCode::NOT_FOUND, "The requested resource doesn't exist");
const OTHERS: ApiError = ApiError::new(StatusCode::FORBIDDEN, "The requested resource belongs to another user");
