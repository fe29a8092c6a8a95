//! The open lists of words: known ones compared without ASCII case, any other kept verbatim.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! open_words {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        ///
        /// Make one with `from`, which knows the listed words in any case.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A word that is not on the list, verbatim (cut after 128 characters).
            Other(String),
        }

        impl $name {
            /// The vendor's spelling; an unknown word as it came.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($word) {
                    return Self::$variant;
                })+
                Self::Other(word.chars().take(MAX_KEPT_CHARS).collect())
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                word.as_str().into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

open_words! {
    /// `status` of userinfo: the vendor's own word on a person, and what standing follows.
    IdentityStatus {
        /// The person is verified and in good standing.
        Active = "ACTIVE",
        /// The vendor has withdrawn the identity.
        Revoked = "REVOKED",
        /// Ours, not the vendor's: the identity was imported, and the vendor has not been asked about it yet.
        NotYetAsked = "NOT_YET_ASKED",
    }
}

open_words! {
    /// `status` of one attestation check or verdict.
    AttestationStatus {
        /// Passed.
        Ok = "OK",
        /// Passed with a doubt.
        Warn = "WARN",
        /// Failed.
        Fail = "FAIL",
        /// Not decided.
        Unknown = "UNKNOWN",
        /// To be decided by a person.
        Manual = "MANUAL",
        /// Decided by a person: passed.
        ManualOk = "MANUAL_OK",
        /// Decided by a person: failed.
        ManualFail = "MANUAL_FAIL",
        /// Waiting for a person.
        ManualPending = "MANUAL_PENDING",
    }
}

open_words! {
    /// `status` of a verification. The spec shows `VERIFIED` and no list; nothing else counts as verified.
    VerificationStatus {
        /// The verification was passed.
        Verified = "VERIFIED",
    }
}

open_words! {
    /// `status` of an authentication: `pass` when fetched, `PASS` or `FAIL` when made. One type for both.
    AuthenticationStatus {
        /// The face belongs to the person.
        Pass = "pass",
        /// It doesn't, or could not be judged.
        Fail = "fail",
    }
}

open_words! {
    /// `failureReason` of a face authentication that did not pass.
    FailureReason {
        /// The face wears a mask.
        HasFaceMask = "hasFaceMask",
        /// The face wears lenses.
        HasLenses = "hasLenses",
        /// The image is not of a live face.
        SpoofAttempt = "spoofAttempt",
        /// The face is another person's.
        FaceMatchFailed = "faceMatchFailed",
        /// Something else, by the vendor's own word.
        OtherError = "otherError",
    }
}

/// How much of an unknown word is kept: it is shown and stored, so its length is ours to bound.
const MAX_KEPT_CHARS: usize = 128;
