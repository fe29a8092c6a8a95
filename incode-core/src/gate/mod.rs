//! subject -> standing -> requirement -> decision.
//!
//! A [`SubjectSource`] finds out who asks, the near cache knows their standing or loads it once, a [`Visitor`] carries
//! it to handlers, and a [`Requirement`] turns it into a pass or a [`Denial`].

mod active;
mod aging;
mod asked;
mod check;
mod clause;
mod context;
mod cookie;
mod denial;
mod facts;
mod flights;
mod known;
mod met;
mod near;
mod requirement;
mod standing;
mod subject;
mod visitor;
mod zone;

pub use active::{Active, active, maybe_active};
pub use check::{GRANTED_CACHE_CONTROL, Rule, check, is_preflight, visitor};
pub use context::{Audience, Render};
pub use denial::{Denial, DenialKind};
pub use met::{Met, RequirementType, met};
pub use requirement::Requirement;
pub use standing::Standing;
pub use subject::SubjectSource;
pub use visitor::Visitor;
pub use zone::Zone;

pub(crate) use aging::Aging;
pub(crate) use context::{Context, Pages};
pub(crate) use known::{Key, Whose};
pub use near::Load;
pub(crate) use near::{NearCache, NearSettings};

#[cfg(test)]
mod tests;
