//! The acceptance suite of [`Store`]: one function for each promise of the contract. An engine that passes is right.
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
    reason = "a suite of tests fails by panicking, and its files share their builders"
)]

use std::future::Future;
use std::sync::Arc;

use crate::identity::transition::{
    ApplyEvent, ChangeRequest, Command, EventLink, HandlerNames, Outcome, Refusal, Return, Rules, UsedNonce, UsedToken,
    VerifiedHandler,
};
use crate::identity::{Change, Check, Checks, FlowWindow, NamedFlow, Observation, SubjectState, Verified};
use crate::model::{EventKind, IdentityStatus};
use crate::store::{
    Accepted, Claim, ClaimedEvent, ClaimedJob, DeadFilter, EventFilter, EventId, EventRow, EventState, JobClaim,
    JobFilter, JobRow, JobState, Lease, NewEvent, Prune, Reason, Replay, Settled, Settlement, Store, StoreErrorKind,
};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp, Token};

mod audit;
mod build;
mod confirmations;
mod dedupe;
mod fields;
mod forgetting;
mod identities;
mod imports;
mod inbox;
mod jobs;
mod leases;
mod life_cycle;
mod links;
mod pending;
mod refused;
mod shared;

pub use audit::*;
pub use build::*;
pub use confirmations::*;
pub use dedupe::*;
pub use fields::*;
pub use forgetting::*;
pub use identities::*;
pub use imports::*;
pub use inbox::*;
pub use jobs::*;
pub use leases::*;
pub use life_cycle::*;
pub use links::*;
pub use pending::*;
pub use refused::*;
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
        an_unauthenticated_event_does_not_shadow_the_vendor,
        an_unauthenticated_done_event_covers_itself_alone,
        a_crowd_for_one_object_is_refused,
        many_unauthenticated_events_leave_the_vendor_room,
        only_done_suppresses_whatever_the_token,
        a_dead_event_suppresses_nothing,
        ignored_events_are_known_by_their_object,
        ignored_events_are_capped,
        a_pending_event_needs_an_object,
        one_of_200_simultaneous_deliveries_is_new,
        events_are_filtered,
        dead_events_are_chosen_by_filter,
        one_event_is_shown_as_far_as_it_may_be,
        events_are_paged_newest_first,
        replay_revives_the_dead_once,
        claims_give_what_was_accepted,
        claims_take_the_oldest_due_first,
        a_claim_may_take_the_newest_first,
        a_lease_is_exclusive_until_it_ends,
        a_lost_lease_writes_nothing,
        an_ended_lease_that_was_not_taken_still_settles,
        a_lease_settles_once,
        a_retry_waits_and_counts,
        a_release_takes_the_attempt_back,
        simultaneous_claims_never_share_an_event,
        a_sibling_of_a_done_event_says_so,
        a_renewed_lease_holds_longer,
        an_ended_lease_that_was_not_taken_is_renewed,
        a_lost_lease_is_not_renewed,
        implausible_events_are_claimed_last,
        done_merges_and_links_at_once,
        a_refused_link_does_not_undo_the_rest,
        links_are_refused_in_order,
        relinking_the_same_pair_is_done,
        shared_identities_name_all_their_subjects,
        observations_merge_in_any_order,
        a_verification_leads_to_its_identity,
        simultaneous_changes_lose_no_update,
        unlinking_frees_the_subject,
        subjects_are_those_that_are_linked,
        the_application_links_what_is_known,
        a_token_links_one_subject,
        a_callback_waits_for_the_check,
        a_check_known_before_the_callback_links_at_once,
        a_failed_check_ends_the_flow,
        a_failure_that_names_a_flow_ends_that_flow_alone,
        a_pass_of_a_foreign_flow_links_nothing,
        a_check_of_another_time_links_nothing,
        a_check_of_unknown_time_must_be_authenticated,
        the_same_callback_twice_is_one,
        two_pending_links_are_not_both_confirmed,
        pending_links_expire,
        a_new_flow_replaces_the_pending_link,
        simultaneous_returns_link_at_most_one,
        event_and_callback_at_once_link_once,
        any_order_of_flow_and_event_owes_once,
        a_refused_callback_leaves_its_reason,
        a_refused_event_leaves_its_reason,
        refused_links_are_erased_and_pruned,
        an_imported_link_waits_for_the_vendor,
        an_import_moves_nothing,
        a_face_confirms_one_action_once,
        simultaneous_uses_find_one_confirmation,
        confirmations_are_kept_by_session_and_action,
        old_and_revoked_confirmations_do_not_count,
        a_face_of_another_person_confirms_nothing,
        the_end_of_a_link_erases_confirmations,
        prune_removes_old_confirmations,
        forgetting_leaves_a_tombstone,
        forgetting_the_unknown_still_holds,
        what_was_received_before_forgetting_stays_forgotten,
        what_was_received_after_forgetting_counts,
        where_a_clock_was_set_back_the_tombstone_stands,
        forgetting_erases_pending_links_and_confirmations,
        fields_are_kept_with_their_identity,
        the_newest_sent_field_stands,
        expired_fields_are_neither_read_nor_left,
        forgetting_erases_fields,
        an_applied_event_owes_each_handler_once,
        only_the_first_application_owes,
        an_object_is_applied_once_to_each_identity,
        leases_of_jobs_hold,
        leases_of_jobs_are_renewed,
        jobs_are_settled_and_replayed,
        jobs_are_paged_newest_first,
        prune_removes_settled_jobs,
        jobs_of_the_forgotten_name_no_identity,
        a_verified_subject_gets_one_job,
        a_revocation_enqueues_one_job_for_each_subject,
        a_done_job_names_no_subject,
        a_pending_job_keeps_its_subject,
        what_is_done_by_hand_leaves_a_trail,
        links_by_hand_leave_a_trail,
        exports_and_imports_leave_a_trail,
        the_trail_is_capped,
        erasures_are_kept_by_age,
        prune_removes_what_is_old,
        prune_removes_used_correlation_ids_and_tokens,
        counts_follow_every_move,
        a_secret_is_compared_with_the_first,
        a_secret_is_replaced_by_who_knows_it,
        a_closed_store_is_unavailable,
    );
}

/// Runs every test of what several processes on one database rely on, each on two fresh stores that share one. Beside
/// [`run`], for stores that can be shared.
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
        what_two_apply_at_once_enqueues_one_job,
        two_merge_without_losing_an_update,
        a_correlation_id_is_used_once_among_two,
        a_token_is_used_once_among_two,
        an_identity_is_linked_once_among_two,
        event_and_callback_among_two_link_once,
        a_confirmation_is_used_once_among_two,
        two_compare_their_secrets,
        two_replace_a_secret_once,
        ignored_events_are_capped_among_two,
        a_change_of_one_reaches_the_other,
        the_end_of_one_leaves_the_other,
        two_agree_on_the_time,
    );
}
