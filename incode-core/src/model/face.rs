use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::authentication::SourceSpellings;
use super::redact::redacted_debug;
use super::{AuthenticationStatus, ErrorBody, FailureReason, error_body, lenient};
use crate::{ObjectId, Token};

/// Body of `POST /omni/incode-id/authenticate` (spec: "Face Authentication").
#[derive(Clone, Serialize)]
pub struct FaceAuthenticationRequest {
    /// The face to be authenticated.
    pub face: Face,
    /// A name of ours for the device or place, repeated by the vendor in the authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

redacted_debug!(FaceAuthenticationRequest { show: [face], hide: [source] });

/// A face, in one of the forms that the spec's sample request shows.
///
/// Only [`Face::Base64Image`] is in the spec's table, and so the only one that can be counted on.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Face {
    /// The image, base64 encoded.
    Base64Image(String),
    /// Where the vendor may fetch the image. In the sample only.
    ImageUrl(String),
    /// A face template. In the sample only.
    Template(String),
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base64Image(_) => "Base64Image(..)",
            Self::ImageUrl(_) => "ImageUrl(..)",
            Self::Template(_) => "Template(..)",
        })
    }
}

/// Answer of `POST /omni/incode-id/authenticate` (spec: "Face Authentication"). `status` is required.
///
/// Ask [`passed`](Self::passed), not `status`: the answer may carry an error beside a `PASS`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceAuthentication {
    /// The verdict on the face.
    pub status: AuthenticationStatus,
    /// The token to fetch the authentication and userinfo with; the spec promises it for a pass only.
    #[serde(default, deserialize_with = "lenient::token")]
    pub token: Option<Token>,
    /// The vendor's name of the attempt, as it came.
    #[serde(default, deserialize_with = "lenient::text")]
    pub correlation_id: Option<String>,
    /// Key of the authentication. Read from `authenticationId`, or else from `id`, which is what the spec's table says.
    #[serde(flatten, deserialize_with = "authentication_id")]
    pub authentication_id: Option<ObjectId>,
    /// What went wrong. `None` when the field is missing, null, or an object with nothing but nulls and blanks in it.
    #[serde(default, deserialize_with = "error_body::optional")]
    pub error: Option<ErrorBody>,
    /// The source that the request named. Read from `source`, or else from `sourceId`.
    #[serde(flatten, deserialize_with = "source")]
    pub source: Option<String>,
    /// Why it failed.
    #[serde(default, deserialize_with = "lenient::word")]
    pub failure_reason: Option<FailureReason>,
    /// The verification that enrolled the person; the spec promises it for a pass only.
    #[serde(default, deserialize_with = "lenient::optional_object_id")]
    pub verification_id: Option<ObjectId>,
}

impl FaceAuthentication {
    /// Whether the vendor says pass and reports no error. Whose face it is, is another question.
    pub fn passed(&self) -> bool {
        self.status == AuthenticationStatus::Pass && self.error.is_none()
    }
}

redacted_debug!(FaceAuthentication {
    show: [status, token, authentication_id, error, failure_reason, verification_id],
    hide: [correlation_id, source]
});

fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let spellings = SourceSpellings::deserialize(deserializer)?;
    Ok(spellings.source.or(spellings.source_id))
}

fn authentication_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ObjectId>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spellings {
        #[serde(default, deserialize_with = "lenient::optional_object_id")]
        authentication_id: Option<ObjectId>,
        #[serde(default, deserialize_with = "lenient::optional_object_id")]
        id: Option<ObjectId>,
    }
    let spellings = Spellings::deserialize(deserializer)?;
    Ok(spellings.authentication_id.or(spellings.id))
}
