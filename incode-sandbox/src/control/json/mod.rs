//! The JSON API under `/control/api`: the methods of [`crate::Sandbox`] for other processes. `webhooks` has the
//! deliveries, `knobs` the behaviour, faults and clock.

mod knobs;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::deliveries::EventKind;
use crate::errors::{NotFound, StartError};
use crate::vendor::{EventOrigin, Vendor};
use crate::world::{Outcome, StoredObject};
use crate::{Call, Face, NewPerson, NewToken, Person};

/// All calls of the crate's documentation, without the prefix `/control/api`.
pub(super) fn routes() -> Router<Arc<Vendor>> {
    Router::new()
        .route("/people", get(people).post(add_person))
        .route("/people/{id}", get(person).patch(update_person))
        .route("/people/{id}/revoke", post(revoke))
        .route("/people/{id}/activate", post(activate))
        .route("/people/{id}/verify", post(verify))
        .route("/tokens", post(add_token))
        .route("/tokens/expire", post(expire_tokens))
        .route("/verifications", post(seed_verification))
        .route("/verifications/{id}/complete", post(complete_verification))
        .route("/authentications", post(seed_authentication))
        .route("/calls", get(calls).delete(clear_calls))
        .route("/faces", get(faces))
        .merge(webhooks::routes())
        .merge(knobs::routes())
}

/// What each handler gets: the shared state.
type Shared = State<Arc<Vendor>>;

/// A refused request: 404, or 400 with the reason.
struct ApiRefusal(StatusCode, String);

