use crate::model::EventKind;
use crate::store::{EventDetail, EventId, EventState, Reason};
use crate::{Masked, Timestamp};

/// Everything known of one event that may be shown: no token, no correlation id, and the object id in part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Its key.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The object it points at.
    pub object_id: Option<Masked>,
    /// Where it is in its life.
    pub state: EventState,
    /// Why it waits or died.
    pub reason: Option<Reason>,
    /// Attempts made.
    pub attempts: u32,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The vendor's `timestamp`.
    pub vendor_time: Option<Timestamp>,
    /// When it is due next, while pending.
    pub due_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// What is left of its token.
    pub token: TokenState,
    /// An event of the same (kind, object id) is done, this one or another: a replay would have nothing left to do.
    pub object_done: bool,
}

/// What is left of an event's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenState {
    /// Kept: the vendor can be asked.
    Present,
    /// Wiped, or there never was one.
    Wiped,
}

impl From<EventDetail> for Inspection {
    fn from(EventDetail { row, vendor_time, has_token, object_done }: EventDetail) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            object_id: row.object_id.map(|id| id.masked()),
            state: row.state,
            reason: row.reason,
            attempts: row.attempts,
            received_at: row.received_at,
            vendor_time,
            due_at: row.due_at,
            settled_at: row.settled_at,
            token: if has_token { TokenState::Present } else { TokenState::Wiped },
            object_done,
        }
    }
}
