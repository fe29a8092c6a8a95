//! Who is linked to whom, by which proof, and who is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use incode_core::identity::LinkProof;
use incode_core::webhook::Authenticity;
use incode_core::{IdentityId, LinkErrorKind, Secret, Subject, VerifiedPerson};
use incode_sandbox::Fault;
use incode_sqlite::SqliteOptions;
use incode_tests::{Adapter, Auth, Failing, HEADER, Plan, SECRET, World, event, eventually};
use serde_json::Value;

on_every_adapter! {
    a_webhook_links_only_where_that_is_switched_on,
    a_check_of_an_hour_ago_links_by_no_webhook,
    an_unauthenticated_event_never_links,
    a_correlation_id_that_makes_no_link_is_not_kept,
    a_webhook_links_where_the_callbacks_token_is_refused,
    a_rule_links_whom_it_recognises,
    a_rule_that_fails_or_hangs_is_asked_again,
    a_rule_changes_no_link,
    the_application_links_and_unlinks,
    a_link_that_is_refused_changes_nothing,
    two_subjects_at_once_get_one_identity,
    two_subjects_at_once_may_share_one_identity,
}

/// A verification of this person, with the correlation id of this user's flow.
async fn under_the_flow_of(world: &World, user: &str, identity_id: &str) -> Value {
    let verified = world.sandbox.verify(identity_id).unwrap();
    let mut event = event("verification.completed", &verified.verification_id, &verified.token);
    event["correlation_id"] = world.start_flow(user).await.into();
    event
}

async fn a_webhook_links_only_where_that_is_switched_on(adapter: Adapter) {
    // Eve starts, and Ana is the one who finishes.
    for on in [false, true] {
        let plan = Plan::new(adapter);
        let plan = if on { plan.incode(|builder| builder.link_by_webhook()) } else { plan };
        let world = plan.start().await;
        let ana = world.person("Ana Flores");
        world.deliver(&under_the_flow_of(&world, "eve", &ana.identity_id).await).await;
        world.settles(1, 0, 0).await;
        assert!(world.identity(&ana.identity_id).await.unwrap().verified_at.is_some(), "the event counts either way");
        let expected = if on { "active" } else { "not_linked" };
        eventually(expected, async || world.standing("eve").await == expected).await;
    }
}

/// A check that was made before the flow began answers nothing that the flow asked.
async fn a_check_of_an_hour_ago_links_by_no_webhook(adapter: Adapter) {
    let world = Plan::new(adapter).incode(|builder| builder.link_by_webhook()).start().await;
    let ana = world.person("Ana Flores");
    world.sandbox.set_clock_offset(-3600);
    let old = world.sandbox.verify(&ana.identity_id).unwrap();
    world.sandbox.set_clock_offset(0);
    let flow = world.start_flow("eve").await;
    let mut told = event("verification.completed", &old.verification_id, &world.sandbox.issue_token(&ana.identity_id));
    told["correlation_id"] = flow.into();
    world.deliver(&told).await;
    world.settles(1, 0, 0).await;
    assert!(world.identity(&ana.identity_id).await.unwrap().verified_at.is_some(), "the event itself counts");
    assert_eq!(world.standing("eve").await, "not_linked");
}

async fn an_unauthenticated_event_never_links(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).incode(|builder| builder.link_by_webhook()).start().await;
    let ana = world.person("Ana Flores");
    world.deliver(&under_the_flow_of(&world, "eve", &ana.identity_id).await).await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.standing("eve").await, "not_linked");
    // Of a policy that takes both, only what is signed.
    let either = Authenticity::any_of([
        Authenticity::fetch_back(),
        Authenticity::header(HEADER, [Secret::from(SECRET)]).unwrap(),
    ]);
    let either = either.unwrap();
    let plan = Plan::new(adapter).incode(|builder| builder.link_by_webhook().webhook_authenticity(either));
    let world = plan.start().await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    let unsigned = under_the_flow_of(&world, "eve", &ana.identity_id).await.to_string();
    assert_eq!(world.send(incode_tests::post("/incode/webhook").body(unsigned)).await.status, 204);
    world.settles(1, 0, 0).await;
    world.deliver(&under_the_flow_of(&world, "ben", &ben.identity_id).await).await;
    world.settles(2, 0, 0).await;
    eventually("ben", async || world.standing("ben").await == "active").await;
    assert_eq!(world.standing("eve").await, "not_linked");
}

/// The correlation id of the vendor's own event binds a check to its flow. That of any other sender has no effect.
async fn a_correlation_id_that_makes_no_link_is_not_kept(adapter: Adapter) {
    for (auth, on, kept) in [(Auth::FetchBack, true, false), (Auth::Header, false, true), (Auth::Header, true, true)] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("incode.db");
        let plan = Plan::new(adapter).auth(auth).incode(|builder| builder.open_store(SqliteOptions::new(file)));
        let world = if on { plan.incode(|builder| builder.link_by_webhook()) } else { plan }.start().await;
        // The event waits, and with it all that was kept of it.
        world.fault(Fault::status(500).times(u32::MAX));
        let event = under_the_flow_of(&world, "ana", &world.person("Ana Flores").identity_id).await;
        world.deliver(&event).await;
        let id = event["correlation_id"].as_str().unwrap().as_bytes();
        let found = std::fs::read_dir(place.path()).unwrap().any(|entry| {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            bytes.windows(id.len()).any(|window| window == id)
        });
        assert_eq!(found, kept, "{auth:?}, switched on: {on}");
        world.incode.shutdown().await;
    }
}

