use crate::session::{self, SessionHash};
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

/// SHA-256 of what a face confirms, a transfer with its amount and receiver for instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionHash(pub [u8; 32]);

impl ActionHash {
    /// Of bytes that spell the action. Two actions that differ must spell different bytes.
    pub fn of(action: &[u8]) -> Self {
        Self(session::tagged(b"incode action v1", action))
    }
}

impl std::fmt::Debug for ActionHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActionHash(..)")
    }
}
