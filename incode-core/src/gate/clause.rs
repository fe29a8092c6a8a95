use std::fmt;
use std::sync::Arc;

use crate::http::RequestHead;
use crate::identity::{Field, LinkProof};

use super::requirement::Unmet;
use super::{DenialKind, Requirement, TimeZone, Visitor};

/// What a [`Requirement`] asks for beyond verification, face and attestation.
#[derive(Clone)]
pub(super) enum Clause {
    Linked(LinkProof),
    MinimumAge {
        years: u16,
        zone: TimeZone,
    },
    /// Folded as [`PolicyFields`](super::policy_fields::PolicyFields) are.
    Country(Box<[Box<str>]>),
    Rule {
        name: &'static str,
        rule: Arc<CustomRule>,
    },
    /// A requirement inside another, with a name of its own.
    Part(Requirement),
    Either(Requirement, Requirement),
}

type CustomRule = dyn Fn(&Visitor) -> bool + Send + Sync;

impl Clause {
    /// Decides for a visitor who is ACTIVE.
    pub(super) fn check(&self, visitor: &Visitor, head: Option<&dyn RequestHead>) -> Result<(), Unmet> {
        let met = |met, kind| if met { Ok(()) } else { Err(Unmet { kind, requirement: None }) };
        match self {
            Self::Linked(proof) => met(visitor.link_proof() == Some(*proof), DenialKind::LinkInsufficient),
            Self::MinimumAge { years, zone } => {
                kept(visitor, Field::BirthDate)?;
                let born = visitor.known().facts().born;
                let old = born.is_some_and(|born| zone.is_of_age(&born, *years, visitor.now()));
                met(old, DenialKind::AgeInsufficient)
            }
            Self::Country(accepted) => {
                kept(visitor, Field::Country)?;
                let country = visitor.known().facts().country;
                met(country.is_some_and(|country| accepted.contains(&country)), DenialKind::CountryNotAccepted)
            }
            Self::Rule { name, rule } => {
                let unmet = Unmet { kind: DenialKind::RequirementNotMet, requirement: Some(name) };
                let is_met = match head {
                    // The rule may ask for a face itself, and then needs to know the session.
                    Some(head) if visitor.names_sessions() => rule(&visitor.asked_by(head)),
                    _ => rule(visitor),
                };
                if is_met { Ok(()) } else { Err(unmet) }
            }
            Self::Part(part) => part.check_active(visitor, head),
            Self::Either(one, other) => {
                let Err(first) = one.check_active(visitor, head) else { return Ok(()) };
                let Err(second) = other.check_active(visitor, head) else { return Ok(()) };
                Err(if effort(second.kind) < effort(first.kind) { second } else { first })
            }
        }
    }
}

/// A requirement over a field that the application does not retain could never be met. It says so, instead of denying
/// every visitor for a reason that is not theirs.
fn kept(visitor: &Visitor, field: Field) -> Result<(), Unmet> {
    if visitor.keeps(field) {
        return Ok(());
    }
    tracing::error!(
        field = field.as_str(),
        "a requirement asks for a personal field that is not retained: opt in with Builder::retain"
    );
    Err(Unmet { kind: DenialKind::RequirementNotSetUp, requirement: None })
}

/// How hard it is for the person to do something about it: what [`Requirement::or`] promises.
fn effort(kind: DenialKind) -> u8 {
    match kind {
        DenialKind::FaceAuthenticationRequired { .. } => 0,
        DenialKind::VerificationExpired => 1,
        DenialKind::VerificationRequired => 2,
        DenialKind::AttestationInsufficient => 3,
        DenialKind::LinkInsufficient => 4,
        DenialKind::RequirementNotMet => 5,
        DenialKind::CountryNotAccepted => 6,
        DenialKind::AgeInsufficient => 7,
        DenialKind::RequirementNotSetUp => 8,
        // Of a standing, which both alternatives share.
        DenialKind::AuthenticationRequired
        | DenialKind::TokenRefused
        | DenialKind::VerificationPending
        | DenialKind::IdentityRevoked
        | DenialKind::IdentityNotActive
        | DenialKind::IdentityUnavailable => 9,
    }
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked(proof) => f.debug_tuple("Linked").field(proof).finish(),
            Self::MinimumAge { years, zone } => f.debug_tuple("MinimumAge").field(years).field(zone).finish(),
            Self::Country(accepted) => f.debug_tuple("Country").field(accepted).finish(),
            Self::Rule { name, .. } => f.debug_tuple("Rule").field(name).finish(),
            Self::Part(part) => part.fmt(f),
            Self::Either(one, other) => f.debug_tuple("Either").field(one).field(other).finish(),
        }
    }
}
