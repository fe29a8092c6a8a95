//! The acceptance suite of [`Store`]: one function for each promise of its docs. A store that passes is right.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use incode_core::store::{MemoryStore, Store};
//! # use incode_core::testing::store_suite;
//! # async fn test() {
//! store_suite::run(|| async { Arc::new(MemoryStore::new()) as Arc<dyn Store> }).await;
//! # }
//! ```
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says no by panicking"
)]

use std::future::Future;
use std::sync::Arc;

use crate::identity::{Change, Link, LinkProof, Observation, Verified};
use crate::model::{EventKind, IdentityStatus};
use crate::store::{
    Accepted, Claim, ClaimedEvent, DeadFilter, EventFilter, EventId, EventState, NewEvent, NewLink, Reason, Replay,
    Settlement, Store, UsedNonce,
};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp, Token};

mod audits;
mod dedupe;
mod effects;
mod fields;
mod forgetting;
mod identities;
mod leases;
mod rows;
mod shared;

pub use audits::*;
pub use dedupe::*;
pub use effects::*;
pub use fields::*;
pub use forgetting::*;
pub use identities::*;
pub use leases::*;
pub use rows::*;
pub use shared::*;

/// Runs every test of the suite, each on a fresh, empty store.
pub async fn run<F, R>(new_store: F)
where
    F: Fn() -> R,
    R: Future<Output = Arc<dyn Store>>,
{
    macro_rules! each {
        ($($test:ident),* $(,)?) => { $(
            let store = new_store().await;
            $test(Arc::clone(&store)).await;
            store.close().await.expect(concat!("closing after ", stringify!($test)));
        )* };
    }
    each!(
        a_pending_delivery_is_known_by_its_token,
        a_junk_token_does_not_shadow_the_genuine_one,
        a_stranger_does_not_shadow_the_vendor,
        only_done_suppresses_whatever_the_token,
        a_dead_event_suppresses_nothing,
        ignored_events_are_known_by_their_object,
        ignored_events_are_capped,
        a_pending_event_needs_an_object,
        a_crowd_for_one_object_is_sent_away,
        one_of_200_simultaneous_deliveries_is_new,
        claims_give_what_was_accepted,
        claims_take_the_oldest_due_first,
        a_claim_may_take_the_newest_first,
        a_lease_is_exclusive_until_it_ends,
        a_lost_lease_writes_nothing,
        an_ended_lease_that_nobody_took_still_settles,
        a_lease_settles_once,
        a_retry_waits_and_counts,
        a_release_takes_the_attempt_back,
        simultaneous_claims_never_share_an_event,
        a_sibling_of_a_done_event_says_so,
        done_merges_and_links_at_once,
        a_refused_link_does_not_undo_the_rest,
        links_are_refused_in_order,
        relinking_the_same_pair_is_done,
        shared_identities_name_all_their_subjects,
        unlinking_frees_the_subject,
        observations_merge_in_any_order,
        a_verification_leads_to_its_identity,
        forgetting_leaves_a_tombstone,
        forgetting_the_unknown_still_holds,
        what_was_received_before_forgetting_brings_nobody_back,
        what_was_received_after_forgetting_may,
        where_a_clock_was_set_back_the_tombstone_stands,
        replay_revives_the_dead_once,
        prune_removes_what_is_old,
        prune_forgets_spent_correlation_ids,
        counts_follow_every_move,
        events_are_paged_newest_first,
        an_applied_event_owes_each_handler_once,
        dead_events_are_chosen_by_filter,
        effects_are_paged_newest_first,
        effects_are_settled_and_replayed,
        effects_of_the_forgotten_know_nobody,
        events_are_filtered,
        inspection_tells_what_may_be_shown,
        leases_of_effects_hold,
        only_the_first_application_owes,
        prune_removes_settled_effects,
        fields_are_kept_with_their_identity,
        the_newest_sent_field_stands,
        expired_fields_are_neither_read_nor_left,
        forgetting_erases_fields,
        the_trail_is_capped,
        what_is_done_by_hand_leaves_a_trail,
        a_closed_store_is_unavailable,
    );
}

/// Runs every test of what several processes on one database may rely on, each on two fresh stores that share one.
/// Beside [`run`], for stores that can be shared.
pub async fn run_shared<F, R>(new_pair: F)
where
    F: Fn() -> R,
    R: Future<Output = [Arc<dyn Store>; 2]>,
{
    macro_rules! each {
        ($($test:ident),* $(,)?) => { $(
            let [one, other] = new_pair().await;
            $test(Arc::clone(&one), Arc::clone(&other)).await;
            one.close().await.expect(concat!("closing after ", stringify!($test)));
            other.close().await.expect(concat!("closing after ", stringify!($test)));
        )* };
    }
    each!(
        what_one_accepts_the_other_knows_and_works_on,
        deliveries_to_two_at_once_are_one_event,
        two_never_claim_the_same_event,
        a_lease_of_one_holds_for_the_other_until_it_ends,
        what_two_apply_at_once_is_owed_once,
        two_merge_without_losing_an_update,
        a_correlation_id_is_spent_once_among_two,
        an_identity_is_linked_once_among_two,
        ignored_events_are_capped_among_two,
        news_of_one_reaches_the_other,
        the_end_of_one_leaves_the_other,
        two_agree_on_the_time,
    );
}

