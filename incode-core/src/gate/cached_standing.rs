//! What is known of one subject or identity, packed into one allocation: a near cache may hold a million of these.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::{Confirmation, FaceOrigin, Identity, LinkProof, SessionHash};
use crate::model::{AttestationStatus, IdentityStatus};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

use super::Standing;
use super::context::Context;
use super::policy_fields::PolicyFields;

/// What was known of one subject, or of one identity, at one instant. Shared by the near cache and every request.
///
/// Ids and words lie behind each other in `text`, so that a look-up touches two or three cache lines. What requirements
/// read is beside them, ready to use; an [`Identity`] is put together only when it is asked for.
pub(crate) struct CachedStanding<T: ?Sized = [u8]> {
    context: Arc<Context>,
    loaded: Loaded,
    checked_at: i64,
    /// [`NEVER`] when there is none; so for the next.
    verified_at: i64,
    face_authenticated_at: i64,
    /// Where each [`Piece`] ends in the text.
    ends: [u16; PIECES],
    who: Principal,
    standing: Standing,
    proof: Option<LinkProof>,
    attested: Attested,
    /// Few people confirm anything: `None` for all the others.
    confirmed: Option<Box<[Confirmed]>>,
    text: T,
}

/// The newest face authentication through the application in one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Confirmed {
    session: SessionHash,
    passed_at: i64,
}

/// What a [`CachedStanding`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Principal {
    /// A request without a subject.
    None,
    /// The same, with a bearer token that was refused.
    Refused,
    Subject,
    Identity,
}

/// The key of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheKeyRef<'a> {
    /// A subject's text, not checked yet.
    Subject(&'a str),
    /// An identity whose token came with the request.
    Identity(&'a str),
}

/// [`CacheKeyRef`], owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CacheKey {
    Subject(Subject),
    Identity(IdentityId),
}

/// When a standing was loaded: nanoseconds of [`MonotonicAge`](super::MonotonicAge).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Loaded(u64);

/// The attestation's overall verdict, as far as requirements distinguish verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attested {
    /// None, or one that is not OK.
    No,
    ByMachine,
    ByHand,
}

impl CachedStanding {
    pub(crate) fn no_subject(context: Arc<Context>) -> Arc<Self> {
        Draft::new(Principal::None, "").finish(Standing::NoSubject, Loaded(0), context)
    }

    pub(crate) fn refused(context: Arc<Context>) -> Arc<Self> {
        Draft::new(Principal::Refused, "").finish(Standing::NoSubject, Loaded(0), context)
    }

    /// Nothing is known, not even which identity it is.
    pub(crate) fn out_of_reach(context: Arc<Context>) -> Arc<Self> {
        Draft::new(Principal::None, "").finish(Standing::Unavailable, Loaded(0), context)
    }

    /// Nothing is known, because the store did not answer.
    pub(crate) fn unavailable(whose: &CacheKey, loaded: Loaded, context: Arc<Context>) -> Arc<Self> {
        Draft::of(whose).finish(Standing::Unavailable, loaded, context)
    }

    /// The store knows no identity of this subject, or no such identity.
    pub(crate) fn unlinked(whose: &CacheKey, standing: Standing, loaded: Loaded, context: Arc<Context>) -> Arc<Self> {
        Draft::of(whose).finish(standing, loaded, context)
    }

    /// What the store said. `confirmations` of another identity don't count.
    pub(crate) fn linked(
        whose: &CacheKey,
        identity: &Identity,
        (proof, confirmations): (Option<LinkProof>, &[Confirmation]),
        facts: Option<&PolicyFields>,
        loaded: Loaded,
        context: Arc<Context>,
    ) -> Arc<Self> {
        let mut draft = Draft::of(whose);
        draft.describe(identity, facts);
        draft.proof = proof;
        draft.confirmed = newest_by_session(confirmations, &identity.identity_id);
        draft.finish(Standing::from(&identity.status), loaded, context)
    }

    #[inline]
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// A bearer token came with the request and was refused.
    pub(crate) fn has_refused_token(&self) -> bool {
        self.who == Principal::Refused
    }

    pub(crate) fn proof(&self) -> Option<LinkProof> {
        self.proof
    }

