use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::http::RequestHead;
use crate::identity::LinkProof;

use super::clause::Clause;
use super::{DenialKind, Standing, TimeZone, Visitor};

/// What a route asks of a visitor. Every requirement includes ACTIVE; what is added can only make it stricter, and
/// [`or`](Self::or) is the one way to offer a choice.
///
/// A requirement is decided at each request over what is known then, so raising one takes effect at once, also for
/// people who were let in before.
///
/// ```
/// use std::time::Duration;
/// use incode_core::gate::{Requirement, TimeZone};
/// let vault = Requirement::active();
/// let transfer = Requirement::active().face_authenticated_within(Duration::from_secs(300)).named("transfer");
/// let wine = Requirement::active().minimum_age(18, TimeZone::new("America/Mexico_City")?).named("adult");
/// let checkout = wine.and(Requirement::active().attested().or(transfer));
/// # assert_ne!(format!("{vault:?}"), format!("{checkout:?}"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Requirement {
    verified: Option<Age>,
    /// A face that was confirmed here: through the application, in this session.
    face: Option<Duration>,
    /// A face that the vendor saw anywhere.
    face_seen: Option<Duration>,
    attested: bool,
    name: Option<&'static str>,
    /// What few requirements ask for. A plain one has none, and is cloned and decided without following a pointer.
    clauses: Option<Arc<Vec<Clause>>>,
}

/// How old something may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Any,
    Within(Duration),
}

/// What was not met, and the name of the smallest named requirement that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unmet {
    pub(crate) kind: DenialKind,
    pub(crate) requirement: Option<&'static str>,
}

impl Requirement {
    /// The vendor's last answer about the identity was ACTIVE.
    pub const fn active() -> Self {
        Self { verified: None, face: None, face_seen: None, attested: false, name: None, clauses: None }
    }

    /// And a verification with status VERIFIED was seen.
    pub const fn verified(mut self) -> Self {
        if self.verified.is_none() {
            self.verified = Some(Age::Any);
        }
        self
    }

    /// And the newest VERIFIED verification is at most this old. Of two ages the shorter counts.
    pub const fn verified_within(mut self, age: Duration) -> Self {
        self.verified = Some(match self.verified {
            Some(Age::Within(known)) => Age::Within(shorter(known, age)),
            _ => Age::Within(age),
        });
        self
    }

    /// And a face authentication passed **through this application, in this session**, at most this long ago: step-up.
    /// Of two ages the shorter counts.
    ///
    /// [`Incode::authenticate`](crate::Incode::authenticate) makes one. Sessions are distinguished where the application
    /// names them ([`Builder::sessions`](crate::Builder::sessions)); elsewhere a face counts in every session of the
    /// subject. Faces that the vendor saw elsewhere, at a kiosk for instance, don't count:
    /// [`face_seen_by_vendor_within`](Self::face_seen_by_vendor_within) is about those. For one action, a transfer say,
    /// use a confirmation up in the handler: [`Incode::use_confirmation`](crate::Incode::use_confirmation).
    pub const fn face_authenticated_within(mut self, age: Duration) -> Self {
        self.face = Some(shorter_of(self.face, age));
        self
    }

    /// And the vendor authenticated the face of this identity **anywhere** at most this long ago: through this
    /// application, at a kiosk, in another application. Of two ages the shorter counts.
    ///
    /// Weaker than [`face_authenticated_within`](Self::face_authenticated_within): it does not show that the person is
    /// in front of this session. It is met in bearer mode, where there is no session.
    pub const fn face_seen_by_vendor_within(mut self, age: Duration) -> Self {
        self.face_seen = Some(shorter_of(self.face_seen, age));
        self
    }

    /// And the attestation's overall verdict is OK, by machine or by hand.
    pub const fn attested(mut self) -> Self {
        self.attested = true;
        self
    }

    /// And the subject was linked to the identity by this proof. One of several: `linked_by(a)`
    /// [`or`](Self::or) `linked_by(b)`. A visitor whose identity came without a link has no proof.
    pub fn linked_by(self, proof: LinkProof) -> Self {
        self.with(Clause::Linked(proof))
    }

