use crate::http::{Head, Reply};
use crate::identity::Identity;

use super::denial::check;
use super::{Requirement, Visitor};

/// A visitor whose identity is ACTIVE. Only [`active`] makes one, so a function that takes it can't be called for
/// anybody else.
#[derive(Clone)]
pub struct Active {
    visitor: Visitor,
    identity: Identity,
}

/// Turns what the layer left into an [`Active`].
///
/// # Errors
/// The reply to send instead.
pub fn active(visitor: Option<&Visitor>, head: &dyn Head) -> Result<Active, Reply> {
    check(visitor, &Requirement::active(), head)?;
    let visitor = super::visitor(visitor)?;
    // A visitor that is ACTIVE has an identity: the check passed because it is there.
    match visitor.identity() {
        Some(identity) => Ok(Active { visitor: visitor.clone(), identity: identity.clone() }),
        None => Err(Reply::new(500)),
    }
}

impl Active {
    /// The identity, which is ACTIVE.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The visitor.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }
}

impl std::fmt::Debug for Active {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Active").finish_non_exhaustive()
    }
}
