use serde::Deserialize;

use super::redact::redacted_debug;
use super::{AttestationStatus, lenient};

/// `idAttestation` of userinfo: what was found when the document was examined (spec: "Get User Info").
///
/// Every field may be missing or null in real answers; a missing list is an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdAttestation {
    /// The checks in detail.
    #[serde(default, deserialize_with = "lenient::object")]
    pub id_validation: Option<IdValidation>,
    /// The verdict over everything.
    #[serde(default, deserialize_with = "lenient::object")]
    pub overall: Option<AttestationVerdict>,
}

/// `idAttestation.idValidation`: the checks, by group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdValidation {
    /// Checks of the photograph.
    #[serde(default, deserialize_with = "lenient::list")]
    pub photo_security_and_quality: Vec<AttestationCheck>,
    /// Checks of this kind of document.
    #[serde(default, deserialize_with = "lenient::list")]
    pub id_specific: Vec<AttestationCheck>,
    /// Fields the client had configured.
    #[serde(default, deserialize_with = "lenient::list")]
    pub custom_fields: Vec<AttestationCheck>,
    /// The rule that led to the verdict.
    #[serde(default, deserialize_with = "lenient::object")]
    pub applied_rule: Option<AttestationVerdict>,
    /// The verdict over the checks.
    #[serde(default, deserialize_with = "lenient::object")]
    pub overall: Option<AttestationVerdict>,
}

/// One check. Its value may repeat what the document says, so it is treated as personal.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AttestationCheck {
    /// Stable key of the check.
    #[serde(default, deserialize_with = "lenient::text")]
    pub key: Option<String>,
    /// Its name for people.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// What was found; numbers and bools as text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub value: Option<String>,
    /// How it is judged.
    #[serde(default, deserialize_with = "lenient::word")]
    pub status: Option<AttestationStatus>,
}

redacted_debug!(AttestationCheck { show: [status], hide: [key, name, value] });

/// A verdict over several checks.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AttestationVerdict {
    /// What was found, a score for instance; numbers and bools as text.
    #[serde(default, deserialize_with = "lenient::text")]
    pub value: Option<String>,
    /// How it is judged.
    #[serde(default, deserialize_with = "lenient::word")]
    pub status: Option<AttestationStatus>,
}

redacted_debug!(AttestationVerdict { show: [status], hide: [value] });
