//! The walk-through of docs/walkthroughs/replicas.md with real processes: ybwest and ybeast, premdb
//! and its replica, a failover without and one with data loss, and the way back.

use crate::BINARY;
use std::time::Duration;
use testkit::{PASSWORD, Server, error_of, eventually, one, rows, script};

/// The millions of rows of the story, at a smaller scale.
const HALF: u64 = 50_000;
const COUNT: &str = "SELECT count(*) FROM t100";
const CHECK: &str = "SELECT count(*), sum(id), max(v) FROM t100";
const LIMIT: Duration = Duration::from_secs(90);

struct Appliances {
    west: Server,
    east: Server,
    _dir: tempfile::TempDir,
}

/// Rows `from + 1 ..= to` of t100.
async fn load(server: &Server, database: &str, from: u64, to: u64) {
    let client = server.connect(database).await;
    let mut next = from;
    while next < to {
        let end = (next + 25_000).min(to);
        let insert = format!(
            "INSERT INTO t100 SELECT g, md5(CAST(g AS text)) FROM generate_series({}, {end}) AS s(g)",
            next + 1
        );
        script(&client, &[&insert]).await;
        next = end;
    }
}

impl Appliances {
    /// Two appliances, and premdb on ybwest with tables in it.
    async fn start() -> Appliances {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let west = Server::start(BINARY, 1, "ybwest", dir.path());
        let east = Server::start(BINARY, 2, "ybeast", dir.path());
        west.admin("CREATE DATABASE premdb PARTITIONS 4").await;
        let client = west.connect("premdb").await;
        let tables = [
            "CREATE TABLE t1 (id bigint PRIMARY KEY)",
            "INSERT INTO t1 SELECT g FROM generate_series(1, 1000) AS s(g)",
            "CREATE TABLE t100 (id bigint PRIMARY KEY, v text NOT NULL)",
        ];
        script(&client, &tables).await;
        Appliances { west, east, _dir: dir }
    }

    /// Replication from ybwest to ybeast, and the way back prepared.
    async fn replicate(&self, frequency: u64) {
        let password = PASSWORD.replace('\'', "''");
        let (west, east) = (&self.west, &self.east);
        west.admin(&format!(
            "create remote server ybwest with (host '127.0.0.1', port {}, user root, \
             password '{password}')",
            east.port()
        ))
        .await;
        west.admin(&format!(
            "alter database premdb add replica premdb_replica to ybwest \
             with (alias premdb_replicated, frequency {frequency})"
        ))
        .await;
        let client = west.connect("antipode").await;
        let state = "SELECT status FROM sys.replica";
        assert_eq!(one(&client, state).await, "NOT_STARTED");
        west.admin("alter database premdb alter replica premdb_replica start").await;
        assert_eq!(one(&client, state).await, "RUNNING");
        eventually("the first cycle is complete", LIMIT, async || {
            let now = "SELECT last_replication_time IS NOT NULL AND connected FROM sys.replica";
            one(&client, now).await == "t" && self.stands(east, "premdb_replicated").await
        })
        .await;
        // No login is needed: the clusters know each other by now.
        east.admin(&format!("create remote server ybeast with(host '127.0.0.1:{}')", west.port()))
            .await;
        east.admin(&format!(
            "alter database premdb_replicated add replica reverse_premdb_replica to ybeast \
             with(alias premdb, reverse_replica premdb_replica, frequency {frequency})"
        ))
        .await;
    }

    /// True if a database can be read and written nowhere but at its primary.
    async fn stands(&self, server: &Server, database: &str) -> bool {
        let client = server.connect("antipode").await;
        let role = format!("SELECT role FROM sys.database WHERE name = '{database}'");
        rows(&client, &role).await == [["standby"]]
    }

    async fn same(&self) {
        eventually("both have the same rows", LIMIT, async || {
            let one = async |server: &Server, database: &str| {
                let client =
                    testkit::connect(server.port(), "root", PASSWORD, database).await.ok()?;
                testkit::try_rows(&client, CHECK).await.ok()
            };
            let here = one(&self.west, "premdb").await;
            here.is_some() && here == one(&self.east, "premdb_replicated").await
        })
        .await;
    }
}

/// Promotes; what is refused because the link is down for a moment is tried again.
async fn promote(server: &Server, sql: &str) {
    let client = server.connect("antipode").await;
    eventually(sql, LIMIT, async || match client.batch_execute(sql).await {
        Ok(()) => true,
        Err(e) => {
            let code = e.as_db_error().map(|e| e.code().code().to_owned());
            assert_eq!(code.as_deref(), Some("55000"), "{sql}: {e:?}");
            false
        }
    })
    .await;
}

const PROMOTE: &str =
    "alter database premdb_replicated alter replica reverse_premdb_replica promote";
