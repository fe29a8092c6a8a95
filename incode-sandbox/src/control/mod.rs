//! The control page, its forms, and the JSON API beside it. They have no password; `origin` refuses other sites.

mod json;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::deliveries::EventKind;
use crate::errors::NotFound;
use crate::faces::Face;
use crate::vendor::Vendor;
use crate::world::Outcome;
use crate::{NewPerson, origin};

/// The page, its forms, its pictures and the JSON API, all behind the check of `Host` and `Origin`.
pub(crate) fn routes(vendor: &Arc<Vendor>) -> Router<Arc<Vendor>> {
    Router::new()
        .nest("/control/api", json::routes())
        .route("/control", get(show))
        .route("/control/people", post(add))
        .route("/control/people/{id}/{action}", post(act))
        .route("/control/deliveries/{number}/resend", post(resend))
        .route("/control/deliveries/{number}/release", post(release))
        .route("/control/faces/{name}", get(face))
        .layer(from_fn_with_state(vendor.clone(), origin::require_known_host))
}

#[derive(Deserialize)]
struct PageQuery {
    /// Present on a page that reloads itself.
    live: Option<String>,
}

/// `GET /control`.
async fn show(State(vendor): State<Arc<Vendor>>, Query(query): Query<PageQuery>) -> Response {
    view::control(&vendor, query.live.is_some())
}

/// The form "Add, verified".
#[derive(Deserialize)]
struct AddForm {
    name: String,
    email: String,
}

/// `POST /control/people`: adds an enrolled person.
async fn add(State(vendor): State<Arc<Vendor>>, Form(form): Form<AddForm>) -> Response {
    let mut new = NewPerson::named(form.name);
    if !form.email.trim().is_empty() {
        new = new.email(form.email.trim());
    }
    let context = vendor.issue_context();
    let mut world = vendor.world();
    let person = world.add(new);
    // Enrolled at once, because the page's user needs a face that passes.
    answer(world.verify(&person.identity_id, Outcome::Pass, &context).map(drop))
}

/// `POST /control/people/{id}/{action}`: one of revoke, activate, verify, fail, send.
async fn act(State(vendor): State<Arc<Vendor>>, Path((id, action)): Path<(String, String)>) -> Response {
    let context = vendor.issue_context();
    let done = match action.as_str() {
        "revoke" => vendor.world().set_status(&id, "REVOKED").map(drop),
        "activate" => vendor.world().set_status(&id, "ACTIVE").map(drop),
        "verify" | "fail" => {
            let outcome = if action == "fail" { Outcome::Fail } else { Outcome::Pass };
            let verified = vendor.world().verify(&id, outcome, &context);
            let sent = |id: String| vendor.send_event(EventKind::Verification, &id);
            verified.and_then(|verified| sent(verified.verification_id)).map(drop)
        }
        "send" => {
            let verification = vendor.world().record(&id).map(|record| record.enrolled_by.clone());
            verification.and_then(|id| vendor.send_event(EventKind::Verification, &id.ok_or(NotFound)?)).map(drop)
        }
        _ => Err(NotFound),
    };
    answer(done)
}

/// The forms "Resend" and "Fresh token".
#[derive(Deserialize)]
struct ResendForm {
    /// Present for a fresh token.
    fresh: Option<String>,
}

/// `POST /control/deliveries/{number}/resend`.
async fn resend(State(vendor): State<Arc<Vendor>>, Path(number): Path<u64>, Form(form): Form<ResendForm>) -> Response {
    answer(vendor.resend(number, form.fresh.is_some()).map(drop))
}

/// `POST /control/deliveries/{number}/release`: lets a held delivery go.
async fn release(State(vendor): State<Arc<Vendor>>, Path(number): Path<u64>) -> Response {
    answer(vendor.release_delivery(number))
}

/// A face as a file to upload in an application under test: `{identityId}.svg`, `mask.svg` ...
async fn face(State(vendor): State<Arc<Vendor>>, Path(name): Path<String>) -> Response {
    let Some(name) = name.strip_suffix(".svg") else { return StatusCode::NOT_FOUND.into_response() };
    let faces = vendor.world().faces();
    let found = faces.into_iter().find(|face| file_name(face) == name);
    let image = found.and_then(|face| data_encoding::BASE64.decode(face.base64_image.as_bytes()).ok());
    match image {
        Some(image) => ([(header::CONTENT_TYPE, "image/svg+xml")], image).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The name of a face's file, without its ending.
fn file_name(face: &Face) -> String {
    match &face.identity_id {
        Some(id) => id.clone(),
        None => format!("{:?}", face.kind).to_lowercase(),
    }
}

/// Back to the page, or a page that says that nothing was found.
fn answer(done: Result<(), NotFound>) -> Response {
    match done {
        Ok(()) => Redirect::to("/control").into_response(),
        Err(NotFound) => view::missing(),
    }
}
