//! From the head of a delivery to an event: limit, authenticate, parse. No I/O happens here: the caller hands over the head
//! and the chunks of the body as they come, and gets an event or a rejection. [`Delivery::read`] does that for a stream.
//!
//! | step | type |
//! |---|---|
//! | method, `Content-Length`, headers of the policy | [`Webhook::begin`] |
//! | chunks, up to the cap | [`Delivery::push`] |
//! | signature, then the JSON | [`Delivery::finish`] |
//!
//! Each part can be used alone: [`Authenticity`] checks bytes of any payload, [`parse`] reads an event from a queue.
//!
//! ```
//! # use incode_core::http::RequestHead;
//! # use incode_core::{Secret, Timestamp};
//! use incode_core::webhook::{Authenticity, HmacScheme, Rejection, Webhook};
//!
//! # fn policy() -> Result<Webhook, Box<dyn std::error::Error>> {
//! let secret = Secret::from("an example: 24 bytes or more");
//! let webhook = Webhook::new(Authenticity::hmac(HmacScheme::new("x-incode-signature", [secret])?));
//! # Ok(webhook) }
//!
//! # fn serve(webhook: Webhook, head: &dyn RequestHead, now: Timestamp, chunks: &[&[u8]]) -> Result<(), Rejection> {
//! let mut delivery = webhook.begin(head, now)?;
//! for chunk in chunks {
//!     delivery.push(chunk)?;
//! }
//! let (event, trust) = delivery.finish()?;
//! # let _ = (event, trust); Ok(()) }
//! # assert!(policy().is_ok());
//! ```

mod authenticity;
mod delivery;
#[cfg(test)]
pub(crate) mod fake_head;
mod oauth;
mod parse;
mod rejection;

pub use authenticity::{
    AddressSource, Authenticity, Check, Encoding, HmacScheme, PolicyError, PolicyErrorKind, Signed, Trust,
};
pub use delivery::{Delivery, Webhook};
pub use oauth::{ClientCredentials, TokenEndpoint, TokenRefusal, TokenRefusalKind, TokenRequest};
pub use parse::{Event, ParseError, ParseErrorKind, parse};
pub use rejection::{Rejection, RejectionKind};
