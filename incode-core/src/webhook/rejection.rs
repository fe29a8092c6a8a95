use std::fmt;

use crate::http::{BodyError, Problem};

#[cfg(test)]
mod tests;

/// A delivery was not accepted. [`Rejection::problem`] is the answer to the sender; the `Display` text is for the log.
///
/// Neither repeats anything of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    kind: RejectionKind,
    detail: &'static str,
}

named! {
    /// Why a delivery was not accepted.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum RejectionKind {
        /// Another method than POST.
        MethodNotAllowed = "method_not_allowed",
        /// The policy of authenticity is not satisfied.
        Unauthentic = "unauthentic",
        /// The body is longer than the cap.
        TooLarge = "too_large",
        /// The body did not arrive before the read deadline.
        TooSlow = "too_slow",
        /// The body is no event, broke off, or its length is unclear.
        Malformed = "malformed",
        /// An event of the kind that has a route of its own.
        WrongKind = "wrong_kind",
    }
    /// The name in metrics and logs.
    as_str,
}

impl Rejection {
    /// For code that reads the body itself: [`RejectionKind::TooSlow`] at the read deadline, [`RejectionKind::Malformed`]
    /// when the body breaks off.
    pub fn new(kind: RejectionKind) -> Self {
        Self { kind, detail: "" }
    }

    /// Why, for programs.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The name in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        self.kind.as_str()
    }

    /// The answer to the sender: the same bytes for every cause of one kind, so that a client can't probe the policy.
    pub fn problem(&self) -> Problem {
        match self.kind {
            RejectionKind::MethodNotAllowed => {
                Problem::new(405, "method_not_allowed", "Method not allowed", "Deliveries are sent with POST.")
                    .header("allow", "POST")
            }
            RejectionKind::Unauthentic => Problem::new(
                401,
                "delivery_unauthentic",
                "Delivery not authentic",
                "The delivery does not prove where it comes from.",
            )
            // RFC 9110 requires a challenge. This one shows nothing of the policy.
            .header("www-authenticate", "Webhook"),
            RejectionKind::TooLarge => {
                Problem::new(413, "delivery_too_large", "Delivery too large", "The body is longer than is accepted.")
            }
            RejectionKind::TooSlow => {
                Problem::new(408, "delivery_too_slow", "Delivery too slow", "The body did not arrive in time.")
            }
            RejectionKind::Malformed => {
                Problem::new(400, "delivery_malformed", "Delivery malformed", "The delivery is not an event.")
            }
            RejectionKind::WrongKind => Problem::new(
                400,
                "delivery_wrong_kind",
                "Wrong kind of event",
                "Events of this kind are not accepted at this address.",
            ),
        }
    }

    pub(super) fn because(kind: RejectionKind, detail: &'static str) -> Self {
        Self { kind, detail }
    }

    pub(super) fn unauthentic(detail: &'static str) -> Self {
        Self::because(RejectionKind::Unauthentic, detail)
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::because(RejectionKind::TooLarge, "the body grew over the cap"),
            BodyError::TooSlow => Self::new(RejectionKind::TooSlow),
            BodyError::Broken => Self::because(RejectionKind::Malformed, "the body broke off"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("delivery rejected: ")?;
        f.write_str(self.kind.as_str())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ", {}", self.detail) }
    }
}

impl std::error::Error for Rejection {}
