//! The problems of face authentication. Codes are stable, texts say what to do.

use std::time::Duration;

use crate::http::Problem;
use crate::model::FailureReason;

use super::FaceErrorKind;
use super::limits::too_many_requests;

/// The vendor did not pass the face.
pub(super) fn failed(reason: Option<&FailureReason>) -> Problem {
    let (code, title, detail) = match reason {
        Some(FailureReason::HasFaceMask) => {
            ("face_has_mask", "Take the mask off", "A mask covers the face. Take it off and try again.")
        }
        Some(FailureReason::HasLenses) => {
            ("face_has_lenses", "Take the glasses off", "Glasses hide the eyes. Take them off and try again.")
        }
        Some(FailureReason::SpoofAttempt) => (
            "face_not_live",
            "Use your live face",
            "This looks like a picture of a picture. Use a live photo of your face.",
        ),
        Some(FailureReason::FaceMatchFailed) => (
            "face_not_matched",
            "Face not recognised",
            "This is not the face that was verified. Try again in good light, looking straight ahead.",
        ),
        _ => (
            "face_authentication_failed",
            "Face not confirmed",
            "The face could not be confirmed. Try again in good light, looking straight ahead.",
        ),
    };
    Problem::new(403, code, title, detail)
}

/// It passed as another person.
pub(super) fn other_identity() -> Problem {
    let detail = "This face belongs to another identity. Only the person who was verified can confirm.";
    Problem::new(403, "face_of_other_identity", "Not your face", detail)
}

/// There was no outcome.
pub(super) fn no_outcome(kind: FaceErrorKind, retry_after: Option<Duration>, verify_at: Option<&str>) -> Problem {
    match kind {
        FaceErrorKind::NotLinked => {
            let detail = "There is no verified face to compare with yet.";
            let problem = Problem::new(403, "verification_required", "Verify your identity", detail);
            match verify_at {
                Some(path) => problem.verify_at(path.to_owned()),
                None => problem,
            }
        }
        FaceErrorKind::ImageMissing => {
            Problem::new(400, "image_missing", "No picture", "Choose a picture of your face.")
        }
        FaceErrorKind::ImageMalformed => {
            let detail = "The picture must be in padded base64, without a data: prefix.";
            Problem::new(400, "image_malformed", "Picture not readable", detail)
        }
        FaceErrorKind::ImageTooLarge => {
            Problem::new(413, "image_too_large", "Picture too large", "Use a smaller picture of your face.")
        }
        FaceErrorKind::TooManyRequests => too_many_requests(retry_after.unwrap_or(RETRY_AFTER)),
        FaceErrorKind::ImageRepeated => {
            let detail = "This picture was sent before. Take a new picture of your face.";
            Problem::new(409, "image_repeated", "Take a new picture", detail)
        }
        FaceErrorKind::Refused => {
            let detail = "This picture could not be read. Use a clear JPEG or PNG of your face.";
            Problem::new(400, "image_refused", "Picture refused", detail)
        }
        FaceErrorKind::Store => {
            let detail = "Identity status can't be read right now. Try again in a moment.";
            Problem::new(503, "identity_unavailable", "Try again soon", detail).retry_after(RETRY_AFTER)
        }
        FaceErrorKind::Vendor => {
            let detail = "Faces can't be compared right now, and nothing was decided. Try again in a moment.";
            Problem::new(503, "vendor_unavailable", "Try again soon", detail).retry_after(RETRY_AFTER)
        }
    }
}

/// When a vendor or a store that did not answer is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(5);
