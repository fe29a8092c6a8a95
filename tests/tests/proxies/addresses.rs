//! Which address a request came from, and what a proxy writes into its log.

use std::net::{IpAddr, Ipv4Addr};

use incode_core::webhook::{AddressSource, Authenticity};
use incode_tests::servers::Front;
use incode_tests::{Adapter, Call, HEADER, Plan, SECRET, World, event, eventually, get, post};

use crate::in_front_of;

behind_every_proxy! {
    the_address_is_the_one_that_the_proxy_was_called_from,
    tokens_are_not_in_its_log,
}

async fn the_address_is_the_one_that_the_proxy_was_called_from(front: Front) {
    for adapter in Adapter::ALL {
        let header = Authenticity::header(HEADER, [SECRET.into()]).unwrap();
        let policy = Authenticity::all_of([header, Authenticity::addresses(["127.0.0.2"]).unwrap()]).unwrap();
        let source = AddressSource::peer().behind_proxies(1);
        let plan = Plan::new(adapter).incode(|builder| builder.webhook_authenticity(policy).addresses(source));
        let world = plan.start().await;
        let Some(server) = in_front_of(&world, front).await else { return };
        let from = async |last: u8, call: Call| {
            let body = event("verification.completed", "an-id", "a-token").to_string();
            let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
            call.header(HEADER, SECRET).body(body).send_from(address, server.address).await
        };
        assert_eq!(from(2, post("/incode/webhook")).await.status, 204);
        assert_eq!(from(3, post("/incode/webhook")).await.status, 401);
        // What the client says of itself is further left.
        for claimed in ["127.0.0.2", "127.0.0.2, 127.0.0.2"] {
            let call = || post("/incode/webhook").header("x-forwarded-for", claimed);
            assert_eq!(from(3, call()).await.status, 401, "{claimed}");
            assert_eq!(from(2, call()).await.status, 204, "{claimed}");
        }
    }
}

async fn tokens_are_not_in_its_log(front: Front) {
    let world = World::start(Adapter::Axum).await;
    let Some(server) = in_front_of(&world, front).await else { return };
    let target = "/incode/callback?token=a-secret-token&correlation_id=a-secret-id";
    let referrer =
        get("/asset?query=a-secret-query").header("referer", "https://app.example.com/?token=a-secret-token");
    // Caddy looks for the log of a site by name and port.
    let host = format!("app.test:{}", server.address.port());
    assert_eq!(get(target).user("ana").host(&host).send(server.address).await.status, 400);
    assert_eq!(referrer.host(&host).send(server.address).await.status, 200);
    // The line of a request is written after its answer.
    eventually("both are logged", async || {
        let log = server.log();
        log.contains("/incode/callback") && log.matches("/asset").count() > 1
    })
    .await;
    assert!(!server.log().contains("secret"), "{}", server.log());
}
