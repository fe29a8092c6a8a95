//! The settings of an application for the programs beside it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Client;
use crate::flow::Flow;
use crate::store::{Store, StoreError};
use crate::webhook::Webhook;
use crate::{ConfigError, Secret};

use super::secrets::unknown_secrets;
use super::{Builder, found_by, webhook_routes};

/// The settings of an application that was not started: no store is opened and no worker runs.
///
/// Made by [`Builder::deployment`], for programs that look after an application: `incode-id` compares with it what is set
/// with what is there.
pub struct Deployment {
    client: Client,
    webhooks: Vec<(Box<str>, Webhook)>,
    token_path: Option<Box<str>>,
    start_path: Box<str>,
    callback_path: Box<str>,
    flow: Option<Arc<Flow>>,
    store_keys: Vec<Secret>,
    flow_secrets: Vec<Secret>,
}

impl Builder {
    /// The settings, for a program beside the application. Opens nothing and starts nothing.
    ///
    /// # Errors
    /// [`ConfigError`] when there is no client or no policy of authenticity.
    pub fn deployment(&self) -> Result<Deployment, ConfigError> {
        let client = self.client.clone().ok_or(ConfigError::missing("client", "no API client is set"))?;
        let policy = self.authenticity.clone();
        let policy = policy.ok_or(ConfigError::missing("webhook_authenticity", "is not set"))?;
        let has_clients = policy.has_clients();
        let webhook = Webhook::new(found_by(policy, self.addresses.as_ref()));
        let flow = self.flow.clone();
        Ok(Deployment {
            client,
            webhooks: webhook_routes(self.webhook_paths.clone(), &webhook),
            token_path: has_clients.then(|| self.token_path.clone()),
            start_path: self.start_path.clone(),
            callback_path: self.callback_path.clone(),
            store_keys: self.store_keys.clone(),
            flow_secrets: flow.as_ref().map(|flow| flow.secrets.clone()).unwrap_or_default(),
            flow: flow.map(|flow| Flow::new(flow, &self.callback_path, Duration::ZERO)),
        })
    }
}

impl Deployment {
    /// The vendor's API.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Each path of the webhook, below the public URL, with its policy.
    pub fn webhooks(&self) -> &[(Box<str>, Webhook)] {
        &self.webhooks
    }

    /// The path of the token endpoint. `None`: the policy has no OAuth client.
    pub fn token_path(&self) -> Option<&str> {
        self.token_path.as_deref()
    }

    /// The path where a person starts. `None`: there is no hosted flow.
    pub fn start_path(&self) -> Option<&str> {
        self.flow.as_ref().map(|_| &*self.start_path)
    }

    /// The path where the vendor's page sends people back to. `None`: there is no hosted flow.
    pub fn callback_path(&self) -> Option<&str> {
        self.flow.as_ref().map(|_| &*self.callback_path)
    }

    /// Where browsers reach the application. `None`: there is no hosted flow, and it need not be set.
    pub fn public_url(&self) -> Option<&str> {
        self.flow.as_ref().map(|flow| flow.hosted.public_url.as_str())
    }

    /// The vendor's page for a flow with this correlation id. `None`: there is no hosted flow.
    pub fn page_url(&self, correlation_id: &str) -> Option<String> {
        self.flow.as_ref().map(|flow| String::from(flow.page(correlation_id)))
    }

    /// The names of the secrets that the processes on this store use and these settings lack: what those processes sealed
    /// can't be opened with these settings. As a start of the application does, it keeps a check value of each secret in a
    /// store that has none.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn unknown_secrets(&self, store: &dyn Store) -> Result<Vec<&'static str>, StoreError> {
        unknown_secrets(store, &self.store_keys, &self.flow_secrets, &self.client).await
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
