//! subject -> standing -> requirement -> decision.
//!
//! A [`SubjectSource`] finds out who asks, the near cache knows their standing or loads it once, a [`Visitor`] carries
//! it to handlers, and a [`Requirement`] turns it into a pass or a [`Denial`].

mod active;
mod context;
mod cookie;
mod denial;
mod near;
mod requirement;
mod standing;
mod subject;
mod visitor;

pub use active::{Active, active};
pub use context::{Audience, Render};
pub use denial::{Denial, DenialKind, check, visitor};
pub use requirement::Requirement;
pub use standing::Standing;
pub use subject::SubjectSource;
pub use visitor::Visitor;

pub(crate) use context::Context;
pub use near::Load;
pub(crate) use near::{NearCache, NearSettings};

#[cfg(test)]
mod tests;
