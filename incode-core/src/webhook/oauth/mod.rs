//! OAuth 2.0 client credentials, with us as the authorization server: the vendor asks our token endpoint for a bearer
//! token, and delivers with it (RFC 6749, section 4.4; RFC 6750, section 2.1).

mod basic;
mod endpoint;
mod limit;
mod refusal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::http::{Field, RequestHead, credentials};
use crate::webhook::{PolicyError, PolicyErrorKind, Rejection};
use crate::{Secret, Timestamp, seal};

use super::authenticity::strong;

pub use endpoint::{TokenEndpoint, TokenRequest};
pub use refusal::{TokenRefusal, TokenRefusalKind};

/// A client that may request bearer tokens, and the secrets that sign them.
///
/// A token is an expiry and a MAC over it. Nothing is stored, so every replica that has the secrets accepts it, also after
/// a restart. The MAC is keyed with the signing secret, the client id and the client secret that was presented. So a token
/// is not valid for another client, and removing a leaked client secret also revokes the tokens it was given.
///
/// To rotate a client secret:
///
/// 1. Add the new one in front of the old one, on every replica.
/// 2. Set the new one at the vendor.
/// 3. Remove the old one after [`ClientCredentials::LIFETIME`]. Removing it earlier refuses tokens that are in use.
///
/// ```
/// use incode_core::Secret;
/// use incode_core::webhook::{Authenticity, ClientCredentials};
///
/// let client = ClientCredentials::new(
///     "incode",
///     [Secret::from("the client secret of this year"), Secret::from("the client secret of last year")],
///     [Secret::from("what tokens are signed with: on every replica the same")],
/// )?;
/// let policy = Authenticity::oauth(client);
/// # let _ = policy;
/// # Ok::<(), incode_core::webhook::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct ClientCredentials {
    client_id: Box<str>,
    /// In the order given. Never empty.
    secrets: Vec<ClientSecret>,
    lifetime: Duration,
}

#[derive(Clone)]
struct ClientSecret {
    secret: Secret,
    /// One for each signing secret, the newest first: that one signs, each of them verifies. Never empty.
    keys: Vec<HmacSha256>,
}

impl ClientCredentials {
    /// How long a token lives unless said otherwise. Longer than the vendor's 32 minutes of retries, so that a delivery
    /// which failed once does not depend on the token endpoint as well; short enough for a token that leaked.
    pub const LIFETIME: Duration = Duration::from_secs(60 * 60);

    /// How long a token is accepted after its announced end: for deliveries that were sent in the last second, and for
    /// replicas whose clocks differ.
    pub const GRACE: Duration = Duration::from_secs(60);

    /// The longest client id, in bytes.
    pub const MAX_CLIENT_ID: usize = 256;

    /// `client_secrets` may be several, so that one can replace another. `signing_secrets` come newest first and are
    /// shared by all replicas; keys of their own are derived from them, so they may serve other purposes too.
    ///
    /// # Errors
    /// A client id that is empty, too long, or holds a colon or what is not visible ASCII; no secret, or one that is
    /// shorter than [`Authenticity::MIN_SECRET_LEN`](super::Authenticity::MIN_SECRET_LEN).
    pub fn new(
        client_id: &str,
        client_secrets: impl IntoIterator<Item = Secret>,
        signing_secrets: impl IntoIterator<Item = Secret>,
    ) -> Result<Self, PolicyError> {
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if client_id.is_empty() || client_id.len() > Self::MAX_CLIENT_ID || !client_id.bytes().all(legal) {
            return Err(PolicyError::new(PolicyErrorKind::IllegalClientId));
        }
        let signing = strong(signing_secrets)?;
        let secrets = strong(client_secrets)?
            .into_iter()
            .map(|secret| ClientSecret {
                keys: signing.iter().map(|signing| key(signing, client_id, &secret)).collect(),
                secret,
            })
            .collect();
        Ok(Self { client_id: client_id.into(), secrets, lifetime: Self::LIFETIME })
    }

