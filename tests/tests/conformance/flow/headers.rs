//! The headers of start and callback for caches and referrers, and where a token does not go, for every outcome,
//! and whichever code renders it.

use std::sync::Arc;
use std::time::Duration;

use incode_core::Timestamp;
use incode_core::gate::Audience;
use incode_core::http::{Problem, Reply};
use incode_core::testing::ManualClock;
use incode_sandbox::{Fault, Route};
use incode_tests::{Adapter, Call, Failing, Plan, Response, Switch, World, get};

use crate::gate::privacy::TRACED;

on_every_adapter! {
    every_reply_is_kept_from_caches_and_referrers,
    every_reply_stays_so_when_the_application_renders,
    the_application_may_say_otherwise,
}

const TOKEN: &str = "callback-canary-token-0123456789";
const DEAD: &str = "callback-canary-token-that-is-dead";

type Render = fn(&Problem, Audience) -> Option<Reply>;

struct Stage {
    world: World,
    switch: Switch,
    clock: ManualClock,
}

async fn stage(adapter: Adapter, render: Option<Render>) -> Stage {
    let (store, switch) = Failing::store();
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let plan = Plan::new(adapter).incode(move |builder| {
        let builder = builder.store(store).clock(shown);
        match render {
            Some(render) => builder.render(render),
            None => builder,
        }
    });
    Stage { world: plan.start().await, switch, clock }
}

/// One reply of each kind that start and callback have, with its status and code.
async fn every_kind(stage: &Stage) -> Vec<(&'static str, u16, &'static str, Response)> {
    let world = &stage.world;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    world.sandbox.seed_token(TOKEN, Some(&ana.identity_id), Duration::from_secs(86_400));
    let mut all = Vec::new();
    let start = "/incode/start?return_to=/vault";
    all.push(("started", 303, "", world.get("ana", start).await));
    all.push(("start, nobody", 401, "authentication_required", world.send(get(start)).await));
    let away = world.get("ana", &format!("/incode/start?return_to=//{TOKEN}")).await;
    all.push(("start, led away", 400, "return_to_refused", away));
    for target in [start, "/incode/callback?token=x&correlation_id=y"] {
        let posted = world.send(Call::new("POST", target).user("ana").body("")).await;
        all.push(("posted", 405, "method_not_allowed", posted));
    }

    let old = world.start_flow("ana").await;
    stage.clock.advance(Duration::from_secs(30 * 60));
    // The vendor's clock goes on with ours: a token that is older than its flow would be refused.
    world.sandbox.advance_clock(Duration::from_secs(30 * 60));
    all.push(("expired", 410, "flow_expired", world.come_back("ana", &old, TOKEN).await));
    let id = world.start_flow("ana").await;
    // The link comes later than the start of its flow.
    stage.clock.advance(Duration::from_secs(1));
    let missing = world.get("ana", &format!("/incode/callback?token={TOKEN}")).await;
    all.push(("missing", 400, "flow_incomplete", missing));
    let twice = format!("/incode/callback?token={TOKEN}&token={TOKEN}&correlation_id={id}");
    all.push(("duplicated", 400, "flow_incomplete", world.get("ana", &twice).await));
    all.push(("edited", 400, "flow_unknown", world.come_back("ana", &format!("{id}A"), TOKEN).await));
    all.push(("other subject", 403, "flow_other_subject", world.come_back("ben", &id, TOKEN).await));
    let nobody = world.send(get(&format!("/incode/callback?token={TOKEN}&correlation_id={id}"))).await;
    all.push(("nobody", 401, "authentication_required", nobody));
    all.push(("dead token", 403, "flow_token_dead", world.come_back("ana", &id, DEAD).await));
    world.fault(Fault::status(500).on(Route::Userinfo));
    all.push(("vendor down", 503, "vendor_unavailable", world.come_back("ana", &id, TOKEN).await));
    stage.switch.fail();
    all.push(("store down", 503, "flow_unavailable", world.come_back("ana", &id, TOKEN).await));
    stage.switch.mend();
    all.push(("linked", 303, "", world.come_back("ana", &id, TOKEN).await));
    all.push(("linked before", 303, "", world.come_back("ana", &id, TOKEN).await));
    let of_ben = world.start_flow("ben").await;
    all.push(("token used", 409, "flow_token_used", world.come_back("ben", &of_ben, TOKEN).await));
    // Texts without a time of their own: the vendor's clock has not moved with ours.
    let token = "another-token-of-ana".to_owned();
    world.sandbox.seed_token(token.as_str(), Some(&ana.identity_id), Duration::from_secs(86_400));
    all.push(("identity taken", 409, "identity_taken", world.come_back("ben", &of_ben, &token).await));
    // Later than the link: a flow that was under way when the subject was linked is led back to where it came from.
    stage.clock.advance(Duration::from_secs(1));
    let again = world.start_flow("ana").await;
    let token = "a-token-of-ben".to_owned();
    world.sandbox.seed_token(token.as_str(), Some(&ben.identity_id), Duration::from_secs(86_400));
    all.push(("subject taken", 409, "subject_taken", world.come_back("ana", &again, &token).await));
    world.incode.unlink(&incode_core::Subject::new("ana").unwrap(), &incode_core::Actor::unknown()).await.unwrap();
    all.push(("used", 409, "flow_used", world.come_back("ana", &id, TOKEN).await));
    // One flow asks the vendor four times at once: it did for the dead token, the vendor that was down, the link, and this.
    all.push(("too often", 429, "too_many_requests", world.come_back("ana", &id, TOKEN).await));
    all
}

