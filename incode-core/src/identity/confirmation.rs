use crate::{IdentityId, Subject, Timestamp};

/// A face authentication that passed through the application: whose it is, in which session, and for which action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The application's user.
    pub subject: Subject,
    /// The identity the face was recognised as.
    pub identity_id: IdentityId,
    /// The session it was made in. [`SessionHash::NONE`] where the application names no sessions: then it counts in
    /// every session of the subject.
    pub session: SessionHash,
    /// What it confirms. `None`: nothing in particular.
    pub action: Option<ActionHash>,
    /// When it passed, by our clock: the application itself made the call.
    pub passed_at: Timestamp,
}

/// SHA-256 of a session's id: tells sessions apart without being able to act for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHash(pub [u8; 32]);

/// SHA-256 of what a face confirms, a transfer with its amount and receiver for instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionHash(pub [u8; 32]);

impl SessionHash {
    /// Of an application that names no sessions.
    pub const NONE: Self = Self([0; 32]);

    /// Of a session's id, as the application knows it.
    pub fn of(session: &[u8]) -> Self {
        Self(tagged(b"incode session v1", session))
    }
}

impl ActionHash {
    /// Of bytes that spell the action. Two actions that differ must spell different bytes.
    pub fn of(action: &[u8]) -> Self {
        Self(tagged(b"incode action v1", action))
    }
}

fn tagged(tag: &[u8], bytes: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::new_with_prefix(tag).chain_update(bytes).finalize().into()
}

impl std::fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionHash(..)")
    }
}

impl std::fmt::Debug for ActionHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActionHash(..)")
    }
}
