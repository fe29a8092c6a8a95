//! Settings from the environment. One function per concern; each error names its variable, says what to write, and never
//! shows a value.

mod deliveries;
mod keys;
mod names;
mod urls;
mod variables;

use std::ffi::OsString;
use std::sync::Arc;

use crate::client::Client;
use crate::flow::HostedFlow;
use crate::store::{MemoryStore, OpenStore, StoreError};
use crate::{ConfigError, Secret};

use super::Builder;
use super::builder::StoreChoice;
use variables::Variables;

/// How an engine reads `INCODE_STORE`: `None` when the scheme is not its own.
pub type Engine = fn(&StoreUrl<'_>) -> Option<Result<Box<dyn OpenStore>, StoreError>>;

/// Where a store is. Its `Debug` shows nothing: a URL may hold a password.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct StoreUrl<'a> {
    /// `INCODE_STORE`, trimmed and without control characters.
    pub url: &'a str,
    /// `INCODE_STORE_LISTEN`: where an engine listens for the notices of other processes, if that is another way to the
    /// same database, past a pooler.
    pub listen: Option<&'a str>,
}

impl std::fmt::Debug for StoreUrl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreUrl").finish_non_exhaustive()
    }
}

impl Builder {
    /// Reads the settings that docs/settings.md of the repository lists from `variables`, for instance `std::env::vars_os()`.
    /// `builder_from_env` of an adapter does that, with the `engines` whose features are on.
    ///
    /// - Values are trimmed. One that is set and empty is an error, and so is one that is set beside its `_FILE`.
    /// - Secrets may be in files: `INCODE_API_KEY_FILE` and the like name one, with one value a line.
    /// - Names that begin with `INCODE_` and are not known are logged, with the nearest known one.
    ///
    /// # Errors
    /// [`ConfigError`] for what is missing, malformed or too weak.
    pub fn from_settings(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        engines: &[Engine],
    ) -> Result<Self, ConfigError> {
        let variables = Variables::read(variables)?;
        let mut builder = Self::new()
            .client(client(&variables)?)
            .webhook_authenticity(deliveries::authenticity(&variables)?)
            .store_choice(store(&variables, engines)?);
        builder = deliveries::routes(&variables, builder)?;
        if let Some(flow) = hosted_flow(&variables)? {
            builder = builder.hosted_flow(flow);
        }
        if variables.switch("INCODE_LINK_BY_WEBHOOK")? {
            builder = builder.link_by_webhook();
        }
        if let Some(setting) = variables.get("INCODE_STORE_KEY") {
            builder = keys::keys(setting)?.into_iter().fold(builder, Self::store_key);
        }
        Ok(builder)
    }

    /// As [`Builder::from_settings`], with the environment of this process.
    ///
    /// # Errors
    /// As [`Builder::from_settings`].
    pub fn from_environment(engines: &[Engine]) -> Result<Self, ConfigError> {
        Self::from_settings(std::env::vars_os(), engines)
    }
}

/// The keys of `INCODE_STORE_KEY`, newest first; none where it is not set. For programs that read a store beside the
/// application.
///
/// # Errors
/// [`ConfigError`] for a setting that is empty, malformed or too short.
pub fn store_keys(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Vec<Secret>, ConfigError> {
    Variables::read(variables)?.get("INCODE_STORE_KEY").map_or(Ok(Vec::new()), keys::keys)
}

fn client(variables: &Variables) -> Result<Client, ConfigError> {
    let host =
        variables.required("INCODE_HOST", "the base URL of the vendor's API, for instance https://api.example")?;
    let api_key = variables.required("INCODE_API_KEY", "the API key of the vendor's dashboard")?;
    Client::builder(host.text()?, Secret::from(api_key.text()?)).build().map_err(|error| {
        let name = if error.setting() == "api key" { api_key.name } else { host.name };
        error.named(name)
    })
}

/// Newest first: that one seals, each of them opens.
fn flow_secrets(variables: &Variables) -> Result<Vec<Secret>, ConfigError> {
    keys::keys(
        variables.required("INCODE_FLOW_SECRET", "32 random bytes or more in base64, the same on every replica")?,
    )
}

fn store(variables: &Variables, engines: &[Engine]) -> Result<StoreChoice, ConfigError> {
    const NAME: &str = "INCODE_STORE";
    const LISTEN: &str = "INCODE_STORE_LISTEN";
    let setting = variables.get(NAME);
    let name = setting.map_or(NAME, |setting| setting.name);
    let url = setting.map(|setting| setting.text()).transpose()?.unwrap_or("sqlite:incode.db");
    let listen = variables.text(LISTEN)?;
    if listen.is_some() && !url.starts_with("postgres") {
        return Err(ConfigError::conflict(LISTEN, "is for a store of postgres:// only: remove it"));
    }
    if url == "memory:" {
        return Ok(StoreChoice::Opened(Arc::new(MemoryStore::default())));
    }
    match engines.iter().find_map(|engine| engine(&StoreUrl { url, listen })) {
        Some(Ok(options)) => Ok(StoreChoice::Options(options)),
        Some(Err(error)) => Err(ConfigError::new(name, "can't be used").with_source(error)),
        None => Err(ConfigError::new(
            name,
            "takes memory:, sqlite:PATH, postgres://... or redis://... The last three need the feature of that name (sqlite, \
             postgres, redis) in Cargo.toml: this program may be built without it",
        )),
    }
}

/// Off when none of its variables is set; otherwise all are needed.
fn hosted_flow(variables: &Variables) -> Result<Option<HostedFlow>, ConfigError> {
    const CLIENT_ID: &str = "INCODE_CLIENT_ID";
    const WEB_URL: &str = "INCODE_WEB_URL";
    let (client_id, web_url) = match (variables.text(CLIENT_ID)?, variables.text(WEB_URL)?) {
        (None, None) => return Ok(None),
        (Some(client_id), Some(web_url)) => (client_id, urls::web_url(web_url)?),
        (None, Some(_)) => {
            return Err(ConfigError::missing(CLIENT_ID, "is not set, but INCODE_WEB_URL is: write both"));
        }
        (Some(_), None) => {
            return Err(ConfigError::missing(WEB_URL, "is not set, but INCODE_CLIENT_ID is: write both"));
        }
    };
    let public_url = urls::public_url(variables)?;
    let mut secrets = flow_secrets(variables)?.into_iter();
    let newest = secrets.next().ok_or(ConfigError::missing("INCODE_FLOW_SECRET", "is not set"))?;
    let flow = HostedFlow::new(client_id, &web_url, &public_url, newest);
    let flow = secrets.fold(flow, |flow, secret| flow?.older_secret(secret));
    let named = |error: ConfigError| match error.setting() {
        "public_url" => error.named("PUBLIC_URL"),
        "web_url" => error.named(WEB_URL),
        "client_id" => error.named(CLIENT_ID),
        _ => error.named("INCODE_FLOW_SECRET"),
    };
    flow.map(Some).map_err(named)
}

#[cfg(test)]
mod tests;
