//! The stand-in vendor in this very process, for whoever has named no other.

use std::net::SocketAddr;

use incode_sandbox::{Sandbox, StartError, Webhook, WebhookAuth};

/// Starts it, with its webhooks pointing at `app`, where this process listens.
pub(crate) async fn start(app: SocketAddr, auth: WebhookAuth) -> Result<Sandbox, StartError> {
    let webhook = Webhook::to(format!("{}/incode/webhook", reachable(app))).auth(auth);
    Sandbox::builder().webhook(webhook).start().await
}

/// How a process on this machine reaches the address.
pub(crate) fn reachable(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}")
}

/// The stand-in's side of the webhook settings: the first policy named, with its newest secret. What needs more than
/// that is set on the control API.
pub(crate) fn auth_for(policies: &str, header: Option<String>, secrets: &str) -> WebhookAuth {
    let secret = secrets.split(',').next().unwrap_or_default().trim().to_owned();
    match policies.split(',').next().map(str::trim) {
        Some("header") => WebhookAuth::Header { name: header.unwrap_or_else(|| "x-incode-secret".to_owned()), secret },
        Some("hmac") => WebhookAuth::Hmac { header: header.unwrap_or_else(|| "x-incode-signature".to_owned()), secret },
        Some("standard-webhooks") => WebhookAuth::StandardWebhooks { secret },
        _ => WebhookAuth::None,
    }
}
