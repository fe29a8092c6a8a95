//! How a delivery authenticates, from the settings of the application that receives it.

use clap::ValueEnum;
use reqwest::Url;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::settings;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// An HMAC of the body.
    Hmac,
    /// A fixed header.
    Header,
    /// A bearer token of the application's own token endpoint.
    Oauth,
    /// The three headers of standardwebhooks.com.
    StandardWebhooks,
    /// Unsigned: for fetch-back.
    None,
}

/// How the sandbox has to authenticate: an object of its control API. Holds a secret, and is never shown.
pub(crate) struct WebhookSecrets(pub(super) Value);

impl Auth {
    /// The first that `INCODE_WEBHOOK_AUTH` names.
    pub(crate) fn from_settings() -> Result<Self, Failure> {
        let list = settings::variable("INCODE_WEBHOOK_AUTH")?;
        let list = list.ok_or_else(|| Failure::arguments("write --auth, or set INCODE_WEBHOOK_AUTH"))?;
        match list.split(',').next().unwrap_or_default().trim() {
            "hmac" => Ok(Self::Hmac),
            "header" => Ok(Self::Header),
            "oauth" => Ok(Self::Oauth),
            "standard-webhooks" => Ok(Self::StandardWebhooks),
            "fetch-back" => Ok(Self::None),
            _ => Err(Failure::arguments("INCODE_WEBHOOK_AUTH names what the sandbox can't send: write --auth")),
        }
    }
}

/// `to`: the webhook, whose host has the token endpoint too unless another is given.
pub(crate) fn secrets(auth: Auth, to: &Url, token_url: Option<&Url>) -> Result<WebhookSecrets, Failure> {
    let needed = |name: &str| {
        let missing = || Failure::arguments(format!("{name} is not set: it is what the delivery authenticates with"));
        settings::secret(name)?.ok_or_else(missing)
    };
    let header = |default: &str| Ok::<_, Failure>(settings::variable(HEADER)?.unwrap_or_else(|| default.to_owned()));
    let object = match auth {
        Auth::None => json!({"kind": "none"}),
        Auth::Header => json!({"kind": "header", "name": header("x-incode-secret")?, "secret": needed(SECRETS)?}),
        Auth::Hmac => {
            let secret = needed(SECRETS)?;
            let form = settings::variable("INCODE_WEBHOOK_SIGNATURE")?;
            let signed = settings::variable("INCODE_WEBHOOK_SIGNED")?;
            let is_plain = form.as_deref().is_none_or(|form| form == "hex")
                && signed.as_deref().is_none_or(|signed| signed == "body")
                && !secret.starts_with("base64:")
                && !secret.starts_with("hex:");
            if !is_plain {
                let line = "the sandbox signs the body alone, in hex, with a secret of plain text: INCODE_WEBHOOK_SIGNATURE, \
                            INCODE_WEBHOOK_SIGNED or the secret ask for another form";
                return Err(Failure::arguments(line));
            }
            json!({"kind": "hmac", "header": header("x-incode-signature")?, "secret": secret})
        }
        Auth::StandardWebhooks => json!({"kind": "standard-webhooks", "secret": needed(SECRETS)?}),
        Auth::Oauth => {
            let token_url = match token_url {
                Some(url) => url.clone(),
                None => to.join("/incode/token").map_err(|_| Failure::arguments("--to has no host"))?,
            };
            let client_id = settings::variable("INCODE_OAUTH_CLIENT_ID")?;
            let client_id = client_id.ok_or_else(|| Failure::arguments("INCODE_OAUTH_CLIENT_ID is not set"))?;
            let secret = needed("INCODE_OAUTH_CLIENT_SECRET")?;
            json!({"kind": "oauth", "tokenUrl": token_url.as_str(), "clientId": client_id, "clientSecret": secret})
        }
    };
    Ok(WebhookSecrets(object))
}

const SECRETS: &str = "INCODE_WEBHOOK_SECRETS";
const HEADER: &str = "INCODE_WEBHOOK_HEADER";
