//! The names of the world's people and things, made once: cloning one is a reference count.

use std::sync::LazyLock;

use incode_core::identity::{ActionHash, SessionHash};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp, TokenHash};

/// The victim's account and person have number 0, the stranger's number 1.
pub const PEOPLE: usize = 2;

static SUBJECTS: LazyLock<[Subject; PEOPLE]> =
    LazyLock::new(|| ["victim", "stranger"].map(|name| valid(Subject::new(name))));
static IDENTITIES: LazyLock<[IdentityId; PEOPLE]> =
    LazyLock::new(|| ["id-of-victim", "id-of-stranger"].map(|name| valid(IdentityId::new(name))));
static OBJECTS: LazyLock<Vec<ObjectId>> =
    LazyLock::new(|| (0..16).map(|number| valid(ObjectId::new(format!("object-{number}")))).collect());
static ACTOR: LazyLock<Actor> = LazyLock::new(Actor::unknown);

/// The account of a person.
pub fn subject(number: u8) -> Subject {
    SUBJECTS[usize::from(number)].clone()
}

/// The person of an account.
pub fn number_of(subject: &Subject) -> u8 {
    u8::from(*subject == SUBJECTS[1])
}

/// The vendor's key of a person.
pub fn identity(number: u8) -> IdentityId {
    IDENTITIES[usize::from(number)].clone()
}

/// The person of a vendor's key.
pub fn person_of(identity: &IdentityId) -> u8 {
    u8::from(*identity == IDENTITIES[1])
}

/// The vendor's key of a verification or an authentication.
pub fn object(number: u8) -> ObjectId {
    OBJECTS[usize::from(number)].clone()
}

/// The number of a vendor's key.
pub fn object_number(object: &ObjectId) -> u8 {
    OBJECTS.iter().position(|known| known == object).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

/// Who acts for the application.
pub fn actor() -> Actor {
    ACTOR.clone()
}

/// The random part of a flow's correlation id.
pub fn nonce(flow: u8) -> [u8; 24] {
    [flow; 24]
}

/// The hash of the token that a visit of the vendor's page gave.
pub fn token(visit: u8, number: u8) -> TokenHash {
    let mut hash = [visit; 32];
    hash[0] = number;
    TokenHash(hash)
}

/// A session of an account.
pub fn session(number: u8) -> SessionHash {
    SessionHash([number + 1; 32])
}

/// Something to be confirmed by a face.
pub fn action(number: u8) -> ActionHash {
    ActionHash([number; 32])
}

/// An instant, in seconds.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

#[expect(clippy::expect_used, reason = "the names above are valid")]
fn valid<T, E: std::fmt::Debug>(name: Result<T, E>) -> T {
    name.expect("a valid name")
}
