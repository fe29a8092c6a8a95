//! PostgreSQL under load, behind a network that fails, and after a failover. What needs no application is tested in the
//! crate of the engine.

use incode_postgres::PostgresStore;

mod failover;
mod late_commit;

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url).await.unwrap()
}
