use crate::seal::{Sealer, TOKEN_AT_REST};
use crate::store::dedupe::Key;
use crate::store::{StoreError, StoreErrorKind};
use crate::{Secret, Token};

/// How tokens lie in the store: always sealed, and bound to their row, so that sealed bytes that were moved to another
/// row do not open.
#[derive(Clone)]
pub(crate) struct AtRest {
    /// Newest first: that one seals, each of them opens. Never empty.
    sealers: Vec<Sealer>,
}

/// Why a stored token can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It was wiped.
    Wiped,
    /// It was sealed with a key that this process does not have, or it is not of this row.
    Sealed,
}

impl AtRest {
    /// `keys` newest first. Old keys are kept in the list until no event is pending that they sealed.
    pub(crate) fn new(keys: &[Secret]) -> Self {
        Self { sealers: keys.iter().map(|key| Sealer::new(key, TOKEN_AT_REST)).collect() }
    }

    /// `row` binds the bytes: the object key of the event.
    pub(crate) fn seal(&self, token: &Token, row: &Key) -> Result<Vec<u8>, StoreError> {
        let sealed = self.sealers.first().and_then(|sealer| sealer.seal(token.expose().as_bytes(), row));
        sealed.ok_or_else(|| StoreError::with_source(StoreErrorKind::Failed, "a token can't be sealed"))
    }

    pub(super) fn open(&self, stored: &[u8], row: &Key) -> Result<Token, Unreadable> {
        if stored.is_empty() {
            return Err(Unreadable::Wiped);
        }
        let opened = self.sealers.iter().find_map(|sealer| sealer.open(stored, row).ok());
        let text = opened.and_then(|(_, plain)| String::from_utf8(plain).ok());
        text.and_then(|text| Token::new(text).ok()).ok_or(Unreadable::Sealed)
    }
}