    pub(crate) fn verified_at(&self) -> Option<Timestamp> {
        instant(self.verified_at)
    }

    /// A verification with status VERIFIED was seen, at whatever time.
    pub(crate) fn has_verification(&self) -> bool {
        !self.bytes(Piece::Verification).is_empty()
    }

    pub(crate) fn face_authenticated_at(&self) -> Option<Timestamp> {
        instant(self.face_authenticated_at)
    }

    /// When the newest face authentication passed through the application in this session.
    pub(crate) fn confirmed_at(&self, session: SessionHash) -> Option<Timestamp> {
        let found = self.confirmed.as_deref()?.iter().find(|confirmed| confirmed.session == session)?;
        Some(Timestamp::from_millis(found.passed_at))
    }

    /// The attestation's overall verdict is OK, by machine or by hand.
    pub(crate) fn is_attested(&self) -> bool {
        self.attested != Attested::No
    }

    /// Of the personal fields that requirements read; empty where none are kept.
    pub(crate) fn facts(&self) -> PolicyFields {
        PolicyFields::unpack(self.piece(Piece::BirthDate), self.piece(Piece::Country))
    }

    pub(crate) fn loaded_when(&self) -> Loaded {
        self.loaded
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Whether it is about this key: two keys may share a hash.
    pub(crate) fn is_about(&self, key: CacheKeyRef<'_>) -> bool {
        let (who, key) = match key {
            CacheKeyRef::Subject(key) => (Principal::Subject, key),
            CacheKeyRef::Identity(key) => (Principal::Identity, key),
        };
        self.who == who && self.bytes(Piece::CacheKeyRef) == key.as_bytes()
    }

    /// `None` for a request without a subject.
    pub(crate) fn whose(&self) -> Option<CacheKey> {
        let key = self.piece(Piece::CacheKeyRef);
        match self.who {
            Principal::None | Principal::Refused => None,
            Principal::Subject => Subject::new(key).ok().map(CacheKey::Subject),
            Principal::Identity => IdentityId::new(key).ok().map(CacheKey::Identity),
        }
    }

    /// The text of the identity it was loaded with.
    pub(crate) fn identity_id(&self) -> Option<&str> {
        let piece = if self.who == Principal::Identity { Piece::CacheKeyRef } else { Piece::Identity };
        Some(self.piece(piece)).filter(|_| self.has_identity())
    }

    pub(crate) fn subject(&self) -> Option<Subject> {
        match self.whose()? {
            CacheKey::Subject(subject) => Some(subject),
            CacheKey::Identity(_) => None,
        }
    }

    /// Whether there is an identity to put together.
    pub(crate) fn has_identity(&self) -> bool {
        matches!(self.standing, Standing::Active | Standing::Revoked | Standing::Other)
    }

    /// Puts the identity together.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let status = match self.standing {
            Standing::Active => IdentityStatus::Active,
            Standing::Revoked => IdentityStatus::Revoked,
            Standing::Other => IdentityStatus::from(self.piece(Piece::Status)),
            Standing::NoSubject
            | Standing::NotLinked
            | Standing::VerificationPending
            | Standing::NotYetAsked
            | Standing::Unavailable => return None,
        };
        let object = |piece| ObjectId::new(self.piece(piece)).ok();
        let text = |piece| Some(self.piece(piece)).filter(|text| !text.is_empty());
        let id = if self.who == Principal::Identity { Piece::CacheKeyRef } else { Piece::Identity };
        let identity_id = IdentityId::new(self.piece(id)).ok()?;
        let checked_at = Timestamp::from_millis(self.checked_at);
        Some(Identity {
            verification_id: object(Piece::Verification),
            verified_at: instant(self.verified_at),
            face_authenticated_at: instant(self.face_authenticated_at),
            face_origin: FaceOrigin {
                verification_id: object(Piece::FaceVerification),
                source_id: text(Piece::FaceSource).map(str::to_owned),
            },
            attestation: match self.attested {
                Attested::ByMachine => Some(AttestationStatus::Ok),
                Attested::ByHand => Some(AttestationStatus::ManualOk),
                Attested::No => text(Piece::Attestation).map(AttestationStatus::from),
            },
            ..Identity::new(identity_id, status, checked_at)
        })
    }

    /// Whether both say the same of one person. When they were loaded does not count, nor when the vendor was asked.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let rest = |known: &Self| {
            (known.standing, known.proof, known.attested, known.verified_at, known.face_authenticated_at, known.ends)
        };
        rest(self) == rest(other) && self.confirmed == other.confirmed && self.text == other.text
    }

    /// Whether it says something else than `other`, and is not older.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        self.loaded >= other.loaded && !self.says_the_same(other)
    }

    fn piece(&self, piece: Piece) -> &str {
        // What was packed was text, and is cut at its own ends.
        std::str::from_utf8(self.bytes(piece)).unwrap_or_default()
    }

    fn bytes(&self, piece: Piece) -> &[u8] {
        let at = piece as usize;
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(begin);
        self.text.get(usize::from(begin)..usize::from(end)).unwrap_or_default()
    }
}

