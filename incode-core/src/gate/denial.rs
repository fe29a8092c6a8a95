use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::{Head, Problem, Reply, return_to};

use super::context::{Audience, Context};
use super::{Requirement, Visitor};

/// Why a visitor may not pass.
#[derive(Clone)]
pub struct Denial {
    kind: DenialKind,
    context: Arc<Context>,
    return_to: Option<String>,
}

/// The cause of a [`Denial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DenialKind {
    /// Nobody is logged in.
    AuthenticationRequired,
    /// Not linked, or never verified.
    VerificationRequired,
    /// The vendor's last word was REVOKED.
    IdentityRevoked,
    /// The vendor's last word was neither ACTIVE nor REVOKED.
    IdentityNotActive,
    /// Verified too long ago.
    VerificationExpired,
    /// The attestation's overall verdict is not OK.
    AttestationInsufficient,
    /// No face authentication, or one that is too old.
    FaceAuthenticationRequired {
        /// How old it may be.
        max_age: Duration,
    },
    /// The store did not answer.
    IdentityUnavailable,
}

/// The gate's decision on a request: pass, or the reply to send instead.
///
/// `visitor` is what the layer left in the request extensions. When there is none the layer is missing or inside the
/// gate: that is a mistake in the program, answered with 500 and a log line that says what to add, and never open.
///
/// # Errors
/// The reply to send.
pub fn check(visitor: Option<&Visitor>, requirement: &Requirement, head: &dyn Head) -> Result<(), Reply> {
    let denied = |denial: Denial| denial.returning_to(head).reply(Audience::of(head));
    self::visitor(visitor)?.require(requirement).map_err(denied)
}

/// What the layer left in the request extensions.
///
/// # Errors
/// The reply to send when the layer is missing.
pub fn visitor(visitor: Option<&Visitor>) -> Result<&Visitor, Reply> {
    visitor.ok_or_else(layer_missing)
}

fn layer_missing() -> Reply {
    tracing::error!(
        "a gate or extractor ran without the incode layer outside it: add IncodeLayer (tower) or IncodeMiddleware (actix-web) around the routes"
    );
    Problem::new(500, "layer_missing", "Server error", "The server is not set up to answer this.").reply()
}

impl Denial {
    pub(crate) fn new(kind: DenialKind, context: Arc<Context>) -> Self {
        Self { kind, context, return_to: None }
    }

    /// The cause.
    pub fn kind(&self) -> DenialKind {
        self.kind
    }

    /// Lets `verify_url` lead back to the page that was asked for, when it was asked for with GET.
    #[must_use]
    pub fn returning_to(mut self, head: &dyn Head) -> Self {
        if head.method() == "GET" {
            let target = match head.query() {
                Some(query) => format!("{}?{query}", head.path()),
                None => head.path().to_owned(),
            };
            // Start would refuse any other, and leave the person nowhere.
            self.return_to = Some(target).filter(|target| return_to::is_local(target));
        }
        self
    }

    /// The reply, through the application's own rendering when it has one.
    pub fn reply(&self, audience: Audience) -> Reply {
        metrics::counter!("incode_denials_total", "code" => self.kind.code()).increment(1);
        self.context.reply(&self.problem(), audience)
    }

    /// The reply to a request whose head is out of reach, as inside a handler: for programs rather than people.
    pub fn into_reply(self) -> Reply {
        self.reply(Audience::default())
    }

    /// What may be told.
    pub fn problem(&self) -> Problem {
        let problem = self.kind.problem();
        match &self.context.start_path {
            Some(start) if self.kind.is_helped_by_verifying() => problem.verify_at(match &self.return_to {
                Some(target) => format!("{start}?return_to={}", utf8_percent_encode(target, QUERY_VALUE)),
                None => start.clone(),
            }),
            _ => problem,
        }
    }
}

impl DenialKind {
    /// What programs branch on.
    pub fn code(self) -> &'static str {
        match self {
            Self::AuthenticationRequired => "authentication_required",
            Self::VerificationRequired => "verification_required",
            Self::IdentityRevoked => "identity_revoked",
            Self::IdentityNotActive => "identity_not_active",
            Self::VerificationExpired => "verification_expired",
            Self::AttestationInsufficient => "attestation_insufficient",
            Self::FaceAuthenticationRequired { .. } => "face_authentication_required",
            Self::IdentityUnavailable => "identity_unavailable",
        }
    }

    fn problem(self) -> Problem {
        let (status, title, detail) = match self {
            Self::AuthenticationRequired => (401, "Log in first", "This needs a logged-in user."),
            Self::VerificationRequired => (403, "Verify your identity", "This needs a verified identity."),
            Self::IdentityRevoked => (403, "Identity revoked", "The verified identity was revoked."),
            Self::IdentityNotActive => (403, "Identity not active", "The identity is known, but not active."),
            Self::VerificationExpired => (403, "Verify again", "The last verification is too long ago."),
            Self::AttestationInsufficient => {
                (403, "Document check not passed", "The check of the identity document did not end with OK.")
            }
            Self::FaceAuthenticationRequired { .. } => {
                (401, "Confirm by face", "This needs a recent face authentication.")
            }
            Self::IdentityUnavailable => (503, "Try again soon", "Identity status can't be read right now."),
        };
        let problem = Problem::new(status, self.code(), title, detail);
        match self {
            Self::FaceAuthenticationRequired { max_age } => problem.header(
                "www-authenticate",
                format!("Bearer error=\"insufficient_user_authentication\", max_age={}", max_age.as_secs()),
            ),
            Self::IdentityUnavailable => problem.retry_after(RETRY_AFTER),
            _ => problem,
        }
    }

    fn is_helped_by_verifying(self) -> bool {
        !matches!(
            self,
            Self::AuthenticationRequired | Self::FaceAuthenticationRequired { .. } | Self::IdentityUnavailable
        )
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.code())
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Error for Denial {}

/// What a query value may hold as it is.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// When an unreadable store is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
