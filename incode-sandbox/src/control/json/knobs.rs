//! The JSON API's behaviour, faults and clock.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ApiRefusal, Shared};
use crate::behaviour::Behaviour;
use crate::faults::Fault;
use crate::vendor::Vendor;

/// The routes of behaviour, faults and clock.
pub(super) fn routes() -> Router<Arc<Vendor>> {
    Router::new()
        .route("/behaviour", get(behaviour).patch(change_behaviour).delete(reset_behaviour))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/faults/release", post(release_held))
        .route("/clock", post(set_clock))
}

/// `GET behaviour`.
async fn behaviour(State(vendor): Shared) -> Json<Behaviour> {
    Json(Behaviour::clone(&vendor.behaviour()))
}

/// `PATCH behaviour`: replaces the fields named in the body as a whole. A deep merge would blend an old value with a new one.
async fn change_behaviour(
    State(vendor): Shared,
    Json(fields): Json<Map<String, Value>>,
) -> Result<Json<Behaviour>, ApiRefusal> {
    let changed = vendor.change_behaviour(|behaviour| {
        let mut all = serde_json::to_value(behaviour)?;
        if let Some(all) = all.as_object_mut() {
            all.extend(fields);
        }
        serde_json::from_value::<Behaviour>(all)
    });
    // The error names the field, and repeats at most what the caller sent.
    let changed = changed.map_err(|error| ApiRefusal(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(Json(Behaviour::clone(&changed)))
}

/// `DELETE behaviour`: back to the default, also where the builder had another one.
async fn reset_behaviour(State(vendor): Shared) -> StatusCode {
    match vendor.change_behaviour(|_| Ok::<_, Infallible>(Behaviour::default())) {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(never) => match never {},
    }
}

/// `GET faults`. Tokens are left out.
async fn faults(State(vendor): Shared) -> Json<Vec<Fault>> {
    Json(vendor.faults().all())
}

/// `POST faults`.
async fn add_fault(State(vendor): Shared, Json(fault): Json<Fault>) -> StatusCode {
    vendor.add_fault(fault);
    StatusCode::NO_CONTENT
}

/// `DELETE faults`.
async fn clear_faults(State(vendor): Shared) -> StatusCode {
    vendor.faults().clear();
    StatusCode::NO_CONTENT
}

/// `POST faults/release`.
async fn release_held(State(vendor): Shared) -> StatusCode {
    vendor.release_held();
    StatusCode::NO_CONTENT
}

/// A move ahead from where the clock is, or its offset from the machine's clock.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ClockBody {
    /// Seconds ahead of where the clock is.
    AdvanceSeconds(u64),
    /// Seconds ahead of the machine's clock; negative is behind.
    OffsetSeconds(i64),
}

/// `POST clock`.
async fn set_clock(State(vendor): Shared, Json(body): Json<ClockBody>) -> StatusCode {
    match body {
        ClockBody::AdvanceSeconds(seconds) => vendor.advance_clock(Duration::from_secs(seconds)),
        ClockBody::OffsetSeconds(seconds) => vendor.set_clock_offset(seconds),
    }
    StatusCode::NO_CONTENT
}
