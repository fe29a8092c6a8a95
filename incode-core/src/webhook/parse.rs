use std::borrow::Cow;
use std::fmt;

use serde_json::error::Category;

use crate::model::{EventKind, UNREADABLE_CORRELATION_ID, WebhookEvent};
use crate::secret::is_visible_ascii;
use crate::{ObjectId, Timestamp, Token};

mod unread;

#[cfg(test)]
mod tests;

/// Reads the body of a delivery: UTF-8, exactly one JSON object, nothing after it.
///
/// - The kinds of the spec need a legal token and id.
/// - Other kinds are kept by name and may lack both: they are stored as ignored.
/// - A field that is not read may hold what JSON allows and Rust has no value for: a lone surrogate (`"\ud800"`), a
///   number that overflows (`1e400`).
///
/// How keys and types are read is documented at [`WebhookEvent`].
///
/// # Errors
/// [`ParseError`], which never repeats anything of the body.
pub fn parse(body: &[u8]) -> Result<Event, ParseError> {
    let text = std::str::from_utf8(body).map_err(|_| ParseError(ParseErrorKind::NotUtf8))?;
    parse_text(text).or_else(|error| {
        // Most bodies never get here. A second refusal is reported as the first: it was made of the body as sent.
        let replaced = unread::replaced(text).ok_or(error)?;
        parse_text(&replaced).map_err(|_| error)
    })
}

fn parse_text(text: &str) -> Result<Event, ParseError> {
    let wire: WebhookEvent<'_> = serde_json::from_str(text).map_err(|error| {
        // The error itself quotes the body, so its category is all that is kept.
        ParseError(match error.classify() {
            Category::Data => ParseErrorKind::NotAnEvent,
            Category::Io | Category::Syntax | Category::Eof => ParseErrorKind::NotJson,
        })
    })?;
    if wire.event.object().is_some() { known(wire) } else { unknown(wire) }
}

/// A delivery that was parsed: what happened to which object, and the token to ask the vendor with.
///
/// By itself it proves nothing and grants nothing.
#[derive(Clone)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The object it points at. Always there for the kinds of the spec.
    pub object_id: Option<ObjectId>,
    /// The token to fetch it with. Always there for the kinds of the spec, never for others.
    pub token: Option<Token>,
    /// What the flow was started with, if the vendor repeats it: at most [`Event::MAX_CORRELATION_ID`] visible ASCII
    /// characters. `unreadable` stands for anything else: an event that names a flow is not taken for one that names none.
    /// An empty text is none.
    pub correlation_id: Option<String>,
    /// The vendor's `timestamp`.
    pub vendor_time: Option<Timestamp>,
    /// True when `object` names something else than the kind is about: the pieces do not belong together, so the
    /// event is to be stored dead and never applied.
    pub mismatched: bool,
}

impl Event {
    /// Longest name of an unknown kind, in characters.
    pub const MAX_KIND: usize = 64;

    /// Longest correlation id, in bytes: the longest one made here has 1,090.
    pub const MAX_CORRELATION_ID: usize = 2048;
}

/// Leaves token and correlation id out, and shortens the id.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .field("object_id", &self.object_id)
            .field("vendor_time", &self.vendor_time)
            .field("mismatched", &self.mismatched)
            .finish_non_exhaustive()
    }
}

/// A body is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError(ParseErrorKind);

/// In which way a body is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON: a syntax error, trailing bytes, nested too deep; or a field that is read holds a lone surrogate or a
    /// number out of range.
    NotJson,
    /// JSON, but no event: no object, a key given twice (also in another case), a field missing or of a wrong type.
    NotAnEvent,
    /// An event whose token, id or name has an illegal length or character.
    IllegalValue,
}

impl ParseError {
    /// In which way.
    pub fn kind(&self) -> ParseErrorKind {
        self.0
    }

    pub(super) fn as_str(self) -> &'static str {
        match self.0 {
            ParseErrorKind::NotUtf8 => "the body is not UTF-8",
            ParseErrorKind::NotJson => "the body is not JSON",
            ParseErrorKind::NotAnEvent => "the body is not an event",
            ParseErrorKind::IllegalValue => "a field has an illegal length or character",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for ParseError {}

fn known(wire: WebhookEvent<'_>) -> Result<Event, ParseError> {
    let (Some(id), Some(token)) = (wire.id, wire.token) else {
        return Err(ParseError(ParseErrorKind::NotAnEvent));
    };
    let illegal = |_| ParseError(ParseErrorKind::IllegalValue);
    let mismatched = match (&wire.object, wire.event.object()) {
        (Some(named), Some(fitting)) => !named.eq_ignore_ascii_case(fitting),
        _ => false,
    };
    Ok(Event {
        kind: wire.event,
        object_id: Some(ObjectId::new(id).map_err(illegal)?),
        token: Some(Token::new(token).map_err(illegal)?),
        correlation_id: wire.correlation_id.and_then(correlation_id),
        vendor_time: wire.timestamp,
        mismatched,
    })
}

fn unknown(wire: WebhookEvent<'_>) -> Result<Event, ParseError> {
    let name = wire.event.as_str();
    if name.is_empty() || name.chars().count() > Event::MAX_KIND || name.chars().any(char::is_control) {
        return Err(ParseError(ParseErrorKind::IllegalValue));
    }
    Ok(Event {
        kind: wire.event,
        object_id: wire.id.and_then(|id| ObjectId::new(id).ok()),
        token: None,
        correlation_id: wire.correlation_id.and_then(correlation_id),
        vendor_time: wire.timestamp,
        mismatched: false,
    })
}

fn correlation_id(text: Cow<'_, str>) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let is_legal = text.len() <= Event::MAX_CORRELATION_ID && is_visible_ascii(text.as_bytes());
    Some(if is_legal { text.into_owned() } else { UNREADABLE_CORRELATION_ID.to_owned() })
}
