use std::fmt;

use super::Authenticity;

/// A policy of authenticity that can't be, or is too weak to be, used. Never shows a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyError(pub(super) PolicyErrorKind);

/// What is wrong with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// No secret given.
    NoSecret,
    /// A secret is empty or shorter than [`Authenticity::MIN_SECRET_LEN`].
    WeakSecret,
    /// A secret holds what can't be sent in a header.
    IllegalSecret,
    /// A header name is empty, too long, or has an illegal character.
    IllegalHeaderName,
    /// The prefix of a signature can't be sent in a header.
    IllegalPrefix,
    /// Any of nothing, or all of nothing.
    EmptyPolicy,
}

impl PolicyError {
    /// What is wrong.
    pub fn kind(&self) -> PolicyErrorKind {
        self.0
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PolicyErrorKind::NoSecret => f.write_str("no webhook secret is given"),
            PolicyErrorKind::WeakSecret => {
                write!(f, "a webhook secret is shorter than {} bytes", Authenticity::MIN_SECRET_LEN)
            }
            PolicyErrorKind::IllegalSecret => f.write_str("a webhook secret can't be sent in a header"),
            PolicyErrorKind::IllegalHeaderName => f.write_str("the name of a webhook header is illegal"),
            PolicyErrorKind::IllegalPrefix => f.write_str("the prefix of a webhook signature is illegal"),
            PolicyErrorKind::EmptyPolicy => f.write_str("a webhook policy is composed of nothing"),
        }
    }
}

impl std::error::Error for PolicyError {}
