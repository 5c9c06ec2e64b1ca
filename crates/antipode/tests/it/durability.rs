//! What was acknowledged is there after SIGKILL, and what was not is not half there.

use crate::BINARY;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{PASSWORD, Server, connect, one, rows, script};

/// Inserts pairs of rows that belong together, in one transaction, until told to stop; notes the
/// pairs whose commit was acknowledged.
async fn insert_pairs(port: u16, client: i64, stop: Arc<AtomicBool>, acked: Arc<Mutex<Vec<i64>>>) {
    let Ok(mut session) = connect(port, "root", PASSWORD, "d").await else { return };
    let mut sequence = 0;
    while !stop.load(Ordering::Relaxed) {
        sequence += 1;
        let id = client * 1_000_000 + sequence;
        let Ok(transaction) = session.transaction().await else { return };
        for row in [2 * id, 2 * id + 1] {
            let insert = "INSERT INTO t VALUES ($1, $2)";
            if transaction.execute(insert, &[&row, &id]).await.is_err() {
                return;
            }
        }
        if transaction.commit().await.is_err() {
            return;
        }
        acked.lock().unwrap().push(id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commits_survive_sigkill_and_none_is_halved() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 4").await;
    let client = server.connect("d").await;
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, pair bigint NOT NULL)"]).await;
    let acked = Arc::new(Mutex::new(Vec::new()));
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..6)
            .map(|n| {
                let (stop, acked) = (stop.clone(), acked.clone());
                tokio::spawn(insert_pairs(server.port(), round * 10 + n, stop, acked))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
        server.run();

        let client = server.connect("d").await;
        let found = rows(&client, "SELECT pair, count(*) FROM t GROUP BY pair").await;
        let halved: Vec<_> = found.iter().filter(|row| row[1] != "2").collect();
        assert!(halved.is_empty(), "half of a transaction: {halved:?}");
        let found: BTreeSet<i64> = found.iter().map(|row| row[0].parse().unwrap()).collect();
        let acked = acked.lock().unwrap().clone();
        let lost: Vec<_> = acked.iter().filter(|id| !found.contains(id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert!(acked.len() > 20, "hardly any traffic: {}", acked.len());
    }
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
