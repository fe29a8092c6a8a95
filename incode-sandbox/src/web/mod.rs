//! The hosted web flow, as the vendor's samples use it: in with `client_id`, `redirect_url` and `correlation_id`, back
//! with `token` and `correlation_id`.

mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use url::Url;

use crate::NewPerson;
use crate::deliveries::EventKind;
use crate::vendor::Vendor;
use crate::world::Outcome;

pub(crate) fn routes() -> Router<Arc<Vendor>> {
    Router::new().route("/", get(show).post(finish))
}

/// How the flow is started. The samples' other parameters (`origin`, `form_factor`, `zoom_level`) change nothing here.
#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_url: String,
    correlation_id: Option<String>,
}

impl Start {
    /// Where to go back to, when the flow may start.
    fn checked(&self, vendor: &Vendor) -> Result<Url, Refused> {
        if self.client_id != vendor.settings.client_id {
            return Err(Refused("This link names a client that isn't known here (client_id)."));
        }
        match Url::parse(&self.redirect_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            _ => Err(Refused("This link doesn't say where to go back to (redirect_url must be an http or https URL).")),
        }
    }
}

#[derive(Deserialize)]
struct Resolved {
    #[serde(flatten)]
    start: Start,
    name: String,
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    date_of_birth: String,
    outcome: Outcome,
}

struct Refused(&'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        view::refused(StatusCode::BAD_REQUEST, self.0)
    }
}

async fn show(
    State(vendor): State<Arc<Vendor>>,
    start: Result<Query<Start>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(start) = start.map_err(|_| Refused("This link can't be read."))?;
    let back = start.checked(&vendor)?;
    Ok(view::form(&start, &back))
}

async fn finish(
    State(vendor): State<Arc<Vendor>>,
    visit: Result<Form<Resolved>, FormRejection>,
) -> Result<Response, Refused> {
    let Form(visit) = visit.map_err(|_| Refused("This form can't be read."))?;
    let mut back = visit.start.checked(&vendor)?;
    if visit.email.trim().is_empty() {
        return Err(Refused("An email is needed: it tells people apart."));
    }
    let mut person = NewPerson::named(visit.name).email(visit.email.trim());
    if !visit.phone.is_empty() {
        person = person.phone(visit.phone);
    }
    if !visit.date_of_birth.is_empty() {
        person = person.date_of_birth(visit.date_of_birth);
    }
    let now = vendor.now();
    let verified = vendor.world().visit(person, visit.outcome, now, vendor.lifetime());
    let verified = verified.map_err(|_| Refused("This person was removed meanwhile."))?;
    let correlation_id = visit.start.correlation_id.as_deref();
    if vendor.settings.automatic_events && vendor.outlet().url(EventKind::Verification).is_some() {
        let echoed = correlation_id.filter(|_| vendor.settings.echo_correlation_id);
        // It was made a moment ago, so it is there.
        let _ = vendor.send_event(EventKind::Verification, &verified.verification_id, echoed);
    }
    // A refused visitor comes back with a token too: "completed" is not "approved".
    back.query_pairs_mut().append_pair("token", &verified.token);
    if let Some(correlation_id) = correlation_id {
        back.query_pairs_mut().append_pair("correlation_id", correlation_id);
    }
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, back.to_string()), (header::CACHE_CONTROL, "no-store".to_owned())])
        .into_response())
}
