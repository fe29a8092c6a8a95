//! The session: a signed cookie. It outlives restarts and works on every replica that shares `INCODE_FLOW_SECRET`.
//!
//! A logout also ends the session on the server: its id is remembered until it expires, so a copy of the cookie is worth
//! nothing after that. The list is in this process. An application with several replicas keeps sessions in a store that
//! they share.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use incode_core::gate::{SessionSource, SubjectSource};
use incode_core::{Clock, SystemClock, Timestamp};
use sha2::Sha256;

use crate::BasePath;

#[cfg(test)]
mod tests;

/// Makes, reads and ends sessions.
#[derive(Clone)]
pub struct Sessions {
    /// Of the secret that signs, and of older ones that still verify. Never empty.
    macs: Vec<Hmac<Sha256>>,
    /// Browsers come over https: the cookie gets `Secure`, and the prefix that goes with it.
    secure: bool,
    base: BasePath,
    /// Ids of sessions that were logged out, with their expiry in seconds. Shared by all clones: the layer reads what the
    /// logout writes. Held for one look-up or insert, never across I/O.
    ended: Arc<Mutex<HashMap<Box<str>, i64>>>,
}

impl Sessions {
    /// A secret is any key material; the signing key is derived from it. `secure` when browsers come over https.
    pub fn new(secret: &[u8], secure: bool) -> Self {
        Self { macs: vec![derived(secret)], secure, base: BasePath::default(), ended: Arc::default() }
    }

    /// For a site below a path: its cookie is for that path, so that it leaves a neighbour's on the same host alone.
    #[must_use]
    pub fn below(self, base: BasePath) -> Self {
        Self { base, ..self }
    }

    /// Also reads what was signed with an older secret.
    pub(crate) fn older_secret(mut self, secret: &[u8]) -> Self {
        self.macs.push(derived(secret));
        self
    }

    /// `Set-Cookie` of a new session.
    pub fn begin(&self, user: &str) -> String {
        self.cookie(&self.token(user), LIFETIME.as_secs())
    }

    /// A session without its cookie, for clients that keep it elsewhere.
    pub fn token(&self, user: &str) -> String {
        let mut id = [0; 16];
        // Without randomness two sessions may share an id, and end together. They are signed all the same.
        let _ = getrandom::fill(&mut id);
        let id = HEXLOWER.encode(&id);
        let expires = SystemClock.now().after(LIFETIME).as_millis() / 1000;
        let newest = self.macs.first().map(|mac| signing(mac, expires, &id, user).finalize().into_bytes());
        let mac = BASE64URL_NOPAD.encode(&newest.unwrap_or_default());
        format!("{expires}.{id}.{mac}.{user}")
    }

    /// The user of a session that was signed here, has not expired and was not ended.
    pub fn user<'a>(&self, token: &'a str) -> Option<&'a str> {
        self.user_at(token, SystemClock.now())
    }

    /// `Set-Cookie` that makes the browser forget the session. [`Sessions::revoke`] ends it on the server.
    pub fn end(&self) -> String {
        self.cookie("", 0)
    }

    /// Ends each session that a `Cookie` header carries. One that was not signed here changes nothing.
    pub fn revoke(&self, cookies: &str) {
        let now = SystemClock.now();
        let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        for token in pairs.filter(|(name, _)| *name == self.name()).map(|(_, value)| value) {
            if let Some(session) = self.verified(token, now) {
                self.remember_ended(session.id, session.expires, now);
            }
        }
    }

    /// How the layer finds the subject: the user of the session cookie.
    pub fn subjects(&self) -> SubjectSource {
        let sessions = self.clone();
        SubjectSource::cookie(self.name(), move |value| sessions.user(value).map(Cow::Borrowed))
    }

    /// How the layer distinguishes sessions: by the session cookie, whose value stays the same from login to logout. A
    /// face that was confirmed in one session then counts in no other.
    pub fn sessions(&self) -> SessionSource {
        SessionSource::cookie(self.name())
    }

    fn user_at<'a>(&self, token: &'a str, now: Timestamp) -> Option<&'a str> {
        let session = self.verified(token, now)?;
        (!self.ended().contains_key(session.id)).then_some(session.user)
    }

    fn verified<'a>(&self, token: &'a str, now: Timestamp) -> Option<Verified<'a>> {
        let (expires, rest) = token.split_once('.')?;
        let (id, rest) = rest.split_once('.')?;
        let (mac, user) = rest.split_once('.')?;
        let expires: i64 = expires.parse().ok()?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        self.macs.iter().find(|key| signing(key, expires, id, user).verify_slice(&mac).is_ok())?;
        (now < Timestamp::from_secs(expires)).then_some(Verified { id, user, expires })
    }

    /// What has expired needs no memory. When the list is full all the same, the ones that expire first are dropped.
    fn remember_ended(&self, id: &str, expires: i64, now: Timestamp) {
        let mut ended = self.ended();
        if ended.len() >= MAX_ENDED {
            ended.retain(|_, expires| now < Timestamp::from_secs(*expires));
        }
        if ended.len() >= MAX_ENDED {
            let first = ended.iter().min_by_key(|(_, expires)| **expires).map(|(id, _)| id.clone());
            first.and_then(|first| ended.remove(&first));
        }
        ended.insert(id.into(), expires);
    }

    fn ended(&self) -> MutexGuard<'_, HashMap<Box<str>, i64>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Browsers take `__Host-` only with `Secure`, for the whole host and from the host itself: no neighbour on a
    /// sub-domain can set such a cookie. A site below a path has a cookie for that path, and `__Secure-` instead.
    fn name(&self) -> &'static str {
        match (self.secure, self.base.is_root()) {
            (true, true) => "__Host-session",
            (true, false) => "__Secure-session",
            (false, _) => "session",
        }
    }

    fn cookie(&self, value: &str, max_age: u64) -> String {
        let (name, secure) = (self.name(), if self.secure { "; Secure" } else { "" });
        let path = self.base.cookie_path();
        format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("secure", &self.secure).finish_non_exhaustive()
    }
}

/// A session whose signature is ours and which has not expired.
struct Verified<'a> {
    id: &'a str,
    user: &'a str,
    /// Seconds since 1970.
    expires: i64,
}

/// 1 to 64 of the characters that need no escaping in a cookie, a form or a page.
pub fn is_user_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'@' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn derived(secret: &[u8]) -> Hmac<Sha256> {
    keyed(&keyed(secret).chain_update(b"gate-kit session v2").finalize().into_bytes())
}

/// An id holds no dot (it is split off at the first one), so the three parts can't be shifted against each other.
fn signing(mac: &Hmac<Sha256>, expires: i64, id: &str, user: &str) -> Hmac<Sha256> {
    mac.clone().chain_update(expires.to_be_bytes()).chain_update(id).chain_update(".").chain_update(user)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

/// A working day.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions that were ended and have not expired: about 10 MB.
const MAX_ENDED: usize = 100_000;
