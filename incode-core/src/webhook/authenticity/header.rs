use crate::Secret;
use crate::http::{Field, RequestHead};
use crate::webhook::Rejection;

use super::{PolicyError, PolicyErrorKind, header_name, strong};

/// A header whose value is a secret.
#[derive(Clone, Debug)]
pub(super) struct HeaderSecret {
    name: Box<str>,
    secrets: Vec<Secret>,
}

impl HeaderSecret {
    pub(super) fn new(name: &str, secrets: impl IntoIterator<Item = Secret>) -> Result<Self, PolicyError> {
        let name = header_name(name)?;
        let secrets = strong(secrets)?;
        if secrets.iter().all(|secret| is_sendable(secret.expose())) {
            Ok(Self { name, secrets })
        } else {
            Err(PolicyError(PolicyErrorKind::IllegalSecret))
        }
    }

    pub(super) fn check(&self, head: &dyn RequestHead) -> Result<(), Rejection> {
        let value = match head.header(&self.name) {
            Field::One(value) => value,
            Field::Missing => return Err(Rejection::unauthentic("the secret header is missing")),
            Field::Many => return Err(Rejection::unauthentic("the secret header is given twice")),
        };
        // Each secret is compared, also after one that matches: which one it was doesn't show in the time taken.
        let matches = self.secrets.iter().fold(false, |matches, secret| matches | secret.matches(value));
        if matches { Ok(()) } else { Err(Rejection::unauthentic("the secret header fits no secret")) }
    }
}

/// Visible ASCII with blanks inside: what arrives as it was sent, through every proxy.
fn is_sendable(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~')) && value.trim_ascii().len() == value.len()
}
