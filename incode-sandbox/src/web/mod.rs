//! The hosted web flow, as the vendor's samples use it. The application redirects here with `client_id`, `redirect_url`
//! and `correlation_id`; the browser returns with `token` and `correlation_id`.
//!
//! Every outcome returns a token of the person named in the form, as at the vendor: "completed" is not "approved".

mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use url::Url;

use crate::deliveries::{DeliveryState, EventKind};
use crate::vendor::{EventOrigin, Vendor};
use crate::world::{HostedCheck, Outcome};
use crate::{NewPerson, origin};

/// The page and its form. Another site can't post the form; `origin` says why.
pub(crate) fn routes() -> Router<Arc<Vendor>> {
    Router::new().route("/", get(show).post(finish)).layer(from_fn(origin::require_same_origin))
}

/// The parameters of the start. The samples' other ones (`origin`, `form_factor`, `zoom_level`) have no effect here.
#[derive(Deserialize)]
struct FlowStart {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_url: String,
    correlation_id: Option<String>,
}

impl FlowStart {
    /// The URL to return to, where the flow may start.
    fn checked(&self, vendor: &Vendor) -> Result<Url, FlowRefusal> {
        if self.client_id != vendor.settings.client_id {
            return Err(FlowRefusal("The client_id of this link is not known."));
        }
        match Url::parse(&self.redirect_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            _ => Err(FlowRefusal("The redirect_url of this link must be an http or https URL.")),
        }
    }
}

/// The form as submitted. The start's parameters come along in hidden fields and are checked again.
#[derive(Deserialize)]
struct FlowForm {
    #[serde(flatten)]
    start: FlowStart,
    name: String,
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    date_of_birth: String,
    #[serde(default)]
    check: Check,
    outcome: Outcome,
}

/// The kind of check that the visitor goes through.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    /// Document and selfie: a verification.
    #[default]
    Verification,
    /// Face only, for an enrolled person: an authentication.
    Authentication,
}

/// A flow that can't go on, with the reason for the page. The browser is not sent back: the URL may be wrong.
struct FlowRefusal(&'static str);

impl IntoResponse for FlowRefusal {
    fn into_response(self) -> Response {
        view::refused(StatusCode::BAD_REQUEST, self.0)
    }
}

/// `GET /`: the form, or a page that says why the flow can't start.
async fn show(
    State(vendor): State<Arc<Vendor>>,
    start: Result<Query<FlowStart>, QueryRejection>,
) -> Result<Response, FlowRefusal> {
    let Query(start) = start.map_err(|_| FlowRefusal("This link can't be read."))?;
    let back = start.checked(&vendor)?;
    Ok(view::form(&start, &back))
}

/// `POST /`: makes the check, sends its event, and returns the browser to the application.
///
/// # Errors
/// 400 with a page, for a start that would be refused too, an unreadable form, or a check that can't be made.
async fn finish(
    State(vendor): State<Arc<Vendor>>,
    form: Result<Form<FlowForm>, FormRejection>,
) -> Result<Response, FlowRefusal> {
    let Form(form) = form.map_err(|_| FlowRefusal("This form can't be read."))?;
    let mut back = form.start.checked(&vendor)?;
    if form.email.trim().is_empty() {
        return Err(FlowRefusal("An email is needed: it distinguishes people."));
    }
    let (kind, check) = match form.check {
        Check::Verification => (EventKind::Verification, verification(&vendor, &form)?),
        Check::Authentication => (EventKind::Authentication, authentication(&vendor, &form)?),
    };
    let correlation_id = form.start.correlation_id.as_deref();
    // A check that is pending is not completed, so it has no event yet.
    if form.outcome != Outcome::Pending {
        announce(&vendor, kind, &check, correlation_id).await;
    }
    back.query_pairs_mut().append_pair("token", &check.token);
    if let Some(correlation_id) = correlation_id {
        back.query_pairs_mut().append_pair("correlation_id", correlation_id);
    }
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, back.to_string()), (header::CACHE_CONTROL, "no-store".to_owned())])
        .into_response())
}

/// A verification of the person with the form's email. A newcomer is added, `PENDING` until a check passes.
fn verification(vendor: &Vendor, form: &FlowForm) -> Result<HostedCheck, FlowRefusal> {
    let mut person = NewPerson::named(form.name.as_str()).email(form.email.trim());
    if !form.phone.is_empty() {
        person = person.phone(form.phone.as_str());
    }
    if !form.date_of_birth.is_empty() {
        person = person.date_of_birth(form.date_of_birth.as_str());
    }
    let context = vendor.issue_context();
    let check = vendor.world().hosted_verification(person, form.outcome, &context);
    check.map_err(|_| FlowRefusal("This person does not exist any more."))
}

/// A face check of the enrolled person with the form's email.
fn authentication(vendor: &Vendor, form: &FlowForm) -> Result<HostedCheck, FlowRefusal> {
    let passed = match form.outcome {
        Outcome::Pass => true,
        Outcome::Fail => false,
        Outcome::Pending => return Err(FlowRefusal("A face check passes or fails at once. It can't stay pending.")),
    };
    let context = vendor.issue_context();
    let check = vendor.world().hosted_authentication(&form.email, passed, &context);
    check.map_err(|_| FlowRefusal("No enrolled person has this email. Pass a document check first."))
}

/// Sends the event of a check, where a target is set. Waits for its first try where the behaviour says so.
async fn announce(vendor: &Arc<Vendor>, kind: EventKind, check: &HostedCheck, correlation_id: Option<&str>) {
    if !vendor.settings.automatic_events || vendor.target().url(kind).is_none() {
        return;
    }
    let origin = EventOrigin { correlation_id, token: Some(&check.token) };
    let sent = vendor.send_event_of(kind, &check.object_id, origin);
    if let (Ok(number), true) = (sent, vendor.behaviour().return_after_event) {
        let tried = |state, attempts: usize| attempts > 0 || state == DeliveryState::NoTarget;
        // The delivery was made above; it can only be missing after 200,000 others.
        let _ = vendor.delivery_when(number, |delivery| tried(delivery.state, delivery.attempts.len())).await;
    }
}
