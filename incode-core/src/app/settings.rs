//! Settings from the environment. One function per concern; each error names its variable and never shows a value.

use std::ffi::OsString;
use std::sync::Arc;

use data_encoding::BASE64;

use crate::client::Client;
use crate::flow::HostedFlow;
use crate::webhook::{Authenticity, ClientCredentials, HmacScheme, PolicyError, PolicyErrorKind};
use crate::{ConfigError, Secret};

use super::Builder;
use crate::store::{MemoryStore, OpenStore, StoreError};

use super::builder::StoreChoice;

/// An engine's reading of `INCODE_STORE`: `None` when the scheme is not its own.
pub type Engine = fn(&str) -> Option<Result<Box<dyn OpenStore>, StoreError>>;

impl Builder {
    /// Reads the variables of the README's table through `read`; `builder_from_env` of the adapters gives it the process environment, and the engines whose features are on. An empty value counts as unset.
    ///
    /// # Errors
    /// [`ConfigError`] for what is missing, malformed or too weak.
    pub fn from_settings(
        read: impl Fn(&'static str) -> Option<OsString>,
        engines: &[Engine],
    ) -> Result<Self, ConfigError> {
        let settings = Settings(&read);
        let mut builder = Self::new()
            .client(settings.client()?)
            .webhook_authenticity(settings.authenticity()?)
            .store_choice(settings.store(engines)?);
        if let Some(flow) = settings.hosted_flow()? {
            builder = builder.hosted_flow(flow);
        }
        if settings.switch("INCODE_LINK_BY_WEBHOOK")? {
            builder = builder.link_by_webhook();
        }
        if let Some(key) = settings.text("INCODE_STORE_KEY")?.map(|text| key("INCODE_STORE_KEY", &text)).transpose()? {
            builder = builder.store_key(key);
        }
        Ok(builder)
    }
}

struct Settings<'a>(&'a dyn Fn(&'static str) -> Option<OsString>);

impl Settings<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(value) = (self.0)(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        value.into_string().map(Some).map_err(|_| ConfigError::new(name, "is not UTF-8"))
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.text(name)?.ok_or(ConfigError::new(name, "is not set"))
    }

    /// `on` or `off`; off when unset.
    fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name)?.as_deref() {
            None | Some("off") => Ok(false),
            Some("on") => Ok(true),
            Some(_) => Err(ConfigError::new(name, "takes on and off")),
        }
    }

    /// Newest first, each of 32 bytes or more.
    fn flow_secrets(&self) -> Result<(Secret, Vec<Secret>), ConfigError> {
        const NAME: &str = "INCODE_FLOW_SECRET";
        let list = self.required(NAME)?;
        let mut secrets = list.split(',').map(|text| key(NAME, text.trim()));
        let newest = secrets.next().ok_or(ConfigError::new(NAME, "is not set"))??;
        Ok((newest, secrets.collect::<Result<_, _>>()?))
    }

    fn client(&self) -> Result<Client, ConfigError> {
        let host = self.required("INCODE_HOST")?;
        let api_key = self.required("INCODE_API_KEY")?;
        Client::builder(&host, Secret::from(api_key.as_str())).build().map_err(|error| {
            let name = if error.setting() == "api key" { "INCODE_API_KEY" } else { "INCODE_HOST" };
            ConfigError::new(name, "can't be used").with_source(error)
        })
    }

    fn authenticity(&self) -> Result<Authenticity, ConfigError> {
        const NAME: &str = "INCODE_WEBHOOK_AUTH";
        let list = self.required(NAME)?;
        let names: Vec<_> = list.split(',').map(str::trim).collect();
        if names.len() > 1 && names.contains(&"fetch-back") {
            let problem = "names fetch-back beside another policy: any of them is enough, so anybody could deliver";
            return Err(ConfigError::new(NAME, problem));
        }
        let parts = names.into_iter().map(|name| match name {
            "fetch-back" => Ok(Authenticity::fetch_back()),
            "header" => {
                let name = self.text("INCODE_WEBHOOK_HEADER")?;
                let name = name.as_deref().unwrap_or("x-incode-secret");
                Authenticity::header(name, self.secrets()?).map_err(refused)
            }
            "hmac" => {
                let name = self.text("INCODE_WEBHOOK_HEADER")?;
                let name = name.as_deref().unwrap_or("x-incode-signature");
                HmacScheme::new(name, self.secrets()?).map(Authenticity::hmac).map_err(refused)
            }
            "standard-webhooks" => {
                HmacScheme::standard_webhooks(self.secrets()?).map(Authenticity::hmac).map_err(refused)
            }
            "oauth" => self.oauth().map(Authenticity::oauth),
            _ => Err(ConfigError::new(NAME, "takes fetch-back, header, oauth, hmac and standard-webhooks")),
        });
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            Some(last) => {
                parts.push(last);
                Authenticity::any_of(parts).map_err(refused)
            }
            None => Err(ConfigError::new(NAME, "is empty")),
        }
    }

    /// Tokens are signed with the flow secret: what every replica shares anyway.
    fn oauth(&self) -> Result<ClientCredentials, ConfigError> {
        let client_id = self.required("INCODE_OAUTH_CLIENT_ID")?;
        let client_secrets = self.required("INCODE_OAUTH_CLIENT_SECRET")?;
        let client_secrets = client_secrets.split(',').map(|secret| Secret::from(secret.trim()));
        let (newest, older) = self.flow_secrets()?;
        let signing = std::iter::once(newest).chain(older);
        ClientCredentials::new(&client_id, client_secrets, signing).map_err(|error| match error.kind() {
            PolicyErrorKind::IllegalClientId => {
                ConfigError::new("INCODE_OAUTH_CLIENT_ID", "takes visible ASCII without a colon, 256 bytes at most")
            }
            _ => ConfigError::new("INCODE_OAUTH_CLIENT_SECRET", "each secret needs 24 bytes or more"),
        })
    }

    fn secrets(&self) -> Result<Vec<Secret>, ConfigError> {
        let list = self.required("INCODE_WEBHOOK_SECRETS")?;
        Ok(list.split(',').map(|secret| Secret::from(secret.trim())).collect())
    }

    /// What it holds may be a URL with a password, so nothing of it is repeated.
    fn store(&self, engines: &[Engine]) -> Result<StoreChoice, ConfigError> {
        const NAME: &str = "INCODE_STORE";
        let text = self.text(NAME)?;
        let text = text.as_deref().map_or("sqlite:incode.db", str::trim);
        if text == "memory:" {
            return Ok(StoreChoice::Opened(Arc::new(MemoryStore::default())));
        }
        match engines.iter().find_map(|engine| engine(text)) {
            Some(Ok(options)) => Ok(StoreChoice::Options(options)),
            Some(Err(error)) => Err(ConfigError::new(NAME, "can't be used").with_source(error)),
            None => Err(ConfigError::new(
                NAME,
                "takes memory:, sqlite:PATH, postgres://... or redis://..., each with the feature of that name",
            )),
        }
    }

    /// Off when none of its variables is set; otherwise all are needed.
    fn hosted_flow(&self) -> Result<Option<HostedFlow>, ConfigError> {
        let (client_id, web_url) = (self.text("INCODE_CLIENT_ID")?, self.text("INCODE_WEB_URL")?);
        if client_id.is_none() && web_url.is_none() {
            return Ok(None);
        }
        let client_id = client_id.ok_or(ConfigError::new("INCODE_CLIENT_ID", "is not set, but INCODE_WEB_URL is"))?;
        let web_url = web_url.ok_or(ConfigError::new("INCODE_WEB_URL", "is not set, but INCODE_CLIENT_ID is"))?;
        let (newest, older) = self.flow_secrets()?;
        let public_url = match self.text("PUBLIC_URL")? {
            Some(url) => url,
            None => format!("http://{}", self.text("BIND")?.as_deref().unwrap_or("127.0.0.1:3000")),
        };
        let flow = HostedFlow::new(&client_id, &web_url, &public_url, newest);
        let flow = older.into_iter().fold(flow, |flow, secret| flow?.older_secret(secret));
        flow.map(Some).map_err(|error| {
            let name = if error.0.contains("public") { "PUBLIC_URL" } else { "INCODE_WEB_URL" };
            ConfigError::new(name, error.0)
        })
    }
}

/// 32 bytes or more, in base64.
fn key(name: &'static str, text: &str) -> Result<Secret, ConfigError> {
    let bytes = BASE64.decode(text.as_bytes()).map_err(|_| ConfigError::new(name, "is not padded base64"))?;
    if bytes.len() < 32 {
        return Err(ConfigError::new(name, "is shorter than 32 bytes"));
    }
    Ok(Secret::new(bytes))
}

fn refused(error: PolicyError) -> ConfigError {
    let (name, problem) = match error.kind() {
        PolicyErrorKind::NoSecret | PolicyErrorKind::WeakSecret => {
            ("INCODE_WEBHOOK_SECRETS", "each secret needs 24 bytes or more")
        }
        PolicyErrorKind::IllegalSecret => ("INCODE_WEBHOOK_SECRETS", "holds what can't be sent in a header"),
        PolicyErrorKind::MalformedSecret => {
            ("INCODE_WEBHOOK_SECRETS", "each secret of standard-webhooks is whsec_ and padded base64")
        }
        PolicyErrorKind::IllegalHeaderName => ("INCODE_WEBHOOK_HEADER", "is no header name"),
        _ => ("INCODE_WEBHOOK_AUTH", "can't be used"),
    };
    ConfigError::new(name, problem)
}
