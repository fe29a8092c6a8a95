//! Reads a payload in one pass: no intermediate tree, no allocation for a payload of the spec.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{EventKind, UNREADABLE_CORRELATION_ID, WebhookEvent};
use crate::Timestamp;

impl<'de> serde::Deserialize<'de> for WebhookEvent<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Payload)
    }
}

struct Payload;

impl<'de> Visitor<'de> for Payload {
    type Value = WebhookEvent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        let mut unknown = UniqueKeys::default();
        while let Some(Key(name)) = map.next_key_seed(KeySeed)? {
            let Some(slot) = fields.slot(&name) else {
                fields.note_other_case(&name)?;
                unknown.insert(name)?;
                map.next_value_seed(ValueSeed)?;
                continue;
            };
            if slot.value.is_some() || slot.other_case {
                return Err(A::Error::custom(TWICE));
            }
            slot.value = Some(map.next_value_seed(ValueSeed)?);
        }
        fields.into_event()
    }
}

/// What was read of each field that the event is made of.
#[derive(Default)]
struct Fields<'de> {
    token: Slot<'de>,
    event: Slot<'de>,
    object: Slot<'de>,
    id: Slot<'de>,
    timestamp: Slot<'de>,
    correlation_id: Slot<'de>,
    event_is_status: bool,
}

#[derive(Default)]
struct Slot<'de> {
    /// `None` until the key was seen, so that a null can't hide a second value.
    value: Option<Value<'de>>,
    /// A key that differs from the field's in case alone was seen. It is no spelling of the field. Beside the field it is
    /// a duplicate: parsers that ignore case, as some of Java and C# do, would read the other value.
    other_case: bool,
}

impl<'de> Fields<'de> {
    /// One slot per field, whatever the spelling: two spellings of one field share it.
    fn slot(&mut self, name: &str) -> Option<&mut Slot<'de>> {
        Some(match name {
            "token" => &mut self.token,
            "event" | "event_type" | "eventType" => &mut self.event,
            "onboardingStatus" => {
                self.event_is_status = true;
                &mut self.event
            }
            "object" => &mut self.object,
            "id" => &mut self.id,
            "timestamp" => &mut self.timestamp,
            "correlation_id" | "correlationId" => &mut self.correlation_id,
            _ => return None,
        })
    }

    /// For a name that is no field: marks the field whose name it is but for case.
    ///
    /// # Errors
    /// That field was given already.
    fn note_other_case<E: Error>(&mut self, name: &str) -> Result<(), E> {
        let folded = folded(Cow::Borrowed(name));
        let slot = match &*folded {
            "token" => &mut self.token,
            "event" | "event_type" | "eventtype" | "onboardingstatus" => &mut self.event,
            "object" => &mut self.object,
            "id" => &mut self.id,
            "timestamp" => &mut self.timestamp,
            "correlation_id" | "correlationid" => &mut self.correlation_id,
            _ => return Ok(()),
        };
        if slot.value.is_some() || std::mem::replace(&mut slot.other_case, true) {
            return Err(E::custom(TWICE));
        }
        Ok(())
    }

    fn into_event<E: Error>(self) -> Result<WebhookEvent<'de>, E> {
        let Some(Value::Text(name)) = self.event.value else {
            return Err(E::custom("no name of an event"));
        };
        let event = EventKind::from(name.as_ref());
        let known = event.object().is_some();
        if known && self.event_is_status {
            // Stored by its name, a status of that name would come back as the event.
            return Err(E::custom("a status with the name of an event"));
        }
        Ok(WebhookEvent {
            token: text(self.token.value, known)?,
            event,
            object: text(self.object.value, known)?,
            id: text(self.id.value, known)?,
            timestamp: time(self.timestamp.value, known)?,
            // Never needed to apply an event, so never a reason to refuse one.
            correlation_id: named(self.correlation_id.value),
        })
    }
}

