//! The JSON API's webhooks: target, deliveries, hold and release.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiRefusal, Shared, optional};
use crate::deliveries::{Delivery, EventKind};
use crate::settings::{Webhook, WebhookAuth};
use crate::vendor::Vendor;

/// The routes of the webhooks.
pub(super) fn routes() -> Router<Arc<Vendor>> {
    Router::new()
        .route("/webhook", put(set_webhook))
        .route("/deliveries", get(deliveries).post(send))
        .route("/deliveries/hold", post(hold))
        .route("/deliveries/release", post(release_all))
        .route("/deliveries/{number}/resend", post(resend))
        .route("/deliveries/{number}/release", post(release))
}

/// `url` for both kinds, or one URL each.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebhookBody {
    url: Option<String>,
    verification_url: Option<String>,
    authentication_url: Option<String>,
    #[serde(default)]
    auth: WebhookAuth,
}

/// `PUT webhook`. A target that can't be used is 400, and the former one stays.
async fn set_webhook(State(vendor): Shared, Json(body): Json<WebhookBody>) -> Result<StatusCode, ApiRefusal> {
    vendor.set_webhook(&Webhook {
        verification_url: body.verification_url.or_else(|| body.url.clone()),
        authentication_url: body.authentication_url.or(body.url),
        auth: body.auth,
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET deliveries`. No body and no token is in the answer.
async fn deliveries(State(vendor): Shared) -> Json<Vec<Delivery>> {
    Json(vendor.deliveries().all())
}

/// One of: the event of a verification, of an authentication, any JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum EventBody {
    VerificationId(String),
    AuthenticationId(String),
    Raw(Value),
}

/// `POST deliveries`: gives the number of the new delivery.
async fn send(State(vendor): Shared, Json(event): Json<EventBody>) -> Result<Json<Value>, ApiRefusal> {
    let number = match event {
        EventBody::VerificationId(id) => vendor.send_event(EventKind::Verification, &id)?,
        EventBody::AuthenticationId(id) => vendor.send_event(EventKind::Authentication, &id)?,
        EventBody::Raw(body) => vendor.send(EventKind::of(&body), body.to_string().into(), None),
    };
    Ok(Json(json!({ "number": number })))
}

/// The body of a resend, which may be left out.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct ResendBody {
    fresh_token: bool,
}

/// `POST deliveries/{number}/resend`: gives the number of the new delivery.
async fn resend(State(vendor): Shared, Path(number): Path<u64>, body: Bytes) -> Result<Json<Value>, ApiRefusal> {
    let asked: ResendBody = optional(&body)?;
    Ok(Json(json!({ "number": vendor.resend(number, asked.fresh_token)? })))
}

/// `POST deliveries/hold`.
async fn hold(State(vendor): Shared) -> StatusCode {
    vendor.hold_deliveries();
    StatusCode::NO_CONTENT
}

/// `POST deliveries/release`.
async fn release_all(State(vendor): Shared) -> StatusCode {
    vendor.release_deliveries();
    StatusCode::NO_CONTENT
}

/// `POST deliveries/{number}/release`: 404 for a delivery that is not held.
async fn release(State(vendor): Shared, Path(number): Path<u64>) -> Result<StatusCode, ApiRefusal> {
    vendor.release_delivery(number)?;
    Ok(StatusCode::NO_CONTENT)
}
