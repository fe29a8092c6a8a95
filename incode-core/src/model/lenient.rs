//! Readers for `deserialize_with`: how a field is read that the vendor may drift on.
//!
//! All take any JSON value, so a surprise in one field costs that field and not the answer. The exception is ids.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{IdentityId, ObjectId, Token};

/// A string; a number or a bool as its text; anything else is absent.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text_of(Value::deserialize(deserializer)?))
}

/// A bool, or the words `true` and `false` in any case; anything else is absent.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Some(flag),
        Value::String(word) if word.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    })
}

/// A whole number, or its digits in a string; anything else is absent.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    })
}

/// One of our open words; anything but a string is absent.
pub(super) fn word<'de, D: Deserializer<'de>, W: From<String>>(deserializer: D) -> Result<Option<W>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(word) => Some(word.into()),
        _ => None,
    })
}

/// An object that reads as `T`; anything else is absent.
pub(super) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(object_of(Value::deserialize(deserializer)?))
}

/// The objects of an array that read as `T`; anything else is an empty list.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(entries) => entries.into_iter().filter_map(object_of).collect(),
        _ => Vec::new(),
    })
}

/// A token that can be sent back; anything else is absent, for it would be of no use.
pub(super) fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Token>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(token) => Token::new(token).ok(),
        _ => None,
    })
}

/// A required identity id. The error never repeats the value.
pub(super) fn identity_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IdentityId, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(id) if is_placeholder(&id) => Err(D::Error::custom("identity id is a placeholder")),
        Value::String(id) => IdentityId::new(id).map_err(D::Error::custom),
        _ => Err(D::Error::custom("identity id is no string")),
    }
}

/// What a program writes where it has no id: every person without one would be the same identity.
fn is_placeholder(id: &str) -> bool {
    const NO_IDS: [&str; 8] = ["undefined", "null", "none", "nil", "nan", "true", "false", "[object object]"];
    let id = id.trim();
    let is_zero = id.bytes().all(|byte| matches!(byte, b'0' | b'-' | b'.'));
    is_zero || NO_IDS.iter().any(|no_id| no_id.eq_ignore_ascii_case(id))
}

/// A required object id. The error never repeats the value.
pub(super) fn object_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectId, D::Error> {
    optional_object_id(deserializer)?.ok_or_else(|| D::Error::custom("object id is missing"))
}

/// An object id that may be absent, null or empty. One that is there but illegal is an error: belonging together is
/// judged by it, and "absent" would pass for "nothing to compare".
pub(super) fn optional_object_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ObjectId>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(id) if id.is_empty() => Ok(None),
        Value::String(id) => ObjectId::new(id).map(Some).map_err(D::Error::custom),
        _ => Err(D::Error::custom("object id is no string")),
    }
}

pub(super) fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Only objects: serde would also fill a struct from an array, by position.
pub(super) fn object_of<T: DeserializeOwned>(value: Value) -> Option<T> {
    if value.is_object() { T::deserialize(value).ok() } else { None }
}
