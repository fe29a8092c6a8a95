//! Three replicas on one database and one vendor, each with a server of its own: a request may reach any of them.

use std::time::Duration;

use incode_core::Secret;
use incode_core::client::Client;
use incode_core::flow::HostedFlow;
use incode_tests::{Adapter, Auth, FLOW_SECRET, Plan, World};

use crate::engine::Engine;

mod inbox;
mod revocation;
mod secrets;
mod tokens;

/// Three replicas as behind a balancer: one public address, one vendor. The vendor is the first one's sandbox.
pub(crate) async fn three(engine: &Engine, auth: Auth) -> [World; 3] {
    let first = plan(engine, auth).start().await;
    let second = beside(&first, plan(engine, auth)).start().await;
    let third = beside(&first, plan(engine, auth)).start().await;
    [first, second, third]
}

/// The plan of a replica beside the first one: with its public address and its vendor.
pub(crate) fn beside(first: &World, plan: Plan) -> Plan {
    let sandbox = &first.sandbox;
    let client = Client::builder(&sandbox.url(), sandbox.api_key()).retries(0).build().unwrap();
    let public = format!("http://{}", first.address);
    let flow = HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), &public, Secret::from(FLOW_SECRET)).unwrap();
    plan.incode(move |builder| builder.client(client).hosted_flow(flow))
}

/// What is known is believed for long, unless a notice says otherwise.
fn plan(engine: &Engine, auth: Auth) -> Plan {
    let choose = engine.choose();
    let lifetime = Duration::from_secs(600);
    Plan::new(Adapter::Axum).auth(auth).incode(move |builder| choose(builder).near_cache_lifetime(lifetime))
}
