use std::fmt;

use data_encoding::HEXLOWER;
use incode_core::Secret;

/// 128 random bits: names a session or a transfer, and is the secret in a session's forms.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// A new one; `None` on a machine that has no randomness to give.
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(HEXLOWER.encode(&bytes)))
    }

    /// One that was sent: nothing but 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| Self(text.to_owned()))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub fn is(&self, given: &str) -> bool {
        Secret::from(self.0.as_str()).matches(given.as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
