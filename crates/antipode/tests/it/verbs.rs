//! The verbs of disaster recovery over SQL: explained, done, told in a notice, and in the history.

use crate::BINARY;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{PASSWORD, Pair, Server, eventually, one, rows, script};
use tokio_postgres::{AsyncMessage, Config, NoTls};

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
    let mut config = Config::new();
    config.host("127.0.0.1").port(server.port()).user("root").password(PASSWORD);
    let (client, mut connection) = config.dbname("antipode").connect(NoTls).await.unwrap();
    let notices: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = notices.clone();
    tokio::spawn(async move {
        while let Some(Ok(message)) =
            std::future::poll_fn(|context| connection.poll_message(context)).await
        {
            if let AsyncMessage::Notice(notice) = message {
                heard.lock().unwrap().push(format!("{} {}", notice.severity(), notice.message()));
            }
        }
    });
    let answer = rows(&client, sql).await;
    let told = notices.lock().unwrap().clone();
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
