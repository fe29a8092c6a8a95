use data_encoding::HEXLOWER;

use crate::Timestamp;

use super::SubjectHash;

/// The newest failure of each of a few subjects, and the newest of all the rest.
///
/// A failure whose event names the flow of a subject counts against that subject. Every other failure counts against
/// every subject. So does a failure that there is no place for: only the newest of [`NewestFailures::MOST_NAMED`]
/// subjects are kept by name, and a failure must not be forgotten because others failed after it.
///
/// Joining keeps the maximum of each subject, so no order of events makes a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NewestFailures {
    /// Of failures that name no subject, and of named ones that were displaced: counts against every subject.
    of_any: Option<Timestamp>,
    /// Of named failures, newest first, at most [`NewestFailures::MOST_NAMED`]. Each is newer than `of_any`.
    named: Vec<(Timestamp, SubjectHash)>,
}

impl NewestFailures {
    /// How many subjects are kept by name. Each takes 46 bytes in the row of the identity. It takes one account more than
    /// this, each failing under one person's name during one flow, to keep that flow from being confirmed.
    pub const MOST_NAMED: usize = 8;

    /// Of one failure.
    pub fn one(named: Option<SubjectHash>, at: Timestamp) -> Self {
        match named {
            Some(subject) => Self { of_any: None, named: vec![(at, subject)] },
            None => Self { of_any: Some(at), named: Vec::new() },
        }
    }

    /// The newest that counts against the subject.
    pub fn of(&self, subject: SubjectHash) -> Option<Timestamp> {
        let named = self.named.iter().find(|(_, of)| *of == subject).map(|(at, _)| *at);
        named.max(self.of_any)
    }

    /// The newest of all, whomever it counts against.
    pub fn newest(&self) -> Option<Timestamp> {
        self.named.first().map(|(at, _)| *at).max(self.of_any)
    }

    /// The newer of each subject.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let mut all = [self.named, other.named].concat();
        // The newest of each subject comes first, and is kept.
        all.sort_unstable_by(|left, right| right.cmp(left));
        let mut named: Vec<(Timestamp, SubjectHash)> = Vec::new();
        for (at, subject) in all {
            if !named.iter().any(|(_, known)| *known == subject) {
                named.push((at, subject));
            }
        }
        // The newest that is displaced stands for all of them: each of them is older.
        let displaced = named.get(Self::MOST_NAMED).map(|(at, _)| *at);
        let of_any = self.of_any.max(other.of_any).max(displaced);
        // What is not newer than `of_any` adds nothing to it.
        named.retain(|(at, _)| Some(*at) > of_any);
        Self { of_any, named }
    }

    /// As a text for a store: the time for all, then each name and its time.
    pub(super) fn encode(&self) -> String {
        let mut text = self.of_any.map(|at| at.as_millis().to_string()).unwrap_or_default();
        for (at, subject) in &self.named {
            text.push_str(&format!(",{}:{}", HEXLOWER.encode(&subject.0), at.as_millis()));
        }
        text
    }

    /// Reads [`NewestFailures::encode`] back; `None` for any other text.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let time = |text: &str| text.parse().ok().map(Timestamp::from_millis);
        let mut parts = text.split(',');
        let of_any = match parts.next()? {
            "" => None,
            text => Some(time(text)?),
        };
        let unnamed = Self { of_any, named: Vec::new() };
        parts.try_fold(unnamed, |newest, part| {
            let (subject, at) = part.split_once(':')?;
            let subject = HEXLOWER.decode(subject.as_bytes()).ok()?.try_into().ok().map(SubjectHash)?;
            Some(newest.join(Self::one(Some(subject), time(at)?)))
        })
    }
}
