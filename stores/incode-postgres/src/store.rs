//! The store itself. Each part of its contract is in the file of that part.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::accept::Accepts;
use super::connection::Target;
use super::pool::Pool;

/// Keeps everything in one schema of a PostgreSQL database, which any number of processes share.
///
/// - Durable as the server is: `synchronous_commit` is switched on for its transactions where it was off, and a server
///   without `fsync` is warned of when the store is opened.
/// - Replicas agree: each receives notices of what the others change
///   ([`LifeCycle::feed`](incode_core::store::LifeCycle::feed)), work is leased by the database's time
///   ([`LifeCycle::time`](incode_core::store::LifeCycle::time)), and a lease that is not settled ends by itself.
/// - Works after the server's restart and after a failover: connections are made anew, and only to a server that takes
///   writes. Until then calls fail with [`StoreErrorKind::Unavailable`](incode_core::store::StoreErrorKind::Unavailable).
/// - Works behind a transaction pooler: see [`PostgresOptions::listen_url`](crate::PostgresOptions::listen_url).
/// - Needs no superuser: the right to create its schema, or to create tables in one that is there already.
///
/// Must be opened and used inside a tokio runtime that outlives it.
pub struct PostgresStore {
    pub(crate) accepts: Accepts,
    /// Shared with the writer, the listener and the leases of connections.
    pub(crate) pool: Arc<Pool>,
    /// Where the listener connects to.
    pub(crate) listen: Arc<Target>,
    /// Whether that is the URL of everything else: then the listener finds out by itself whether it has a session.
    pub(crate) is_listen_shared: bool,
}

impl PostgresStore {
    /// How many transactions kept deliveries since the store was opened: far fewer than events under load.
    pub fn commits(&self) -> u64 {
        self.accepts.commits.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("schema", &self.pool.target.schema).finish_non_exhaustive()
    }
}
