//! What must hold whatever bytes come in: one function for each place where foreign bytes are read. Each takes
//! any input and panics when something does not hold. `tests/fuzz` drives them by coverage, the ordinary tests drive
//! them over the committed seeds and random changes of those.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a finding shows"
)]

mod answers;
mod correlation_id;
mod delivery;
mod gate_request;
mod head;
mod input;
mod served;
mod settings;
mod signature_header;
mod token_request;
mod unique;

pub use answers::answers;
pub use correlation_id::correlation_id;
pub use delivery::delivery;
pub use gate_request::gate_request;
pub use settings::settings;
pub use signature_header::signature_header;
pub use token_request::token_request;

/// Takes any bytes; panics when what must hold does not.
pub type Target = fn(&[u8]);

/// Each of them, by the name of its fuzz target and of its folder of seeds.
pub const TARGETS: [(&str, Target); 7] = [
    ("answers", answers),
    ("correlation_id", correlation_id),
    ("delivery", delivery),
    ("gate_request", gate_request),
    ("settings", settings),
    ("signature_header", signature_header),
    ("token_request", token_request),
];
