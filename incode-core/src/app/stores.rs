//! Which store is meant, from its name in the settings to an open one.

use std::path::PathBuf;
use std::sync::Arc;

use crate::store::{MemoryStore, Store, StoreError};

use super::SettingError;

/// A store that was chosen, and is opened when everything else is known to be right.
pub(super) enum StoreChoice {
    Opened(Arc<dyn Store>),
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "named in settings, refused when built"))]
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Box<crate::store::PostgresOptions>),
    #[cfg(feature = "redis")]
    Redis(Box<crate::store::RedisOptions>),
}

impl StoreChoice {
    /// Reads the setting. What it holds may be a URL with a password, so nothing of it is repeated.
    pub(super) fn parse(text: &str) -> Result<Self, SettingError> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Opened(Arc::new(MemoryStore::default()))),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => crate::store::PostgresOptions::new(text)
                .map(|options| Self::Postgres(Box::new(options)))
                .map_err(|error| SettingError::new(NAME, "the PostgreSQL URL can't be used").with_source(error)),
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => Err(SettingError::new(NAME, "needs the feature `postgres`")),
            #[cfg(feature = "redis")]
            Some(("redis" | "rediss", _)) => crate::store::RedisOptions::new(text)
                .map(|options| Self::Redis(Box::new(options)))
                .map_err(|error| SettingError::new(NAME, "the Redis URL can't be used").with_source(error)),
            #[cfg(not(feature = "redis"))]
            Some(("redis" | "rediss", _)) => Err(SettingError::new(NAME, "needs the feature `redis`")),
            _ => Err(SettingError::new(NAME, "takes memory:, sqlite:PATH, postgres://... or redis://...")),
        }
    }

    pub(super) async fn open(self) -> Result<Arc<dyn Store>, SettingError> {
        match self {
            Self::Opened(store) => Ok(store),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => {
                opened(crate::store::SqliteStore::open(path).await, "the SQLite file can't be opened")
            }
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(SettingError::new(NAME, "sqlite needs the feature `sqlite`")),
            #[cfg(feature = "postgres")]
            Self::Postgres(options) => opened(options.open().await, "the PostgreSQL store can't be opened"),
            #[cfg(feature = "redis")]
            Self::Redis(options) => opened(options.open().await, "the Redis store can't be opened"),
        }
    }
}

#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "redis")),
    expect(dead_code, reason = "nothing can be opened")
)]
fn opened<S: Store>(store: Result<S, StoreError>, problem: &'static str) -> Result<Arc<dyn Store>, SettingError> {
    store.map(|store| Arc::new(store) as _).map_err(|error| SettingError::new(NAME, problem).with_source(error))
}

const NAME: &str = "INCODE_STORE";
