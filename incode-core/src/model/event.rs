//! Webhook events (spec: "Webhook Notifications").

mod reader;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::Timestamp;

/// What happened: the `event` of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `verification.completed`, its object a verification.
    Verification,
    /// `authentication.completed`, its object an authentication.
    Authentication,
    /// A kind this version doesn't know, verbatim.
    Other(Box<str>),
}

impl EventKind {
    /// The vendor's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Verification => "verification.completed",
            Self::Authentication => "authentication.completed",
            Self::Other(name) => name,
        }
    }

    /// The `object` that goes with the kind; `None` for kinds this version doesn't know.
    pub fn object(&self) -> Option<&'static str> {
        match self {
            Self::Verification => Some("verification"),
            Self::Authentication => Some("authentication"),
            Self::Other(_) => None,
        }
    }
}

impl From<&str> for EventKind {
    fn from(name: &str) -> Self {
        match name {
            "verification.completed" => Self::Verification,
            "authentication.completed" => Self::Authentication,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The payload of a webhook as it is on the wire, borrowed from the body where that is possible.
///
/// Reading is strict where that protects: a key given twice is refused at every depth, known or not, and so are two
/// spellings of one field. It is lenient where the vendor drifts: unknown fields are skipped, optional fields may be
/// null, the name of the event may be under `event`, `event_type`, `eventType` or, in payloads of sibling products,
/// `onboardingStatus` (always [`EventKind::Other`]), and `timestamp` is a number or a numeric string, in seconds or,
/// from 10^11 on, milliseconds. A field of a wrong type is an error for the kinds of the spec, and as good as absent
/// for others.
///
/// Nothing is checked beyond types: [`webhook::parse`](crate::webhook::parse) does that.
///
/// Writing gives the spec's form: `event`, and `timestamp` in whole seconds.
///
/// ```
/// use incode_core::model::{EventKind, WebhookEvent};
/// let sent = WebhookEvent::new(EventKind::Verification, "64bb17ff915ccccb85bb45b7", "a-token");
/// let body = serde_json::to_string(&sent)?;
/// let read: WebhookEvent<'_> = serde_json::from_str(&body)?;
/// assert_eq!(read, sent);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookEvent<'a> {
    /// The token that fetches what the event points at.
    pub token: Option<Cow<'a, str>>,
    /// What happened.
    pub event: EventKind,
    /// The type of the object that `id` names, `verification` for instance.
    pub object: Option<Cow<'a, str>>,
    /// The key of the object.
    pub id: Option<Cow<'a, str>>,
    /// When it happened.
    pub timestamp: Option<Timestamp>,
    /// What the flow was started with, if the vendor repeats it (`correlation_id` or `correlationId`). Where the value is no
    /// text, `unreadable` stands in its place: it is no missing id.
    pub correlation_id: Option<Cow<'a, str>>,
}

impl<'a> WebhookEvent<'a> {
    /// The payload of an event, with the `object` that fits its kind and no time.
    pub fn new(kind: EventKind, id: impl Into<Cow<'a, str>>, token: impl Into<Cow<'a, str>>) -> Self {
        Self {
            token: Some(token.into()),
            object: kind.object().map(Cow::Borrowed),
            event: kind,
            id: Some(id.into()),
            timestamp: None,
            correlation_id: None,
        }
    }

    /// Says when it happened. Whole seconds are what is sent.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.timestamp = Some(time);
        self
    }

    /// Repeats the correlation id of the flow.
    #[must_use]
    pub fn correlated(mut self, correlation_id: impl Into<Cow<'a, str>>) -> Self {
        self.correlation_id = Some(correlation_id.into());
        self
    }
}

impl Serialize for WebhookEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("WebhookEvent", 6)?;
        if let Some(token) = &self.token {
            object.serialize_field("token", token)?;
        }
        object.serialize_field("event", self.event.as_str())?;
        if let Some(name) = &self.object {
            object.serialize_field("object", name)?;
        }
        if let Some(id) = &self.id {
            object.serialize_field("id", id)?;
        }
        if let Some(time) = self.timestamp {
            object.serialize_field("timestamp", &time.as_millis().div_euclid(1000))?;
        }
        if let Some(correlation_id) = &self.correlation_id {
            object.serialize_field("correlation_id", correlation_id)?;
        }
        object.end()
    }
}

/// Shows no token, id or correlation id: nothing of an unchecked payload but its kind and which fields it has.
impl fmt::Debug for WebhookEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEvent")
            .field("event", &self.event)
            .field("token", &self.token.is_some())
            .field("id", &self.id.is_some())
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

/// Stands for a correlation id that can't be kept as it is. It is none of ours: those are sealed, and longer.
pub(crate) const UNREADABLE_CORRELATION_ID: &str = "unreadable";
