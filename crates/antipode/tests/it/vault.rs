//! What the other side never saw: applied again or dismissed, once, known on both sides.

use crate::BINARY;
use testkit::{Pair, connect, error_of, one, rows, script};
use tokio_postgres::Client;

const IDS: &str = "SELECT transaction_id FROM information_schema.diverged_transactions \
                   ORDER BY commit_time, transaction_id";
const STATES: &str = "SELECT state, state_who, state_reason FROM \
                      information_schema.diverged_transactions ORDER BY commit_time";
const CONTENT: &str = "SELECT id, n, note FROM t ORDER BY id";

/// West took over without the transactions that east had committed last; east has come back.
async fn diverged(changes: &[&str]) -> (Pair, Client, Vec<String>) {
    let mut pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let east = pair.east.connect("d").await;
    let create = "CREATE TABLE t (id bigint PRIMARY KEY, n numeric(10,2) NOT NULL, note text)";
    let fill = "INSERT INTO t SELECT g, 1, 'old' FROM generate_series(1, 20) AS s(g)";
    script(
        &east,
        &[create, "CREATE TABLE bare (x int)", "CREATE TABLE gone (x int PRIMARY KEY)", fill],
    )
    .await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", CONTENT).await;
    pair.west.agrees_with(&pair.east, "d", "SELECT count(*) FROM gone").await;
    pair.west.admin("PAUSE REPLICATING d").await;
    for change in changes {
        script(&east, &[change]).await;
    }
    drop(east);
    pair.east.kill();
    pair.west.admin("FAILOVER DATABASE d WITH DATA LOSS").await;
    let west = pair.west.connect("d").await;
    script(&west, &["UPDATE t SET note = 'west' WHERE id = 20", "DROP TABLE gone"]).await;
    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    pair.east.agrees_with(&pair.west, "d", CONTENT).await;
    let ids: Vec<String> = rows(&west, IDS).await.into_iter().flatten().collect();
    assert_eq!(ids.len(), changes.len(), "the new primary has them all");
    (pair, west, ids)
}

fn reapply(id: &str) -> String {
    format!("REAPPLY DIVERGED TRANSACTION '{id}'")
}

#[tokio::test(flavor = "multi_thread")]
async fn diverged_transactions_are_applied_again_once_or_dismissed() {
    let changes = [
        "INSERT INTO t VALUES (100, 12.50, NULL), (101, 0.01, 'new')",
        "UPDATE t SET n = n + 5, note = 'east' WHERE id <= 3",
        "DELETE FROM t WHERE id = 5",
        "UPDATE t SET note = 'east too' WHERE id IN (19, 20)",
        "UPDATE t SET n = 99 WHERE id = 1",
    ];
    let (pair, west, ids) = diverged(&changes).await;
    // Where the database is a standby, the statement is refused, and told where to go.
    let east = pair.east.connect("d").await;
    let (state, message) = error_of(&east, &reapply(&ids[0])).await;
    assert_eq!((state.as_str(), message.contains("standby")), ("25006", true), "{message}");

    script(&west, &[&reapply(&ids[0]), &format!("{} IF UNCHANGED", reapply(&ids[1]))]).await;
    script(&west, &[&reapply(&ids[2])]).await;
    let want = [["1", "6.00", "east"], ["2", "6.00", "east"], ["100", "12.50", "NULL"]];
    let got = rows(&west, "SELECT id, n, note FROM t WHERE id IN (1, 2, 5, 100) ORDER BY id").await;
    assert_eq!(got, want);
    // It happens once.
    let (state, message) = error_of(&west, &reapply(&ids[0])).await;
    assert_eq!((state.as_str(), message.contains("reapplied already")), ("55000", true));

    // Row 20 was changed on west since: nothing of it is applied, unless forced.
    let (state, message) = error_of(&west, &reapply(&ids[3])).await;
    assert_eq!(state, "55000");
    assert!(message.contains("{\"id\":20}") && message.contains("not as"), "{message}");
    assert_eq!(one(&west, "SELECT note FROM t WHERE id = 19").await, "old", "all or nothing");
    script(&west, &[&format!("{} FORCE", reapply(&ids[3]))]).await;
    assert_eq!(one(&west, "SELECT note FROM t WHERE id = 20").await, "east too");

    let dismiss = format!("DISMISS DIVERGED TRANSACTION '{}' REASON", ids[4]);
    assert_eq!(error_of(&west, &format!("{dismiss} ' '")).await.0, "22023");
    script(&west, &[&format!("{dismiss} 'a test'")]).await;
    assert_eq!(error_of(&west, &format!("{dismiss} 'again'")).await.0, "55000");
    assert_eq!(error_of(&west, &reapply("nobody-1")).await.0, "42704");
    assert_eq!(error_of(&west, &format!("BEGIN; {}", reapply(&ids[4]))).await.0, "25001");

    let mut states = vec![vec!["reapplied".to_owned(), "root".into(), "NULL".into()]; 4];
    states.push(vec!["dismissed".into(), "root".into(), "a test".into()]);
    let west = pair.west.connect("d").await;
    assert_eq!(rows(&west, STATES).await, states);
    // The standby knows it, too.
    pair.east.agrees_with(&pair.west, "d", STATES).await;
    pair.east.agrees_with(&pair.west, "d", CONTENT).await;
    let history = "SELECT event, count(*) FROM information_schema.replication_history \
                   WHERE event IN ('reapply', 'dismiss') AND who = 'root' GROUP BY 1 ORDER BY 1";
    assert_eq!(rows(&west, history).await, [["dismiss", "1"], ["reapply", "4"]]);
    // Whoever takes over has the vault and the decisions.
    pair.east.admin("FAILOVER DATABASE d").await;
    assert_eq!(rows(&east, STATES).await, states);
    script(&east, &[&reapply(&ids[4])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_applied_again_says_why_and_changes_nothing() {
    let changes = [
        "INSERT INTO bare VALUES (1)",
        "INSERT INTO gone VALUES (1)",
        "ALTER TABLE t ADD COLUMN more int",
        "UPDATE t SET more = 7 WHERE id = 1",
    ];
    let (mut pair, west, ids) = diverged(&changes).await;
    script(&west, &[&reapply(&ids[0])]).await;
    assert_eq!(rows(&west, "SELECT x FROM bare").await, [["1"]]);
    for (id, why) in [(1, "dropped"), (2, "changed the schema"), (3, "altered")] {
        let (state, message) = error_of(&west, &format!("{} FORCE", reapply(&ids[id]))).await;
        assert_eq!((state.as_str(), message.contains(why)), ("55000", true), "{message}");
    }
    let open = "SELECT count(*) FROM information_schema.diverged_transactions WHERE state = 'open'";
    assert_eq!(one(&west, open).await, "3");
    drop(west);
    // Decisions are data: they are there after a crash.
    pair.west.kill();
    pair.west.run();
    let west = connect(pair.west.port(), "root", testkit::PASSWORD, "d").await.unwrap();
    assert_eq!(one(&west, open).await, "3");
}
