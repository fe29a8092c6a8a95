//! A session's hash. In a module of its own: request heads, confirmations and the gate all name it.

use sha2::{Digest, Sha256};

/// SHA-256 of a session's id. It distinguishes sessions and can't be used to act for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHash(pub [u8; 32]);

impl SessionHash {
    /// Of an application that names no sessions.
    pub const NONE: Self = Self([0; 32]);

    /// Of a session's id, as the application knows it.
    pub fn of(session: &[u8]) -> Self {
        Self(tagged(b"incode session v1", session))
    }
}

impl std::fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionHash(..)")
    }
}

/// Hashes of different purposes never agree, although their bytes do.
pub(crate) fn tagged(tag: &[u8], bytes: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(tag).chain_update(bytes).finalize().into()
}
