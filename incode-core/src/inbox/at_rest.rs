use crate::seal::{SEALED, Sealer, TOKEN_AT_REST};
use crate::store::{StoreError, StoreErrorKind};
use crate::{Secret, Token};

/// How tokens lie in the store: sealed when there is a key, as they are otherwise. One leading byte says which, so
/// that turning the key on leaves older rows readable.
pub(crate) struct AtRest(Option<Sealer>);

impl AtRest {
    pub(crate) fn new(key: Option<&Secret>) -> Self {
        Self(key.map(|key| Sealer::new(key, TOKEN_AT_REST)))
    }

    pub(super) fn seal(&self, token: &Token) -> Result<Vec<u8>, StoreError> {
        match &self.0 {
            None => Ok([&[PLAIN], token.expose().as_bytes()].concat()),
            Some(sealer) => {
                let sealed = sealer.seal(token.expose().as_bytes(), b"");
                let sealed = sealed.ok_or_else(|| StoreError::new(StoreErrorKind::Failed))?;
                Ok([&[SEALED], sealed.as_slice()].concat())
            }
        }
    }

    /// `None` when the token was wiped, or was sealed with a key that is no longer configured.
    pub(super) fn open(&self, stored: &[u8]) -> Option<Token> {
        let (form, bytes) = stored.split_first()?;
        let plain = match (*form, &self.0) {
            (PLAIN, _) => bytes.to_vec(),
            (SEALED, Some(sealer)) => sealer.open(bytes, b"").ok()?.1,
            _ => return None,
        };
        Token::new(String::from_utf8(plain).ok()?).ok()
    }
}

const PLAIN: u8 = 0;
