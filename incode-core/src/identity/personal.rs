use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::Field;

/// The personal fields that are kept of an identity, open. Wiped when dropped; shows nothing of them in `Debug`, and
/// does not serialise: code that passes a field on names it.
#[derive(Default)]
pub struct PersonalData(BTreeMap<Field, Zeroizing<String>>);

impl PersonalData {
    pub(super) fn new(fields: impl IntoIterator<Item = (Field, Zeroizing<String>)>) -> Self {
        Self(fields.into_iter().collect())
    }

    /// What the vendor wrote, verbatim. `None`: it never did, it is not kept, its time is over, or it was sealed with
    /// another key.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.0.get(&field).map(|text| text.as_str())
    }

    /// Which fields are there.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.0.keys().copied()
    }
}

impl fmt::Debug for PersonalData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonalData(..)")
    }
}
