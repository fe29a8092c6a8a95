//! The stand-in vendor in this very process, for whoever has named no other.

use std::net::SocketAddr;

use incode_sandbox::{Sandbox, StartError, Webhook, WebhookAuth};

/// Starts it. It sends nothing yet.
pub(crate) async fn start() -> Result<Sandbox, StartError> {
    Sandbox::builder().start().await
}

/// Points its webhooks at `app`, where this process listens.
pub(crate) fn deliver_to(sandbox: &Sandbox, app: SocketAddr, auth: WebhookAuth) -> Result<(), StartError> {
    sandbox.set_webhook(Webhook::to(format!("{}/incode/webhook", reachable(app))).auth(auth))
}

/// How a process on this machine reaches the address.
pub(crate) fn reachable(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}")
}

/// What the settings of the webhook say, as far as the other side has to know it.
pub(crate) struct Agreed {
    pub(crate) policies: String,
    pub(crate) header: Option<String>,
    pub(crate) secrets: String,
    pub(crate) client_id: String,
    pub(crate) client_secrets: String,
}

impl Agreed {
    /// The stand-in's side: the first policy named, with its newest secret. What needs more than that is set on the
    /// control API.
    pub(crate) fn auth(self, app: SocketAddr) -> WebhookAuth {
        let newest = |list: &str| list.split(',').next().unwrap_or_default().trim().to_owned();
        let secret = newest(&self.secrets);
        let header = |usual: &str| self.header.clone().unwrap_or_else(|| usual.to_owned());
        match newest(&self.policies).as_str() {
            "header" => WebhookAuth::Header { name: header("x-incode-secret"), secret },
            "hmac" => WebhookAuth::Hmac { header: header("x-incode-signature"), secret },
            "standard-webhooks" => WebhookAuth::StandardWebhooks { secret },
            "oauth" => WebhookAuth::ClientCredentials {
                token_url: format!("{}/incode/token", reachable(app)),
                client_id: self.client_id,
                client_secret: newest(&self.client_secrets),
            },
            _ => WebhookAuth::None,
        }
    }
}
