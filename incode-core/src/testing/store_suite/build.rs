//! Builders of events and commands, and short forms of calls, that all files of the suite share.

use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::*;

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
    // A subject may hold characters that a token may not.
    let subject_name_as_hex = HEXLOWER.encode(subject_name.as_bytes());
    let hash = Token::new(format!("{subject_name_as_hex}/{identity}/{at}")).expect("a legal token").hash();
    let mut random = [0; 24];
    random.iter_mut().zip(hash.0).for_each(|(to, from)| *to = from);
    Return {
        subject: subject(subject_name),
        seen: seen(identity, at),
        window: FlowWindow { began_at: ms(at - 10), vendor_began_at: ms(at - 10), vendor_returned_at: ms(at) },
        nonce: UsedNonce { nonce: random, expires_at: ms(at + 1_000) },
        token: UsedToken { hash, expires_at: ms(at + 1_000) },
        token_is_older: false,
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
        flow: NamedFlow::Unnamed,
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
pub(super) fn applied(event: &ClaimedEvent, seen: Observation, at: i64) -> Settlement {
    apply(applying(event, seen), &Rules::default(), at)
}

/// Accepts an event, claims it at once and applies it as `edit` changes it.
pub(super) async fn deliver(
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
pub(super) fn on_event(handlers: &[&str]) -> Rules {
    let on_event = handlers.iter().map(|name| Arc::from(*name)).collect();
    Rules { handlers: HandlerNames { on_event, ..HandlerNames::default() }, ..Rules::default() }
}

/// Rules with the handlers "open" (link and ACTIVE), "check" (VERIFIED too) and "shut" (REVOKED).
pub(super) fn on_standing() -> Rules {
    let handler = |name: &str, needs_verification| VerifiedHandler { name: name.into(), needs_verification };
    let handlers = HandlerNames {
        on_event: Vec::new(),
        on_verified: vec![handler("open", false), handler("check", true)],
        on_revoked: vec!["shut".into()],
    };
    Rules { handlers, ..Rules::default() }
}

pub(super) fn nonce(mark: u8, at: i64) -> UsedNonce {
    UsedNonce { nonce: [mark; 24], expires_at: ms(at + 1_000) }
}

pub(super) fn token(mark: u8, at: i64) -> UsedToken {
    UsedToken { hash: crate::TokenHash([mark; 32]), expires_at: ms(at + 1_000) }
}

pub(super) fn identity_id(text: &str) -> IdentityId {
    IdentityId::new(text).expect("a legal identity id")
}

pub(super) fn object_id(text: &str) -> ObjectId {
    ObjectId::new(text).expect("a legal object id")
}

pub(super) fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a legal subject")
}

pub(super) fn actor(name: &str) -> Actor {
    Actor::new(name).expect("a legal actor")
}

pub(super) fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn change(identity: &str, subjects: &[&str]) -> Option<Change> {
    Some(Change { identity_id: identity_id(identity), subjects: subjects.iter().map(|name| subject(name)).collect() })
}

pub(super) fn sorted(mut change: Option<Change>) -> Option<Change> {
    change.iter_mut().for_each(|change| change.subjects.sort());
    change
}

/// Runs a command: its outcome and its change, with the subjects sorted.
pub(super) async fn changed(store: &dyn Store, request: ChangeRequest) -> (Outcome, Option<Change>) {
    let changed = store.change(request).await.expect("change");
    (changed.outcome, sorted(changed.change))
}

/// Runs a command: its outcome.
pub(super) async fn outcome(store: &dyn Store, request: ChangeRequest) -> Outcome {
    changed(store, request).await.0
}

pub(super) async fn state_of(store: &dyn Store, name: &str) -> SubjectState {
    store.subject(subject(name)).await.expect("subject")
}

pub(super) async fn is_linked(store: &dyn Store, name: &str) -> bool {
    state_of(store, name).await.linked.is_some()
}

pub(super) async fn identity(store: &dyn Store, id: &str) -> Option<crate::identity::Identity> {
    store.identity(identity_id(id)).await.expect("identity")
}

pub(super) async fn accepted(store: &dyn Store, event: NewEvent) -> EventId {
    match store.accept(event).await.expect("accept") {
        Accepted::New(id) => id,
        Accepted::Duplicate => panic!("a new event was taken for a duplicate"),
    }
}

pub(super) async fn is_duplicate(store: &dyn Store, event: NewEvent) -> bool {
    store.accept(event).await.expect("accept") == Accepted::Duplicate
}

pub(super) fn claim(now: i64, lease_until: i64, limit: u32) -> Claim {
    Claim { now: ms(now), lease_until: ms(lease_until), limit, newest_first: false }
}

pub(super) async fn claimed(store: &dyn Store, now: i64, lease_until: i64, limit: u32) -> Vec<ClaimedEvent> {
    store.claim(claim(now, lease_until, limit)).await.expect("claim").events
}

pub(super) async fn claimed_one(store: &dyn Store, now: i64) -> ClaimedEvent {
    let mut events = claimed(store, now, now + 1_000, 1).await;
    events.pop().expect("one event is due")
}

/// When the next event is due, by a claim that takes none.
pub(super) async fn next_due(store: &dyn Store) -> Option<Timestamp> {
    let claimed = store.claim(claim(0, 1, 0)).await.expect("claim");
    assert!(claimed.events.is_empty(), "none were asked for");
    claimed.next_due
}

pub(super) async fn listed(store: &dyn Store, state: Option<EventState>) -> Vec<EventRow> {
    store.events(EventFilter { state, ..EventFilter::default() }).await.expect("events")
}

pub(super) async fn jobs_of(store: &dyn Store, handler: &str, now: i64) -> Vec<ClaimedJob> {
    let claim = JobClaim { handler: handler.into(), now: ms(now), lease_until: ms(now + 100), limit: 10 };
    store.claim_jobs(claim).await.expect("claim jobs").jobs
}

pub(super) async fn job_of(store: &dyn Store, handler: &str, now: i64) -> ClaimedJob {
    jobs_of(store, handler, now).await.pop().expect("one job is due")
}

pub(super) async fn listed_jobs(store: &dyn Store, state: Option<JobState>, handler: Option<&str>) -> Vec<JobRow> {
    let filter = JobFilter { state, handler: handler.map(Arc::from), before: None, limit: 100 };
    store.jobs(filter).await.expect("jobs")
}

/// The handlers of all jobs, in the order of their names.
pub(super) async fn owed(store: &dyn Store) -> Vec<String> {
    let mut owed: Vec<_> = listed_jobs(store, None, None).await.iter().map(|job| job.handler.to_string()).collect();
    owed.sort();
    owed
}

pub(super) fn all_dead() -> Replay {
    Replay::Dead(DeadFilter::default())
}

pub(super) fn dead_of(reason: Reason) -> Replay {
    Replay::Dead(DeadFilter { reason: Some(reason), ..DeadFilter::default() })
}

pub(super) fn done(at: i64) -> Settlement {
    Settlement::Done { apply: None, at: ms(at) }
}

pub(super) fn dead(at: i64) -> Settlement {
    Settlement::Dead { reason: Reason::TokenDead, wipe_token: false, at: ms(at) }
}

/// Removes events that were settled before `settled_before`, and what expired before `now`.
pub(super) fn prune(now: i64, settled_before: i64, tokens_before: i64) -> Prune {
    Prune {
        now: ms(now),
        settled_before: ms(settled_before),
        tokens_before: ms(tokens_before),
        confirmed_before: ms(settled_before),
    }
}
