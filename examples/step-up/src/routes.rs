use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Form, Multipart, Path, Query, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use gate_kit::{BODY_DEADLINE, RequestContext};
use incode_core::Subject;
use incode_core::flow::FaceScope;
use incode_core::gate::Visitor as IncodeVisitor;
use incode_tower::{GateLayer, IncodeLayer, Visitor, response};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::face::{Confirmed, FaceFailure, FaceForm, confirm};
use crate::refusal::{Refusal, not_found, show_refusals};
use crate::session::{MaybeSession, attach, cookie, key};
use crate::{Bank, FACE_AGE, Key, Session, Transfer, TransferError, pages};

/// The whole site. From outside in: the session names the subject, the incode layer finds its standing, a gate on each route
/// that moves money requires ACTIVE, and a transfer is made only with a face of its own.
pub fn app(bank: Arc<Bank>) -> Router {
    let incode = IncodeLayer::new(bank.incode.clone());
    let transfers = Router::new()
        .route("/transfer", post(transfer))
        .route("/confirm/{id}", get(confirmation).post(confirmed).layer(DefaultBodyLimit::max(PICTURE)))
        .route_layer(GateLayer::active());
    let site = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/transfers/{id}", get(receipt))
        .route("/confirm/{id}/cancel", post(cancel))
        .merge(transfers)
        .fallback(not_found)
        .with_state(Arc::clone(&bank))
        .layer(from_fn(bound_bodies))
        .layer(from_fn_with_state(Arc::clone(&bank), show_refusals))
        .layer(incode)
        .layer(from_fn_with_state(Arc::clone(&bank), attach));
    Router::new().fallback_service(bank.base.clone().around(site))
}

/// Forms and pictures have to arrive in time. Nothing else ends a body that stops.
async fn bound_bodies(request: Request, next: Next) -> Response {
    let end = Instant::now() + BODY_DEADLINE;
    next.run(request.map(|body| bounded(body, end))).await
}

/// A body that breaks off at this moment, unless it has come whole.
fn bounded(body: Body, end: Instant) -> Body {
    let chunks = unfold(Some(body.into_data_stream()), move |chunks| async move {
        let mut chunks = chunks?;
        match timeout_at(end, chunks.next()).await {
            Ok(Some(chunk)) => Some((chunk.map_err(io::Error::other), Some(chunks))),
            Ok(None) => None,
            Err(_) => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
        }
    });
    Body::from_stream(chunks)
}

type At = State<Arc<Bank>>;

async fn home(
    State(bank): At,
    Visitor(visitor): Visitor,
    MaybeSession(session): MaybeSession,
    headers: HeaderMap,
) -> Response {
    if let Some(there) = context("/", &headers).public_address(&format!("{}{}", bank.origin, bank.base.link(""))) {
        return Redirect::to(&there).into_response();
    }
    let page = match session {
        Some(session) => pages::home(&bank, &visitor, &session),
        None => pages::welcome(&bank.base),
    };
    response(page).into_response()
}

/// Without a password, because this is an example. But a page of another site may not log a browser in.
async fn login(State(bank): At, headers: HeaderMap, Form(form): Form<Login>) -> Result<Response, Refusal> {
    if !is_from_here(&headers, &bank.origin) {
        return Err(Refusal::problem(403, "cross_site_request", "TransferError", "This was sent from another site."));
    }
    let user = Some(form.user).filter(|user| gate_kit::is_user_name(user)).and_then(|user| Subject::new(user).ok());
    let detail = "A user name has 1 to 64 characters: letters, digits and . _ @ -";
    let user = user.ok_or_else(|| Refusal::problem(400, "user_invalid", "Not a user name", detail))?;
    let begun = bank.transfers.begin(user);
    let full = || Refusal::problem(503, "too_many_sessions", "Try again soon", "Too many people are logged in.");
    let session = begun.ok_or_else(full)?;
    // The session before ends, with the transfers that wait in it: the next person at this browser must not see them.
    if let Some(before) = key(&bank, &headers) {
        bank.transfers.end(&before);
    }
    Ok(([(SET_COOKIE, cookie(&bank, Some(&session)).ok_or_else(full)?)], bank.go("/")).into_response())
}

