//! What was acknowledged is there after SIGKILL, what was refused is not, and nothing is half there.
//!
//! `KILL_ROUNDS=300 cargo test -p antipode durability` kills three hundred times.

use crate::BINARY;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::{PASSWORD, Server, connect, one, rows, script};
use tokio_postgres::{Client, Error, Transaction};

const CLIENTS: i64 = 6;
/// Transactions of one client are numbered from its own number times this.
const EACH: i64 = 1_000_000_000;
/// What makes a row large enough for the log and the memory to turn over in a long run.
const PAD: &str = "repeat('x', 1500)";

/// What a client was told of its transactions.
#[derive(Debug, Default)]
struct Told {
    committed: BTreeSet<i64>,
    refused: BTreeSet<i64>,
    unknown: BTreeSet<i64>,
}

enum Outcome {
    Committed,
    Refused,
    Unknown,
}

/// A pair of rows that belong together and the client's own count, mostly in different partitions.
async fn write(transaction: &Transaction<'_>, client: i64, id: i64) -> Result<(), Error> {
    let insert = format!("INSERT INTO t VALUES ($1, $2, {PAD})");
    for row in [2 * id, 2 * id + 1] {
        transaction.execute(&insert, &[&row, &id]).await?;
    }
    let update = "UPDATE clients SET last = $1, done = done + 1 WHERE client = $2";
    transaction.execute(update, &[&id, &client]).await?;
    // Some must fail at their last statement.
    if id % 7 == 0 {
        transaction.execute(&insert, &[&(2 * id), &id]).await?;
    }
    Ok(())
}

async fn attempt(session: &mut Client, client: i64, id: i64) -> Outcome {
    let Ok(transaction) = session.transaction().await else { return Outcome::Refused };
    if write(&transaction, client, id).await.is_err() {
        // COMMIT was never asked for.
        return Outcome::Refused;
    }
    match transaction.commit().await {
        Ok(()) => Outcome::Committed,
        // The server says of an error at COMMIT whether the outcome is unknown.
        Err(e) => match e.code().map(|state| state.code().to_owned()).as_deref() {
            None | Some("08007" | "40003") => Outcome::Unknown,
            Some(_) => Outcome::Refused,
        },
    }
}

/// Runs transactions until told to stop or cut off.
async fn traffic(port: u16, client: i64, first: i64, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let Ok(mut session) = connect(port, "root", PASSWORD, "d").await else { return told };
    let mut id = first;
    while !stop.load(Ordering::Relaxed) && !session.is_closed() {
        let list = match attempt(&mut session, client, id).await {
            Outcome::Committed => &mut told.committed,
            Outcome::Refused => &mut told.refused,
            Outcome::Unknown => &mut told.unknown,
        };
        list.insert(id);
        id += 1;
    }
    told
}

/// Compares what is there with what the clients were told.
async fn check(client: &Client, told: &Told, round: i64) {
    let mut found = BTreeSet::new();
    for row in rows(client, "SELECT pair, count(*) FROM t GROUP BY pair").await {
        assert_eq!(row[1], "2", "round {round}: half of transaction {}", row[0]);
        found.insert(row[0].parse::<i64>().unwrap());
    }
    let lost: Vec<_> = told.committed.difference(&found).collect();
    assert!(lost.is_empty(), "round {round}: acknowledged and lost: {lost:?}");
    let risen: Vec<_> = told.refused.intersection(&found).collect();
    assert!(risen.is_empty(), "round {round}: refused and there: {risen:?}");
    let strange: Vec<_> = found
        .iter()
        .filter(|id| !told.committed.contains(id) && !told.unknown.contains(id))
        .collect();
    assert!(strange.is_empty(), "round {round}: there, and nobody wrote it: {strange:?}");

    let mut counted = BTreeMap::new();
    for id in &found {
        let (last, done) = counted.entry(id / EACH).or_insert((0, 0));
        (*last, *done) = (*id, *done + 1);
    }
    for row in rows(client, "SELECT client, last, done FROM clients WHERE done > 0").await {
        let row: Vec<i64> = row.iter().map(|v| v.parse().unwrap()).collect();
        let rows = counted.remove(&row[0]);
        assert_eq!(rows, Some((row[1], row[2])), "round {round}: client {} is torn", row[0]);
    }
    assert!(counted.is_empty(), "round {round}: rows without their count: {counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commits_survive_sigkill_and_none_is_halved() {
    let rounds = std::env::var("KILL_ROUNDS").map_or(3, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let small = ["--memory-limit", "256MiB", "--segment-size", "1MiB", "--retain-log", "4MiB"];
    let mut server = Server::start_with(BINARY, 1, "east", dir.path(), &small);
    server.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = server.connect("d").await;
    script(
        &client,
        &[
            "CREATE TABLE t (id bigint PRIMARY KEY, pair bigint NOT NULL, pad text NOT NULL)",
            "CREATE TABLE clients (client bigint PRIMARY KEY, last bigint, done bigint NOT NULL)",
            "INSERT INTO clients SELECT v, NULL, 0 FROM generate_series(1, 6) AS g (v)",
        ],
    )
    .await;
    let mut told = Told::default();
    for round in 0..rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let first = |client| client * EACH + round * 1_000_000;
        let clients: Vec<_> = (1..=CLIENTS)
            .map(|n| tokio::spawn(traffic(server.port(), n, first(n), stop.clone())))
            .collect();
        tokio::time::sleep(Duration::from_millis(200 + (round as u64 * 137) % 700)).await;
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let more = client.await.unwrap();
            told.committed.extend(more.committed);
            told.refused.extend(more.refused);
            told.unknown.extend(more.unknown);
        }
        server.run();
        check(&server.connect("d").await, &told, round).await;
    }
    assert!(told.committed.len() > 20, "hardly any traffic: {told:?}");
    assert!(!told.refused.is_empty(), "nothing was refused");
    println!(
        "{rounds} kills: {} committed, {} refused, {} unknown",
        told.committed.len(),
        told.refused.len(),
        told.unknown.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_is_a_clean_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d WITH ASYNC DURABILITY").await;
    let client = server.connect("d").await;
    script(&client, &["CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"])
        .await;
    assert!(server.stop().success());
    server.run();
    assert_eq!(one(&server.connect("d").await, "SELECT count(*) FROM t").await, "2");
}
