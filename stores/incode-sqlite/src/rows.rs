//! Reads columns. An error says which column can't be read, never what it held.

use incode_core::model::EventKind;
use incode_core::store::EventState;
use incode_core::{IdentityId, ObjectId, Subject, Timestamp};
use rusqlite::Row;
use rusqlite::types::Type;

/// The kind of an event. An unknown one is kept as it is.
pub(crate) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<EventKind> {
    Ok(EventKind::from(row.get_ref(column)?.as_str()?))
}

/// The state of an event. An unknown one is an error: a newer version wrote it.
pub(crate) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<EventState> {
    required(EventState::parse(text(row, column)?), column, "state")
}

/// Ids are checked when they are read, as when they are written: another program may have changed a row.
pub(crate) fn identity_id(row: &Row<'_>, column: usize) -> rusqlite::Result<IdentityId> {
    required(IdentityId::new(text(row, column)?).ok(), column, "identity id")
}

/// See [`identity_id`].
pub(crate) fn subject(row: &Row<'_>, column: usize) -> rusqlite::Result<Subject> {
    required(Subject::new(text(row, column)?).ok(), column, "subject")
}

/// See [`identity_id`].
pub(crate) fn object_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ObjectId> {
    required(ObjectId::new(text(row, column)?).ok(), column, "object id")
}

/// An instant, in milliseconds since 1970.
pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// `None` where the column is NULL, else what `read` gives.
pub(crate) fn maybe<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&Row<'_>, usize) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}

/// An instant that may be NULL.
pub(crate) fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    maybe(row, column, time)
}

/// A text, borrowed from the row.
pub(crate) fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref(column)?.as_str()?)
}

/// A text of its own, for columns that may be NULL.
pub(crate) fn text_of(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    row.get(column)
}

/// Bytes of a fixed length: a hash or a key.
pub(crate) fn bytes<const N: usize>(row: &Row<'_>, column: usize) -> rusqlite::Result<[u8; N]> {
    required(<[u8; N]>::try_from(row.get_ref(column)?.as_blob()?).ok(), column, "bytes")
}

/// The number of the next lease: odd while it holds, so that an opener knows the leases of a process that died.
pub(crate) fn next_lease(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    Ok(row.get::<_, i64>(column)?.saturating_add(1) | 1)
}

/// A value that this program did not write.
pub(crate) fn required<T>(value: Option<T>, column: usize, what: &'static str) -> rusqlite::Result<T> {
    value.ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("unreadable {what}").into())
    })
}

/// As the column keeps it.
pub(crate) fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_millis)
}
