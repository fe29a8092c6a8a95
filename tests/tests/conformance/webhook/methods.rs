//! Every method on every mounted route: one each is served, the others get 405 with that one, and cost nothing.

use incode_core::Secret;
use incode_core::model::EventKind;
use incode_core::testing::signer::OAuthClient;
use incode_tests::{ACKNOWLEDGED, Adapter, Auth, CLIENT_ID, Call, Plan, SECRET, Wire, World, get, post, problem};

use crate::webhook::refusals::{body, stored};

on_every_adapter! {
    one_method_for_each_mounted_route,
    one_method_for_the_token_endpoint,
    a_tunnel_is_not_opened,
}

/// With an unknown one, and one in small letters: the case of a method counts.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "post"];

async fn world(adapter: Adapter) -> World {
    let plan = Plan::new(adapter).incode(|builder| {
        builder.webhook_path("/incode/webhook").webhook_path_for(EventKind::Verification, "/incode/verifications")
    });
    plan.start().await
}

/// The target of a callback that would link Ana.
async fn callback(world: &World) -> String {
    let token = world.sandbox.issue_token(&world.person("Ana Flores").identity_id);
    let id = world.start_flow("ana").await;
    format!("/incode/callback?token={token}&correlation_id={id}")
}

async fn one_method_for_each_mounted_route(adapter: Adapter) {
    let world = world(adapter).await;
    let callback = callback(&world).await;
    let routes = [
        ("/incode/webhook", "POST", "Deliveries are sent with POST."),
        ("/incode/verifications", "POST", "Deliveries are sent with POST."),
        ("/incode/start?return_to=/vault", "GET", "Use GET."),
        (&callback, "GET", "Use GET."),
    ];
    for (target, allowed, detail) in routes {
        // The routes of the flow have more to hide from the page that comes next than a webhook has.
        let headers = [("allow", allowed), ("referrer-policy", "no-referrer")];
        let headers = if allowed == "GET" { &headers[..] } else { &headers[..1] };
        let refusal = problem(405, "method_not_allowed", "Method not allowed", detail, None, headers);
        for method in METHODS.into_iter().filter(|method| *method != allowed) {
            // With a body and without: a good delivery in all but the method.
            let bare = world.authentic(Call::new(method, target), body().as_bytes()).user("ana");
            for call in [bare.clone(), bare.clone().body(body()), bare.chunked(body(), 10)] {
                let response = world.send(call).await;
                let (head, text) = refusal.split_at(refusal.find('{').unwrap());
                let expected = if method == "HEAD" { head.to_owned() } else { format!("{head}{text}") };
                assert_eq!(response.essence(), expected, "{method} {target}");
            }
        }
    }
    assert_eq!((stored(&world).await, world.sandbox.calls().len()), (0, 0));
    assert_eq!(world.standing("ana").await, "not_linked");

    for target in ["/incode/webhook", "/incode/verifications"] {
        let call = world.authentic(post(target), body().as_bytes()).body(body());
        assert_eq!(world.send(call).await.essence(), ACKNOWLEDGED, "{target}");
    }
    assert_eq!(world.send(get(&callback).user("ana")).await.header("location"), Some("/vault"), "it was not spent");
}

async fn one_method_for_the_token_endpoint(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::OAuth).start().await;
    let detail = "Tokens are asked for with POST.";
    let refusal = problem(405, "method_not_allowed", "Method not allowed", detail, None, &[("allow", "POST")]);
    let client = OAuthClient::new(CLIENT_ID, Secret::from(SECRET));
    let ask = |method: &str| {
        let call = Call::new(method, "/incode/token").body(client.body());
        client.headers().iter().fold(call, |call, (name, value)| call.header(name, value))
    };
    for method in METHODS.into_iter().filter(|method| *method != "POST") {
        let expected = if method == "HEAD" { &refusal[..refusal.find('{').unwrap()] } else { &refusal };
        assert_eq!(world.send(ask(method)).await.essence(), expected, "{method}");
    }
    assert_eq!(world.send(ask("POST")).await.status, 200);

    // A policy without a client has no use for it: then the path is the application's.
    let world = World::start(adapter).await;
    for method in METHODS {
        assert_eq!(world.send(ask(method)).await.status, 404, "{method}");
    }
}

/// A proxy's CONNECT names a host and no path: it is no route, and where it names ours it is a method like others.
async fn a_tunnel_is_not_opened(adapter: Adapter) {
    let world = world(adapter).await;
    let callback = callback(&world).await;
    for target in ["/incode/webhook", "/incode/verifications", "/incode/start", &callback, "app.test:443", "/vault"] {
        let call = world.authentic(Call::new("CONNECT", target), body().as_bytes()).user("ana").body(body());
        let mut wire = Wire::open(world.address).await;
        wire.write(&call.bytes()).await;
        if let Some(response) = wire.answer().await {
            assert!((400..500).contains(&response.status), "{target}: {response:?}");
        }
    }
    assert_eq!((stored(&world).await, world.sandbox.calls().len()), (0, 0));
    assert_eq!(world.send(get(&callback).user("ana")).await.status, 303, "it was not spent");
}
