use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::{Subject, Timestamp};

mod newest;

pub use newest::NewestFailures;

/// How one verification or authentication ended, as the vendor says when it is asked about it.
///
/// Only VERIFIED and `pass` are a pass. Every other status is not: failed, pending review, unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// VERIFIED or `pass`.
    pub passed: bool,
    /// `createdAt`, by the vendor's clock. `None` when it is missing or can't be read.
    pub made_at: Option<Timestamp>,
    /// When the event that names the check was accepted, by our clock.
    pub received_at: Timestamp,
    /// The sender of that event proved to be the vendor.
    pub authenticated: bool,
    /// The flow that the event names by a correlation id.
    pub flow: NamedFlow,
}

/// The flow that the event of a check names, by the correlation id that it repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamedFlow {
    /// None: the event repeats no correlation id, or its sender is unknown. The check may belong to any flow.
    #[default]
    Unnamed,
    /// A flow that this subject began here, whether or not its correlation id has expired since. The check belongs to
    /// that subject's flow and to no other.
    Of(Subject),
    /// One that did not begin here: the correlation id is not ours. A pass then belongs to no flow of ours. A failure may
    /// belong to any of them, because a person can change the id on the way to the vendor's page.
    Foreign,
}

/// The newest checks of an identity: what decides whether a hosted flow was passed.
///
/// Every part keeps its maximum, so the order in which events are applied makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Checks {
    /// The newest pass with a known time, by the vendor's clock.
    pub passed_at: Option<Timestamp>,
    /// Whose flow that pass belongs to, where its authenticated event repeats the correlation id.
    pub passed_for: Option<SubjectHash>,
    /// When the newest authenticated event was accepted whose check passed at an unknown time. By our clock.
    pub untimed_pass_received_at: Option<Timestamp>,
    /// As `passed_for`, of the pass at an unknown time.
    pub untimed_pass_for: Option<SubjectHash>,
    /// When the newest event was accepted whose check failed at a known time. By our clock.
    pub failed_received_at: NewestFailures,
    /// When the newest check was made that did not pass, by the vendor's clock.
    pub failed_at: NewestFailures,
    /// When the newest event was accepted whose check failed at an unknown time. By our clock.
    pub untimed_failure_received_at: NewestFailures,
}

impl Checks {
    /// As one text for a store: engines keep it and do not look into it.
    pub fn encode(&self) -> String {
        let time = |at: Option<Timestamp>| at.map(|at| at.as_millis().to_string()).unwrap_or_default();
        let hash = |hash: Option<SubjectHash>| hash.map(|hash| HEXLOWER.encode(&hash.0)).unwrap_or_default();
        [
            time(self.passed_at),
            hash(self.passed_for),
            time(self.untimed_pass_received_at),
            hash(self.untimed_pass_for),
            self.failed_received_at.encode(),
            self.failed_at.encode(),
            self.untimed_failure_received_at.encode(),
        ]
        .join(";")
    }

    /// Reads [`Checks::encode`] back; `None` for any other text.
    pub fn decode(text: &str) -> Option<Self> {
        let parts: [&str; 7] = text.split(';').collect::<Vec<_>>().try_into().ok()?;
        let [passed_at, passed_for, untimed_pass, untimed_for, failed_received, failed_at, untimed_failure] = parts;
        let time = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().map(|millis| Some(Timestamp::from_millis(millis))),
        };
        let hash = |text: &str| match text {
            "" => Some(None),
            text => HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(|hash| Some(SubjectHash(hash))),
        };
        Some(Self {
            passed_at: time(passed_at)?,
            passed_for: hash(passed_for)?,
            untimed_pass_received_at: time(untimed_pass)?,
            untimed_pass_for: hash(untimed_for)?,
            failed_received_at: NewestFailures::decode(failed_received)?,
            failed_at: NewestFailures::decode(failed_at)?,
            untimed_failure_received_at: NewestFailures::decode(untimed_failure)?,
        })
    }

    /// With one more check.
    #[must_use]
    pub fn with(self, check: &Check) -> Self {
        self.join(Self::of(check))
    }

    fn of(check: &Check) -> Self {
        let named = match check.flow() {
            NamedFlow::Of(subject) => Some(SubjectHash::of(subject)),
            NamedFlow::Unnamed => None,
            // A pass of no flow of ours decides about none.
            NamedFlow::Foreign if check.passed => return Self::default(),
            NamedFlow::Foreign => None,
        };
        let received_at = check.received_at;
        match (check.passed, check.made_at) {
            (true, Some(made_at)) => Self { passed_at: Some(made_at), passed_for: named, ..Self::default() },
            (true, None) if check.authenticated => {
                Self { untimed_pass_received_at: Some(received_at), untimed_pass_for: named, ..Self::default() }
            }
            (true, None) => Self::default(),
            (false, Some(made_at)) => Self {
                failed_received_at: NewestFailures::one(named, received_at),
                failed_at: NewestFailures::one(named, made_at),
                ..Self::default()
            },
            (false, None) => {
                Self { untimed_failure_received_at: NewestFailures::one(named, received_at), ..Self::default() }
            }
        }
    }

    /// The newer of each part.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        // Of one check that was seen with its flow and without, the flow stays known.
        let (passed_at, passed_for) = (self.passed_at, self.passed_for).max((other.passed_at, other.passed_for));
        let untimed = |checks: &Self| (checks.untimed_pass_received_at, checks.untimed_pass_for);
        let (untimed_pass_received_at, untimed_pass_for) = untimed(&self).max(untimed(&other));
        Self {
            passed_at,
            passed_for,
            untimed_pass_received_at,
            untimed_pass_for,
            failed_received_at: self.failed_received_at.join(other.failed_received_at),
            failed_at: self.failed_at.join(other.failed_at),
            untimed_failure_received_at: self.untimed_failure_received_at.join(other.untimed_failure_received_at),
        }
    }
}

