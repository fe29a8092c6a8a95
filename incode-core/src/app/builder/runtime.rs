//! The tokio runtime that an [`Incode`](crate::Incode) lives on.

use tokio::runtime::Handle;

use super::ConfigError;

/// The runtime in which `build` is awaited. The worker, the loads of the near cache and the change feed run on it.
pub(super) fn current() -> Result<Handle, ConfigError> {
    Handle::try_current().map_err(|_| {
        ConfigError::new(
            "build",
            "await it inside the tokio runtime that the server runs on: the worker is started there",
        )
    })
}

#[cfg(test)]
mod tests;
