//! Data larger than its memory, spilled to chunks, read back after a restart.

use crate::BINARY;
use testkit::{Server, one, rows, script};

const CHECK: &str = "SELECT count(*), sum(id), sum(n), min(v), max(v) FROM t";

#[tokio::test(flavor = "multi_thread")]
async fn spilled_rows_and_later_changes_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["--memory-limit", "64MiB", "--segment-size", "1MiB", "--retain-log", "4MiB"];
    let mut server = Server::start_with(BINARY, 1, "east", dir.path(), &small);
    server.admin("CREATE DATABASE d PARTITIONS 2").await;
    let client = server.connect("d").await;
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, n bigint, v text)"]).await;
    for step in 0..8_i64 {
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
