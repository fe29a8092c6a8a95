//! Whether the server may throw rows away.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Server;
use crate::error::Failure;
use crate::schema::{self, KEEPS};

/// The eviction policy of the server, looked at again while the store is open: it can be changed at any time.
#[derive(Default)]
pub(crate) struct EvictionPolicy(Mutex<Looked>);

/// What was seen, and when. Locked for an assignment, never across an await.
#[derive(Default)]
struct Looked {
    at: Option<Instant>,
    /// The policy, where rows may be thrown away under it.
    evicts: Option<String>,
}

impl EvictionPolicy {
    /// Fails while the server may throw rows away. Looks once a minute.
    pub(crate) async fn check(&self, server: &Server) -> Result<(), Failure> {
        let (is_old, evicts) = {
            let looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (looked.at.is_none_or(|at| at.elapsed() >= LOOK_AGAIN), looked.evicts.clone())
        };
        // While it is wrong, each call looks: the store is well as soon as it is mended.
        let evicts = if is_old || evicts.is_some() { self.look(server).await? } else { evicts };
        match evicts {
            None => Ok(()),
            Some(policy) => Err(Failure::failed(format!(
                "maxmemory-policy is {policy}: Redis may throw rows away. Set it to noeviction"
            ))),
        }
    }

    /// The policy, where rows may be thrown away under it. Logged when that changes.
    pub(crate) async fn look(&self, server: &Server) -> Result<Option<String>, Failure> {
        let evicts = schema::eviction(server).await?.filter(|policy| policy != KEEPS);
        let before = {
            let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            looked.at = Some(Instant::now());
            std::mem::replace(&mut looked.evicts, evicts.clone())
        };
        match (&before, &evicts) {
            (None, Some(policy)) => {
                tracing::error!(policy, "Redis may throw rows of the store away: set maxmemory-policy to noeviction");
            }
            (Some(_), None) => tracing::info!("Redis keeps all rows again"),
            _ => {}
        }
        Ok(evicts)
    }
}

/// Rarely enough to cost nothing, soon enough to be seen before a server fills up.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
