//! Webhook events (spec: "Webhook Notifications").

use std::fmt;

/// What happened: the `event` of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `verification.completed`, its object a verification.
    Verification,
    /// `authentication.completed`, its object an authentication.
    Authentication,
    /// A kind this version doesn't know, verbatim.
    Other(Box<str>),
}

impl EventKind {
    /// The vendor's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Verification => "verification.completed",
            Self::Authentication => "authentication.completed",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for EventKind {
    fn from(name: &str) -> Self {
        match name {
            "verification.completed" => Self::Verification,
            "authentication.completed" => Self::Authentication,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
