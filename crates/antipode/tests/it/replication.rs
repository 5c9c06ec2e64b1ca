//! A standby: first copy under writes, live stream, refusal of writes, pauses and restarts.

use crate::BINARY;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::{PASSWORD, Pair, connect, error_of, eventually, one, rows, script};

const CHECK: &str = "SELECT count(*), sum(id), sum(n) FROM t";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_copy_is_taken_while_the_source_takes_writes() {
    let pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = pair.east.connect("d").await;
    script(
        &client,
        &[
            "CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL)",
            "INSERT INTO t SELECT g, 0 FROM generate_series(1, 30000) AS s(g)",
        ],
    )
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let (port, until) = (pair.east.port(), stop.clone());
    let writer = tokio::spawn(async move {
        let session = connect(port, "root", PASSWORD, "d").await.unwrap();
        let mut i = 0_i64;
        while !until.load(Ordering::Relaxed) {
            i += 1;
            let id = 1 + (i * 7919) % 30_000;
            session.execute("UPDATE t SET n = n + 1 WHERE id = $1", &[&id]).await.unwrap();
        }
        i
    });
    pair.west.follow(&pair.east, "d").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    let updates = writer.await.unwrap();
    pair.west.agrees_with(&pair.east, "d", CHECK).await;
    let west = pair.west.connect("d").await;
    assert_eq!(one(&west, "SELECT sum(n) FROM t").await, updates.to_string());

    let (state, message) = error_of(&west, "INSERT INTO t VALUES (0, 0)").await;
    assert_eq!(state, "25006", "{message}");
    assert!(message.contains("follows"), "{message}");

    // Schema changes travel like data.
    script(&client, &["CREATE TABLE u (a int PRIMARY KEY)", "INSERT INTO u VALUES (7)"]).await;
    script(&client, &["ALTER TABLE t ADD COLUMN note text DEFAULT 'x'"]).await;
    pair.west.agrees_with(&pair.east, "d", "SELECT id, n, note FROM t ORDER BY id LIMIT 50").await;
    pair.west.agrees_with(&pair.east, "d", "SELECT a FROM u").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_killed_or_deserted_standby_resumes_where_it_was() {
    let mut pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 3").await;
    let client = pair.east.connect("d").await;
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL)"]).await;
    pair.west.follow(&pair.east, "d").await;
    let insert = async |from: u32| {
        let client = connect(pair.east.port(), "root", PASSWORD, "d").await.unwrap();
        let to = from + 999;
        let sql = format!("INSERT INTO t SELECT g, 1 FROM generate_series({from}, {to}) AS s(g)");
        script(&client, &[&sql]).await;
    };
    insert(1).await;
    pair.west.agrees_with(&pair.east, "d", CHECK).await;

    pair.west.admin("PAUSE REPLICATING d").await;
    insert(10_001).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let west = pair.west.connect("d").await;
    assert_eq!(one(&west, "SELECT count(*) FROM t").await, "1000", "paused means paused");
    drop(west);
    pair.west.admin("CONTINUE REPLICATING d").await;
    pair.west.agrees_with(&pair.east, "d", CHECK).await;

    pair.west.kill();
    insert(20_001).await;
    pair.west.run();
    pair.west.agrees_with(&pair.east, "d", CHECK).await;

    pair.east.kill();
    let west = pair.west.connect("d").await;
    assert_eq!(one(&west, "SELECT count(*) FROM t").await, "3000", "readable without its source");
    pair.east.run();
    let client = pair.east.connect("d").await;
    // A restarted primary takes no writes until it has heard from its standby.
    eventually("east takes writes again", Duration::from_secs(30), async || {
        client.batch_execute("INSERT INTO t VALUES (99999, 5)").await.is_ok()
    })
    .await;
    pair.west.agrees_with(&pair.east, "d", CHECK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_refuses_writes_until_unlocked_also_after_a_restart() {
    let mut pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 2").await;
    let client = pair.east.connect("d").await;
    script(&client, &["CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)"]).await;
    pair.east.admin("FLUSH TABLES ON d WITH READ ONLY").await;
    assert_eq!(error_of(&client, "INSERT INTO t VALUES (2)").await.0, "25006");
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "1");
    drop(client);
    pair.east.kill();
    pair.east.run();
    let client = pair.east.connect("d").await;
    assert_eq!(error_of(&client, "INSERT INTO t VALUES (2)").await.0, "25006");
    pair.east.admin("UNLOCK TABLES ON d").await;
    script(&client, &["INSERT INTO t VALUES (2)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standby_shows_a_consistent_cut_at_all_times() {
    let pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = pair.east.connect("d").await;
    script(
        &client,
        &[
            "CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL)",
            "INSERT INTO t SELECT g, 100 FROM generate_series(1, 200) AS s(g)",
        ],
    )
    .await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", CHECK).await;
    let stop = Arc::new(AtomicBool::new(false));
    let movers: Vec<_> = (0..4_i64)
        .map(|n| {
            let (port, until) = (pair.east.port(), stop.clone());
            tokio::spawn(async move {
                let mut session = connect(port, "root", PASSWORD, "d").await.unwrap();
                let mut i = n * 31;
                while !until.load(Ordering::Relaxed) {
                    i += 1;
                    let (a, b) = (1 + i % 100, 101 + (i * 13) % 100);
                    let t = session.transaction().await.unwrap();
                    let take = "UPDATE t SET n = n - 1 WHERE id = $1";
                    let give = "UPDATE t SET n = n + 1 WHERE id = $1";
                    let moved = t.execute(take, &[&a]).await.is_ok()
                        && t.execute(give, &[&b]).await.is_ok();
                    let _ = if moved { t.commit().await } else { t.rollback().await };
                }
            })
        })
        .collect();
    let west = pair.west.connect("d").await;
    let mut seen = std::collections::BTreeSet::new();
    let end = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < end {
        let row = &rows(&west, "SELECT sum(n), sum(n * n) FROM t").await[0];
        assert_eq!(row[0], "20000", "half of a transaction is visible on the standby");
        seen.insert(row[1].clone());
    }
    stop.store(true, Ordering::Relaxed);
    for mover in movers {
        mover.await.unwrap();
    }
    assert!(seen.len() > 3, "the standby must move: {} states seen", seen.len());
    eventually("both sides agree", Duration::from_secs(30), async || {
        let sql = "SELECT sum(n * n) FROM t";
        one(&west, sql).await == one(&client, sql).await
    })
    .await;
}
