//! The voter sample that VoltDB's manual replicates, with real processes: a master and a replica by
//! configuration, people who vote, a master that dies, a promotion, and votes that go on.

use crate::BINARY;
use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use testkit::{PASSWORD, Server, eventually, one, rows, script};
use tokio::sync::Mutex;
use tokio_postgres::Client;

const LIMIT: Duration = Duration::from_secs(90);
/// Votes of one telephone at most.
const VOTES_MAX: i64 = 2;
const CALLERS: u64 = 4;
const AREA_CODES: [(i64, &str); 5] =
    [(205, "AL"), (212, "NY"), (415, "CA"), (617, "MA"), (907, "AK")];
const SCHEMA: [&str; 9] = [
    "CREATE TABLE contestants (contestant_number int PRIMARY KEY, contestant_name varchar(50) NOT NULL)",
    "CREATE TABLE votes (phone_number bigint NOT NULL, vote int NOT NULL, state varchar(2) NOT NULL, \
     contestant_number int NOT NULL, PRIMARY KEY (phone_number, vote), SHARD KEY (phone_number))",
    "CREATE TABLE area_code_state (area_code int PRIMARY KEY, state varchar(2) NOT NULL)",
    // Who answers the telephones is of no interest elsewhere.
    "CREATE TABLE calls (phone_number bigint, vote int, PRIMARY KEY (phone_number, vote))",
    "DR TABLE contestants",
    "DR TABLE votes",
    "DR TABLE area_code_state",
    "INSERT INTO contestants VALUES (1, 'Edwina'), (2, 'Tabatha'), (3, 'Kelly'), (4, 'Jessie')",
    "INSERT INTO area_code_state VALUES (205, 'AL'), (212, 'NY'), (415, 'CA'), (617, 'MA'), (907, 'AK')",
];

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Counted,
    TooMany,
}

/// One call: who votes too often is refused, and a vote has the state of its area code.
async fn vote(client: &Client, phone: i64, contestant: i64) -> Result<Call, tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    let known = format!(
        "SELECT count(*), (SELECT state FROM area_code_state WHERE area_code = {}) \
         FROM votes WHERE phone_number = {phone}",
        phone / 10_000_000
    );
    let known = testkit::try_rows(client, &known).await?;
    let votes: i64 = known[0][0].parse().expect("a number");
    if votes >= VOTES_MAX {
        client.batch_execute("ROLLBACK").await?;
        return Ok(Call::TooMany);
    }
    let state = &known[0][1];
    let insert = format!("INSERT INTO votes VALUES ({phone}, {votes}, '{state}', {contestant})");
    client.batch_execute(&insert).await?;
    client.batch_execute(&format!("INSERT INTO calls VALUES ({phone}, {votes})")).await?;
    client.batch_execute("COMMIT").await?;
    Ok(Call::Counted)
}

/// A caller has telephones of its own, and calls from each twice, and once too often.
fn telephone(caller: u64, call: u64) -> (i64, i64) {
    let nth = call / (VOTES_MAX as u64 + 1);
    let (area, _) = AREA_CODES[(nth % AREA_CODES.len() as u64) as usize];
    (area * 10_000_000 + (caller * 1_000_000 + nth) as i64, 1 + (call % 4) as i64)
}

/// What the callers were told.
#[derive(Default)]
struct Told {
    /// Votes that were counted, by contestant.
    counted: Mutex<BTreeMap<i64, u64>>,
    /// Calls whose answer never came.
    unknown: AtomicU64,
}

