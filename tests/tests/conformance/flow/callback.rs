//! Everything a callback may be that is no honest return.

use std::time::Duration;

use incode_core::model::IdentityStatus;
use incode_core::testing::ManualClock;
use incode_core::{Subject, Timestamp};
use incode_sandbox::{Effect, Fault, Route};
use incode_tests::{Adapter, Call, Failing, Plan, World, problem};

on_every_adapter! {
    an_id_works_once,
    an_id_grows_old,
    an_edited_id_is_unknown,
    an_id_is_its_subjects_own,
    parameters_come_once_each,
    a_dead_token_is_not_redeemed,
    a_vendor_that_is_down_costs_nothing_but_a_reload,
    a_store_that_is_down_costs_nothing_but_a_reload,
    an_identity_serves_one_subject,
    an_identity_may_be_shared,
    a_subject_stays_with_its_identity,
    a_revocation_is_applied_although_nothing_is_linked,
    where_nothing_is_linked_no_identity_becomes_known,
    a_head_request_spends_nothing,
    many_callbacks_at_once_spend_one_id,
    junk_tokens_make_a_few_calls,
    a_prefetch_spends_nothing,
    errors_of_the_vendor_never_link,
}

const INCOMPLETE: (u16, &str, &str, &str) = (
    400,
    "flow_incomplete",
    "Verification not finished",
    "The verification page did not send back all it should. Start again.",
);
const UNKNOWN: (u16, &str, &str, &str) =
    (400, "flow_unknown", "Verification unknown", "This verification was not started here.");
const USED: (u16, &str, &str, &str) = (
    409,
    "flow_used",
    "Verification already used",
    "This verification link was used before. Start again if you are not verified yet.",
);

fn expected(row: (u16, &str, &str, &str)) -> String {
    problem(row.0, row.1, row.2, row.3, None, &[NO_REFERRER])
}

/// The page that shows the answer has the token in its URL.
const NO_REFERRER: (&str, &str) = ("referrer-policy", "no-referrer");

async fn an_id_works_once(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    let id = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&person.identity_id);
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
    // A reload or a second press of a person who is linked leads to the same place, and makes no call.
    world.sandbox.clear_calls();
    let other = world.sandbox.issue_token(&world.person("Ben Ochoa").identity_id);
    for token in [&token, &token, &other] {
        let again = world.come_back("ana", &id, token).await;
        assert_eq!((again.status, again.header("location")), (303, Some("/vault")));
    }
    assert_eq!(world.sandbox.calls().len(), 0);
    assert_eq!(world.get("ana", "/open").await.json()["identity"], person.identity_id.as_str());
    // It links no second time.
    assert!(world.incode.unlink(&Subject::new("ana").unwrap(), &incode_core::Actor::unknown()).await.unwrap());
    assert_eq!(world.come_back("ana", &id, &token).await.essence(), expected(USED));
    assert_eq!(world.come_back("ana", &id, &other).await.essence(), expected(USED));
    assert_eq!(world.standing("ana").await, "not_linked");
}

async fn an_id_grows_old(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let world = Plan::new(adapter).incode(|builder| builder.clock(shown)).start().await;
    let person = world.person("Ana Flores");
    let (early, late) = (world.start_flow("ana").await, world.start_flow("ana").await);
    let token = world.sandbox.issue_token(&person.identity_id);
    clock.advance(Duration::from_secs(30 * 60) - Duration::from_millis(1));
    assert_eq!(world.come_back("ana", &early, &token).await.status, 303);
    clock.advance(Duration::from_millis(1));
    let row = (410, "flow_expired", "Verification expired", "This verification took too long. Start again.");
    assert_eq!(world.come_back("ana", &late, &token).await.essence(), expected(row));
}

async fn an_edited_id_is_unknown(adapter: Adapter) {
    let world = World::start(adapter).await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let id = world.start_flow("ana").await;
    let mut edited = vec![format!("{id}A"), format!("A{id}"), id[..id.len() - 1].to_owned(), "x".repeat(3000)];
    for at in [0, 10, id.len() / 2, id.len() - 2] {
        let mut bytes = id.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        edited.push(String::from_utf8(bytes).unwrap());
    }
    for id in edited {
        assert_eq!(world.come_back("ana", &id, &token).await.essence(), expected(UNKNOWN), "{id}");
    }
    assert_eq!(world.sandbox.calls().len(), 0, "a stranger's callback asks the vendor nothing");
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}

