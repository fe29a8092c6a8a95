use crate::http::{Reply, RequestHead};
use crate::identity::Identity;

use super::check::{attached, check};
use super::order;
use super::{DenialKind, Requirement, Visitor};

/// A visitor whose identity is ACTIVE. Only [`active`], [`maybe_active`] and [`satisfies`](super::satisfies) make one, so a
/// function that takes it can't be called for another visitor.
#[derive(Clone)]
pub struct Active {
    visitor: Visitor,
    identity: Identity,
}

/// Turns what the layer left into an [`Active`].
///
/// # Errors
/// The reply to send instead.
pub fn active(visitor: Option<&Visitor>, head: &dyn RequestHead) -> Result<Active, Reply> {
    meeting(visitor, &Requirement::active(), head)
}

/// As [`active`], for pages that every visitor may see and that look different to some: `None` without a subject, and for
/// a visitor who is not ACTIVE.
///
/// # Errors
/// The reply to send when nothing is known: while the store does not answer, "not verified" would be a guess.
pub fn maybe_active(visitor: Option<&Visitor>, head: &dyn RequestHead) -> Result<Option<Active>, Reply> {
    let attached = attached(visitor, head)?;
    order::is_wrong(attached, head);
    match attached.require(&Requirement::active()) {
        Ok(()) => active(visitor, head).map(Some),
        Err(denial) if denial.kind() == DenialKind::IdentityUnavailable => Err(denial.returning_to(head).into_reply()),
        Err(_) => Ok(None),
    }
}

/// As [`active`], for a visitor who meets a requirement: each includes ACTIVE.
pub(super) fn meeting(
    visitor: Option<&Visitor>,
    requirement: &Requirement,
    head: &dyn RequestHead,
) -> Result<Active, Reply> {
    check(visitor, requirement, head)?;
    let visitor = super::visitor(visitor, head)?;
    // A visitor that is ACTIVE has an identity: the check passed because it is there.
    match visitor.identity().cloned() {
        Some(identity) => Ok(Active { visitor, identity }),
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