/// Calls until the other side is gone.
async fn call(server_port: u16, caller: u64, told: Arc<Told>) {
    let client = testkit::connect(server_port, "root", PASSWORD, "voter").await.expect("connects");
    // A vote counts once the replica has it.
    script(&client, &["SET commit_wait = remote", "SET commit_wait_timeout = 0"]).await;
    for n in 0.. {
        let (phone, contestant) = telephone(caller, n);
        match vote(&client, phone, contestant).await {
            Ok(Call::Counted) => *told.counted.lock().await.entry(contestant).or_default() += 1,
            Ok(Call::TooMany) => {}
            Err(e) => {
                assert!(e.is_closed() || e.as_db_error().is_none(), "{e:?}");
                told.unknown.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

fn antipode(server: &Server, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .args(["--port", &server.port().to_string()])
        .env("PGPASSWORD", PASSWORD)
        .env_remove("PGHOST")
        .env_remove("PGUSER")
        .output()
        .expect("the program runs")
}

fn out(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Votes by contestant, and that each has the state of its area code, and none is counted too often.
async fn totals(client: &Client) -> BTreeMap<i64, u64> {
    let strange = "SELECT count(*) FROM votes v LEFT JOIN area_code_state a \
                   ON a.area_code = v.phone_number / 10000000 \
                   LEFT JOIN contestants c ON c.contestant_number = v.contestant_number \
                   WHERE a.state IS NULL OR a.state <> v.state OR c.contestant_number IS NULL \
                   OR v.vote >= 2";
    assert_eq!(one(client, strange).await, "0");
    let sql = "SELECT contestant_number, count(*) FROM votes GROUP BY 1";
    let number = |text: &str| text.parse::<i64>().expect("a number");
    rows(client, sql).await.iter().map(|r| (number(&r[0]), number(&r[1]) as u64)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_go_on_after_the_master_dies_and_the_replica_is_promoted() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut east = Server::start_with(BINARY, 1, "east", dir.path(), &["--dr-role", "master"]);
    let source = format!("root:{PASSWORD}@127.0.0.1:{}", east.port());
    let flags = ["--dr-role", "replica", "--dr-source", &source];
    let mut west = Server::start_with(BINARY, 2, "west", dir.path(), &flags);
    let nothing = antipode(&west, &["promote"]);
    assert_eq!(nothing.status.code(), Some(1), "{}", out(&nothing));
    assert!(out(&nothing).contains("no database of this node is a standby"), "{}", out(&nothing));

    east.admin("CREATE DATABASE voter PARTITIONS 4").await;
    script(&east.connect("voter").await, &SCHEMA).await;
    let admin = west.connect("antipode").await;
    let stands = "SELECT count(*) FROM sys.database WHERE name = 'voter' AND role = 'standby'";
    eventually("the replica follows by itself", LIMIT, async || one(&admin, stands).await == "1")
        .await;
    east.agrees_with(&west, "voter", "SELECT * FROM area_code_state ORDER BY 1").await;

    let told = Arc::new(Told::default());
    let calls: Vec<_> =
        (0..CALLERS).map(|c| tokio::spawn(call(east.port(), c, told.clone()))).collect();
    let counted = async || told.counted.lock().await.values().sum::<u64>();
    eventually("people vote", LIMIT, async || counted().await >= 200).await;
    statistics(&east, &west).await;
    let refused = testkit::error_of(&west.connect("voter").await, "DELETE FROM votes").await;
    assert_eq!(refused.0, "25006", "{}", refused.1);
    let local = testkit::error_of(&west.connect("voter").await, "SELECT count(*) FROM calls").await;
    assert_eq!(local.0, "55000", "{}", local.1);
    let tables = "SELECT table_name FROM information_schema.dr_tables \
                  WHERE NOT is_replicated ORDER BY 1";
    for server in [&east, &west] {
        assert_eq!(rows(&server.connect("voter").await, tables).await, [["calls"]]);
    }
    let answered = "SELECT count(*) FROM calls";
    assert_ne!(one(&east.connect("voter").await, answered).await, "0");

    east.kill();
    for call in calls {
        call.await.expect("a caller ends");
    }
    let lossless = antipode(&west, &["promote"]);
    assert_eq!(lossless.status.code(), Some(1), "{}", out(&lossless));
    assert!(out(&lossless).contains("promote --with-data-loss"), "{}", out(&lossless));
    assert_eq!(one(&admin, stands).await, "1", "it is a standby as before");
    let promoted = antipode(&west, &["promote", "--with-data-loss"]);
    assert!(promoted.status.success(), "{}", out(&promoted));
    assert!(out(&promoted).contains("nothing up to here is lost"), "{}", out(&promoted));

    let client = west.connect("voter").await;
    let (counted, unknown) =
        (told.counted.lock().await.clone(), told.unknown.load(Ordering::Relaxed));
    assert_eq!(one(&client, answered).await, "0", "they stayed where they were");
    let after = totals(&client).await;
    for (contestant, votes) in &counted {
        assert!(after.get(contestant) >= Some(votes), "{contestant}: {after:?}, {counted:?}");
    }
    let sum = |votes: &BTreeMap<i64, u64>| votes.values().sum::<u64>();
    assert!(sum(&after) <= sum(&counted) + unknown, "{after:?}, {counted:?}, {unknown} unknown");

    votes_go_on(&mut west, sum(&after)).await;
    the_master_is_forgotten_and_returns(&mut east, &west).await;
}

/// What both ends show while people vote.
async fn statistics(east: &Server, west: &Server) {
    let (east, west) = (east.connect("antipode").await, west.connect("antipode").await);
    let role = "SELECT role, state, remote_cluster_id, configured_role \
                FROM information_schema.dr_role";
    assert_eq!(rows(&east, role).await, [["master", "ACTIVE", "2", "master"]]);
    assert_eq!(rows(&west, role).await, [["replica", "ACTIVE", "1", "replica"]]);
    let producer = "SELECT count(*) FROM information_schema.dr_producer WHERE is_synced \
                    AND connection_status = 'UP' AND mode = 'STREAM' AND state = 'ACTIVE' \
                    AND last_queued_lsn >= last_acked_lsn AND last_acked_lsn > 0 \
                    AND queue_depth = last_queued_lsn - last_acked_lsn \
                    AND last_queued_timestamp >= last_acked_timestamp";
    eventually("all partitions are sent", LIMIT, async || one(&east, producer).await == "4").await;
    let consumer = "SELECT count(*) FROM information_schema.dr_consumer WHERE is_covered \
                    AND covering_host LIKE '127.0.0.1:%' AND NOT is_paused AND state = 'ACTIVE' \
                    AND last_received_timestamp >= last_applied_timestamp \
                    AND last_applied_timestamp > now() - INTERVAL '1 minute'";
    eventually("all are received", LIMIT, async || one(&west, consumer).await == "5").await;
    let rate = "SELECT replication_rate_1m > 0 AND replication_rate_5m > 0 \
                FROM information_schema.dr_consumer WHERE partition_id IS NULL";
    assert_eq!(one(&west, rate).await, "t");
}

/// People vote at the new master, also after it was restarted with the flags of a replica.
async fn votes_go_on(west: &mut Server, before: u64) {
    let client = west.connect("voter").await;
    let phone = 2_129_999_999;
    for expected in [Call::Counted, Call::Counted, Call::TooMany] {
        assert_eq!(vote(&client, phone, 3).await.expect("is answered"), expected);
    }
    assert_eq!(one(&client, "SELECT count(*) FROM votes").await, (before + 2).to_string());
    west.stop();
    west.run();
    let client = west.connect("voter").await;
    let role = "SELECT role, configured_role FROM information_schema.dr_role";
    assert_eq!(rows(&client, role).await, [["master", "replica"]]);
    assert_eq!(vote(&client, phone, 3).await.expect("is answered"), Call::TooMany);
    assert_eq!(vote(&client, phone - 1, 3).await.expect("is answered"), Call::Counted);
    totals(&client).await;
}

async fn the_master_is_forgotten_and_returns(east: &mut Server, west: &Server) {
    let explained = antipode(west, &["dr", "reset", "--cluster", "1", "--explain"]);
    assert!(explained.status.success(), "{}", out(&explained));
    assert!(out(&explained).contains("drop slot 1/voter"), "{}", out(&explained));
    let slots = "SELECT count(*) FROM information_schema.dr_producer";
    let client = west.connect("antipode").await;
    assert_ne!(one(&client, slots).await, "0", "explaining drops nothing");
    let reset = antipode(west, &["dr", "reset", "--all"]);
    assert!(reset.status.success(), "{}", out(&reset));
    assert_eq!(one(&client, slots).await, "0");
    let again = antipode(west, &["dr", "reset", "--cluster", "1"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(out(&again).contains("42704"), "{}", out(&again));

    east.run();
    // It was restarted with somebody who may have been promoted.
    let refused = testkit::error_of(&east.connect("voter").await, "DELETE FROM votes").await;
    assert_eq!(refused.0, "25006", "{}", refused.1);
    east.come_back_to(west, "voter").await;
    for query in ["SELECT * FROM votes ORDER BY 1, 2", "SELECT * FROM contestants ORDER BY 1"] {
        east.agrees_with(west, "voter", query).await;
    }
}
