//! Sealed bytes: XChaCha20-Poly1305 under a key derived for one purpose. Without the key they can neither be read nor made.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::Secret;

/// Seals and opens for one purpose. Keys of different purposes are unrelated, though they come from one secret.
#[derive(Clone)]
pub(crate) struct Sealer(XChaCha20Poly1305);

/// Sealed bytes that are of another key or purpose, or were changed.
#[derive(Debug)]
pub(crate) struct NotSealed;

/// The random part in front of sealed bytes. 192 random bits never repeat in practice, so they also serve as a
/// single-use id.
pub(crate) const NONCE_LEN: usize = 24;

/// The purpose of the key for tokens at rest.
pub(crate) const TOKEN_AT_REST: &str = "token at rest";

impl Sealer {
    /// `purpose` is part of the key: what was sealed for one purpose can't be passed off for another.
    pub(crate) fn new(secret: &Secret, purpose: &'static str) -> Self {
        Self(XChaCha20Poly1305::new(&derive(secret, purpose).into()))
    }

    /// Nonce, ciphertext, tag. `None` only when the system has no randomness to give.
    pub(crate) fn seal(&self, plain: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let sealed = self.0.encrypt(&nonce.into(), Payload { msg: plain, aad: context }).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// The plain bytes, with the nonce they were sealed under.
    pub(crate) fn open(&self, sealed: &[u8], context: &[u8]) -> Result<([u8; NONCE_LEN], Vec<u8>), NotSealed> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotSealed)?;
        let plain = self.0.decrypt(nonce.into(), Payload { msg: sealed, aad: context }).map_err(|_| NotSealed)?;
        Ok((*nonce, plain))
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// A key for one purpose.
pub(crate) fn derive(secret: &Secret, purpose: &'static str) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("a key of any length");
    mac.update(b"incode v1 ");
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

/// A value by which two processes find out whether they have the same secret. It does not reveal the secret.
pub(crate) fn check_value(secret: &Secret) -> [u8; 16] {
    let derived = derive(secret, "check value");
    let mut value = [0; 16];
    value.iter_mut().zip(derived).for_each(|(to, from)| *to = from);
    value
}

#[cfg(test)]
mod tests;
