//! Users and their rights in two regions, before and after one of them is lost; and what PostgreSQL's
//! shell shows of them.

use crate::BINARY;
use std::time::Duration;
use testkit::{Pair, Server, connect, error_of, eventually, one, psql, rows, script};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_users_have_the_same_rights_after_a_failover() {
    let mut pair = Pair::start(BINARY);
    pair.east.admin("CREATE DATABASE d PARTITIONS 3").await;
    let east = pair.east.connect("d").await;
    script(
        &east,
        &[
            "CREATE TABLE t (id serial PRIMARY KEY, n int)",
            "CREATE TABLE secret (id int PRIMARY KEY)",
            "INSERT INTO t (n) VALUES (1), (2)",
            "CREATE ROLE readers",
            "CREATE USER app PASSWORD 'app''s own'",
            "CREATE USER old PASSWORD 'x'",
            "GRANT readers TO app",
            "GRANT SELECT ON t TO readers",
            "GRANT INSERT ON t TO app",
            "GRANT USAGE ON SEQUENCE t_id_seq TO app",
            "REVOKE CONNECT ON DATABASE d FROM PUBLIC",
            "GRANT CONNECT ON DATABASE d TO app",
            "ALTER DATABASE d SET lock_timeout = '7s'",
            "CREATE ADDRESS RULE home FOR app ON DATABASE d FROM '127.0.0.0/8' ALLOW",
            "CREATE ADDRESS RULE here FOR ALL FROM '0.0.0.0/0' ALLOW",
            "ALTER ROLE app SET statement_timeout = '1 min'",
        ],
    )
    .await;
    pair.west.follow(&pair.east, "d").await;
    pair.west.agrees_with(&pair.east, "d", "SELECT count(*) FROM t").await;
    // What changes while it is followed travels, too.
    script(
        &east,
        &["DROP USER old", "CREATE USER late PASSWORD 'late'", "GRANT readers, app TO late"],
    )
    .await;
    script(&east, &["INSERT INTO t (n) VALUES (3)"]).await;
    pair.west.agrees_with(&pair.east, "d", "SELECT count(*) FROM t").await;
    assert!(connect(pair.west.port(), "app", "app's own", "d").await.is_err(), "not there yet");
    let standby = pair.west.connect("d").await;
    let carried = "SELECT role_name, exists_here FROM information_schema.carried_roles ORDER BY 1";
    assert_eq!(
        rows(&standby, carried).await,
        [["app", "f"], ["late", "f"], ["readers", "f"], ["root", "t"]]
    );
    pair.east.kill();
    pair.west.admin("FAILOVER DATABASE d WITH DATA LOSS").await;

    let app = connect(pair.west.port(), "app", "app's own", "d").await.expect("the same password");
    assert_eq!(one(&app, "SELECT count(*) FROM t").await, "3");
    script(&app, &["INSERT INTO t (n) VALUES (4)"]).await;
    assert_eq!(error_of(&app, "SELECT * FROM secret").await.0, "42501");
    assert_eq!(error_of(&app, "UPDATE t SET n = 0").await.0, "42501");
    assert_eq!(one(&app, "SHOW lock_timeout").await, "7s");
    assert_eq!(one(&app, "SHOW statement_timeout").await, "1min");
    let late = connect(pair.west.port(), "late", "late", "d").await.expect("came along");
    assert_eq!(one(&late, "SELECT count(*) FROM t").await, "4");
    let west = pair.west.connect("d").await;
    let gone = "SELECT count(*) FROM pg_roles WHERE rolname = 'old'";
    assert_eq!(one(&west, gone).await, "0", "it was dropped before");
    let rules = "SELECT rule_name, role_name, database_name FROM information_schema.address_rules";
    assert_eq!(rows(&west, rules).await, [["home", "app", "d"]], "those of the database");
    let told = "SELECT detail FROM information_schema.replication_history WHERE event = 'roles'";
    assert_eq!(
        rows(&west, told).await,
        [["made: app, late, readers; left as they are here: root"]]
    );

    // East comes back; what the west has changed meanwhile comes back with the database.
    script(&west, &["ALTER USER app PASSWORD 'new'", "GRANT UPDATE ON t TO app"]).await;
    pair.east.run();
    pair.east.come_back_to(&pair.west, "d").await;
    pair.east.agrees_with(&pair.west, "d", "SELECT count(*) FROM t").await;
    pair.west.admin("SWITCHOVER DATABASE d TO east").await;
    eventually(
        "app logs in with its new password",
        Duration::from_secs(30),
        async || match connect(pair.east.port(), "app", "new", "d").await {
            Ok(app) => app.batch_execute("UPDATE t SET n = 0").await.is_ok(),
            Err(_) => false,
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_lists_roles_and_privileges() {
    let Some(psql) = psql("psql_lists_roles_and_privileges") else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 2").await;
    let client = server.connect("d").await;
    script(
        &client,
        &[
            "CREATE TABLE t (id int PRIMARY KEY)",
            "CREATE ROLE readers",
            "CREATE USER app CREATEDB PASSWORD 'x' IN ROLE readers",
            "GRANT SELECT ON t TO readers",
            "REVOKE ALL ON DATABASE d FROM PUBLIC",
            "ALTER ROLE app SET jit = on",
        ],
    )
    .await;
    let run = |command: &str| {
        psql.run(&server, "d", &["-X", "-A", "-t", "-c", command]).expect_fine(command)
    };
    let du = run("\\du");
    assert!(du.contains("app|Create DB|{readers}"), "{du}");
    assert!(du.contains("readers|Cannot login|{}"), "{du}");
    let dp = run("\\dp");
    assert!(dp.contains("public|t|table|root=arwdDxt/root\nreaders=r/root"), "{dp}");
    let l = run("\\l d");
    assert!(l.contains("d|root|") && l.contains("root=CTc/root"), "{l}");
    assert!(run("\\dt").contains("public|t|table|root"));
    assert!(run("\\dn").contains("public|root"));
    let drds = run("\\drds");
    assert!(drds.contains("app||jit=on"), "{drds}");
}
