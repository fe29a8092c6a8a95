//! The hosted flow: start, the vendor's page, callback.

mod callback;
mod clock;
mod headers;
mod named;
mod pending;
mod round_trip;
