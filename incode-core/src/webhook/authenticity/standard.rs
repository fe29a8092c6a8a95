//! Signatures that come with a name: Standard Webhooks, and the header of Incode's own samples.

use std::time::Duration;

use data_encoding::BASE64;

use crate::Secret;
use crate::webhook::Rejection;

use super::{Encoding, HmacScheme, PolicyError, PolicyErrorKind, Signed};

#[cfg(test)]
mod tests;

impl HmacScheme {
    /// How far the time of a Standard Webhooks delivery may be from ours, in the past or in the future.
    pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

    /// `X-Incode-Signature`: HMAC-SHA256 of the raw body in hex. Incode's Salesforce sample names this header.
    ///
    /// # Errors
    /// No secret, or one that is too short.
    pub fn incode_signature(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, PolicyError> {
        Self::new("x-incode-signature", secrets)
    }

    /// [Standard Webhooks](https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and in
    /// `webhook-signature` a list of signatures of which one must fit. Secrets are `whsec_` and padded base64; the key
    /// inside has [`Authenticity::MIN_SECRET_LEN`](super::Authenticity::MIN_SECRET_LEN) bytes or more, as the
    /// specification asks for too.
    ///
    /// Signatures of other versions than `v1` are passed over; an entry that is no signature at all, or a `v1` that is
    /// badly encoded, spoils the list.
    ///
    /// ```
    /// use incode_core::Secret;
    /// use incode_core::webhook::{Authenticity, HmacScheme};
    /// let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    /// let policy = Authenticity::hmac(HmacScheme::standard_webhooks([secret])?);
    /// # let _ = policy;
    /// # Ok::<(), incode_core::webhook::PolicyError>(())
    /// ```
    ///
    /// # Errors
    /// No secret, one that is not written as above, or one that is too short.
    pub fn standard_webhooks(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, PolicyError> {
        Self::standard_webhooks_as("webhook", secrets)
    }

    /// The same with other names: with `svix`, the headers are `svix-id`, `svix-timestamp` and `svix-signature`.
    ///
    /// # Errors
    /// Besides those of [`HmacScheme::standard_webhooks`]: what can't begin a header name.
    pub fn standard_webhooks_as(name: &str, secrets: impl IntoIterator<Item = Secret>) -> Result<Self, PolicyError> {
        let keys = secrets.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        Self::new(&format!("{name}-signature"), keys)?.encoding(Encoding::Base64).prefix("v1,")?.in_a_list().signed(
            Signed::IdTimestampBody {
                id_header: format!("{name}-id"),
                timestamp_header: format!("{name}-timestamp"),
                tolerance: Self::TOLERANCE,
            },
        )
    }
}

/// Every signature of the list that a secret of ours could have made: the first, and the others.
pub(super) fn claims(scheme: &HmacScheme, list: &[u8]) -> Result<([u8; 32], Vec<[u8; 32]>), Rejection> {
    if list.len() > MAX_LIST {
        return Err(Rejection::unauthentic("the list of signatures is too long"));
    }
    let mut claimed = None;
    let mut also_claimed = Vec::new();
    for (place, entry) in list.split(|byte| *byte == b' ').enumerate() {
        if place >= MAX_SIGNATURES || !is_signature(entry) {
            return Err(Rejection::unauthentic("the list of signatures is badly written"));
        }
        if scheme.unprefixed(entry).is_none() {
            continue;
        }
        let signature = scheme.claimed(entry)?;
        match claimed {
            None => claimed = Some(signature),
            Some(_) => also_claimed.push(signature),
        }
    }
    claimed.map(|first| (first, also_claimed)).ok_or(Rejection::unauthentic("no signature of a known version"))
}

/// `version,signature`: a short name, a comma, and visible ASCII.
fn is_signature(entry: &[u8]) -> bool {
    let Some(comma) = entry.iter().position(|byte| *byte == b',') else { return false };
    let (version, signature) = entry.split_at(comma);
    (1..=MAX_VERSION).contains(&version.len())
        && version.iter().all(u8::is_ascii_alphanumeric)
        && signature.len() > 1
        && signature.iter().all(u8::is_ascii_graphic)
}

fn key(secret: Secret) -> Result<Secret, PolicyError> {
    let malformed = PolicyError(PolicyErrorKind::MalformedSecret);
    let text = secret.expose().strip_prefix(b"whsec_").ok_or(malformed)?;
    BASE64.decode(text).map(Secret::new).map_err(|_| malformed)
}

/// The most signatures looked at: a sender has one for each secret it is about to leave behind.
const MAX_SIGNATURES: usize = 16;
/// The longest list looked at, in bytes: `MAX_SIGNATURES` of the longest kind known, which is ed25519.
const MAX_LIST: usize = 2048;
/// The longest name of a version, in bytes.
const MAX_VERSION: usize = 8;
