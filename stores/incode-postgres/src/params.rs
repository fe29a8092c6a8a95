//! Parameters of statements.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// A parameter with its type. Statements that name their types need no prepared statement, which a transaction pooler
/// would lose.
///
/// Its `Debug` shows nothing: the client's own debug log may print parameters, and tokens are among them.
pub(crate) struct Param {
    value: Box<dyn ToSql + Send + Sync>,
    pub(crate) kind: Type,
}

/// The parameters of one statement, each by its `From`.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::params::Param::from($value)),*] };
}

impl Param {
    /// Keeps the value with its type. The types are this file's own: a caller can't pair a value with a wrong one.
    fn new(value: impl ToSql + Send + Sync + 'static, kind: Type) -> Self {
        Self { value: Box::new(value), kind }
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Param(..)")
    }
}

impl ToSql for Param {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.value.to_sql_checked(kind, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.value.to_sql_checked(kind, out)
    }

    fn encode_format(&self, kind: &Type) -> Format {
        self.value.encode_format(kind)
    }
}

/// One `From` for each Rust type that statements use, with its type in PostgreSQL.
macro_rules! from_values {
    ($($value:ty => $kind:ident),+ $(,)?) => {
        $(impl From<$value> for Param {
            fn from(value: $value) -> Self {
                Self::new(value, Type::$kind)
            }
        })+
    };
}

from_values! {
    bool => BOOL,
    i32 => INT4,
    i64 => INT8,
    Option<i64> => INT8,
    Vec<u8> => BYTEA,
    Option<Vec<u8>> => BYTEA,
    Vec<bool> => BOOL_ARRAY,
    Vec<i32> => INT4_ARRAY,
    Vec<i64> => INT8_ARRAY,
    Vec<Option<i64>> => INT8_ARRAY,
    Vec<Vec<u8>> => BYTEA_ARRAY,
    Vec<Option<Vec<u8>>> => BYTEA_ARRAY,
    Vec<String> => TEXT_ARRAY,
    Vec<Option<String>> => TEXT_ARRAY,
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::new(stored(text), Type::TEXT)
    }
}

impl From<Option<&str>> for Param {
    fn from(text: Option<&str>) -> Self {
        Self::new(text.map(stored), Type::TEXT)
    }
}

impl From<&[u8]> for Param {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<&IdentityId> for Param {
    fn from(id: &IdentityId) -> Self {
        id.as_str().into()
    }
}

impl From<Option<&IdentityId>> for Param {
    fn from(id: Option<&IdentityId>) -> Self {
        id.map(IdentityId::as_str).into()
    }
}

impl From<Option<&ObjectId>> for Param {
    fn from(id: Option<&ObjectId>) -> Self {
        id.map(ObjectId::as_str).into()
    }
}

impl From<&Subject> for Param {
    fn from(subject: &Subject) -> Self {
        subject.as_str().into()
    }
}

impl From<Option<&Subject>> for Param {
    fn from(subject: Option<&Subject>) -> Self {
        subject.map(Subject::as_str).into()
    }
}

impl From<Timestamp> for Param {
    fn from(at: Timestamp) -> Self {
        at.as_millis().into()
    }
}

impl From<Option<Timestamp>> for Param {
    fn from(at: Option<Timestamp>) -> Self {
        at.map(Timestamp::as_millis).into()
    }
}

/// A number of rows: what does not fit is as many as there can be.
impl From<u64> for Param {
    fn from(rows: u64) -> Self {
        i64::try_from(rows).unwrap_or(i64::MAX).into()
    }
}

/// A text as PostgreSQL holds it: it takes every character but one.
pub(crate) fn stored(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