async fn logout(State(bank): At, session: Session, Form(form): Form<Plain>) -> Result<Response, Refusal> {
    session.check(&form.form)?;
    bank.transfers.end(&session.key);
    let mut response = bank.go("/").into_response();
    response.headers_mut().extend(cookie(&bank, None).map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// Kept until its own face confirms it. A face that was confirmed for another transfer does not count.
async fn transfer(State(bank): At, session: Session, Form(form): Form<NewTransfer>) -> Result<Redirect, Refusal> {
    session.check(&form.form)?;
    let id = Key::parse(&form.id).ok_or_else(Refusal::malformed)?;
    let transfer = Transfer::read(&form.amount, &form.recipient)
        .map_err(|detail| Refusal::problem(400, "transfer_malformed", "Not a transfer", detail))?;
    bank.transfers.hold(&session, &id, transfer).map_err(|refused| Refusal::of(refused, &id))?;
    Ok(bank.go(&format!("/confirm/{}", id.as_str())))
}

/// What you see here is what will be made.
async fn confirmation(
    State(bank): At,
    Visitor(visitor): Visitor,
    session: Session,
    Path(id): Path<String>,
    Query(query): Query<Tried>,
) -> Result<Response, Refusal> {
    let id = named(&id)?;
    let transfer = bank.transfers.waiting(&session, &id).map_err(|refused| Refusal::of(refused, &id))?;
    let why_not = query.why.as_deref().and_then(FaceFailure::named);
    Ok(response(pages::confirmation(&bank, &visitor, &session, &id, &transfer, why_not)).into_response())
}

/// One face, one transfer. However often it is sent, at once or after each other, what waits is made once.
async fn confirmed(
    State(bank): At,
    Visitor(visitor): Visitor,
    session: Session,
    Path(id): Path<String>,
    parts: Multipart,
) -> Result<Redirect, Refusal> {
    let id = named(&id)?;
    let form = FaceForm::read(parts).await?;
    session.check(&form.form)?;
    let of = |refused| Refusal::of(refused, &id);
    // What the face is for: what waits now, and not what waits here once the vendor has answered.
    let shown = bank.transfers.waiting(&session, &id).map_err(of)?;
    let action = shown.action(&id);
    bank.transfers.try_face(&session, &id).map_err(of)?;
    // The gate has let the visitor pass, so it has a subject; and a session, or it would not be here.
    let scope = FaceScope::of(&visitor).ok_or_else(Refusal::foreign_form)?.for_action(action);
    match confirm(&bank, scope, &session.subject, form.face()).await? {
        Confirmed::Yes => {
            make(&bank, &visitor, &session, &id, &shown).await?;
            Ok(bank.go(&format!("/transfers/{}", id.as_str())))
        }
        // Away from the POST, so that neither reload nor the back button sends a face again.
        Confirmed::No(why) => Ok(bank.go(&format!("/confirm/{}?why={}", id.as_str(), why.name))),
        Confirmed::Revoked => {
            bank.transfers.cancel(&session, &id);
            let detail = "Incode no longer vouches for this identity. The transfer was dropped; nothing was made.";
            Err(Refusal::problem(403, "identity_revoked", "Identity revoked", detail))
        }
    }
}

/// Uses the face up, then makes the transfer that it was for. A crash in between makes nothing, and the person confirms
/// again.
async fn make(
    bank: &Bank,
    visitor: &IncodeVisitor,
    session: &Session,
    id: &Key,
    shown: &Transfer,
) -> Result<(), Refusal> {
    let of = |refused| Refusal::of(refused, id);
    let making = bank.transfers.making(session, id).map_err(of)?;
    let _making = making.lock().await;
    // Made by another request meanwhile: that one used the face, and its receipt is the answer to both.
    bank.transfers.waiting(session, id).map_err(of)?;
    bank.incode.use_confirmation(visitor, shown.action(id), FACE_AGE).await?;
    bank.transfers.make(session, id, shown).map_err(of)
}

async fn cancel(
    State(bank): At,
    session: Session,
    Path(id): Path<String>,
    Form(form): Form<Plain>,
) -> Result<Redirect, Refusal> {
    session.check(&form.form)?;
    bank.transfers.cancel(&session, &named(&id)?);
    Ok(bank.go("/"))
}

async fn receipt(State(bank): At, session: Session, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = named(&id)?;
    let made = bank.transfers.made(&session.subject, &id).ok_or_else(|| Refusal::of(TransferError::Unknown, &id))?;
    Ok(response(pages::receipt(&bank.base, &session, &made)).into_response())
}

/// The hidden field of every form of a logged-in person.
#[derive(Deserialize)]
struct Plain {
    form: String,
}

#[derive(Deserialize)]
struct Tried {
    why: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

#[derive(Deserialize)]
struct NewTransfer {
    form: String,
    /// Made with the form: the same form sent twice is one transfer.
    id: String,
    amount: String,
    recipient: String,
}

impl Session {
    fn check(&self, form: &str) -> Result<(), Refusal> {
        if self.form.is(form) { Ok(()) } else { Err(Refusal::foreign_form()) }
    }
}

fn named(id: &str) -> Result<Key, Refusal> {
    Key::parse(id).ok_or_else(|| Refusal::problem(404, "transfer_unknown", "No such transfer", "Nothing waits here."))
}

/// False when a page of another site made the browser ask.
fn is_from_here(headers: &HeaderMap, origin: &str) -> bool {
    context("/login", headers).is_from_here(origin)
}

fn context(path: &str, headers: &HeaderMap) -> RequestContext {
    RequestContext::new("", path, None, |name| headers.get(name).map(HeaderValue::as_bytes))
}

/// A photograph of a few megabytes, with room to spare.
const PICTURE: usize = 10 * 1024 * 1024;

#[cfg(test)]
mod tests;
