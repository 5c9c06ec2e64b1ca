//! The verbs of disaster recovery over SQL: explained, done, told in a notice, and in the history.

use crate::BINARY;
use std::time::Duration;
use testkit::{PASSWORD, Pair, Server, connect_hearing, error_of, eventually, one, rows, script};

const CHECK: &str = "SELECT count(*), sum(n) FROM t";
const HISTORY: &str = "SELECT event, who FROM information_schema.replication_history \
                       WHERE database_name = 'd' ORDER BY event_id";

/// A database in east that west follows.
async fn followed() -> Pair {
    let pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 3").await;
    let client = pair.east.connect("d").await;
    let fill = "INSERT INTO t SELECT g, 1 FROM generate_series(1, 500) AS s(g)";
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL)", fill]).await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", CHECK).await;
    streams(&pair.west).await;
    pair
}

async fn streams(server: &Server) {
    eventually("the standby streams", Duration::from_secs(60), async || {
        let client = server.connect("antipode").await;
        let state = "SELECT count(*) FROM information_schema.replication_status \
                     WHERE role = 'target' AND partition_id IS NULL AND state = 'streaming'";
        one(&client, state).await == "1"
    })
    .await;
}

/// The rows of a statement, and the notices that came with it.
async fn with_notices(server: &Server, sql: &str) -> (Vec<Vec<String>>, Vec<String>) {
    let (client, mut heard) =
        connect_hearing(server.port(), "root", PASSWORD, "antipode").await.unwrap();
    let answer = rows(&client, sql).await;
    let mut told = Vec::new();
    while let Ok(notice) = heard.try_recv() {
        told.push(format!("{} {}", notice.severity(), notice.message()));
    }
    (answer, told)
}

