//! Data larger than its memory, spilled to chunks, read back after a restart.

use crate::BINARY;
use std::path::Path;
use testkit::{Server, one, rows, script};

const CHECK: &str = "SELECT count(*), sum(id), sum(n), min(v), max(v) FROM t";

#[tokio::test(flavor = "multi_thread")]
async fn spilled_rows_and_later_changes_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["--memory-limit", "256MiB", "--segment-size", "1MiB", "--retain-log", "4MiB"];
    let mut server = Server::start_with(BINARY, 1, "east", dir.path(), &small);
    server.admin("CREATE DATABASE d PARTITIONS 2").await;
    let client = server.connect("d").await;
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, n bigint, v text)"]).await;
    for step in 0..16_i64 {
        let (from, to) = (step * 20_000 + 1, (step + 1) * 20_000);
        let insert = format!(
            "INSERT INTO t SELECT g, g % 97, repeat(md5(CAST(g AS text)), 4) \
             FROM generate_series({from}, {to}) AS s(g)"
        );
        script(&client, &[&insert]).await;
    }
    script(&client, &["UPDATE t SET n = n + 1000 WHERE id % 1000 = 0"]).await;
    script(&client, &["DELETE FROM t WHERE id % 5000 = 1"]).await;
    let before = rows(&client, CHECK).await;
    drop(client);
    server.kill();
    server.run();
    let client = server.connect("d").await;
    assert_eq!(rows(&client, CHECK).await, before);
    assert_eq!(one(&client, "SELECT n FROM t WHERE id = 97000").await, "1000");
    assert_eq!(one(&client, "SELECT count(*) FROM t WHERE id = 5001").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_writes_down_what_was_only_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 2").await;
    let client = server.connect("d").await;
    script(
        &client,
        &[
            "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, v text)",
            "INSERT INTO t SELECT g, g % 97, 'x' FROM generate_series(1, 2000) AS s(g)",
        ],
    )
    .await;
    let chunks = || chunks_in(&server.data().join("db"));
    assert_eq!(chunks(), 0, "so few rows stay in memory");
    script(&client, &["CHECKPOINT"]).await;
    assert!(chunks() > 0, "no chunk was written");

    script(&client, &["CREATE USER ann PASSWORD 'x'"]).await;
    let ann = testkit::connect(server.port(), "ann", "x", "d").await.unwrap();
    let refused = ann.batch_execute("CHECKPOINT").await.unwrap_err();
    assert_eq!(refused.code().map(|c| c.code()), Some("42501"), "{refused}");

    let before = rows(&client, CHECK).await;
    drop(client);
    server.kill();
    server.run();
    assert_eq!(rows(&server.connect("d").await, CHECK).await, before);
}

fn chunks_in(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let count = |path: std::path::PathBuf| match path.is_dir() {
        true => chunks_in(&path),
        false => usize::from(path.extension().is_some_and(|e| e == "parquet")),
    };
    entries.map(count).sum()
}
