//! Limits of what a lost region may take with it: commits that wait for the standby, and a limit
//! of its lag.

use crate::BINARY;
use std::time::Duration;
use testkit::{PASSWORD, Pair, Server, connect_hearing, error_of, eventually, one, rows, script};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Client;
use tokio_postgres::error::DbError;

async fn hearing(server: &Server) -> (Client, UnboundedReceiver<DbError>) {
    connect_hearing(server.port(), "root", PASSWORD, "d").await.unwrap()
}

/// What the server has said since the last call, up to a word that the test has it say.
async fn said(client: &Client, heard: &mut UnboundedReceiver<DbError>) -> Vec<String> {
    // COMMIT without a transaction is answered with a warning.
    client.batch_execute("COMMIT").await.unwrap();
    let mut said = Vec::new();
    while let Some(notice) = heard.recv().await {
        if notice.code().code() == "25P01" {
            return said;
        }
        said.push(format!("{} {}", notice.code().code(), notice.message()));
    }
    panic!("the server has gone away");
}

async fn pair_with_table() -> Pair {
    let pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let table = "CREATE TABLE t (id bigint PRIMARY KEY, v bigint NOT NULL)";
    script(&pair.east.connect("d").await, &[table]).await;
    pair
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_the_standby_outlives_the_region() {
    let mut pair = pair_with_table().await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", "SELECT count(*) FROM t").await;
    let (client, mut heard) = hearing(&pair.east).await;
    script(&client, &["SET commit_wait = remote", "SET commit_wait_timeout = '60s'"]).await;
    for id in 0..20 {
        // Over all partitions, and in one.
        let several =
            format!("INSERT INTO t SELECT g, {id} FROM generate_series({id}00, {id}09) AS s(g)");
        script(&client, &[&several, &format!("INSERT INTO t VALUES ({id}99, {id})")]).await;
    }
    assert_eq!(said(&client, &mut heard).await, Vec::<String>::new());
    drop(client);
    pair.east.kill();

    pair.west.admin("FAILOVER DATABASE d WITH DATA LOSS").await;
    assert_eq!(one(&pair.west.connect("d").await, "SELECT count(*) FROM t").await, "220");
    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    pair.east.agrees_with(&pair.west, "d", "SELECT * FROM t ORDER BY id").await;
    let stranded = "SELECT count(*) FROM information_schema.diverged_transactions";
    assert_eq!(one(&pair.east.connect("d").await, stranded).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_standby_confirms_is_told_apart() {
    let mut pair = pair_with_table().await;
    let (client, mut heard) = hearing(&pair.east).await;
    script(&client, &["SET commit_wait = remote", "INSERT INTO t VALUES (1, 1)"]).await;
    let warned = said(&client, &mut heard).await;
    assert_eq!(
        warned,
        ["01000 the transaction is committed here, but there is no standby that could confirm it"]
    );

    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", "SELECT count(*) FROM t").await;
    pair.west.kill();
    let short = "SET commit_wait_timeout = '300ms'";
    script(&client, &[short, "BEGIN", "INSERT INTO t VALUES (2, 2)", "COMMIT"]).await;
    let warned = said(&client, &mut heard).await;
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("committed here") && warned[0].contains("300 ms"), "{warned:?}");

    // A cancel request, or a time-out, ends the waiting and not the transaction.
    script(&client, &["SET commit_wait_timeout = 0", "SET statement_timeout = '300ms'"]).await;
    script(&client, &["INSERT INTO t VALUES (3, 3)"]).await;
    let warned = said(&client, &mut heard).await;
    assert!(warned.len() == 1 && warned[0].contains("broken off"), "{warned:?}");
    // Neither does a transaction that wrote nothing wait, nor one that wants not to.
    script(&client, &["SELECT * FROM t", "BEGIN", "SET LOCAL commit_wait = local"]).await;
    script(&client, &["INSERT INTO t VALUES (4, 4)", "COMMIT"]).await;
    assert_eq!(said(&client, &mut heard).await, Vec::<String>::new());
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "4");
}

const PROTECTION: &str = "SELECT standbys, connected_standbys, max_replication_lag_ms, on_exceed, \
                          exceeded FROM information_schema.protection_status \
                          WHERE database_name = 'd'";

#[tokio::test(flavor = "multi_thread")]
async fn writers_wait_while_the_standby_is_too_far_behind() {
    let mut pair = pair_with_table().await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", "SELECT count(*) FROM t").await;
    pair.east.admin("ALTER DATABASE d SET MAX_REPLICATION_LAG '500 ms' ON EXCEED BLOCK").await;
    let client = pair.east.connect("d").await;
    eventually("the standby covers everything", Duration::from_secs(30), async || {
        let ms = "SELECT uncovered_ms FROM information_schema.protection_status \
                  WHERE database_name = 'd'";
        one(&client, ms).await == "0"
    })
    .await;
    assert_eq!(rows(&client, PROTECTION).await, [["1", "1", "500", "block", "f"]]);

    pair.west.kill();
    // The first commit without a copy starts the clock; half a second later writers wait.
    script(&client, &["SET statement_timeout = '1s'", "INSERT INTO t VALUES (0, 0)"]).await;
    eventually("the lag is above its limit", Duration::from_secs(30), async || {
        rows(&client, PROTECTION).await[0][4] == "t"
    })
    .await;
    let (state, message) = error_of(&client, "INSERT INTO t VALUES (1, 1)").await;
    assert_eq!(state, "57014", "{message}");
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "1", "readers do not wait");

    script(&client, &["SET statement_timeout = 0"]).await;
    let write =
        tokio::spawn(async move { client.batch_execute("INSERT INTO t VALUES (2, 2)").await });
    pair.west.run();
    write.await.unwrap().unwrap();
    pair.west.agrees_with(&pair.east, "d", "SELECT * FROM t ORDER BY id").await;
    let told = "SELECT event FROM information_schema.replication_history \
                WHERE event LIKE 'lag%' ORDER BY event_id LIMIT 2";
    let client = pair.east.connect("d").await;
    eventually("the history has both", Duration::from_secs(30), async || {
        rows(&client, told).await == [["lag exceeded"], ["lag kept"]]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_lag_may_only_warn_and_is_kept_over_a_restart() {
    let mut pair = pair_with_table().await;
    pair.east.admin("ALTER DATABASE d SET MAX_REPLICATION_LAG = '1 ms'").await;
    pair.east.kill();
    pair.east.run();
    let (client, mut heard) = hearing(&pair.east).await;
    assert_eq!(rows(&client, PROTECTION).await, [["0", "0", "1", "warn", "f"]]);
    script(&client, &["INSERT INTO t VALUES (1, 1)"]).await;
    eventually("the lag is above its limit", Duration::from_secs(30), async || {
        rows(&client, PROTECTION).await[0][4] == "t"
    })
    .await;
    said(&client, &mut heard).await;
    script(&client, &["INSERT INTO t VALUES (2, 2)", "INSERT INTO t VALUES (3, 3)"]).await;
    let warned = said(&client, &mut heard).await;
    assert!(warned.len() <= 1, "told once: {warned:?}");
    let (fresh, mut hears) = hearing(&pair.east).await;
    script(&fresh, &["INSERT INTO t VALUES (4, 4)"]).await;
    let warned = said(&fresh, &mut hears).await;
    assert!(warned.len() == 1 && warned[0].contains("more than 1 ms"), "{warned:?}");

    pair.east.admin("ALTER DATABASE d RESET MAX_REPLICATION_LAG").await;
    script(&fresh, &["INSERT INTO t VALUES (5, 5)"]).await;
    assert_eq!(said(&fresh, &mut hears).await, Vec::<String>::new());
    let bad = pair.east.admin_error("ALTER DATABASE d SET MAX_REPLICATION_LAG 'soon'").await;
    assert_eq!(bad.0, "22023", "{}", bad.1);
}
