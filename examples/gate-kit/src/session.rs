//! The session: a signed cookie. No table behind it, so it outlives restarts and works on every replica that shares
//! `INCODE_FLOW_SECRET`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use incode_core::gate::SubjectSource;
use incode_core::{Clock, SystemClock, Timestamp};
use sha2::Sha256;

/// Makes and reads session cookies.
#[derive(Clone)]
pub struct Sessions {
    /// Of the secret that signs, and of older ones that still read. Never empty.
    macs: Vec<Hmac<Sha256>>,
    secure: bool,
}

impl Sessions {
    /// A secret is any key material; what signs is derived from it. `secure` when browsers come over https.
    pub fn new(secret: &[u8], secure: bool) -> Self {
        Self { macs: vec![derived(secret)], secure }
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
        let expires = SystemClock.now().after(LIFETIME).as_millis() / 1000;
        let newest = self.macs.first().map(|mac| signing(mac, expires, user).finalize().into_bytes());
        let mac = BASE64URL_NOPAD.encode(&newest.unwrap_or_default());
        format!("{expires}.{mac}.{user}")
    }

    /// The user of a session that was signed here and has not expired.
    pub fn user<'a>(&self, token: &'a str) -> Option<&'a str> {
        self.user_at(token, SystemClock.now())
    }

    /// `Set-Cookie` that ends the session.
    pub fn end(&self) -> String {
        self.cookie("", 0)
    }

    /// How the layer finds the subject: the user of a cookie that was signed here and has not expired.
    pub fn subjects(&self) -> SubjectSource {
        let sessions = self.clone();
        SubjectSource::cookie(NAME, move |value| sessions.user(value).map(Cow::Borrowed))
    }

    fn user_at<'a>(&self, value: &'a str, now: Timestamp) -> Option<&'a str> {
        let (expires, rest) = value.split_once('.')?;
        let (mac, user) = rest.split_once('.')?;
        let expires: i64 = expires.parse().ok()?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        self.macs.iter().find(|key| signing(key, expires, user).verify_slice(&mac).is_ok())?;
        (now < Timestamp::from_secs(expires)).then_some(user)
    }

    fn cookie(&self, value: &str, max_age: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{NAME}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("secure", &self.secure).finish_non_exhaustive()
    }
}

/// 1 to 64 of the characters that need no escaping in a cookie, a form or a page.
pub fn is_user_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'@' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn derived(secret: &[u8]) -> Hmac<Sha256> {
    keyed(&keyed(secret).chain_update(b"gate-kit session v1").finalize().into_bytes())
}

fn signing(mac: &Hmac<Sha256>, expires: i64, user: &str) -> Hmac<Sha256> {
    mac.clone().chain_update(expires.to_be_bytes()).chain_update(user)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

const NAME: &str = "session";

/// A working day.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

#[cfg(test)]
mod tests;