/// Whether the token of the hosted page is one that userinfo takes is not documented.
async fn a_webhook_links_where_the_callbacks_token_is_refused(adapter: Adapter) {
    let world = Plan::new(adapter).incode(|builder| builder.link_by_webhook()).start().await;
    let ana = world.person("Ana Flores");
    let event = under_the_flow_of(&world, "ana", &ana.identity_id).await;
    let id = event["correlation_id"].as_str().unwrap();
    let refused = world.come_back("ana", id, "a-token-of-the-page-alone").await;
    assert_eq!((refused.status, refused.code()), (403, "flow_token_dead".to_owned()));
    assert_eq!(world.standing("ana").await, "not_linked");
    world.deliver(&event).await;
    world.settles(1, 0, 0).await;
    eventually("linked", async || world.status("ana", "/verified").await == 200).await;
    assert_eq!(world.get("ana", "/open").await.json()["proof"], "webhook");
    // The page is reloaded: the person is linked since, and led to where they wanted to go.
    let again = world.come_back("ana", id, "a-token-of-the-page-alone").await;
    assert_eq!((again.status, again.header("location")), (303, Some("/vault")));
    assert_eq!(world.status("ana", "/verified").await, 200);
}

/// Every person is the user with the name of the email.
async fn by_email(recognised: VerifiedPerson) -> Result<Option<Subject>, incode_core::LinkRuleError> {
    Ok(recognised.person.email.as_deref().map(Subject::new).transpose()?)
}

async fn deliver_verification_of(world: &World, identity_id: &str) {
    let verified = world.sandbox.verify(identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
}

async fn a_rule_links_whom_it_recognises(adapter: Adapter) {
    for auth in [Auth::Header, Auth::FetchBack] {
        let world = Plan::new(adapter).auth(auth).incode(|builder| builder.link_rule(by_email)).start().await;
        let ana = world.person("Ana Flores");
        assert_eq!(world.standing(&ana.email).await, "not_linked", "also to the near cache");
        deliver_verification_of(&world, &ana.identity_id).await;
        world.settles(1, 0, 0).await;
        eventually("linked", async || world.status(&ana.email, "/verified").await == 200).await;
        assert_eq!(world.get(&ana.email, "/open").await.json()["proof"], "application");
        // Again, and a person it does not know.
        deliver_verification_of(&world, &ana.identity_id).await;
        let nameless = incode_sandbox::NewPerson::from_userinfo(serde_json::json!({
            "status": "ACTIVE", "identityId": "nameless", "phone": "+5215512345678"
        }));
        world.sandbox.add_person(nameless);
        deliver_verification_of(&world, "nameless").await;
        world.settles(3, 0, 0).await;
        assert_eq!(world.status(&ana.email, "/verified").await, 200);
    }
}

async fn a_rule_that_fails_or_hangs_is_asked_again(adapter: Adapter) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let rule = move |recognised: VerifiedPerson| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            match call {
                0 => Err("the directory is away".into()),
                1 => std::future::pending().await,
                _ => by_email(recognised).await,
            }
        }
    };
    let world = Plan::new(adapter).incode(|builder| builder.link_rule(rule)).start().await;
    let ana = world.person("Ana Flores");
    deliver_verification_of(&world, &ana.identity_id).await;
    eventually("waits for the rule", async || {
        world.events().await[0].reason.is_some_and(|reason| reason.as_str() == "link_rule_failed")
    })
    .await;
    assert_eq!(world.identity(&ana.identity_id).await, None, "all of it or none");
    eventually("asked again", async || calls.load(Ordering::SeqCst) == 2).await;
    // It has ten seconds, and takes them.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((world.counts().await.pending, calls.load(Ordering::SeqCst)), (1, 2));
    world.settles(1, 0, 0).await;
    eventually("linked", async || world.status(&ana.email, "/verified").await == 200).await;
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_eq!(world.events().await[0].attempts, 3);
}

async fn a_rule_changes_no_link(adapter: Adapter) {
    let always_ana = |_: VerifiedPerson| async { Ok(Some(Subject::new("ana")?)) };
    let world = Plan::new(adapter).incode(move |builder| builder.link_rule(always_ana)).start().await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    // An identity that is another subject's.
    world.link("ben", &ben.identity_id).await;
    deliver_verification_of(&world, &ben.identity_id).await;
    world.settles(1, 0, 0).await;
    assert_eq!((world.standing("ana").await, world.standing("ben").await), ("not_linked".into(), "active".into()));
    assert_eq!(world.status("ben", "/verified").await, 200, "the event counts for whom it is about");
    // A subject that is another identity.
    world.link("ana", &ana.identity_id).await;
    assert!(world.incode.unlink(&Subject::new("ben").unwrap(), &incode_core::Actor::unknown()).await.unwrap());
    deliver_verification_of(&world, &ben.identity_id).await;
    world.settles(2, 0, 0).await;
    assert_eq!(world.get("ana", "/open").await.json()["identity"], ana.identity_id.as_str());
    assert_eq!(world.get("ana", "/open").await.json()["proof"], "flow");
    assert_eq!(world.standing("ben").await, "not_linked");
}

