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
    clippy::wildcard_imports,
    reason = "a suite of tests fails by panicking, and its files share their builders"
)]

use std::future::Future;
use std::sync::Arc;

use crate::identity::transition::{
    ApplyEvent, ChangeRequest, Command, HandlerNames, Outcome, Refusal, Return, Rules, UsedNonce, UsedToken,
    VerifiedHandler,
};
use crate::identity::{Change, Check, Checks, FlowWindow, Observation, SubjectState, Verified};
use crate::model::{EventKind, IdentityStatus};
use crate::store::{
    Accepted, Claim, ClaimedEvent, ClaimedJob, DeadFilter, EventFilter, EventId, EventRow, EventState, JobClaim,
    JobFilter, JobRow, JobState, Lease, NewEvent, Prune, Reason, Replay, Settled, Settlement, Store, StoreErrorKind,
};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp, Token};

mod audit;
mod confirmations;
mod dedupe;
mod fields;
mod forgetting;
mod identities;
mod inbox;
mod jobs;
mod leases;
mod life_cycle;
mod links;
mod pending;
mod shared;

pub use audit::*;
pub use confirmations::*;
pub use dedupe::*;
pub use fields::*;
pub use forgetting::*;
pub use identities::*;
pub use inbox::*;
pub use jobs::*;
pub use leases::*;
pub use life_cycle::*;
pub use links::*;
pub use pending::*;
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
        a_strangers_done_event_stands_for_itself_alone,
        a_crowd_for_one_object_is_refused,
        a_crowd_of_strangers_leaves_the_vendor_room,
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
        a_check_of_another_time_links_nothing,
        a_check_of_unknown_time_must_be_authenticated,
        the_same_callback_twice_is_one,
        two_pending_links_are_not_both_confirmed,
        pending_links_expire,
        a_new_flow_replaces_the_pending_link,
        simultaneous_returns_link_at_most_one,
        event_and_callback_at_once_link_once,
        any_order_of_flow_and_event_owes_once,
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
        jobs_are_settled_and_replayed,
        jobs_are_paged_newest_first,
        prune_removes_settled_jobs,
        jobs_of_the_forgotten_name_no_identity,
        a_verified_subject_is_owed_once,
        a_revocation_is_owed_once_to_each_subject,
        a_done_job_names_no_subject,
        a_pending_job_keeps_its_subject,
        what_is_done_by_hand_leaves_a_trail,
        links_by_hand_leave_a_trail,
        the_trail_is_capped,
        erasures_are_kept_by_age,
        prune_removes_what_is_old,
        prune_removes_used_correlation_ids_and_tokens,
        counts_follow_every_move,
        a_secret_is_compared_with_the_first,
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
        what_two_apply_at_once_is_owed_once,
        two_merge_without_losing_an_update,
        a_correlation_id_is_used_once_among_two,
        a_token_is_used_once_among_two,
        an_identity_is_linked_once_among_two,
        event_and_callback_among_two_link_once,
        a_confirmation_is_used_once_among_two,
        two_compare_their_secrets,
        ignored_events_are_capped_among_two,
        a_change_of_one_reaches_the_other,
        the_end_of_one_leaves_the_other,
        two_agree_on_the_time,
    );
}

/// A verification event that is pending, accepted and due at `at` milliseconds.
pub fn pending(object: &str, token: &str, at: i64) -> NewEvent {
    NewEvent {
        kind: EventKind::Verification,
        object_id: Some(object_id(object)),
        token: token.as_bytes().to_vec(),
        token_hash: Token::new(token).expect("a legal token").hash(),
        correlation_id: Some(format!("correlation of {object}")),
        vendor_time: Some(ms(at - 1)),
        received_at: ms(at),
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    }
}

/// An event of a kind that is not known.
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
        sent_at: ms(at),
        status: IdentityStatus::Active,
        attestation: None,
        verified: Some(Verified { id: object_id(&format!("verification-{at}")), at: Some(ms(at)) }),
        face_authenticated_at: None,
        face_origin: Default::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    }
}

/// A command at `at` milliseconds, under rules that allow nothing and name no handler.
pub fn request(command: Command, at: i64) -> ChangeRequest {
    ChangeRequest { command, rules: Arc::default(), now: ms(at) }
}

/// Merges an observation at the instant it was sent.
pub fn observe(seen: Observation) -> ChangeRequest {
    let at = seen.sent_at.as_millis();
    request(Command::Observe(seen), at)
}

/// Links on userinfo alone at `at` milliseconds, with the nonce and the token of all `mark`.
pub fn link_with(subject_name: &str, identity: &str, at: i64, mark: u8) -> ChangeRequest {
    let back = Return { nonce: nonce(mark, at), token: token(mark, at), ..callback(subject_name, identity, at) };
    let rules = Rules { trust_userinfo_alone: true, ..Rules::default() };
    ChangeRequest { rules: Arc::new(rules), ..request(Command::Return(back), at) }
}

