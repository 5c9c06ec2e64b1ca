//! Coming back when the log is gone: real processes, real files, and what travels between them.

use crate::BINARY;
use std::time::Duration;
use testkit::{Pair, Server, eventually, one, rows, script};

const ROWS: i64 = 100_000;
const ALL: &str = "SELECT * FROM t ORDER BY id";

/// A field of `SHOW REPLICATION STATUS`, of the row without a partition.
async fn status(server: &Server, role: &str, column: &str) -> String {
    let client = server.connect("antipode").await;
    let column = format!(
        "SELECT CAST({column} AS text) FROM information_schema.replication_status \
         WHERE role = '{role}' AND partition_id IS NULL"
    );
    rows(&client, &column).await.pop().and_then(|mut row| row.pop()).unwrap_or_default()
}

async fn wait_streaming(server: &Server) {
    eventually("the link streams and has no lag", Duration::from_secs(120), async || {
        status(server, "target", "state").await == "streaming"
            && status(server, "target", "lag_records").await == "0"
    })
    .await;
}

async fn wait_given_up(server: &Server) {
    eventually("the slot is given up", Duration::from_secs(60), async || {
        status(server, "source", "state").await == "given up"
    })
    .await;
}

async fn change(server: &Server, sql: &[&str]) {
    let client = server.connect("d").await;
    script(&client, sql).await;
    // With `--retain-log 0` nothing of the log is left that no slot needs.
    script(&client, &["CHECKPOINT"]).await;
}

async fn came_by_content(server: &Server, whole: u64) {
    assert_eq!(status(server, "target", "way").await, "by content");
    let shipped: u64 = status(server, "target", "shipped_bytes").await.parse().unwrap();
    assert!(shipped > 0 && shipped * 10 < whole, "shipped {shipped}, the database is {whole}");
    let history = "SELECT count(*) FROM information_schema.replication_history WHERE event = ";
    let client = server.connect("antipode").await;
    assert_eq!(one(&client, &format!("{history}'full copy'")).await, "0");
    assert_ne!(one(&client, &format!("{history}'by content'")).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_and_former_primary_come_back_by_content_when_the_log_is_gone() {
    let mut pair = Pair::start_with(BINARY, &["--retain-log", "0", "--slot-retention", "3 s"]);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = pair.east.connect("d").await;
    let table = "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, v text)";
    script(&client, &[table, "CREATE INDEX t_n ON t (n)"]).await;
    for step in 0..5 {
        let (from, to) = (step * ROWS / 5 + 1, (step + 1) * ROWS / 5);
        // Text that does not compress well, so that sizes mean something.
        let insert = format!(
            "INSERT INTO t SELECT g, g, md5(CAST(g AS text)) || md5(CAST(-g AS text)) \
             FROM generate_series({from}, {to}) AS s(g)"
        );
        script(&client, &[&insert]).await;
    }
    drop(client);
    pair.west.follow(&pair.east, "d").await;
    wait_streaming(&pair.west).await;
    // About what the rows are, without keys and entries of the index.
    let whole = ROWS as u64 * 80;

    // A standby that is away for too long.
    pair.west.kill();
    wait_given_up(&pair.east).await;
    let scattered = "UPDATE t SET v = 'changed' WHERE id % 500 = 0";
    change(&pair.east, &[scattered, "DELETE FROM t WHERE id = 77"]).await;
    pair.west.run();
    wait_streaming(&pair.west).await;
    pair.west.agrees_with(&pair.east, "d", ALL).await;
    came_by_content(&pair.west, whole).await;

    // A primary that is replaced, and whose log is gone on both sides.
    pair.west.kill();
    wait_given_up(&pair.east).await;
    change(
        &pair.east,
        &[
            "UPDATE t SET v = 'only east' WHERE id IN (1, 2)",
            "INSERT INTO t VALUES (500001, 0, 'only east')",
            "DELETE FROM t WHERE id = 3",
        ],
    )
    .await;
    pair.east.kill();
    pair.west.run();
    pair.west.admin("STOP REPLICATING d").await;
    wait_given_up(&pair.west).await;
    change(&pair.west, &["UPDATE t SET v = 'only west' WHERE id IN (2, 4)"]).await;
    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    wait_streaming(&pair.east).await;
    pair.east.agrees_with(&pair.west, "d", ALL).await;
    came_by_content(&pair.east, whole).await;
    for side in [&pair.east, &pair.west] {
        let client = side.connect("d").await;
        let kept = rows(
            &client,
            "SELECT row_key, old_row, new_row FROM information_schema.diverged_rows ORDER BY 1",
        )
        .await;
        assert_eq!(kept.len(), 4, "{kept:?}");
        let is = |key: &str, old: &str, new: &str| {
            kept.iter().any(|r| r[0].contains(key) && r[1].contains(old) && r[2].contains(new))
        };
        assert!(is("1}", "v", "only east") && is("2}", "only west", "only east"), "{kept:?}");
        assert!(is("500001}", "NULL", "only east") && is("3}", "v", "NULL"), "{kept:?}");
        let told = "SELECT DISTINCT told_by FROM information_schema.diverged_transactions";
        assert_eq!(one(&client, told).await, "content");
    }
    let verified = pair.east.connect("antipode").await;
    let verdict = rows(&verified, "VERIFY DATABASE d").await;
    assert!(verdict.iter().all(|row| !row.iter().any(|c| c.contains("differ"))), "{verdict:?}");
    // What only east had can be applied again.
    let client = pair.west.connect("d").await;
    let id = "SELECT transaction_id FROM information_schema.diverged_rows \
              WHERE new_row LIKE '%500001%'";
    let id = one(&client, id).await;
    script(&client, &[&format!("REAPPLY DIVERGED TRANSACTION '{id}'")]).await;
    assert_eq!(one(&client, "SELECT v FROM t WHERE id = 500001").await, "only east");
    pair.east.agrees_with(&pair.west, "d", ALL).await;
}
