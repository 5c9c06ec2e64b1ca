//! Branches, drills, and what a lost primary had, over SQL.

use crate::BINARY;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::{PASSWORD, Pair, Server, connect, error_of, eventually, one, rows, script};
use tokio_postgres::Client;

const CONTENT: &str = "SELECT id, n, note FROM t ORDER BY id";
const DRILLS: &str = "SELECT event, detail FROM information_schema.replication_history \
                      WHERE event = 'drill' ORDER BY event_id";
const LISTED: &str = "SELECT datname FROM pg_database ORDER BY 1";

/// A database in east that west follows.
async fn followed() -> (Pair, Client) {
    let pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 4").await;
    let east = pair.east.connect("d").await;
    let create = "CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL, note text)";
    let fill = "INSERT INTO t SELECT g, 100, 'old' FROM generate_series(1, 500) AS s(g)";
    let more = "CREATE TABLE bare (x int); CREATE TABLE s (id bigserial PRIMARY KEY, x int)";
    script(&east, &[create, fill, "CREATE INDEX t_n ON t (n)", more]).await;
    script(&east, &["INSERT INTO bare VALUES (1), (2)", "INSERT INTO s (x) VALUES (1), (2)"]).await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", CONTENT).await;
    pair.west.agrees_with(&pair.east, "d", "SELECT id, x FROM s ORDER BY id").await;
    (pair, east)
}

/// Moves money between rows of `t` until it is told to stop; how often.
async fn traffic(port: u16, seed: i64, stop: Arc<AtomicBool>) -> u64 {
    let client = connect(port, "root", PASSWORD, "d").await.unwrap();
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let (a, b) = ((done as i64 * 7 + seed) % 500 + 1, (done as i64 * 13 + 3 * seed) % 500 + 1);
        let (low, high) = (a.min(b), a.max(b));
        let moved = format!(
            "BEGIN; UPDATE t SET n = n - 1 WHERE id = {low}; UPDATE t SET n = n + 1 WHERE id = {high}; \
             COMMIT"
        );
        client.batch_execute(&moved).await.unwrap();
        done += 1;
    }
    done
}