/// Links on userinfo alone at `at` milliseconds, with a nonce and a token that no other call has.
pub fn link(subject_name: &str, identity: &str, at: i64) -> ChangeRequest {
    let rules = Rules { trust_userinfo_alone: true, ..Rules::default() };
    let back = callback(subject_name, identity, at);
    ChangeRequest { rules: Arc::new(rules), ..request(Command::Return(back), at) }
}

/// The callback at `at` milliseconds of a flow that began ten milliseconds before. Its nonce and its token belong to
/// subject, identity and instant.
pub fn callback(subject_name: &str, identity: &str, at: i64) -> Return {
    let hash = Token::new(format!("{subject_name}/{identity}/{at}")).expect("a legal token").hash();
    let mut random = [0; 24];
    random.iter_mut().zip(hash.0).for_each(|(to, from)| *to = from);
    Return {
        subject: subject(subject_name),
        seen: seen(identity, at),
        window: FlowWindow { began_at: ms(at - 10), vendor_began_at: ms(at - 10), vendor_returned_at: ms(at) },
        nonce: UsedNonce { nonce: random, expires_at: ms(at + 1_000) },
        token: UsedToken { hash, expires_at: ms(at + 1_000) },
        pending_until: ms(at + 100_000),
    }
}

/// Ends the link of a subject at `at` milliseconds.
pub fn unlink(subject_name: &str, at: i64) -> ChangeRequest {
    request(Command::Unlink { subject: subject(subject_name), by: None }, at)
}

/// Erases an identity at `at` milliseconds, on behalf of "anna".
pub fn forget(identity: &str, at: i64) -> ChangeRequest {
    request(Command::Forget { identity: identity_id(identity), by: actor("anna") }, at)
}

/// What a claimed event applies at the instant of the observation: its check passed, and was made then.
pub fn applying(event: &ClaimedEvent, seen: Observation) -> ApplyEvent {
    let check = Check {
        passed: true,
        made_at: Some(seen.sent_at),
        received_at: event.received_at,
        authenticated: event.authenticated,
        subject: None,
    };
    ApplyEvent {
        event: event.lease.event,
        kind: event.kind.clone(),
        object_id: event.object_id.clone(),
        seen: Observation { checks: Checks::default().with(&check), ..seen },
        check,
        link: None,
    }
}

/// The settlement that applies an event at `at` milliseconds under these rules.
pub fn apply(event: ApplyEvent, rules: &Rules, at: i64) -> Settlement {
    let request = ChangeRequest { rules: Arc::new(rules.clone()), ..request(Command::ApplyEvent(event), at) };
    Settlement::Done { apply: Some(Box::new(request)), at: ms(at) }
}

/// The settlement that applies an observation of a claimed event at `at` milliseconds, under rules without handlers.
fn applied(event: &ClaimedEvent, seen: Observation, at: i64) -> Settlement {
    apply(applying(event, seen), &Rules::default(), at)
}

/// Accepts an event, claims it at once and applies it as `edit` changes it.
async fn deliver(
    store: &dyn Store,
    event: NewEvent,
    seen: Observation,
    rules: &Rules,
    edit: impl FnOnce(&mut ApplyEvent),
) -> (Outcome, Option<Change>) {
    let at = event.received_at.as_millis();
    let id = accepted(store, event).await;
    let event = claimed_one(store, at).await;
    assert_eq!(event.lease.event, id, "the only event that is due");
    let mut applying = applying(&event, seen);
    edit(&mut applying);
    applying.seen.checks = Checks::default().with(&applying.check);
    match store.settle(event.lease, apply(applying, rules, at)).await.expect("settle") {
        Settled::Written(Some((outcome, change))) => (outcome, sorted(change)),
        other => panic!("an event under lease is applied: {other:?}"),
    }
}

/// Rules with handlers that are called for each event.
fn on_event(handlers: &[&str]) -> Rules {
    let on_event = handlers.iter().map(|name| Arc::from(*name)).collect();
    Rules { handlers: HandlerNames { on_event, ..HandlerNames::default() }, ..Rules::default() }
}

/// Rules with the handlers "open" (link and ACTIVE), "check" (VERIFIED too) and "shut" (REVOKED).
fn on_standing() -> Rules {
    let handler = |name: &str, needs_verification| VerifiedHandler { name: name.into(), needs_verification };
    let handlers = HandlerNames {
        on_event: Vec::new(),
        on_verified: vec![handler("open", false), handler("check", true)],
        on_revoked: vec!["shut".into()],
    };
    Rules { handlers, ..Rules::default() }
}

