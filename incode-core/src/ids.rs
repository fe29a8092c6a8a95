//! Identifiers. All are opaque: checked for length and characters, compared byte for byte, shortened in `Debug`.

use std::fmt;
use std::sync::Arc;

use crate::secret::{InvalidValue, is_visible_ascii};

/// The vendor's key of a person: `identityId` of userinfo.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(Arc<str>);

/// The vendor's key of a verification or an authentication: `id` of an event and of the object it points at.
///
/// The spec's own samples are no UUIDs (`196c69e0-5566-4f51-9432-dde8e225aAbc3`), so nothing is assumed of the form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(Arc<str>);

/// The application's own key of its user, an account id for instance. Looked up by us, never invented by us.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Arc<str>);

/// Who did something by hand: the audit trail's name of an administrator, or of a program that acts for one. 1 to 128
/// characters, none of them a control character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor(Arc<str>);

impl Actor {
    /// For an application that does not say who.
    pub fn unknown() -> Self {
        Self("unknown".into())
    }

    /// With the reason for what is done, which the audit trail shows behind the name: `anna: ticket 4711`.
    ///
    /// # Errors
    /// [`InvalidValue`] when both together are no actor: longer than 128 characters, or with a control character.
    pub fn because(&self, reason: &str) -> Result<Self, InvalidValue> {
        Self::new([self.as_str(), ": ", reason].concat())
    }
}

/// An id as it may be shown to people: the first four characters, or none of a short one, and `…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Masked(Box<str>);

impl Masked {
    /// What may be shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes what [`Masked::as_str`] gave, from a store.
    pub fn parse(text: &str) -> Option<Self> {
        let head = text.strip_suffix('…')?;
        (head.chars().count() <= 4).then(|| Self(text.into()))
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! identifier {
    ($name:ident, $what:literal, $max:literal, $legal:expr) => {
        impl $name {
            #[doc = concat!("Longest value taken, in bytes.")]
            pub const MAX_LEN: usize = $max;

            /// Checks length and characters.
            ///
            /// # Errors
            /// [`InvalidValue`], which never repeats the value.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidValue> {
                let text = text.as_ref();
                let legal: fn(&str) -> bool = $legal;
                if !text.is_empty() && text.len() <= Self::MAX_LEN && legal(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidValue($what))
                }
            }

            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// As it may be shown to people who need not know it whole.
            pub fn masked(&self) -> Masked {
                let head = self.0.chars().take(if self.0.len() > 8 { 4 } else { 0 });
                Masked(head.chain(['…']).collect::<String>().into())
            }
        }

        /// Shows the first four characters: enough to tell two rows of a log apart, too little to be the person.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let head: String = self.0.chars().take(if self.0.len() > 8 { 4 } else { 0 }).collect();
                write!(f, "{}({}..)", stringify!($name), head.escape_debug())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier!(IdentityId, "identity id", 128, is_path_segment);
identifier!(ObjectId, "object id", 128, is_path_segment);
identifier!(Subject, "subject", 256, |text| !text.chars().any(char::is_control));
// At most four bytes make a character.
identifier!(Actor, "actor", 512, |text| text.chars().count() <= 128 && !text.chars().any(char::is_control));

/// Visible ASCII, and not a dot segment: those would climb in a URL path even when percent-encoded.
fn is_path_segment(text: &str) -> bool {
    is_visible_ascii(text.as_bytes()) && text != "." && text != ".."
}
