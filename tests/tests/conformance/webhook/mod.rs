//! Deliveries: who may send them, how they are read, and how they are refused.

mod authenticity;
mod bad_deliveries;
mod bodies;
mod early_answers;
mod framing;
mod heads;
mod malformed;
mod methods;
mod naughty;
mod oauth;
pub(crate) mod refusals;
mod rotation;
mod sources;
mod trickles;
