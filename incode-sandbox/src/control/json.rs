//! The JSON API under `/control/api`: what [`crate::Sandbox`] does in process, for everybody else.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::deliveries::{Delivery, EventKind};
use crate::errors::{NotFound, StartError};
use crate::faults::Fault;
use crate::settings::{Webhook, WebhookAuth};
use crate::vendor::Vendor;
use crate::world::{Object, Outcome};
use crate::{Call, Face, NewPerson, Person};

pub(super) fn routes() -> Router<Arc<Vendor>> {
    Router::new()
        .route("/people", get(people).post(add_person))
        .route("/people/{id}", get(person).patch(update_person))
        .route("/people/{id}/revoke", post(revoke))
        .route("/people/{id}/activate", post(activate))
        .route("/people/{id}/verify", post(verify))
        .route("/tokens", post(seed_token))
        .route("/tokens/expire", post(expire_tokens))
        .route("/verifications", post(seed_verification))
        .route("/authentications", post(seed_authentication))
        .route("/deliveries", get(deliveries).post(send))
        .route("/deliveries/{number}/resend", post(resend))
        .route("/calls", get(calls).delete(clear_calls))
        .route("/faces", get(faces))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/clock", post(advance_clock))
        .route("/webhook", put(set_webhook))
}

type Shared = State<Arc<Vendor>>;

