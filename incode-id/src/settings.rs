//! Finds the store that a command works on.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use incode_core::Timestamp;
use incode_core::store::{Store, StoreError};

use crate::failure::Failure;

/// The URL of the argument, or else of the environment. Names no secret in its errors.
pub(crate) fn url(argument: Option<&str>) -> Result<String, Failure> {
    if let Some(url) = argument {
        return Ok(url.trim().to_owned());
    }
    let variable = |name| match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Err(Failure::arguments(format!("{name} is set but empty"))),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::arguments(format!("{name} is not UTF-8"))),
    };
    match (variable("INCODE_STORE")?, variable("INCODE_STORE_FILE")?) {
        (Some(url), None) => Ok(url),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| Failure::system(error).at("the file that INCODE_STORE_FILE names"))?;
            Ok(text.trim().to_owned())
        }
        (None, None) => Err(Failure::arguments("no store is named: write --store URL, or set INCODE_STORE")),
        (Some(_), Some(_)) => {
            Err(Failure::arguments("INCODE_STORE and INCODE_STORE_FILE are both set: remove one of them"))
        }
    }
}

/// The path of `sqlite:PATH`, as the engine reads it.
pub(crate) fn sqlite_path(url: &str) -> Option<&Path> {
    let (scheme, path) = url.trim().split_once(':')?;
    scheme.eq_ignore_ascii_case("sqlite").then(|| Path::new(path))
}

/// Opens the store. A file that is missing is not made.
pub(crate) async fn open(argument: Option<&str>) -> Result<Arc<dyn Store>, Failure> {
    let url = url(argument)?;
    if let Some(path) = sqlite_path(&url) {
        std::fs::metadata(path).map_err(|error| Failure::missing(path, &error))?;
    }
    let unusable = |error: StoreError| Failure::arguments(error.cause().to_string());
    if let Some(options) = incode_sqlite::from_url(&url) {
        Ok(Arc::new(options.map_err(unusable)?.open().await?))
    } else if let Some(options) = incode_postgres::from_url(&url) {
        Ok(Arc::new(options.map_err(unusable)?.open().await?))
    } else if let Some(options) = incode_redis::from_url(&url) {
        Ok(Arc::new(options.map_err(unusable)?.open().await?))
    } else {
        Err(Failure::arguments("the store is none of sqlite:PATH, postgres://... and redis://..."))
    }
}

/// The present, by the store's clock where it has one.
pub(crate) async fn now(store: &dyn Store) -> Result<Timestamp, StoreError> {
    Ok(store.time().await?.unwrap_or_else(|| SystemTime::now().into()))
}
