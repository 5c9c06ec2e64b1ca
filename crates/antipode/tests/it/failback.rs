//! Losing a region and coming back to it.

use crate::BINARY;
use crate::pgbench::{agree, initialise, sums};
use std::process::{Child, Stdio};
use std::time::Duration;
use testkit::{Pair, Server, Tool, eventually, one, pgbench, rows, script};

/// pgbench TPC-B beside the test.
fn tpcb(tool: &Tool, server: &Server, seconds: &str) -> Child {
    tool.command(server, "d")
        .args(["-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", seconds])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A field of the link that `server` has as a standby of database `d`.
async fn link(server: &Server, column: &str) -> String {
    let client = server.connect("antipode").await;
    let messages = client.simple_query("SHOW REPLICATION STATUS").await.unwrap();
    let found = messages.iter().find_map(|m| match m {
        tokio_postgres::SimpleQueryMessage::Row(row) if row.get("role") == Some("target") => {
            Some(row.get(column).unwrap_or("NULL").to_string())
        }
        _ => None,
    });
    found.unwrap_or_default()
}

async fn wait_streaming(server: &Server) {
    eventually("the link streams and has no lag", Duration::from_secs(90), async || {
        link(server, "state").await == "streaming" && link(server, "lag_records").await == "0"
    })
    .await;
}

const STRANDED: &str = "SELECT count(*) FROM information_schema.diverged_transactions";

const TABLES: [&str; 4] = [
    "SELECT * FROM pgbench_accounts ORDER BY aid",
    "SELECT * FROM pgbench_tellers ORDER BY tid",
    "SELECT * FROM pgbench_branches ORDER BY bid",
    "SELECT tid, bid, aid, delta, mtime FROM pgbench_history ORDER BY mtime, tid, bid, aid, delta",
];

#[tokio::test(flavor = "multi_thread")]
async fn tpcb_survives_the_loss_of_a_region_and_the_way_back() {
    let test = "tpcb_survives_the_loss_of_a_region_and_the_way_back";
    let Some(tool) = pgbench(test) else { return };
    let mut pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    initialise(&tool, &pair.east, "2");
    pair.west.follow(&pair.east, "d").await;
    wait_streaming(&pair.west).await;

    let mut traffic = tpcb(&tool, &pair.east, "60");
    tokio::time::sleep(Duration::from_secs(4)).await;
    pair.east.kill();
    let _ = traffic.wait();

    pair.west.admin("STOP REPLICATING d").await;
    let west = pair.west.connect("d").await;
    let at_promotion = sums(&west).await;
    assert!(agree(&at_promotion), "the cut is not consistent: {at_promotion:?}");
    assert_ne!(at_promotion[3], "0", "nothing was replicated");
    tool.run(&pair.west, "d", &["-n", "-c", "4", "-T", "2"]).expect_fine("pgbench on west");
    let after = sums(&west).await;
    assert!(agree(&after), "{after:?}");

    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    wait_streaming(&pair.east).await;
    for table in TABLES {
        pair.east.agrees_with(&pair.west, "d", table).await;
    }

    // Both sides keep what only east had.
    let stranded = one(&pair.east.connect("d").await, STRANDED).await;
    assert_eq!(one(&pair.west.connect("d").await, STRANDED).await, stranded);

    // Hand over: gate west, let east catch up, promote it, reverse the link.
    pair.west.admin("FLUSH TABLES ON d WITH READ ONLY").await;
    pair.east.agrees_with(&pair.west, "d", TABLES[3]).await;
    pair.east.admin("STOP REPLICATING d").await;
    pair.west.admin("UNLOCK TABLES ON d").await;
    pair.west.come_back_to(&pair.east, "d").await;
    tool.run(&pair.east, "d", &["-n", "-c", "4", "-T", "2"]).expect_fine("pgbench on east");
    wait_streaming(&pair.west).await;
    for table in TABLES {
        pair.west.agrees_with(&pair.east, "d", table).await;
    }
    assert!(agree(&sums(&pair.west.connect("d").await).await));
    let now = one(&pair.west.connect("d").await, STRANDED).await;
    assert_eq!(now, stranded, "a planned hand-over strands nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn stranded_transactions_are_kept_exactly_once() {
    let mut pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = pair.east.connect("d").await;
    script(
        &client,
        &[
            "CREATE TABLE t (id bigint PRIMARY KEY, v text)",
            "INSERT INTO t SELECT g, 'old' FROM generate_series(1, 1000) AS s(g)",
        ],
    )
    .await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", "SELECT count(*) FROM t").await;

    // West is cut off, so that these are surely stranded.
    pair.west.kill();
    script(
        &client,
        &[
            "BEGIN; UPDATE t SET v = 'new' WHERE id <= 3; DELETE FROM t WHERE id = 4; COMMIT",
            "INSERT INTO t VALUES (5001, 'only east')",
        ],
    )
    .await;
    drop(client);
    pair.east.kill();
    pair.west.run();
    pair.west.admin("STOP REPLICATING d").await;
    script(&pair.west.connect("d").await, &["INSERT INTO t VALUES (6001, 'only west')"]).await;

    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    wait_streaming(&pair.east).await;
    pair.east.agrees_with(&pair.west, "d", "SELECT * FROM t ORDER BY id").await;

    let east = pair.east.connect("d").await;
    assert_eq!(one(&east, STRANDED).await, "2");
    let kept = "SELECT table_name, old_row, new_row FROM information_schema.diverged_rows";
    let kept = rows(&east, kept).await;
    assert_eq!(kept.len(), 5, "{kept:?}");
    let news = kept.iter().filter(|row| row[2].contains("new") && row[1].contains("old")).count();
    assert_eq!(news, 3, "{kept:?}");
    assert!(kept.iter().any(|r| r[1].contains("old") && r[2] == "NULL"), "{kept:?}");
    assert!(kept.iter().any(|r| r[1] == "NULL" && r[2].contains("only east")), "{kept:?}");

    // Kept over a restart, and not kept again.
    pair.east.kill();
    pair.east.run();
    assert_eq!(one(&pair.east.connect("d").await, STRANDED).await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn failback_ships_the_change_and_not_the_database() {
    let mut pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = pair.east.connect("d").await;
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, n bigint, v text)"]).await;
    for step in 0..5 {
        let (from, to) = (step * 20_000 + 1, (step + 1) * 20_000);
        // Text that does not compress well, so that sizes mean something.
        let insert = format!(
            "INSERT INTO t SELECT g, 0, md5(CAST(g AS text)) || md5(CAST(-g AS text)) \
             FROM generate_series({from}, {to}) AS s(g)"
        );
        script(&client, &[&insert]).await;
    }
    drop(client);
    pair.west.follow(&pair.east, "d").await;
    wait_streaming(&pair.west).await;
    let copied: u64 = link(&pair.west, "bytes_received").await.parse().unwrap();

    pair.east.kill();
    pair.west.admin("STOP REPLICATING d").await;
    // 2,000 of 100,000 rows: the database is 50 times larger than the change.
    let change = "UPDATE t SET n = n + 1 WHERE id % 50 = 0";
    script(&pair.west.connect("d").await, &[change]).await;
    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    wait_streaming(&pair.east).await;
    pair.east.agrees_with(&pair.west, "d", "SELECT * FROM t ORDER BY id").await;
    let shipped: u64 = link(&pair.east, "bytes_received").await.parse().unwrap();
    assert!(shipped > 0 && shipped * 8 < copied, "shipped {shipped}, the database is {copied}");
}
