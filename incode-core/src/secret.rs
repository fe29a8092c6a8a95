//! Values that must never be printed: redacted `Debug`, no `Display`, compared in constant time, wiped when dropped.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Key material: a webhook secret, the flow secret, the store key.
///
/// ```
/// use incode_core::Secret;
/// let secret = Secret::from("correct horse battery staple");
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert!(secret.matches(b"correct horse battery staple"));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes any bytes; what uses the secret says how long it must be.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves. The name is long-winded on purpose: every use shows in a review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Compares in constant time. The length of the secret is not hidden.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The short-lived token of a delivery, a callback or a face authentication: opaque, sent back to the vendor in
/// `X-Incode-Hardware-Id` and nowhere else.
///
/// Holds 1 to [`Token::MAX_LEN`] visible ASCII characters, so it is always a legal header value.
#[derive(Clone)]
pub struct Token(
    /// Boxed: a `String` is wiped byte by byte, and its capacity with it.
    Zeroizing<Box<str>>,
);

impl Token {
    /// Longest token taken, in bytes. The vendor's samples are under 100; a JWT with many claims stays under 4 KiB.
    pub const MAX_LEN: usize = 4096;

    /// Checks length and characters.
    ///
    /// # Errors
    /// [`InvalidValue`] when the text is empty, too long, or could not be sent in a header as it is.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidValue> {
        let mut text = Zeroizing::new(text.into());
        let legal = !text.is_empty() && text.len() <= Self::MAX_LEN && is_visible_ascii(text.as_bytes());
        if !legal {
            return Err(InvalidValue("token"));
        }
        // With room to spare it would be moved, and what it leaves behind is not wiped; so that one is copied.
        let is_full = text.capacity() == text.len();
        let boxed = if is_full { std::mem::take(&mut *text).into_boxed_str() } else { text.as_str().into() };
        Ok(Self(Zeroizing::new(boxed)))
    }

    /// The token itself, for the one header it belongs in.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the token, for places that must not keep the token.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

/// Looks at every byte, also after an illegal one: without an early exit the compiler compares many at a time.
pub(crate) fn is_visible_ascii(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |legal, byte| legal & byte.is_ascii_graphic())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// SHA-256 of a [`Token`]: names it without being able to act for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// A value that has the wrong length or characters. Says what kind of value it was, never what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidValue(pub(crate) &'static str);

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has an illegal length or character", self.0)
    }
}

impl std::error::Error for InvalidValue {}

#[cfg(test)]
mod tests;
