//! The store itself: what it consists of, and how it is opened over a server.

use std::fmt;
use std::sync::Arc;

use incode_core::store::StoreFuture;
use incode_core::store::hub::ChangeHub;

use crate::connection::Server;
use crate::error::Failure;
use crate::eviction::EvictionPolicy;
use crate::schema::FeedKey;
use crate::{feed, schema};

/// Keeps everything under one prefix of a Redis server, which any number of processes share.
///
/// - Durable as the server is: with `appendonly yes` and `appendfsync always` what was answered survives `kill -9` and a
///   power cut; with anything less the last second may be lost, of which opening warns ([`RedisOptions::strict`](crate::RedisOptions::strict) refuses).
///   A failover loses what the replica had not received.
/// - Everything is in memory: some 1.5 KiB for an event, for as long as settled ones are kept.
/// - `maxmemory-policy` must be `noeviction`: under any other [`LifeCycle::time`] fails, because rows may be thrown away.
///
/// Must be opened and used inside a tokio runtime that outlives it.
///
/// [`LifeCycle::time`]: incode_core::store::LifeCycle::time
pub struct RedisStore {
    /// Shared with the listener, which holds it weakly: it ends with the store.
    pub(crate) server: Arc<Server>,
    /// Shared with the feeds, which hold it weakly: they end with the store.
    pub(crate) hub: Arc<ChangeHub>,
    /// Kept to put it back, should the keys be deleted.
    pub(crate) feed_key: FeedKey,
    /// Looked at again while the store is open: an operator may change it at any time.
    pub(crate) policy: EvictionPolicy,
}

impl RedisStore {
    /// Checks the server and claims the keys.
    pub(crate) async fn over(server: Server, is_strict: bool) -> Result<Self, Failure> {
        schema::check_server(&server).await?;
        let feed_key = schema::open(&server).await?;
        if let Some(problem) = schema::weakness(&server).await? {
            if is_strict {
                return Err(Failure::failed(problem));
            }
            tracing::warn!("Redis may lose what was acknowledged: {problem}");
        }
        let hub = ChangeHub::new(&feed_key.bytes()?).map_err(|_| Failure::failed("no random bytes"))?;
        feed::check_rights(&server, &hub).await?;
        Ok(Self { server: Arc::new(server), hub, feed_key, policy: EvictionPolicy::default() })
    }

    /// Turns a failure into the error of the contract.
    pub(crate) fn with<'a, T, F>(&'a self, work: F) -> StoreFuture<'a, T>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'a,
    {
        Box::pin(async { Ok(work.await?) })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.server.prefix()).finish_non_exhaustive()
    }
}
