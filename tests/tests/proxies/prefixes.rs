//! An application that is one part of a site: the public URL has a path, which the proxy takes off or leaves.

use incode_core::Secret;
use incode_core::flow::HostedFlow;
use incode_tests::servers::{Front, Variant};
use incode_tests::{Adapter, FLOW_SECRET, Plan, get};
use url::Url;
use url::form_urlencoded::Serializer;

behind_every_proxy! {
    the_flow_works_below_a_prefix,
}

async fn the_flow_works_below_a_prefix(front: Front) {
    for (adapter, is_taken_off) in Adapter::ALL.into_iter().flat_map(|adapter| [(adapter, true), (adapter, false)]) {
        let address = Front::free_address();
        let public = format!("http://{address}/portal");
        let flow = HostedFlow::new("client", "http://127.0.0.1:9/web", &public, Secret::from(FLOW_SECRET)).unwrap();
        let world = Plan::new(adapter).incode(|builder| builder.hosted_flow(flow)).start().await;
        let edit = |text: String| if is_taken_off { text } else { with_prefix(front, &text) };
        let Some(server) = front.start(Variant::Prefix, address, world.address, edit).await else { return };
        let send = async |target: &str| get(target).user("ana").send(server.address).await;

        let to_vendor = send("/portal/incode/start?return_to=/portal/vault").await;
        assert_eq!(to_vendor.status, 303, "{front:?} {adapter:?} {is_taken_off}: {to_vendor:?}");
        let page = Url::parse(to_vendor.header("location").unwrap()).unwrap();
        let parameter = |name: &str| page.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
        assert_eq!(parameter("redirect_url"), format!("{public}/incode/callback"));

        let person = world.person("Ana Prefix");
        let token = world.sandbox.issue_token(&person.identity_id);
        let query = Serializer::new(String::new())
            .append_pair("token", &token)
            .append_pair("correlation_id", &parameter("correlation_id"))
            .finish();
        let back = send(&format!("/portal/incode/callback?{query}")).await;
        assert_eq!((back.status, back.header("location")), (303, Some("/portal/vault")), "{back:?}");

        let delivery = incode_tests::event("verification.completed", "an-id", "a-token").to_string();
        let delivery =
            world.authentic(incode_tests::post("/portal/incode/webhook"), delivery.as_bytes()).body(delivery);
        assert_eq!(delivery.send(server.address).await.status, 204);
        if is_taken_off {
            assert_eq!(send("/portal/vault").await.text(), "passed");
            let denied = get("/portal/vault").user("nora").send(server.address).await;
            let verify_url = denied.json()["verify_url"].as_str().unwrap().to_owned();
            assert!(verify_url.starts_with("/portal/incode/start") || verify_url.starts_with(&public), "{verify_url}");
        }
    }
}

/// The other way that the file names.
fn with_prefix(front: Front, text: &str) -> String {
    let (from, to) = match front {
        Front::Nginx => ("proxy_pass http://app/;", "proxy_pass http://app;"),
        Front::Haproxy => ("http-request replace-path /portal(/.*) \\1\n", ""),
        Front::Caddy => ("handle_path /portal/*", "handle /portal/*"),
        Front::Apache => return with_path_at_its_end(text),
        Front::Varnish => ("set req.url = regsub(req.url, \"^/portal/\", \"/\");", ""),
    };
    assert!(text.contains(from), "not in the file any more: {from}");
    text.replace(from, to)
}

/// apache joins what follows the prefix to the path of the application's URL.
fn with_path_at_its_end(text: &str) -> String {
    let line = text.lines().find(|line| line.trim_start().starts_with("ProxyPass ")).unwrap();
    let (head, end) = line.rsplit_once("/\"").unwrap();
    text.replace(line, &format!("{head}/portal/\"{end}"))
}