impl Attested {
    fn of(verdict: Option<&AttestationStatus>) -> Self {
        match verdict {
            Some(AttestationStatus::Ok) => Self::ByMachine,
            Some(AttestationStatus::ManualOk) => Self::ByHand,
            _ => Self::No,
        }
    }
}

impl Loaded {
    pub(crate) fn now(context: &Context) -> Self {
        Self(context.aging.nanos())
    }

    /// `None` if the clock was set back all the same, and then nothing is young.
    pub(crate) fn age(self, context: &Context) -> Option<Duration> {
        context.aging.nanos().checked_sub(self.0).map(Duration::from_nanos)
    }
}

impl CacheKey {
    pub(crate) fn key(&self) -> CacheKeyRef<'_> {
        match self {
            Self::Subject(subject) => CacheKeyRef::Subject(subject.as_str()),
            Self::Identity(id) => CacheKeyRef::Identity(id.as_str()),
        }
    }
}

/// A [`CachedStanding`] in the making.
struct Draft {
    who: Principal,
    proof: Option<LinkProof>,
    attested: Attested,
    confirmed: Option<Box<[Confirmed]>>,
    ends: [u16; PIECES],
    text: String,
    checked_at: i64,
    verified_at: i64,
    face_authenticated_at: i64,
}

impl Draft {
    fn of(whose: &CacheKey) -> Self {
        match whose {
            CacheKey::Subject(subject) => Self::new(Principal::Subject, subject.as_str()),
            CacheKey::Identity(id) => Self::new(Principal::Identity, id.as_str()),
        }
    }

    fn new(who: Principal, key: &str) -> Self {
        let (proof, attested) = (None, Attested::No);
        let [checked_at, verified_at, face_authenticated_at] = [NEVER; 3];
        let text = String::with_capacity(LONGEST_USUAL);
        let (confirmed, ends) = (None, [0; PIECES]);
        let mut draft =
            Self { who, proof, attested, confirmed, ends, text, checked_at, verified_at, face_authenticated_at };
        draft.add([key, "", "", "", "", "", "", "", ""]);
        draft
    }

    fn describe(&mut self, identity: &Identity, facts: Option<&PolicyFields>) {
        // Looked up by this id: it is the key already.
        let id = if self.who == Principal::Identity { "" } else { identity.identity_id.as_str() };
        let origin =
            FaceOrigin::new(identity.face_origin.verification_id.clone(), identity.face_origin.source_id.clone());
        let object = |id: &Option<ObjectId>| id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
        // A store may bring words that are longer than the model keeps them; reading them again cuts them.
        let status = match &identity.status {
            IdentityStatus::Active | IdentityStatus::Revoked | IdentityStatus::NotYetAsked => IdentityStatus::from(""),
            IdentityStatus::Other(word) => IdentityStatus::from(word.as_str()),
        };
        self.attested = Attested::of(identity.attestation.as_ref());
        let verdict = identity.attestation.as_ref().filter(|_| self.attested == Attested::No);
        let attestation = verdict.map(|verdict| AttestationStatus::from(verdict.as_str()));
        let (born, country) = facts.map(PolicyFields::pack).unwrap_or_default();
        let key = std::mem::take(&mut self.text);
        self.add([
            &key,
            id,
            &object(&identity.verification_id),
            &object(&origin.verification_id),
            origin.source_id.as_deref().unwrap_or_default(),
            status.as_str(),
            attestation.as_ref().map_or("", |verdict| verdict.as_str()),
            &born,
            &country,
        ]);
        self.checked_at = identity.checked_at.as_millis();
        self.verified_at = identity.verified_at.map_or(NEVER, Timestamp::as_millis);
        self.face_authenticated_at = identity.face_authenticated_at.map_or(NEVER, Timestamp::as_millis);
    }

