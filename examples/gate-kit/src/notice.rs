//! What the page says once, after something was done. The set is fixed: nothing of a URL is ever echoed.

use incode_core::model::FailureReason;

/// One line at the top of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Its name in `/?notice=`.
    pub(crate) name: &'static str,
    pub(crate) good: bool,
    pub(crate) text: &'static str,
}

impl Notice {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|notice| notice.name == name)
    }

    /// Where a browser goes to read it.
    pub(crate) fn url(self) -> String {
        format!("/?notice={}", self.name)
    }

    /// For a person whose face did not pass.
    pub(crate) fn of_failure(reason: Option<&FailureReason>) -> Self {
        match reason {
            Some(FailureReason::HasFaceMask) => FACE_MASK,
            Some(FailureReason::HasLenses) => FACE_LENSES,
            Some(FailureReason::SpoofAttempt) => FACE_SPOOF,
            Some(FailureReason::FaceMatchFailed) => FACE_MISMATCH,
            _ => FACE_FAILED,
        }
    }
}

const fn good(name: &'static str, text: &'static str) -> Notice {
    Notice { name, good: true, text }
}

const fn bad(name: &'static str, text: &'static str) -> Notice {
    Notice { name, good: false, text }
}

pub(crate) const FACE_PASSED: Notice =
    good("face_passed", "Your face was confirmed. You can make transfers for the next 5 minutes.");
pub(crate) const TRANSFERRED: Notice = good("transferred", "Transfer made. (No money moved: this is an example.)");
pub(crate) const FACE_REVOKED: Notice =
    bad("face_revoked", "Your face was confirmed, but Incode no longer vouches for this identity.");
pub(crate) const FACE_MASK: Notice = bad("face_mask", "A mask covers the face. Take it off and try again.");
pub(crate) const FACE_LENSES: Notice = bad("face_lenses", "Glasses hide the eyes. Take them off and try again.");
pub(crate) const FACE_SPOOF: Notice =
    bad("face_spoof", "This looks like a picture of a picture. Use a live photo of your face.");
pub(crate) const FACE_MISMATCH: Notice = bad("face_mismatch", "This is not the face that was verified.");
pub(crate) const FACE_FAILED: Notice =
    bad("face_failed", "The face could not be confirmed. Try again in good light, looking straight ahead.");
pub(crate) const FACE_OTHER: Notice = bad("face_other_identity", "This face belongs to another person's identity.");

const ALL: [Notice; 9] = [
    FACE_PASSED,
    TRANSFERRED,
    FACE_REVOKED,
    FACE_MASK,
    FACE_LENSES,
    FACE_SPOOF,
    FACE_MISMATCH,
    FACE_FAILED,
    FACE_OTHER,
];
