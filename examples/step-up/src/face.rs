use axum::extract::Multipart;
use data_encoding::BASE64;
use incode_core::Subject;
use incode_core::flow::{FaceOutcome, FaceScope};
use incode_core::model::{Face, FaceAuthenticationRequest, FailureReason, IdentityStatus};

use crate::Bank;
use crate::refusal::Refusal;

/// The form of the confirmation page.
#[derive(Default)]
pub(crate) struct FaceForm {
    pub(crate) form: String,
    image: String,
}

impl FaceForm {
    /// A picture as a file in `image`, or as base64 in `base64Image`, beside the session's secret.
    pub(crate) async fn read(mut parts: Multipart) -> Result<Self, Refusal> {
        let mut read = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|_| Refusal::malformed())? {
            match part.name() {
                Some("form") => read.form = part.text().await.map_err(|_| Refusal::malformed())?,
                Some("base64Image") => read.image = part.text().await.map_err(|_| Refusal::malformed())?,
                Some("image") => read.image = BASE64.encode(&part.bytes().await.map_err(|_| Refusal::malformed())?),
                _ => {}
            }
        }
        Ok(read)
    }

    pub(crate) fn face(self) -> Face {
        Face::Base64Image(self.image)
    }
}

/// Whether this is the face of the session's person, and that identity is ACTIVE now. A pass is recorded for this action in
/// this session, until it is used.
pub(crate) async fn confirm(
    bank: &Bank,
    scope: FaceScope,
    subject: &Subject,
    face: Face,
) -> Result<Confirmed, Refusal> {
    let request = FaceAuthenticationRequest { face, source: None };
    match bank.incode.authenticate(scope, &request).await? {
        FaceOutcome::Passed(_) => {}
        FaceOutcome::Failed(reason) => return Ok(Confirmed::No(FaceFailure::of(reason.as_ref()))),
        FaceOutcome::OtherIdentity => return Ok(Confirmed::No(ELSE)),
        _ => return Ok(Confirmed::No(OTHER)),
    }
    // A face that passes may be a revoked person's, and a revocation may have come while the vendor looked at it: what
    // counts is what is known now, not when the request came in.
    let linked = bank.incode.linked(subject).await?;
    Ok(match linked.is_some_and(|linked| linked.identity.status == IdentityStatus::Active) {
        true => Confirmed::Yes,
        false => Confirmed::Revoked,
    })
}

pub(crate) enum Confirmed {
    Yes,
    /// Not this face.
    No(FaceFailure),
    /// The right face, of a person whose identity Incode revoked.
    Revoked,
}

/// Why a face did not do. The set is fixed: nothing of a URL is ever echoed.
#[derive(Clone, Copy)]
pub(crate) struct FaceFailure {
    /// Its name in `?why=`.
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

impl FaceFailure {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|why| why.name == name)
    }

    fn of(reason: Option<&FailureReason>) -> Self {
        match reason {
            Some(FailureReason::HasFaceMask) => MASK,
            Some(FailureReason::HasLenses) => LENSES,
            Some(FailureReason::SpoofAttempt) => SPOOF,
            Some(FailureReason::FaceMatchFailed) => MISMATCH,
            _ => OTHER,
        }
    }
}

const MASK: FaceFailure = FaceFailure { name: "mask", text: "A mask covers the face. Take it off and try again." };
const LENSES: FaceFailure = FaceFailure { name: "lenses", text: "Glasses hide the eyes. Take them off and try again." };
const SPOOF: FaceFailure =
    FaceFailure { name: "spoof", text: "This looks like a picture of a picture. Use a live photo of your face." };
const MISMATCH: FaceFailure = FaceFailure { name: "mismatch", text: "This is not the face that was verified." };
const ELSE: FaceFailure = FaceFailure { name: "other_person", text: "This face belongs to another person's identity." };
const OTHER: FaceFailure = FaceFailure {
    name: "other",
    text: "The face could not be confirmed. Try again in good light, looking straight ahead.",
};
const ALL: [FaceFailure; 6] = [MASK, LENSES, SPOOF, MISMATCH, ELSE, OTHER];
