use std::collections::BTreeMap;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::model::UserInfo;
use crate::seal::Sealer;
use crate::{IdentityId, Secret, Timestamp};

use super::{Field, Observation, PersonalData, RetainedField};

/// Turns what the vendor says into an [`Observation`]. The one place that decides what becomes of personal data: it is
/// left behind, but for the fields that are kept, and those are sealed here.
pub(crate) struct Observer(Option<Retaining>);

struct Retaining {
    /// Newest first: that one seals, each of them opens. Never empty.
    sealers: Vec<Sealer>,
    retention: BTreeMap<Field, Duration>,
}

impl Observer {
    /// Keeps nothing.
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// Keeps these fields, each for so long after it was asked for.
    pub(crate) fn retaining(keys: &[Secret], retention: BTreeMap<Field, Duration>) -> Self {
        let sealers = keys.iter().map(|key| Sealer::new(key, "personal field at rest")).collect();
        Self(Some(Retaining { sealers, retention }))
    }

    /// Whether the application opted in to this field.
    pub(crate) fn keeps(&self, field: Field) -> bool {
        self.0.as_ref().is_some_and(|keeping| keeping.retention.contains_key(&field))
    }

    /// What userinfo says, asked at `sent_at`. [`super::Directory::observe`] is the one caller.
    pub(super) fn observe(&self, person: &UserInfo, sent_at: Timestamp) -> Observation {
        let mut seen = Observation::of(person, sent_at);
        if let Some(keeping) = &self.0 {
            let kept =
                keeping.retention.iter().filter_map(|(field, span)| keeping.seal(*field, *span, person, sent_at));
            seen.fields = kept.collect();
        }
        seen
    }

    /// What can still be read of `kept`. Fields that are no longer to be kept are not.
    pub(crate) fn reveal(&self, id: &IdentityId, kept: &[RetainedField]) -> PersonalData {
        let Some(keeping) = &self.0 else { return PersonalData::default() };
        let wanted = kept.iter().filter(|kept| keeping.retention.contains_key(&kept.field));
        let opened: Vec<_> = wanted.map(|kept| keeping.open(id, kept)).collect();
        let unreadable = opened.iter().filter(|text| text.is_none()).count();
        if unreadable > 0 {
            tracing::warn!(unreadable, "kept fields do not open with this store key");
        }
        PersonalData::new(opened.into_iter().flatten())
    }
}

impl Retaining {
    /// Without randomness nothing can be sealed: then the field is left behind, and the standing counts all the same.
    fn seal(&self, field: Field, retention: Duration, person: &UserInfo, sent_at: Timestamp) -> Option<RetainedField> {
        let text = field.of(person)?;
        let sealed =
            self.sealers.first().and_then(|sealer| sealer.seal(text.as_bytes(), &context(&person.identity_id, field)));
        if sealed.is_none() {
            tracing::warn!(field = field.as_str(), "a field was not kept: the system has no randomness to give");
        }
        Some(RetainedField { field, sealed: sealed?, expires_at: sent_at.after(retention) })
    }

    fn open(&self, id: &IdentityId, kept: &RetainedField) -> Option<(Field, Zeroizing<String>)> {
        let context = context(id, kept.field);
        let (_, plain) = self.sealers.iter().find_map(|sealer| sealer.open(&kept.sealed, &context).ok())?;
        Some((kept.field, Zeroizing::new(String::from_utf8(plain).ok()?)))
    }
}

/// Binds sealed bytes to their row: moved to another person or another field, they do not open. An id has no NUL.
fn context(id: &IdentityId, field: Field) -> Vec<u8> {
    [id.as_str(), field.as_str()].join("\0").into_bytes()
}

#[cfg(test)]
mod tests;
