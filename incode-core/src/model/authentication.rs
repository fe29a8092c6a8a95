use serde::{Deserialize, Deserializer};

use super::redact::redacted_debug;
use super::{AuthenticationStatus, instant, lenient};
use crate::{ObjectId, Timestamp};

/// Answer of `GET /omni/incode-id/authentication/:id` (spec: "Get Authentication Data"). `id` and `status` are required.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// The vendor's key of the authentication.
    #[serde(deserialize_with = "lenient::object_id")]
    pub id: ObjectId,
    /// When it was made; `None` when missing or not a time.
    #[serde(default, deserialize_with = "instant::optional")]
    pub created_at: Option<Timestamp>,
    /// How it ended.
    pub status: AuthenticationStatus,
    /// Where it was made, when the request named a source. Read from `sourceId`, or else from `source`.
    #[serde(flatten, deserialize_with = "source_id")]
    pub source_id: Option<String>,
    /// The verification that enrolled the person; the spec promises it for a pass only.
    #[serde(default, deserialize_with = "lenient::optional_object_id")]
    pub verification_id: Option<ObjectId>,
}

impl Authentication {
    /// True for `pass` alone.
    pub fn passed(&self) -> bool {
        self.status == AuthenticationStatus::Pass
    }
}

redacted_debug!(Authentication { show: [id, created_at, status, verification_id], hide: [source_id] });

fn source_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let spellings = SourceSpellings::deserialize(deserializer)?;
    Ok(spellings.source_id.or(spellings.source))
}

/// The two keys of one thing. Not a serde alias, which would take an answer with both for one with a duplicate key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceSpellings {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) source: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) source_id: Option<String>,
}