async fn history(server: &Server) -> Vec<String> {
    let client = server.connect("antipode").await;
    let found = rows(&client, HISTORY).await;
    found.into_iter().map(|row| format!("{} {}", row[0], row[1])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_without_loss_is_explained_done_and_in_the_history_of_both_sides() {
    let mut pair = followed().await;
    let client = pair.west.connect("antipode").await;
    let explained = rows(&client, "EXPLAIN FAILOVER DATABASE d").await;
    assert_eq!(explained.iter().filter(|r| r[0] == "step").count(), 5, "{explained:?}");
    assert!(explained.iter().all(|r| r[0] != "blocker"), "{explained:?}");
    let (state, message) = pair.east.admin_error("FAILOVER DATABASE d").await;
    assert_eq!(state, "55000", "{message}");

    let (done, notices) = with_notices(&pair.west, "FAILOVER DATABASE d").await;
    assert_eq!(done[0][..2], ["d", "promoted without loss"], "{done:?}");
    assert_eq!(done[0][5], "follows", "{done:?}");
    assert!(notices.is_empty(), "{notices:?}");
    let (again, notices) = with_notices(&pair.west, "FAILOVER DATABASE d").await;
    assert_eq!(again[0][..4], [&done[0][0], "primary already", &done[0][2], &done[0][3]]);
    assert_eq!(notices, ["NOTICE database \"d\" is the primary here already"]);

    streams(&pair.east).await;
    let west = pair.west.connect("d").await;
    script(&west, &["INSERT INTO t VALUES (1000, 5)"]).await;
    pair.east.agrees_with(&pair.west, "d", CHECK).await;
    // Both sides tell the story, also after a restart, and number it.
    for (server, want) in [
        (&mut pair.west, ["create root", "promote root", "handover west"]),
        (&mut pair.east, ["gate switchover", "handover west", "link west"]),
    ] {
        let told = history(server).await;
        let found = told.iter().filter(|row| want.contains(&row.as_str())).count();
        assert!(found >= 3, "{told:?}");
        server.kill();
        server.run();
        let after = history(server).await;
        assert_eq!(after[..told.len()], told[..]);
    }
    let client = pair.west.connect("antipode").await;
    let promoted = "SELECT epoch, cut IS NOT NULL FROM information_schema.replication_history \
                    WHERE event = 'promote'";
    assert_eq!(rows(&client, promoted).await, [["2@2.1", "t"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_with_data_loss_says_first_what_it_costs() {
    let mut pair = followed().await;
    pair.east.kill();
    let (state, message) = pair.west.admin_error("FAILOVER DATABASE d").await;
    assert_eq!(state, "55000", "{message}");
    let (state, _) = pair.west.admin_error("FAILOVER DATABASE d AT TIME '1999-01-01'").await;
    assert_eq!(state, "55000");
    for time in ["1999-01-01", "2199-01-01"] {
        let sql = format!("FAILOVER DATABASE d AT TIME '{time}' WITH DATA LOSS");
        let (state, message) = pair.west.admin_error(&sql).await;
        assert_eq!(state, "55000", "{message}");
    }
    let client = pair.west.connect("antipode").await;
    let explained = rows(&client, "EXPLAIN FAILOVER DATABASE d WITH DATA LOSS").await;
    let figure = |item: &str| explained.iter().find(|r| r[0] == "loss" && r[1] == item).cloned();
    assert_eq!(figure("transactions").map(|r| r[3].clone()), Some("0".into()), "{explained:?}");
    assert!(figure("milliseconds since last known").is_some(), "{explained:?}");

    let (done, notices) = with_notices(&pair.west, "FAILOVER DATABASE d WITH DATA LOSS").await;
    assert_eq!(done[0][..2], ["d", "promoted"], "{done:?}");
    assert!(notices[0].starts_with("NOTICE database \"d\" is promoted: everything up to"));
    assert!(notices[0].contains("ago"), "{notices:?}");
    let west = pair.west.connect("d").await;
    script(&west, &["INSERT INTO t VALUES (1000, 5)"]).await;

    pair.east.run();
    let client = pair.east.connect("antipode").await;
    let from = pair.west.source("d");
    let sql = format!("EXPLAIN REPLICATE DATABASE d WITH FORCE DIFFERENTIAL FROM {from}");
    let explained = rows(&client, &sql).await;
    assert!(explained.iter().all(|r| r[0] != "blocker"), "{explained:?}");
    pair.east.come_back_to(&pair.west, "d").await;
    pair.east.agrees_with(&pair.west, "d", CHECK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database_is_read_only_for_a_reason_and_for_a_time() {
    let pair = followed().await;
    let east = pair.east.connect("d").await;
    let set = "SET DATABASE d READ ONLY REASON";
    pair.east.admin(&format!("{set} 'inventory' EXPIRES IN '1 h'")).await;
    let (state, message) = error_of(&east, "INSERT INTO t VALUES (1000, 1)").await;
    assert_eq!(state, "25006");
    assert!(message.contains("inventory (until 2"), "{message}");
    assert_eq!(one(&east, "SELECT count(*) FROM t").await, "500");
    pair.east.admin("SET DATABASE d READ WRITE").await;
    script(&east, &["INSERT INTO t VALUES (1000, 1)"]).await;
    pair.east.admin(&format!("{set} 'a moment' EXPIRES IN '1500 ms'")).await;
    assert_eq!(error_of(&east, "INSERT INTO t VALUES (1001, 1)").await.0, "25006");
    eventually("it opens by itself", Duration::from_secs(30), async || {
        east.batch_execute("INSERT INTO t VALUES (1001, 1)").await.is_ok()
    })
    .await;
    let gates = "SELECT event, detail LIKE '%a moment%', who FROM \
                 information_schema.replication_history WHERE database_name = 'd' \
                 AND event LIKE '%gate' ORDER BY event_id DESC LIMIT 2";
    assert_eq!(rows(&east, gates).await, [["ungate", "t", "expiry"], ["gate", "t", "root"]]);
    for (bad, code) in [
        (format!("{set} ''"), "22023"),
        (format!("{set} 'x' EXPIRES '1999-01-01'"), "22023"),
        (format!("{set} 'x' EXPIRES IN 'soon'"), "22023"),
        ("SET DATABASE d READ ONLY".to_owned(), "42601"),
        ("SET DATABASE nobody READ WRITE".to_owned(), "3D000"),
    ] {
        assert_eq!(pair.east.admin_error(&bad).await.0, code, "{bad}");
    }
    let (state, message) = pair.west.admin_error(&format!("{set} 'x'")).await;
    assert_eq!((state.as_str(), message.contains("standby")), ("55000", true), "{message}");
    let epoch = one(&east, "SHOW promotion_epoch").await;
    assert!(epoch.starts_with('1'), "{epoch}");
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_is_verified_against_its_source() {
    let pair = followed().await;
    let west = pair.west.connect("antipode").await;
    let verified = rows(&west, "VERIFY DATABASE d").await;
    assert!(verified.iter().all(|r| r[0] == "table" && r[3].starts_with("equal")), "{verified:?}");
    let of_t = verified.iter().find(|r| r[1] == "t").expect("the table");
    assert_eq!((of_t[5].as_str(), of_t[6].as_str()), ("500", "500"));
    assert_eq!(pair.east.admin_error("VERIFY DATABASE d").await.0, "55000");
    let told = history(&pair.west).await;
    assert!(told.contains(&"verify root".to_owned()), "{told:?}");
}

/// A writer is not refused, and does not write.
async fn writers_wait(client: &tokio_postgres::Client) {
    script(client, &["SET statement_timeout = '500ms'"]).await;
    let (state, message) = error_of(client, "UPDATE t SET n = 2 WHERE id = 1").await;
    assert_eq!(state, "57014", "{message}");
    script(client, &["SET statement_timeout = 0"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_queue_behind_a_read_lock_and_go_on_after_it() {
    let mut pair = followed().await;
    pair.east.admin("FLUSH TABLES ON d WITH READ LOCK").await;
    let client = pair.east.connect("d").await;
    assert_eq!(one(&client, CHECK).await, "500", "readers do not wait");
    writers_wait(&client).await;

    // The lock outlives the session that took it, and the process.
    pair.east.kill();
    pair.east.run();
    let client = pair.east.connect("d").await;
    writers_wait(&client).await;
    let write = tokio::spawn(async move {
        let done = client.batch_execute("UPDATE t SET n = 2 WHERE id = 1").await;
        (client, done)
    });
    assert_eq!(one(&pair.east.connect("d").await, CHECK).await, "500");
    pair.east.admin("UNLOCK TABLES ON d").await;
    let (client, done) = write.await.unwrap();
    done.unwrap();
    assert_eq!(rows(&client, CHECK).await, [["500", "501"]]);

    // A gate that refuses takes the place of one at which they queue: those who wait are told.
    pair.east.admin("FLUSH TABLES ON d WITH READ LOCK").await;
    let write =
        tokio::spawn(async move { error_of(&client, "UPDATE t SET n = 3 WHERE id = 1").await });
    pair.east.admin("FLUSH TABLES ON d WITH READ ONLY").await;
    assert_eq!(write.await.unwrap().0, "25006");
}
