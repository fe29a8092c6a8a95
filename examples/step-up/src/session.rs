use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{Redirect, Response};

use crate::{Bank, Key, Session};

/// Middleware, outside of the incode layer: tells it who asks. An application's own login does the same.
pub(crate) async fn attach(State(bank): State<Arc<Bank>>, mut request: Request, next: Next) -> Response {
    if let Some(session) = key(request.headers()).and_then(|key| bank.desk.session(&key)) {
        request.extensions_mut().insert(session.subject.clone());
        request.extensions_mut().insert(session);
    }
    next.run(request).await
}

/// The one session cookie. Two of them are none: whoever can set a second must not choose which is read.
pub(crate) fn key(headers: &HeaderMap) -> Option<Key> {
    let headers = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut keys = headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().strip_prefix(NAME));
    let key = keys.next()?;
    keys.next().is_none().then(|| Key::parse(key))?
}

/// `Set-Cookie` of a session, or of its end. `Lax`, or people who come back from Incode's page would be nobody.
pub(crate) fn cookie(bank: &Bank, session: Option<&Session>) -> Option<HeaderValue> {
    let secure = if bank.origin.starts_with("https:") { "; Secure" } else { "" };
    let (value, age) = session.map_or(("", 0), |session| (session.key.as_str(), 12 * 60 * 60));
    HeaderValue::try_from(format!("{NAME}{value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")).ok()
}

/// Extractor: who is logged in. Anybody else is sent to the front page.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Redirect> {
        parts.extensions.get().cloned().ok_or_else(|| Redirect::to("/"))
    }
}

/// Extractor: who is logged in, if anybody is.
pub(crate) struct Somebody(pub(crate) Option<Session>);

impl<S: Sync> FromRequestParts<S> for Somebody {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}

const NAME: &str = "session=";
