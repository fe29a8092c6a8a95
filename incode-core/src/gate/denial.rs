use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::{Problem, Reply, RequestHead};

use super::context::{Audience, Context};
use super::request_context::RequestContext;
use super::requirement::Unmet;

/// Why a visitor may not pass.
#[derive(Clone)]
pub struct Denial {
    unmet: Unmet,
    /// False: the visitor has no identity at all.
    linked: bool,
    context: Arc<Context>,
    asked: Option<Arc<RequestContext>>,
}

/// The cause of a [`Denial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DenialKind {
    /// The request has no subject.
    AuthenticationRequired,
    /// A bearer token was presented, and the vendor does not accept it; see
    /// [`Builder::bearer_tokens`](crate::Builder::bearer_tokens).
    TokenRefused,
    /// Not linked, or never verified.
    VerificationRequired,
    /// Back from the hosted flow, and the vendor has not said yet that the check passed.
    VerificationPending,
    /// The vendor's last answer was REVOKED.
    IdentityRevoked,
    /// The vendor's last answer was neither ACTIVE nor REVOKED.
    IdentityNotActive,
    /// Verified too long ago.
    VerificationExpired,
    /// The attestation's overall verdict is not OK.
    AttestationInsufficient,
    /// Linked by another proof than is asked for, or by none.
    LinkInsufficient,
    /// The birth date is too late, not known, or no day in the requirement's zone.
    AgeInsufficient,
    /// The country is none of those accepted, or not known.
    CountryNotAccepted,
    /// The application's own rule does not hold.
    RequirementNotMet,
    /// No face authentication, or one that is too old.
    FaceAuthenticationRequired {
        /// How old it may be.
        max_age: Duration,
    },
    /// The store did not answer.
    IdentityUnavailable,
    /// The requirement asks for a personal field that the application does not keep.
    RequirementNotSetUp,
}

impl Denial {
    pub(super) fn new(unmet: Unmet, linked: bool, context: Arc<Context>, asked: Option<Arc<RequestContext>>) -> Self {
        Self { unmet, linked, context, asked }
    }

    /// Of a request without a subject, to a route that needs one.
    pub(crate) fn without_subject(context: Arc<Context>, head: &dyn RequestHead) -> Self {
        let unmet = Unmet { kind: DenialKind::AuthenticationRequired, requirement: None };
        Self::new(unmet, false, context, None).returning_to(head)
    }

    /// The cause.
    pub fn kind(&self) -> DenialKind {
        self.unmet.kind
    }

    /// The name of the smallest requirement around what was not met, if one was [named](super::Requirement::named).
    pub fn requirement(&self) -> Option<&'static str> {
        self.unmet.requirement
    }

    /// Fits the reply to the request: who reads it, and the page to come back to when it was asked for with GET or HEAD.
    #[must_use]
    pub fn returning_to(mut self, head: &dyn RequestHead) -> Self {
        self.asked = Some(Arc::new(RequestContext::of(head, None)));
        self
    }

    /// The reply for a given audience, through the application's own rendering when it has one; or, for a browser and
    /// where the application opted in, a redirect to where the person can do something about it.
    pub fn reply(&self, audience: Audience) -> Reply {
        let (code, requirement) = (self.unmet.kind.code(), self.unmet.requirement);
        match requirement {
            Some(name) => metrics::counter!("incode_denials_total", "code" => code, "requirement" => name).increment(1),
            None => metrics::counter!("incode_denials_total", "code" => code).increment(1),
        }
        let problem = self.problem();
        match self.redirect(&problem, audience) {
            Some(url) => Reply::see_other(url.to_owned()),
            None => self.context.reply(&problem, audience),
        }
    }

    /// The reply to the request that the visitor came with; for programs, where that is not known.
    pub fn into_reply(self) -> Reply {
        self.reply(self.asked.as_deref().map(|asked| asked.audience).unwrap_or_default())
    }

    /// What the client may read.
    pub fn problem(&self) -> Problem {
        let kind = self.unmet.kind;
        let (problem, pages) = (kind.problem(), &self.context.pages);
        let own = pages.return_as.as_deref().unwrap_or(RETURN_TO);
        let (page, name, parameter): (_, fn(Problem, String) -> Problem, _) = match kind {
            DenialKind::AuthenticationRequired => (&pages.login, Problem::login_at, own),
            DenialKind::FaceAuthenticationRequired { .. } => (&pages.step_up, Problem::step_up_at, own),
            _ if kind.is_helped_by_verifying() => (&pages.start, Problem::verify_at, RETURN_TO),
            _ => (&None, Problem::verify_at, RETURN_TO),
        };
        let problem = match page {
            Some(path) => name(problem, self.returning(path, parameter)),
            None => problem,
        };
        match self.unmet.requirement {
            Some(name) => problem.of_requirement(name),
            None => problem,
        }
    }

    /// A browser that wants to see a page goes to the page of the next step. It stays where that step was made already and
    /// did not help: a person whose identity is known would go round in circles without learning why.
    pub(crate) fn redirect<'a>(&self, problem: &'a Problem, audience: Audience) -> Option<&'a str> {
        let asked = self.asked.as_deref()?;
        if !self.context.pages.redirects || !audience.html || audience.grpc || !asked.is_safe {
            return None;
        }
        match self.unmet.kind {
            DenialKind::AuthenticationRequired => problem.login_url(),
            DenialKind::FaceAuthenticationRequired { .. } => problem.step_up_url(),
            DenialKind::VerificationRequired if self.linked => None,
            DenialKind::VerificationRequired | DenialKind::VerificationExpired => problem.verify_url(),
            _ => None,
        }
    }

    fn returning(&self, path: &str, parameter: &str) -> String {
        let pages = &self.context.pages;
        let path = pages.public(path);
        match self.asked.as_deref().and_then(RequestContext::return_to) {
            Some(target) => {
                let mut url = [&path, "?", parameter, "="].concat();
                url.extend(utf8_percent_encode(&pages.public(target), QUERY_VALUE));
                url
            }
            None => path.into_owned(),
        }
    }
}