const FAIL_BACK: &str = "alter database premdb alter replica premdb_replica promote";

#[tokio::test(flavor = "multi_thread")]
async fn failover_without_data_loss_and_failback() {
    let both = Appliances::start().await;
    both.replicate(0).await;
    // ybwest is responsive: half of the rows are loaded there, and forced over.
    load(&both.west, "premdb", 0, HALF).await;
    promote(&both.east, PROMOTE).await;
    let east = both.east.connect("premdb_replicated").await;
    assert_eq!(one(&east, COUNT).await, HALF.to_string());
    load(&both.east, "premdb_replicated", HALF, 2 * HALF).await;
    eventually("ybwest follows", LIMIT, async || both.stands(&both.west, "premdb").await).await;
    both.same().await;
    let west = both.west.connect("premdb").await;
    assert_eq!(error_of(&west, "DELETE FROM t1").await.0, "25006");
    let status = "SELECT name, status FROM sys.replica";
    assert_eq!(rows(&west, status).await, [["premdb_replica", "NOT_STARTED"]]);
    assert_eq!(rows(&east, status).await, [["reverse_premdb_replica", "RUNNING"]]);
    // Only the second half travelled back, and nothing was stranded.
    promote(&both.west, FAIL_BACK).await;
    script(&both.west.connect("premdb").await, &["INSERT INTO t100 VALUES (0, 'after')"]).await;
    eventually("ybeast follows", LIMIT, async || {
        both.stands(&both.east, "premdb_replicated").await
    })
    .await;
    both.same().await;
    assert_eq!(rows(&west, status).await, [["premdb_replica", "RUNNING"]]);
    let kept = "SELECT count(*) FROM information_schema.diverged_transactions";
    assert_eq!(one(&west, kept).await, "0");
    // Both sides tell the story.
    let told = "SELECT count(*) FROM information_schema.replication_history \
                WHERE event IN ('add replica', 'replica', 'handover', 'promote')";
    assert!(one(&west, told).await.parse::<u32>().unwrap() >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_with_data_loss_keeps_the_stranded_rows_and_fails_back() {
    let mut both = Appliances::start().await;
    both.replicate(0).await;
    both.same().await;
    // ybeast is away while half of the rows are committed on ybwest, which then fails.
    both.east.kill();
    load(&both.west, "premdb", 0, HALF).await;
    both.west.kill();
    both.east.run();
    let (state, message) = both.east.admin_error(PROMOTE).await;
    assert_eq!(state, "55000", "{message}");
    let client = both.east.connect("antipode").await;
    let explained = rows(&client, &format!("EXPLAIN {PROMOTE} with data loss")).await;
    assert!(explained.iter().any(|r| r[0] == "loss"), "{explained:?}");
    assert!(explained.iter().all(|r| r[0] != "blocker"), "{explained:?}");
    both.east.admin(&format!("{PROMOTE} with data loss")).await;
    let east = both.east.connect("premdb_replicated").await;
    assert_eq!(one(&east, COUNT).await, "0");
    // A full load on ybeast.
    load(&both.east, "premdb_replicated", 0, 2 * HALF).await;
    // ybwest is repaired, and comes back by itself.
    both.west.run();
    let west = both.west.connect("antipode").await;
    let reason = "SELECT is_readonly, readonly_reason FROM sys.database WHERE name = 'premdb'";
    let reason = rows(&west, reason).await;
    assert!(reason[0][0] == "t" && reason[0][1].len() > 10, "{reason:?}");
    eventually("ybwest follows", LIMIT, async || both.stands(&both.west, "premdb").await).await;
    both.same().await;
    for (server, database) in [(&both.west, "premdb"), (&both.east, "premdb_replicated")] {
        let client = server.connect(database).await;
        let kept = "SELECT count(*) FROM information_schema.diverged_rows \
                    WHERE table_name = 't100' AND old_row IS NULL";
        assert_eq!(one(&client, kept).await, HALF.to_string(), "{database}");
    }
    promote(&both.west, FAIL_BACK).await;
    both.same().await;
    assert!(!both.stands(&both.west, "premdb").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_are_shown_by_the_views_and_paused_forced_and_altered() {
    let both = Appliances::start().await;
    both.replicate(1).await;
    load(&both.west, "premdb", 0, 1_000).await;
    let west = both.west.connect("antipode").await;
    let done = "SELECT count(*) FROM sys.log_replica_status l JOIN sys.replica r \
                USING (replica_id) JOIN sys.database d ON d.database_id = r.database_id \
                WHERE d.name = 'premdb' AND l.state = 'DONE' AND l.end_time >= l.start_time \
                AND l.sent_bytes > 0";
    let count = async || one(&west, done).await.parse::<u32>().unwrap();
    eventually("three cycles are complete", LIMIT, async || count().await >= 3).await;
    both.same().await;
    both.west.admin("alter database premdb alter replica premdb_replica pause").await;
    let state = "SELECT r.status, s.state FROM sys.replica r JOIN sys.replica_status s \
                 USING (replica_id)";
    eventually("it is paused", LIMIT, async || rows(&west, state).await == [["PAUSED", "PAUSED"]])
        .await;
    load(&both.west, "premdb", 1_000, 1_100).await;
    both.west.admin("alter database premdb alter replica premdb_replica force").await;
    both.same().await;
    load(&both.west, "premdb", 1_100, 1_200).await;
    both.west
        .admin("alter database premdb alter replica premdb_replica with (frequency 0, bw_limit 64)")
        .await;
    let east = both.east.connect("premdb_replicated").await;
    assert_eq!(one(&east, COUNT).await, "1100");
    both.west.admin("alter database premdb alter replica premdb_replica resume").await;
    both.same().await;
    let told = rows(&west, "SELECT frequency, bw_limit FROM sys.replica").await;
    assert_eq!(told, [["0".to_string(), (64_u64 << 20).to_string()]]);
    let servers = rows(&west, "SELECT name, host, username FROM sys.remote_server").await;
    assert_eq!(servers, [["ybwest", "127.0.0.1", "root"]]);
    // What is in use stays.
    assert_eq!(both.west.admin_error("DROP REMOTE SERVER ybwest").await.0, "2BP01");
    assert_eq!(both.west.admin_error("DROP DATABASE premdb").await.0, "55006");
    // A standby that is to be read by nobody.
    both.east.admin("alter database premdb_replicated set hot_standby off").await;
    assert_eq!(error_of(&east, COUNT).await.0, "57P03");
    both.east.admin("alter database premdb_replicated set hot_standby on").await;
    assert_eq!(one(&east, COUNT).await, "1200");
    both.west.admin("alter database premdb set readonly on").await;
    let premdb = both.west.connect("premdb").await;
    assert_eq!(error_of(&premdb, "DELETE FROM t1").await.0, "25006");
    both.west.admin("alter database premdb set readonly off").await;
    script(&premdb, &["DELETE FROM t1 WHERE id = 1"]).await;
    both.west.admin("alter database premdb drop replica premdb_replica").await;
    both.west.admin("DROP REMOTE SERVER ybwest").await;
    assert!(rows(&west, "SELECT * FROM sys.replica").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_about_replicas_are_for_superusers_and_hide_passwords() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let west = Server::start(BINARY, 1, "ybwest", dir.path());
    west.admin("CREATE USER bob PASSWORD 'bob'").await;
    let bob = testkit::connect(west.port(), "bob", "bob", "antipode").await.unwrap();
    for sql in [
        "CREATE REMOTE SERVER s WITH (HOST 'h')",
        "ALTER DATABASE antipode ADD REPLICA r TO s",
        "ALTER DATABASE antipode SET replication_bandwidth = '1 MB'",
    ] {
        assert_eq!(error_of(&bob, sql).await.0, "42501", "{sql}");
    }
    west.admin("CREATE REMOTE SERVER s WITH (HOST 'h', USER u, PASSWORD 'secret')").await;
    let client = west.connect("antipode").await;
    let shown = rows(&client, "SELECT * FROM sys.remote_server").await;
    assert!(shown.iter().flatten().all(|cell| !cell.contains("secret")), "{shown:?}");
    for (sql, state) in [
        ("CREATE REMOTE SERVER s WITH (HOST 'h')", "42710"),
        ("ALTER REMOTE SERVER nobody WITH (HOST 'h')", "42704"),
        ("DROP REMOTE SERVER nobody", "42704"),
        ("ALTER DATABASE antipode ADD REPLICA r TO nobody", "42704"),
        ("ALTER DATABASE nobody ADD REPLICA r TO s", "3D000"),
        ("ALTER DATABASE antipode ALTER REPLICA r START", "42704"),
        ("ALTER DATABASE antipode DROP REPLICA r", "42704"),
        ("UPDATE sys.replica SET status = 'x'", "42501"),
    ] {
        assert_eq!(error_of(&client, sql).await.0, state, "{sql}");
    }
    script(&client, &["ALTER DATABASE antipode DROP REPLICA IF EXISTS r"]).await;
    script(&client, &["CREATE REMOTE SERVER IF NOT EXISTS s WITH (HOST 'h')"]).await;
    script(&client, &["ALTER DATABASE antipode SET replication_bandwidth = '1 MB'"]).await;
    let limit = "SELECT bandwidth FROM sys.database WHERE name = 'antipode'";
    assert_eq!(one(&client, limit).await, (1 << 20).to_string());
}