/// A verification event that is pending, accepted and due at `at` milliseconds.
pub fn pending(object: &str, token: &str, at: i64) -> NewEvent {
    NewEvent {
        kind: EventKind::Verification,
        object_id: Some(ObjectId::new(object).expect("a legal object id")),
        token: token.as_bytes().to_vec(),
        token_hash: Token::new(token).expect("a legal token").hash(),
        correlation_id: Some(format!("correlation of {object}")),
        vendor_time: Some(Timestamp::from_millis(at - 1)),
        received_at: Timestamp::from_millis(at),
        authenticated: true,
        state: EventState::Pending,
        reason: None,
    }
}

/// An event of a kind nobody knows.
pub fn ignored(object: &str, at: i64) -> NewEvent {
    NewEvent {
        kind: EventKind::from("unheard.of"),
        token: Vec::new(),
        state: EventState::Ignored,
        reason: Some(Reason::UnknownKind),
        ..pending(object, "none", at)
    }
}

/// An observation of an active identity, sent at `at` milliseconds, with a verification made then.
pub fn seen(identity: &str, at: i64) -> Observation {
    Observation {
        identity_id: identity_id(identity),
        sent_at: Timestamp::from_millis(at),
        status: IdentityStatus::Active,
        attestation: None,
        verified: Some(Verified {
            id: ObjectId::new(format!("verification-{at}")).expect("a legal object id"),
            at: Timestamp::from_millis(at),
        }),
        face_authenticated_at: None,
        face_origin: Default::default(),
        fields: Vec::new(),
    }
}

/// A link that the flow proved at `at` milliseconds, spending the nonce of all `nonce` if there is one.
pub fn new_link(subject_name: &str, identity: &str, at: i64, nonce: Option<u8>) -> NewLink {
    NewLink {
        link: Link {
            subject: subject(subject_name),
            identity_id: identity_id(identity),
            proof: LinkProof::Flow,
            linked_at: Timestamp::from_millis(at),
        },
        seen: seen(identity, at),
        spend: nonce.map(|byte| UsedNonce { nonce: [byte; 24], expires_at: Timestamp::from_millis(at + 1_000) }),
        shared: false,
    }
}

fn identity_id(text: &str) -> IdentityId {
    IdentityId::new(text).expect("a legal identity id")
}

fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a legal subject")
}

fn change(identity: &str, subjects: &[&str]) -> Change {
    Change { identity_id: identity_id(identity), subjects: subjects.iter().map(|name| subject(name)).collect() }
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

async fn accepted(store: &dyn Store, event: NewEvent) -> EventId {
    match store.accept(event).await.expect("accept") {
        Accepted::New(id) => id,
        Accepted::Duplicate => panic!("a new event was taken for a duplicate"),
    }
}

async fn is_duplicate(store: &dyn Store, event: NewEvent) -> bool {
    store.accept(event).await.expect("accept") == Accepted::Duplicate
}

async fn claimed(store: &dyn Store, now: i64, lease_until: i64, limit: u32) -> Vec<ClaimedEvent> {
    store.claim(Claim { now: ms(now), lease_until: ms(lease_until), limit, newest_first: false }).await.expect("claim")
}

async fn claimed_one(store: &dyn Store, now: i64) -> ClaimedEvent {
    let mut events = claimed(store, now, now + 1_000, 1).await;
    events.pop().expect("one event is due")
}

async fn listed(store: &dyn Store, state: Option<EventState>) -> Vec<crate::store::EventRow> {
    store.events(EventFilter { state, ..EventFilter::default() }).await.expect("events")
}

fn actor(name: &str) -> Actor {
    Actor::new(name).expect("a legal actor")
}

fn all_dead() -> Replay {
    Replay::Dead(DeadFilter::default())
}

fn dead_of(reason: Reason) -> Replay {
    Replay::Dead(DeadFilter { reason: Some(reason), ..DeadFilter::default() })
}

fn done(at: i64) -> Settlement {
    Settlement::Done { seen: None, link: None, handlers: Vec::new(), at: ms(at) }
}

fn dead(at: i64) -> Settlement {
    Settlement::Dead { reason: Reason::TokenDead, wipe_token: false, at: ms(at) }
}
