//! Damaged files and a full disk: told clearly, never skipped, nothing acknowledged lost.

use crate::BINARY;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Server, error_of, one, script};

/// All files below a folder, with their sizes.
fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push((path.clone(), entry.metadata().unwrap().len()));
        }
    }
    found.sort();
    found
}

/// Turns the bits of some bytes.
fn damage(path: &Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at).unwrap();
    file.write_all_at(&bytes.map(|b| !b), at).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_middle_of_the_log_is_told_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(BINARY, 1, "east", dir.path());
    server.admin("CREATE DATABASE d PARTITIONS 2").await;
    let client = server.connect("d").await;
    script(&client, &["CREATE TABLE t (id int PRIMARY KEY, v text)"]).await;
    for id in 0..50 {
        script(&client, &[&format!("INSERT INTO t VALUES ({id}, repeat('x', 500))")]).await;
    }
    drop(client);
    server.kill();
    let (segment, _) = files(&server.data().join("log")).remove(0);
    // Among the fifty rows, with many synced writes behind it.
    damage(&segment, 12_000);
    assert!(server.try_run().is_err(), "a damaged log must not be opened");
    let log = std::fs::read_to_string(server.log_path()).unwrap();
    let told = log.lines().last().unwrap();
    assert!(told.starts_with("antipode: "), "{told}");
    assert!(told.contains(segment.file_name().unwrap().to_str().unwrap()), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_chunk_is_told_with_its_file_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["--memory-limit", "256MiB", "--segment-size", "1MiB"];
    let mut server = Server::start_with(BINARY, 1, "east", dir.path(), &small);
    server.admin("CREATE DATABASE d PARTITIONS 1").await;
    let client = server.connect("d").await;
    let create = "(id bigint PRIMARY KEY, v text)";
    script(&client, &[&format!("CREATE TABLE t {create}"), &format!("CREATE TABLE u {create}")])
        .await;
    script(&client, &["INSERT INTO u VALUES (1, 'fine')"]).await;
    for step in 0..20_i64 {
        let (from, to) = (step * 20_000 + 1, (step + 1) * 20_000);
        let insert = format!(
            "INSERT INTO t SELECT g, repeat(md5(CAST(g AS text)), 4) \
             FROM generate_series({from}, {to}) AS s(g)"
        );
        script(&client, &[&insert]).await;
    }
    drop(client);
    server.stop();
    let chunks = files(&server.data().join("db"));
    let largest =
        chunks.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "parquet"));
    let (chunk, size) = largest.max_by_key(|(_, size)| *size).expect("rows were spilled");
    damage(chunk, size / 2);
    match server.try_run() {
        Ok(()) => {
            let client = server.connect("d").await;
            let (state, message) =
                error_of(&client, "SELECT count(v), sum(length(v)) FROM t").await;
            assert_eq!(state, "XX001", "{message}");
            assert!(message.contains(chunk.file_name().unwrap().to_str().unwrap()), "{message}");
            assert_eq!(one(&client, "SELECT v FROM u").await, "fine");
        }
        Err(_) => {
            let log = std::fs::read_to_string(server.log_path()).unwrap();
            let told = log.lines().last().unwrap();
            assert!(told.contains(chunk.file_name().unwrap().to_str().unwrap()), "{told}");
        }
    }
}

/// A file system of its own, unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(megabytes: u32) -> Option<Small> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|o| o.status.success());
        mounted.then_some(Small(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_writes_and_loses_nothing() {
    let Some(disk) = Small::mount(48) else {
        let line = "SKIP a_full_disk_fails_writes_and_loses_nothing: may not mount a tmpfs\n";
        let _ = std::fs::write("/dev/stderr", line);
        return;
    };
    let small = ["--segment-size", "4MiB"];
    let mut server = Server::start_with(BINARY, 1, "east", disk.0.path(), &small);
    server.admin("CREATE DATABASE d PARTITIONS 2").await;
    let client = server.connect("d").await;
    script(&client, &["CREATE TABLE t (id bigint PRIMARY KEY, v text)"]).await;
    let mut acknowledged = 0_i64;
    let refused = loop {
        let id = acknowledged + 1;
        let row = format!("INSERT INTO t VALUES ({id}, repeat('0123456789abcdef', 4000))");
        match client.batch_execute(&row).await {
            Ok(()) => acknowledged = id,
            Err(e) => break e,
        }
        assert!(acknowledged < 10_000, "the disk must be full long before");
    };
    assert_eq!(refused.code().map(|c| c.code()), Some("53100"), "{refused:?}");
    let count = "SELECT count(*) FROM t";
    assert_eq!(one(&client, count).await, acknowledged.to_string(), "reads go on");
    drop(client);
    server.kill();
    server.run();
    let client = server.connect("d").await;
    assert_eq!(one(&client, count).await, acknowledged.to_string());
}