/// A refusal: 404, or 400 with the reason.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<NotFound> for Refused {
    fn from(error: NotFound) -> Self {
        Self(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<StartError> for Refused {
    fn from(error: StartError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

async fn people(State(vendor): Shared) -> Json<Vec<Person>> {
    Json(vendor.world().people().map(|row| row.snapshot()).collect())
}

async fn add_person(State(vendor): Shared, Json(new): Json<NewPerson>) -> Response {
    (StatusCode::CREATED, Json(vendor.world().add(new))).into_response()
}

async fn person(State(vendor): Shared, Path(id): Path<String>) -> Result<Json<Person>, Refused> {
    Ok(Json(vendor.world().row(&id)?.snapshot()))
}

async fn update_person(
    State(vendor): Shared,
    Path(id): Path<String>,
    Json(patch): Json<Value>,
) -> Result<Json<Person>, Refused> {
    Ok(Json(vendor.world().update(&id, &patch)?))
}

async fn revoke(State(vendor): Shared, Path(id): Path<String>) -> Result<Json<Person>, Refused> {
    Ok(Json(vendor.world().set_status(&id, "REVOKED")?))
}

async fn activate(State(vendor): Shared, Path(id): Path<String>) -> Result<Json<Person>, Refused> {
    Ok(Json(vendor.world().set_status(&id, "ACTIVE")?))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Verify {
    outcome: Outcome,
    /// Whether the event is sent; it is unless told.
    send: Option<bool>,
}

async fn verify(State(vendor): Shared, Path(id): Path<String>, body: Bytes) -> Result<Json<Value>, Refused> {
    let asked: Verify = optional(&body)?;
    let now = vendor.now();
    let verified = vendor.world().verify(&id, asked.outcome, now, vendor.lifetime())?;
    let delivery = match asked.send {
        Some(false) => None,
        _ => Some(vendor.send_event(EventKind::Verification, &verified.verification_id, None)?),
    };
    Ok(Json(json!({
        "identityId": verified.identity_id,
        "verificationId": verified.verification_id,
        "token": verified.token,
        "delivery": delivery,
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SeedToken {
    token: String,
    identity_id: Option<String>,
    lifetime_seconds: Option<u64>,
}

async fn seed_token(State(vendor): Shared, Json(seed): Json<SeedToken>) -> StatusCode {
    let now = vendor.now();
    let lifetime = seed.lifetime_seconds.map_or(vendor.lifetime(), Duration::from_secs);
    vendor.world().seed_token(seed.token, seed.identity_id, now, lifetime);
    StatusCode::NO_CONTENT
}

async fn expire_tokens(State(vendor): Shared) -> StatusCode {
    vendor.world().expire_tokens();
    StatusCode::NO_CONTENT
}

/// `id` is where the object is found; without it, the object's own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SeedObject {
    id: Option<String>,
    identity_id: Option<String>,
    body: Value,
}

impl SeedObject {
    fn id(&self) -> Result<String, Refused> {
        let own = self.body.get("id").and_then(Value::as_str);
        let id = self.id.as_deref().or(own).map(str::to_owned);
        id.ok_or_else(|| Refused(StatusCode::BAD_REQUEST, "neither the seed nor its body has an id".to_owned()))
    }
}

async fn seed_verification(State(vendor): Shared, Json(seed): Json<SeedObject>) -> Result<StatusCode, Refused> {
    let id = seed.id()?;
    vendor.world().seed_verification(id, seed.identity_id, seed.body);
    Ok(StatusCode::NO_CONTENT)
}

async fn seed_authentication(State(vendor): Shared, Json(seed): Json<SeedObject>) -> Result<StatusCode, Refused> {
    let id = seed.id()?;
    vendor.world().authentications.insert(id, Object { owner: seed.identity_id, body: seed.body });
    Ok(StatusCode::NO_CONTENT)
}

async fn deliveries(State(vendor): Shared) -> Json<Vec<Delivery>> {
    Json(vendor.ledger().all())
}

/// One of: the event of a verification, of an authentication, any JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Send {
    VerificationId(String),
    AuthenticationId(String),
    Raw(Value),
}

async fn send(State(vendor): Shared, Json(send): Json<Send>) -> Result<Json<Value>, Refused> {
    let number = match send {
        Send::VerificationId(id) => vendor.send_event(EventKind::Verification, &id, None)?,
        Send::AuthenticationId(id) => vendor.send_event(EventKind::Authentication, &id, None)?,
        Send::Raw(body) => vendor.send(EventKind::of(&body), body.to_string().into(), None),
    };
    Ok(Json(json!({ "number": number })))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Resend {
    fresh_token: bool,
}

async fn resend(State(vendor): Shared, Path(number): Path<u64>, body: Bytes) -> Result<Json<Value>, Refused> {
    let asked: Resend = optional(&body)?;
    Ok(Json(json!({ "number": vendor.resend(number, asked.fresh_token)? })))
}

async fn calls(State(vendor): Shared) -> Json<Vec<Call>> {
    Json(vendor.calls().all())
}

async fn clear_calls(State(vendor): Shared) -> StatusCode {
    vendor.calls().clear();
    StatusCode::NO_CONTENT
}

async fn faces(State(vendor): Shared) -> Json<Vec<Face>> {
    Json(vendor.world().faces())
}

async fn faults(State(vendor): Shared) -> Json<Vec<Fault>> {
    Json(vendor.faults().all())
}

async fn add_fault(State(vendor): Shared, Json(fault): Json<Fault>) -> StatusCode {
    vendor.faults().add(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(vendor): Shared) -> StatusCode {
    vendor.faults().clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

async fn advance_clock(State(vendor): Shared, Json(advance): Json<Advance>) -> StatusCode {
    vendor.advance_clock(Duration::from_secs(advance.advance_seconds));
    StatusCode::NO_CONTENT
}

/// `url` for both kinds, or one URL each.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Target {
    url: Option<String>,
    verification_url: Option<String>,
    authentication_url: Option<String>,
    #[serde(default)]
    auth: WebhookAuth,
}

async fn set_webhook(State(vendor): Shared, Json(target): Json<Target>) -> Result<StatusCode, Refused> {
    vendor.set_webhook(&Webhook {
        verification_url: target.verification_url.or_else(|| target.url.clone()),
        authentication_url: target.authentication_url.or(target.url),
        auth: target.auth,
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// A body that may be left out.
fn optional<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|_| Refused(StatusCode::BAD_REQUEST, "the body can't be read".to_owned()))
}
