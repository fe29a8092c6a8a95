use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::http::{Reply, RequestHead};
use crate::identity::Identity;

use super::active::meeting;
use super::{Active, Requirement, Visitor};

/// A requirement as a type, so that signatures can name it: see [`Satisfies`].
///
/// ```
/// use std::time::Duration;
/// use incode_core::gate::{Requirement, Policy};
///
/// struct Transfer;
///
/// impl Policy for Transfer {
///     fn requirement() -> Requirement {
///         Requirement::active().face_authenticated_within(Duration::from_secs(300)).named("transfer")
///     }
/// }
/// ```
pub trait Policy: 'static {
    /// The requirement. Called once in the life of the process, at the first request.
    fn requirement() -> Requirement;
}

/// A visitor who meets the requirement of `R`. Only [`satisfies`] makes one, so a function that takes it can't be called for
/// another visitor. It proves no other requirement: a `Satisfies<A>` is no `Satisfies<B>`.
pub struct Satisfies<R> {
    active: Active,
    /// Neither owns nor shares an `R`.
    of: PhantomData<fn() -> R>,
}

/// Turns what the layer left into a [`Satisfies`].
///
/// # Errors
/// The reply to send instead.
pub fn satisfies<R: Policy>(visitor: Option<&Visitor>, head: &dyn RequestHead) -> Result<Satisfies<R>, Reply> {
    let active = meeting(visitor, requirement_of::<R>(), head)?;
    Ok(Satisfies { active, of: PhantomData })
}

impl<R> Satisfies<R> {
    /// The identity, which is ACTIVE.
    pub fn identity(&self) -> &Identity {
        self.active.identity()
    }

    /// The visitor.
    pub fn visitor(&self) -> &Visitor {
        self.active.visitor()
    }

    /// The lesser proof that every requirement includes.
    pub fn active(&self) -> &Active {
        &self.active
    }
}

impl<R> Clone for Satisfies<R> {
    fn clone(&self) -> Self {
        Self { active: self.active.clone(), of: PhantomData }
    }
}

impl<R> fmt::Debug for Satisfies<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Satisfies").finish_non_exhaustive()
    }
}

/// One for each type of the program, made at first use and kept for good: there are as many as there are types.
fn requirement_of<R: Policy>() -> &'static Requirement {
    static KNOWN: LazyLock<papaya::HashMap<TypeId, &'static Requirement>> = LazyLock::new(papaya::HashMap::new);
    /// Held while a requirement is made, so that each is made once however many requests come first.
    static MAKING: Mutex<()> = Mutex::new(());

    let of = TypeId::of::<R>();
    let known = KNOWN.pin();
    if let Some(requirement) = known.get(&of) {
        return requirement;
    }
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(requirement) = known.get(&of) {
        return requirement;
    }
    let requirement: &'static Requirement = Box::leak(Box::new(R::requirement()));
    known.insert(of, requirement);
    requirement
}