async fn lag(server: &Server) -> String {
    let replicated = "SELECT replicated_at FROM information_schema.replication_status \
                      WHERE role = 'target' AND partition_id IS NULL";
    one(&server.connect("antipode").await, replicated).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_tries_the_standby_out_while_it_follows() {
    let (mut pair, east) = followed().await;
    let stop = Arc::new(AtomicBool::new(false));
    let port = pair.east.port();
    let busy: Vec<_> = (0..3).map(|seed| tokio::spawn(traffic(port, seed, stop.clone()))).collect();
    let west = pair.west.connect("antipode").await;
    let explained = rows(&west, "EXPLAIN DRILL DATABASE d CHECK 'SELECT true'").await;
    assert!(explained.iter().any(|r| r[1] == "shared_bytes"), "{explained:?}");
    assert!(explained.iter().all(|r| r[0] != "blocker"), "{explained:?}");

    let sum = "SELECT sum(n) = 50000 AND count(*) = 500 FROM t";
    let drill = format!("DRILL DATABASE d CHECK '{sum}', 'SELECT count(*) = 2 FROM bare'");
    let mut seen = lag(&pair.west).await;
    for _ in 0..3 {
        let steps = rows(&west, &drill).await;
        let names: Vec<&str> = steps.iter().map(|r| r[0].as_str()).collect();
        let wanted = [
            "branch", "promote", "write", "tables", "indexes", "check 1", "check 2", "drop",
            "verdict",
        ];
        assert_eq!(names, wanted, "{steps:?}");
        assert!(steps.iter().all(|r| r[1] == "ok" || r[1] == "passed"), "{steps:?}");
        assert!(
            steps[3][3].starts_with("1504 rows in 4 tables") || steps[3][3].contains("rows in")
        );
        assert!(steps[4][3].starts_with("1 agree"), "{steps:?}");
        eventually("the standby goes on", Duration::from_secs(30), async || {
            lag(&pair.west).await > seen
        })
        .await;
        seen = lag(&pair.west).await;
    }
    // What is wrong is an outcome, and does not count as proven.
    let proven = "SELECT last_proven, outcome FROM information_schema.drills";
    let first = rows(&west, proven).await;
    assert_eq!(first[0][1], "passed");
    let wrong = "DRILL DATABASE d CHECK 'SELECT sum(n) = 1 FROM t', 'SELECT 1 / 0 = 1', \
                 'SELECT id > 0 FROM t', 'SELECT id FROM t WHERE id = 1', 'SELECT true WHERE false', \
                 'SELECT NULL::bool', 'SELECT true'";
    let steps = rows(&west, wrong).await;
    let checks: Vec<&str> =
        steps.iter().filter(|r| r[0].starts_with("check")).map(|r| r[1].as_str()).collect();
    assert_eq!(checks, ["FAILED", "FAILED", "FAILED", "FAILED", "FAILED", "FAILED", "ok"]);
    assert_eq!(steps.last().unwrap()[1], "FAILED");
    let now = rows(&west, proven).await;
    assert_eq!((&now[0][0], now[0][1].as_str()), (&first[0][0], "FAILED"));
    let shown = "SELECT last_proven FROM information_schema.replication_status \
                 WHERE role = 'target' AND partition_id IS NULL";
    assert_eq!(one(&west, shown).await, first[0][0]);
    let told = rows(&west, DRILLS).await;
    assert_eq!(told.iter().filter(|r| r[1].starts_with("passed: writable after")).count(), 3);
    assert!(told[3][1].contains("check 2") && told[3][1].contains("division by zero"), "{told:?}");
    assert!(rows(&west, LISTED).await.iter().all(|r| !r[0].contains("drill")));

    assert_eq!(error_of(&west, "DRILL DATABASE d CHECK 'DELETE FROM t'").await.0, "42601");
    assert_eq!(error_of(&west, "DRILL DATABASE nobody").await.0, "3D000");
    let (state, message) = pair.east.admin_error("DRILL DATABASE d").await;
    assert_eq!((state.as_str(), message.contains("for a standby")), ("55000", true), "{message}");

    stop.store(true, Ordering::Relaxed);
    for one in busy {
        assert!(one.await.unwrap() > 0);
    }
    pair.west.agrees_with(&pair.east, "d", CONTENT).await;
    assert_eq!(one(&east, "SELECT sum(n) FROM t").await, "50000");
    drop(west);
    pair.west.kill();
    pair.west.run();
    let west = pair.west.connect("antipode").await;
    assert_eq!(rows(&west, proven).await, now, "it is known after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_is_cut_off_leaves_no_branch() {
    let (mut pair, _east) = followed().await;
    let west = pair.west.connect("antipode").await;
    let slow = "DRILL DATABASE d CHECK 'SELECT count(*) > 0 FROM generate_series(1, 100000) AS a(i), \
                generate_series(1, 1000000) AS b(j) WHERE (i * 7 + j) % 3 = 1'";
    let drill = tokio::spawn(async move { west.simple_query(slow).await.map(|_| ()) });
    let client = pair.west.connect("antipode").await;
    eventually("the drill's branch is there", Duration::from_secs(60), async || {
        rows(&client, LISTED).await.iter().any(|r| r[0].starts_with("d_drill_"))
    })
    .await;
    let mut names = rows(&client, LISTED).await.into_iter().flatten();
    let name = names.find(|n| n.starts_with("d_drill_")).unwrap();
    assert_eq!(error_of(&client, &format!("DROP DATABASE {name}")).await.0, "55006");
    pair.west.kill();
    assert!(drill.await.unwrap().is_err());
    pair.west.run();
    let west = pair.west.connect("antipode").await;
    assert!(rows(&west, LISTED).await.iter().all(|r| !r[0].contains("drill")));
    let told = rows(&west, DRILLS).await;
    assert!(told[0][1].contains("not completed"), "{told:?}");
    assert!(rows(&west, "SELECT * FROM information_schema.drills").await.is_empty());
    pair.west.agrees_with(&pair.east, "d", CONTENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_is_a_database_of_its_own() {
    let (pair, east) = followed().await;
    let then = one(&east, "SELECT hybrid_time()").await;
    script(&east, &["UPDATE t SET n = 7 WHERE id = 1", "INSERT INTO bare VALUES (3)"]).await;
    pair.west.agrees_with(&pair.east, "d", CONTENT).await;
    for (server, name) in [(&pair.east, "b"), (&pair.west, "c")] {
        server.admin(&format!("CREATE DATABASE {name} BRANCH OF d")).await;
        server.admin(&format!("CREATE DATABASE IF NOT EXISTS {name} BRANCH OF d")).await;
        let past = format!("CREATE DATABASE {name}_then BRANCH OF d AS OF SYSTEM TIME {then}");
        server.admin(&past).await;
        let old = server.connect(&format!("{name}_then")).await;
        assert_eq!(one(&old, "SELECT n FROM t WHERE id = 1").await, "100");
        assert_eq!(one(&old, "SELECT count(*) FROM bare").await, "2");
        let client = server.connect(name).await;
        assert_eq!(one(&client, "SELECT n FROM t WHERE id = 1").await, "7");
        assert_eq!(one(&client, "SELECT id FROM t WHERE n = 7").await, "1", "the index is there");
        // Rows without a primary key, and values of sequences, are new ones.
        script(&client, &["INSERT INTO bare VALUES (4), (5)", "DELETE FROM bare WHERE x = 1"])
            .await;
        assert_eq!(one(&client, "SELECT count(*) FROM bare").await, "4");
        script(&client, &["INSERT INTO s (x) SELECT g FROM generate_series(1, 100) AS s(g)"]).await;
        assert_eq!(one(&client, "SELECT count(DISTINCT id) FROM s").await, "102");
        script(&client, &["CREATE TABLE own (id int PRIMARY KEY)", "CREATE INDEX ON t (note)"])
            .await;
        script(&client, &["UPDATE t SET note = 'branch'"]).await;
        let events = "SELECT event, detail FROM information_schema.replication_history \
                      WHERE event = 'branch' ORDER BY event_id LIMIT 1";
        let told = rows(&server.connect("antipode").await, events).await;
        assert!(told[0][1].starts_with("of d at cut"), "{told:?}");
    }
    assert_eq!(one(&east, "SELECT count(*) FROM t WHERE note = 'branch'").await, "0");
    pair.west.agrees_with(&pair.east, "d", CONTENT).await;
    let (state, message) = pair.east.admin_error("CREATE DATABASE x BRANCH OF nobody").await;
    assert_eq!(state, "3D000", "{message}");
    let future = "CREATE DATABASE x BRANCH OF d AS OF SYSTEM TIME '2999-01-01'";
    assert_eq!(pair.east.admin_error(future).await.0, "22023");
    assert_eq!(pair.east.admin_error("CREATE DATABASE b BRANCH OF d").await.0, "42P04");
    drop(east);
    pair.east.admin("DROP DATABASE d").await;
    assert_eq!(one(&pair.east.connect("b").await, "SELECT count(*) FROM t").await, "500");
    pair.east.admin("DROP DATABASE b").await;
    pair.east.admin("DROP DATABASE b_then").await;
}

/// Everything that a client could see of the tables of a test.
async fn everything(client: &Client) -> Vec<Vec<Vec<String>>> {
    let mut all = Vec::new();
    for query in [
        CONTENT,
        "SELECT x FROM bare ORDER BY x",
        "SELECT id, x FROM s ORDER BY id",
        "SELECT * FROM made ORDER BY id",
        "SELECT * FROM u ORDER BY id",
        "SELECT id FROM u WHERE v = 'b'",
        "SELECT id FROM t WHERE n = 4242 ORDER BY id",
        "SELECT count(*) FROM t WHERE n = 100",
        "SELECT * FROM w ORDER BY club, id",
        "SELECT id FROM w WHERE club = 1 AND v = 'a'",
        "SELECT id FROM w WHERE club = 1 AND v = 'b'",
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    ] {
        all.push(rows(client, query).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_primary_had_is_opened_beside_what_is_now() {
    let (mut pair, east) = followed().await;
    let unique = "CREATE TABLE u (id int PRIMARY KEY, v text, k int, UNIQUE (id, v))";
    script(&east, &[unique, "INSERT INTO u VALUES (1, 'a', 1), (2, 'b', 2)"]).await;
    let clubs = "CREATE TABLE w (club int, id int, v text, PRIMARY KEY (club, id), SHARD KEY (club), \
                 UNIQUE (club, v))";
    let members = "INSERT INTO w VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'a')";
    script(&east, &["CREATE INDEX u_v ON u (v)", clubs, members]).await;
    pair.west.agrees_with(&pair.east, "d", "SELECT * FROM u ORDER BY id").await;
    pair.west.agrees_with(&pair.east, "d", "SELECT * FROM w ORDER BY club, id").await;
    pair.west.admin("PAUSE REPLICATING d").await;
    for change in [
        "UPDATE t SET n = 4242, note = 'lost' WHERE id IN (3, 4, 5)",
        "DELETE FROM t WHERE id = 6",
        "UPDATE u SET v = CASE v WHEN 'a' THEN 'b' ELSE 'a' END",
        "UPDATE w SET v = CASE v WHEN 'a' THEN 'b' ELSE 'a' END WHERE club = 1",
        "INSERT INTO bare VALUES (9)",
        "INSERT INTO s (x) VALUES (77)",
        "CREATE TABLE made (id int PRIMARY KEY, x text)",
        "INSERT INTO made VALUES (1, 'east')",
        "ALTER TABLE u ADD COLUMN more int",
        "UPDATE u SET more = 5 WHERE id = 1",
    ] {
        script(&east, &[change]).await;
    }
    let lost = everything(&east).await;
    drop(east);
    pair.east.kill();
    pair.west.admin("FAILOVER DATABASE d WITH DATA LOSS").await;
    let west = pair.west.connect("d").await;
    script(&west, &["UPDATE t SET n = 1, note = 'west' WHERE id <= 10", "DROP TABLE bare"]).await;
    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    pair.east.agrees_with(&pair.west, "d", CONTENT).await;
    for server in [&pair.east, &pair.west] {
        let client = server.connect("d").await;
        script(&client, &["OPEN DIVERGED TRANSACTIONS AS DATABASE x"]).await;
        let x = server.connect("x").await;
        assert_eq!(everything(&x).await, lost);
        let (state, message) = error_of(&x, "UPDATE t SET n = 0").await;
        assert_eq!(
            (state.as_str(), message.contains("lost primary")),
            ("25006", true),
            "{message}"
        );
        server.admin("UNLOCK TABLES").await;
        assert_eq!(server.admin_error("UNLOCK TABLES ON x FORCE").await.0, "55000");
        assert_eq!(server.admin_error("SET DATABASE x READ WRITE").await.0, "55000");
        assert_eq!(server.admin_error("OPEN DIVERGED OF x AS DATABASE y").await.0, "42601");
        let (state, message) =
            server.admin_error("OPEN DIVERGED TRANSACTIONS OF x AS DATABASE y").await;
        assert_eq!((state.as_str(), message.contains("no diverged")), ("55000", true), "{message}");
        // What should be changed can be branched off.
        server.admin("CREATE DATABASE y BRANCH OF x").await;
        script(&server.connect("y").await, &["UPDATE t SET n = 0 WHERE id = 1"]).await;
        drop(x);
        server.admin("DROP DATABASE x").await;
        server.admin("DROP DATABASE y").await;
    }
    pair.east.agrees_with(&pair.west, "d", CONTENT).await;
}
