//! `export`: what is stored of a person, for the person.

use incode_core::adapter::store_keys;
use incode_core::identity::Export;
use incode_core::identity::transition::Command;
use incode_core::store::{AuditAction, Store};
use serde_json::json;

use super::{change::change, find};
use crate::cli::By;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

/// Always JSON. The entry of the audit trail comes first: what was not written there is not shown.
pub(crate) async fn export(store: &dyn Store, name: &str, by: &By, output: &Output) -> Result<(), Failure> {
    let by = by.actor()?;
    let keys = store_keys(settings::variables()).map_err(|error| Failure::arguments(error.to_string()))?;
    let person = find(store, name).await?;
    let export = Export::read(store, &person, &keys, settings::now(store).await?).await?;
    if let Some(masked) = export.masked() {
        change(store, Command::Note { action: AuditAction::Export(masked), count: 1, by }, false).await?;
    }
    output.document(&json!(export))
}