async fn the_application_links_and_unlinks(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let (subject, identity) = (Subject::new("ana").unwrap(), IdentityId::new(&ana.identity_id).unwrap());
    let unknown = world.incode.link(&subject, &identity, &incode_core::Actor::unknown()).await.unwrap_err();
    assert_eq!(unknown.kind(), LinkErrorKind::UnknownIdentity);
    deliver_verification_of(&world, &ana.identity_id).await;
    world.settles(1, 0, 0).await;
    let known = world.identity(&ana.identity_id).await;
    for _ in 0..2 {
        assert_eq!(world.standing("ana").await, "not_linked");
        world.incode.link(&subject, &identity, &incode_core::Actor::unknown()).await.unwrap();
        world.incode.link(&subject, &identity, &incode_core::Actor::unknown()).await.unwrap();
        assert_eq!(world.status("ana", "/verified").await, 200, "at once");
        assert_eq!(world.incode.linked(&subject).await.unwrap().unwrap().link.proof, LinkProof::Application);
        assert!(world.incode.unlink(&subject, &incode_core::Actor::unknown()).await.unwrap());
        assert_eq!(world.status("ana", "/verified").await, 403, "at once");
        assert!(!world.incode.unlink(&subject, &incode_core::Actor::unknown()).await.unwrap());
    }
    assert_eq!(world.identity(&ana.identity_id).await, known, "linking says nothing of the identity");
}

async fn a_link_that_is_refused_changes_nothing(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world = Plan::new(adapter).incode(|builder| builder.store(store)).start().await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    world.link("ana", &ana.identity_id).await;
    world.link("ben", &ben.identity_id).await;
    let identity = IdentityId::new(&ana.identity_id).unwrap();
    let refused = async |subject: &str| {
        let error = world
            .incode
            .link(&Subject::new(subject).unwrap(), &identity, &incode_core::Actor::unknown())
            .await
            .unwrap_err();
        error.kind()
    };
    assert_eq!(refused("eve").await, LinkErrorKind::IdentityTaken);
    assert_eq!(refused("ben").await, LinkErrorKind::SubjectTaken);
    switch.fail();
    assert_eq!(refused("ana").await, LinkErrorKind::Store);
    switch.mend();
    assert_eq!(world.standing("eve").await, "not_linked");
    assert_eq!(world.get("ben", "/open").await.json()["identity"], ben.identity_id.as_str());
}

/// Two people hold a token of one identity and come back at the same instant.
async fn race(world: &World, identity_id: &str) -> [u16; 2] {
    let flows = [("ana", world.start_flow("ana").await), ("eve", world.start_flow("eve").await)];
    let all = flows.iter().map(|(user, id)| {
        let token = world.sandbox.issue_token(identity_id);
        async move { world.come_back(user, id, &token).await.status }
    });
    join_all(all).await.try_into().unwrap()
}

async fn two_subjects_at_once_get_one_identity(adapter: Adapter) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("incode.db");
    let world = Plan::new(adapter).incode(|builder| builder.open_store(SqliteOptions::new(file))).start().await;
    for round in 0..10 {
        let person = world.person(&format!("Ana {round}"));
        let mut statuses = race(&world, &person.identity_id).await;
        let winner = if statuses[0] == 303 { "ana" } else { "eve" };
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409], "round {round}");
        let standings = (world.standing("ana").await, world.standing("eve").await);
        let active = |user: &str| if user == winner { "active" } else { "not_linked" }.to_owned();
        assert_eq!(standings, (active("ana"), active("eve")));
        assert!(world.incode.unlink(&Subject::new(winner).unwrap(), &incode_core::Actor::unknown()).await.unwrap());
    }
    world.incode.shutdown().await;
}

async fn two_subjects_at_once_may_share_one_identity(adapter: Adapter) {
    let world = Plan::new(adapter).incode(|builder| builder.shared_identities()).start().await;
    let person = world.person("Ana Flores");
    assert_eq!(race(&world, &person.identity_id).await, [303, 303]);
    assert_eq!((world.standing("ana").await, world.standing("eve").await), ("active".into(), "active".into()));
    // A revocation finds both.
    world.sandbox.revoke(&person.identity_id).unwrap();
    deliver_verification_of(&world, &person.identity_id).await;
    world.settles(1, 0, 0).await;
    for user in ["ana", "eve"] {
        eventually("out", async || world.get(user, "/vault").await.code() == "identity_revoked").await;
    }
}