fn nonce(mark: u8, at: i64) -> UsedNonce {
    UsedNonce { nonce: [mark; 24], expires_at: ms(at + 1_000) }
}

fn token(mark: u8, at: i64) -> UsedToken {
    UsedToken { hash: crate::TokenHash([mark; 32]), expires_at: ms(at + 1_000) }
}

fn identity_id(text: &str) -> IdentityId {
    IdentityId::new(text).expect("a legal identity id")
}

fn object_id(text: &str) -> ObjectId {
    ObjectId::new(text).expect("a legal object id")
}

fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a legal subject")
}

fn actor(name: &str) -> Actor {
    Actor::new(name).expect("a legal actor")
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn change(identity: &str, subjects: &[&str]) -> Option<Change> {
    Some(Change { identity_id: identity_id(identity), subjects: subjects.iter().map(|name| subject(name)).collect() })
}

fn sorted(mut change: Option<Change>) -> Option<Change> {
    change.iter_mut().for_each(|change| change.subjects.sort());
    change
}

/// Runs a command: its outcome and its change, with the subjects sorted.
async fn changed(store: &dyn Store, request: ChangeRequest) -> (Outcome, Option<Change>) {
    let changed = store.change(request).await.expect("change");
    (changed.outcome, sorted(changed.change))
}

/// Runs a command: its outcome.
async fn outcome(store: &dyn Store, request: ChangeRequest) -> Outcome {
    changed(store, request).await.0
}

async fn state_of(store: &dyn Store, name: &str) -> SubjectState {
    store.subject(subject(name)).await.expect("subject")
}

async fn is_linked(store: &dyn Store, name: &str) -> bool {
    state_of(store, name).await.linked.is_some()
}

async fn identity(store: &dyn Store, id: &str) -> Option<crate::identity::Identity> {
    store.identity(identity_id(id)).await.expect("identity")
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

fn claim(now: i64, lease_until: i64, limit: u32) -> Claim {
    Claim { now: ms(now), lease_until: ms(lease_until), limit, newest_first: false }
}

async fn claimed(store: &dyn Store, now: i64, lease_until: i64, limit: u32) -> Vec<ClaimedEvent> {
    store.claim(claim(now, lease_until, limit)).await.expect("claim").events
}

async fn claimed_one(store: &dyn Store, now: i64) -> ClaimedEvent {
    let mut events = claimed(store, now, now + 1_000, 1).await;
    events.pop().expect("one event is due")
}

/// When the next event is due, by a claim that takes none.
async fn next_due(store: &dyn Store) -> Option<Timestamp> {
    let claimed = store.claim(claim(0, 1, 0)).await.expect("claim");
    assert!(claimed.events.is_empty(), "none were asked for");
    claimed.next_due
}

async fn listed(store: &dyn Store, state: Option<EventState>) -> Vec<EventRow> {
    store.events(EventFilter { state, ..EventFilter::default() }).await.expect("events")
}

async fn jobs_of(store: &dyn Store, handler: &str, now: i64) -> Vec<ClaimedJob> {
    let claim = JobClaim { handler: handler.into(), now: ms(now), lease_until: ms(now + 100), limit: 10 };
    store.claim_jobs(claim).await.expect("claim jobs").jobs
}

async fn job_of(store: &dyn Store, handler: &str, now: i64) -> ClaimedJob {
    jobs_of(store, handler, now).await.pop().expect("one job is due")
}

async fn listed_jobs(store: &dyn Store, state: Option<JobState>, handler: Option<&str>) -> Vec<JobRow> {
    let filter = JobFilter { state, handler: handler.map(Arc::from), before: None, limit: 100 };
    store.jobs(filter).await.expect("jobs")
}

/// The handlers of all jobs, in the order of their names.
async fn owed(store: &dyn Store) -> Vec<String> {
    let mut owed: Vec<_> = listed_jobs(store, None, None).await.iter().map(|job| job.handler.to_string()).collect();
    owed.sort();
    owed
}

fn all_dead() -> Replay {
    Replay::Dead(DeadFilter::default())
}

fn dead_of(reason: Reason) -> Replay {
    Replay::Dead(DeadFilter { reason: Some(reason), ..DeadFilter::default() })
}

fn done(at: i64) -> Settlement {
    Settlement::Done { apply: None, at: ms(at) }
}

fn dead(at: i64) -> Settlement {
    Settlement::Dead { reason: Reason::TokenDead, wipe_token: false, at: ms(at) }
}

/// Removes events that were settled before `settled_before`, and what expired before `now`.
fn prune(now: i64, settled_before: i64, tokens_before: i64) -> Prune {
    Prune {
        now: ms(now),
        settled_before: ms(settled_before),
        tokens_before: ms(tokens_before),
        confirmed_before: ms(settled_before),
    }
}