fn text<'de, E: Error>(value: Option<Value<'de>>, strict: bool) -> Result<Option<Cow<'de, str>>, E> {
    match value {
        Some(Value::Text(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(Value::Millis(_) | Value::Unusable) if !strict => Ok(None),
        Some(Value::Millis(_) | Value::Unusable) => Err(E::custom("a field that should be text")),
    }
}

/// A correlation id of another type, a list for instance, is not a missing one.
fn named(value: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    match value {
        Some(Value::Text(text)) => Some(text),
        None | Some(Value::Null) => None,
        Some(Value::Millis(_) | Value::Unusable) => Some(Cow::Borrowed(UNREADABLE_CORRELATION_ID)),
    }
}

fn time<E: Error>(value: Option<Value<'_>>, strict: bool) -> Result<Option<Timestamp>, E> {
    let millis = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Millis(millis)) => Some(millis),
        Some(Value::Text(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok().and_then(millis_of_integer)
        }
        Some(Value::Text(_) | Value::Unusable) => None,
    };
    if millis.is_none() && strict {
        return Err(E::custom("a time that is none"));
    }
    Ok(millis.map(Timestamp::from_millis))
}

/// A value, as far as any field has use for it. Nested values are walked for their keys, then dropped.
enum Value<'de> {
    Null,
    Text(Cow<'de, str>),
    /// A number read as a time.
    Millis(i64),
    Unusable,
}

struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Unusable)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(number_value(millis_of_integer(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(number_value(u64::try_from(number).ok().and_then(millis_of_integer)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(number_value(millis_of_fraction(number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element_seed(Self)?.is_some() {}
        Ok(Value::Unusable)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = UniqueKeys::default();
        let mut value = Value::Unusable;
        while let Some(Key(name)) = map.next_key_seed(KeySeed)? {
            if name == NUMBER_IN_DISGUISE {
                let text: Cow<'de, str> = match map.next_value_seed(Self)? {
                    Value::Text(text) => text,
                    _ => Cow::Borrowed(""),
                };
                value = number_value(millis_of_text(&text));
            } else {
                map.next_value_seed(Self)?;
            }
            keys.insert(name)?;
        }
        Ok(value)
    }
}

fn number_value(millis: Option<i64>) -> Value<'static> {
    millis.map_or(Value::Unusable, Value::Millis)
}

fn millis_of_integer(number: u64) -> Option<i64> {
    let millis = if number >= FIRST_MILLIS { number } else { number.checked_mul(1000)? };
    i64::try_from(millis).ok().filter(|millis| *millis <= LAST_MILLIS)
}

/// Java's own JSON writers give an instant as seconds with a fraction.
fn millis_of_fraction(number: f64) -> Option<i64> {
    let millis = if number >= FIRST_MILLIS as f64 { number } else { number * 1000.0 };
    (millis >= 0.0 && millis <= LAST_MILLIS as f64).then_some(millis as i64)
}

fn millis_of_text(text: &str) -> Option<i64> {
    match text.parse() {
        Ok(integer) => millis_of_integer(integer),
        Err(_) => text.parse().ok().and_then(millis_of_fraction),
    }
}

/// The keys of one object, in lower case: keys that differ in case alone count as duplicates.
///
/// Hashed, because a body of 64 KiB holds enough short keys to make comparing each with each expensive. Nothing is
/// allocated before the first key.
#[derive(Default)]
struct UniqueKeys<'de>(HashSet<Cow<'de, str>>);

impl<'de> UniqueKeys<'de> {
    fn insert<E: Error>(&mut self, name: Cow<'de, str>) -> Result<(), E> {
        let name = folded(name);
        if self.0.insert(name) { Ok(()) } else { Err(E::custom(TWICE)) }
    }
}

/// In lower case; most names are already, and are not copied.
fn folded(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return name;
    }
    Cow::Owned(name.to_lowercase())
}

struct Key<'de>(Cow<'de, str>);

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}

const TWICE: &str = "a field is given twice";

/// Numbers from here on are milliseconds: as seconds they would be past the year 5000.
const FIRST_MILLIS: u64 = 100_000_000_000;

/// The end of the year 9999. What is later is no time, and would not fit the stores' calendars.
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// How serde_json hands over a number when some crate of the program turned its `arbitrary_precision` feature on.
const NUMBER_IN_DISGUISE: &str = "$serde_json::private::Number";
