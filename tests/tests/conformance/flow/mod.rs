//! The hosted flow: start, the vendor's page, callback.

mod callback;
mod headers;
mod round_trip;