    /// And the person is at least so many years old, by the birth date of userinfo, which the application has to
    /// [keep](crate::Builder::retain).
    ///
    /// The vendor gives the birth date as an instant, midnight at some place, and `zone` says where. An instant that is
    /// not midnight there is not taken for a birth date, so a wrong zone shuts the gate and a line in the log says so.
    /// A birth date in the form `1988-08-13` needs no zone. The day that counts as today is that of the zone too. A
    /// birthday on 29 February is on 1 March in other years.
    pub fn minimum_age(self, years: u16, zone: TimeZone) -> Self {
        self.with(Clause::MinimumAge { years, zone })
    }

    /// And the `country` of userinfo, which the application has to [keep](crate::Builder::retain), is one of these: the
    /// vendor's text without blanks around it, compared without case. No list of codes is assumed: look at what the
    /// vendor sends. An empty list accepts no country.
    pub fn country<C: AsRef<str>>(self, accepted: impl IntoIterator<Item = C>) -> Self {
        let accepted = accepted.into_iter().map(|country| super::policy_fields::folded(country.as_ref())).collect();
        self.with(Clause::Country(accepted))
    }

    /// And the application's own rule holds. The denial shows its name as `requirement`.
    ///
    /// The rule runs inside the request, so it must not block; it is asked only about a visitor who is ACTIVE.
    ///
    /// ```
    /// use incode_core::gate::Requirement;
    /// let staff = Requirement::active().satisfying("staff", |visitor| {
    ///     visitor.subject().is_some_and(|subject| subject.as_str().ends_with("@example.com"))
    /// });
    /// ```
    pub fn satisfying(self, name: &'static str, rule: impl Fn(&Visitor) -> bool + Send + Sync + 'static) -> Self {
        self.with(Clause::Rule { name, rule: Arc::new(rule) })
    }

    /// Both have to be met. Each keeps its name.
    pub fn and(self, other: Self) -> Self {
        let whole = if self.name.is_none() { self } else { Self::active().with(Clause::Part(self)) };
        whole.with(Clause::Part(other))
    }

    /// One of the two has to be met. When neither is, the denial is the one the person can act on best: confirm by face,
    /// then verify anew, then have the document checked, the link, the application's own rule, the country, the age; of
    /// two alike, that of the first.
    pub fn or(self, other: Self) -> Self {
        Self::active().with(Clause::Either(self, other))
    }

    /// Gives it a name, for instance `transfer`: denials show it as `requirement`, and the metric of denials has it as a
    /// label. Of several around one another, that of the smallest that is not met is shown.
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The decision. Standing first: nothing else counts for a visitor who is not ACTIVE. `head` is that of the
    /// request, if the caller has it: the session is read from it.
    #[inline]
    pub(crate) fn check(&self, visitor: &Visitor, head: Option<&dyn RequestHead>) -> Result<(), Unmet> {
        match active(visitor) {
            Ok(()) if self.asks_for_no_more() => Ok(()),
            Ok(()) => self.check_active(visitor, head),
            Err(kind) => Err(Unmet { kind, requirement: self.name }),
        }
    }

    /// Than ACTIVE, as most gates do.
    #[inline]
    fn asks_for_no_more(&self) -> bool {
        let Self { verified, face, face_seen, attested, name: _, clauses } = self;
        verified.is_none() && face.is_none() && face_seen.is_none() && !attested && clauses.is_none()
    }

    /// A missing face is checked last: it is not asked for at a gate that stays shut all the same. The clock is read only
    /// where a time counts: most requirements have none, and reading it costs as much as the rest of the decision.
    pub(super) fn check_active(&self, visitor: &Visitor, head: Option<&dyn RequestHead>) -> Result<(), Unmet> {
        let (unmet, known) = (|kind| Unmet { kind, requirement: self.name }, visitor.known());
        match (self.verified, known.verified_at()) {
            (None, _) => {}
            (Some(_), _) if !known.has_verification() => return Err(unmet(DenialKind::VerificationRequired)),
            (Some(Age::Any), _) => {}
            (Some(Age::Within(age)), Some(at)) if is_fresh(at, age, visitor.now()) => {}
            // Too long ago, or at a time that is unknown: that is no freshness.
            (Some(Age::Within(_)), _) => return Err(unmet(DenialKind::VerificationExpired)),
        }
        if self.attested && !known.is_attested() {
            return Err(unmet(DenialKind::AttestationInsufficient));
        }
        let face = self.check_face(visitor, head);
        match &self.clauses {
            None => face,
            Some(clauses) => self.check_clauses(clauses, face, visitor, head),
        }
    }

