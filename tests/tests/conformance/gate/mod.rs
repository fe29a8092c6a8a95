//! Who passes, who is denied, and what each denial says.

mod audiences;
mod bearer;
mod confirmations;
mod denials;
mod explained;
mod faces;
mod freshness;
mod held_open;
mod identify;
mod placement;
pub(crate) mod privacy;
mod readiness;
mod requirements;
mod upgrades;
