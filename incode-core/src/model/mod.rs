//! The vendor's wire types: what the API and the webhook say, field by field, with no I/O.
//!
//! Strict where we decide by a field (a status, an id: missing or of the wrong type fails the whole value), lenient where
//! we don't (a wrong type becomes `None`, unknown fields are ignored), because the vendor's payloads drift between
//! products and versions. Words of an open list ([`IdentityStatus`] and its siblings) are compared without case and
//! kept verbatim when unknown, so an unknown word is never mistaken for a good one.
//!
//! Personal data never shows in `Debug`: it names the fields that are present, not their values.

mod attestation;
mod authentication;
mod birth_date;
mod error_body;
mod event;
mod face;
pub(crate) mod instant;
mod lenient;
pub(crate) mod redact;
mod userinfo;
mod verification;
mod words;

#[cfg(test)]
mod tests;

pub use attestation::{AttestationCheck, AttestationVerdict, IdAttestation, IdValidation};
pub use authentication::Authentication;
pub use birth_date::RawDate;
pub(crate) use birth_date::calendar_date;
pub use error_body::ErrorBody;
pub(crate) use error_body::optional as riding_error_body;
pub(crate) use event::UNREADABLE_CORRELATION_ID;
pub use event::{EventKind, WebhookEvent};
pub use face::{Face, FaceAuthentication, FaceAuthenticationRequest};
pub use userinfo::{IdImagesInfo, Name, UserInfo};
pub use verification::{Verification, VerificationData};
pub use words::{AttestationStatus, AuthenticationStatus, FailureReason, IdentityStatus, VerificationStatus};
