//! Face authentications that count once, in one session, for one action.

use std::time::Duration;

use crate::flow::FaceScope;
use crate::gate::{Denial, DenialKind, Requirement, SessionSource, Visitor};
use crate::http::RequestHead;
use crate::identity::transition::{Command, Outcome, Refusal};
use crate::identity::{ActionHash, Cause, SessionHash};
use crate::limit::Limit;

use super::{Builder, Incode};

impl Builder {
    /// How the session of a request is found: a face that was confirmed in one session then counts in no other.
    ///
    /// Unless set, a face counts in every session of its subject: a second session of the same account, on another
    /// device, may use the face that the first one confirmed. Name the sessions wherever faces guard anything.
    pub fn sessions(mut self, source: SessionSource) -> Self {
        self.sessions = Some(source);
        self
    }

    /// Longest face image that [`Incode::authenticate`] sends, in characters of its base64: a third more than the bytes
    /// of the image. 8 MiB unless set, an image of 6 MiB; the vendor takes 10 MB in all.
    pub fn face_image_cap(mut self, characters: usize) -> Self {
        self.face_image_cap = characters;
        self
    }

    /// How often one subject may ask for a face authentication: `burst` times at once, then once each `interval`. 5 and
    /// 12 s unless set; an `interval` of zero is no limit. Each process counts for itself. Beyond it:
    /// [`FaceErrorKind::TooManyRequests`](crate::flow::FaceErrorKind::TooManyRequests).
    pub fn face_limit(mut self, burst: u32, interval: Duration) -> Self {
        self.limits.faces = Limit { burst, interval };
        self
    }

    /// How long the same face image, byte by byte, is refused of the same subject once the vendor decided about it. 10
    /// minutes unless set; zero takes it again at once. A camera never makes the same bytes twice: a picture that comes
    /// again was captured, or is a test's.
    pub fn same_face_image_after(mut self, span: Duration) -> Self {
        self.limits.same_image_after = span;
        self
    }

    /// How often the callbacks of one subject may ask the vendor: `burst` times at once, then once each `interval`. 8 and
    /// 10 s unless set; an `interval` of zero is no limit. Beyond it: 429 `too_many_requests`. One flow asks four times
    /// at once, and then once each 15 s, whatever is set here.
    pub fn callback_limit(mut self, burst: u32, interval: Duration) -> Self {
        self.limits.callbacks = Limit { burst, interval };
        self
    }
}

impl Incode {
    /// The session of a request; see [`Builder::sessions`]. [`SessionHash::NONE`] where the application names no
    /// sessions, `None` where it does and the request has none.
    pub fn session(&self, head: &dyn RequestHead) -> Option<SessionHash> {
        self.0.context.sessions.as_ref().map_or(Some(SessionHash::NONE), |source| source.find(head))
    }

    /// Uses up the face that the visitor confirmed for `action` in this session: one face, one transfer. Call it in the
    /// handler, right before the action is carried out. A second call finds the confirmation gone, also on another
    /// replica; a face without an action, or for another one, does not count.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use incode_core::Incode;
    /// # use incode_core::gate::{Denial, Visitor};
    /// use incode_core::identity::ActionHash;
    ///
    /// # async fn transfer(incode: Incode, visitor: Visitor) -> Result<(), Denial> {
    /// let action = ActionHash::of(b"transfer 1.00 EUR to DE02 1203 0000 0000 2020 51");
    /// incode.use_confirmation(&visitor, action, Duration::from_secs(300)).await?;
    /// // now transfer
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The [`Denial`] to answer with: by standing as for [`Requirement::active`], `face_authentication_required` where no
    /// face of the last `within` confirmed this, `identity_unavailable` while the store does not answer.
    pub async fn use_confirmation(
        &self,
        visitor: &Visitor,
        action: ActionHash,
        within: Duration,
    ) -> Result<(), Denial> {
        visitor.require(&Requirement::active())?;
        let unconfirmed = || visitor.denied(DenialKind::FaceAuthenticationRequired { max_age: within });
        let (Some(subject), Some(session)) = (visitor.subject().cloned(), visitor.session()) else {
            return Err(unconfirmed());
        };
        let command = Command::UseConfirmation { subject, session, action, within };
        let outcome = match self.0.directory.change(command, Cause::Face).await {
            Ok(changed) => changed.outcome,
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "confirmation not used");
                return Err(visitor.denied(DenialKind::IdentityUnavailable));
            }
        };
        match outcome {
            Outcome::Used(_) => Ok(()),
            Outcome::Refused(Refusal::NotLinked) => Err(visitor.denied(DenialKind::VerificationRequired)),
            _ => Err(unconfirmed()),
        }
    }
}

impl FaceScope {
    /// Of this visitor: its subject, in the session of its request. `None` where it has no subject, or no session
    /// although the application names sessions: a face would count nowhere.
    pub fn of(visitor: &Visitor) -> Option<Self> {
        Some(Self::new(visitor.subject()?.clone()).in_session(visitor.session()?))
    }
}

#[cfg(test)]
mod tests;
