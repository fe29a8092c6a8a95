use serde::Deserialize;

use super::redact::redacted_debug;
use super::{Name, RawDate, VerificationStatus, birth_date, instant, lenient};
use crate::{ObjectId, Timestamp};

/// Answer of `GET /omni/incode-id/verification/:id` (spec: "Get Verification Data"). `id` and `status` are required.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The vendor's key of the verification.
    #[serde(deserialize_with = "lenient::object_id")]
    pub id: ObjectId,
    /// When it was made; `None` when missing or not a time.
    #[serde(default, deserialize_with = "instant::optional")]
    pub created_at: Option<Timestamp>,
    /// How it ended.
    pub status: VerificationStatus,
    /// Whom it was made of.
    #[serde(default, deserialize_with = "lenient::object")]
    pub data: Option<VerificationData>,
}

/// `data` of a verification: personal, and the same facts as in userinfo.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationData {
    /// The person's name; the spec's sample has the full name alone.
    #[serde(default, deserialize_with = "lenient::object")]
    pub name: Option<Name>,
    /// E-mail address, as it came.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<String>,
    /// Phone number, as it came.
    #[serde(default, deserialize_with = "lenient::text")]
    pub phone: Option<String>,
    /// Birth date, as it came.
    #[serde(default, deserialize_with = "birth_date::optional")]
    pub date_of_birth: Option<RawDate>,
}

redacted_debug!(VerificationData { show: [], hide: [name, email, phone, date_of_birth] });
