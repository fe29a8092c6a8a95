//! The stand-in vendor in this very process, where no vendor is named.

use std::net::SocketAddr;

use incode_sandbox::{Sandbox, StartError, Webhook, WebhookAuth};

/// Starts it. It sends nothing yet.
pub(crate) async fn start() -> Result<Sandbox, StartError> {
    Sandbox::builder().start().await
}

/// Points its webhooks at `app`, where this process listens, with the header secret that the app expects.
pub(crate) fn deliver_to(sandbox: &Sandbox, app: SocketAddr, secret: String) -> Result<(), StartError> {
    let auth = WebhookAuth::Header { name: "x-incode-secret".to_owned(), secret };
    sandbox.set_webhook(Webhook::to(format!("http://{}/incode/webhook", reachable(app))).auth(auth))
}

/// How a process on this machine reaches the address.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    address
}
