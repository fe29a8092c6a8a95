//! Whether this process has the secrets of the processes beside it, on the same store.

use crate::Secret;
use crate::app::ConfigError;
use crate::client::Client;
use crate::seal::check_value;
use crate::store::{SecretCheck, Store, StoreError};

/// The keys that seal tokens at rest, newest first: the store keys, else the flow secrets, else the API key. There is
/// always one, so tokens are always sealed.
pub(super) fn at_rest_keys(store_keys: &[Secret], flow_secrets: &[Secret], client: &Client) -> Vec<Secret> {
    let keys = [store_keys, flow_secrets].concat();
    if keys.is_empty() { vec![client.api_key()] } else { keys }
}

/// Compares this process's secrets with the ones that the store knows. A secret that is unknown to this process is an
/// error in the log, not at start: replicas are restarted one after the other while a key is rotated.
pub(super) async fn check_secrets(
    store: &dyn Store,
    store_keys: &[Secret],
    flow_secrets: &[Secret],
    client: &Client,
) -> Result<(), ConfigError> {
    let unknown = unknown_secrets(store, store_keys, flow_secrets, client).await;
    for name in unknown.map_err(|error| ConfigError::store("store", "does not answer").with_source(error))? {
        tracing::error!(
            secret = name,
            "the processes on this store use a secret that this process does not have: add it to the list, or what they \
             sealed can't be opened here"
        );
        metrics::counter!("incode_secret_mismatches_total", "secret" => name).increment(1);
    }
    Ok(())
}

/// The names of the secrets that the processes on this store use and this process does not have.
pub(super) async fn unknown_secrets(
    store: &dyn Store,
    store_keys: &[Secret],
    flow_secrets: &[Secret],
    client: &Client,
) -> Result<Vec<&'static str>, StoreError> {
    // Each under a name of its own: a flow secret that fits says nothing of a store key that doesn't.
    let mut checks = vec![(STORE_KEY, store_keys.to_vec()), (FLOW_SECRET, flow_secrets.to_vec())];
    if store_keys.is_empty() && flow_secrets.is_empty() {
        checks.push((API_KEY, vec![client.api_key()]));
    }
    let mut unknown = Vec::new();
    for (name, secrets) in checks {
        if !is_known(store, name, &secrets).await? {
            unknown.push(name);
        }
    }
    Ok(unknown)
}

/// Whether this process has the secret that the store knows, among its own, newest first. If that is one of its older
/// ones, the newest takes its place: the store follows a rotation, and a process that was left behind is noticed.
async fn is_known(store: &dyn Store, name: &'static str, secrets: &[Secret]) -> Result<bool, StoreError> {
    let Some((newest, older)) = secrets.split_first() else { return Ok(true) };
    let newest = check_value(newest);
    if store.check_secret(name, newest).await? != SecretCheck::Other {
        return Ok(true);
    }
    for older in older {
        // Compare-and-set: what another process wrote meanwhile is not overwritten.
        if store.replace_secret(name, check_value(older), newest).await? {
            tracing::info!(secret = name, "the store follows the rotation of a secret");
            return Ok(true);
        }
    }
    // Another process of the same rotation may have been faster.
    Ok(store.check_secret(name, newest).await? == SecretCheck::Same)
}

const STORE_KEY: &str = "store key";
const FLOW_SECRET: &str = "flow secret";
/// It can't be rotated by a list: each start with another one says so.
const API_KEY: &str = "api key";

#[cfg(test)]
mod tests;
