//! The hosted flow: start, the vendor's page, callback.

mod callback;
mod headers;
mod pending;
mod round_trip;
