//! Once more to a database that has many rows: a page takes as long as it did when there were few.

use std::time::Duration;

use incode_tests::process::within;

use super::*;

#[tokio::test]
async fn a_page_of_links_is_not_looked_for_among_all() {
    let Some(this) = Move::start().await else { return };
    this.sqlite().await.close().await.unwrap();
    assert!(this.run().await.is_complete());
    // A tenth of them were brought, and are in the file still.
    let conn = rusqlite::Connection::open(this.file()).unwrap();
    conn.execute_batch(&format!(
        "INSERT INTO link WITH RECURSIVE of (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM of WHERE n < {BROUGHT})
            SELECT 's' || n, 'i' || n, 'flow', n FROM of"
    ))
    .unwrap();
    drop(conn);
    let reader = this.server.connect(&this.schema).await;
    let links = format!(
        "INSERT INTO link SELECT 's' || n, 'i' || n, 'flow', n FROM generate_series(1, {LINKS}) n;
        INSERT INTO identity SELECT 'i' || n, 'ACTIVE', n FROM generate_series(1, {LINKS}) n;
        INSERT INTO moved_link SELECT sha256(convert_to(length('s' || n) || ':s' || n || 'i' || n, 'UTF8')),
            sha256(convert_to('i' || n, 'UTF8')), n, n FROM generate_series(1, {BROUGHT}) n;
        ANALYZE link; ANALYZE moved_link; ANALYZE identity"
    );
    reader.batch_execute(&links).await.unwrap();
    let moved = this.run_again().await;
    assert!(moved.is_complete(), "{moved:?}");
    let links = table(&moved, "link");
    assert_eq!((links.read, links.copied, links.there), (BROUGHT, 0, BROUGHT));
    let looked_at = "SELECT seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
        WHERE schemaname = $1 AND relname = 'link'";
    // The server counts a moment later.
    within(Duration::from_secs(20), "it is counted", async || {
        let row = reader.query_one(looked_at, &[&this.schema]).await.unwrap();
        let (one_by_one, by_key): (i64, i64) = (row.get(0), row.get(1));
        println!("{one_by_one} links one by one, {by_key} by their key");
        assert!(one_by_one < 20 * LINKS as i64, "{one_by_one}");
        by_key >= LINKS as i64
    })
    .await;
}

const LINKS: u64 = 200_000;
const BROUGHT: u64 = LINKS / 10;