impl DenialKind {
    /// What programs branch on.
    pub fn code(self) -> &'static str {
        match self {
            Self::AuthenticationRequired => "authentication_required",
            Self::TokenRefused => "invalid_token",
            Self::VerificationRequired => "verification_required",
            Self::VerificationPending => "verification_pending",
            Self::IdentityRevoked => "identity_revoked",
            Self::IdentityNotActive => "identity_not_active",
            Self::VerificationExpired => "verification_expired",
            Self::AttestationInsufficient => "attestation_insufficient",
            Self::LinkInsufficient => "link_insufficient",
            Self::AgeInsufficient => "age_insufficient",
            Self::CountryNotAccepted => "country_not_accepted",
            Self::RequirementNotMet => "requirement_not_met",
            Self::FaceAuthenticationRequired { .. } => "face_authentication_required",
            Self::IdentityUnavailable => "identity_unavailable",
            Self::RequirementNotSetUp => "requirement_not_set_up",
        }
    }

    fn problem(self) -> Problem {
        let (status, title, detail) = match self {
            Self::AuthenticationRequired => (401, "Log in first", "This needs a logged-in user."),
            Self::TokenRefused => (401, "Token not accepted", "The token is not valid, or no longer."),
            Self::VerificationRequired => (403, "Verify your identity", "This needs a verified identity."),
            Self::VerificationPending => {
                (403, "Verification pending", "Your verification is being confirmed. This takes a moment.")
            }
            Self::IdentityRevoked => (403, "Identity revoked", "The verified identity was revoked."),
            Self::IdentityNotActive => (403, "Identity not active", "The identity is known, but not active."),
            Self::VerificationExpired => (403, "Verify again", "The last verification is too long ago."),
            Self::AttestationInsufficient => {
                (403, "Document check not passed", "The check of the identity document did not end with OK.")
            }
            Self::LinkInsufficient => {
                (403, "Link not sufficient", "The way this account was linked to the identity is not enough here.")
            }
            Self::AgeInsufficient => (403, "Age not sufficient", "The identity does not show the age that this needs."),
            Self::CountryNotAccepted => {
                (403, "Country not accepted", "The identity does not show a country that is accepted here.")
            }
            Self::RequirementNotMet => (403, "Not allowed", "The identity does not meet what this needs."),
            Self::FaceAuthenticationRequired { .. } => {
                (401, "Confirm by face", "This needs a recent face authentication.")
            }
            Self::IdentityUnavailable => (503, "Try again soon", "Identity status can't be read right now."),
            Self::RequirementNotSetUp => (500, "Server error", "The server is not set up to answer this."),
        };
        let problem = Problem::new(status, self.code(), title, detail);
        match self {
            Self::FaceAuthenticationRequired { max_age } => problem.header(
                "www-authenticate",
                format!("Bearer error=\"insufficient_user_authentication\", max_age={}", max_age.as_secs()),
            ),
            Self::TokenRefused => problem.header("www-authenticate", "Bearer error=\"invalid_token\""),
            Self::IdentityUnavailable => problem.reloading_after(RETRY_AFTER),
            Self::VerificationPending => problem.reloading_after(PENDING_RETRY_AFTER),
            _ => problem,
        }
    }

    /// A revoked person is not sent to be verified: the vendor revoked them, and another check does not change that.
    fn is_helped_by_verifying(self) -> bool {
        matches!(
            self,
            Self::VerificationRequired
                | Self::IdentityNotActive
                | Self::VerificationExpired
                | Self::AttestationInsufficient
        )
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.unmet.kind.code())
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial").field("unmet", &self.unmet).finish_non_exhaustive()
    }
}

impl Error for Denial {}

/// The parameter that the start route reads.
const RETURN_TO: &str = "return_to";

/// What a query value may hold as it is.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// When an unreadable store is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// When a pending verification is worth another look: the event of a check usually comes within a few seconds.
const PENDING_RETRY_AFTER: Duration = Duration::from_secs(3);
