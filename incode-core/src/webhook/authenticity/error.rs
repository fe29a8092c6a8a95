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
    /// A Standard Webhooks secret is not `whsec_` and padded base64.
    MalformedSecret,
    /// A client id is empty, too long, or holds a colon, a blank or what is not ASCII.
    IllegalClientId,
    /// A network is not written as CIDR, has bits set behind its prefix, or holds every address there is.
    IllegalNetwork,
    /// A header name is empty, too long, or has an illegal character.
    IllegalHeaderName,
    /// The prefix of a signature can't be sent in a header.
    IllegalPrefix,
    /// Any of nothing, or all of nothing.
    EmptyPolicy,
}

impl PolicyError {
    pub(in crate::webhook) fn new(kind: PolicyErrorKind) -> Self {
        Self(kind)
    }

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
            PolicyErrorKind::MalformedSecret => f.write_str("a webhook secret is not whsec_ and padded base64"),
            PolicyErrorKind::IllegalClientId => f.write_str("the OAuth client id is illegal"),
            PolicyErrorKind::IllegalNetwork => f.write_str("a network is illegal"),
            PolicyErrorKind::IllegalHeaderName => f.write_str("the name of a webhook header is illegal"),
            PolicyErrorKind::IllegalPrefix => f.write_str("the prefix of a webhook signature is illegal"),
            PolicyErrorKind::EmptyPolicy => f.write_str("a webhook policy is composed of nothing"),
        }
    }
}

impl std::error::Error for PolicyError {}