    /// Changes how long a token lives, in whole seconds; at least one.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Duration::from_secs(lifetime.as_secs().max(1));
        self
    }

    /// A delivery with a bearer token of ours: one `Authorization` header, looked at before the body.
    pub(super) fn check(&self, head: &dyn RequestHead, now: Timestamp) -> Result<(), Rejection> {
        let value = match head.header("authorization") {
            Field::One(value) => value,
            Field::Missing => return Err(Rejection::unauthentic("the bearer token is missing")),
            Field::Many => return Err(Rejection::unauthentic("the authorization is given twice")),
        };
        let token = credentials(value, "bearer").and_then(AccessToken::read);
        let token = token.ok_or(Rejection::unauthentic("the authorization is no bearer token of ours"))?;
        // The MAC first: an expiry that we did not sign must not decide the answer.
        let keys = self.secrets.iter().flat_map(|secret| &secret.keys);
        if !keys.fold(false, |signed, key| signed | token.is_signed_with(key)) {
            return Err(Rejection::unauthentic("the bearer token is not of ours"));
        }
        if now >= token.expires_at.after(Self::GRACE) {
            return Err(Rejection::unauthentic("the bearer token has expired"));
        }
        Ok(())
    }

    /// A token, if id and secret are right. Every secret is compared, also after one that matches, so that the time taken
    /// does not show which one it was.
    fn issue(&self, client_id: &[u8], secret: &[u8], now: Timestamp) -> Option<IssuedToken> {
        let known: bool = self.client_id.as_bytes().ct_eq(client_id).into();
        let presented = self.secrets.iter().fold(None, |found, one| {
            let matches = one.secret.matches(secret);
            if known && matches { Some(one) } else { found }
        });
        let key = presented?.keys.first()?;
        let token = AccessToken::sign(key, now.after(self.lifetime));
        Some(IssuedToken { access_token: token.text(), expires_in: self.lifetime.as_secs() })
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// The answer of the token endpoint.
struct IssuedToken {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

struct AccessToken {
    expires_at: Timestamp,
    mac: [u8; 32],
}

impl AccessToken {
    fn sign(key: &HmacSha256, expires_at: Timestamp) -> Self {
        Self { expires_at, mac: mac(key, expires_at) }
    }

    /// Strict: one text for one token.
    fn read(text: &[u8]) -> Option<Self> {
        if text.len() != BASE64URL_NOPAD.encode_len(LEN) {
            return None;
        }
        let mut bytes = [0; LEN];
        BASE64URL_NOPAD.decode_mut(text, &mut bytes).ok()?;
        let (expires_at, mac) = bytes.split_first_chunk::<8>()?;
        Some(Self { expires_at: Timestamp::from_millis(i64::from_be_bytes(*expires_at)), mac: mac.try_into().ok()? })
    }

    fn text(&self) -> String {
        BASE64URL_NOPAD.encode(&[self.expires_at.as_millis().to_be_bytes().as_slice(), &self.mac].concat())
    }

    fn is_signed_with(&self, key: &HmacSha256) -> bool {
        mac(key, self.expires_at).ct_eq(&self.mac).into()
    }
}

type HmacSha256 = Hmac<Sha256>;

fn mac(key: &HmacSha256, expires_at: Timestamp) -> [u8; 32] {
    key.clone().chain_update(expires_at.as_millis().to_be_bytes()).finalize().into_bytes().into()
}

/// The key for tokens of this client and client secret.
fn key(signing: &Secret, client_id: &str, secret: &Secret) -> HmacSha256 {
    let bound = keyed(&seal::derive(signing, "access token"))
        // A client id holds no colon, so it ends at the first.
        .chain_update(client_id)
        .chain_update(b":")
        .chain_update(secret.expose());
    keyed(&bound.finalize().into_bytes())
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("a key of any length")
}

/// An expiry of 8 bytes and a MAC of 32.
const LEN: usize = 40;
