//! The settings of the environment, joined with the engines whose features are on.

use std::ffi::OsString;

use incode_core::adapter::Engine;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
use incode_core::store::{OpenStore, StoreError};
use incode_core::{Builder, ConfigError};

/// A builder with the settings of the process's environment: the variables that docs/settings.md of the repository lists.
/// `INCODE_STORE` may name `memory:` and each engine whose feature is on.
///
/// # Errors
/// [`ConfigError`] for what is missing, malformed or too weak: one line that names the variable and says what to write.
pub fn builder_from_env() -> Result<Builder, ConfigError> {
    Builder::from_environment(ENGINES)
}

/// As [`builder_from_env`], with settings from another source: a file, a secret manager, a test. The names are those of
/// the variables, and a name that ends with `_FILE` names a file here too. The environment is not read.
///
/// ```
/// let settings = [("INCODE_HOST", "http://127.0.0.1:4000"), ("INCODE_API_KEY", "key")];
/// let settings = settings.map(|(name, value)| (name.into(), value.into()));
/// let error = incode_tower::builder_from_settings(settings).unwrap_err();
/// assert_eq!(error.setting(), "INCODE_WEBHOOK_AUTH");
/// ```
///
/// # Errors
/// As [`builder_from_env`].
pub fn builder_from_settings(settings: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Builder, ConfigError> {
    Builder::from_settings(settings, ENGINES)
}

const ENGINES: &[Engine] = &[
    #[cfg(feature = "sqlite")]
    |store| boxed(incode_sqlite::from_url(store.url)),
    #[cfg(feature = "postgres")]
    |store| {
        let options = incode_postgres::from_url(store.url);
        boxed(options.map(|options| match store.listen {
            Some(listen) => options?.listen_url(listen),
            None => options,
        }))
    },
    #[cfg(feature = "redis")]
    |store| boxed(incode_redis::from_url(store.url)),
];

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
fn boxed<O: OpenStore>(options: Option<Result<O, StoreError>>) -> Option<Result<Box<dyn OpenStore>, StoreError>> {
    options.map(|options| options.map(|options| Box::new(options) as Box<dyn OpenStore>))
}