/// No answer repeats the token, and nothing was traced of it.
fn keeps_the_token(name: &str, reply: &Response) {
    let text = format!("{:?} {}", reply.headers, reply.text());
    assert!(!text.contains("callback-canary"), "{name}: {text}");
    assert!(!TRACED.text().contains("callback-canary"), "{name}");
}

async fn every_reply_is_kept_from_caches_and_referrers(adapter: Adapter) {
    let _ = &*TRACED;
    for (name, status, code, reply) in every_kind(&stage(adapter, None).await).await {
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{name}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{name}");
        keeps_the_token(name, &reply);
        if status >= 400 {
            let detail = reply.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.len() > 5 && detail.ends_with('.'), "{name}: {detail}");
        }
    }
}

fn bare_page(problem: &Problem, _: Audience) -> Option<Reply> {
    Some(Reply::new(problem.status).body("text/html", problem.code))
}

async fn every_reply_stays_so_when_the_application_renders(adapter: Adapter) {
    let _ = &*TRACED;
    for (name, status, code, reply) in every_kind(&stage(adapter, Some(bare_page)).await).await {
        assert_eq!((reply.status, reply.text().as_str()), (status, code), "{name}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{name}");
        assert_eq!(reply.header("retry-after").is_some(), matches!(status, 429 | 503), "{name}");
        assert_eq!(reply.header("allow").is_some(), status == 405, "{name}");
        keeps_the_token(name, &reply);
    }
}

/// The application's own headers stay, except that no cache may ever keep an answer.
async fn the_application_may_say_otherwise(adapter: Adapter) {
    let own: Arc<str> = "no-store, max-age=0".into();
    let plan = Plan::new(adapter).incode(move |builder| {
        builder.render(move |problem, _| {
            let page = Reply::new(problem.status).body("text/html", problem.code);
            Some(page.header("Cache-Control", own.to_string()).header("referrer-policy", "same-origin"))
        })
    });
    let world = plan.start().await;
    let refused = world.get("ana", "/incode/callback").await;
    assert_eq!(refused.header("cache-control"), Some("no-store, max-age=0"));
    assert_eq!(refused.header("referrer-policy"), Some("same-origin"));
    let denied = world.get("ana", "/vault").await;
    assert_eq!(denied.header("cache-control"), Some("no-store, max-age=0"));

    let loose = Plan::new(adapter).incode(|builder| {
        builder.render(|problem, _| {
            let page = Reply::new(problem.status).body("text/html", problem.code);
            Some(page.header("Cache-Control", "private, max-age=1").header("CDN-Cache-Control", "max-age=60"))
        })
    });
    let world = loose.start().await;
    for target in ["/vault", "/incode/callback"] {
        let denied = world.get("ana", target).await;
        assert_eq!(denied.header("cache-control"), Some("no-store"), "{target}: nothing loosens it");
        assert_eq!(denied.header("cdn-cache-control"), None, "{target}");
    }
}
