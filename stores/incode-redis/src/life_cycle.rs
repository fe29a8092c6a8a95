//! What concerns the store as a whole.

use data_encoding::HEXLOWER;
use incode_core::Timestamp;
use incode_core::store::dedupe::DEAD_KEPT;
use incode_core::store::{
    Counts, ERASURES_KEPT, InboxCounts, JobCounts, LifeCycle, Prune, SecretCheck, StoreFeed, StoreFuture,
};

use crate::connection::Server;
use crate::error::Failure;
use crate::list::LOT;
use crate::rows::{self, Row};
use crate::schema::VERSION;
use crate::store::RedisStore;
use crate::{feed, scripts};

impl LifeCycle for RedisStore {
    fn counts(&self) -> StoreFuture<'_, Counts> {
        self.with(async {
            let row: Row = self.server.run(self.server.script(&scripts::COUNTS)).await?;
            let inbox = InboxCounts {
                pending: rows::number(&row, 0)?,
                done: rows::number(&row, 1)?,
                dead: rows::number(&row, 2)?,
                ignored: rows::number(&row, 3)?,
                oldest_pending: rows::maybe_time(&row, 4)?,
            };
            let jobs = JobCounts {
                pending: rows::number(&row, 5)?,
                dead: rows::number(&row, 6)?,
                oldest_pending: rows::maybe_time(&row, 7)?,
            };
            Ok(Counts { inbox, jobs })
        })
    }

    fn prune(&self, past: Prune) -> StoreFuture<'_, u64> {
        self.with(async move {
            self.policy.look(&self.server).await?;
            prune(&self.server, past).await
        })
    }

    fn feed(&self) -> Option<StoreFeed> {
        Some(self.hub.feed(|hub| feed::start(&self.server, hub)))
    }

    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.with(async {
            self.policy.check(&self.server).await?;
            let call = self.server.script(&scripts::TIME).arg(VERSION).arg(&self.feed_key.0);
            let (seconds, micros, restored): (i64, i64, u64) = self.server.run(call).await?;
            if restored > 0 {
                metrics::counter!("incode_store_rows_lost_total", "row" => "meta").increment(1);
                tracing::error!("the keys of the store were deleted from Redis: the store is empty");
            }
            Ok(Some(Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))))
        })
    }

    fn check_secret(&self, name: &'static str, check_value: [u8; 16]) -> StoreFuture<'_, SecretCheck> {
        self.with(async move {
            let call = self.server.script(&scripts::SECRET).arg(format!("secret:{name}"));
            let answer: String = self.server.run(call.arg(HEXLOWER.encode(&check_value))).await?;
            Ok(match answer.as_str() {
                "new" => SecretCheck::New,
                "same" => SecretCheck::Same,
                _ => SecretCheck::Other,
            })
        })
    }

    fn replace_secret(&self, name: &'static str, kept: [u8; 16], by: [u8; 16]) -> StoreFuture<'_, bool> {
        self.with(async move {
            let call = self.server.script(&scripts::REPLACE_SECRET).arg(format!("secret:{name}"));
            let call = call.arg(HEXLOWER.encode(&kept)).arg(HEXLOWER.encode(&by));
            let replaced: String = self.server.run(call).await?;
            Ok(replaced == "1")
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.server.close().await;
            self.hub.close();
            Ok(())
        })
    }
}

/// Prunes in lots until nothing is left to remove. Returns how many events were removed.
async fn prune(server: &Server, past: Prune) -> Result<u64, Failure> {
    let mut removed = 0;
    loop {
        let call = server
            .script(&scripts::PRUNE)
            .arg(past.now.as_millis())
            .arg(past.settled_before.as_millis())
            .arg(past.tokens_before.as_millis())
            .arg(past.confirmed_before.as_millis())
            .arg(past.now.before(ERASURES_KEPT).as_millis())
            .arg(DEAD_KEPT)
            .arg(LOT);
        let (lot, has_more): (u64, u64) = server.run(call).await?;
        removed += lot;
        if has_more == 0 {
            return Ok(removed);
        }
    }
}