impl IntoResponse for ApiRefusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<NotFound> for ApiRefusal {
    fn from(error: NotFound) -> Self {
        Self(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<StartError> for ApiRefusal {
    fn from(error: StartError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// `GET people`.
async fn people(State(vendor): Shared) -> Json<Vec<Person>> {
    Json(vendor.world().people().map(|record| record.snapshot()).collect())
}

/// `POST people`: 201 with the person.
async fn add_person(State(vendor): Shared, Json(new): Json<NewPerson>) -> Response {
    (StatusCode::CREATED, Json(vendor.world().add(new))).into_response()
}

/// `GET people/{id}`.
async fn person(State(vendor): Shared, Path(id): Path<String>) -> Result<Json<Person>, ApiRefusal> {
    Ok(Json(vendor.world().record(&id)?.snapshot()))
}

/// `PATCH people/{id}`: a merge patch (RFC 7396) of userinfo.
async fn update_person(
    State(vendor): Shared,
    Path(id): Path<String>,
    Json(patch): Json<Value>,
) -> Result<Json<Person>, ApiRefusal> {
    Ok(Json(vendor.world().update(&id, &patch)?))
}

/// `POST people/{id}/revoke`.
async fn revoke(State(vendor): Shared, Path(id): Path<String>) -> Result<Json<Person>, ApiRefusal> {
    Ok(Json(vendor.world().set_status(&id, "REVOKED")?))
}

/// `POST people/{id}/activate`.
async fn activate(State(vendor): Shared, Path(id): Path<String>) -> Result<Json<Person>, ApiRefusal> {
    Ok(Json(vendor.world().set_status(&id, "ACTIVE")?))
}

/// The body of verify and of complete.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct VerifyBody {
    outcome: Outcome,
    /// Whether the event is sent; by default for every outcome but pending.
    send: Option<bool>,
}

impl VerifyBody {
    /// A check that is pending is not completed, so by default it sends no event.
    fn sends(&self) -> bool {
        self.send.unwrap_or(self.outcome != Outcome::Pending)
    }
}

/// `POST people/{id}/verify`: a verification, its token and, where sent, its event.
async fn verify(State(vendor): Shared, Path(id): Path<String>, body: Bytes) -> Result<Json<Value>, ApiRefusal> {
    let asked: VerifyBody = optional(&body)?;
    let context = vendor.issue_context();
    let verified = vendor.world().verify(&id, asked.outcome, &context)?;
    let origin = EventOrigin { correlation_id: None, token: Some(&verified.token) };
    let event = || vendor.send_event_of(EventKind::Verification, &verified.verification_id, origin);
    let delivery = asked.sends().then(event).transpose()?;
    Ok(Json(json!({
        "identityId": verified.identity_id,
        "verificationId": verified.verification_id,
        "token": verified.token,
        "delivery": delivery,
    })))
}

/// `POST verifications/{id}/complete`: gives a verification another outcome.
async fn complete_verification(
    State(vendor): Shared,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiRefusal> {
    let asked: VerifyBody = optional(&body)?;
    vendor.world().complete(&id, asked.outcome)?;
    let delivery = asked.sends().then(|| vendor.send_event(EventKind::Verification, &id)).transpose()?;
    Ok(Json(json!({ "delivery": delivery })))
}

/// A text to serve as a token, or one to mint where there is no `token`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenBody {
    token: Option<String>,
    identity_id: Option<String>,
    lifetime_seconds: Option<u64>,
    issued_at: Option<i64>,
    #[serde(default)]
    issued_seconds_ago: i64,
    expires_at: Option<i64>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// `POST tokens`: 204 for a text that is served as a token, 200 with the token for one that is minted.
async fn add_token(State(vendor): Shared, Json(body): Json<TokenBody>) -> Response {
    let mut context = vendor.issue_context();
    if let Some(seconds) = body.lifetime_seconds {
        context.lifetime = Duration::from_secs(seconds);
    }
    if let Some(token) = body.token {
        vendor.world().seed_token(token, body.identity_id, context.now, context.lifetime);
        return StatusCode::NO_CONTENT.into_response();
    }
    let new = NewToken {
        identity_id: body.identity_id,
        issued_at: body.issued_at,
        issued_seconds_ago: body.issued_seconds_ago,
        expires_at: body.expires_at,
        claims: body.claims,
    };
    Json(json!({ "token": vendor.world().mint(new, &context) })).into_response()
}

/// `POST tokens/expire`.
async fn expire_tokens(State(vendor): Shared) -> StatusCode {
    vendor.world().expire_tokens();
    StatusCode::NO_CONTENT
}

/// The object is served under `id`; without it, under its own `id`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectBody {
    id: Option<String>,
    identity_id: Option<String>,
    body: Value,
}

impl ObjectBody {
    /// The id to serve under.
    ///
    /// # Errors
    /// 400 where neither the request nor the object has one.
    fn id(&self) -> Result<String, ApiRefusal> {
        let own = self.body.get("id").and_then(Value::as_str);
        let id = self.id.as_deref().or(own).map(str::to_owned);
        id.ok_or_else(|| ApiRefusal(StatusCode::BAD_REQUEST, "neither the seed nor its body has an id".to_owned()))
    }
}

/// `POST verifications`.
async fn seed_verification(State(vendor): Shared, Json(seed): Json<ObjectBody>) -> Result<StatusCode, ApiRefusal> {
    let id = seed.id()?;
    vendor.world().seed_verification(id, seed.identity_id, seed.body);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST authentications`.
async fn seed_authentication(State(vendor): Shared, Json(seed): Json<ObjectBody>) -> Result<StatusCode, ApiRefusal> {
    let id = seed.id()?;
    vendor.world().authentications.insert(id, StoredObject { owner: seed.identity_id, body: seed.body });
    Ok(StatusCode::NO_CONTENT)
}

/// `GET calls`.
async fn calls(State(vendor): Shared) -> Json<Vec<Call>> {
    Json(vendor.calls().all())
}

/// `DELETE calls`.
async fn clear_calls(State(vendor): Shared) -> StatusCode {
    vendor.calls().clear();
    StatusCode::NO_CONTENT
}

/// `GET faces`.
async fn faces(State(vendor): Shared) -> Json<Vec<Face>> {
    Json(vendor.world().faces())
}

/// A body that may be left out.
fn optional<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiRefusal> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|_| ApiRefusal(StatusCode::BAD_REQUEST, "the body can't be read".to_owned()))
}