async fn an_id_is_its_subjects_own(adapter: Adapter) {
    let world = World::start(adapter).await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let id = world.start_flow("ana").await;
    let row = (
        403,
        "flow_other_subject",
        "Not your verification",
        "This verification was started by another user. Log in as that user, or start your own.",
    );
    assert_eq!(world.come_back("ben", &id, &token).await.essence(), expected(row));
    let query = format!("/incode/callback?token={token}&correlation_id={id}");
    let nobody = world.send(incode_tests::get(&query)).await;
    let login = (401, "authentication_required", "Log in first", "Verification belongs to a logged-in user.");
    assert_eq!(nobody.essence(), expected(login));
    assert_eq!(world.sandbox.calls().len(), 0);
    assert_eq!((world.standing("ana").await, world.standing("ben").await), ("not_linked".into(), "not_linked".into()));
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}

async fn parameters_come_once_each(adapter: Adapter) {
    let world = World::start(adapter).await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let id = world.start_flow("ana").await;
    for query in [
        String::new(),
        "?".to_owned(),
        format!("?token={token}"),
        format!("?correlation_id={id}"),
        format!("?token=&correlation_id={id}"),
        format!("?token={token}&correlation_id="),
        format!("?token={token}&token={token}&correlation_id={id}"),
        format!("?token={token}&correlation_id={id}&correlation_id={id}"),
        format!("?token={token}&correlation_id={id}&%74oken=x"),
        format!("?token=%00&correlation_id={id}"),
        format!("?token=a%0d%0ab&correlation_id={id}"),
        format!("?token=%C3%A9&correlation_id={id}"),
        format!("?token={}&correlation_id={id}", "x".repeat(4097)),
        format!("?Token={token}&correlation_id={id}"),
    ] {
        let response = world.get("ana", &format!("/incode/callback{query}")).await;
        assert_eq!(response.essence(), expected(INCOMPLETE), "{query}");
    }
    assert_eq!(world.sandbox.calls().len(), 0);
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}

async fn a_dead_token_is_not_redeemed(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    let token = world.sandbox.issue_token(&person.identity_id);
    world.sandbox.expire_tokens();
    let id = world.start_flow("ana").await;
    let row = (
        403,
        "flow_token_dead",
        "Verification not confirmed",
        "The verification could not be confirmed this way. If you finished it, it may still arrive by itself within \
         minutes; otherwise start again.",
    );
    assert_eq!(world.come_back("ana", &id, &token).await.essence(), expected(row));
    assert_eq!(world.come_back("ana", &id, "a-made-up-token").await.essence(), expected(row));
    assert_eq!(world.standing("ana").await, "not_linked");
    let token = world.sandbox.issue_token(&person.identity_id);
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303, "the id was not spent");
}

async fn a_vendor_that_is_down_costs_nothing_but_a_reload(adapter: Adapter) {
    let world = World::start(adapter).await;
    let id = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let expected = problem(
        503,
        "vendor_unavailable",
        "Try again soon",
        "Verification can't be confirmed right now. Reload this page in a moment.",
        None,
        &[("retry-after", "5"), NO_REFERRER],
    );
    for fault in [Fault::status(500), Fault::status(429), Fault::new(Effect::Reset)] {
        world.fault(fault.on(Route::Userinfo));
        assert_eq!(world.come_back("ana", &id, &token).await.essence(), expected);
    }
    assert_eq!(world.standing("ana").await, "not_linked");
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);

    let id = world.start_flow("ben").await;
    let token = world.sandbox.issue_token(&world.person("Ben Ochoa").identity_id);
    world.fault(Fault::status(403).on(Route::Userinfo));
    assert_eq!(world.come_back("ben", &id, &token).await.essence(), expected);
    assert_eq!(world.standing("ben").await, "not_linked");
    assert_eq!(world.come_back("ben", &id, &token).await.status, 303);
}

async fn a_store_that_is_down_costs_nothing_but_a_reload(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world = Plan::new(adapter).incode(|builder| builder.store(store)).start().await;
    let id = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    switch.fail();
    let expected = problem(
        503,
        "flow_unavailable",
        "Try again soon",
        "Verification can't be saved right now. Reload this page in a moment.",
        None,
        &[("retry-after", "5"), NO_REFERRER],
    );
    assert_eq!(world.come_back("ana", &id, &token).await.essence(), expected);
    switch.mend();
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}

