//! What links a subject to an identity.

use std::time::Duration;

use crate::inbox::LinkRule;

use super::Builder;

impl Builder {
    /// Lets one identity serve several subjects. Off unless set: one person, one account.
    pub fn shared_identities(mut self) -> Self {
        self.shared_identities = true;
        self
    }

    /// Lets an authenticated event that repeats the correlation id of a flow link the subject who started it, without a
    /// callback. Off unless set.
    ///
    /// A callback shows that the person who verified came back in the browser of the subject. A webhook does not: a user
    /// who sends the page of their own flow to another person is linked to that person, if the person falls for it.
    /// Switch it on where the callback can't work, and show people whose account they are verifying for. Only events
    /// whose sender knows a secret of ours ([`Trust::Authenticated`](crate::webhook::Trust::Authenticated)) ever link.
    pub fn link_by_webhook(mut self) -> Self {
        self.link_by_webhook = true;
        self
    }

    /// Links a subject on its callback alone, without waiting for the vendor to say that the check passed. Off unless set.
    ///
    /// **A person who failed the check, or never made it, is then linked to the identity whose name they typed.** For
    /// applications without webhooks, whose vendor guarantees that only a passed check returns a token.
    pub fn trust_userinfo_alone(mut self) -> Self {
        self.trust_userinfo_alone = true;
        self
    }

    /// Takes callback and bearer tokens only if they carry this claim (RFC 7519), for instance the audience or the client
    /// id that the vendor puts there. Call it again for more. A token that shows no claims is refused.
    pub fn expect_claim(mut self, name: &str, value: &str) -> Self {
        self.claims.expect(name, value);
        self
    }

    /// How long a callback waits for the event of its check before the browser is sent back. 3 s unless set.
    pub fn callback_wait(mut self, longest: Duration) -> Self {
        self.callback_wait = longest;
        self
    }

    /// Links by a rule of the application's own; see [`LinkRule`]. The last one set counts.
    pub fn link_rule(mut self, rule: impl LinkRule) -> Self {
        self.link_rule = Some(Box::new(rule));
        self
    }
}
