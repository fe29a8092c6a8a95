//! What an application's asynchronous code answers when it is asked for the user of a request.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use crate::{InvalidValue, SessionHash, Subject};

/// The user of a request, as the application named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifiedUser {
    /// The application's key of the user.
    pub subject: Subject,
    /// The session, where the application named it together with the user.
    pub session: Option<SessionHash>,
}

/// The user of a request, or none. `Err`: the application named a key that is no [`Subject`]. Such a request is refused,
/// because a user with an unusable key is not the same as no user.
pub type FoundUser = Result<Option<IdentifiedUser>, InvalidValue>;

/// A key of the application's users: text, an integer, a `Uuid` (feature `uuid`), or a [`Subject`]; with a [`SessionHash`]
/// beside it where the application names sessions.
///
/// Other types say by themselves how they are written: `user.id.to_string()`. Not each `Display` is a key. One that
/// shortens or masks would make two users one.
pub trait UserKey {
    /// Checks the key.
    ///
    /// # Errors
    /// [`InvalidValue`] when the key is no [`Subject`]: it is empty, longer than 256 bytes, or has a control character.
    fn into_user(self) -> Result<IdentifiedUser, InvalidValue>;
}

/// What the application's code may return: `Option<K>`, or `Result<Option<K>, R>` where `R` is the answer to send instead.
pub trait IdentifyOutcome {
    /// The application's own answer.
    type Answer;

    /// The user that was found.
    ///
    /// # Errors
    /// The application's own answer.
    fn into_found(self) -> Result<FoundUser, Self::Answer>;
}

impl<K: UserKey> IdentifyOutcome for Option<K> {
    type Answer = Infallible;

    fn into_found(self) -> Result<FoundUser, Infallible> {
        Ok(self.map(UserKey::into_user).transpose())
    }
}

impl<K: UserKey, R> IdentifyOutcome for Result<Option<K>, R> {
    type Answer = R;

    fn into_found(self) -> Result<FoundUser, R> {
        self.map(|user| user.map(UserKey::into_user).transpose())
    }
}

impl UserKey for Subject {
    fn into_user(self) -> Result<IdentifiedUser, InvalidValue> {
        Ok(IdentifiedUser { subject: self, session: None })
    }
}

impl<K: UserKey> UserKey for (K, SessionHash) {
    fn into_user(self) -> Result<IdentifiedUser, InvalidValue> {
        let (key, session) = self;
        Ok(IdentifiedUser { session: Some(session), ..key.into_user()? })
    }
}

macro_rules! text_keys {
    ($($text:ty),*) => { $(
        impl UserKey for $text {
            fn into_user(self) -> Result<IdentifiedUser, InvalidValue> {
                Subject::new(self)?.into_user()
            }
        }
    )* };
}

macro_rules! integer_keys {
    ($($integer:ty),*) => { $(
        impl UserKey for $integer {
            fn into_user(self) -> Result<IdentifiedUser, InvalidValue> {
                self.to_string().into_user()
            }
        }
    )* };
}

/// The hyphenated form, in small letters.
#[cfg(feature = "uuid")]
#[cfg_attr(docsrs, doc(cfg(feature = "uuid")))]
impl UserKey for uuid::Uuid {
    fn into_user(self) -> Result<IdentifiedUser, InvalidValue> {
        self.hyphenated().to_string().into_user()
    }
}

text_keys!(String, &str, &String, Cow<'_, str>, Box<str>, Arc<str>);
integer_keys!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);