async fn an_identity_serves_one_subject(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    world.link("ana", &person.identity_id).await;
    let id = world.start_flow("eve").await;
    let token = world.sandbox.issue_token(&person.identity_id);
    let row = (
        409,
        "identity_taken",
        "Identity in use",
        "This identity belongs to another account. Use that account, or ask support.",
    );
    assert_eq!(world.come_back("eve", &id, &token).await.essence(), expected(row));
    assert_eq!((world.standing("eve").await, world.standing("ana").await), ("not_linked".into(), "active".into()));
}

async fn an_identity_may_be_shared(adapter: Adapter) {
    let world = Plan::new(adapter).incode(|builder| builder.shared_identities()).start().await;
    let person = world.person("Ana Flores");
    world.link("ana", &person.identity_id).await;
    world.link("ana-at-work", &person.identity_id).await;
    assert_eq!((world.status("ana", "/vault").await, world.status("ana-at-work", "/vault").await), (200, 200));
}

async fn a_subject_stays_with_its_identity(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    world.link("ana", &ana.identity_id).await;
    let id = world.start_flow("ana").await;
    let response = world.come_back("ana", &id, &world.sandbox.issue_token(&ben.identity_id)).await;
    let row = (
        409,
        "subject_taken",
        "Account belongs to another identity",
        "This account belongs to another identity. Verify as that person, or ask support.",
    );
    assert_eq!(response.essence(), expected(row));
    assert_eq!(world.get("ana", "/open").await.json()["identity"], ana.identity_id.as_str());
    world.link("ana", &ana.identity_id).await;
}

/// Nothing announces a revocation: whatever made us ask the vendor, its answer counts.
async fn a_revocation_is_applied_although_nothing_is_linked(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben, used) = (world.person("Ana Flores"), world.person("Ben Ochoa"), world.start_flow("ana").await);
    let token = world.sandbox.issue_token(&ana.identity_id);
    assert_eq!(world.come_back("ana", &used, &token).await.status, 303);
    world.link("ben", &ben.identity_id).await;
    assert_eq!((world.status("ana", "/vault").await, world.status("ben", "/vault").await), (200, 200));
    world.sandbox.revoke(&ana.identity_id).unwrap();
    world.sandbox.revoke(&ben.identity_id).unwrap();
    assert_eq!((world.status("ana", "/vault").await, world.status("ben", "/vault").await), (200, 200), "not asked");
    // A reload makes no call: the person is linked. Another flow does.
    assert_eq!(world.come_back("ana", &used, &token).await.status, 303);
    assert_eq!(world.status("ana", "/vault").await, 200);
    let (again, token) = (world.start_flow("ana").await, world.sandbox.issue_token(&ana.identity_id));
    assert_eq!(world.come_back("ana", &again, &token).await.status, 303);
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
    let (id, token) = (world.start_flow("eve").await, world.sandbox.issue_token(&ben.identity_id));
    assert_eq!(world.come_back("eve", &id, &token).await.code(), "identity_taken");
    assert_eq!(world.get("ben", "/vault").await.code(), "identity_revoked");
    // In the store too, and not only in the cache of this process.
    assert_eq!(world.identity(&ben.identity_id).await.unwrap().status, IdentityStatus::Revoked);
    assert_eq!(world.standing("eve").await, "not_linked");
    // So does a token that is too old for the flow.
    let carla = world.person("Carla Ruiz");
    world.link("carla", &carla.identity_id).await;
    assert_eq!(world.status("carla", "/vault").await, 200);
    world.sandbox.revoke(&carla.identity_id).unwrap();
    let old = incode_sandbox::NewToken::of(&carla.identity_id).issued_ago(Duration::from_secs(600));
    let (id, token) = (world.start_flow("eve").await, world.sandbox.mint_token(old));
    assert_eq!(world.come_back("eve", &id, &token).await.code(), "flow_token_foreign");
    assert_eq!(world.get("carla", "/vault").await.code(), "identity_revoked");
    assert_eq!(world.identity(&carla.identity_id).await.unwrap().status, IdentityStatus::Revoked);
}

async fn where_nothing_is_linked_no_identity_becomes_known(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben, used) = (world.person("Ana Flores"), world.person("Ben Ochoa"), world.start_flow("ana").await);
    let token = world.sandbox.issue_token(&ana.identity_id);
    assert_eq!(world.come_back("ana", &used, &token).await.status, 303);
    let (id, bens) = (world.start_flow("ana").await, world.sandbox.issue_token(&ben.identity_id));
    assert_eq!(world.come_back("ana", &id, &bens).await.code(), "subject_taken");
    assert_eq!(world.identity(&ben.identity_id).await, None);
    let forgotten = incode_core::IdentityId::new(&ana.identity_id).unwrap();
    assert!(world.incode.forget(&forgotten, &incode_core::Actor::unknown()).await.unwrap());
    assert_eq!(world.come_back("ana", &used, &token).await.code(), "flow_used");
    assert_eq!(world.identity(&ana.identity_id).await, None, "a reload does not create the identity again");
}

