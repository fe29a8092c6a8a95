use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{Redirect, Response};

use incode_core::SessionHash;

use crate::{Bank, Key, Session};

/// Middleware, outside of the incode layer: puts the session's subject and the hash of its key into the extensions, where
/// the layer finds them. An application's own login does the same.
pub(crate) async fn attach(State(bank): State<Arc<Bank>>, mut request: Request, next: Next) -> Response {
    if let Some(session) = key(&bank, request.headers()).and_then(|key| bank.transfers.session(&key)) {
        request.extensions_mut().insert(session.subject.clone());
        request.extensions_mut().insert(SessionHash::of(session.key.as_str().as_bytes()));
        request.extensions_mut().insert(session);
    }
    next.run(request).await
}

/// The one session cookie. Two of them count as none: a neighbour who can set a second must not choose which is read.
pub(crate) fn key(bank: &Bank, headers: &HeaderMap) -> Option<Key> {
    let name = cookie_name(bank);
    let headers = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut keys = headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().strip_prefix(name));
    let key = keys.next()?;
    keys.next().is_none().then(|| Key::parse(key))?
}

/// `Set-Cookie` of a session, or of its end. `Lax`: with `Strict` a browser that comes back from
/// Incode's page would send no cookie.
pub(crate) fn cookie(bank: &Bank, session: Option<&Session>) -> Option<HeaderValue> {
    let (name, secure) = (cookie_name(bank), if bank.is_secure() { "; Secure" } else { "" });
    let path = bank.base.cookie_path();
    let (value, age) = session.map_or(("", 0), |session| (session.key.as_str(), 12 * 60 * 60));
    HeaderValue::try_from(format!("{name}{value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")).ok()
}

/// Extractor: the session. A request without one is sent to the front page.
impl FromRequestParts<Arc<Bank>> for Session {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Self, Redirect> {
        parts.extensions.get().cloned().ok_or_else(|| bank.go("/"))
    }
}

/// Extractor: the session, where there is one.
pub(crate) struct MaybeSession(pub(crate) Option<Session>);

impl<S: Sync> FromRequestParts<S> for MaybeSession {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}

/// Browsers take `__Host-` only with `Secure`, for the whole host and from the host itself: no neighbour on a sub-domain can
/// set such a cookie. A site below a path has a cookie for that path, and `__Secure-` instead.
fn cookie_name(bank: &Bank) -> &'static str {
    match (bank.is_secure(), bank.base.is_root()) {
        (true, true) => "__Host-session=",
        (true, false) => "__Secure-session=",
        (false, _) => "session=",
    }
}
