//! The control page, its forms, and the JSON API beside it. Everything a test or a visitor may want of the vendor.

mod json;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::NewPerson;
use crate::deliveries::EventKind;
use crate::errors::NotFound;
use crate::faces::Face;
use crate::vendor::Vendor;
use crate::world::Outcome;

pub(crate) fn routes() -> Router<Arc<Vendor>> {
    Router::new()
        .nest("/control/api", json::routes())
        .route("/control", get(show))
        .route("/control/people", post(add))
        .route("/control/people/{id}/{action}", post(act))
        .route("/control/deliveries/{number}/resend", post(resend))
        .route("/control/faces/{name}", get(face))
}

#[derive(Deserialize)]
struct Look {
    /// Present on a page that reloads itself.
    live: Option<String>,
}

async fn show(State(vendor): State<Arc<Vendor>>, Query(look): Query<Look>) -> Response {
    view::control(&vendor, look.live.is_some())
}

#[derive(Deserialize)]
struct Add {
    name: String,
    email: String,
}

async fn add(State(vendor): State<Arc<Vendor>>, Form(add): Form<Add>) -> Response {
    let mut new = NewPerson::named(add.name);
    if !add.email.trim().is_empty() {
        new = new.email(add.email.trim());
    }
    let now = vendor.now();
    let mut world = vendor.world();
    let person = world.add(new);
    // Enrolled at once: on the page, a person without a face to show would be of no use.
    answer(world.verify(&person.identity_id, Outcome::Pass, now, vendor.lifetime()).map(drop))
}

async fn act(State(vendor): State<Arc<Vendor>>, Path((id, action)): Path<(String, String)>) -> Response {
    let now = vendor.now();
    let done = match action.as_str() {
        "revoke" => vendor.world().set_status(&id, "REVOKED").map(drop),
        "activate" => vendor.world().set_status(&id, "ACTIVE").map(drop),
        "verify" | "fail" => {
            let outcome = if action == "fail" { Outcome::Fail } else { Outcome::Pass };
            let verified = vendor.world().verify(&id, outcome, now, vendor.lifetime());
            let sent = |id: String| vendor.send_event(EventKind::Verification, &id, None);
            verified.and_then(|verified| sent(verified.verification_id)).map(drop)
        }
        "send" => {
            let verification = vendor.world().row(&id).map(|row| row.enrolled_by.clone());
            verification.and_then(|id| vendor.send_event(EventKind::Verification, &id.ok_or(NotFound)?, None)).map(drop)
        }
        _ => Err(NotFound),
    };
    answer(done)
}

#[derive(Deserialize)]
struct Resend {
    fresh: Option<String>,
}

async fn resend(State(vendor): State<Arc<Vendor>>, Path(number): Path<u64>, Form(form): Form<Resend>) -> Response {
    answer(vendor.resend(number, form.fresh.is_some()).map(drop))
}

/// A face as a file, to be given to an application's camera stand-in: `{identityId}.svg`, `mask.svg` ...
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

fn file_name(face: &Face) -> String {
    match &face.identity_id {
        Some(id) => id.clone(),
        None => format!("{:?}", face.kind).to_lowercase(),
    }
}

fn answer(done: Result<(), NotFound>) -> Response {
    match done {
        Ok(()) => Redirect::to("/control").into_response(),
        Err(NotFound) => view::missing(),
    }
}
