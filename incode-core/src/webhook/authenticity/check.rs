use std::fmt;

use super::hmac::PendingHmac;
use crate::webhook::Rejection;

/// How far an event may be trusted, once its delivery passed.
///
/// In order: what is greater proves more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// Any client could have sent it. Only what the vendor's API answers for its token counts.
    FetchBack,
    /// It came from one of the networks named. That is a place and not a sender: others may send from there too.
    Address,
    /// The sender knows a secret of ours.
    Authenticated,
}

/// A delivery whose head passed, and whose body is on its way through the policy.
pub struct Check(pub(super) Verdict);

/// What a part of the policy thinks so far.
pub(super) enum Verdict {
    /// The body changes nothing.
    Settled(Trust),
    /// The body must have this signature.
    Hmac(PendingHmac),
    /// The parts that are still possible; never empty.
    AnyOf(Vec<Verdict>),
    AllOf(Vec<Verdict>),
}

impl Check {
    /// Takes the next chunk of the body, as it was sent.
    #[inline]
    pub fn update(&mut self, chunk: &[u8]) {
        self.0.update(chunk);
    }

    /// Judges the delivery, its body being complete. Of several ways to pass, the one that proves most counts.
    ///
    /// # Errors
    /// [`RejectionKind::Unauthentic`](crate::webhook::RejectionKind::Unauthentic).
    #[inline]
    pub fn finish(self) -> Result<Trust, Rejection> {
        self.0.finish().ok_or(Rejection::unauthentic("the signature fits no secret"))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check(..)")
    }
}

impl Verdict {
    #[inline]
    fn update(&mut self, chunk: &[u8]) {
        match self {
            Self::Settled(_) => {}
            Self::Hmac(pending) => pending.update(chunk),
            Self::AnyOf(parts) | Self::AllOf(parts) => parts.iter_mut().for_each(|part| part.update(chunk)),
        }
    }

    #[inline]
    fn finish(self) -> Option<Trust> {
        match self {
            Self::Settled(trust) => Some(trust),
            Self::Hmac(pending) => pending.matches().then_some(Trust::Authenticated),
            Self::AnyOf(parts) => parts.into_iter().filter_map(Self::finish).max(),
            Self::AllOf(parts) => {
                let trusts: Option<Vec<_>> = parts.into_iter().map(Self::finish).collect();
                trusts?.into_iter().max()
            }
        }
    }
}