async fn a_head_request_spends_nothing(adapter: Adapter) {
    let world = World::start(adapter).await;
    let id = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let target = format!("/incode/callback?token={token}&correlation_id={id}");
    let head = world.send(Call::new("HEAD", &target).user("ana")).await;
    assert_eq!((head.status, head.header("allow")), (405, Some("GET")));
    assert_eq!(world.sandbox.calls().len(), 0);
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}

async fn many_callbacks_at_once_spend_one_id(adapter: Adapter) {
    let world = World::start(adapter).await;
    let id = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let all = futures_util::future::join_all((0..20).map(|_| world.come_back("ana", &id, &token))).await;
    let mut statuses: Vec<_> = all.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 303);
    // The others are led to the same place, or asked too often.
    assert!(statuses.iter().all(|status| matches!(status, 303 | 429)), "{statuses:?}");
    let linked = world.incode.linked(&Subject::new("ana").unwrap()).await.unwrap();
    assert!(linked.is_some() && world.sandbox.calls().len() <= 4, "{}", world.sandbox.calls().len());
}

/// Each callback may make a call to the vendor: strangers' tokens on one flow make a few.
async fn junk_tokens_make_a_few_calls(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let limited = |builder: incode_core::Builder| builder.clock(shown).callback_limit(8, Duration::from_secs(10));
    let world = Plan::new(adapter).incode(limited).start().await;
    let id = world.start_flow("ana").await;
    for number in 0..60 {
        let answer = world.come_back("ana", &id, &format!("junk-{number}")).await;
        assert!(matches!(answer.code().as_str(), "flow_token_dead" | "too_many_requests"), "{answer:?}");
        if answer.status == 429 {
            assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
        }
    }
    assert_eq!(world.sandbox.calls().len(), 4, "of one flow");
    for _ in 0..60 {
        let id = world.start_flow("ana").await;
        world.come_back("ana", &id, "more-junk").await;
    }
    assert_eq!(world.sandbox.calls().len(), 8, "of one subject");
    // Neither another subject nor a later minute is affected.
    world.link("ben", &world.person("Ben Ochoa").identity_id).await;
    clock.advance(Duration::from_secs(60));
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}

/// A browser that loads a page ahead of a click, or a messenger that shows what is behind a link, uses nothing up.
async fn a_prefetch_spends_nothing(adapter: Adapter) {
    let world = World::start(adapter).await;
    let id = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let target = format!("/incode/callback?token={token}&correlation_id={id}");
    for (name, value) in [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")] {
        let answer = world.send(incode_tests::get(&target).user("ana").header(name, value)).await;
        assert_eq!((answer.status, answer.code().as_str()), (425, "prefetch_refused"), "{name}: {value}");
    }
    assert_eq!(world.sandbox.calls().len(), 0);
    assert_eq!(world.standing("ana").await, "not_linked");
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}

async fn errors_of_the_vendor_never_link(adapter: Adapter) {
    let world = World::start(adapter).await;
    let id = world.start_flow("ana").await;
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let elsewhere = format!("{}/omni/incode-id/userinfo", world.sandbox.url());
    let faults = [
        Effect::Html,
        Effect::Empty,
        Effect::Truncated,
        Effect::Redirect { location: elsewhere },
        Effect::Huge { bytes: 32 << 20 },
        Effect::Answer {
            status: 200,
            headers: Default::default(),
            body: r#"{"status":"ACTIVE"}"#.to_owned(),
            base64: false,
        },
        Effect::Status { status: 404, retry_after: None },
        Effect::Status { status: 401, retry_after: None },
    ];
    for effect in faults {
        let name = effect.name();
        let id = world.start_flow("ana").await;
        world.fault(Fault::new(effect).on(Route::Userinfo));
        let response = world.come_back("ana", &id, &token).await;
        assert!(matches!(response.status, 403 | 503), "{name}: {response:?}");
        assert_eq!(world.standing("ana").await, "not_linked", "{name}");
    }
    assert_eq!(world.come_back("ana", &id, &token).await.status, 303);
}