    /// The session is looked up only here: most requirements ask for no face.
    #[inline]
    fn check_face(&self, visitor: &Visitor, head: Option<&dyn RequestHead>) -> Result<(), Unmet> {
        let known = visitor.known();
        let is_met = |age: Option<Duration>, at: &dyn Fn() -> Option<Timestamp>| {
            age.is_none_or(|age| at().is_some_and(|at| is_fresh(at, age, visitor.now())))
        };
        let confirmed_here = || known.confirmed_at(visitor.session_in(head)?);
        let lacking = match (self.face, self.face_seen) {
            (None, None) => return Ok(()),
            // A face that is confirmed here is seen by the vendor too: one that is young enough for both.
            (Some(age), seen) if !is_met(Some(age), &confirmed_here) => Some(shorter_of(seen, age)),
            (_, seen) if !is_met(seen, &|| known.face_authenticated_at()) => seen,
            _ => None,
        };
        lacking.map_or(Ok(()), |max_age| {
            Err(Unmet { kind: DenialKind::FaceAuthenticationRequired { max_age }, requirement: self.name })
        })
    }

    fn check_clauses(
        &self,
        clauses: &[Clause],
        mut face: Result<(), Unmet>,
        visitor: &Visitor,
        head: Option<&dyn RequestHead>,
    ) -> Result<(), Unmet> {
        for clause in clauses {
            let Err(unmet) = clause.check(visitor, head) else { continue };
            let unmet = Unmet { requirement: unmet.requirement.or(self.name), ..unmet };
            match (unmet.kind, face) {
                // One face that is fresh enough for the strictest is fresh enough for all.
                (DenialKind::FaceAuthenticationRequired { max_age }, Err(known)) if known.is_met_within(max_age) => {
                    face = Err(unmet);
                }
                (DenialKind::FaceAuthenticationRequired { .. }, Ok(())) => face = Err(unmet),
                (DenialKind::FaceAuthenticationRequired { .. }, Err(_)) => {}
                _ => return Err(unmet),
            }
        }
        face
    }

    fn with(mut self, clause: Clause) -> Self {
        Arc::make_mut(self.clauses.get_or_insert_default()).push(clause);
        self
    }
}

impl Unmet {
    fn is_met_within(self, age: Duration) -> bool {
        matches!(self.kind, DenialKind::FaceAuthenticationRequired { max_age } if age < max_age)
    }
}

#[inline]
fn active(visitor: &Visitor) -> Result<(), DenialKind> {
    match visitor.standing() {
        Standing::Active => Ok(()),
        Standing::NoSubject if visitor.known().has_refused_token() => Err(DenialKind::TokenRefused),
        Standing::NoSubject => Err(DenialKind::AuthenticationRequired),
        Standing::NotLinked | Standing::NotYetAsked => Err(DenialKind::VerificationRequired),
        Standing::VerificationPending => Err(DenialKind::VerificationPending),
        Standing::Revoked => Err(DenialKind::IdentityRevoked),
        Standing::Other => Err(DenialKind::IdentityNotActive),
        Standing::Unavailable => Err(DenialKind::IdentityUnavailable),
    }
}

const fn shorter_of(known: Option<Duration>, age: Duration) -> Duration {
    match known {
        Some(known) => shorter(known, age),
        None => age,
    }
}

const fn shorter(one: Duration, other: Duration) -> Duration {
    if one.as_nanos() < other.as_nanos() { one } else { other }
}

/// At most `age` old, the bound included. An instant in the future means that a clock was set back since: it counts as
/// fresh only within [`SKEW`], or a proof would live longer by as much as the clock moved.
fn is_fresh(at: Timestamp, age: Duration, now: Timestamp) -> bool {
    now <= at.after(age) && at <= now.after(SKEW)
}

/// How far the vendor's clock may run ahead of ours.
const SKEW: Duration = Duration::from_secs(60);
