use crate::identity::{Cause, Change};
use crate::store::UsedNonce;
use crate::{Subject, Timestamp};

/// What the inbox asks and tells of the parts above it, so that it depends on neither gate nor flow.
pub(crate) trait Surroundings: Send + Sync + 'static {
    /// Whose correlation id this is, if it was made here and had not expired when the event was accepted.
    fn subject_of(&self, correlation_id: &str, received_at: Timestamp) -> Option<ProvenSubject>;

    /// An identity changed: cached standings of its subjects are stale.
    fn changed(&self, change: &Change, cause: Cause);
}

/// A subject that a correlation id proves.
#[derive(Clone, Debug)]
pub(crate) struct ProvenSubject {
    pub(crate) subject: Subject,
    /// What to spend, so that the id proves it once.
    pub(crate) spend: UsedNonce,
}