/// When a hosted flow ran. A check belongs to the flow when it was made in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowWindow {
    /// When the subject left for the vendor's page, by our clock.
    pub began_at: Timestamp,
    /// The same by the vendor's clock.
    pub vendor_began_at: Timestamp,
    /// When the subject came back, by the vendor's clock.
    pub vendor_returned_at: Timestamp,
}

impl FlowWindow {
    /// Whether a check that passed belongs to this flow: made between start and return, with a minute of tolerance
    /// for clocks. Where its time is unknown, an authenticated event that was accepted since the start.
    pub fn is_passed_by(&self, check: &Check, subject: &Subject) -> bool {
        self.has_pass(&Checks::of(check), subject)
    }

    /// Whether a check that did not pass belongs to this flow, which `subject` began.
    pub fn is_failed_by(&self, check: &Check, subject: &Subject) -> bool {
        self.has_failure(&Checks::of(check), subject)
    }

    /// Whether one of the newest checks is a pass of this flow, which `subject` began. A check that names the flow of
    /// another subject is not.
    pub fn has_pass(&self, checks: &Checks, subject: &Subject) -> bool {
        let is_own = |named: Option<SubjectHash>| named.is_none_or(|named| named == SubjectHash::of(subject));
        let from = self.vendor_began_at.before(CLOCK_TOLERANCE);
        let until = self.vendor_returned_at.after(CLOCK_TOLERANCE);
        let is_timed = checks.passed_at.is_some_and(|at| from <= at && at <= until);
        let is_untimed = checks.untimed_pass_received_at.is_some_and(|at| at >= self.began_at);
        (is_timed && is_own(checks.passed_for)) || (is_untimed && is_own(checks.untimed_pass_for))
    }

    /// Whether one of the newest checks is a failure of this flow, which `subject` began: accepted since the start, and
    /// not made before it. A failure that names the flow of another subject is not. One that names no flow is, because
    /// it may be of this one.
    ///
    /// Without the tolerance of a pass: a person who failed starts again at once, and must not fail by the old check.
    pub fn has_failure(&self, checks: &Checks, subject: &Subject) -> bool {
        let subject = SubjectHash::of(subject);
        let is_received = |newest: &NewestFailures| newest.of(subject).is_some_and(|at| at >= self.began_at);
        let is_made = checks.failed_at.of(subject).is_some_and(|at| at >= self.vendor_began_at.before(CLOCK_GRAIN));
        (is_received(&checks.failed_received_at) && is_made) || is_received(&checks.untimed_failure_received_at)
    }
}

impl Check {
    /// The flow that the event names. Anyone may write a correlation id into an event that they make up.
    fn flow(&self) -> &NamedFlow {
        if self.authenticated { &self.flow } else { &NamedFlow::Unnamed }
    }
}

/// Truncated SHA-256 of a subject. It distinguishes subjects in the row of an identity without naming them there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectHash(pub [u8; 16]);

impl SubjectHash {
    /// Of a subject.
    pub fn of(subject: &Subject) -> Self {
        use sha2::{Digest, Sha256};
        let digest = Sha256::new_with_prefix(b"incode subject v1").chain_update(subject.as_str()).finalize();
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(digest) {
            *to = from;
        }
        Self(hash)
    }
}

impl std::fmt::Debug for SubjectHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectHash(..)")
    }
}

/// How far the vendor's `Date` header and its `createdAt` may be apart (design: "a minute of tolerance").
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// `Date` and `createdAt` are whole seconds: two readings of one instant differ by up to one.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