    fn add(&mut self, pieces: [&str; PIECES]) {
        for (piece, end) in pieces.into_iter().zip(&mut self.ends) {
            self.text.push_str(piece);
            // Each piece is bounded by its type, and all together by the largest size below.
            *end = u16::try_from(self.text.len()).unwrap_or(u16::MAX);
        }
    }

    /// Chooses the smallest size that holds the text. Sizes are fixed so that the whole is one allocation without
    /// `unsafe`: an `Arc` of an array becomes one of a slice. Each fills the last word of eight bytes.
    fn finish(self, standing: Standing, loaded: Loaded, context: Arc<Context>) -> Arc<CachedStanding> {
        macro_rules! smallest_of {
            ($($size:literal)+) => {
                match self.text.len() {
                    $(..=$size => self.sized::<$size>(standing, loaded, context),)+
                    _ => self.sized::<LONGEST>(standing, loaded, context),
                }
            };
        }
        smallest_of!(2 26 34 42 50 58 66 74 82 90 98 106 114 122 138 154 186 250 378 506 1018)
    }

    fn sized<const N: usize>(self, standing: Standing, loaded: Loaded, context: Arc<Context>) -> Arc<CachedStanding> {
        let Self { who, proof, attested, confirmed, ends, checked_at, verified_at, face_authenticated_at, .. } = self;
        let mut text = [0; N];
        for (to, from) in text.iter_mut().zip(self.text.bytes()) {
            *to = from;
        }
        Arc::new(CachedStanding {
            context,
            loaded,
            checked_at,
            verified_at,
            face_authenticated_at,
            ends,
            who,
            standing,
            proof,
            attested,
            confirmed,
            text,
        })
    }
}

/// What lies in the text, in this order.
#[derive(Clone, Copy)]
enum Piece {
    /// What it is looked up by: a subject, or an identity id.
    CacheKeyRef,
    Identity,
    Verification,
    FaceVerification,
    FaceSource,
    /// Of a standing that has no name of its own.
    Status,
    /// A verdict that has none.
    Attestation,
    BirthDate,
    Country,
}

/// Without those that confirm one action: they are for that action, and open nothing else.
fn newest_by_session(confirmations: &[Confirmation], identity: &IdentityId) -> Option<Box<[Confirmed]>> {
    let mut newest: Vec<Confirmed> = Vec::new();
    let general = |confirmation: &&Confirmation| confirmation.identity_id == *identity && confirmation.action.is_none();
    for confirmation in confirmations.iter().filter(general) {
        let (session, passed_at) = (confirmation.session, confirmation.passed_at.as_millis());
        match newest.iter_mut().find(|known| known.session == session) {
            Some(known) => known.passed_at = known.passed_at.max(passed_at),
            None => newest.push(Confirmed { session, passed_at }),
        }
    }
    (!newest.is_empty()).then(|| newest.into_boxed_slice())
}

fn instant(millis: i64) -> Option<Timestamp> {
    (millis != NEVER).then(|| Timestamp::from_millis(millis))
}

const PIECES: usize = 9;

/// Means "no such instant". No real time has this value.
const NEVER: i64 = i64::MIN;

/// Three ids of a UUID's length, and a little.
const LONGEST_USUAL: usize = 128;

/// The longest subject, three of the longest ids, a source of 64, two words of 128 characters of 4 bytes, and facts.
const LONGEST: usize = Subject::MAX_LEN + 3 * IdentityId::MAX_LEN + 64 + 2 * 512 + PolicyFields::LONGEST;

#[cfg(test)]
mod tests;
