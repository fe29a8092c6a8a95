use std::sync::Arc;
use std::time::Duration;

use super::near::{Setup, change, setup, whose};
use crate::IdentityId;
use crate::gate::near::NearSettings;
use crate::gate::outdated::MOST_IDENTITIES;
use crate::gate::{CacheKey, CacheKeyRef, Standing};
use crate::identity::{Cause, NotActive, Observation};
use crate::model::IdentityStatus;
use crate::testing::store_suite::seen;

const ALICE: CacheKeyRef<'static> = CacheKeyRef::Subject("alice");

fn revoked(identity: &str) -> Arc<NotActive> {
    let seen = Observation { status: IdentityStatus::Revoked, ..seen(identity, 1_000) };
    Arc::new(NotActive::of(&seen, Cause::BearerToken).unwrap())
}

/// Loads `alice`, and the identity that she is linked to by its own key.
async fn loaded(settings: NearSettings) -> Setup {
    let setup = setup(settings);
    setup.store.permits.add_permits(100);
    setup.near.load(whose("alice")).await;
    setup.near.load(CacheKey::Identity(IdentityId::new("person").unwrap())).await;
    setup.clock.advance(Duration::from_millis(1));
    setup
}

#[tokio::test]
async fn an_answer_that_is_not_active_ends_each_standing_of_its_identity() {
    let Setup { clock, near, .. } = loaded(NearSettings::default()).await;
    near.withhold(&revoked("another"));
    assert_eq!(near.hit(ALICE).unwrap().standing(), Standing::Active, "of another identity");
    near.withhold(&revoked("person"));
    assert!(near.hit(ALICE).is_none() && near.hit(CacheKeyRef::Identity("person")).is_none());
    clock.advance(Duration::from_millis(1));
    assert_eq!(near.load(whose("alice")).await.standing(), Standing::Revoked);
    assert_eq!(near.hit(ALICE).unwrap().standing(), Standing::Revoked, "loaded since");
    assert_eq!(near.stood(&change("bob")), Some(Standing::Active), "the change says how the identity stood");
}

/// Also when the store fails from then on.
#[tokio::test]
async fn a_standing_that_an_answer_ended_is_not_served_in_place_of_the_store() {
    let settings = NearSettings { serve_stale: Duration::from_secs(60), ..NearSettings::default() };
    let Setup { store, near, .. } = loaded(settings).await;
    store.answers(Err(crate::store::StoreErrorKind::Unavailable));
    near.withhold(&revoked("person"));
    assert_eq!(near.load(whose("alice")).await.standing(), Standing::Unavailable);
}

#[tokio::test]
async fn with_too_many_answers_every_older_standing_ends() {
    let Setup { clock, near, .. } = loaded(NearSettings::default()).await;
    (0..MOST_IDENTITIES).for_each(|other| near.withhold(&revoked(&format!("other-{other}"))));
    assert!(near.hit(ALICE).is_some());
    near.withhold(&revoked("one-more"));
    assert!(near.hit(ALICE).is_none(), "it is not known any more whose standings are older");
    clock.advance(Duration::from_millis(1));
    near.load(whose("alice")).await;
    assert_eq!(near.hit(ALICE).unwrap().standing(), Standing::Active);
}

/// Marks that no standing can be older than make room.
#[tokio::test]
async fn answers_of_long_ago_take_no_place() {
    let lifetime = Duration::from_secs(10);
    let Setup { clock, near, .. } = loaded(NearSettings { lifetime, ..NearSettings::default() }).await;
    (0..MOST_IDENTITIES).for_each(|other| near.withhold(&revoked(&format!("other-{other}"))));
    clock.advance(lifetime + Duration::from_millis(1));
    near.load(whose("alice")).await;
    clock.advance(Duration::from_millis(1));
    near.withhold(&revoked("one-more"));
    assert!(near.hit(ALICE).is_some());
}
